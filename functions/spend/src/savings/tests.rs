//! Savings: what each kind of action saved, when nothing can be said, and that each counts once.

use std::collections::BTreeMap;

use guardrail::event::Resource;
use guardrail::{Currency, Header, Sandbox, Service};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::estimate::Recent;
use crate::figures::{DayUsage, Figures};
use crate::usage::{Hour, Hours};

const MINE: &str = "111111111111";
const OTHER: &str = "222222222222";

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// What the export says of an account that used so much of a service on a day, for this much.
fn recent(usage: &[(&str, &str, &str, &str)]) -> Recent {
    let day = "2026-11-20".parse().unwrap();
    let usage = usage.iter().map(|(service, unit, used, cost)| DayUsage {
        service: (*service).to_owned(),
        unit: (*unit).to_owned(),
        day,
        amount: amount(used),
        cost: amount(cost),
    });
    let figures = Figures {
        version: "v1".to_owned(),
        delivered_at: "2026-11-21T10:00:00Z".parse().unwrap(),
        currency: Currency::USD,
        covered_until: "2026-11-21T06:00:00Z".parse().unwrap(),
        services: BTreeMap::from([("AmazonS3".to_owned(), BTreeMap::from([(day, Amount::zero())]))]),
        owners: BTreeMap::new(),
        usage: usage.collect(),
    };
    Recent::of([&figures], figures.covered_until)
}

/// An hour in which so much of a meter was counted in this account, with so many resources running.
fn hour(counted: &[(&str, Meter, &str, i64)]) -> Hours {
    let mut hour = Hour::default();
    for (account, meter, counted, running) in counted {
        let used = Used {
            amount: amount(counted),
            running: Amount::from(running * 3_600),
            seen: SignedDuration::from_hours(1),
        };
        hour.sandboxes.entry(format!("{account}/eu-west-1")).or_default().insert(*meter, used);
    }
    Hours::from([("2026-11-21T14:00:00Z".parse().unwrap(), hour)])
}

fn action(guardrail: &str, service: Service, kind: ActionKind, measured: Option<Quantity>) -> Action {
    let sandbox = Sandbox { account: MINE.to_owned(), region: "eu-west-1".to_owned(), alias: "marketing".to_owned() };
    let finding = format!("{guardrail}/r-1/100");
    let at = "2026-11-21T14:30:00Z".parse().unwrap();
    Action {
        header: Header::new(Action::id_of(&finding, kind), &sandbox, at),
        finding,
        guardrail: guardrail.to_owned(),
        service,
        resource: Resource { kind: "thing".to_owned(), id: "r-1".to_owned() },
        scope: None,
        owner: None,
        action: kind,
        outcome: Outcome::Done,
        reason: "it took effect".to_owned(),
        limit: None,
        measured,
    }
}

/// What these actions saved where instances, DPUs and terabytes have a price, and clusters have six instances each.
#[track_caller]
fn check(action: &Action, expected: Option<(&str, &str)>) {
    let own = recent(&[
        ("ElasticMapReduce", "Hrs", "100", "25"),
        ("AmazonSageMaker", "Hrs", "10", "5"),
        ("AmazonAthena", "Terabytes", "2", "10"),
    ]);
    let mut organisation = own.clone();
    organisation.add(&recent(&[("AWSGlue", "DPU-Hour", "100", "44")]));
    let hours = hour(&[
        (MINE, Meter::Emr, "43200", 2),
        (MINE, Meter::Athena, "1099511627776", 4),
        (OTHER, Meter::SageMaker, "10800", 2),
        (OTHER, Meter::Emr, "3600000", 1),
        (OTHER, Meter::Glue, "36000", 2),
    ]);
    let facts = Facts {
        account: MINE,
        sandboxes: 1,
        currency: Currency::USD,
        own: &own,
        organisation: &organisation,
        hours: &hours,
        errors: &[],
    };
    let saving = saving(action, &facts);
    assert!(saving.iter().all(|saving| saving.action == action.header.id));
    let told = saving.map(|saving| (saving.amount.to_string(), saving.basis));
    assert_eq!(told, expected.map(|(amount, basis)| (amount.to_owned(), basis.to_owned())));
}

