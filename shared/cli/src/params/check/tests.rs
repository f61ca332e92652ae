//! What is obeyed and what is not, and how it is told.

use std::collections::BTreeMap;

use guardrail::register::REGISTERED_SYNTAX;

use super::*;

const RUNTIME: &str = "/sandbox-guardrails/athena/athena-query-runtime";
const NOW: &str = "2026-11-21T12:00:00Z";

fn read(json: &str) -> Result<Document, Failure> {
    Document::read(&Input::Stdin, json.as_bytes())
}

fn verdict(json: &str) -> Verdict {
    super::check(&read(json).unwrap(), NOW.parse().unwrap())
}

/// An object of these members, written by hand because a map would drop what is given twice.
fn object(members: &[(&str, &str)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, json)| format!("{}: {json}", Value::from(*name))).collect();
    format!("{{{}}}", members.join(", "))
}

fn text(value: &str) -> String {
    Value::from(value).to_string()
}

/// One parameter by itself; `bad` is what was expected and what is in force, or `None` when it is obeyed.
fn check(name: &str, json: &str, bad: Option<(&str, &str)>) {
    let verdict = verdict(&object(&[(name, json)]));
    assert_eq!(verdict.checked, 1);
    let found: Vec<_> = verdict
        .bad
        .iter()
        .map(|Bad { rejected, .. }| {
            assert_eq!(rejected.parameter, name);
            (rejected.expected.as_str(), rejected.in_force.as_str())
        })
        .collect();
    assert_eq!(found, bad.into_iter().collect::<Vec<_>>(), "`{name}`: {json}");
}

#[test]
fn a_limit_is_a_duration_within_its_bounds() {
    let bad = Some(("a duration such as `30m`, `2h` or `PT30M`, from 1s to 10h", "30m"));
    for name in ["limit", "limit/etl"].map(|setting| format!("{RUNTIME}/{setting}")) {
        for good in ["1s", "45m", "2h", "1h 30m", "PT30M", "10h", " 30m "] {
            check(&name, &text(good), None);
        }
        for value in [
            "",
            " ",
            "0",
            "0m",
            "PT0S",
            "-30m",
            "-PT30M",
            "999ms",
            "10h 1s",
            "99999999999999999999h",
            "soon",
            "30",
            "30 %",
        ] {
            check(&name, &text(value), bad);
        }
    }
}

#[test]
fn the_other_settings_too() {
    let bad = Some(("`off`, `observe` or `enforce`", "observe"));
    for name in ["mode", "mode/etl"].map(|setting| format!("{RUNTIME}/{setting}")) {
        for good in ["off", "observe", "enforce"] {
            check(&name, &text(good), None);
        }
        for value in ["", "on", "Enforce", "dry-run"] {
            check(&name, &text(value), bad);
        }
    }
    let name = format!("{RUNTIME}/levels");
    check(&name, &text("50,75,95,100,150"), None);
    for value in ["", "95,75,100", "75,75,100", "75,95", "0,100"] {
        check(&name, &text(value), Some((guardrail::level::LEVELS_SYNTAX, "75,95,100")));
    }
    let name = format!("{RUNTIME}/max_actions");
    check(&name, &text("5"), None);
    for value in ["", "0", "-1", "1001", "five"] {
        check(&name, &text(value), Some(("a whole number from 1 to 1000", "20")));
    }
}

#[test]
fn a_name_that_nothing_reads_is_bad() {
    let unknown = "nothing, the name is unknown";
    for name in ["/other/limit", "limit", "", "/sandbox-guardrails", "/sandbox-guardrailsx/athena/limit"] {
        check(name, &text("30m"), Some(("a name under `/sandbox-guardrails/`", unknown)));
    }
    let settings = format!(
        "`limit`, `mode`, `levels`, `limit/<scope>`, `mode/<scope>`, `levels/<scope>`, `max_actions` under `{RUNTIME}/`"
    );
    for setting in ["", "limits", "limit/", "limit/a/b", "limit/ana@bank", "levels/a/b", "max_actions/etl", "escalate"]
    {
        check(&format!("{RUNTIME}/{setting}"), &text("30m"), Some((&settings, unknown)));
    }
    for name in
        ["athena/athena-query-runtimes/limit", "emr/athena-query-runtime/limit", "exemptions/", "exemptions/a/b"]
    {
        let verdict = verdict(&object(&[(&format!("/sandbox-guardrails/{name}"), &text("30m"))]));
        let expected: Vec<_> = verdict.bad.iter().map(|bad| bad.rejected.expected.as_str()).collect();
        let elsewhere = "a name under `/sandbox-guardrails/<service>/<guardrail>/` of a guardrail of the catalogue";
        assert!(matches!(expected.as_slice(), [one] if one.starts_with(elsewhere)), "`{name}`: {expected:?}");
    }
}

