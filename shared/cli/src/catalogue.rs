//! `guardrails catalogue`: every guardrail there is, with its defaults, for people and for machines.

use clap::Args;
use clap::builder::styling::Style;
use comfy_table::{Attribute, Cell};
use guardrail::catalogue::{Bounds, Choice};
use guardrail::{ActionKind, Guardrail, Kind, Measure, Mode, Policy, Quantity, ScopeKind, Service};
use serde::Serialize;

use crate::answer::{Answer, Exit, Look, label, lines, pad, word};
use crate::which;

const EXAMPLES: &str = "\
Examples:
  guardrails catalogue
  guardrails catalogue --service emr
  guardrails catalogue --json | jq -r '.[] | [.id, .default_limit] | @tsv'
  guardrails catalogue --json | jq -r '.[].parameters[]'";

/// List every guardrail with its defaults
///
/// The limits and levels shown are the catalogue's own: what is in force where no parameter says otherwise.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Catalogue {
    /// Only the guardrails of this service
    #[arg(long, value_parser = which::service())]
    service: Option<Service>,

    /// Print a JSON array, one object for each guardrail, with the reasons and parameter names too
    #[arg(long)]
    json: bool,
}

impl Catalogue {
    pub(crate) fn run(&self, look: Look) -> Answer {
        let services = which::services().filter(|service| self.service.is_none_or(|one| one == *service));
        if self.json {
            let entries: Vec<_> = services.flat_map(Service::guardrails).map(Entry::of).collect();
            return Answer::json(&entries, Exit::Good);
        }
        Answer::new(tables(services, look), Exit::Good)
    }
}

/// One guardrail as JSON. Fields are added, never renamed: scripts read them.
#[derive(Debug, Serialize)]
struct Entry {
    id: &'static str,
    kind: Kind,
    service: Service,
    resources: &'static [&'static str],
    measure: Measure,
    counted_in: Option<ScopeKind>,
    title: &'static str,
    why: &'static str,
    default_limit: String,
    /// The bounds of a limit that has some.
    least_limit: Option<String>,
    greatest_limit: Option<String>,
    /// Which limits are obeyed, in one phrase.
    expected_limit: String,
    levels: &'static [u16],
    /// The levels at which the action is done, where it is not done at the limit itself.
    locks_at: &'static [u16],
    default_mode: Mode,
    default_max_actions: u32,
    action: ActionKind,
    scopes: &'static [ScopeKind],
    choices: Vec<Chosen>,
    parameters: Vec<String>,
}

/// A setting that only this guardrail has.
#[derive(Debug, Serialize)]
struct Chosen {
    name: &'static str,
    what: &'static str,
    default: &'static str,
    expected: String,
}

impl Entry {
    fn of(guardrail: &'static Guardrail) -> Self {
        let limit = guardrail.default_limit.quantity();
        let bounds = match guardrail.bounds {
            Bounds::Between(least, greatest) => Some((least.quantity().to_string(), greatest.quantity().to_string())),
            Bounds::SomeOf(_) | Bounds::Patterns | Bounds::Budget => None,
        };
        let (least_limit, greatest_limit) = bounds.unzip();
        let chosen = |choice: &Choice| Chosen {
            name: choice.name,
            what: choice.what,
            default: choice.default,
            expected: choice.expected(),
        };
        Self {
            id: guardrail.id,
            kind: guardrail.kind,
            service: guardrail.service,
            resources: guardrail.resources,
            measure: guardrail.measure,
            counted_in: guardrail.counted_in,
            title: guardrail.title,
            why: guardrail.why,
            default_limit: limit.to_string(),
            least_limit,
            greatest_limit,
            expected_limit: guardrail.bounds.expected(&limit),
            levels: guardrail.default_levels,
            locks_at: guardrail.locks_at,
            default_mode: guardrail.default_mode,
            default_max_actions: guardrail.default_max_actions,
            action: guardrail.action,
            scopes: guardrail.scopes,
            choices: guardrail.choices.iter().map(chosen).collect(),
            parameters: parameters(guardrail),
        }
    }
}

/// The names of the parameters that set it, with scopes as placeholders: `…/limit/<workgroup>`.
fn parameters(guardrail: &Guardrail) -> Vec<String> {
    let scoped = |setting: &'static str| {
        let scopes = guardrail.scopes.iter().enumerate().map(move |(place, kind)| match place {
            0 => format!("{setting}/<{kind}>"),
            _ => format!("{setting}/{kind}/<{kind}>"),
        });
        std::iter::once(setting.to_owned()).chain(scopes)
    };
    let single = std::iter::once("max_actions").chain(guardrail.choices.iter().map(|choice| choice.name));
    let settings = ["limit", "mode", "levels"].into_iter().flat_map(scoped).chain(single.map(str::to_owned));
    settings.map(|setting| format!("{}/{setting}", guardrail.parameter_path())).collect()
}

