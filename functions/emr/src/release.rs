//! What a release of EMR can do.

/// A release by the first two steps of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release {
    major: u32,
    minor: u32,
}

impl Release {
    /// Reads a label such as `emr-6.15.0` or `ami-3.11.0`; `None` for one that is numbered otherwise.
    pub(crate) fn of(label: &str) -> Option<Self> {
        let number = label.strip_prefix("emr-").or_else(|| label.strip_prefix("ami-"))?;
        let mut steps = number.split(['.', '-']).map(|step| step.parse().ok());
        Some(Self { major: steps.next()??, minor: steps.next()?? })
    }

    /// Whether a step that runs can be cancelled, from 5.28 on.
    /// <https://docs.aws.amazon.com/emr/latest/APIReference/API_CancelSteps.html>
    pub(crate) fn cancels_running_steps(self) -> bool {
        self >= Self { major: 5, minor: 28 }
    }

    /// Whether a cluster can have an auto-termination policy, from 5.30 and 6.1 on.
    /// <https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-auto-termination-policy.html>
    pub(crate) fn has_auto_termination(self) -> bool {
        match self.major {
            5 => self.minor >= 30,
            6 => self.minor >= 1,
            major => major >= 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(label: &str, cancels: bool, ends: bool) {
        let release = Release::of(label).unwrap();
        assert_eq!((release.cancels_running_steps(), release.has_auto_termination()), (cancels, ends), "{label}");
    }

    #[test]
    fn what_a_release_can_do_depends_on_its_number() {
        check("ami-3.11.0", false, false);
        check("emr-4.9.6", false, false);
        check("emr-5.27.1", false, false);
        check("emr-5.28.0", true, false);
        check("emr-5.29.0", true, false);
        check("emr-5.30.0", true, true);
        check("emr-5.36.2", true, true);
        check("emr-6.0.0", true, false);
        check("emr-6.1.0", true, true);
        check("emr-7.0.0-latest", true, true);
        check("emr-10.2.0", true, true);
    }

    #[test]
    fn other_labels_say_nothing() {
        for label in ["", "emr-", "emr-spark-8.0-preview", "7.1.0", "emr-7"] {
            assert_eq!(Release::of(label), None, "{label}");
        }
    }
}