#[test]
fn an_exemption_is_complete_and_ends_in_the_future() {
    let name = "/sandbox-guardrails/exemptions/close";
    let whole = BTreeMap::from([
        ("scope", "finance"),
        ("owner", "ana@example.com"),
        ("reason", "quarter end"),
        ("expires", "2026-11-21T12:00:01Z"),
    ]);
    let exemption = |change: &dyn Fn(&mut BTreeMap<&str, &str>)| {
        let mut fields = whole.clone();
        change(&mut fields);
        text(&serde_json::to_string(&fields).unwrap())
    };
    check(name, &exemption(&|_| ()), None);
    let expired = verdict(&object(&[(name, &exemption(&|fields| _ = fields.insert("expires", NOW)))]));
    assert!(expired.bad.is_empty(), "it is well written");
    let as_found = Expired {
        parameter: name.to_owned(),
        expired_at: NOW.parse().unwrap(),
        owner: "ana@example.com".to_owned(),
        reason: "quarter end".to_owned(),
    };
    assert_eq!(expired.expired, [as_found]);

    let faulty = |json: &str, problem: &str| {
        let verdict = verdict(&object(&[(name, json)]));
        let [Bad { rejected, in_force_from: None, .. }] = verdict.bad.as_slice() else { panic!("{verdict:?}") };
        assert!(rejected.expected.contains(problem), "`{problem}` in {rejected}");
        assert_eq!(rejected.in_force, "no exemption");
    };
    for field in ["owner", "reason", "expires"] {
        faulty(&exemption(&|fields| _ = fields.remove(field)), &format!("`{field}`"));
    }
    faulty(&exemption(&|fields| _ = fields.insert("owner", " ")), "`owner` is empty");
    faulty(&exemption(&|fields| _ = fields.remove("scope")), "it names no `resource`, `scope` or `resource_owner`");
    faulty(&exemption(&|fields| _ = fields.insert("for", "ever")), "unknown field `for`");
    faulty(&text(""), "JSON with `owner`");
}

#[test]
fn each_kind_of_limit_and_of_setting_is_checked() {
    let name = |id: &str, setting: &str| format!("{}/{setting}", catalogue::find(id).unwrap().parameter_path());
    for (id, setting, good, wrong, expected, in_force) in [
        ("emr-cluster-count", "limit/owner/ana-bank.example", "3", "0", "a whole number", "5"),
        ("athena-query-bytes-scanned", "limit", "500 GB", "lots", "a number of bytes", "1.0 TB"),
        ("sagemaker-domain-network", "limit", "VpcOnly", "PublicInternetOnly", "`VpcOnly` and nothing else", "VpcOnly"),
        ("emr-release", "limit", "emr-7.*", "*", "each with a letter and a dot", "emr-5.3?.*,emr-6.*,emr-7.*"),
        ("emr-release", "mode", "off", "enforce", "since this guardrail only reports", "observe"),
        ("emr-step-runtime", "escalate", "terminate", "shout", "`report` or `terminate`", "report"),
        ("emr-auto-termination", "idle_timeout", "2h", "8d", "a duration from 1m to 168h", "1h"),
        ("exemption-expired", "limit", "valid", "", "`valid` and nothing else", "valid"),
        ("spend-budget", "limit", "18000 USD/year", "1500", "its currency and what it is for", "2000.00 USD/month"),
        ("spend-budget", "limit/111122223333", "0.50 USD", "0 USD", "more than 0", "2000.00 USD/month"),
        (
            "spend-budget",
            "limit/business-unit/retail",
            "9 EUR/total",
            "9 EUR/week",
            "`50000 USD/total`",
            "2000.00 USD/month",
        ),
        (
            "spend-budget",
            "levels",
            "90:estimated,100:lock",
            "50:lock,100",
            "those of 100 or more",
            "50,75,100,150,200:lock",
        ),
        ("spend-budget", "levels/business-unit/retail", "100", "200", "100 among them", "50,75,100,150,200:lock"),
        ("spend-budget", "mode/111122223333", "enforce", "lock", "`off`, `observe` or `enforce`", "observe"),
    ] {
        let name = name(id, setting);
        check(&name, &text(good), None);
        let verdict = verdict(&object(&[(&name, &text(wrong))]));
        let [Bad { rejected, in_force_from, .. }] = verdict.bad.as_slice() else { panic!("{verdict:?}") };
        assert!(rejected.expected.contains(expected), "`{expected}` in {rejected}");
        assert_eq!((rejected.in_force.as_str(), in_force_from.as_deref()), (in_force, Some(CATALOGUE)), "`{name}`");
    }
}

