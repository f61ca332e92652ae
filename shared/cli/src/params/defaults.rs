//! `guardrails params defaults`: the catalogue's own settings, ready to be put into Parameter Store.

use clap::{Args, ValueEnum};
use guardrail::measure::MeasureKind;
use guardrail::{Guardrail, Mode, Policy, Service, catalogue};
use serde::Serialize;

use crate::answer::{Answer, Exit};
use crate::which;

const EXAMPLES: &str = r#"Examples:
  guardrails params defaults --guardrail emr-cluster-count

  Put every setting of EMR's guardrails into Parameter Store:
    guardrails params defaults --service emr |
      while read -r parameter; do aws ssm put-parameter --cli-input-json "$parameter"; done

  A file for `guardrails params check`, to be changed first:
    guardrails params defaults | jq -s 'map({(.Name): .Value}) | add' > params.json"#;

/// Print every setting with its default, a JSON line for each parameter
///
/// Each line is what `aws ssm put-parameter --cli-input-json` takes. A parameter that is not there is at its default
/// anyway, and follows the catalogue when that changes; one that is written stays as it is. Limits of budgets are left
/// out, because a budget that is written has been set by somebody, and past it a sandbox may be locked.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Defaults {
    /// Only the guardrails of this service
    #[arg(long, value_parser = which::service(), conflicts_with = "guardrail")]
    service: Option<Service>,

    /// Only the guardrail with this id
    #[arg(long, value_name = "ID", value_parser = which::guardrail)]
    guardrail: Option<&'static Guardrail>,

    /// The mode to write instead of the default; a guardrail that only reports observes, whichever is asked for
    #[arg(long)]
    mode: Option<Start>,
}

/// The modes that a guardrail may start in. It is switched off by hand, one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Start {
    /// Findings, no action
    Observe,
    /// Findings, and breaches are acted on
    Enforce,
}

impl Defaults {
    pub(crate) fn run(&self) -> Answer {
        let of_service = |guardrail: &&Guardrail| self.service.is_none_or(|service| guardrail.service == service);
        let asked_for = |guardrail: &&Guardrail| self.guardrail.is_none_or(|one| one == *guardrail);
        let guardrails = catalogue::all().filter(of_service).filter(asked_for);
        let lines = guardrails.flat_map(|guardrail| parameters(guardrail, self.mode)).map(|parameter| {
            // Only maps with keys that are not text cannot be JSON.
            serde_json::to_string(&parameter).unwrap_or_default() + "\n"
        });
        Answer::new(lines.collect(), Exit::Good)
    }
}

/// The input of one `aws ssm put-parameter`.
///
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html>
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    name: String,
    value: String,
    r#type: &'static str,
    overwrite: bool,
}

/// Every setting of a guardrail for the whole sandbox, but for a budget: the catalogue's own is there to report against
/// only, and nobody is to set it unawares.
fn parameters(guardrail: &'static Guardrail, start: Option<Start>) -> Vec<Put> {
    let default = Policy::default_of(guardrail);
    let mode = match start {
        None => default.mode.sandbox,
        Some(Start::Enforce) if guardrail.acts() => Mode::Enforce,
        Some(Start::Observe | Start::Enforce) => Mode::Observe,
    };
    let limit = (!is_budget(guardrail)).then(|| ("limit", default.limit.sandbox.to_string()));
    let settings = [
        ("levels", default.levels.sandbox.to_string()),
        ("mode", mode.to_string()),
        ("max_actions", default.max_actions.to_string()),
    ];
    let choices = guardrail.choices.iter().map(|choice| (choice.name, choice.default.to_owned()));
    let put = |(setting, value)| {
        let name = format!("{}/{setting}", guardrail.parameter_path());
        Put { name, value, r#type: "String", overwrite: true }
    };
    limit.into_iter().chain(settings).chain(choices).map(put).collect()
}

fn is_budget(guardrail: &Guardrail) -> bool {
    guardrail.measure.kind() == MeasureKind::Money
}

#[cfg(test)]
mod tests {
    use guardrail::Configuration;

    use super::*;

    /// What is in force once all of these are put.
    fn in_force(start: Option<Start>) -> Configuration {
        let written: Vec<_> = catalogue::all().flat_map(|guardrail| parameters(guardrail, start)).collect();
        let values = written.iter().map(|put| (put.name.as_str(), put.value.as_str()));
        let (configuration, faults) = Configuration::read(values);
        assert!(faults.is_empty(), "every parameter is obeyed: {faults:?}");
        configuration
    }

    #[test]
    fn what_is_written_is_what_is_in_force_without() {
        let configuration = in_force(None);
        for guardrail in catalogue::all() {
            let (written, default) = (configuration.policy(guardrail), Policy::default_of(guardrail));
            for choice in guardrail.choices {
                assert_eq!(written.choice(choice.name), default.choice(choice.name), "`{}`", guardrail.id);
            }
            assert_eq!(written.limit_is_set, !is_budget(guardrail), "`{}`", guardrail.id);
            let written = Policy { choices: default.choices.clone(), limit_is_set: false, ..written };
            assert_eq!(written, default, "`{}`", guardrail.id);
        }
    }

    #[test]
    fn every_guardrail_starts_in_the_mode_asked_for_that_it_knows() {
        for (start, acting) in [(Start::Observe, Mode::Observe), (Start::Enforce, Mode::Enforce)] {
            let configuration = in_force(Some(start));
            for guardrail in catalogue::all() {
                let expected = if guardrail.acts() { acting } else { Mode::Observe };
                assert_eq!(configuration.policy(guardrail).mode.sandbox, expected, "`{}`", guardrail.id);
            }
        }
    }

    #[test]
    fn options_choose_and_everything_stands_once() {
        let count = |service, guardrail| {
            let defaults = Defaults { service, guardrail, mode: None };
            let text = defaults.run().text;
            let names: std::collections::BTreeSet<_> = text.lines().collect();
            assert_eq!(names.len(), text.lines().count());
            names.len()
        };
        let of = |guardrail: &Guardrail| 4 - usize::from(is_budget(guardrail)) + guardrail.choices.len();
        assert_eq!(count(None, None), catalogue::all().map(of).sum::<usize>());
        for service in which::services() {
            assert_eq!(count(Some(service), None), service.guardrails().map(of).sum::<usize>(), "{service}");
        }
        for guardrail in catalogue::all() {
            assert_eq!(count(None, Some(guardrail)), of(guardrail), "`{}`", guardrail.id);
        }
    }
}
