//! Estimates: what units and days cost, what was measured and what was not seen, and how far off it all may be.

use guardrail::{Header, Heartbeat, Sandbox};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::figures::DayUsage;
use crate::usage::{Last, sample};

const ACCOUNT: &str = "111111111111";

pub(crate) fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn date(day: &str) -> Date {
    format!("2026-{day}").parse().unwrap()
}

fn moment(time: &str) -> Timestamp {
    format!("2026-{time}Z").parse().unwrap()
}

/// Figures of `(service, day, cost)` in all, some of it for `(service, unit, day, amount, cost)` of usage.
fn figures(costs: &[(&str, &str, &str)], usage: &[(&str, &str, &str, &str, &str)]) -> Figures {
    let mut figures = Figures {
        version: "v1".to_owned(),
        delivered_at: moment("11-21T10:00:00"),
        currency: Currency::USD,
        covered_until: moment("11-21T06:00:00"),
        services: BTreeMap::new(),
        owners: BTreeMap::new(),
        usage: Vec::new(),
    };
    for (service, day, cost) in costs {
        let days = figures.services.entry((*service).to_owned()).or_default();
        *days.entry(date(day)).or_default() += &amount(cost);
    }
    for (service, unit, day, used, cost) in usage {
        figures.usage.push(DayUsage {
            service: (*service).to_owned(),
            unit: (*unit).to_owned(),
            day: date(day),
            amount: amount(used),
            cost: amount(cost),
        });
    }
    figures
}

/// Sixty instance-hours of EMR a day at 0.25 USD with EC2, two USD of storage, each day from 14 to 20 November.
fn usual() -> Figures {
    let days: Vec<String> = (14..=20).map(|day| format!("11-{day}")).collect();
    let costs = days.iter().flat_map(|day| {
        [("ElasticMapReduce", day.as_str(), "3.6"), ("AmazonEC2", day, "11.4"), ("AmazonS3", day, "2")]
    });
    let usage = days.iter().map(|day| ("ElasticMapReduce", "Hrs", day.as_str(), "60", "3.6"));
    figures(&costs.collect::<Vec<_>>(), &usage.collect::<Vec<_>>())
}

/// Hours in which everything was seen from one moment until another, and these amounts ran all the time.
fn ran(from: &str, until: &str, gauges: &[(&str, &str, u64)]) -> Hours {
    ran_in("eu-west-1", moment(from), moment(until), gauges)
}

fn ran_in(region: &str, from: Timestamp, until: Timestamp, gauges: &[(&str, &str, u64)]) -> Hours {
    let sandbox = Sandbox { account: ACCOUNT.to_owned(), region: region.to_owned(), alias: "marketing".to_owned() };
    let beats = |at: Timestamp| -> Vec<Heartbeat> {
        let beat = |function: &str, saw: &[(&str, u64)]| Heartbeat {
            header: Header::new(format!("heartbeat/{function}"), &sandbox, at),
            function: function.to_owned(),
            saw: saw.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            took: SignedDuration::ZERO,
            calls: 0,
        };
        let quiet = [("emr", "instances"), ("sagemaker", "instances"), ("glue", "dpus")];
        let quiet = quiet.into_iter().filter(|(service, _)| gauges.iter().all(|(other, ..)| other != service));
        let quiet = quiet.map(|(service, gauge)| beat(&format!("{service}-watch"), &[(gauge, 0)]));
        // What Athena scans in a day, it has scanned evenly.
        let scanned = |bytes: u64| bytes * u64::try_from(at.as_second().rem_euclid(DAY)).unwrap();
        let told = gauges.iter().map(|(service, gauge, value)| {
            let value = if *service == "athena" { scanned(*value) } else { *value };
            beat(&format!("{service}-watch"), &[(gauge, value), ("running", 1)])
        });
        let athena = gauges.iter().all(|(service, ..)| *service != "athena");
        let athena = athena.then(|| beat("athena-watch", &[("bytes_scanned_today", 0)]));
        quiet.chain(told).chain(athena).collect()
    };
    let (mut last, mut hours) = (Last::default(), Hours::new());
    let mut at = from;
    while at <= until {
        let (next, added) = sample(&last, &beats(at), at);
        last = next;
        for (hour, more) in added.into_iter().filter(|(hour, _)| *hour >= from) {
            hours.entry(hour).or_default().add(&more);
        }
        at += SignedDuration::from_mins(5);
    }
    hours
}