#[test]
fn an_entry_of_the_register_is_complete() {
    let name = "/sandbox-guardrails/spend/sandboxes/111122223333";
    for good in [r#"{"business_unit":"retail"}"#, r#"{"business_unit":"retail","alias":"churn","region":"eu-west-1"}"#]
    {
        check(name, &text(good), None);
    }
    for wrong in ["", "retail", "{}", r#"{"business_unit":""}"#, r#"{"business_unit":"retail","owner":"ana"}"#] {
        check(name, &text(wrong), Some((REGISTERED_SYNTAX, "no entry")));
    }
    let verdict = verdict(&object(&[("/sandbox-guardrails/spend/sandboxes/1111", &text("{}"))]));
    let [Bad { rejected, in_force_from: None, .. }] = verdict.bad.as_slice() else { panic!("{verdict:?}") };
    assert_eq!(rejected.in_force, "nothing, the name is unknown");
}

#[test]
fn a_value_that_is_no_text_is_named_with_what_would_do() {
    let limit = format!("{RUNTIME}/limit");
    let duration = "a duration such as `30m`, `2h` or `PT30M`, from 1s to 10h";
    for (json, kind) in
        [("30", "a number"), ("null", "null"), ("true", "a boolean"), ("[\"30m\"]", "an array"), ("{}", "an object")]
    {
        check(&limit, json, Some((&format!("a string, not {kind}: {duration}"), "30m")));
    }
    check(&format!("{RUNTIME}/max_actions"), "5", Some(("a string, not a number: `\"5\"`", "20")));
    let fields = r#"{"expires":"2027-01-05T00:00:00Z","owner":"ana","reason":"close","scope":"bi"}"#;
    let expected = format!("a string, not an object: `{}`", text(fields));
    check("/sandbox-guardrails/exemptions/close", fields, Some((&expected, "no exemption")));
    check("/other", "null", Some(("a name under `/sandbox-guardrails/`", "nothing, the name is unknown")));
}

#[test]
fn what_is_in_force_comes_from_the_good_ones_of_the_same_file_in_any_order() {
    let (limit, etl) = (format!("{RUNTIME}/limit"), format!("{RUNTIME}/limit/etl"));
    let mut members = [(limit.as_str(), r#""2h""#), (etl.as_str(), r#""soon""#)];
    for _ in 0..2 {
        let verdict = verdict(&object(&members));
        let [Bad { rejected, in_force_from, .. }] = verdict.bad.as_slice() else { panic!("{verdict:?}") };
        assert_eq!((rejected.parameter.as_str(), rejected.in_force.as_str()), (etl.as_str(), "2h"));
        assert_eq!(in_force_from.as_deref(), Some(limit.as_str()));
        members.reverse();
    }
}

#[test]
fn a_name_given_twice_hides_nothing() {
    let limit = format!("{RUNTIME}/limit");
    let bad = |values: [&str; 2]| {
        let verdict = verdict(&object(&values.map(|value| (limit.as_str(), value))));
        assert_eq!(verdict.checked, 2);
        assert!(verdict.bad.iter().all(|bad| bad.rejected.in_force == "30m"), "neither value is relied on");
        verdict.bad.into_iter().map(|bad| (bad.rejected.value, bad.rejected.expected)).collect::<Vec<_>>()
    };
    let twice = "each setting once; this one stands 2 times".to_owned();
    let duration = "a duration such as `30m`, `2h` or `PT30M`, from 1s to 10h".to_owned();
    let [zero, hour] = ["0", "1h"].map(str::to_owned);
    assert_eq!(bad([r#""0""#, r#""1h""#]), [(zero.clone(), duration.clone()), (hour.clone(), twice.clone())]);
    assert_eq!(bad([r#""1h""#, r#""0""#]), [(hour.clone(), twice.clone()), (zero, duration)]);
    assert_eq!(bad([r#""1h""#, r#""1h""#]), [(hour.clone(), twice.clone()), (hour, twice)]);
}

#[test]
fn a_scope_that_is_named_in_two_ways_is_given_twice() {
    let verdict = verdict(&object(&[
        (&format!("{RUNTIME}/limit/etl"), r#""1h""#),
        (&format!("{RUNTIME}/limit/workgroup/etl"), r#""2h""#),
        (&format!("{RUNTIME}/limit/adhoc"), r#""5m""#),
    ]));
    let bad: Vec<_> = verdict.bad.iter().map(|bad| bad.rejected.expected.as_str()).collect();
    assert_eq!(bad, ["each setting once; this one stands 2 times"; 2]);
}

#[test]
fn a_scope_called_like_a_kind_of_scopes_lends_its_value_to_none() {
    let clusters = "/sandbox-guardrails/emr/emr-cluster-count";
    let verdict = verdict(&object(&[
        (&format!("{clusters}/limit/owner"), r#""9""#),
        (&format!("{clusters}/limit/owner/ana"), r#""0""#),
    ]));
    let [Bad { rejected, in_force_from, .. }] = verdict.bad.as_slice() else { panic!("{verdict:?}") };
    assert_eq!((rejected.in_force.as_str(), in_force_from.as_deref()), ("5", Some(CATALOGUE)));
}

#[test]
fn what_is_no_object_is_a_failure_with_its_place() {
    for (json, message) in [
        ("", "standard input, line 1, column 1: not JSON: EOF while parsing a value"),
        ("{\n  \"a\" \"b\"\n}", "standard input, line 2, column 7: not JSON: expected `:`"),
        ("{\"a\": \"b\",}", "standard input, line 1, column 11: not JSON: trailing comma"),
        ("{} {}", "standard input, line 1, column 4: not JSON: trailing characters"),
        (
            "[]",
            "standard input, line 1, column 1: invalid type: sequence, expected a JSON object of parameter names and values",
        ),
        (
            "null",
            "standard input, line 1, column 4: invalid type: null, expected a JSON object of parameter names and values",
        ),
    ] {
        assert_eq!(read(json).unwrap_err().to_string(), message, "{json}");
    }
    assert!(read("\u{feff}{}").is_ok(), "a byte order mark is passed over");
}

#[test]
fn the_example_of_the_help_is_good() {
    let start = EXAMPLES.find("    {\n").unwrap();
    let end = EXAMPLES.find("    }\n").unwrap() + "    }\n".len();
    let verdict = verdict(EXAMPLES.get(start..end).unwrap());
    assert!(verdict.checked > 1 && verdict.bad.is_empty(), "{verdict:?}");
}

#[test]
fn people_read_a_block_for_each_bad_parameter_and_a_count() {
    let verdict = verdict(&object(&[
        (&format!("{RUNTIME}/mode"), r#""enforce""#),
        (&format!("{RUNTIME}/limit"), r#""\u001b[31m0""#),
        (&format!("{RUNTIME}/mode/etl"), r#""""#),
        (&format!("{RUNTIME}/levels"), &text(&"1,".repeat(101))),
    ]));
    let shown = verdict.text(Look::default());
    insta::assert_snapshot!(shown, @r#"
    /sandbox-guardrails/athena/athena-query-runtime/limit
      value     `\u{1b}[31m0`
      expected  a duration such as `30m`, `2h` or `PT30M`, from 1s to 10h
      in force  `30m`, the catalogue's default

    /sandbox-guardrails/athena/athena-query-runtime/mode/etl
      value     nothing, it is empty
      expected  `off`, `observe` or `enforce`
      in force  `enforce`, as `/sandbox-guardrails/athena/athena-query-runtime/mode` says

    /sandbox-guardrails/athena/athena-query-runtime/levels
      value     `1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,`, and so on
      expected  1 to 10 whole percentages of the limit, ascending, each from 1 to 1000, 100 among them, such as `75,95,100`
      in force  `75,95,100`, the catalogue's default

    bad: 3 of 4 parameters checked will not be obeyed
    "#);
    let coloured = verdict.text(Look { colour: true, width: None });
    assert!(coloured.contains("\u{1b}[1m") && !coloured.contains("\u{1b}[31m0"));
}

#[test]
fn the_last_line_counts() {
    let last = |json: &str| verdict(json).text(Look::default());
    assert_eq!(last("{}"), "good: no parameter is set, the catalogue's defaults are in force\n");
    let mode = format!("{RUNTIME}/mode");
    assert_eq!(last(&object(&[(&mode, r#""off""#)])), "good: 1 parameter checked, it will be obeyed\n");
    let both = [(mode.as_str(), r#""off""#), ("/other", "1")];
    assert!(last(&object(&both)).ends_with("\nbad: 1 of 2 parameters checked will not be obeyed\n"));

    let exemption = text(r#"{"scope":"bi","owner":"ana","reason":"close","expires":"2020-01-01T00:00:00Z"}"#);
    let expired = ["a", "b"].map(|name| format!("{EXEMPTIONS}/{name}"));
    let expired = expired.each_ref().map(|name| (name.as_str(), exemption.as_str()));
    let first = last(&object(&expired[..1]));
    assert!(first.ends_with("\nbad: 1 parameter checked, 1 exemption has expired\n"), "{first}");
    let all = last(&object(&[&both[..], &expired].concat()));
    assert!(all.ends_with("\nbad: 1 of 4 parameters checked will not be obeyed, 2 exemptions have expired\n"), "{all}");
}
