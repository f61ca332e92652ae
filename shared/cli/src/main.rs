//! The operator's command: what the guardrails are, whether their settings will be obeyed, when sandboxes are open, and
//! what they spend.
//!
//! This file is the edge, and the only one to read the clock, the terminal and the environment. Each subcommand is a
//! module that turns its arguments into an [`Answer`], and knows nothing of where that goes.

mod answer;
mod catalogue;
mod params;
mod spend;
mod which;
mod window;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Style};
use clap::{Parser, Subcommand};
use comfy_table::Table;
use jiff::Timestamp;

use crate::answer::{Answer, Exit, Look};
use crate::params::Params;
use crate::spend::Spend;
use crate::window::Window;

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
  guardrails window check window.json   Whether a window document is valid, and what it means
  guardrails window simulate window.json --from 2027-03-22 --to 2027-03-29
                                        Every time that it opens and closes a sandbox
  guardrails window calendar window.json --month 2027-03
                                        The month, hour by hour
  guardrails spend summarise *.parquet --by service
                                        What a cost export adds up to

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
    #[command(subcommand)]
    Window(Window),
    #[command(subcommand)]
    Spend(Spend),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    #[expect(clippy::disallowed_methods, reason = "this is the edge; everything below takes the time from here")]
    let now = Timestamp::now();
    let look = Look { colour: colour_on(&io::stdout()), width: Table::new().width() };
    let written = run(&cli.command, now, look).and_then(|answer| {
        for note in &answer.notes {
            say(*STYLES.get_literal(), "note:", note);
        }
        answer.write(io::stdout().lock())
    });
    written.unwrap_or_else(|failure| {
        say(*STYLES.get_error(), "error:", &failure.to_string());
        for detail in failure.details() {
            say(Style::new(), " ", &detail);
        }
        Exit::Failed.into()
    })
}

/// Tells the operator something beside the answer, on standard error.
fn say(style: Style, label: &str, message: &str) {
    let look = Look { colour: colour_on(&io::stderr()), width: None };
    // Unlike `eprintln!`, this does not panic where nobody reads; the exit code still tells.
    _ = writeln!(io::stderr(), "{} {}", look.paint(style, label), answer::printable(message));
}

fn run(command: &Command, now: Timestamp, look: Look) -> Result<Answer, answer::Failure> {
    match command {
        Command::Catalogue(catalogue) => Ok(catalogue.run(look)),
        Command::Params(Params::Check(check)) => check.run(now, io::stdin().lock(), look),
        Command::Params(Params::Defaults(defaults)) => Ok(defaults.run()),
        Command::Window(Window::Check(check)) => check.run(now, io::stdin().lock(), look),
        Command::Window(Window::Simulate(simulate)) => simulate.run(io::stdin().lock(), look),
        Command::Window(Window::Calendar(calendar)) => calendar.run(io::stdin().lock(), look),
        Command::Spend(Spend::Summarise(summarise)) => summarise.run(look),
        Command::Spend(Spend::Explain(explain)) => explain.run(io::stdin().lock(), look),
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
