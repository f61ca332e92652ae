//! Deliveries: which are new among all that landed, and what one says or why it says nothing.

mod reading;

use super::*;
use crate::fakes::exports::manifest_key;
use crate::fakes::{day, moment};

const COUNTED: &str = "unblended; owner tag `owner`";

/// What landed under a key on this day of November, at noon.
fn landed(key: &str, etag: &str, day: u8) -> Landed {
    let modified = moment(&format!("2026-11-{day:02}T12:00:00Z"));
    Landed { key: key.to_owned(), etag: etag.to_owned(), modified, bytes: 100 }
}

/// Everything in this order was dealt with as it landed; what tells its month is in force for it.
fn dealt_with(all: &[Landed]) -> Deliveries {
    let mut deliveries = Deliveries::default();
    for landed in all {
        deliveries.note(landed, COUNTED, None);
        if let Some(month) = month_in(&landed.key) {
            deliveries.months.insert(month, in_force(landed));
        }
    }
    deliveries
}

fn in_force(landed: &Landed) -> Delivery {
    Delivery {
        key: landed.key.clone(),
        version: landed.etag.clone(),
        delivered_at: landed.modified,
        counted: COUNTED.to_owned(),
        accounts: BTreeSet::new(),
        covered_until: None,
    }
}

/// The ETags of what is new.
fn new(known: &Deliveries, among: &[Landed], counted: &str) -> Vec<String> {
    known.new_among(among, counted).into_iter().map(|landed| landed.etag).collect()
}

#[test]
fn keys_tell_their_month() {
    for (key, month) in [
        ("exports/costs/metadata/BILLING_PERIOD=2026-11/costs-Manifest.json", "2026-11-01"),
        ("exports/costs/metadata/BILLING_PERIOD=2026-11/20261103T0102-1234/costs-Manifest.json", "2026-11-01"),
        ("exports/cur/20261101-20261201/cur-Manifest.json", "2026-11-01"),
        ("exports/cur/20261201-20270101/1234-5678/cur-Manifest.json", "2026-12-01"),
        ("BILLING_PERIOD=2026-01/x.parquet", "2026-01-01"),
        ("exports/costs-Manifest.json", ""),
        ("exports/2026-11/costs.parquet", ""),
        ("exports/20261115-20261201/costs.parquet", ""),
        ("exports/20261101-december/costs.parquet", ""),
        ("exports/BILLING_PERIOD=2026-13/costs.parquet", ""),
        ("exports/BILLING_PERIOD=november/20261101-20261201/cur-Manifest.json", "2026-11-01"),
        ("", ""),
    ] {
        let expected = (!month.is_empty()).then(|| day(month));
        assert_eq!(month_in(key), expected, "{key}");
    }
}

#[test]
fn what_was_dealt_with_is_not_new_and_what_took_its_place_is() {
    let key = manifest_key("2026-11", "");
    let first = landed(&key, "v1", 3);
    let known = dealt_with(std::slice::from_ref(&first));
    assert_eq!(new(&Deliveries::default(), std::slice::from_ref(&first), COUNTED), ["v1"]);
    assert_eq!(new(&known, std::slice::from_ref(&first), COUNTED), [""; 0]);
    assert_eq!(new(&known, &[landed(&key, "v2", 4)], COUNTED), ["v2"]);
    assert_eq!(new(&known, std::slice::from_ref(&first), "amortized; owner tag `owner`"), ["v1"]);
    assert_eq!(new(&known, &[], COUNTED), [""; 0]);
}

#[test]
fn of_versions_that_stay_beside_each_other_only_newer_ones_than_that_in_force_are_new() {
    let version = |etag: &str, day| landed(&manifest_key("2026-11", &format!("{etag}/")), etag, day);
    let mut known = dealt_with(&[version("v2", 4)]);
    let october = landed(&manifest_key("2026-10", "v9/"), "v9", 1);
    let all = [version("v1", 3), version("v2", 4), version("v3", 5), october];
    assert_eq!(new(&known, &all, COUNTED), ["v3", "v9"], "in the order in which they landed");
    assert_eq!(new(&Deliveries::default(), &all, COUNTED), ["v3", "v9"], "the last of each month says it all");
    // Counted in another way that in force is new as well, where none is newer.
    assert_eq!(new(&known, &all[..2], "other"), ["v2"]);
    // What is forgotten of those is not new again.
    known.seen.clear();
    assert_eq!(new(&known, &all, COUNTED), ["v3", "v9"]);
}

