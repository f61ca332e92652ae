//! What the code declares of each function: its name, the settings it reads, the IAM actions it may call.
//!
//! The one list to extend with a new function; a check holds it to the binaries that there are.

use std::cell::RefCell;
use std::rc::Rc;

use availability::schedules::Wake;
use availability::settings::{HubSettings, ScheduleSettings, WorkflowSettings};
use console::command::CommandSettings;
use console::feed::FeedSettings;
use hub_spend::settings::{EnforceSettings, MeterSettings};
use lambda::settings::{Environment, SandboxSettings, WatchSettings};

use crate::template::Template;
use crate::{agree, differences, tree};

/// A function as its code declares it.
pub(crate) struct Function {
    /// Its name, which is that of its binary and of its folder of events.
    pub(crate) name: &'static str,
    /// The template that deploys it.
    pub(crate) template: Template,
    settings: Vec<Settings>,
    actions: Actions,
}

/// Every function there is.
pub(crate) fn functions() -> Vec<Function> {
    let mut functions = vec![
        watch(athena::watch::FUNCTION, athena::watch::ACTIONS),
        enforce(athena::enforce::FUNCTION, athena::enforce::ACTIONS),
        watch(emr::watch::FUNCTION, emr::watch::ACTIONS),
        enforce(emr::enforce::FUNCTION, emr::enforce::ACTIONS),
        watch(sagemaker::watch::FUNCTION, sagemaker::watch::ACTIONS),
        enforce(sagemaker::enforce::FUNCTION, sagemaker::enforce::ACTIONS),
        watch(glue::watch::FUNCTION, glue::watch::ACTIONS),
        enforce(glue::enforce::FUNCTION, glue::enforce::ACTIONS),
    ];
    functions.extend([
        of_sandbox(availability::step::FUNCTION, availability::step::ACTIONS, [hub_settings()]),
        of_sandbox(availability::update::FUNCTION, availability::update::ACTIONS, [schedule_settings()]),
        of_sandbox(
            availability::reconcile::FUNCTION,
            availability::reconcile::ACTIONS,
            [hub_settings(), workflow_settings(), schedule_settings()],
        ),
    ]);
    functions.extend([
        of_hub(console::feed::FUNCTION, console::feed::ACTIONS, feed_settings()),
        of_hub(console::command::FUNCTION, console::command::ACTIONS, command_settings()),
        of_hub(hub_spend::meter::FUNCTION, hub_spend::meter::ACTIONS, meter_settings()),
        of_hub(hub_spend::enforce::FUNCTION, hub_spend::enforce::ACTIONS, enforce_settings()),
    ]);
    functions
}

/// What the schedules that are made at run time are for.
pub(crate) const WAKES: [Wake; 3] = [Wake::Opens, Wake::Closes, Wake::Warns];

type Actions = &'static [&'static [&'static str]];

fn watch(name: &'static str, actions: Actions) -> Function {
    of_sandbox(name, actions, [watch_settings()])
}

fn enforce(name: &'static str, actions: Actions) -> Function {
    of_sandbox(name, actions, [])
}

fn of_sandbox<const N: usize>(name: &'static str, actions: Actions, settings: [Settings; N]) -> Function {
    let settings = std::iter::once(sandbox_settings()).chain(settings).collect();
    Function { name, template: Template::sandbox(), settings, actions }
}

fn of_hub(name: &'static str, actions: Actions, settings: Settings) -> Function {
    Function { name, template: Template::hub(), settings: vec![settings], actions }
}

impl Function {
    /// The service or side of the system that it belongs to: its room under `functions/`.
    pub(crate) fn room(&self) -> &'static str {
        self.name.split_once('-').map_or(self.name, |(room, _)| room)
    }

    /// Its logical id in the template: `athena-watch` is `AthenaWatch`.
    pub(crate) fn logical_id(&self) -> String {
        pascal_case(self.name)
    }

    /// The environment keys that it reads.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.settings.iter().flat_map(|settings| settings.keys).copied()
    }

    /// The IAM actions that its code may call.
    pub(crate) fn actions(&self) -> impl Iterator<Item = &'static str> {
        self.actions.iter().copied().flatten().copied()
    }

    /// The source of its `main`.
    fn main(&self) -> String {
        tree::read(&format!("functions/{}/src/bin/{}.rs", self.room(), self.name))
    }
}

