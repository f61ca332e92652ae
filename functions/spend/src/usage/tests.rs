//! Sampling: gauges and counters into hours, what is not known, and that order and repetition change nothing.

use jiff::ToSpan;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const ACCOUNT: &str = "111111111111";
const KEY: &str = "111111111111/eu-west-1";

fn moment(time: &str) -> Timestamp {
    format!("2026-11-{time}Z").parse().unwrap()
}

/// A sign of life of `function` at `time`, such as `21T14:05:00`.
fn heartbeat(function: &str, time: &str, saw: &[(&str, u64)]) -> Heartbeat {
    in_region(function, "eu-west-1", moment(time), saw)
}

fn in_region(function: &str, region: &str, at: Timestamp, saw: &[(&str, u64)]) -> Heartbeat {
    let sandbox = Sandbox { account: ACCOUNT.to_owned(), region: region.to_owned(), alias: "marketing".to_owned() };
    Heartbeat {
        header: guardrail::Header::new(format!("heartbeat/{function}"), &sandbox, at),
        function: function.to_owned(),
        saw: saw.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        took: SignedDuration::from_secs(1),
        calls: 3,
    }
}

fn instances(time: &str, instances: u64) -> Heartbeat {
    heartbeat("emr-watch", time, &[("instances", instances), ("running", 2)])
}

fn scanned(time: &str, bytes: u64) -> Heartbeat {
    heartbeat("athena-watch", time, &[("bytes_scanned_today", bytes), ("running", 1)])
}

/// Where the sampling stands after these sweeps, and all that they added.
fn sampled(sweeps: &[(&str, &[Heartbeat])]) -> (Last, Hours) {
    let (mut last, mut all) = (Last::default(), Hours::new());
    for (now, heartbeats) in sweeps {
        let (next, added) = sample(&last, heartbeats, moment(now));
        last = next;
        for (hour, added) in added {
            all.entry(hour).or_default().add(&added);
        }
    }
    (last, all)
}

/// What these sweeps have put into hours, as `(hour, amount, running, seconds seen)` of one meter.
#[track_caller]
fn check(meter: Meter, sweeps: &[(&str, &[Heartbeat])], expected: &[(&str, i64, i64, i64)]) {
    let (_, hours) = sampled(sweeps);
    let put: Vec<_> = hours
        .iter()
        .flat_map(|(hour, page)| page.sandboxes.values().map(move |meters| (hour, meters)))
        .filter_map(|(hour, meters)| Some((*hour, meters.get(&meter)?.clone())))
        .collect();
    let used = |(hour, amount, running, seen): &(&str, i64, i64, i64)| {
        let seen = SignedDuration::from_secs(*seen);
        (moment(hour), Used { amount: Amount::from(*amount), running: Amount::from(*running), seen })
    };
    assert_eq!(put, expected.iter().map(used).collect::<Vec<_>>());
}

#[test]
fn a_gauge_speaks_for_the_time_since_the_sweep_before() {
    check(
        Meter::Emr,
        &[
            // The first sweep knows nothing of the time before the sign of life.
            ("21T14:00:00", &[instances("21T13:59:00", 4)]),
            ("21T14:15:00", &[instances("21T14:14:00", 10)]),
            ("21T14:30:00", &[instances("21T14:29:00", 0)]),
        ],
        &[("21T13:00:00", 4 * 60, 2 * 60, 60), ("21T14:00:00", 10 * 900, 2 * 1800, 1800)],
    );
}

#[test]
fn time_is_split_at_the_hours_to_the_second() {
    check(
        Meter::Emr,
        &[
            ("21T14:50:07.900", &[instances("21T14:50:07.500", 1)]),
            ("21T15:05:09.100", &[instances("21T15:05:00.100", 3)]),
        ],
        &[("21T14:00:00", 3 * 593, 2 * 593, 593), ("21T15:00:00", 3 * 309, 2 * 309, 309)],
    );
}

#[test]
fn a_sign_of_life_speaks_for_twelve_minutes_and_not_again() {
    let silent = [instances("21T14:14:00", 10)];
    check(
        Meter::Emr,
        &[
            ("21T14:15:00", &silent),
            ("21T14:30:00", &silent),
            ("21T14:45:00", &silent),
            // What was unseen stays unseen.
            ("21T14:50:00", &[instances("21T14:49:00", 1)]),
        ],
        &[("21T14:00:00", 10 * 720 + 300, 2 * 1020, 1020)],
    );
}

#[test]
fn after_missed_sweeps_a_gauge_speaks_for_half_an_hour() {
    check(
        Meter::Emr,
        &[("21T11:00:00", &[instances("21T11:00:00", 9)]), ("21T14:55:00", &[instances("21T14:50:00", 2)])],
        &[("21T14:00:00", 2 * 35 * 60, 2 * 35 * 60, 35 * 60)],
    );
}