fn facts<'a>(own: &'a Recent, organisation: &'a Recent, hours: &'a Hours) -> Facts<'a> {
    Facts { account: ACCOUNT, sandboxes: 1, currency: Currency::USD, own, organisation, hours, errors: &[] }
}

/// The estimate from the morning of 21 November, when the export covers all until six, and its parts.
#[track_caller]
fn check(own: &Figures, organisation: &Figures, hours: &Hours, until: &str, total: &str, basis: &[&str]) {
    let covered_until = moment("11-21T06:00:00");
    let (own, all) = (Recent::of([own], covered_until), Recent::of([organisation], covered_until));
    let estimate = facts(&own, &all, hours).estimate(covered_until, moment(until)).unwrap();
    assert_eq!(estimate.basis, basis);
    assert_eq!((estimate.amount, estimate.since, estimate.until), (amount(total), covered_until, moment(until)));
    assert_eq!((estimate.error, estimate.learned_from), (None, 0));
}

#[test]
fn what_ran_is_priced_as_it_was_in_the_last_days() {
    let hours = ran("11-21T06:00:00", "11-21T18:00:00", &[("emr", "instances", 10)]);
    check(
        &usual(),
        &figures(&[], &[]),
        &hours,
        "11-21T18:00:00",
        "31",
        &[
            "EMR: 120.0 instance-hours at 0.25 USD, learned from this account's last 7 days with what EC2 cost",
            "the rest: 2.00 USD a day for 0.5 days",
        ],
    );
}

#[test]
fn what_this_account_never_used_costs_what_it_cost_others() {
    let others = figures(
        &[("AmazonAthena", "11-20", "15"), ("AWSGlue", "11-19", "44"), ("AmazonSageMaker", "11-18", "30")],
        &[
            ("AmazonAthena", "Terabytes", "11-20", "3", "15"),
            ("AWSGlue", "DPU-Hour", "11-19", "100", "44"),
            ("AmazonSageMaker", "Hrs", "11-18", "100", "23.04"),
            // Storage and requests have no part in the price of an hour.
            ("AmazonSageMaker", "GB-Mo", "11-18", "7", "6.96"),
            ("AWSGlue", "Request", "11-18", "900", "0"),
        ],
    );
    // Half a terabyte over twelve hours.
    let running =
        [("athena", "bytes_scanned_today", (1 << 39) / 43_200), ("glue", "dpus", 2), ("sagemaker", "instances", 1)];
    let hours = ran("11-21T06:00:00", "11-21T18:00:00", &running);
    check(
        &figures(&[("AmazonS3", "11-20", "7.35")], &[]),
        &others,
        &hours,
        "11-21T18:00:00",
        "16.3498",
        &[
            "Athena: 0.5 TB at 5.00 USD, learned from the organisation's last 7 days",
            "SageMaker: 12.0 instance-hours at 0.2304 USD, learned from the organisation's last 7 days",
            "Glue: 24.0 DPU-hours at 0.44 USD, learned from the organisation's last 7 days",
            "the rest: 1.05 USD a day for 0.5 days",
        ],
    );
}

#[test]
fn what_nobody_ever_paid_for_is_told_and_not_counted() {
    let hours = ran("11-21T06:00:00", "11-21T09:00:00", &[("glue", "dpus", 1)]);
    let nothing = figures(&[], &[]);
    let basis = ["Glue: 3.0 DPU-hours, whose price nobody has paid yet: not counted"];
    check(&nothing, &nothing, &hours, "11-21T09:00:00", "0", &basis);
}

#[test]
fn an_estimate_of_nothing_is_nothing() {
    let nothing = figures(&[], &[]);
    let hours = ran("11-21T06:00:00", "11-21T09:00:00", &[]);
    let basis = ["nothing ran that costs, and nothing else cost anything in the days before"];
    check(&nothing, &nothing, &hours, "11-21T09:00:00", "0", &basis);

    let recent = Recent::of([&usual()], moment("11-21T06:00:00"));
    let facts = facts(&recent, &recent, &hours);
    for until in ["11-21T05:00:00", "11-21T06:00:00"] {
        assert_eq!(facts.estimate(moment("11-21T06:00:00"), moment(until)), None, "there is no time in between");
    }
    // The hour that the export ends in counts whole.
    let estimate = facts.estimate(moment("11-21T06:40:00"), moment("11-21T07:00:00")).unwrap();
    assert_eq!(estimate.since, moment("11-21T06:00:00"));
}

