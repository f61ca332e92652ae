//! Parameters: what is obeyed, what is rejected, and what is then in force.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use guardrail::catalogue::{self, ATHENA_QUERY_RUNTIME, Among, Bounds};
use guardrail::config::parameter_word;
use guardrail::measure::MeasureKind;
use guardrail::observation::Scopes;
use guardrail::{Configuration, Guardrail, Mode, Observation, Policy, Quantity, ScopeKind};
use jiff::Timestamp;
use proptest::prelude::*;

const PATH: &str = "/sandbox-guardrails/athena/athena-query-runtime";
const UNKNOWN: &str = "in force: nothing, the name is unknown";

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// The name of a guardrail's parameter.
fn name_of(id: &str, setting: &str) -> String {
    format!("{}/{setting}", catalogue::find(id).unwrap().parameter_path())
}

/// Reads one parameter, and gives the message of its rejection.
fn rejection(name: &str, value: &str) -> Option<String> {
    let name = if name.starts_with('/') { name.to_owned() } else { format!("{PATH}/{name}") };
    let values = [(name.as_str(), value)];
    let (configuration, faults) = Configuration::read(values);
    let mut rejected = configuration.rejected(values, &faults, now());
    assert!(rejected.len() <= 1);
    rejected.pop().map(|rejected| rejected.to_string())
}

fn check(name: &str, value: &str, parts: &[&str]) {
    let message = rejection(name, value);
    if parts.is_empty() {
        assert_eq!(message, None, "`{name}` = `{value}` is obeyed");
        return;
    }
    let message = message.unwrap_or_else(|| panic!("`{name}` = `{value}` is rejected"));
    for part in [name, value].iter().chain(parts) {
        assert!(message.contains(part), "`{part}` is named in: {message}");
    }
}

/// What is in force for this guardrail when these of its settings are parameters, all of them good.
fn policy(id: &str, settings: &[(&str, &str)]) -> Policy {
    let values: Vec<_> = settings.iter().map(|(setting, value)| (name_of(id, setting), *value)).collect();
    let (configuration, faults) = Configuration::read(values.iter().map(|(name, value)| (name.as_str(), *value)));
    assert_eq!(faults.into_iter().collect::<Vec<_>>(), []);
    configuration.policy(catalogue::find(id).unwrap())
}

fn scopes(scopes: &[(ScopeKind, &str)]) -> Scopes {
    scopes.iter().map(|(kind, name)| (*kind, (*name).to_owned())).collect()
}

fn etl() -> Scopes {
    scopes(&[(ScopeKind::Workgroup, "etl")])
}

#[test]
fn limits_are_durations_within_what_the_guardrail_can_hold() {
    for good in ["30m", "2h", "1h 30m", "1h30m", "PT30M", "90s", "600m", "1s", " 10m "] {
        check("limit", good, &[]);
        check("limit/etl", good, &[]);
    }
    for bad in [
        "",
        "  ",
        "soon",
        "30",
        "0",
        "0s",
        "-5m",
        "30m ago",
        "999h",
        "601m",
        "0.5s",
        "1d",
        "PT",
        "1e9h",
        "99999999999999999999h",
    ] {
        check("limit", bad, &["a duration such as `30m`, `2h` or `PT30M`, from 1s to 10h", "in force: 30m"]);
        check("limit/etl", bad, &["in force: 30m"]);
    }
}

#[test]
fn modes_levels_and_the_belt_are_checked() {
    for good in ["off", "observe", "enforce", " enforce "] {
        check("mode", good, &[]);
        check("mode/etl", good, &[]);
    }
    for bad in ["", "on", "Enforce", "enfroce", "dry-run"] {
        check("mode", bad, &["`off`, `observe` or `enforce`", "in force: observe"]);
    }
    check("levels", "50,75,100,150", &[]);
    for bad in ["", "95,75,100", "75,95", "0,100", "a,b"] {
        check("levels", bad, &["ascending", "in force: 75,95,100"]);
    }
    check("max_actions", "5", &[]);
    for bad in ["0", "-1", "1001", "many", "unlimited", ""] {
        check("max_actions", bad, &["from 1 to 1000", "in force: 20"]);
    }
}

