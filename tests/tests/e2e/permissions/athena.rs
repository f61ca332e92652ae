//! What the roles of Athena's functions need.

use stage::{Sandbox, SandboxOptions};

use super::{Run, breach, check, sweep};
use crate::{minutes, path, query, sandbox};

/// A sandbox whose limit is none, so that its history is read.
fn demanding() -> Sandbox {
    let limit = format!("{}/limit", path("athena-query-runtime"));
    let options = SandboxOptions { vigil: false, ..SandboxOptions::default() };
    sandbox(&options.with(&limit, "never").with(&format!("{}/mode", path("athena-concurrent-queries")), "enforce"))
}

/// A query over its limit.
fn overdue(sandbox: &Sandbox) -> String {
    query(sandbox, "adhoc", minutes(31))
}

#[test]
fn the_watch_of_athena_fails_without_any_one_of_its_actions() {
    let sandbox = demanding();
    query(&sandbox, "adhoc", minutes(1));
    let runs = [
        Run::new(&[], |sandbox| {
            overdue(sandbox);
            sweep("athena-watch")
        }),
        Run::new(athena::queries::Athena::WATCH_ACTIONS, |_| sweep("athena-watch")),
    ];
    check(&sandbox, "athena-watch", athena::watch::ACTIONS, &runs);
}

#[test]
fn the_enforce_of_athena_fails_without_any_one_of_its_actions() {
    let runs = [
        Run::new(&["athena:BatchGetQueryExecution", "athena:StopQueryExecution"], |sandbox| {
            breach(sandbox, "athena-query-runtime", &overdue(sandbox))
        }),
        // A count is counted again, which takes a list.
        Run::new(&["athena:ListQueryExecutions"], |sandbox| {
            breach(sandbox, "athena-concurrent-queries", &overdue(sandbox))
        }),
    ];
    check(&demanding(), "athena-enforce", athena::enforce::ACTIONS, &runs);
}
