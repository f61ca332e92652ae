//! Deliveries that come late, twice, wrong or beside each other: the figures in force are always those of the last good
//! one.

use spend::Charges;

use super::*;
use crate::deliveries::Kind;
use crate::fakes::exports::{csv, manifest_key};

/// The first problem of a run.
fn problem(result: Result<(), Problems>) -> String {
    result.unwrap_err().into_first().unwrap().message
}

#[test]
fn a_restatement_takes_the_place_of_what_was_known() {
    let hub = stage();
    deliver(&hub, "run-1", &[spent(RETAIL, "700"), spent(TRADING, "800")]);
    deliver(&hub, "run-2", &[spent(RETAIL, "300.25")]);
    // Who is not in it any more has spent nothing, as it turned out.
    assert_eq!((hub.total(RETAIL, "2026-11"), hub.total(TRADING, "2026-11")), ("300.25".into(), "0".into()));
    let last: Vec<String> = spends(&hub).into_iter().skip(2).collect();
    assert_eq!(last, ["retail 2026-11 300.25", "trading 2026-11 0"]);
    // And back: nothing is found twice.
    let levels = hub.levels();
    deliver(&hub, "run-3", &[spent(RETAIL, "700"), spent(TRADING, "800")]);
    assert_eq!((hub.levels(), levels.len()), (levels, 3));
    assert_eq!(hub.account(TRADING).months[&day("2026-11-01")].total, Amount::from(800));
}

#[test]
fn deliveries_out_of_order_leave_the_newest_in_force() {
    let hub = stage();
    let mut keys = Vec::new();
    for (version, cost) in [("run-1", "10"), ("run-2", "20"), ("run-3", "30")] {
        hub.pass(60);
        keys.push(hub.exports.deliver_beside("2026-11", version, &[spent(RETAIL, cost)]));
    }
    // The last is read, and the events that come late find nothing new.
    for key in keys.iter().rev().chain(&keys) {
        hub.landed(key).unwrap();
    }
    assert_eq!((hub.total(RETAIL, "2026-11"), reads(&hub)), ("30".into(), 1));
    assert_eq!(spends(&hub), ["retail 2026-11 30"]);
    // One comes to light that landed before the one in force.
    let now = hub.clock.now();
    hub.clock.set(now - SignedDuration::from_secs(90));
    let late = hub.exports.deliver_beside("2026-11", "run-0", &[spent(RETAIL, "5000")]);
    hub.clock.set(now);
    hub.landed(&late).unwrap();
    hub.next_sweep();
    assert_eq!((hub.total(RETAIL, "2026-11"), reads(&hub), hub.levels().len()), ("30".into(), 1, 0));
}

#[test]
fn figures_of_a_later_delivery_are_never_overwritten() {
    let hub = stage();
    deliver(&hub, "run-1", &[spent(RETAIL, "10")]);
    // A run that was thought to be dead has read a later one meanwhile.
    let page = figures_page(RETAIL, day("2026-11-01"));
    let mut later = hub.figures(RETAIL, "2026-11").unwrap();
    later.delivered_at = hub.clock.now() + SignedDuration::from_hours(1);
    later.services.values_mut().for_each(|days| days.values_mut().for_each(|amount| *amount = Amount::from(20)));
    hub.book.put(&page, &later);
    deliver(&hub, "run-2", &[spent(RETAIL, "15")]);
    assert_eq!(hub.figures(RETAIL, "2026-11"), Some(later));
    assert_eq!(hub.account(RETAIL).months[&day("2026-11-01")].total, Amount::from(20));
}

#[test]
fn of_several_that_landed_the_last_good_one_is_in_force() {
    for (version, content, said) in
        [("wrong", Some("<html>"), "no cost export that is known"), ("incomplete", None, "which is not there")]
    {
        let hub = stage();
        hub.pass(60);
        hub.exports.deliver_beside("2026-11", "run-1", &[spent(RETAIL, "500")]);
        hub.pass(60);
        let key = hub.exports.deliver_in("2026-11", &format!("{version}/"), version, content.unwrap_or_default());
        if content.is_none() {
            hub.exports.delete(&format!("exports/costs/data/BILLING_PERIOD=2026-11/{version}/costs-1.csv"));
        }
        for event in [object_created(&key), sweep(), sweep()] {
            hub.pass(300);
            let problem = problem(hub.meter(event));
            assert!(problem.contains(said), "{problem}");
            assert_eq!((hub.total(RETAIL, "2026-11"), hub.levels().len()), ("500".into(), 1), "{version}");
        }
    }
}

