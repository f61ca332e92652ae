//! `guardrails spend`: what was spent, and what came of it.
//!
//! The sums are those of the running functions: the same [`spend::summarise`]; what is explained is what they told the
//! hub. What stands here finds the files that are meant, and tells people and machines what they say.

pub(crate) mod explain;
mod files;
mod progress;
pub(crate) mod summarise;
mod table;

use clap::Subcommand;

const EXAMPLES: &str = "\
Examples:
  guardrails spend summarise BILLING_PERIOD=2026-11/*.parquet
  guardrails spend summarise export.csv.gz --by owner --exclude tax,support
  guardrails spend explain rows.json";

/// See what was spent, and what led to the lock of a sandbox
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true, after_long_help = EXAMPLES)]
pub(crate) enum Spend {
    Summarise(summarise::Summarise),
    Explain(explain::Explain),
}