#[test]
fn what_nobody_saw_counts_at_its_mean() {
    let hours = ran("11-21T06:00:00", "11-21T14:00:00", &[("emr", "instances", 10)]);
    let no_others = figures(&[], &[]);
    check(
        &usual(),
        &no_others,
        &hours,
        "11-21T18:00:00",
        // 80 hours at 0.25, four hours of the 15 USD a day that clusters cost, and half a day of storage.
        "23.5",
        &[
            "Athena was not seen for 4.0 hours; it cost nothing in the days before",
            "EMR: 80.0 instance-hours at 0.25 USD, learned from this account's last 7 days with what EC2 cost",
            "EMR was not seen for 4.0 hours, taken at its mean of 0.625 USD an hour",
            "SageMaker was not seen for 4.0 hours; it cost nothing in the days before",
            "Glue was not seen for 4.0 hours; it cost nothing in the days before",
            "the rest: 2.00 USD a day for 0.5 days",
        ],
    );

    // Of two Regions one is seen: half of the time is not.
    let recent = Recent::of([&usual()], moment("11-21T06:00:00"));
    let none = Recent::default();
    let mut facts = facts(&recent, &none, &hours);
    facts.sandboxes = 2;
    let one_of_two = facts.estimate(moment("11-21T06:00:00"), moment("11-21T14:00:00")).unwrap();
    assert_eq!(one_of_two.amount, amount("23.166667"), "20 for what ran, four hours of 0.625, and a third of 2");
    let mut both = hours.clone();
    let frankfurt =
        ran_in("eu-central-1", moment("11-21T06:00:00"), moment("11-21T14:00:00"), &[("emr", "instances", 2)]);
    for (hour, more) in frankfurt {
        both.entry(hour).or_default().add(&more);
    }
    facts.hours = &both;
    let both = facts.estimate(moment("11-21T06:00:00"), moment("11-21T14:00:00")).unwrap();
    assert_eq!(both.amount, amount("24.666667"), "96 hours at 0.25");
}

#[test]
fn a_few_minutes_that_nobody_saw_are_worth_no_sentence() {
    let hours = ran("11-21T06:00:00", "11-21T09:45:00", &[("emr", "instances", 10)]);
    let recent = Recent::of([&usual()], moment("11-21T06:00:00"));
    let estimate =
        facts(&recent, &recent, &hours).estimate(moment("11-21T06:00:00"), moment("11-21T10:00:00")).unwrap();
    assert_eq!(estimate.basis.len(), 2, "{:?}", estimate.basis);
    assert_eq!(estimate.amount, amount("9.864583"), "37.5 hours at 0.25, a quarter of an hour at 0.625, a sixth of 2");
}

/// The total, days and hours of EMR that are taken of costs and usage on these days, each of 1 USD and 2 hours.
#[track_caller]
fn check_days(days: &[&str], covered_until: &str, expected: Option<(i64, &str)>) {
    let costs: Vec<_> = days.iter().map(|day| ("ElasticMapReduce", *day, "1")).collect();
    let usage: Vec<_> = days.iter().map(|day| ("ElasticMapReduce", "Hrs", *day, "2", "1")).collect();
    let (october, november): (Vec<_>, Vec<_>) = costs.iter().partition(|(_, day, _)| day.starts_with("10"));
    let months = [figures(&october, &[]), figures(&november, &usage)];
    let recent = Recent::of(&months, moment(covered_until));
    let (days, hours) = expected.unwrap_or((0, "0"));
    let metered = recent.metered.get(&Meter::Emr).cloned().unwrap_or_default();
    assert_eq!((recent.days, metered.units), (days, amount(hours)));
    assert_eq!(&recent.total * &amount("2"), amount(hours));
    assert_eq!(recent, Recent::of(months.iter().rev(), moment(covered_until)), "the order does not matter");
}

