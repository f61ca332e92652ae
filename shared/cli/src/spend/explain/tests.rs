//! What is made of the rows of a sandbox: each case is a change of those that lie beside the command's own tests.

use serde_json::{Value, json};

use super::*;

const LOCKED: &str = include_str!("../../../tests/command/rows/locked.json");

/// The rows of a sandbox that its budget has locked.
struct Table(Vec<Value>);

impl Table {
    fn locked() -> Self {
        let page: Value = serde_json::from_str(LOCKED).unwrap();
        Self(page["Items"].as_array().unwrap().clone())
    }

    /// Without the rows whose sort keys begin with one of these.
    fn without(mut self, begin: &[&str]) -> Self {
        self.0.retain(|row| !begin.iter().any(|begin| row["sk"]["S"].as_str().unwrap().starts_with(begin)));
        self
    }

    /// With these fields in the detail of a row.
    fn with(mut self, sk: &str, fields: Value) -> Self {
        let row = self.0.iter_mut().find(|row| row["sk"]["S"] == sk).unwrap();
        let mut detail: Value = serde_json::from_str(row["detail"]["S"].as_str().unwrap()).unwrap();
        for (name, value) in fields.as_object().unwrap() {
            detail[name] = value.clone();
        }
        row["detail"]["S"] = json!(detail.to_string());
        self
    }

    /// With a copy of a row under another sort key, and these fields in its detail.
    fn copied(mut self, from: &str, to: &str, fields: Value) -> Self {
        let mut row = self.0.iter().find(|row| row["sk"]["S"] == from).unwrap().clone();
        row["sk"]["S"] = json!(to);
        self.0.push(row);
        self.with(to, fields)
    }

    fn json(&self) -> String {
        json!({ "Items": self.0 }).to_string()
    }

    fn answer(&self, json: bool) -> Answer {
        Explain { rows: Input::Stdin, json }.run(self.json().as_bytes(), Look::default()).unwrap()
    }

    fn text(&self) -> String {
        self.answer(false).text
    }

    fn explanation(&self) -> Value {
        serde_json::from_str(&self.answer(true).text).unwrap()
    }
}

const LOCK: &str = "availability/locked/command/budget-111122223333-200-20261101T000000";

fn released() -> Table {
    let release = json!({
        "change": "lock_released", "occurred_at": "2026-11-23T08:00:30Z", "state": "closed",
        "requested_by": "jo@bank.example", "reason": "the budget was raised",
    });
    let opening = json!({ "change": "opening", "occurred_at": "2026-11-23T08:00:41Z", "state": "opening" });
    let opened = json!({ "change": "opened", "occurred_at": "2026-11-23T08:06:02Z", "state": "open" });
    Table::locked()
        .copied(LOCK, "availability/lock_released/command/e2b9", release.clone())
        .with("lock/budget", release)
        .copied("availability", "availability/opening/000008", opening)
        .copied("availability", "availability/opened/000008", opened.clone())
        .with("availability", opened)
}

