//! `guardrails catalogue`: every guardrail there is, with its defaults, for people and for machines.

use clap::Args;
use clap::builder::styling::Style;
use comfy_table::{Attribute, Cell};
use guardrail::catalogue::CATALOGUE;
use guardrail::{ActionKind, Guardrail, Kind, Measure, Mode, Service};
use serde::Serialize;

use crate::answer::{Answer, Exit, Look, label, lines, pad, word};

const EXAMPLES: &str = "\
Examples:
  guardrails catalogue
  guardrails catalogue --json | jq -r '.[] | [.id, .default_limit] | @tsv'
  guardrails catalogue --json | jq -r '.[].parameters[]'";

/// List every guardrail with its defaults
///
/// The limit, levels and mode shown are the catalogue's own: what is in force where no parameter says otherwise.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Catalogue {
    /// Print a JSON array, one object for each guardrail, with the reasons and parameter names too
    #[arg(long)]
    json: bool,
}

impl Catalogue {
    pub(crate) fn run(&self, look: Look) -> Answer {
        if self.json {
            let entries: Vec<_> = CATALOGUE.iter().copied().map(Entry::of).collect();
            return Answer::json(&entries, Exit::Good);
        }
        Answer { text: table(look), exit: Exit::Good }
    }
}

/// One guardrail as JSON. Fields are added, never renamed: scripts read them.
#[derive(Debug, Serialize)]
struct Entry {
    id: &'static str,
    kind: Kind,
    service: Service,
    resource: &'static str,
    scope: &'static str,
    measure: Measure,
    title: &'static str,
    why: &'static str,
    default_limit: String,
    least_limit: String,
    greatest_limit: String,
    levels: &'static [u16],
    default_mode: Mode,
    default_max_actions: u32,
    action: ActionKind,
    parameters: Vec<String>,
}

impl Entry {
    fn of(guardrail: &'static Guardrail) -> Self {
        Self {
            id: guardrail.id,
            kind: guardrail.kind,
            service: guardrail.service,
            resource: guardrail.resource,
            scope: guardrail.scope,
            measure: guardrail.measure,
            title: guardrail.title,
            why: guardrail.why,
            default_limit: guardrail.default_limit.to_string(),
            least_limit: guardrail.least_limit.to_string(),
            greatest_limit: guardrail.greatest_limit.to_string(),
            levels: guardrail.default_levels,
            default_mode: guardrail.default_mode,
            default_max_actions: guardrail.default_max_actions,
            action: guardrail.action,
            parameters: parameters(guardrail),
        }
    }
}

/// The names of the parameters that set it, with the scope as a placeholder: `…/limit/<workgroup>`.
fn parameters(guardrail: &Guardrail) -> Vec<String> {
    let (path, scope) = (guardrail.parameter_path(), guardrail.scope);
    let scoped = |setting| [format!("{path}/{setting}"), format!("{path}/{setting}/<{scope}>")];
    let single = |setting| format!("{path}/{setting}");
    [scoped("limit"), scoped("mode"), [single("levels"), single("max_actions")]].concat()
}

/// A table for each kind.
fn table(look: Look) -> String {
    let mut text = String::new();
    for guardrails in CATALOGUE.chunk_by(|a, b| a.kind == b.kind) {
        let mut table = look.table();
        table.set_header(["guardrail", "resource", "measure", "limit", "levels %", "mode", "action"].map(label));
        for guardrail in guardrails {
            table.add_row([
                Cell::new(guardrail.id).add_attribute(Attribute::Bold),
                Cell::new(format!("{} {}", guardrail.service, guardrail.resource)),
                Cell::new(word(guardrail.measure)),
                Cell::new(format!("{} per {}", guardrail.default_limit, guardrail.scope)),
                Cell::new(guardrail.default_levels.iter().map(u16::to_string).collect::<Vec<_>>().join(",")),
                Cell::new(guardrail.default_mode),
                Cell::new(word(guardrail.action)),
            ]);
        }
        pad(&mut table, (0, 2));
        let heading = guardrails.first().map(|guardrail| word(guardrail.kind)).unwrap_or_default();
        let heading = look.paint(Style::new().bold(), format!("{heading} guardrails"));
        text += &format!("{heading} ({})\n\n{}\n", guardrails.len(), lines(&table));
    }
    text + "these are the defaults; `--json` adds the reasons and the parameter names\n"
}

#[cfg(test)]
mod tests {
    use guardrail::config::{Fault, Parameter};

    use super::*;

    #[test]
    fn every_parameter_named_is_one_that_is_read() {
        for guardrail in CATALOGUE {
            for name in parameters(guardrail) {
                let name = name.replace(&format!("<{}>", guardrail.scope), "etl");
                // No setting takes this value, so a name that is read faults its value, not its name.
                let fault = Parameter::parse(&name, "?").unwrap_err();
                assert!(matches!(fault, Fault::Value { .. }), "`{name}`: {fault}");
            }
        }
    }

    #[test]
    fn every_guardrail_stands_on_one_line_where_nothing_wraps() {
        let text = table(Look::default());
        for guardrail in CATALOGUE {
            assert_eq!(text.lines().filter(|line| line.starts_with(guardrail.id)).count(), 1, "`{}`", guardrail.id);
        }
        assert!(!text.contains('\u{1b}'), "no escapes without colour");
    }

    #[test]
    fn a_terminal_of_80_columns_shows_every_word_whole() {
        let (wide, narrow) = (table(Look::default()), table(Look { colour: false, width: Some(80) }));
        assert!(narrow.lines().count() > wide.lines().count(), "it wraps");
        for line in narrow.lines() {
            assert!(line.len() <= 80, "`{line}` fits");
        }
        for word in wide.split_whitespace() {
            assert!(narrow.split_whitespace().any(|whole| whole == word), "`{word}` is whole");
        }
    }

    #[test]
    fn colour_is_only_added() {
        let plain = table(Look { colour: false, width: Some(100) });
        let coloured = table(Look { colour: true, width: Some(100) });
        assert!(coloured.contains("\u{1b}[1m"));
        assert_eq!(plain.lines().count(), coloured.lines().count());
    }
}