#[test]
fn what_need_not_be_remembered_is_forgotten() {
    let told = landed(&manifest_key("2026-11", ""), "v1", 3);
    let untold = landed("exports/costs.csv", "v2", 3);
    let gone = landed("exports/gone.csv", "v3", 3);
    let left = |now: &str| {
        let mut known = dealt_with(&[told.clone(), untold.clone(), gone.clone()]);
        known.forget(&[told.clone(), untold.clone()], moment(now));
        known.seen.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(left("2026-11-04T00:00:00Z"), ["exports/costs.csv", told.key.as_str()]);
    // The delivery in force for its month still tells that it was dealt with.
    assert_eq!(left("2027-01-04T12:00:00Z"), ["exports/costs.csv"]);
}

#[test]
fn who_was_in_a_delivery_is_forgotten_when_its_bill_is_closed() {
    let november = landed(&manifest_key("2026-11", ""), "v1", 3);
    let left = |now: &str| {
        let mut known = dealt_with(std::slice::from_ref(&november));
        known.months.values_mut().for_each(|delivery| delivery.accounts.extend(["111111111111".to_owned()]));
        known.forget(std::slice::from_ref(&november), moment(now));
        known.months[&day("2026-11-01")].accounts.len()
    };
    assert_eq!((left("2027-01-04T11:59:59Z"), left("2027-01-04T12:00:00Z")), (1, 0));
}

#[test]
fn what_was_wrong_is_wrong_until_something_takes_its_place() {
    let beside = |etag: &str, day| landed(&manifest_key("2026-11", &format!("{etag}/")), etag, day);
    let mut known = dealt_with(&[beside("v1", 3)]);
    let faults = |known: &Deliveries| known.faults().map(str::to_owned).collect::<Vec<_>>();
    known.note(&beside("v2", 4), COUNTED, Some("v2 is wrong".to_owned()));
    known.note(&landed("exports/costs.csv", "x", 4), COUNTED, Some("x is wrong".to_owned()));
    assert_eq!(faults(&known), ["x is wrong", "v2 is wrong"]);
    // A later delivery of the month lands beside it, and another one under the same key.
    known.months.insert(day("2026-11-01"), in_force(&beside("v3", 5)));
    assert_eq!(faults(&known), ["x is wrong"]);
    known.note(&landed("exports/costs.csv", "y", 5), COUNTED, None);
    assert_eq!(faults(&known), [""; 0]);
}

#[test]
fn cost_data_last_came_when_the_latest_delivery_in_force_did() {
    let months = [landed(&manifest_key("2026-10", ""), "o", 7), landed(&manifest_key("2026-11", ""), "n", 6)];
    assert_eq!(dealt_with(&months).last_delivered(), Some(months[0].modified));
    assert_eq!(Deliveries::default().last_delivered(), None);
}

#[test]
fn the_month_is_what_the_manifest_says_or_else_the_lines() {
    let told =
        |months: &[&str]| Summary { months: months.iter().map(|month| day(month)).collect(), ..Summary::default() };
    let november = Some(day("2026-11-01"));
    for (said, lines, expected) in [
        (november, &["2026-10-01"][..], Ok("2026-11-01")),
        (november, &[], Ok("2026-11-01")),
        (None, &["2026-10-01"], Ok("2026-10-01")),
        (None, &[], Err("`k` has no lines, so it does not tell which month it is of")),
        (
            None,
            &["2026-10-01", "2026-11-01", "2026-12-01"],
            Err("`k` has lines of several months, 2026-10 and 2026-11 among them; \
                 a file that comes without a manifest is of one"),
        ),
    ] {
        let expected = expected.map(day).map_err(|why| Unread::Wrong(why.to_owned()));
        assert_eq!(the_month("k", said, &told(lines)), expected);
    }
}

#[test]
fn a_way_of_counting_has_a_name_of_its_own() {
    let counted = |charges, exclude: &[Category], tag: &str| {
        Counted { charges, exclude: exclude.iter().copied().collect(), owner_tag: tag.to_owned() }.to_string()
    };
    assert_eq!(counted(Charges::Unblended, &[], "owner"), COUNTED);
    assert_eq!(
        counted(Charges::NetAmortized, &[Category::Tax, Category::Credit], "Cost Center"),
        "net_amortized without tax, credit; owner tag `Cost Center`"
    );
}

#[test]
fn manifests_and_single_files_are_told_by_their_ends() {
    let looked_at = |kind: Kind, key: &str| kind.suffixes().iter().any(|suffix| key.ends_with(suffix));
    for (key, manifest, single) in [
        ("a/costs-Manifest.json", true, false),
        ("a/costs-RedshiftManifest.json", false, false),
        ("a/costs-1.csv.gz", false, true),
        ("a/costs-1.csv", false, true),
        ("a/costs-1.snappy.parquet", false, true),
        ("a/create-table.sql", false, false),
    ] {
        assert_eq!((looked_at(Kind::Manifest, key), looked_at(Kind::SingleFile, key)), (manifest, single), "{key}");
    }
}