#[test]
fn unknown_names_are_named() {
    let settings = format!(
        "`limit`, `mode`, `levels`, `limit/<scope>`, `mode/<scope>`, `levels/<scope>`, `max_actions` under `{PATH}/`"
    );
    check("limti", "30m", &[UNKNOWN, &settings]);
    check("", "30m", &[UNKNOWN, &settings]);
    check("limit/", "30m", &[UNKNOWN]);
    check("max_actions/etl", "5", &[UNKNOWN]);
    check("limit/etl/more", "30m", &[UNKNOWN]);
    check("limit/workgroup/etl/more", "30m", &[UNKNOWN]);
    let elsewhere = "a name under `/sandbox-guardrails/<service>/<guardrail>/` of a guardrail of the catalogue, \
                     a setting under `/sandbox-guardrails/availability/`, `/sandbox-guardrails/spend/sandboxes/<account>`, or `/sandbox-guardrails/exemptions/<name>`";
    check("/sandbox-guardrails/athena/athena-query-rutime/limit", "30m", &[UNKNOWN, elsewhere]);
    check("/sandbox-guardrails/emr/athena-query-runtime/limit", "30m", &[UNKNOWN, elsewhere]);
    check("/sandbox-guardrails/athena", "30m", &[UNKNOWN, elsewhere]);
    check("/sandbox-guardrails/", "30m", &[UNKNOWN, elsewhere]);
    check("/sandbox-guardrails/exemptions/", "{}", &[UNKNOWN]);
    check("/elsewhere/limit", "30m", &[UNKNOWN, "a name under `/sandbox-guardrails/`"]);
}