#[test]
fn what_has_no_gauge_says_nothing() {
    let off = |time| heartbeat("emr-watch", time, &[("clusters", 3), ("running", 3)]);
    check(Meter::Emr, &[("21T14:00:00", &[off("21T14:00:00")]), ("21T14:15:00", &[off("21T14:15:00")])], &[]);
    let hub = heartbeat("spend-meter", "21T14:14:00", &[("instances", 3)]);
    check(Meter::Emr, &[("21T14:00:00", &[]), ("21T14:15:00", &[hub])], &[]);
    let other = heartbeat("aurora-watch", "21T14:14:00", &[("instances", 3)]);
    let (_, hours) = sampled(&[("21T14:00:00", &[]), ("21T14:15:00", &[other])]);
    assert_eq!(hours, Hours::new());
}

#[test]
fn a_clock_that_goes_back_adds_nothing() {
    let beat = [instances("21T14:14:00", 10)];
    check(
        Meter::Emr,
        &[("21T14:00:00", &[]), ("21T14:15:00", &beat), ("21T14:15:00.400", &beat), ("21T14:10:00", &beat)],
        &[("21T14:00:00", 10 * 900, 2 * 900, 900)],
    );
    // One that is ahead of the hub's is taken as of now.
    check(
        Meter::Emr,
        &[("21T14:00:00", &[]), ("21T14:15:00", &[instances("21T14:20:00", 10)])],
        &[("21T14:00:00", 10 * 900, 2 * 900, 900)],
    );
}

#[test]
fn a_counter_counts_what_it_grew_by_spread_over_the_time() {
    check(
        Meter::Athena,
        &[
            ("21T14:55:00", &[scanned("21T14:50:00", 1_000)]),
            ("21T15:10:00", &[scanned("21T15:05:00", 1_010)]),
            // The same sign of life again says nothing new.
            ("21T15:15:00", &[scanned("21T15:05:00", 1_010)]),
        ],
        &[
            // Everything since midnight, and the first ten minutes of fifteen.
            ("21T00:00:00", 67, 3600, 3600),
            ("21T01:00:00", 67, 3600, 3600),
            ("21T02:00:00", 68, 3600, 3600),
            ("21T03:00:00", 67, 3600, 3600),
            ("21T04:00:00", 68, 3600, 3600),
            ("21T05:00:00", 67, 3600, 3600),
            ("21T06:00:00", 67, 3600, 3600),
            ("21T07:00:00", 68, 3600, 3600),
            ("21T08:00:00", 67, 3600, 3600),
            ("21T09:00:00", 68, 3600, 3600),
            ("21T10:00:00", 67, 3600, 3600),
            ("21T11:00:00", 67, 3600, 3600),
            ("21T12:00:00", 68, 3600, 3600),
            ("21T13:00:00", 67, 3600, 3600),
            ("21T14:00:00", 57 + 6, 3600, 3600),
            ("21T15:00:00", 4, 300, 300),
        ],
    );
}

#[test]
fn a_counter_begins_again_at_midnight() {
    let sweeps: &[(&str, &[Heartbeat])] = &[
        ("20T23:55:00", &[scanned("20T23:50:00", 86_400)]),
        // What was scanned in the last ten minutes of the day nobody knows.
        ("21T00:10:00", &[scanned("21T00:05:00", 30)]),
        ("21T00:25:00", &[scanned("21T00:20:00", 75)]),
    ];
    let (last, hours) = sampled(sweeps);
    let sum = |from: &str, until: &str| used(&hours, Some(ACCOUNT), moment(from), moment(until)).remove(&Meter::Athena);
    let of_day = sum("20T00:00:00", "21T00:00:00").unwrap();
    assert_eq!((of_day.amount, of_day.seen), (Amount::from(86_400), SignedDuration::from_secs(86_400 - 600)));
    let next = sum("21T00:00:00", "21T01:00:00").unwrap();
    assert_eq!((next.amount, next.seen), (Amount::from(75), SignedDuration::from_mins(20)));
    assert_eq!(last.counters.len(), 1);
    // Of a sandbox that has gone nothing is remembered.
    let (last, _) = sample(&last, &[], moment("23T00:25:00"));
    assert_eq!(last.counters.len(), 0);
}