/// `athena-query-runtime` becomes `AthenaQueryRuntime`.
pub(crate) fn pascal_case(name: &str) -> String {
    name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// A group of settings: its type's name, the keys it declares, and how it is read.
struct Settings {
    name: &'static str,
    keys: &'static [&'static str],
    read: fn(&mut Environment<Lookup>) -> bool,
}

fn sandbox_settings() -> Settings {
    Settings {
        name: "SandboxSettings",
        keys: SandboxSettings::KEYS,
        read: |environment| SandboxSettings::read(environment).is_some(),
    }
}

fn watch_settings() -> Settings {
    Settings {
        name: "WatchSettings",
        keys: WatchSettings::KEYS,
        read: |environment| WatchSettings::read(environment).is_some(),
    }
}

fn hub_settings() -> Settings {
    Settings {
        name: "HubSettings",
        keys: HubSettings::KEYS,
        read: |environment| HubSettings::read(environment).is_some(),
    }
}

fn workflow_settings() -> Settings {
    Settings {
        name: "WorkflowSettings",
        keys: WorkflowSettings::KEYS,
        read: |environment| WorkflowSettings::read(environment).is_some(),
    }
}

fn schedule_settings() -> Settings {
    Settings {
        name: "ScheduleSettings",
        keys: ScheduleSettings::KEYS,
        read: |environment| ScheduleSettings::read(environment).is_some(),
    }
}

fn feed_settings() -> Settings {
    Settings {
        name: "FeedSettings",
        keys: FeedSettings::KEYS,
        read: |environment| FeedSettings::read(environment).is_some(),
    }
}

fn command_settings() -> Settings {
    Settings {
        name: "CommandSettings",
        keys: CommandSettings::KEYS,
        read: |environment| CommandSettings::read(environment).is_some(),
    }
}

fn meter_settings() -> Settings {
    Settings {
        name: "MeterSettings",
        keys: MeterSettings::KEYS,
        read: |environment| MeterSettings::read(environment).is_some(),
    }
}

fn enforce_settings() -> Settings {
    Settings {
        name: "EnforceSettings",
        keys: EnforceSettings::KEYS,
        read: |environment| EnforceSettings::read(environment).is_some(),
    }
}

/// What Lambda itself puts into the environment of every function.
const OF_LAMBDA: &[&str] = &["AWS_REGION"];

#[test]
fn the_list_of_functions_is_that_of_the_binaries() {
    let functions = functions();
    let listed = functions.iter().map(|function| function.name);
    let binaries = tree::packages().iter().filter(|package| package.is_under("functions"));
    let binaries: Vec<&str> = binaries.flat_map(|package| &package.binaries).map(String::as_str).collect();
    agree(differences(
        ("`functions()` in tests/tests/checks/code.rs", listed),
        ("the binaries under functions/", binaries),
    ));
}

#[test]
fn settings_declare_the_keys_that_they_read() {
    let mut settings: Vec<Settings> = functions().into_iter().flat_map(|function| function.settings).collect();
    settings.sort_by_key(|settings| settings.name);
    settings.dedup_by_key(|settings| settings.name);
    let faults = settings.into_iter().flat_map(|settings| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let record = Rc::clone(&seen);
        let lookup = move |key: &str| {
            record.borrow_mut().push(key.to_owned());
            None
        };
        assert!(
            !(settings.read)(&mut Environment::new(Box::new(lookup))),
            "nothing can be read of an empty environment"
        );
        let read: Vec<String> = seen.take().into_iter().filter(|key| !OF_LAMBDA.contains(&key.as_str())).collect();
        let declared = format!("`{}::KEYS`", settings.name);
        differences((&declared, settings.keys), (&format!("what `{}::read` reads", settings.name), read))
    });
    agree(faults);
}

#[test]
fn functions_read_the_settings_that_are_listed_here() {
    let faults = functions().into_iter().flat_map(|function| {
        let main = function.main();
        let read: Vec<&str> = main
            .match_indices("Settings::read(")
            .map(|(at, _)| {
                let begin = main[..at].rfind(|c: char| !c.is_alphanumeric()).map_or(0, |before| before + 1);
                &main[begin..at + "Settings".len()]
            })
            .collect();
        let listed = function.settings.iter().map(|settings| settings.name);
        let what = format!("the settings of `{}` in tests/tests/checks/code.rs", function.name);
        differences((&what, listed), ("its main", read))
    });
    agree(faults);
}
