//! What was spent since the last cost data is estimated from what runs, and a level may act by it.

use guardrail::Measure;
use jiff::ToSpan;
use stage::exports::Line;
use stage::running::wait_for;
use workload_simulator::ClusterSpec;

use super::{AT_MOST, amount, bill, line, month, today};
use crate::minutes;

#[test]
fn what_runs_is_estimated_at_the_organisations_price_and_a_level_acts_by_it() {
    let bill = bill();
    let settings = [("limit", "100 USD/month"), ("levels", "50,90:estimated,100"), ("mode", "observe")];
    let sandbox = bill.sandbox("nightly", &settings);
    let id = &sandbox.account.id;
    // A thousand dollars a second for each instance: what it costs others, up to the end of yesterday.
    let payer = bill.payer(&[("limit", "99999999 USD/month")]);
    let (before, this) = (month(1), month(0));
    let days = (1..=3).map(|ago| today().saturating_sub(ago.days()));
    let costs = |day| Line::new(&payer, "ElasticMapReduce", day, "36000").used("0.01", "Hrs");
    let (of_this, of_before): (Vec<_>, Vec<_>) = days.partition(|day| *day >= this);
    bill.deliver(&payer, before, of_before.into_iter().map(costs).collect());
    bill.deliver(&payer, this, of_this.into_iter().map(costs).collect());
    bill.bills(id, this, vec![line(id, this, "AmazonAthena", "1")], "1");

    sandbox.emr.start(ClusterSpec { age: minutes(10), ..ClusterSpec::default() });
    sandbox.send("emr-watch", "sweep").unwrap();
    let found = wait_for("the estimate to reach the level", AT_MOST, || {
        // Another test's delivery may be wrong, which fails a run and keeps it from nothing.
        let _ = bill.sweep();
        let _ = bill.look();
        bill.findings(id).into_iter().find(|finding| finding.level.percent == 90)
    });
    let found = found.unwrap_or_else(|error| panic!("{error}; {}", bill.what_is(id)));
    assert_eq!(found.measure, Measure::EstimatedSpend);
    assert_eq!(bill.levels(id), [90], "the bill alone reaches no level");
    let told = bill
        .await_spend(id, this, |told| told.estimate.as_ref().is_some_and(|estimate| estimate.amount > amount("89")));
    assert_eq!(told.reported, amount("1"));
    let estimate = told.estimate.unwrap();
    assert!(estimate.until > estimate.since && estimate.since >= told.covered_until, "{estimate:?}");
    assert_eq!((estimate.error, estimate.learned_from), (None, 0), "nobody has compared any day yet");
    let basis = estimate.basis.join("\n");
    for part in ["EMR: ", "instance-hours at 3600000", "learned from the organisation's last", "with what EC2 cost"] {
        assert!(basis.contains(part), "`{part}` is not in\n{basis}");
    }
}
