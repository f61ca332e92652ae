//! Settings from the environment: read once, checked together, every fault named.

use std::fmt;
use std::str::FromStr;

use guardrail::Sandbox;
use jiff::SignedDuration;

/// The environment being read, and the faults found so far.
#[derive(Debug)]
pub struct Environment<F> {
    lookup: F,
    faults: Vec<String>,
}

/// Every fault of the environment. The function does not start with any.
#[derive(PartialEq, Eq, thiserror::Error)]
#[error("the environment is not as expected: {}", .0.join("; "))]
pub struct Faults(pub Vec<String>);

/// A `main` that fails prints its error's debug form, so that is the sentence.
impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The environment of the process.
pub fn process_environment() -> Environment<impl Fn(&str) -> Option<String>> {
    #[expect(clippy::disallowed_methods, reason = "this is the edge that reads the environment")]
    Environment::new(|key: &str| std::env::var(key).ok())
}

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    /// An environment that answers with `lookup`.
    pub fn new(lookup: F) -> Self {
        Self { lookup, faults: Vec::new() }
    }

    /// A variable that may be missing; empty counts as missing.
    pub fn optional(&self, key: &str) -> Option<String> {
        (self.lookup)(key).filter(|value| !value.trim().is_empty())
    }

    /// A variable that must be there and not be empty.
    pub fn text(&mut self, key: &str) -> Option<String> {
        let value = self.optional(key);
        if value.is_none() {
            self.faults.push(format!("`{key}` is missing"));
        }
        value
    }

    /// A variable that must parse.
    pub fn parsed<T: FromStr>(&mut self, key: &str, expected: impl fmt::Display) -> Option<T> {
        let text = self.text(key)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.faults.push(format!("`{key}` is `{text}`, expected {expected}"));
        }
        value
    }

    /// A variable that is a whole number of seconds, at least one.
    pub fn seconds(&mut self, key: &str) -> Option<SignedDuration> {
        let seconds: Option<u32> = self.parsed(key, "a whole number of seconds");
        if seconds == Some(0) {
            self.faults.push(format!("`{key}` is `0`, expected at least one second"));
        }
        seconds.map(|seconds| SignedDuration::from_secs(i64::from(seconds)))
    }

    /// A variable that is `on` or `off`.
    pub fn switch(&mut self, key: &str) -> Option<bool> {
        match self.text(key)?.as_str() {
            "on" => Some(true),
            "off" => Some(false),
            other => {
                self.faults.push(format!("`{key}` is `{other}`, expected `on` or `off`"));
                None
            }
        }
    }

    /// The sandbox this function runs in.
    pub fn sandbox(&mut self) -> Option<Sandbox> {
        let account = self.text("SANDBOX_ACCOUNT");
        let region = self.text("AWS_REGION");
        let alias = self.text("SANDBOX_ALIAS");
        Some(Sandbox { account: account?, region: region?, alias: alias? })
    }

    /// The settings, or every fault found while reading them.
    pub fn finish<T>(self, settings: Option<T>) -> Result<T, Faults> {
        match settings {
            Some(settings) if self.faults.is_empty() => Ok(settings),
            _ => Err(Faults(self.faults)),
        }
    }
}

/// What every function of a sandbox is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxSettings {
    /// Where it runs.
    pub sandbox: Sandbox,
    /// The name of the guardrail bus.
    pub bus: String,
    /// The name of the ledger's table.
    pub ledger: String,
}

impl SandboxSettings {
    /// The environment keys read, beside Lambda's own; a test holds the templates to them.
    pub const KEYS: &[&str] = &["SANDBOX_ACCOUNT", "SANDBOX_ALIAS", "GUARDRAIL_BUS", "LEDGER_TABLE"];

    /// Reads them.
    pub fn read<F: Fn(&str) -> Option<String>>(environment: &mut Environment<F>) -> Option<Self> {
        let sandbox = environment.sandbox();
        let bus = environment.text("GUARDRAIL_BUS");
        let ledger = environment.text("LEDGER_TABLE");
        Some(Self { sandbox: sandbox?, bus: bus?, ledger: ledger? })
    }
}

/// What a watch is told besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchSettings {
    /// How often the schedule sweeps.
    pub sweep_interval: SignedDuration,
    /// Whether runs stay awake for limits that fall between two sweeps.
    pub vigil: bool,
}

impl WatchSettings {
    /// The environment keys read.
    pub const KEYS: &[&str] = &["SWEEP_INTERVAL", "VIGIL"];

    /// Reads them.
    pub fn read<F: Fn(&str) -> Option<String>>(environment: &mut Environment<F>) -> Option<Self> {
        let sweep_interval = environment.seconds("SWEEP_INTERVAL");
        let vigil = environment.switch("VIGIL");
        Some(Self { sweep_interval: sweep_interval?, vigil: vigil? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<(SandboxSettings, WatchSettings), Faults> {
        let values: Vec<(String, String)> = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let lookup = |key: &str| values.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
        let mut environment = Environment::new(lookup);
        let (sandbox, watch) = (SandboxSettings::read(&mut environment), WatchSettings::read(&mut environment));
        environment.finish(sandbox.zip(watch))
    }

    const GOOD: [(&str, &str); 7] = [
        ("SANDBOX_ACCOUNT", "111111111111"),
        ("SANDBOX_ALIAS", "marketing"),
        ("AWS_REGION", "eu-west-1"),
        ("GUARDRAIL_BUS", "sandbox-guardrails"),
        ("LEDGER_TABLE", "sandbox-guardrails-ledger"),
        ("SWEEP_INTERVAL", "60"),
        ("VIGIL", "on"),
    ];

    #[test]
    fn a_whole_environment_is_read() {
        let (sandbox, watch) = read(&GOOD).unwrap();
        assert_eq!(sandbox.sandbox.account, "111111111111");
        assert_eq!(watch, WatchSettings { sweep_interval: SignedDuration::from_secs(60), vigil: true });
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let mut values = GOOD;
        values[1].1 = " ";
        values[5].1 = "soon";
        values[6].1 = "yes";
        let faults = read(&values).unwrap_err();
        assert_eq!(
            faults.to_string(),
            "the environment is not as expected: `SANDBOX_ALIAS` is missing; \
             `SWEEP_INTERVAL` is `soon`, expected a whole number of seconds; `VIGIL` is `yes`, expected `on` or `off`"
        );
        values = GOOD;
        values[5].1 = "0";
        assert!(read(&values).unwrap_err().to_string().contains("at least one second"));
    }
}