#[test]
fn a_counter_that_shrinks_takes_nothing_back() {
    // A workgroup was deleted, and its bytes with it.
    let sweeps: &[(&str, &[Heartbeat])] = &[
        ("21T00:10:00", &[scanned("21T00:10:00", 500)]),
        ("21T00:20:00", &[scanned("21T00:20:00", 100)]),
        ("21T00:30:00", &[scanned("21T00:30:00", 130)]),
    ];
    check(Meter::Athena, sweeps, &[("21T00:00:00", 530, 1800, 1800)]);
}

#[test]
fn each_region_is_a_sandbox_of_its_own() {
    let saw = [("dpus", 6), ("running", 1)];
    let both = [
        in_region("glue-watch", "eu-west-1", moment("21T14:15:00"), &saw),
        in_region("glue-watch", "eu-central-1", moment("21T14:15:00"), &saw),
    ];
    let (_, mut hours) = sampled(&[("21T14:00:00", &[]), ("21T14:15:00", &both)]);
    let sum = |hours: &Hours, account| {
        used(hours, account, moment("21T14:00:00"), moment("21T15:00:00")).remove(&Meter::Glue)
    };
    let seen = SignedDuration::from_mins(30);
    let of_both = Used { amount: Amount::from(2 * 6 * 900), running: Amount::from(2 * 900), seen };
    assert_eq!(sum(&hours, Some(ACCOUNT)), Some(of_both.clone()));

    // Another account whose id sorts right behind it.
    let page = hours.get_mut(&moment("21T14:00:00")).unwrap();
    let mine = page.sandboxes.get(KEY).unwrap().clone();
    page.sandboxes.insert("111111111112/eu-west-1".to_owned(), mine);
    assert_eq!(sum(&hours, Some(ACCOUNT)), Some(of_both));
    assert_eq!(sum(&hours, None).unwrap().amount, Amount::from(3 * 6 * 900));
    assert_eq!(sum(&hours, Some("222222222222")), None);
    assert_eq!(used(&hours, None, moment("21T15:00:00"), moment("21T14:00:00")), BTreeMap::new());
}

#[test]
fn pages_are_named_by_the_hour_and_are_small() {
    assert_eq!(page(moment("21T14:59:59.999")), "spend/usage/2026-11-21T14");
    let of = |from: &str, until: &str| hours(moment(from), moment(until)).map(page).collect::<Vec<_>>();
    assert_eq!(of("21T22:30:00", "22T00:00:00"), ["spend/usage/2026-11-21T22", "spend/usage/2026-11-21T23"]);
    assert_eq!(of("21T22:30:00", "21T22:31:00").len(), 1);
    assert_eq!(of("21T22:30:00", "21T22:00:00").len(), 0);

    let beats = [instances("21T14:00:00", 4), heartbeat("glue-watch", "21T14:00:00", &[("dpus", 0), ("running", 0)])];
    let (last, hours) = sampled(&[("21T13:59:00", &[scanned("21T13:59:00", 7)]), ("21T14:00:00", &beats)]);
    let page = serde_json::to_value(hours.get(&moment("21T13:00:00")).unwrap()).unwrap();
    let meters = json!({
        "athena": {"amount": "1", "running": "3540", "seen": "PT59M"},
        "emr": {"amount": "240", "running": "120", "seen": "PT1M"},
        "glue": {"seen": "PT1M"},
    });
    assert_eq!(page, json!({"sandboxes": {KEY: meters}}));
    assert_eq!(serde_json::from_value::<Hour>(page).unwrap(), hours.get(&moment("21T13:00:00")).unwrap().clone());
    let page = serde_json::to_value(&last).unwrap();
    let counters = json!({KEY: {"told_at": "2026-11-21T13:59:00Z", "bytes": 7}});
    assert_eq!(page, json!({"sampled_at": "2026-11-21T14:00:00Z", "counters": counters}));
    assert_eq!(serde_json::from_value::<Last>(page).unwrap(), last);
}

#[test]
fn each_meter_is_that_of_its_service() {
    for meter in Meter::ALL {
        assert_eq!(Meter::of(meter.service()), Some(meter));
        assert_eq!(Meter::of_watch(&format!("{}-watch", meter.service())), Some(meter));
    }
    assert_eq!(Meter::of(Service::Spend), None);
    assert_eq!(Meter::of_watch("emr-enforce"), None);
}

/// What a watch says, at seconds after midnight.
fn any_beats() -> impl Strategy<Value = Vec<Heartbeat>> {
    let beat = (0..4_usize, 0_i64..7_200, 0_u64..1 << 50, 0_u64..100, prop::bool::ANY).prop_map(
        |(meter, second, amount, running, in_ireland)| {
            let meter = Meter::ALL[meter];
            let region = if in_ireland { "eu-west-1" } else { "eu-central-1" };
            let at = moment("21T00:00:00") + second.seconds();
            let saw = [(meter.gauge(), amount), ("running", running)];
            in_region(&format!("{}-watch", meter.service()), region, at, &saw)
        },
    );
    prop::collection::vec(beat, 0..12)
}

