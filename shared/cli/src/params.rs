//! `guardrails params`: the parameters that steer the guardrails, as files hold them.

pub(crate) mod check;
pub(crate) mod defaults;

use clap::Subcommand;

const EXAMPLES: &str = "\
Examples:
  guardrails params check params.json
  guardrails params defaults --service emr";

/// Check the parameters that steer the guardrails, or write them
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true, after_long_help = EXAMPLES)]
pub(crate) enum Params {
    Check(check::Check),
    Defaults(defaults::Defaults),
}
