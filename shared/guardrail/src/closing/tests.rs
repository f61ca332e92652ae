//! Settings of closing: good ones, bad ones, and what is in force then.

use super::*;
use crate::Configuration;

fn check(name: &str, value: &str, expected: Result<&str, &str>) {
    let full = format!("{ROOT}/{AVAILABILITY}/{name}");
    let values = [(full.as_str(), value)];
    let (configuration, faults) = Configuration::read(values);
    let rejected = configuration.rejected(values, &faults, jiff::Timestamp::UNIX_EPOCH);
    match expected {
        Ok(shown) => {
            assert_eq!(faults.len(), 0, "{name} = {value}: {faults:?}");
            let steps: Vec<&str> = name.split('/').collect();
            assert_eq!(configuration.closing().in_force(&steps), shown, "{name} = {value}");
        }
        Err(in_force) => {
            let [rejected] = rejected.as_slice() else { panic!("{name} = {value} was obeyed") };
            assert_eq!(rejected.in_force, in_force, "{name} = {value}");
            assert_eq!(configuration.closing(), &Closing::default(), "{name} = {value}");
        }
    }
}

#[test]
fn settings_are_read_or_named_and_never_half_obeyed() {
    let unknown = Err("nothing, the name is unknown");
    for (name, value, expected) in [
        ("user_roles", " /sandbox-users/ ", Ok("/sandbox-users/")),
        ("user_roles", "/teams/science/", Ok("/teams/science/")),
        ("user_roles", "tag:access=sandbox", Ok("tag:access=sandbox")),
        ("user_roles", "tag:access=", Ok("tag:access=")),
        ("user_roles", "/", Err("/sandbox-users/")),
        ("user_roles", "/sandbox-users", Err("/sandbox-users/")),
        ("user_roles", "sandbox-users/", Err("/sandbox-users/")),
        ("user_roles", "/sandbox-guardrails/", Err("/sandbox-users/")),
        ("user_roles", "/aws-reserved/sso.amazonaws.com/", Err("/sandbox-users/")),
        ("user_roles", "tag:=x", Err("/sandbox-users/")),
        ("user_roles", "tag:access", Err("/sandbox-users/")),
        ("spared_roles", "ops-*, *break-glass*", Ok("ops-*,*break-glass*")),
        ("spared_roles", "*", Err("*break-glass*")),
        ("spared_roles", "", Err("*break-glass*")),
        ("spared_roles", "ops,*", Err("*break-glass*")),
        ("warnings", "5m, 1h,30m,5m", Ok("1h,30m,5m")),
        ("warnings", "none", Ok("none")),
        ("warnings", "30s", Err("30m,5m")),
        ("warnings", "25h", Err("30m,5m")),
        ("warnings", "", Err("30m,5m")),
        ("termination_protection", "lift", Ok("lift")),
        ("termination_protection", "yes", Err("respect")),
        ("grace", "0s", Ok("0s")),
        ("grace", "24h", Ok("24h")),
        ("grace", "24h 1s", Err("1h")),
        ("grace", "-1h", Err("1h")),
        ("grace/jobs", "2h", Ok("2h")),
        ("grace/notebooks", "2h", unknown),
        ("jobs", "finish", Ok("finish")),
        ("jobs", "leave", Ok("leave")),
        ("jobs", "off", Err("stop")),
        ("notebooks", "leave", Ok("leave")),
        ("notebooks", "finish", Err("stop")),
        ("access", "stop", Ok("stop")),
        ("access", "leave", Err("stop")),
        ("cloud9", "leave", unknown),
        ("", "x", unknown),
        ("grace/jobs/x", "1h", unknown),
    ] {
        check(name, value, expected);
    }
}

#[test]
fn what_finishes_has_a_grace_time_and_nothing_else_has() {
    let mut closing = Closing::default();
    assert_eq!(closing.grace(Part::Jobs), SignedDuration::ZERO);
    closing.obey(Setting::Manner(Part::Jobs, Manner::Finish));
    assert_eq!(closing.grace(Part::Jobs), SignedDuration::from_hours(1));
    closing.obey(Setting::Grace(None, SignedDuration::from_hours(3)));
    assert_eq!(closing.grace(Part::Jobs), SignedDuration::from_hours(3));
    closing.obey(Setting::Grace(Some(Part::Jobs), SignedDuration::from_mins(5)));
    assert_eq!(closing.grace(Part::Jobs), SignedDuration::from_mins(5));
    assert_eq!(closing.grace(Part::Emr), SignedDuration::ZERO);
}

#[test]
fn every_setting_is_described_and_takes_its_own_default() {
    for (name, expected, default) in Setting::all() {
        assert!(!expected.is_empty(), "{name}");
        let steps: Vec<&str> = name.split('/').collect();
        assert!(Setting::parse(&steps, &default).is_ok(), "{name} = {default}");
    }
}

#[test]
fn spared_roles_are_spared() {
    let closing = Closing::default();
    assert!(closing.spares("bank-break-glass-admin"));
    assert!(!closing.spares("data-scientist"));
}
