//! Logs: one JSON object a line, as Lambda's advanced logging expects it.

use std::str::FromStr;

use tracing_subscriber::filter::LevelFilter;

use crate::settings::process_environment;

/// Starts logging at the level that the function's logging configuration asks for; `INFO` when it asks for none.
///
/// Levels are filtered by a plain comparison: directives per module would bring a regex engine into every cold start.
pub fn start() {
    let level = process_environment().optional("AWS_LAMBDA_LOG_LEVEL");
    let level = level.and_then(|level| LevelFilter::from_str(&level).ok()).unwrap_or(LevelFilter::INFO);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .without_time()
        .with_max_level(level)
        .init();
}