#[test]
fn the_last_seven_full_days_tell_what_things_cost() {
    let all: Vec<String> = (10..=21).map(|day| format!("11-{day}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    check_days(&all, "11-21T06:00:00", Some((7, "14")));
    check_days(&all, "11-21T00:00:00", Some((7, "14")));
    check_days(&all, "11-20T23:59:59", Some((7, "14")));
    // What was not used is seven days of not using it.
    check_days(&["11-01", "11-20"], "11-21T06:00:00", Some((7, "2")));
    check_days(&["11-01"], "11-21T06:00:00", Some((7, "0")));
    // Nothing is known of the time before the first month that has figures.
    check_days(&["11-02", "11-04"], "11-05T12:00:00", Some((4, "4")));
    check_days(&["10-28", "10-31", "11-01", "11-02"], "11-02T12:00:00", Some((7, "6")));
    check_days(&["11-01"], "11-01T12:00:00", None);
    check_days(&[], "11-21T06:00:00", None);
}

#[test]
fn every_export_s_words_are_understood() {
    for (service, unit, meter) in [
        ("AmazonAthena", "Terabytes", Some(Meter::Athena)),
        ("Amazon Athena", "Terabytes", Some(Meter::Athena)),
        ("AmazonAthena", "DPU-Hours", None),
        ("ElasticMapReduce", "Hrs", Some(Meter::Emr)),
        ("Amazon Elastic MapReduce", "Hours", Some(Meter::Emr)),
        ("AmazonEC2", "Hrs", None),
        ("AmazonSageMaker", "Hrs", Some(Meter::SageMaker)),
        ("Amazon SageMaker", "hour", Some(Meter::SageMaker)),
        ("AmazonSageMaker", "GB-Mo", None),
        ("AWSGlue", "DPU-Hour", Some(Meter::Glue)),
        ("AWS Glue", "DPU-Hour", Some(Meter::Glue)),
        ("AWSGlue", "Hrs", None),
    ] {
        let known: Vec<Meter> = Meter::ALL.into_iter().filter(|meter| meter.words().speak_of(service, unit)).collect();
        assert_eq!(known, Vec::from_iter(meter), "{service} in {unit}");
    }
}

#[test]
fn what_ec2_cost_without_clusters_is_part_of_the_rest() {
    let recent = Recent::of([&figures(&[("AmazonEC2", "11-20", "14")], &[])], moment("11-21T06:00:00"));
    assert_eq!((recent.price(Meter::Emr), recent.rest()), (None, amount("2")));
    // Credits of usage that was given back are no price.
    let credited = figures(&[("ElasticMapReduce", "11-20", "-3")], &[("ElasticMapReduce", "Hrs", "11-20", "-5", "-3")]);
    let recent = Recent::of([&credited], moment("11-21T06:00:00"));
    assert_eq!((recent.price(Meter::Emr), recent.rest()), (None, amount("-0.428571428571")));
}

#[test]
fn days_are_estimated_until_the_export_covers_them() {
    let recent = Recent::of([&usual()], moment("11-21T06:00:00"));
    let hours = ran("11-19T00:00:00", "11-23T05:00:00", &[("emr", "instances", 2)]);
    let facts = facts(&recent, &recent, &hours);
    let days = |covered: &str, now: &str| {
        let days = facts.days(moment(covered), moment(now));
        days.into_iter().map(|(day, amount)| (day.to_string(), amount.to_string())).collect::<Vec<_>>()
    };
    // Forty-eight hours at 0.25, and 2 of the rest; however much of the day is covered already.
    let day = |day: u8| (format!("2026-11-{day}"), "14".to_owned());
    assert_eq!(days("11-21T06:00:00", "11-21T23:59:59"), []);
    assert_eq!(days("11-21T06:00:00", "11-23T04:00:00"), [day(21), day(22)]);
    assert_eq!(days("11-21T00:00:00", "11-23T04:00:00"), [day(21), day(22)]);
    assert_eq!(days("11-20T23:59:59", "11-22T04:00:00"), [day(20), day(21)]);
    // Nobody looks back for ever.
    assert_eq!(looks_back(moment("11-20T23:59:59"), moment("11-22T04:00:00")), moment("11-20T00:00:00"));
    assert_eq!(looks_back(moment("08-20T23:59:59"), moment("11-22T04:00:00")), moment("11-12T00:00:00"));
    assert_eq!(days("08-20T23:59:59", "11-22T04:00:00").len(), 10);
}

fn off(estimated: &str, actual: &str) -> EstimateError {
    EstimateError { day: date("11-01"), estimated: amount(estimated), actual: amount(actual) }
}

/// The bound of an estimate of 200 after days that were estimated at the first and cost the second.
#[track_caller]
fn check_bound(days: &[(&str, &str)], expected: Option<&str>) {
    let errors: Vec<_> = days.iter().map(|(estimated, actual)| off(estimated, actual)).collect();
    assert_eq!(bound(&errors, &amount("200")), expected.map(amount));
    assert_eq!(bound(&errors, &amount("-200")), expected.map(amount));
}

#[test]
fn the_bound_is_the_90th_percentile_of_what_earlier_estimates_were_off() {
    let exact = ("10", "10");
    check_bound(&[], None);
    check_bound(&[exact; 4], None);
    check_bound(&[exact; 5], Some("0"));
    // Of five and of nine the worst, of ten the second worst.
    check_bound(&[exact, exact, exact, exact, ("10", "13")], Some("60"));
    check_bound(&[exact, exact, exact, exact, ("10", "7")], Some("60"));
    let ten = [exact, exact, exact, exact, exact, exact, exact, exact, ("10", "12"), ("10", "40")];
    check_bound(&ten, Some("40"));
    check_bound(ten.get(1..).unwrap(), Some("600"));
    // Where nothing was estimated: nothing cost is nothing off, anything else is worse than all others.
    check_bound(&[("0", "0"), exact, exact, exact, ("10", "11")], Some("20"));
    check_bound(&[("0", "0.01"), exact, exact, exact, ("10", "11")], None);
    let nine = [("0", "0.01"), exact, exact, exact, exact, exact, exact, exact, exact, ("10", "11")];
    check_bound(&nine, Some("20"));
    // Credits may have made it less than nothing.
    check_bound(&[("-10", "-12"), exact, exact, exact, exact], Some("40"));
}

#[test]
fn days_are_learned_when_the_export_covers_them() {
    let mut account = Account::default();
    let estimated = [("10-31", "5"), ("11-19", "10"), ("11-20", "10"), ("11-21", "10")];
    account.estimated_days = estimated.map(|(day, estimated)| (date(day), amount(estimated))).into();
    let november = |cost: &str| figures(&[("AmazonS3", "11-18", "3"), ("AmazonS3", "11-20", cost)], &[]);
    let known = |account: &Account| {
        let error =
            |error: &EstimateError| (error.day.to_string(), error.estimated.to_string(), error.actual.to_string());
        account.errors.iter().map(error).collect::<Vec<_>>()
    };
    let day =
        |day: &str, estimated: &str, actual: &str| (format!("2026-{day}"), estimated.to_owned(), actual.to_owned());

    learn(&mut account, [&november("12")], moment("11-21T06:00:00"));
    assert_eq!(known(&account), [day("11-19", "10", "0"), day("11-20", "10", "12")]);
    // The day that is not covered wholly waits, and so does the one that these figures say nothing of.
    assert_eq!(account.estimated_days.keys().map(Date::to_string).collect::<Vec<_>>(), ["2026-10-31", "2026-11-21"]);
    let before = account.clone();
    learn(&mut account, [&november("12")], moment("11-21T06:00:00"));
    assert_eq!(account, before, "learned once");

    learn(&mut account, [&figures(&[("AmazonS3", "10-31", "4")], &[])], moment("11-01T00:00:00"));
    assert_eq!(known(&account).first(), Some(&day("10-31", "5", "4")));
    // A later delivery says otherwise.
    learn(&mut account, [&november("12.5")], moment("11-21T12:00:00"));
    assert_eq!(known(&account), [day("10-31", "5", "4"), day("11-19", "10", "0"), day("11-20", "10", "12.5")]);
    // A day that is estimated once more is learned once more.
    account.estimated_days.insert(date("11-20"), amount("11"));
    learn(&mut account, [&november("12.5")], moment("11-21T12:00:00"));
    assert_eq!(known(&account).last(), Some(&day("11-20", "11", "12.5")));
}

#[test]
fn the_newest_sixty_days_are_remembered() {
    let mut account = Account::default();
    let days: Vec<Date> = std::iter::successors(Some(date("09-01")), |day| day.tomorrow().ok()).take(75).collect();
    account.estimated_days = days.iter().map(|day| (*day, amount("1"))).collect();
    let months = [figures(&[("AmazonS3", "09-01", "1")], &[]), figures(&[("AmazonS3", "10-31", "1")], &[])];
    learn(&mut account, [&figures(&[("AmazonS3", "11-02", "1")], &[])], moment("11-21T00:00:00"));
    learn(&mut account, &months, moment("11-21T00:00:00"));
    assert_eq!(account.errors.len(), 60);
    assert_eq!(account.errors.first().map(|error| error.day), days.get(15).copied());
    assert_eq!(account.errors.last().map(|error| error.day), days.last().copied());
}

#[test]
fn the_bound_holds_for_nine_of_ten_days_that_come() {
    // A machine that makes numbers that look random, the same in every run.
    let mut state = 1_u64;
    let mut random = move |below: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 33).unwrap() % below
    };
    let (mut errors, mut within, mut judged) = (Vec::new(), 0, 0);
    for day in 0..600 {
        let estimated = 20 + random(200);
        // Most days are off by up to a quarter, some by much more.
        let percent = if random(12) == 0 { random(150) } else { random(51) - 25 };
        let actual = Amount::new(i128::from(estimated * (100 + percent)), 2);
        let estimated = Amount::from(estimated);
        if let Some(bound) = bound(&errors, &estimated) {
            judged += 1;
            within += i32::from((actual.clone() - estimated.clone()).abs() <= bound);
        }
        let day = date("01-01").checked_add((day % 300).days()).unwrap();
        errors.push(EstimateError { day, estimated, actual });
        errors.drain(..errors.len().saturating_sub(REMEMBERS));
    }
    let percent = within * 100 / judged;
    assert!((87..=93).contains(&percent), "{within} of {judged}");
}

