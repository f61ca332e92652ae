//! What the sandboxes spend: from the delivery of the cost export to the lock, and to its release.
//!
//! The name of the export's bucket is unique in the world, so each of the hubs here has a stage of its own. On [`bill`]
//! tests run side by side: each has accounts of its own, and whatever they say was spent lands together. [`quiet`] is for
//! one test at a time, where every event counts and the meter runs when the test says so. Every event of S3 comes twice and out of order on both.

mod asking;
mod crashing;
mod estimating;
mod faulty;
mod landing;
mod locking;
mod repeating;
mod unheld;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use guardrail::spending::SandboxSpend;
use guardrail::{Amount, Finding};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use stage::deploy::sample_event;
use stage::exports::{Delivery, Line};
use stage::running::{REGION, wait_for};
use stage::timeline::now;
use stage::{Hub, HubOptions, Options, Sandbox, SandboxOptions, Stage, StageError};
use workload_simulator::{EventFaults, Settings};

use crate::{HUB, WAITS};

/// The longest that anything may take on a busy machine.
const AT_MOST: Duration = Duration::from_secs(120);

pub(crate) const METER: &str = "sandbox-guardrails-spend-meter";
pub(crate) const ENFORCE: &str = "sandbox-guardrails-spend-enforce";

/// The account of the `number`-th sandbox that spends. Those below [`DEPLOYED`] may be deployed, too.
fn account(number: u32) -> String {
    format!("2{number:011}")
}

const DEPLOYED: u32 = 8;

/// A stage whose hub meters what is spent.
pub(crate) struct Metered {
    pub(crate) stage: Stage,
    pub(crate) hub: Hub,
    landed: Mutex<Landed>,
}

/// What landed last in each month.
#[derive(Default)]
struct Landed {
    /// By month and account.
    lines: BTreeMap<Date, BTreeMap<String, Vec<Line>>>,
    /// When anything landed last.
    at: Option<Instant>,
    deliveries: u32,
}

/// While it lasts, events wake the meter.
struct Awake<'a>(&'a Metered);

impl Drop for Awake<'_> {
    fn drop(&mut self) {
        let _ = self.0.turn_rules("DisableRule");
    }
}

impl Landed {
    /// S3 tells when an object landed to the second, so of two deliveries within one nobody could say which is the newer.
    fn await_next_second(&self) {
        let is_over = || self.at.is_none_or(|at| at.elapsed() > Duration::from_millis(1100)).then_some(());
        wait_for("the next second", AT_MOST, is_over).unwrap();
    }
}

/// The hub on which tests run side by side.
fn bill() -> &'static Metered {
    static SHARED: OnceLock<Metered> = OnceLock::new();
    SHARED.get_or_init(|| Metered::raise(&HubOptions::default()))
}

/// The hub on which one test runs at a time, and where nothing wakes the meter but the test.
pub(crate) fn quiet() -> (&'static Metered, MutexGuard<'static, ()>) {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    (metered_quietly(), turn)
}

/// The same for whoever has the turn already.
pub(crate) fn metered_quietly() -> &'static Metered {
    static SHARED: OnceLock<Metered> = OnceLock::new();
    SHARED.get_or_init(|| {
        let metered = Metered::raise(&HubOptions::default());
        metered.turn_rules("DisableRule").unwrap();
        metered
    })
}

fn today() -> Date {
    now().to_zoned(TimeZone::UTC).date()
}