fn minutes(minutes: i64) -> Option<Quantity> {
    Some(Quantity::minutes(minutes))
}

#[test]
fn what_is_stopped_would_have_gone_on_as_long_again() {
    check(
        &action("emr-cluster-age", Service::Emr, ActionKind::Terminate, minutes(90)),
        Some((
            "2.25",
            "it would have gone on for 1h 30m as those of this account do: 9.0 instance-hours at 0.25 USD, learned from this account's last 7 days",
        )),
    );
    check(
        &action("emr-cluster-idle-time", Service::Emr, ActionKind::Terminate, minutes(60)),
        Some((
            "1.5",
            "it would have gone on for 1h as those of this account do: 6.0 instance-hours at 0.25 USD, learned from this account's last 7 days",
        )),
    );
    // A day at most.
    check(
        &action("emr-cluster-age", Service::Emr, ActionKind::Terminate, minutes(90 * 24 * 60)),
        Some((
            "36",
            "it would have gone on for 24h as those of this account do: 144.0 instance-hours at 0.25 USD, learned from this account's last 7 days",
        )),
    );
    // Nothing of the kind was seen here, and nobody here has paid for one.
    check(
        &action("sagemaker-notebook-uptime", Service::SageMaker, ActionKind::StopNotebook, minutes(12 * 60)),
        Some((
            "9",
            "it would have gone on for 12h as those of the organisation do: 18.0 instance-hours at 0.50 USD, learned from this account's last 7 days",
        )),
    );
    check(
        &action("glue-session-age", Service::Glue, ActionKind::StopSession, minutes(480)),
        Some((
            "17.6",
            "it would have gone on for 8h as those of the organisation do: 40.0 DPU-hours at 0.44 USD, learned from the organisation's last 7 days",
        )),
    );
    // A quarter of a terabyte in an hour of a query.
    check(
        &action("athena-query-runtime", Service::Athena, ActionKind::Stop, minutes(30)),
        Some((
            "0.625",
            "it would have gone on for 30m as those of this account do: 0.125 TB at 5.00 USD, learned from this account's last 7 days",
        )),
    );
}

#[test]
fn what_was_measured_of_it_counts_before_the_average() {
    check(
        &action("athena-query-bytes-scanned", Service::Athena, ActionKind::Stop, Some(Quantity::Bytes(1 << 41))),
        Some((
            "10",
            "it would have scanned as many bytes again: 2.0 TB at 5.00 USD, learned from this account's last 7 days",
        )),
    );
    check(
        &action("emr-cluster-instances", Service::Emr, ActionKind::Terminate, Some(Quantity::Count(40))),
        Some((
            "10",
            "it would have gone on for 1h as it was: 40.0 instance-hours at 0.25 USD, learned from this account's last 7 days",
        )),
    );
    check(
        &action("glue-job-dpus", Service::Glue, ActionKind::StopJob, Some(Quantity::Count(100))),
        Some((
            "44",
            "it would have gone on for 1h as it was: 100.0 DPU-hours at 0.44 USD, learned from the organisation's last 7 days",
        )),
    );
}

#[test]
fn what_is_none_of_it_would_have_gone_on_for_an_hour() {
    let hour = "it would have gone on for 1h as those of this account do: 6.0 instance-hours at 0.25 USD, learned from this account's last 7 days";
    for (guardrail, measured) in [
        ("emr-cluster-count", Quantity::Count(9)),
        ("emr-cluster-vcpus", Quantity::Count(999)),
        ("emr-instance-types", Quantity::words(["p4d.24xlarge"])),
    ] {
        check(&action(guardrail, Service::Emr, ActionKind::Terminate, Some(measured)), Some(("1.5", hour)));
    }
}