/// Sweeps at these seconds after midnight, each of which sees what was told by then.
fn sweep_at(seconds: &[i64], beats: &[Heartbeat]) -> Hours {
    let sweeps = seconds.iter().map(|second| moment("21T00:00:00") + second.seconds());
    let (mut last, mut all) = (Last::default(), Hours::new());
    for now in sweeps {
        let told: Vec<_> = beats.iter().filter(|beat| beat.header.occurred_at <= now).cloned().collect();
        let (next, added) = sample(&last, &told, now);
        last = next;
        for (hour, added) in added {
            all.entry(hour).or_default().add(&added);
        }
    }
    all
}

proptest! {
    #[test]
    fn the_order_of_signs_of_life_does_not_matter(
        beats in any_beats(),
        shuffle in any::<prop::sample::Index>(),
        now in 0_i64..9_000,
    ) {
        let (last, _) = sample(&Last::default(), &beats, moment("20T23:50:00"));
        let mut others = beats.clone();
        others.reverse();
        others.rotate_left(if beats.is_empty() { 0 } else { shuffle.index(beats.len()) });
        // Some come twice.
        others.extend(beats.iter().take(3).cloned());
        let now = moment("21T00:00:00") + now.seconds();
        prop_assert_eq!(sample(&last, &beats, now), sample(&last, &others, now));
    }

    #[test]
    fn nothing_negative_is_added_and_no_time_counts_twice(
        beats in any_beats(),
        mut sweeps in prop::collection::vec(0_i64..9_000, 1..20),
    ) {
        sweeps.sort_unstable();
        let sweeps: Vec<i64> = sweeps;
        for (hour, page) in sweep_at(&sweeps, &beats) {
            prop_assert_eq!(hour, hour_of(hour));
            for used in page.sandboxes.values().flat_map(BTreeMap::values) {
                prop_assert!(!used.amount.is_negative() && !used.running.is_negative());
                prop_assert!(used.seen > SignedDuration::ZERO && used.seen <= SignedDuration::from_hours(1));
            }
        }
    }

    /// A gauge that never changes counts the same however often it is sampled, as long as none is missed.
    #[test]
    fn it_does_not_matter_when_sweeps_come(gaps in prop::collection::vec(1_i64..900, 1..60), value in 0_u64..1 << 40) {
        let steady = |second: i64| in_region(
            "emr-watch",
            "eu-west-1",
            moment("21T00:00:00") + second.seconds(),
            &[("instances", value), ("running", 3)],
        );
        let sweeps: Vec<i64> = gaps.iter().scan(0, |second, gap| { *second += gap; Some(*second) }).collect();
        let beats: Vec<_> = sweeps.iter().map(|second| steady(*second)).collect();
        let hours = sweep_at(&sweeps, &beats);
        let sum = used(&hours, None, moment("21T00:00:00"), moment("22T00:00:00")).remove(&Meter::Emr).unwrap_or_default();
        let time = i128::from(sweeps.last().unwrap() - sweeps.first().unwrap());
        prop_assert_eq!(sum.amount, Amount::new(i128::from(value) * time, 0));
        prop_assert_eq!(sum.running, Amount::new(3 * time, 0));
        prop_assert_eq!(i128::from(sum.seen.as_secs()), time);
    }

    /// What a counter counted in a day is what it says last, to the byte.
    #[test]
    fn a_counter_loses_no_byte(grown in prop::collection::vec((1_i64..3_000, 0_u64..1 << 45), 1..28)) {
        let told: Vec<(i64, u64)> = grown.iter().scan((0, 0), |(second, bytes), (gap, more)| {
            *second += gap;
            *bytes += more;
            Some((*second, *bytes))
        }).collect();
        let at = |second: i64| moment("21T00:00:00") + second.seconds();
        let beats: Vec<_> = told
            .iter()
            .map(|(second, bytes)| in_region("athena-watch", "eu-west-1", at(*second), &[("bytes_scanned_today", *bytes)]))
            .collect();
        let sweeps: Vec<i64> = told.iter().map(|(second, _)| *second).collect();
        let hours = sweep_at(&sweeps, &beats);
        let sum = used(&hours, None, at(0), moment("22T00:00:00")).remove(&Meter::Athena).unwrap_or_default();
        let (last, bytes) = told.last().unwrap();
        prop_assert_eq!(sum.amount, Amount::new(i128::from(*bytes), 0));
        prop_assert_eq!(sum.seen, SignedDuration::from_secs(*last));
    }
}
