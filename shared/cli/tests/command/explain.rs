//! `guardrails spend explain`, as an operator runs it.

use super::{run, run_with};

const ROWS: &str = "tests/command/rows/locked.json";

#[test]
fn a_lock_is_explained() {
    let (code, out, err) = run(&["spend", "explain", ROWS]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!("lock_explained", out);

    let (code, out, err) = run(&["spend", "explain", ROWS, "--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!("lock_explained_to_machines", out);
}

#[test]
fn rows_come_from_a_pipe_too() {
    let rows = std::fs::read(ROWS).unwrap();
    let (code, out, _) = run_with(&rows, &["spend", "explain"]);
    assert_eq!((code, &out), (Some(0), &run(&["spend", "explain", ROWS]).1));
    let (code, out, err) = run_with(b"{}", &["spend", "explain", "-"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(err, "error: standard input, line 1, column 2: missing field `Items`\n");
}