proptest! {
    /// The organisation is the same in whatever order its accounts are added.
    #[test]
    fn accounts_are_added_in_any_order(costs in prop::collection::vec((0_i64..1_000, 0_i64..100), 1..6)) {
        let accounts: Vec<Recent> = costs
            .iter()
            .map(|(cost, hours)| {
                let (cost, hours) = (cost.to_string(), hours.to_string());
                let usage = [("AWSGlue", "DPU-Hour", "11-20", hours.as_str(), cost.as_str())];
                Recent::of([&figures(&[("AWSGlue", "11-20", &cost)], &usage)], moment("11-21T06:00:00"))
            })
            .collect();
        let sum = |accounts: &mut dyn Iterator<Item = &Recent>| {
            accounts.fold(Recent::default(), |mut sum, account| { sum.add(account); sum })
        };
        let all = sum(&mut accounts.iter());
        prop_assert_eq!(&all, &sum(&mut accounts.iter().rev()));
        let hours: i64 = costs.iter().map(|(_, hours)| hours).sum();
        prop_assert_eq!(all.price(Meter::Glue).is_some(), hours > 0);
    }
}

proptest! {
    // Each case is a lot to reckon.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_bound_covers_nine_of_ten_of_what_it_was_learned_from(
        days in prop::collection::vec((1_i64..10_000, -5_000_i64..20_000), 5..61),
    ) {
        let errors: Vec<_> = days.iter().map(|(estimated, actual)| off(&estimated.to_string(), &actual.to_string())).collect();
        let covered = errors.iter().filter(|error| {
            let bound = bound(&errors, &error.estimated).unwrap();
            // The share has twelve decimals.
            (error.actual.clone() - error.estimated.clone()).abs() <= bound + amount("0.000001")
        });
        prop_assert!(covered.count() * 10 >= errors.len() * 9);
        let mut shuffled = errors.clone();
        shuffled.reverse();
        prop_assert_eq!(bound(&errors, &amount("7")), bound(&shuffled, &amount("7")));
    }

    /// A day is the sum of its parts, wherever it is parted at an hour, and more that ran never costs less.
    #[test]
    fn an_estimate_is_the_sum_of_its_parts(parted in 1_i64..24, unseen in 0_i64..24, instances in 0_u64..50) {
        let recent = Recent::of([&usual()], moment("11-21T00:00:00"));
        let (from, until) = (moment("11-21T00:00:00"), moment("11-22T00:00:00"));
        let of = |instances: u64| {
            let mut hours = ran("11-21T00:00:00", "11-22T00:00:00", &[("emr", "instances", instances)]);
            hours.remove(&(from + SignedDuration::from_hours(unseen)));
            hours
        };
        let (hours, more) = (of(instances), of(instances + 1));
        let facts = |hours| facts(&recent, &recent, hours);
        let sum = |facts: Facts<'_>, from, until| facts.estimate(from, until).unwrap().amount;
        let middle = from + SignedDuration::from_hours(parted);
        let whole = sum(facts(&hours), from, until);
        let parts = sum(facts(&hours), from, middle) + sum(facts(&hours), middle, until);
        prop_assert!((whole.clone() - parts).abs() <= amount("0.000002"));
        prop_assert!(sum(facts(&more), from, until) >= whole);
    }
}