#[test]
fn two_months_at_once_are_each_in_force() {
    let hub = stage();
    hub.put("levels", "50,100,200:lock");
    hub.pass(60);
    hub.exports.deliver("2026-10", "closing", &[spent_before(RETAIL, "900")]);
    let key = hub.exports.deliver("2026-11", "run-1", &[spent(RETAIL, "400")]);
    hub.landed(&key).unwrap();
    assert_eq!((hub.total(RETAIL, "2026-10"), hub.total(RETAIL, "2026-11")), ("900".into(), "400".into()));
    assert_eq!(spends(&hub), ["retail 2026-10 900", "retail 2026-11 400"]);
    // October was never judged while it lasted: nobody is held to a budget that was set since.
    assert_eq!(hub.levels(), [""; 0]);
    // A budget of the quarter is reached by both.
    hub.put("limit", "2600 USD/quarter");
    hub.pass(60);
    hub.meter(parameter_changed()).unwrap();
    assert_eq!(hub.levels(), ["retail 50"]);
    let told = hub.spends().into_iter().find(|told| told.month == day("2026-10-01") && told.budget.is_some()).unwrap();
    assert_eq!(told.budget.unwrap().reported, Amount::from(1300));
}

#[test]
fn a_wrong_delivery_fails_every_run_by_name_until_another_takes_its_place() {
    for beside in [false, true] {
        let hub = stage();
        deliver(&hub, "run-1", &[spent(RETAIL, "500")]);
        hub.pass(60);
        let wrong = csv("USD", &[spent(RETAIL, "9000")]).replace("line_item_usage_account_id", "account");
        let key = hub.exports.deliver_in("2026-11", if beside { "run-2/" } else { "" }, "run-2", &wrong);
        let said = problem(hub.landed(&key));
        assert!(said.contains("costs-1.csv`, column `line_item_usage_account_id`, line 1"), "{said}");
        assert!(said.ends_with("; the figures before it stay in force"), "{said}");
        let reads_then = reads(&hub);
        for _ in 0..3 {
            hub.pass(300);
            assert_eq!(problem(hub.sweep()), said, "it is not read again, and not forgotten");
        }
        assert_eq!((reads(&hub), hub.total(RETAIL, "2026-11")), (reads_then, "500".into()));
        assert_eq!((hub.levels(), hub.heartbeats()), (vec!["retail 50".to_owned()], 0));
        hub.pass(60);
        let key = hub.exports.deliver_in(
            "2026-11",
            if beside { "run-3/" } else { "" },
            "run-3",
            &csv("USD", &[spent(RETAIL, "750")]),
        );
        hub.landed(&key).unwrap();
        hub.next_sweep();
        assert_eq!((hub.levels().len(), hub.heartbeats()), (2, 1), "beside: {beside}");
    }
}

#[test]
fn a_wrong_delivery_does_not_keep_the_others_from_being_read() {
    let hub = stage();
    hub.pass(60);
    hub.exports.put(&manifest_key("2026-10", ""), "{");
    let key = hub.exports.deliver("2026-11", "run-1", &[spent(RETAIL, "500")]);
    let said = problem(hub.landed(&key));
    assert!(said.contains("BILLING_PERIOD=2026-10") && said.contains("a manifest is a JSON object"), "{said}");
    assert_eq!((hub.total(RETAIL, "2026-11"), hub.levels()), ("500".into(), vec!["retail 50".to_owned()]));
    // Somebody takes it away; with the next delivery it is forgotten.
    hub.exports.delete(&manifest_key("2026-10", ""));
    hub.pass(60);
    let key = hub.exports.deliver("2026-11", "run-2", &[spent(RETAIL, "500")]);
    hub.landed(&key).unwrap();
}

#[test]
fn a_missing_file_fails_every_run_until_it_comes() {
    let hub = stage();
    hub.pass(60);
    let key = hub.exports.deliver("2026-11", "run-1", &[spent(RETAIL, "500")]);
    let data = "exports/costs/data/BILLING_PERIOD=2026-11/costs-1.csv";
    hub.exports.delete(data);
    for event in [object_created(&key), sweep(), sweep()] {
        hub.pass(300);
        assert_eq!(problem(hub.meter(event)), format!("`{key}` lists the file `{data}`, which is not there"));
    }
    hub.exports.put(data, csv("USD", &[spent(RETAIL, "500")]));
    hub.next_sweep();
    assert_eq!(hub.total(RETAIL, "2026-11"), "500");
}