/// A table for each service.
fn tables(services: impl Iterator<Item = Service>, look: Look) -> String {
    let mut text = String::new();
    for service in services {
        let mut table = look.table();
        table.set_header(["guardrail", "measured", "limit at levels %", "action"].map(label));
        for guardrail in service.guardrails() {
            table.add_row([
                Cell::new(guardrail.id).add_attribute(Attribute::Bold),
                Cell::new(format!("{}: {}", guardrail.resources.join(", "), measure(guardrail.measure))),
                Cell::new(limit(guardrail)),
                Cell::new(word(guardrail.action)),
            ]);
        }
        pad(&mut table, (0, 2));
        let heading = look.paint(Style::new().bold(), service.full_name());
        text += &format!("{heading} ({})\n\n{}\n", service.guardrails().count(), lines(&table));
    }
    text + "these are the defaults; levels are the percentages of a limit that are findings\n\
            every guardrail only observes until its `mode` says otherwise\n\
            `--json` adds the reasons, what may be set, and the parameter names\n"
}

/// What is measured, as people write it.
fn measure(measure: Measure) -> String {
    match measure {
        Measure::Vcpus => "vCPUs".to_owned(),
        Measure::Gpus => "GPUs".to_owned(),
        Measure::Dpus => "DPUs".to_owned(),
        other => word(other),
    }
}

/// The default limit, for whatever it holds together, and its levels. Words are allowed or not, and have no levels.
fn limit(guardrail: &'static Guardrail) -> String {
    let per = guardrail.counted_in.map(|kind| format!(" per {kind}")).unwrap_or_default();
    match guardrail.default_limit.quantity() {
        // A blank after each comma, so that a long list wraps.
        words @ Quantity::Words(_) => words.to_string().replace(',', ", "),
        amount => {
            let levels = Policy::default_of(guardrail).levels.sandbox;
            format!("{amount}{per} at {levels}")
        }
    }
}

#[cfg(test)]
mod tests {
    use guardrail::catalogue;
    use guardrail::config::{Fault, Parameter};

    use super::*;

    fn all(look: Look) -> String {
        tables(which::services(), look)
    }

    #[test]
    fn every_parameter_named_is_one_that_is_read() {
        for guardrail in catalogue::all() {
            let names = parameters(guardrail);
            assert_eq!(names.len(), 4 + 3 * guardrail.scopes.len() + guardrail.choices.len(), "`{}`", guardrail.id);
            for name in names {
                let name = name.replace(['<', '>'], "");
                // No setting takes this value, so a name that is read faults its value, not its name.
                let fault = Parameter::parse(&name, "?").unwrap_err();
                assert!(matches!(fault, Fault::Value { .. }), "`{name}`: {fault}");
            }
        }
    }

    #[test]
    fn every_guardrail_stands_on_one_line_where_nothing_wraps() {
        let text = all(Look::default());
        for guardrail in catalogue::all() {
            let id = format!("{} ", guardrail.id);
            assert_eq!(text.lines().filter(|line| line.starts_with(&id)).count(), 1, "`{id}`");
        }
        assert!(!text.contains('\u{1b}'), "no escapes without colour");
    }

    #[test]
    fn a_narrow_terminal_shows_every_word_whole() {
        let wide = all(Look::default());
        for width in [80, 100] {
            let narrow = all(Look { colour: false, width: Some(width) });
            assert!(narrow.lines().count() > wide.lines().count(), "it wraps");
            for line in narrow.lines() {
                assert!(line.len() <= usize::from(width), "`{line}` fits");
            }
            for word in wide.split_whitespace() {
                assert!(narrow.split_whitespace().any(|whole| whole == word), "`{word}` is whole");
            }
        }
    }

    #[test]
    fn colour_is_only_added() {
        let plain = all(Look { colour: false, width: Some(100) });
        let coloured = all(Look { colour: true, width: Some(100) });
        assert!(coloured.contains("\u{1b}[1m"));
        assert_eq!(plain.lines().count(), coloured.lines().count());
    }

    #[test]
    fn every_guardrail_starts_by_observing_as_the_last_lines_say() {
        assert!(catalogue::all().all(|guardrail| guardrail.default_mode == Mode::Observe));
    }
}