/// The first day of this month, or of one so many months before.
pub(crate) fn month(before: i32) -> Date {
    today().first_of_month().saturating_sub(before.months())
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// Usage at the very beginning of a month, so that no export knows more than the days that have ended.
pub(crate) fn line(account: &str, month: Date, service: &str, cost: &str) -> Line {
    Line::new(account, service, month, cost).until(month.at(0, 0, 0, 0))
}

impl Metered {
    fn raise(options: &HubOptions) -> Self {
        let disorder = EventFaults { copies: 2, reorder_within: Duration::from_millis(200), ..EventFaults::default() };
        let simulator = Settings { event_faults: disorder, ..Settings::default() };
        let stage =
            Stage::start(Options { auth: true, wait_scale: Some(WAITS), simulator, ..Options::default() }).unwrap();
        let sandboxes: Vec<String> = (0..DEPLOYED).map(account).collect();
        let sandboxes: Vec<&str> = sandboxes.iter().map(String::as_str).collect();
        let hub = stage.deploy_hub_with(HUB, &sandboxes, options).unwrap();
        Self { stage, hub, landed: Mutex::default() }
    }

    /// A sandbox that only the register knows, with these settings of its budget, such as `limit`. Gives its account.
    pub(crate) fn payer(&self, settings: &[(&str, &str)]) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(DEPLOYED);
        let account = account(NEXT.fetch_add(1, Ordering::Relaxed));
        self.set(&account, settings);
        let name = format!("/sandbox-guardrails/spend/sandboxes/{account}");
        self.hub.account.put_parameter(&name, &json!({"business_unit": "retail"}).to_string()).unwrap();
        account
    }

    /// A sandbox that is deployed, under this alias, with these settings of its budget.
    fn sandbox(&self, alias: &str, settings: &[(&str, &str)]) -> Sandbox {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(number < DEPLOYED, "the hub lets {DEPLOYED} sandboxes report");
        let id = account(number);
        self.set(&id, settings);
        let name = format!("/sandbox-guardrails/spend/sandboxes/{id}");
        let entry = json!({"business_unit": "retail", "alias": alias}).to_string();
        self.hub.account.put_parameter(&name, &entry).unwrap();
        self.stage.deploy_sandbox(&id, alias, &self.hub, &SandboxOptions::default()).unwrap()
    }

    /// Sets a sandbox's budget as an administrator does, past the command.
    fn set(&self, account: &str, settings: &[(&str, &str)]) {
        for (setting, value) in settings {
            self.hub.account.put_parameter(&setting_of(account, setting), value).unwrap();
        }
    }

    /// Lets a delivery of a month land in which an account has these lines, and the others what they had.
    pub(crate) fn deliver(&self, account: &str, month: Date, lines: Vec<Line>) {
        let mut landed = self.landed.lock().unwrap_or_else(PoisonError::into_inner);
        landed.lines.entry(month).or_default().insert(account.to_owned(), lines);
        landed.await_next_second();
        let version = format!("delivery-{}", landed.deliveries);
        let lines = landed.lines.get(&month).into_iter().flat_map(BTreeMap::values).flatten().cloned().collect();
        self.hub.deliver(&Delivery::new(month, &version, lines)).unwrap();
        landed.at = Some(Instant::now());
        landed.deliveries += 1;
    }

    /// Lets something else land than [`Self::deliver`] would, by itself.
    fn land(&self, landing: impl FnOnce(&Hub)) {
        let mut landed = self.landed.lock().unwrap_or_else(PoisonError::into_inner);
        landed.await_next_second();
        landing(&self.hub);
        landed.at = Some(Instant::now());
    }

    /// Delivers, and waits until the hub tells that the account has spent this much in the month.
    fn bills(&self, account: &str, month: Date, lines: Vec<Line>, expected: &str) -> SandboxSpend {
        self.deliver(account, month, lines);
        self.await_spent(account, month, expected)
    }

    /// Waits until the hub tells that an account has spent this much in a month.
    fn await_spent(&self, account: &str, month: Date, expected: &str) -> SandboxSpend {
        self.await_spend(account, month, |told| told.reported == amount(expected))
    }

    /// Waits until what the hub tells of an account's month is as wanted.
    fn await_spend(&self, account: &str, month: Date, wanted: impl Fn(&SandboxSpend) -> bool) -> SandboxSpend {
        let told =
            wait_for(&format!("what `{account}` has spent"), AT_MOST, || self.spend(account, month).filter(&wanted));
        told.unwrap_or_else(|error| panic!("{error}; {:#?}; {}", self.spend(account, month), self.what_is(account)))
    }

    /// What the hub tells that an account has spent in a month.
    fn spend(&self, account: &str, month: Date) -> Option<SandboxSpend> {
        let row = self.row(account, &SandboxSpend::id_of(month))?;
        Some(serde_json::from_str(row["detail"].as_str()?).unwrap())
    }

    /// The hub's row about a sandbox with just this key, if there is one.
    fn row(&self, account: &str, key: &str) -> Option<Map<String, Value>> {
        self.row_at(&format!("{account}/{REGION}"), key)
    }

    fn row_at(&self, place: &str, key: &str) -> Option<Map<String, Value>> {
        self.hub.account.item("sandbox-guardrails-console", &[("pk", place), ("sk", key)]).unwrap()
    }

    /// Waits until the hub has a row about a sandbox with just this key that is as wanted.
    fn await_row(&self, account: &str, key: &str, wanted: impl Fn(&Map<String, Value>) -> bool) -> Map<String, Value> {
        let row = wait_for(&format!("row `{key}`"), AT_MOST, || self.row(account, key).filter(&wanted));
        row.unwrap_or_else(|error| panic!("{error}; {:#?}; {}", self.row(account, key), self.what_is(account)))
    }

    /// The hub's rows about a sandbox whose keys begin so.
    fn rows(&self, account: &str, prefix: &str) -> Vec<Map<String, Value>> {
        let place = format!("{account}/{REGION}");
        let mut rows = self.hub.table().unwrap();
        rows.retain(|row| row["pk"] == place && row["sk"].as_str().is_some_and(|key| key.starts_with(prefix)));
        rows
    }

    /// The findings about an account's budget, as they were found.
    pub(crate) fn findings(&self, account: &str) -> Vec<Finding> {
        let rows = self.rows(account, "finding/spend-budget/");
        let mut findings: Vec<Finding> =
            rows.iter().map(|row| serde_json::from_str(row["detail"].as_str().unwrap()).unwrap()).collect();
        findings.sort_by_key(|finding| (finding.header.occurred_at, finding.level.percent));
        findings
    }

    /// The levels that an account was found to have reached, each as often as it was.
    fn levels(&self, account: &str) -> Vec<u16> {
        let mut levels: Vec<u16> = self.findings(account).iter().map(|finding| finding.level.percent).collect();
        levels.sort_unstable();
        levels
    }

    /// Waits until an account was found to have reached these levels, each as often as it stands here.
    fn await_levels(&self, account: &str, levels: &[u16]) {
        let found = wait_for(&format!("levels {levels:?}"), AT_MOST, || (self.levels(account) == levels).then_some(()));
        found.unwrap_or_else(|error| panic!("{error}; {:?}; {}", self.levels(account), self.what_is(account)));
    }

    /// The ids of what the ledger has of an account's budget: findings and actions.
    fn ledger(&self, account: &str) -> Vec<String> {
        let prefix = format!("spend-budget/{account}/");
        let entries = self.hub.account.items("sandbox-guardrails-spend").unwrap().into_iter();
        let told = entries.filter(|entry| entry.contains_key("detail_type"));
        let ids = told.filter_map(|entry| entry["id"].as_str().map(str::to_owned));
        let mut ids: Vec<String> = ids.filter(|id| id.starts_with(&prefix)).collect();
        ids.sort();
        ids
    }

    /// Lets events wake the meter for as long as what is given lasts.
    fn awake(&self) -> Awake<'_> {
        self.turn_rules("EnableRule").unwrap();
        Awake(self)
    }

    /// Turns the rules that wake the meter.
    fn turn_rules(&self, operation: &str) -> Result<(), StageError> {
        const RULES: [(&str, &str); 3] = [
            ("sandbox-guardrails-spend-meter-export", "default"),
            ("sandbox-guardrails-spend-meter-budget", "default"),
            ("spend-meter-action", "sandbox-guardrails"),
        ];
        RULES.into_iter().try_for_each(|(rule, bus)| {
            let asked = json!({"Name": rule, "EventBusName": bus});
            self.hub.account.json("events", &format!("AWSEvents.{operation}"), &asked).map(drop)
        })
    }

    /// Lets the meter look at everything that landed.
    pub(crate) fn sweep(&self) -> Result<(), StageError> {
        self.run("sweep")
    }

    /// Lets the meter look as after a change of a budget: at the whole.
    fn look(&self) -> Result<(), StageError> {
        self.run("budget-changed")
    }

    /// Sends the meter a sample event, once there is room for one more run of it.
    fn run(&self, sample: &str) -> Result<(), StageError> {
        let event = sample_event("spend-meter", sample)?;
        wait_for("room for a run", AT_MOST, || match self.hub.account.invoke(METER, &event) {
            Err(StageError::Call { message, .. }) if message.contains("TooManyRequestsException") => None,
            answer => Some(answer.map(drop)),
        })?
    }

    /// Gives a command as an operator does, and sees that it is accepted.
    fn command(&self, command: &Value) {
        let answer = self.hub.account.invoke("sandbox-guardrails-console-command", command).unwrap();
        assert_eq!(answer["accepted"], true, "{answer}");
    }

    /// Sets the budget of a sandbox by command.
    fn budget(&self, account: &str, limit: &str) {
        let reason = "the plan was changed";
        self.command(&json!({
            "command": "budget", "sandboxes": [account], "limit": limit, "requested_by": "jo@bank.example", "reason": reason,
        }));
    }

    /// What is known of a sandbox and the end of the meter's log, for whoever reads why a test failed.
    fn what_is(&self, account: &str) -> String {
        let mut rows = self.rows(account, "");
        rows.sort_by_key(|row| row.get("occurred_at").and_then(Value::as_u64));
        let told = rows.iter().map(|row| {
            let said = row.get("message").or_else(|| row.get("detail")).and_then(Value::as_str).unwrap_or_default();
            format!("\n  {} {said}", row["sk"])
        });
        let logged = |function: &str| {
            let lines = self.hub.account.log(function).unwrap_or_default();
            lines.iter().rev().take(12).rev().fold(String::new(), |log, line| format!("{log}\n  {line}"))
        };
        let told: String = told.collect();
        format!("the hub knows{told}\nspend-meter{}\nspend-enforce{}", logged(METER), logged(ENFORCE))
    }
}

/// The parameter with a setting of a sandbox's budget.
fn setting_of(account: &str, setting: &str) -> String {
    format!("/sandbox-guardrails/spend/spend-budget/{setting}/{account}")
}