#[test]
fn where_nothing_can_be_said_nothing_is() {
    let cluster = |kind| action("emr-cluster-age", Service::Emr, kind, minutes(60));
    for kind in [ActionKind::CancelStep, ActionKind::PutPolicy, ActionKind::Lock, ActionKind::Report] {
        check(&cluster(kind), None);
    }
    let execution = action("sagemaker-execution-runtime", Service::SageMaker, ActionKind::StopExecution, minutes(60));
    check(&execution, None);
    for outcome in [Outcome::AlreadyGone, Outcome::ObservedOnly, Outcome::Exempt, Outcome::Refused, Outcome::Failed] {
        check(&Action { outcome, ..cluster(ActionKind::Terminate) }, None);
    }
    check(&action("emr-cluster-age", Service::Emr, ActionKind::Terminate, None), None);
    check(&action("emr-cluster-age", Service::Emr, ActionKind::Terminate, minutes(0)), None);
    check(&action("from-the-future", Service::Emr, ActionKind::Terminate, minutes(60)), None);
    check(&action("spend-budget", Service::Spend, ActionKind::Terminate, minutes(60)), None);
    // A query that waits costs nothing.
    check(&action("athena-query-queue-time", Service::Athena, ActionKind::Stop, minutes(60)), None);
}

#[test]
fn without_a_price_or_samples_nothing_is_said() {
    let age = action("emr-cluster-age", Service::Emr, ActionKind::Terminate, minutes(60));
    let (priced, unpriced) = (recent(&[("ElasticMapReduce", "Hrs", "100", "25")]), recent(&[]));
    let (sampled, unsampled) = (hour(&[(MINE, Meter::Emr, "43200", 2)]), hour(&[]));
    for (own, hours, said) in [(&priced, &sampled, true), (&unpriced, &sampled, false), (&priced, &unsampled, false)] {
        let facts =
            Facts { account: MINE, sandboxes: 1, currency: Currency::USD, own, organisation: own, hours, errors: &[] };
        assert_eq!(saving(&age, &facts).is_some(), said);
    }
}

#[test]
fn pages_are_those_of_an_account_s_month() {
    assert_eq!(page(MINE, "2026-11-01".parse().unwrap()), "spend/savings/111111111111/2026-11");
}

#[test]
fn a_page_forgets_which_actions_it_counted_but_not_what_they_saved() {
    let mut saved = Saved::default();
    let saving = |number: i64| Saving {
        action: format!("emr-cluster-age/j-{number}/100/terminate"),
        amount: Amount::new(i128::from(number), 2),
        basis: "it would have gone on".to_owned(),
    };
    for number in 0..1_200 {
        assert!(saved.add(saving(number)));
    }
    assert!(!saved.add(saving(1_199)) && !saved.add(saving(200)));
    assert_eq!((saved.savings.actions, saved.counted.len()), (1_200, 1_000));
    assert_eq!(saved.savings.total, amount("7194"));
    let greatest: Vec<_> = saved.savings.greatest.iter().map(|saving| saving.amount.to_string()).collect();
    assert_eq!(
        (greatest.len(), greatest.first().unwrap().as_str(), greatest.last().unwrap().as_str()),
        (20, "11.99", "11.8")
    );
    let json = serde_json::to_value(&saved).unwrap();
    assert_eq!(serde_json::from_value::<Saved>(json).unwrap(), saved);
}

proptest! {
    /// Actions count once, and the order in which they come changes nothing.
    #[test]
    fn each_action_counts_once(actions in prop::collection::vec((0_u8..30, 1_i64..50), 0..60)) {
        // An action always saves the same.
        let amounts: BTreeMap<u8, i64> = actions.iter().copied().collect();
        let saving = |id: u8| Saving { action: format!("a/{id}"), amount: Amount::from(amounts[&id]), basis: String::new() };
        let sum = |ids: &mut dyn Iterator<Item = u8>| {
            let mut saved = Saved::default();
            for id in ids {
                saved.add(saving(id));
            }
            saved.savings
        };
        let one = sum(&mut actions.iter().map(|(id, _)| *id));
        prop_assert_eq!(&one, &sum(&mut actions.iter().rev().map(|(id, _)| *id)));
        prop_assert_eq!(one.actions, u32::try_from(amounts.len()).unwrap());
        prop_assert_eq!(one.total, Amount::from(amounts.values().sum::<i64>()));
    }
}
