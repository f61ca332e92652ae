//! Release labels: which of EMR's abilities a release has.

/// Major, minor and patch of a label such as `emr-6.15.0`.
pub(super) fn parse(label: &str) -> Option<(u32, u32, u32)> {
    let mut parts = label.strip_prefix("emr-")?.splitn(3, '.').map(str::parse::<u32>);
    match (parts.next()?, parts.next()?, parts.next()?) {
        (Ok(major), Ok(minor), Ok(patch)) => Some((major, minor, patch)),
        _ => None,
    }
}

/// Whether steps that wait can be cancelled: from 4.8.0, but not in 5.0.0.
pub(super) fn cancels_pending_steps(label: &str) -> bool {
    parse(label).is_some_and(|release| release >= (4, 8, 0) && release != (5, 0, 0))
}

/// Whether steps that run can be cancelled: from 5.28.0.
pub(super) fn cancels_running_steps(label: &str) -> bool {
    parse(label).is_some_and(|release| release >= (5, 28, 0))
}

/// Whether clusters can end by themselves when idle: from 5.30.0 and from 6.1.0.
pub(super) fn knows_auto_termination(label: &str) -> bool {
    parse(label).is_some_and(|release| release >= (6, 1, 0) || ((5, 30, 0)..(6, 0, 0)).contains(&release))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_what_came_before_it() {
        let check = |label: &str, expected: [bool; 3]| {
            let abilities = [cancels_pending_steps(label), cancels_running_steps(label), knows_auto_termination(label)];
            assert_eq!(abilities, expected, "{label}");
        };
        check("emr-4.7.2", [false, false, false]);
        check("emr-4.8.0", [true, false, false]);
        check("emr-5.0.0", [false, false, false]);
        check("emr-5.27.1", [true, false, false]);
        check("emr-5.28.0", [true, true, false]);
        check("emr-5.30.0", [true, true, true]);
        check("emr-6.0.0", [true, true, false]);
        check("emr-6.1.0", [true, true, true]);
        check("emr-7.5.0", [true, true, true]);
        check("emr-next", [false, false, false]);
    }
}
