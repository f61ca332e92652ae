//! Settings: a whole environment, what may be missing, and every fault at once.

use std::collections::BTreeMap;

use lambda::settings::Faults;

use super::*;

fn environment(changes: &[(&'static str, &'static str)]) -> BTreeMap<&'static str, &'static str> {
    let mut values = BTreeMap::from([
        ("AWS_REGION", "eu-west-1"),
        ("HUB_ACCOUNT", "999999999999"),
        ("PARTITION", "aws"),
        ("GUARDRAIL_BUS", "sandbox-guardrails"),
        ("SPEND_TABLE", "sandbox-guardrails-spend"),
        ("CONSOLE_TABLE", "sandbox-guardrails-console"),
        ("EXPORT_BUCKET", "cost-exports"),
        ("EXPORT_PREFIX", "exports/"),
        ("EXPORT_DELIVERY", "manifest"),
        ("CHARGES", "unblended"),
        ("EXCLUDE", "none"),
        ("OWNER_TAG", "owner"),
        ("ATHENA_ABOVE_MB", "2048"),
        ("ATHENA_WORKGROUP", ""),
        ("ATHENA_DATABASE", ""),
        ("ATHENA_TABLE", ""),
    ]);
    values.extend(changes.iter().copied());
    values
}

fn read(changes: &[(&'static str, &'static str)]) -> Result<MeterSettings, Faults> {
    let values = environment(changes);
    let mut environment = Environment::new(|key: &str| values.get(key).map(|value| (*value).to_owned()));
    let settings = MeterSettings::read(&mut environment);
    environment.finish(settings)
}

#[test]
fn a_whole_environment_is_read() {
    let settings = read(&[]).unwrap();
    let hub = Sandbox { account: "999999999999".to_owned(), region: "eu-west-1".to_owned(), alias: "hub".to_owned() };
    assert_eq!(settings.hub, hub);
    assert_eq!((settings.bucket.as_str(), settings.prefix.as_str()), ("cost-exports", "exports/"));
    assert_eq!((settings.kind, settings.athena_above, settings.athena), (Kind::Manifest, 2 << 30, None));
    let nothing = Counted { charges: Charges::Unblended, exclude: BTreeSet::new(), owner_tag: "owner".to_owned() };
    assert_eq!(settings.counted, nothing);
}

#[test]
fn what_counts_and_who_is_asked_are_chosen() {
    let settings = read(&[
        ("EXPORT_PREFIX", ""),
        ("EXPORT_DELIVERY", "single-file"),
        ("CHARGES", "net_amortized"),
        ("EXCLUDE", "tax, credit"),
        ("ATHENA_ABOVE_MB", ""),
        ("ATHENA_WORKGROUP", "spend"),
        ("ATHENA_DATABASE", "costs"),
        ("ATHENA_TABLE", "export"),
    ]);
    let settings = settings.unwrap();
    let athena =
        AthenaSettings { workgroup: "spend".to_owned(), database: "costs".to_owned(), table: "export".to_owned() };
    assert_eq!((settings.kind, settings.athena), (Kind::SingleFile, Some(athena)));
    assert_eq!((settings.prefix.as_str(), settings.athena_above), ("", 2 << 30));
    assert_eq!(settings.counted.exclude, BTreeSet::from([Category::Tax, Category::Credit]));
    assert_eq!(settings.counted.charges, Charges::NetAmortized);
}

#[test]
fn every_fault_is_named_at_once() {
    let faults = read(&[
        ("HUB_ACCOUNT", ""),
        ("EXPORT_BUCKET", " "),
        ("EXPORT_DELIVERY", "weekly"),
        ("CHARGES", "blended"),
        ("EXCLUDE", "tax,fees"),
        ("ATHENA_ABOVE_MB", "2 GB"),
        ("ATHENA_TABLE", "export"),
    ]);
    assert_eq!(
        faults.unwrap_err().to_string(),
        "the environment is not as expected: `HUB_ACCOUNT` is missing; `EXPORT_BUCKET` is missing; \
         `EXPORT_DELIVERY` is `weekly`, expected `manifest` or `single-file`; \
         `CHARGES` is `blended`, expected `unblended`, `net_unblended`, `amortized`, `net_amortized`; \
         `EXCLUDE` is `tax,fees`, expected `none`, or a list with commas of `tax`, `credit`, `refund`, `support`, \
         `fee`, `discount`; `ATHENA_ABOVE_MB` is `2 GB`, expected a whole number of megabytes; \
         `ATHENA_WORKGROUP` is missing; `ATHENA_DATABASE` is missing"
    );
}

#[test]
fn each_key_is_read_and_told() {
    for key in MeterSettings::KEYS.iter().filter(|key| !key.starts_with("ATHENA") && **key != "EXPORT_PREFIX") {
        let faults = read(&[(key, "")]).unwrap_err();
        assert_eq!(faults.0, [format!("`{key}` is missing")]);
    }
    assert_eq!(EnforceSettings::KEYS, &MeterSettings::KEYS[..EnforceSettings::KEYS.len()]);
}