#[test]
fn exemptions_are_whole_and_end() {
    let name = "/sandbox-guardrails/exemptions/year-end";
    let whole = r#"{"scope":"etl","owner":"jo@bank","reason":"year end","expires":"2027-01-31T00:00:00Z"}"#;
    check(name, whole, &[]);
    // One that has expired was well written: it is no rejection, but a finding of `exemption-expired`.
    let expired = whole.replace("2027", "2026");
    check(name, &expired, &[]);
    let (configuration, _) = Configuration::read([(name, expired.as_str())]);
    let expired: Vec<_> =
        configuration.expired(now()).map(|(name, exemption)| (name, exemption.owner.as_str())).collect();
    assert_eq!(expired, [("year-end", "jo@bank")]);
    let seen = Observation::new("query", "q", "RUNNING", now()).within(ScopeKind::Workgroup, Some("etl"));
    assert_eq!(configuration.policy(&ATHENA_QUERY_RUNTIME).exempt(&seen, now()), None);
    for (from, to, problem) in [
        (r#""owner":"jo@bank","#, "", "missing field `owner`"),
        (r#""reason":"year end","#, "", "missing field `reason`"),
        (r#","expires":"2027-01-31T00:00:00Z""#, "", "missing field `expires`"),
        ("year end", " ", "`reason` is empty"),
        (r#""scope":"etl","#, "", "it names no `resource`, `scope` or `resource_owner`"),
        (r#""scope":"etl""#, r#""scope":"""#, "a pattern is empty"),
        (r#""scope""#, r#""scpoe""#, "unknown field `scpoe`"),
        ("2027-01-31T00:00:00Z", "soon", "failed to parse"),
        ("{", "", ""),
    ] {
        check(
            name,
            &whole.replace(from, to),
            &["JSON with `owner`, `reason`, `expires`", problem, "in force: no exemption"],
        );
    }
}

#[test]
fn a_bad_scope_leaves_the_sandboxs_own_setting_in_force() {
    let values = [
        (format!("{PATH}/limit"), "10m"),
        (format!("{PATH}/limit/etl"), "2hh"),
        (format!("{PATH}/mode"), "enforce"),
        (format!("{PATH}/mode/etl"), "?"),
    ];
    let values = || values.iter().map(|(name, value)| (name.as_str(), *value));
    let (configuration, faults) = Configuration::read(values());
    let policy = configuration.policy(&ATHENA_QUERY_RUNTIME);
    assert_eq!(*policy.limit.of(&etl()), Quantity::minutes(10));
    assert_eq!(*policy.mode.of(&etl()), Mode::Enforce);
    let in_force: Vec<_> = configuration.rejected(values(), &faults, now()).into_iter().map(|r| r.in_force).collect();
    assert_eq!(in_force, ["10m", "enforce"]);
}

/// A good value of a guardrail's limit is read as it is meant.
#[track_caller]
fn limit(id: &str, value: &str, expected: Quantity) {
    assert_eq!(policy(id, &[("limit", value)]).limit.sandbox, expected, "`{id}`: `{value}`");
}

#[test]
fn counts_are_whole_numbers_within_their_bounds() {
    for (value, count) in [("1", 1), ("5", 5), (" 500 ", 500), ("007", 7)] {
        limit("emr-cluster-count", value, Quantity::Count(count));
    }
    let name = name_of("emr-cluster-count", "limit");
    for bad in ["", "0", "-1", "501", "5.0", "1e2", "five", "5 clusters", "5,5", "0x5", "5m", "99999999999999999999"] {
        check(&name, bad, &["a whole number such as `5`, from 1 to 500", "in force: 5"]);
    }
}

#[test]
fn bytes_have_a_unit_or_are_whole() {
    for (value, bytes) in [
        ("500 MB", 500_000_000),
        ("2TB", 2_000_000_000_000),
        ("1.5 TB", 1_500_000_000_000),
        ("1 GiB", 1 << 30),
        ("10000000", 10_000_000),
        (" 1 PB ", 1_000_000_000_000_000),
    ] {
        limit("athena-query-bytes-scanned", value, Quantity::Bytes(bytes));
    }
    let name = name_of("athena-query-bytes-scanned", "limit");
    for bad in
        ["", "0", "0 TB", "-1 TB", "+1 TB", "9999999", "9 MB", "1.1 PB", "9999 EB", "1 XB", "TB", "1e13", "1 TB 2 GB"]
    {
        let expected = "a number of bytes such as `500 MB`, `2 TB` or `1 GiB`, from 10.0 MB to 1.0 PB";
        check(&name, bad, &[expected, "in force: 1.0 TB"]);
    }
}

#[test]
fn words_are_known_and_never_all_of_them() {
    limit("sagemaker-self-approval", " somebody else ", Quantity::words(["somebody else"]));
    let name = name_of("sagemaker-domain-network", "limit");
    let both = ["VpcOnly,PublicInternetOnly", "VpcOnly PublicInternetOnly"];
    for bad in ["", " ", ",", "VpcOnly,", "vpconly", "*", "Vpc*", "PublicInternetOnly"].into_iter().chain(both) {
        check(&name, bad, &["`VpcOnly` and nothing else", "in force: VpcOnly"]);
    }
    limit("sagemaker-domain-network", "VpcOnly, VpcOnly", Quantity::words(["VpcOnly"]));
}

#[test]
fn patterns_never_match_everything() {
    limit("emr-release", "emr-7.9.0", Quantity::words(["emr-7.9.0"]));
    limit("emr-release", " emr-7.* , emr-6.1?.0 ", Quantity::words(["emr-7.*", "emr-6.1?.0"]));
    let name = name_of("emr-release", "limit");
    let too_many = (0..101).map(|n| format!("emr-7.{n}")).collect::<Vec<_>>().join(",");
    for bad in ["", " ", ",", "emr-7.*,", "*", "?", "**", "?*", "*.*", "*-*", "emr-*", "7.9", "30m", "emr-7.*,*"] {
        check(
            &name,
            bad,
            &["at most 100 patterns such as `emr-5.3?.*,emr-6.*,emr-7.*`", "in force: emr-5.3?.*,emr-6.*,emr-7.*"],
        );
    }
    assert!(rejection(&name, &too_many).is_some());
    assert_eq!(rejection(&name, too_many.trim_end_matches(",emr-7.100")), None);
}

#[test]
fn a_limit_is_set_for_a_scope_of_each_kind_and_the_first_need_not_be_named() {
    let (id, template) = ("emr-cluster-count", scopes(&[(ScopeKind::Template, "spark-small")]));
    for name in ["limit/spark-small", "limit/template/spark-small"] {
        assert_eq!(*policy(id, &[(name, "9")]).limit.of(&template), Quantity::Count(9), "{name}");
    }
    for name in ["mode/spark-small", "mode/template/spark-small"] {
        assert_eq!(*policy(id, &[(name, "off")]).mode.of(&template), Mode::Off, "{name}");
    }
    let of_kind = policy(id, &[("limit/owner/spark-small", "9"), ("limit/user-type/spark-small", "8")]);
    assert_eq!(*of_kind.limit.of(&template), Quantity::Count(5), "an owner of the same name is no template");
    // A scope may be called like a kind of scopes.
    let named_owner = policy(id, &[("limit/owner", "9")]);
    assert_eq!(*named_owner.limit.of(&scopes(&[(ScopeKind::Template, "owner")])), Quantity::Count(9));

    for (id, setting) in [
        (id, "limit/workgroup/etl"),
        (id, "limit/Template/spark-small"),
        (id, "limit/template/"),
        (id, "limit//spark-small"),
        ("sagemaker-pipeline-count", "limit/churn"),
        ("sagemaker-pipeline-count", "mode/pipeline/churn"),
        ("glue-job-runtime", "limit/owner/ana"),
    ] {
        check(&name_of(id, setting), "9", &[UNKNOWN, "expected `limit`, `mode`"]);
    }
    let unscoped = rejection(&name_of("sagemaker-pipeline-count", "limit/churn"), "9").unwrap();
    assert!(!unscoped.contains("<scope>"), "what has no scopes does not offer them: {unscoped}");
}

/// Every kind of scope at once: taking away the one that wins, the next one does, and the sandbox comes last.
#[test]
fn the_more_specific_scope_wins() {
    let in_all =
        scopes(&[(ScopeKind::UserType, "analyst"), (ScopeKind::Owner, "ana"), (ScopeKind::Template, "spark-small")]);
    let settings =
        [("owner/ana", "1", "off"), ("template/spark-small", "2", "observe"), ("user-type/analyst", "3", "enforce")];
    for from in 0..settings.len() {
        let named = |setting: &str| {
            settings[from..].iter().map(|(scope, ..)| format!("{setting}/{scope}")).rev().collect::<Vec<_>>()
        };
        let (limits, modes) = (named("limit"), named("mode"));
        let values = settings[from..].iter().rev();
        let limits = limits.iter().zip(values.clone()).map(|(name, (_, limit, _))| (name.as_str(), *limit));
        let modes = modes.iter().zip(values).map(|(name, (.., mode))| (name.as_str(), *mode));
        let policy = policy("emr-cluster-count", &limits.chain(modes).collect::<Vec<_>>());
        let (_, limit, mode) = settings[from];
        assert_eq!(policy.limit.of(&in_all).to_string(), limit);
        assert_eq!(policy.mode.of(&in_all).to_string(), mode);
        assert_eq!(*policy.limit.of(&Scopes::new()), Quantity::Count(5));
    }
}

#[test]
fn a_scope_is_named_in_the_letters_that_parameter_store_takes() {
    for (scope, word) in [
        ("etl", "etl"),
        ("ana@bank.example", "ana-bank.example"),
        ("arn:aws:iam::1:user/ana", "arn-aws-iam--1-user-ana"),
        ("José R_2", "Jos--R_2"),
    ] {
        assert_eq!(parameter_word(scope), word);
        let policy = policy("emr-cluster-count", &[(&format!("limit/owner/{word}"), "9")]);
        assert_eq!(*policy.limit.of(&scopes(&[(ScopeKind::Owner, scope)])), Quantity::Count(9), "{scope}");
    }
    // Parameter Store takes no such name, and a file that holds one is told so.
    check(&name_of("emr-cluster-count", "limit/owner/ana@bank.example"), "9", &[UNKNOWN]);
}

#[test]
fn a_guardrail_that_only_reports_does_not_enforce() {
    let (acting, reporting): (Vec<_>, Vec<_>) = catalogue::all().partition(|guardrail| guardrail.acts());
    for guardrail in &acting {
        check(&name_of(guardrail.id, "mode"), "enforce", &[]);
    }
    assert!(!reporting.is_empty());
    for guardrail in reporting {
        let expected = ["`off` or `observe`, since this guardrail only reports", "in force: observe"];
        check(&name_of(guardrail.id, "mode"), "enforce", &expected);
        check(&name_of(guardrail.id, "mode"), "observe", &[]);
        check(&name_of(guardrail.id, "mode"), "off", &[]);
    }
}

#[test]
fn choices_are_among_what_can_be_chosen() {
    let chosen = |id: &str, name: &str, value: &str| policy(id, &[(name, value)]).choice(name).to_owned();
    let bad = |id: &str, name: &str, values: &[&str], parts: &[&str]| {
        for value in values {
            check(&name_of(id, name), value, parts);
        }
    };
    assert_eq!(chosen("emr-step-runtime", "escalate", "terminate"), "terminate");
    assert_eq!(chosen("emr-step-runtime", "escalate", " report "), "report");
    let parts = ["expected `report` or `terminate`", "in force: report"];
    bad("emr-step-runtime", "escalate", &["", "Terminate", "report,terminate", "true"], &parts);

    assert_eq!(chosen("emr-cluster-age", "termination_protection", "lift"), "lift");
    let parts = ["expected `respect` or `lift`", "in force: respect"];
    bad("emr-cluster-age", "termination_protection", &["", "lifted", "off"], &parts);

    for good in ["1m", "45m", "PT2H", "168h"] {
        assert_eq!(chosen("emr-auto-termination", "idle_timeout", good), good);
    }
    let parts = ["expected a duration from 1m to 168h", "in force: 1h"];
    bad("emr-auto-termination", "idle_timeout", &["", "0", "59s", "168h 1s", "60", "-1h", "soon"], &parts);

    let default = Policy::default_of(catalogue::find("emr-step-runtime").unwrap());
    assert_eq!((default.choice("escalate"), default.choice("idle_timeout")), ("report", ""));
}

#[test]
fn a_choice_is_known_to_its_guardrails_only() {
    let offered = "`max_actions`, `escalate`, `termination_protection` under";
    check(&name_of("emr-step-runtime", "idle_timeout"), "1h", &[UNKNOWN, offered]);
    check(&name_of("emr-cluster-age", "escalate"), "report", &[UNKNOWN]);
    check(&name_of("emr-release", "termination_protection"), "lift", &[UNKNOWN]);
    check(&name_of("emr-cluster-age", "termination_protection/spark-small"), "lift", &[UNKNOWN]);
    check(&name_of("athena-query-runtime", "escalate"), "report", &[UNKNOWN]);
}

#[test]
fn a_setting_that_depends_on_tags_asks_for_them() {
    let asks = |name: &str, value: &str| {
        let (configuration, faults) = Configuration::read([(name, value)]);
        assert!(faults.is_empty(), "{faults:?}");
        configuration.asks_for_tags(catalogue::all())
    };
    assert!(asks(&name_of("emr-cluster-count", "limit/spark-small"), "9"));
    assert!(asks(&name_of("emr-cluster-count", "mode/owner/ana"), "off"));
    assert!(!asks(&name_of("emr-cluster-count", "limit"), "9"));
    assert!(!asks(&name_of("athena-query-runtime", "limit/etl"), "9m"));
    let exemption =
        |pattern: &str| format!(r#"{{"{pattern}":"*","owner":"jo","reason":"x","expires":"2100-01-01T00:00:00Z"}}"#);
    let name = "/sandbox-guardrails/exemptions/all";
    assert!(asks(name, &exemption("resource_owner")) && asks(name, &exemption("scope")));
    assert!(!asks(name, &exemption("resource")));
}

/// The names of all the settings of a guardrail, its scopes as `x`.
fn settings(guardrail: &'static Guardrail) -> Vec<String> {
    let scoped = |setting: &'static str| {
        let kinds = guardrail.scopes.iter().map(move |kind| format!("{setting}/{kind}/x"));
        let short = guardrail.scopes.first().map(|_| format!("{setting}/x"));
        [setting.to_owned()].into_iter().chain(short).chain(kinds)
    };
    let single = ["levels", "max_actions"].into_iter().chain(guardrail.choices.iter().map(|choice| choice.name));
    scoped("limit").chain(scoped("mode")).chain(single.map(str::to_owned)).collect()
}

/// Whatever nonsense stands in any parameter of any guardrail, it is named, and everything in force is the default.
#[test]
fn nonsense_changes_nothing_and_is_named_for_every_guardrail() {
    let nonsense = ["", " ", ",", "?", "*", "-1", "NaN", "null", "{}", "30 %", "1e999", "\u{0}", "🦀", "off,on"];
    for guardrail in catalogue::all() {
        for setting in settings(guardrail) {
            let name = name_of(guardrail.id, &setting);
            for value in nonsense {
                let values = [(name.as_str(), value)];
                let (configuration, faults) = Configuration::read(values);
                assert!(configuration == Configuration::default(), "`{name}` = `{value}` changes nothing");
                let rejected = configuration.rejected(values, &faults, now());
                assert_eq!(rejected.len(), 1, "`{name}` = `{value}`");
                let default = Policy::default_of(guardrail);
                let in_force = match setting.split('/').next().unwrap() {
                    "limit" => default.limit.sandbox.to_string(),
                    "mode" => default.mode.sandbox.to_string(),
                    "levels" => default.levels.sandbox.to_string(),
                    "max_actions" => default.max_actions.to_string(),
                    choice => default.choice(choice).to_owned(),
                };
                let rejected = &rejected[0];
                assert_eq!((&rejected.parameter, &rejected.in_force), (&name, &in_force), "`{value}`");
            }
        }
    }
}

/// A limit of nothing would stop everything or hold nothing, however it is written.
#[test]
fn a_limit_of_zero_is_refused_by_every_guardrail() {
    for guardrail in catalogue::all() {
        for zero in ["0", "00", "0s", "PT0S", "0m", "0 B", "0 TB", "-0", ""] {
            for setting in settings(guardrail).iter().filter(|setting| setting.starts_with("limit")) {
                let name = name_of(guardrail.id, setting);
                assert!(rejection(&name, zero).is_some(), "`{name}` = `{zero}`");
            }
        }
        check(&name_of(guardrail.id, "max_actions"), "0", &["in force: 20"]);
    }
}

/// What the catalogue says of itself can be written as parameters, and then nothing is different.
#[test]
fn every_default_and_every_bound_can_be_written() {
    for guardrail in catalogue::all() {
        let default = Policy::default_of(guardrail);
        let (limit, mode) = (default.limit.sandbox.to_string(), default.mode.sandbox.to_string());
        let (levels, belt) = (default.levels.sandbox.to_string(), default.max_actions.to_string());
        let common = [("limit", limit.as_str()), ("mode", &mode), ("levels", &levels), ("max_actions", &belt)];
        let choices = guardrail.choices.iter().map(|choice| (choice.name, choice.default));
        let written = policy(guardrail.id, &common.into_iter().chain(choices.clone()).collect::<Vec<_>>());
        let written_as = Policy { choices: default.choices.clone(), limit_is_set: false, ..written.clone() };
        assert_eq!(written_as, default);
        assert!(choices.into_iter().all(|(name, value)| written.choice(name) == value));

        if let Bounds::Between(least, greatest) = guardrail.bounds {
            for bound in [least.quantity(), greatest.quantity()] {
                self::limit(guardrail.id, &bound.to_string(), bound);
            }
        }
        for choice in guardrail.choices {
            if let Among::Words(words) = choice.among {
                assert!(
                    words.iter().all(|word| policy(guardrail.id, &[(choice.name, word)]).choice(choice.name) == *word)
                );
            }
        }
    }
}

fn any_guardrail() -> impl Strategy<Value = &'static Guardrail> {
    prop::sample::select(catalogue::all().collect::<Vec<_>>())
}

proptest! {
    /// Whatever stands in a parameter, reading it never panics, and a guardrail never goes off by it.
    #[test]
    fn no_value_switches_a_guardrail_off(
        (guardrail, setting) in any_guardrail().prop_flat_map(|guardrail| {
            let mut settings = settings(guardrail);
            settings.push("x".to_owned());
            (Just(guardrail), prop::sample::select(settings))
        }),
        value in prop_oneof!["(?s).{0,40}", "[0-9]{1,25} ?[a-zA-Z]{0,3}", "[a-z*?.,]{1,9}", "[1-9][0-9]?(,[0-9]{1,4}){0,4}"],
    ) {
        let name = name_of(guardrail.id, &setting);
        let (configuration, _) = Configuration::read([(name.as_str(), value.as_str())]);
        let policy = configuration.policy(guardrail);
        let in_scopes: Vec<Scopes> = [Scopes::new()]
            .into_iter()
            .chain(guardrail.scopes.iter().map(|kind| scopes(&[(*kind, "x")])))
            .collect();
        for scopes in &in_scopes {
            let limit = policy.limit.of(scopes);
            prop_assert!(guardrail.bounds.hold(limit));
            prop_assert_eq!(guardrail.measure.kind() == MeasureKind::Words, matches!(limit, Quantity::Words(_)));
            prop_assert!(*policy.mode.of(scopes) != Mode::Off || value.trim() == "off");
            prop_assert!(*policy.mode.of(scopes) != Mode::Enforce || guardrail.acts());
        }
        prop_assert!(policy.levels.sandbox.percents().contains(&100));
        prop_assert!((1..=1000).contains(&policy.max_actions));
        for choice in guardrail.choices {
            prop_assert!(choice.takes(policy.choice(choice.name)));
        }
    }

    #[test]
    fn what_was_obeyed_is_shown_as_a_parameter_that_would_be_obeyed(guardrail in any_guardrail(), value in 1..1_000_u32) {
        let name = name_of(guardrail.id, "limit");
        for text in [format!("{value}"), format!("{value}s"), format!("{value} GB"), format!("w{value}.*")] {
            let (configuration, faults) = Configuration::read([(name.as_str(), text.as_str())]);
            let limit = configuration.policy(guardrail).limit.sandbox;
            if faults.is_empty() {
                prop_assert_eq!(limit.parse_like(&limit.to_string()), Some(limit.clone()), "{}", limit);
            }
        }
    }
}