#[test]
fn a_release_is_told_with_who_and_why_and_what_came_of_it() {
    let raised = json!({ "budget": {
        "budget": "4000.00 USD/month", "set_for": "sandbox", "from": "2026-11-01", "until": "2026-12-01",
        "reported": "3012.395", "percent": 75, "level": 75, "mode": "enforce",
    }});
    let text = released().with("spend/2026-11", raised).text();
    let (told, _) = text.split_once("what it was spent on").unwrap();
    insta::assert_snapshot!(told, @r#"
    `marketing` (111122223333/eu-west-1) is open: its budget's lock of 2026-11-20 09:31 UTC was released at 2026-11-23 08:00 UTC

    budget
      amount         1500.00 USD/month, changed since
      now            4000.00 USD/month, set for the sandbox
      parameter      /sandbox-guardrails/spend/spend-budget/limit/111122223333
      business unit  retail
      period         November 2026
      spent          3012.40 USD, 75 % of 4000.00 USD/month, as the cost export says up to 2026-11-19 22:00 UTC
      since then     84.21 USD more by estimate, give or take 12.50 USD, up to 2026-11-20 09:30 UTC
      projected      4870.11 USD at the end of the period if it goes on so

    what happened (UTC)
      2026-11-05 04:11  50 % reached: 751.20 USD reported
      2026-11-09 04:10  75 % reached: 1130.90 USD reported
      2026-11-12 16:05  100 % reached: 1530.45 USD reported
      2026-11-18 04:12  150 % reached: 2250.00 USD by estimate
      2026-11-20 09:30  200 % reached: 3012.40 USD reported; to be locked
      2026-11-20 09:31  locked by spend-enforce: `marketing` has spent 3012.40 USD of its budget of 1500.00 USD/month (200 % reached), most of it on AmazonSageMaker: 2101.20
      2026-11-20 09:31  lock done: the sandbox is locked
      2026-11-20 09:31  the sandbox is closing
      2026-11-20 09:38  the sandbox is closed
      2026-11-23 08:00  released by jo@bank.example: the budget was raised
      2026-11-23 08:00  the sandbox is opening
      2026-11-23 08:06  the sandbox is open
    "#);
    assert!(!text.contains("aws lambda invoke"), "there is nothing to release");
    assert!(!released().text().contains("changed since"));
}

#[test]
fn a_lock_that_holds_again_is_the_newest_one() {
    let again = json!({
        "change": "locked", "occurred_at": "2026-11-25T10:00:00Z", "requested_by": "ana@bank.example",
        "reason": "audit of the spend",
    });
    let table = released().copied(LOCK, "availability/locked/command/77aa", again.clone()).with("lock/budget", again);
    let told = table.explanation();
    assert_eq!((&told["locked"], &told["release"]), (&json!(true), &Value::Null));
    assert_eq!(told["lock"]["requested_by"], "ana@bank.example");
    assert_eq!(told["closing"], json!([]), "what came of the lock before is not told of this one");
    assert_eq!(told["levels"].as_array().unwrap().len(), 5, "the period is the same");
}

#[test]
fn a_lock_that_is_asked_for_twice_is_one_since_the_first_time() {
    let again = json!({ "change": "locked", "occurred_at": "2026-11-21T10:00:00Z", "reason": "and again" });
    let table =
        Table::locked().copied(LOCK, "availability/locked/command/77aa", again.clone()).with("lock/budget", again);
    assert_eq!(table.explanation()["lock"]["at"], "2026-11-20T09:31:05.6Z");
}

#[test]
fn a_forgotten_timeline_leaves_the_lock_itself() {
    let table = Table::locked().without(&["availability/", "finding/", "action/", "spend/"]);
    let expected = "these rows do not tell what was spent; what an account in several Regions spends stands with the \
                    first of them by name";
    assert_eq!(table.answer(false).notes, [expected]);
    let told = table.explanation();
    assert_eq!((&told["locked"], &told["state"]), (&json!(true), &json!("closed")));
    assert_eq!(told["lock"]["at"], "2026-11-20T09:31:05.6Z");
    assert_eq!((&told["budget"], &told["spent"], &told["closing"]), (&Value::Null, &Value::Null, &json!([])));
    assert_eq!(told["to_release"]["sandboxes"], json!(["111122223333"]));
}

#[test]
fn without_a_lock_it_is_said_where_the_sandbox_stands() {
    let never = Table::locked().without(&["lock/", "availability", "action/", "finding/spend-budget/111122223333/200"]);
    let text = never.text();
    insta::assert_snapshot!(text.lines().take(18).collect::<Vec<_>>().join("\n"), @r#"
    `marketing` (111122223333/eu-west-1) is open: its budget has never locked it

    budget
      amount         1500.00 USD/month, set for the business unit `retail`
      parameter      /sandbox-guardrails/spend/spend-budget/limit/business-unit/retail
      business unit  retail
      period         November 2026
      spent          3012.40 USD, 200 % of 1500.00 USD/month, as the cost export says up to 2026-11-19 22:00 UTC
      since then     84.21 USD more by estimate, give or take 12.50 USD, up to 2026-11-20 09:30 UTC
      projected      4870.11 USD at the end of the period if it goes on so

    what happened (UTC)
      2026-11-05 04:11  50 % reached: 751.20 USD reported
      2026-11-09 04:10  75 % reached: 1130.90 USD reported
      2026-11-12 16:05  100 % reached: 1530.45 USD reported
      2026-11-18 04:12  150 % reached: 2250.00 USD by estimate

    what it was spent on in November 2026
    "#);
    let nothing = never.without(&["spend/", "finding/"]);
    assert_eq!(nothing.text(), "111122223333/eu-west-1 is open: its budget has never locked it\n");
    assert_eq!(nothing.explanation()["lock"], Value::Null);
}

#[test]
fn a_budget_is_told_with_who_set_it() {
    let told = |fields: Value| {
        let mut standing: Value = json!({
            "budget": "1500.00 USD/month", "from": "2026-11-01", "until": "2026-12-01", "reported": "3012.395",
            "percent": 200, "level": 200, "mode": "enforce",
        });
        standing["set_for"] = fields;
        let table =
            Table::locked().with("spend/2026-11", json!({ "budget": standing, "business_unit": "retail & co" }));
        let explanation = table.explanation();
        (explanation["budget"]["parameter"].as_str().unwrap().to_owned(), table.text())
    };
    for (set_for, parameter, words) in [
        ("sandbox", "limit/111122223333", "set for the sandbox"),
        ("business-unit", "limit/business-unit/retail---co", "set for the business unit `retail & co`"),
        ("all", "limit", "set for all sandboxes"),
    ] {
        let (told, text) = told(json!(set_for));
        assert_eq!(told, format!("/sandbox-guardrails/spend/spend-budget/{parameter}"));
        assert!(text.contains(words), "{text}");
    }
    let unset = Table::locked().without(&["lock/", "availability"]).with("spend/2026-11", json!({ "budget": null }));
    assert!(unset.text().contains("1500.00 USD/month, the default: nobody has set one"), "{}", unset.text());
    assert_eq!(unset.explanation()["budget"]["parameter"], Value::Null);
}

#[test]
fn the_month_of_the_lock_is_told_and_the_newest_beside_it() {
    let december = json!({
        "id": "spend/2026-12", "month": "2026-12-01", "occurred_at": "2026-12-02T04:00:00Z", "reported": "1.5",
        "covered_until": "2026-12-01T20:00:00Z", "estimate": null, "projection": null, "budget": {
            "budget": "1500.00 USD/month", "set_for": "all", "from": "2026-12-01", "until": "2027-01-01",
            "reported": "1.5", "percent": 0, "level": null, "mode": "enforce",
        },
    });
    let table = Table::locked().copied("spend/2026-11", "spend/2026-12", december);
    let told = table.explanation();
    assert_eq!((&told["spent"]["month"], &told["now"]["month"]), (&json!("2026-11"), &json!("2026-12")));
    let expected = "\nnow, in December 2026\n  spent  1.50 USD, 0 % of 1500.00 USD/month, as the cost export says up to \
                    2026-12-01 20:00 UTC\n";
    assert!(table.text().contains(expected), "{}", table.text());
}

#[test]
fn levels_of_other_periods_and_budgets_are_told_apart() {
    let finding = "finding/spend-budget/111122223333/75/2026-11-01T00:00:00Z";
    let october = json!({ "episode": "2026-10-01T00:00:00Z", "occurred_at": "2026-10-20T04:00:00Z" });
    let lower = json!({
        "episode": "2026-11-06T10:00:00Z", "occurred_at": "2026-11-06T10:00:00Z",
        "limit": { "budget": "1000.00 USD/month" },
    });
    let table = Table::locked()
        .copied(finding, "finding/spend-budget/111122223333/75/2026-10-01T00:00:00Z", october)
        .copied(finding, "finding/spend-budget/111122223333/75/2026-11-06T10:00:00Z", lower);
    let told = table.explanation();
    let levels: Vec<_> = told["levels"].as_array().unwrap().iter().map(|level| &level["percent"]).collect();
    assert_eq!(levels, [50, 75, 75, 100, 150, 200]);
    assert!(table.text().contains("75 % reached: 1130.90 USD reported, of 1000.00 USD/month\n"), "{}", table.text());
}

#[test]
fn a_level_that_locks_says_when_it_will_not() {
    let finding = "finding/spend-budget/111122223333/200/2026-11-01T00:00:00Z";
    for (fields, words) in [
        (json!({}), "3012.40 USD reported; to be locked\n"),
        (json!({ "mode": "observe" }), "3012.40 USD reported; not to be locked, the mode is `observe`\n"),
        (json!({ "exemption": "year-end" }), "3012.40 USD reported; exempt from the lock by `year-end`\n"),
        (json!({ "measure": "estimated_spend" }), "3012.40 USD by estimate; to be locked\n"),
    ] {
        let text = Table::locked().with(finding, fields).text();
        assert!(text.contains(words), "`{words}` in {text}");
    }
    let failed = json!({ "outcome": "failed", "reason": "the sandbox's bus could not be reached" });
    let table = Table::locked().with("action/spend-budget/111122223333/200/2026-11-01T00:00:00Z/lock", failed);
    assert!(table.text().contains("lock failed: the sandbox's bus could not be reached\n"));
}

#[test]
fn other_locks_that_hold_are_named() {
    let audit = json!({ "lock": "audit", "requested_by": "jo@bank.example", "reason": "year end" });
    let table = Table::locked().copied("lock/budget", "lock/audit", audit);
    assert_eq!(table.explanation()["other_locks"], json!(["audit"]));
    assert!(table.text().contains("  It stays closed while it is held by `audit` too.\n"));
}

#[test]
fn what_a_terminal_would_obey_is_shown_instead() {
    let table = Table::locked().with("lock/budget", json!({})).with(LOCK, json!({ "reason": "a\u{1b}[2Jb" }));
    assert!(!table.text().contains('\u{1b}'));
}

#[test]
fn rows_that_cannot_be_read_are_noted_and_left_out() {
    let finding = "finding/spend-budget/111122223333/75/2026-11-01T00:00:00Z";
    let table = Table::locked().with(finding, json!({ "mode": "sleep" }));
    let answer = table.answer(true);
    let [note] = answer.notes.as_slice() else { panic!("{:?}", answer.notes) };
    assert!(note.starts_with(&format!("row `{finding}` is left out: ")) && note.contains("`sleep`"), "{note}");
    assert_eq!(table.explanation()["levels"].as_array().unwrap().len(), 4);

    for more in ["LastEvaluatedKey", "NextToken"] {
        let mut page: Value = serde_json::from_str(LOCKED).unwrap();
        page[more] = json!({ "pk": { "S": "x" } });
        let explain = Explain { rows: Input::Stdin, json: false };
        let answer = explain.run(page.to_string().as_bytes(), Look::default()).unwrap();
        assert_eq!(
            answer.notes,
            ["standard input is only a part of the sandbox's rows; let `aws` ask for all of them"]
        );
    }
}

#[test]
fn what_is_not_the_rows_of_one_sandbox_is_refused() {
    let row = |pk: &str| json!({ "pk": { "S": pk }, "sk": { "S": "availability" } });
    let check = |json: &str, expected: &str| {
        let explain = Explain { rows: Input::Stdin, json: false };
        let failure = explain.run(json.as_bytes(), Look::default()).unwrap_err();
        assert!(failure.to_string().contains(expected), "{failure}");
    };
    check("", "standard input, line 1, column 1: not JSON: EOF while parsing a value");
    check("{}", "standard input, line 1, column 2: missing field `Items`");
    check(r#"{"Items": [{"pk": "a"}]}"#, "expected struct Text");
    let rows = |pks: &[&str]| json!({ "Items": pks.iter().map(|pk| row(pk)).collect::<Vec<_>>() }).to_string();
    check(&rows(&[]), "standard input does not explain a lock: it has no row; is the account right, and the Region?");
    check(&rows(&["111122223333/eu-west-1", "444455556666/eu-west-1"]), "it has rows of `111122223333/eu-west-1` and");
    for pk in ["health", "111122223333", "111122223333/", "1111/eu-west-1", "111122223333/eu'; rm", "command/e2b9"] {
        check(&rows(&[pk]), &format!("its rows are of `{pk}`, expected a sandbox such as `111122223333/eu-west-1`"));
    }
}
