//! `console-feed`: writes what the sandboxes report to the console's table, and measures their health.
//!
//! Events come once or more often, in any order; the table ends up the same. One that cannot become a row is logged and
//! not tried again. On its schedule the function judges every sandbox's health with one query, names each function that
//! is not well, and writes the metric of the alarm. A check that fails writes no metric, which the alarm takes for the
//! worst.

use std::io::Write;
use std::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};
use lambda::settings::Environment;
use lambda::trigger::Envelope;
use lambda::{CallError, CallErrorKind, Handler, Invocation, Problems, Trigger};

use crate::health::Health;
use crate::hub::Hub;
use crate::row::Row;
use crate::table::{ConsoleTable, Signs, Table};

/// The IAM actions that the function may call; a test holds its role to exactly these.
pub const ACTIONS: &[&[&str]] = &[ConsoleTable::KEEPS, ConsoleTable::READS];

/// The name of the function, its binary and its folder of events.
pub const FUNCTION: &str = "console-feed";

/// The feed.
#[derive(Debug)]
pub struct Feed<T, W> {
    /// Where rows go.
    pub table: T,
    /// Where the metrics go: the function's log, in lines that are metrics and nothing else.
    pub metrics: W,
    /// How old the last heartbeat may be.
    pub silence_after: SignedDuration,
    /// Where the hub is.
    pub hub: Hub,
}

/// What the function is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedSettings {
    /// The name of the console's table.
    pub table: String,
    /// How old the last heartbeat of a function may be.
    pub silence_after: SignedDuration,
    /// Where the hub is.
    pub hub: Hub,
}

impl FeedSettings {
    /// The environment keys read, beside Lambda's own; a test holds the template to them.
    pub const KEYS: &[&str] = &["CONSOLE_TABLE", "HUB_ACCOUNT", "SILENCE_AFTER_MINUTES"];

    /// Reads them.
    pub fn read<F: Fn(&str) -> Option<String>>(environment: &mut Environment<F>) -> Option<Self> {
        let table = environment.text("CONSOLE_TABLE");
        let minutes =
            environment.parsed::<NonZeroU32>("SILENCE_AFTER_MINUTES", "a whole number of minutes, at least 1");
        let hub = Hub::read(environment);
        Some(Self { table: table?, silence_after: SignedDuration::from_mins(minutes?.get().into()), hub: hub? })
    }
}

impl<T: Table + Signs, W: Write> Handler for Feed<T, W> {
    type Answer = ();

    async fn handle(&mut self, invocation: Invocation) -> Result<(), Problems> {
        match Trigger::read(&invocation.event) {
            Some(Trigger::Sweep) => self.check_health(invocation.now).await,
            Some(Trigger::Signal(envelope)) => self.take(&envelope, invocation.now).await,
            None => Ok(()),
        }
    }
}

impl<T: Table + Signs, W: Write> Feed<T, W> {
    async fn take(&self, envelope: &Envelope, now: Timestamp) -> Result<(), Problems> {
        let rows = match Row::all_of(envelope, &self.hub, now) {
            Ok(rows) => rows,
            Err(ignored) => {
                tracing::warn!(
                    event.id = envelope.id,
                    event.account = envelope.account,
                    event.detail_type = envelope.detail_type,
                    why = %ignored,
                    "event was ignored"
                );
                return Ok(());
            }
        };
        let mut problems = Problems::default();
        for row in rows {
            // One that is not written does not keep out the others; the event comes again for it.
            if let Some(written) = problems.keep(self.table.upsert(&row).await) {
                tracing::info!(row.pk, row.sk, row.written = written, "event was taken");
            }
        }
        problems.into_result()
    }

    async fn check_health(&mut self, now: Timestamp) -> Result<(), Problems> {
        let signs = self.table.signs().await?;
        let health = Health::of(&signs, self.silence_after, &self.hub, now);
        for unhealthy in &health.unhealthy {
            tracing::warn!(
                sandbox.account = unhealthy.function.account,
                sandbox.region = unhealthy.function.region,
                sandbox.alias = unhealthy.alias,
                function = unhealthy.function.function,
                why = %unhealthy.ailment,
                "function is not well"
            );
        }
        let line = format!("{}\n", health.metrics(now));
        // In one piece, so that nothing gets between.
        let written = self.metrics.write_all(line.as_bytes()).and_then(|()| self.metrics.flush());
        written.map_err(|error| {
            let (operation, kind) = ("write metrics", CallErrorKind::Unavailable);
            Problems::from(CallError { operation, kind, message: error.to_string() })
        })
    }
}

#[cfg(test)]
mod tests;