#[test]
fn what_the_bucket_does_not_give_is_asked_for_again() {
    for call in ["s3:ListBucket", "s3:GetObject", "s3:HeadObject"] {
        let hub = stage();
        hub.pass(60);
        let key = hub.exports.deliver("2026-11", "run-1", &[spent(RETAIL, "500")]);
        hub.exports.faults.fail(call, 0, 1);
        assert_eq!(hub.landed(&key).unwrap_err().worst(), "Unavailable", "{call}");
        hub.next_sweep();
        assert_eq!((hub.total(RETAIL, "2026-11"), hub.levels().len()), ("500".into(), 1), "{call}");
    }
    // What fails after something was read does not undo it.
    let hub = stage();
    hub.pass(60);
    hub.exports.deliver("2026-10", "closing", &[spent_before(RETAIL, "1")]);
    hub.pass(1);
    let key = hub.exports.deliver("2026-11", "run-1", &[spent(RETAIL, "500")]);
    hub.exports.faults.fail("s3:ListBucket", 1, 1);
    assert!(hub.landed(&key).is_err());
    assert_eq!((hub.total(RETAIL, "2026-10"), reads(&hub)), ("1".into(), 1));
    hub.next_sweep();
    assert_eq!((hub.total(RETAIL, "2026-11"), reads(&hub)), ("500".into(), 2));
}

#[test]
fn another_way_of_counting_reads_what_is_in_force_again() {
    let hub = stage();
    let lines = [spent(RETAIL, "500")];
    let amortized = csv("USD", &lines).replace("pricing_unit", "reservation_effective_cost,pricing_unit");
    let amortized = amortized.replace(",Hrs,1,Usage", ",80,Hrs,1,DiscountedUsage");
    hub.pass(60);
    let key = hub.exports.deliver_in("2026-11", "", "run-1", &amortized);
    hub.landed(&key).unwrap();
    assert_eq!(hub.total(RETAIL, "2026-11"), "500");
    hub.charges.set(Charges::Amortized);
    hub.next_sweep();
    assert_eq!((hub.total(RETAIL, "2026-11"), reads(&hub)), ("80".into(), 2));
    hub.next_sweep();
    assert_eq!(reads(&hub), 2);
    assert_eq!(spends(&hub), ["retail 2026-11 500", "retail 2026-11 80"]);
}

#[test]
fn single_files_are_deliveries_too() {
    let hub = stage();
    hub.kind.set(Kind::SingleFile);
    for (cost, levels) in [("500", 1), ("600", 1), ("800", 2)] {
        hub.pass(60);
        hub.exports.put("exports/costs.csv", csv("USD", &[spent(RETAIL, cost)]));
        for _ in 0..3 {
            hub.landed("exports/costs.csv").unwrap();
        }
        assert_eq!((hub.total(RETAIL, "2026-11"), hub.levels().len()), (cost.to_owned(), levels));
    }
    assert_eq!(reads(&hub), 3);
}

#[test]
fn a_delivery_that_there_is_no_time_for_waits_for_the_next_run() {
    let hub = stage();
    hub.pass(60);
    let key = hub.exports.deliver("2026-11", "run-1", &[spent(RETAIL, "500")]);
    let mut invocation = hub.invocation(object_created(&key));
    invocation.deadline = invocation.now + SignedDuration::from_secs(80);
    block_on(hub.meter_through(&Mortality::default()).handle(invocation)).unwrap();
    assert_eq!((hub.total(RETAIL, "2026-11"), reads(&hub)), ("unknown".into(), 0));
    hub.next_sweep();
    assert_eq!(hub.total(RETAIL, "2026-11"), "500");
}

#[test]
fn a_sandbox_that_was_not_known_has_figures_from_the_next_delivery_on() {
    let hub = stage();
    deliver(&hub, "run-1", &[spent(STRANGER, "900")]);
    assert_eq!(spends(&hub), [""; 0]);
    hub.report(sandbox(STRANGER));
    hub.next_sweep();
    assert_eq!(spends(&hub), [""; 0]);
    deliver(&hub, "run-2", &[spent(STRANGER, "950")]);
    assert_eq!(spends(&hub), ["333333333333 2026-11 950"]);
    // It is dissolved: nobody tells of it any more, and it is no fault.
    hub.console.heartbeats.borrow_mut().pop();
    deliver(&hub, "run-3", &[spent(STRANGER, "2000")]);
    assert_eq!(spends(&hub), ["333333333333 2026-11 950"]);
}
