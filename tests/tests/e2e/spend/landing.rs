//! What lands is told, by service, owner and day, and held against the budget.

use std::collections::BTreeMap;

use guardrail::Mode;
use stage::HubOptions;
use stage::exports::{Delivery, Line};

use super::{Metered, amount, bill, line, month};

#[test]
fn a_delivery_is_told_by_service_owner_and_day_and_each_level_is_found_once() {
    let bill = bill();
    let payer = bill.payer(&[("limit", "1000.00 USD/month"), ("mode", "enforce")]);
    let month = month(0);
    let of = |service: &str, cost: &str| line(&payer, month, service, cost);
    let lines = vec![
        of("AmazonAthena", "512.25").by("ana@bank"),
        of("AmazonAthena", "-12.25").of_kind("Credit").by("ana@bank"),
        of("AWSGlue", "250.1000000001").by("ben@bank"),
        of("AWSGlue", "1.81E-8"),
    ];
    let told = bill.bills(&payer, month, lines, "750.1000000182");
    let shares = |shares: &[guardrail::spending::Share]| -> Vec<(String, String)> {
        shares.iter().map(|share| (share.name.clone(), share.amount.to_string())).collect()
    };
    let expected = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).to_owned())).collect()
    };
    assert_eq!(shares(&told.services), expected(&[("AmazonAthena", "500"), ("AWSGlue", "250.1000000182")]));
    let owners = expected(&[("ana@bank", "500"), ("ben@bank", "250.1000000001"), ("", "0.0000000181")]);
    assert_eq!(shares(&told.owners), owners);
    assert_eq!(told.days, BTreeMap::from([(month, amount("750.1000000182"))]));
    assert_eq!((told.business_unit.as_deref(), told.currency.as_str()), (Some("retail"), "USD"));
    bill.await_levels(&payer, &[50, 75]);
    let told =
        bill.await_spend(&payer, month, |told| told.budget.as_ref().is_some_and(|budget| budget.level.is_some()));
    let standing = told.budget.unwrap();
    assert_eq!((standing.percent, standing.level, standing.mode), (75, Some(75), Mode::Enforce));
    assert_eq!((standing.set_for.as_str(), standing.from), ("sandbox", Some(month)));

    // Restated: more, less, and then nothing at all. What was found stays found.
    bill.bills(&payer, month, vec![of("AWSGlue", "1100")], "1100");
    bill.await_levels(&payer, &[50, 75, 100]);
    let told = bill.bills(&payer, month, vec![of("AmazonAthena", "600")], "600");
    assert_eq!(shares(&told.services), expected(&[("AmazonAthena", "600")]));
    bill.bills(&payer, month, vec![of("AWSGlue", "1100")], "1100");
    let told = bill.bills(&payer, month, Vec::new(), "0");
    assert!(told.services.is_empty() && told.owners.is_empty(), "{told:?}");
    assert_eq!(bill.levels(&payer), [50, 75, 100]);
    assert_eq!(bill.ledger(&payer).len(), 3, "{:?}", bill.ledger(&payer));
}

#[test]
fn two_months_that_land_at_once_are_told_apart_and_the_one_that_lasts_is_judged() {
    let bill = bill();
    let payer = bill.payer(&[("limit", "100 USD/month"), ("mode", "enforce")]);
    let (before, this) = (month(1), month(0));
    let next = before.tomorrow().unwrap();
    let days = vec![
        Line::new(&payer, "AWSGlue", before, "70"),
        Line::new(&payer, "AWSGlue", next, "20").by("ann"),
        Line::new(&payer, "AWSGlue", next, "9.5").of_kind("Tax"),
    ];
    bill.deliver(&payer, before, days);
    bill.deliver(&payer, this, vec![line(&payer, this, "AWSGlue", "60")]);
    let told = bill.await_spent(&payer, before, "99.5");
    assert_eq!(told.days, BTreeMap::from([(before, amount("70")), (next, amount("29.5"))]));
    assert_eq!(told.estimate, None, "the month has ended");
    bill.await_spent(&payer, this, "60");
    bill.await_levels(&payer, &[50]);
}

#[test]
fn a_raised_budget_clears_levels_and_they_are_found_anew() {
    let bill = bill();
    let payer = bill.payer(&[("limit", "100 USD/month")]);
    let month = month(0);
    bill.bills(&payer, month, vec![line(&payer, month, "AWSGlue", "110")], "110");
    bill.await_levels(&payer, &[50, 75, 100]);
    bill.budget(&payer, "1000 USD/month");
    let told = bill.await_spend(&payer, month, |told| told.budget.as_ref().is_some_and(|budget| budget.percent == 11));
    assert_eq!(told.budget.unwrap().level, None);
    bill.bills(&payer, month, vec![line(&payer, month, "AWSGlue", "600")], "600");
    bill.await_levels(&payer, &[50, 50, 75, 100]);
    let found = bill.findings(&payer);
    let [first, .., again] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (first.limit.to_string(), again.limit.to_string()),
        ("100.00 USD/month".to_owned(), "1000.00 USD/month".to_owned())
    );
    assert!(first.episode < again.episode, "{found:?}");
}

#[test]
fn a_file_that_is_an_export_by_itself_is_told_and_restated() {
    let single = Metered::raise(&HubOptions::default().set("ExportDelivery", "single-file"));
    let payer = single.payer(&[("limit", "100 USD/month")]);
    let month = month(1);
    let delivery = |cost: &str| Delivery::new(month, "unused", vec![line(&payer, month, "AWSGlue", cost).by("ann")]);
    single.land(|hub| hub.put_files(&delivery("12.5")).unwrap());
    let first = single.await_spent(&payer, month, "12.5");
    single.land(|hub| hub.put_files(&delivery("13.75")).unwrap());
    let told = single.await_spent(&payer, month, "13.75");
    assert_ne!(told.export, first.export, "without a manifest the content tells one delivery from another");
    assert_eq!(told.owners.len(), 1);
}
