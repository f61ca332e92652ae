//! The operator's command: what the guardrails are, and whether their settings will be obeyed.
//!
//! This file is the edge, and the only one to read the clock, the terminal and the environment. Each subcommand is a
//! module that turns its arguments into an [`Answer`], and knows nothing of where that goes.

mod answer;
mod catalogue;
mod params;
mod which;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Parser, Subcommand};
use comfy_table::Table;
use jiff::Timestamp;

use crate::answer::{Answer, Exit, Look};
use crate::params::Params;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  guardrails catalogue                  What is guarded, and with which limits
  guardrails params check params.json   Whether every parameter will be obeyed
  guardrails params defaults            Every parameter with its default, to be put

Exit codes:
  0  all is well
  1  the question was answered, and something is bad
  2  the question could not be answered: usage, an unreadable file, not JSON";

/// The operator's command of the sandbox guardrails
///
/// It works on files and on the catalogue that it was built with. It never calls AWS and needs no credentials.
#[derive(Debug, Parser)]
#[command(name = "guardrails", version, propagate_version = true, arg_required_else_help = true)]
#[command(styles = STYLES, after_long_help = EXAMPLES, after_help = "Use `--help` for examples and exit codes.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Catalogue(catalogue::Catalogue),
    #[command(subcommand)]
    Params(Params),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    #[expect(clippy::disallowed_methods, reason = "this is the edge; everything below takes the time from here")]
    let now = Timestamp::now();
    let look = Look { colour: colour_on(&io::stdout()), width: Table::new().width() };
    let written = run(&cli.command, now, look).and_then(|answer| answer.write(io::stdout().lock()));
    written.unwrap_or_else(|failure| {
        let look = Look { colour: colour_on(&io::stderr()), width: None };
        let (label, message) = (look.paint(*STYLES.get_error(), "error:"), answer::printable(&failure.to_string()));
        // Unlike `eprintln!`, this does not panic where nobody reads; the exit code still tells.
        _ = writeln!(io::stderr(), "{label} {message}");
        Exit::Failed.into()
    })
}

fn run(command: &Command, now: Timestamp, look: Look) -> Result<Answer, answer::Failure> {
    match command {
        Command::Catalogue(catalogue) => Ok(catalogue.run(look)),
        Command::Params(Params::Check(check)) => check.run(now, io::stdin().lock(), look),
        Command::Params(Params::Defaults(defaults)) => Ok(defaults.run()),
    }
}

/// Colour is for people: only on a terminal that can show it, and only where `NO_COLOR` (<https://no-color.org>) is
/// not set to something.
fn colour_on(stream: &impl IsTerminal) -> bool {
    let set = |name| std::env::var_os(name).unwrap_or_default();
    stream.is_terminal() && set("NO_COLOR").is_empty() && set("TERM") != "dumb"
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
