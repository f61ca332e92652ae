//! Sandboxes without a budget, with one that cannot be held, and with a bill of less than nothing: told, and not locked.

use stage::running::{REGION, wait_for};

use super::{AT_MOST, amount, bill, line, month, setting_of};

#[test]
fn a_sandbox_without_a_budget_is_reported_and_never_locked() {
    let bill = bill();
    let payer = bill.payer(&[("mode", "enforce")]);
    let month = month(0);
    let told = bill.bills(&payer, month, vec![line(&payer, month, "AWSGlue", "20000")], "20000");
    assert_eq!(told.budget, None, "nobody has set one: {told:?}");
    bill.await_levels(&payer, &[50, 75, 100, 150, 200]);
    let unset = wait_for("the budget to be missed", AT_MOST, || {
        bill.rows(&payer, "finding/spend-budget-set/").into_iter().next()
    });
    unset.unwrap_or_else(|error| panic!("{error}; {}", bill.what_is(&payer)));
    // What a level asks for it says itself: nothing but to be known.
    let asking: Vec<_> = bill.findings(&payer).into_iter().filter(|finding| finding.wants_action()).collect();
    assert!(asking.is_empty(), "{asking:?}");
    assert!(bill.rows(&payer, "action/").is_empty());
}

#[test]
fn a_bill_of_less_than_nothing_reaches_no_level() {
    let bill = bill();
    let payer = bill.payer(&[("limit", "100 USD/month"), ("mode", "enforce")]);
    let month = month(0);
    let lines =
        vec![line(&payer, month, "AWSGlue", "20.25"), line(&payer, month, "AWSGlue", "-520.25").of_kind("Credit")];
    let told = bill.bills(&payer, month, lines, "-500");
    let standing = told.budget.unwrap();
    assert_eq!((standing.percent, standing.level, standing.reported), (-500, None, amount("-500")));
    assert!(bill.findings(&payer).is_empty());
}

#[test]
fn a_budget_in_another_currency_is_rejected_by_name_and_holds_nobody() {
    let bill = bill();
    let payer = bill.payer(&[("limit", "100 EUR/month"), ("mode", "enforce")]);
    let month = month(0);
    let told = bill.bills(&payer, month, vec![line(&payer, month, "AWSGlue", "5000")], "5000");
    assert_eq!(told.budget, None, "{told:?}");
    let parameter = setting_of(&payer, "limit");
    let place = format!("{}/{REGION}", bill.hub.account.id);
    let rejection = || bill.row_at(&place, &format!("configuration{parameter}/100.00 EUR/month"));
    let row = wait_for("the rejection", AT_MOST, rejection);
    let row = row.unwrap_or_else(|error| panic!("{error}; {}", bill.what_is(&payer)));
    let said = row["detail"].as_str().unwrap();
    assert!(said.contains("a budget in USD") && said.contains("100.00 EUR/month"), "{said}");
    let unset = wait_for("the budget to be missed", AT_MOST, || {
        bill.rows(&payer, "finding/spend-budget-set/").into_iter().next()
    });
    unset.unwrap_or_else(|error| panic!("{error}; {}", bill.what_is(&payer)));
    assert!(bill.findings(&payer).is_empty());
}

#[test]
fn a_budget_that_is_none_is_rejected_by_name_and_the_last_good_one_stays_in_force() {
    let bill = bill();
    let payer = bill.payer(&[("limit", "100 USD/month")]);
    bill.set(&payer, &[("limit", "1500 dollars")]);
    let month = month(0);
    let told = bill.bills(&payer, month, vec![line(&payer, month, "AWSGlue", "60")], "60");
    assert_eq!(told.budget.unwrap().percent, 60);
    bill.await_levels(&payer, &[50]);
    let place = format!("{}/{REGION}", bill.hub.account.id);
    let key = format!("configuration{}/2", setting_of(&payer, "limit"));
    let row = wait_for("the rejection", AT_MOST, || bill.row_at(&place, &key));
    let row = row.unwrap_or_else(|error| panic!("{error}; {}", bill.what_is(&payer)));
    assert!(row["detail"].as_str().unwrap().contains("1500 dollars"), "{row:?}");
}
