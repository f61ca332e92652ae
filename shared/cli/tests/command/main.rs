//! The real binary, as an operator runs it: what it prints where, and the codes it ends with.

#![expect(clippy::unwrap_used, reason = "a test that cannot run the binary has failed")]

mod explain;
mod exports;
mod summarise;
mod window;

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const RUNTIME: &str = "/sandbox-guardrails/athena/athena-query-runtime";

fn guardrails(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guardrails"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    parts(guardrails(arguments).output().unwrap())
}

fn parts(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The same, with this as standard input.
fn run_with(input: &[u8], arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = guardrails(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // What refuses its arguments does not read, and may be gone already.
    _ = child.stdin.take().unwrap().write_all(input);
    parts(child.wait_with_output().unwrap())
}

/// Checks this text as a file.
fn check(content: &str, options: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("params.json"), content).unwrap();
    let mut command = guardrails(&["params", "check", "params.json"]);
    parts(command.args(options).current_dir(folder.path()).output().unwrap())
}

#[test]
fn the_catalogue_is_a_table_for_each_service() {
    let (code, out, err) = run(&["catalogue"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!("catalogue", out);
    let (code, glue, _) = run(&["catalogue", "--service", "glue"]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(glue, @r#"
    AWS Glue (7)

    guardrail                 measured               limit at levels %  action
    glue-session-age          session: elapsed time  8h at 75,95,100    stop session
    glue-session-idle-time    session: idle time     1h at 75,95,100    stop session
    glue-session-count        session: count         10 at 80,100       stop session
    glue-session-dpus         session: DPUs          20 at 100          stop session
    glue-job-runtime          job run: elapsed time  8h at 75,95,100    stop job
    glue-concurrent-job-runs  job run: count         20 at 80,100       stop job
    glue-job-dpus             job run: DPUs          50 at 100          stop job

    these are the defaults; levels are the percentages of a limit that are findings
    every guardrail only observes until its `mode` says otherwise
    `--json` adds the reasons, what may be set, and the parameter names
    "#);
}

#[test]
fn the_catalogue_is_an_array_for_machines() {
    let (code, out, err) = run(&["catalogue", "--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let catalogue: Vec<Value> = serde_json::from_str(&out).unwrap();
    let entry = catalogue.iter().find(|entry| entry["id"] == "emr-step-runtime").unwrap();
    // Sorted, because a build of the whole workspace keeps the order of the fields and one of this package does not.
    insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(entry, @r#"
    {
      "action": "cancel_step",
      "choices": [
        {
          "default": "report",
          "expected": "`report` or `terminate`",
          "name": "escalate",
          "what": "what is done when a running step cannot be cancelled: nothing but the report, or the cluster is terminated"
        },
        {
          "default": "respect",
          "expected": "`respect` or `lift`",
          "name": "termination_protection",
          "what": "whether termination protection is lifted to terminate a cluster (`lift`), or keeps it alive (`respect`)"
        }
      ],
      "counted_in": null,
      "default_limit": "6h",
      "default_max_actions": 20,
      "default_mode": "observe",
      "expected_limit": "a duration such as `30m`, `2h` or `PT30M`, from 1s to 720h",
      "greatest_limit": "720h",
      "id": "emr-step-runtime",
      "kind": "detective",
      "least_limit": "1s",
      "levels": [
        75,
        95,
        100
      ],
      "locks_at": [],
      "measure": "elapsed_time",
      "parameters": [
        "/sandbox-guardrails/emr/emr-step-runtime/limit",
        "/sandbox-guardrails/emr/emr-step-runtime/limit/<template>",
        "/sandbox-guardrails/emr/emr-step-runtime/limit/user-type/<user-type>",
        "/sandbox-guardrails/emr/emr-step-runtime/limit/owner/<owner>",
        "/sandbox-guardrails/emr/emr-step-runtime/mode",
        "/sandbox-guardrails/emr/emr-step-runtime/mode/<template>",
        "/sandbox-guardrails/emr/emr-step-runtime/mode/user-type/<user-type>",
        "/sandbox-guardrails/emr/emr-step-runtime/mode/owner/<owner>",
        "/sandbox-guardrails/emr/emr-step-runtime/levels",
        "/sandbox-guardrails/emr/emr-step-runtime/levels/<template>",
        "/sandbox-guardrails/emr/emr-step-runtime/levels/user-type/<user-type>",
        "/sandbox-guardrails/emr/emr-step-runtime/levels/owner/<owner>",
        "/sandbox-guardrails/emr/emr-step-runtime/max_actions",
        "/sandbox-guardrails/emr/emr-step-runtime/escalate",
        "/sandbox-guardrails/emr/emr-step-runtime/termination_protection"
      ],
      "resources": [
        "step"
      ],
      "scopes": [
        "template",
        "user-type",
        "owner"
      ],
      "service": "emr",
      "title": "Steps run no longer than their limit",
      "why": "A stuck step keeps its whole cluster busy and billed. It is interrupted first and ended by force if it goes on. Releases before 5.28 cannot cancel a step that runs; `escalate` says what is done then."
    }
    "#) });

    let (_, out, _) = run(&["catalogue", "--json", "--service", "emr"]);
    let of_emr: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert_eq!(of_emr, catalogue.into_iter().filter(|entry| entry["service"] == "emr").collect::<Vec<_>>());
}

#[test]
fn good_parameters_end_with_0() {
    let good = json!({
        format!("{RUNTIME}/limit"): "45m",
        format!("{RUNTIME}/limit/etl"): "PT2H",
        format!("{RUNTIME}/mode"): "observe",
        format!("{RUNTIME}/mode/etl"): "enforce",
        format!("{RUNTIME}/levels"): "50,75,95,100",
        format!("{RUNTIME}/max_actions"): "5",
        "/sandbox-guardrails/exemptions/close":
            r#"{"scope":"finance","owner":"ana","reason":"quarter end","expires":"2027-01-05T00:00:00Z"}"#,
    });
    let at = ["--at", "2027-01-04T23:59:59Z"];
    let (code, out, err) = check(&good.to_string(), &at);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "good: 7 parameters checked, all will be obeyed\n", ""));

    let (code, out, _) = check(&good.to_string(), &["--json", "--at", "2027-01-04T23:59:59Z"]);
    assert_eq!(code, Some(0));
    let verdict: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(verdict, json!({ "at": "2027-01-04T23:59:59Z", "checked": 7, "bad": [], "expired": [] }));

    let (code, out, _) = check("{}", &[]);
    assert_eq!((code, out.as_str()), (Some(0), "good: no parameter is set, the catalogue's defaults are in force\n"));
}

#[test]
fn a_bad_parameter_ends_with_1_and_is_named() {
    let bad = json!({ format!("{RUNTIME}/limit"): "2h", format!("{RUNTIME}/limit/etl"): "0" }).to_string();
    let (code, out, err) = check(&bad, &[]);
    assert_eq!((code, err.as_str()), (Some(1), ""));
    insta::assert_snapshot!(out, @r#"
    /sandbox-guardrails/athena/athena-query-runtime/limit/etl
      value     `0`
      expected  a duration such as `30m`, `2h` or `PT30M`, from 1s to 10h
      in force  `2h`, as `/sandbox-guardrails/athena/athena-query-runtime/limit` says

    bad: 1 of 2 parameters checked will not be obeyed
    "#);

    let (code, out, _) = check(&bad, &["--json", "--at", "2026-11-21T12:00:00Z"]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(out, @r#"
    {
      "at": "2026-11-21T12:00:00Z",
      "checked": 2,
      "bad": [
        {
          "parameter": "/sandbox-guardrails/athena/athena-query-runtime/limit/etl",
          "value": "0",
          "expected": "a duration such as `30m`, `2h` or `PT30M`, from 1s to 10h",
          "in_force": "2h",
          "in_force_from": "/sandbox-guardrails/athena/athena-query-runtime/limit"
        }
      ],
      "expired": []
    }
    "#);
}

#[test]
fn exemptions_are_held_against_the_clock() {
    let exemption = |expires| {
        let fields = json!({ "scope": "finance", "owner": "ana", "reason": "quarter end", "expires": expires });
        json!({ "/sandbox-guardrails/exemptions/close": fields.to_string() }).to_string()
    };
    let (code, out, err) = check(&exemption("2020-01-01T00:00:00Z"), &[]);
    assert_eq!((code, err.as_str()), (Some(1), ""));
    insta::assert_snapshot!(out, @r#"
    /sandbox-guardrails/exemptions/close
      expired  2020-01-01T00:00:00Z, it is not honoured any more
      owner    ana
      reason   quarter end

    bad: 1 parameter checked, 1 exemption has expired
    "#);
    let (code, out, _) = check(&exemption("2020-01-01T00:00:00Z"), &["--json", "--at", "2026-11-21T12:00:00Z"]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(out, @r#"
    {
      "at": "2026-11-21T12:00:00Z",
      "checked": 1,
      "bad": [],
      "expired": [
        {
          "parameter": "/sandbox-guardrails/exemptions/close",
          "expired_at": "2020-01-01T00:00:00Z",
          "owner": "ana",
          "reason": "quarter end"
        }
      ]
    }
    "#);
    assert_eq!(check(&exemption("2020-01-01T00:00:00Z"), &["--at", "2019-12-31T23:59:59Z"]).0, Some(0));
    assert_eq!(check(&exemption("9000-01-01T00:00:00Z"), &[]).0, Some(0));
}

#[test]
fn defaults_are_lines_that_the_aws_cli_takes_as_input() {
    let (code, out, err) = run(&["params", "defaults", "--guardrail", "emr-step-runtime", "--mode", "enforce"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out, @r#"
    {"Name":"/sandbox-guardrails/emr/emr-step-runtime/limit","Value":"6h","Type":"String","Overwrite":true}
    {"Name":"/sandbox-guardrails/emr/emr-step-runtime/levels","Value":"75,95,100","Type":"String","Overwrite":true}
    {"Name":"/sandbox-guardrails/emr/emr-step-runtime/mode","Value":"enforce","Type":"String","Overwrite":true}
    {"Name":"/sandbox-guardrails/emr/emr-step-runtime/max_actions","Value":"20","Type":"String","Overwrite":true}
    {"Name":"/sandbox-guardrails/emr/emr-step-runtime/escalate","Value":"report","Type":"String","Overwrite":true}
    {"Name":"/sandbox-guardrails/emr/emr-step-runtime/termination_protection","Value":"respect","Type":"String","Overwrite":true}
    "#);

    let (_, out, _) = run(&["params", "defaults", "--service", "sagemaker"]);
    for line in out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["Name"].as_str().unwrap().starts_with("/sandbox-guardrails/sagemaker/sagemaker-"));
        assert_eq!((&line["Type"], &line["Overwrite"]), (&json!("String"), &json!(true)));
    }
}

#[test]
fn all_the_defaults_are_good_parameters() {
    for mode in ["observe", "enforce"] {
        let (_, out, _) = run(&["params", "defaults", "--mode", mode]);
        let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let values = lines.iter().map(|line| (line["Name"].as_str().unwrap().to_owned(), line["Value"].clone()));
        let values: serde_json::Map<_, _> = values.collect();
        assert_eq!(values.len(), lines.len());
        let (code, out, _) = check(&Value::from(values).to_string(), &[]);
        assert_eq!(code, Some(0));
        assert_eq!(out, format!("good: {} parameters checked, all will be obeyed\n", lines.len()));
    }
}

#[test]
fn standard_input_is_a_file_too() {
    let (code, out, err) = run_with(b"{", &["params", "check", "-"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(err, "error: standard input, line 1, column 1: not JSON: EOF while parsing an object\n");
}

#[test]
fn what_cannot_be_checked_ends_with_2_and_says_where() {
    let (code, out, err) = check("{\n  \"a\": \"b\",\n}", &[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(err, "error: `params.json`, line 3, column 1: not JSON: trailing comma\n");

    let (code, _, err) = check("[]", &["--json"]);
    let expected = "invalid type: sequence, expected a JSON object of parameter names and values";
    assert_eq!((code, err), (Some(2), format!("error: `params.json`, line 1, column 1: {expected}\n")));

    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.json");
    for unreadable in [missing.as_path(), folder.path()] {
        let path = unreadable.to_str().unwrap();
        let (code, out, err) = run(&["params", "check", path]);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(err.starts_with(&format!("error: cannot read `{path}`: ")), "{err}");
    }
}

#[test]
fn usage_errors_end_with_2_and_a_way_on() {
    for arguments in [
        &[][..],
        &["params"],
        &["params", "check"],
        &["nope"],
        &["catalogue", "x"],
        &["params", "check", "x", "--at", "noon"],
        &["catalogue", "--service", "ecs"],
        &["params", "defaults", "--guardrail", "emr-clusters"],
        &["params", "defaults", "--service", "emr", "--guardrail", "emr-release"],
        &["params", "defaults", "--mode", "off"],
        &["window"],
        &["window", "check"],
        &["window", "check", "x", "--at", "noon"],
        &["window", "simulate", "x"],
        &["window", "simulate", "x", "--from", "2027-01-01"],
        &["window", "calendar", "x"],
        &["spend"],
        &["spend", "summarise"],
        &["spend", "summarise", "x", "--charges", "blended"],
        &["spend", "summarise", "x", "--exclude", "tax,vat"],
        &["spend", "summarise", "x", "--by", "region"],
        &["spend", "explain", "x", "y"],
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err.contains("--help"), "{arguments:?}: {err}");
    }
}

#[test]
fn help_and_version_answer_everywhere() {
    let pairs = [
        ["params", "check"],
        ["params", "defaults"],
        ["window", "check"],
        ["window", "simulate"],
        ["window", "calendar"],
        ["spend", "summarise"],
        ["spend", "explain"],
    ];
    let others = [&[][..], &["catalogue"], &["params"], &["window"], &["spend"]];
    for path in others.into_iter().chain(pairs.iter().map(<[_; 2]>::as_slice)) {
        let (code, help, err) = run(&[path, &["--help"]].concat());
        assert_eq!((code, err.as_str()), (Some(0), ""), "{path:?}");
        assert!(help.contains("Usage: guardrails") && help.contains("Example"), "{path:?}: {help}");
        let (code, version, _) = run(&[path, &["--version"]].concat());
        assert_eq!(code, Some(0));
        assert!(version.trim_end().ends_with(env!("CARGO_PKG_VERSION")), "{path:?}: {version}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    // More than a pipe holds, so that the writer still writes when its reader is gone.
    let members: serde_json::Map<_, _> = (0..2000).map(|n| (format!("/other/{n}"), json!("30m"))).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("params.json");
    std::fs::write(&file, Value::from(members).to_string()).unwrap();
    let mut child = guardrails(&["params", "check", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 6]).unwrap();
    drop(out);
    let (code, _, err) = parts(child.wait_with_output().unwrap());
    assert_eq!((code, err.as_str()), (Some(1), ""), "the verdict stands, and nothing is complained about");
}

#[test]
fn an_answer_that_cannot_be_written_ends_with_2() {
    // Linux has a device that is always full; elsewhere the unit test of the writer stands alone.
    let full = Path::new("/dev/full");
    if full.exists() {
        let device = std::fs::OpenOptions::new().write(true).open(full).unwrap();
        let (code, _, err) = parts(guardrails(&["catalogue"]).stdout(device).output().unwrap());
        assert_eq!(code, Some(2));
        assert!(err.starts_with("error: cannot write the answer: "), "{err}");
    }
}
