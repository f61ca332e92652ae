//! How many data processing units (DPUs) a session or a job run has.

/// The DPUs of one worker of each type, in hundredths so that a quarter is a whole number. A memory-optimised worker
/// (`R`, `Z`) counts its M-DPUs. <https://docs.aws.amazon.com/glue/latest/dg/worker-types.html>
const WORKERS: &[(&str, u64)] = &[
    ("G.025X", 25),
    ("Standard", 100),
    ("G.1X", 100),
    ("G.2X", 200),
    ("G.4X", 400),
    ("G.8X", 800),
    ("G.12X", 1_200),
    ("G.16X", 1_600),
    ("R.1X", 100),
    ("R.2X", 200),
    ("R.4X", 400),
    ("R.8X", 800),
    ("Z.2X", 200),
];

/// The DPUs of a session or a job run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Whole DPUs, a fraction counted as one. With automatic scaling they are the most there can be.
    pub dpus: Option<u64>,
    /// Its worker type, where this version does not know it.
    pub unknown_worker_type: Option<String>,
}

impl Capacity {
    /// Reads the DPUs from the workers, or else from the capacity in DPUs that Glue itself gives.
    pub(crate) fn read(worker_type: Option<&str>, workers: Option<i32>, max_capacity: Option<f64>) -> Self {
        let worker = worker_type.and_then(|name| WORKERS.iter().find(|(known, _)| *known == name));
        let of_workers = || {
            let (_, hundredths) = worker?;
            let workers = u64::try_from(workers?).ok()?;
            Some(workers.saturating_mul(*hundredths).div_ceil(100))
        };
        // The conversion drops what is no number, cuts at zero and at the greatest number, and is exact in between.
        let of_capacity = || max_capacity.map(|dpus| dpus.ceil() as u64);
        let dpus = of_workers().or_else(of_capacity).filter(|dpus| *dpus > 0);
        let unknown_worker_type = worker_type.filter(|_| worker.is_none()).map(str::to_owned);
        Self { dpus, unknown_worker_type }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(worker_type: Option<&str>, workers: Option<i32>, max_capacity: Option<f64>, dpus: Option<u64>) {
        let capacity = Capacity::read(worker_type, workers, max_capacity);
        assert_eq!(capacity.dpus, dpus, "{workers:?} of {worker_type:?}, at most {max_capacity:?}");
    }

    #[test]
    fn workers_have_the_dpus_of_their_type() {
        check(Some("G.025X"), Some(4), None, Some(1));
        check(Some("G.025X"), Some(5), None, Some(2));
        check(Some("Standard"), Some(3), None, Some(3));
        check(Some("G.1X"), Some(5), Some(99.0), Some(5));
        check(Some("G.2X"), Some(5), None, Some(10));
        check(Some("G.4X"), Some(5), None, Some(20));
        check(Some("G.8X"), Some(5), None, Some(40));
        check(Some("G.12X"), Some(5), None, Some(60));
        check(Some("G.16X"), Some(5), None, Some(80));
        check(Some("R.1X"), Some(5), None, Some(5));
        check(Some("R.2X"), Some(5), None, Some(10));
        check(Some("R.4X"), Some(5), None, Some(20));
        check(Some("R.8X"), Some(5), None, Some(40));
        check(Some("Z.2X"), Some(5), None, Some(10));
    }

    #[test]
    fn without_workers_the_capacity_counts_and_a_fraction_is_one() {
        check(None, None, Some(10.0), Some(10));
        check(None, None, Some(0.0625), Some(1));
        check(None, None, Some(2.5), Some(3));
        check(Some("Standard"), None, Some(4.0), Some(4));
        check(Some("G.1X"), Some(-1), Some(4.0), Some(4));
    }

    #[test]
    fn what_is_not_told_is_not_guessed() {
        check(None, None, None, None);
        check(None, Some(5), None, None);
        check(None, None, Some(0.0), None);
        check(None, None, Some(-1.0), None);
        check(None, None, Some(f64::NAN), None);
        check(None, None, Some(f64::INFINITY), Some(u64::MAX));
    }

    #[test]
    fn an_unknown_worker_type_is_named() {
        let capacity = Capacity::read(Some("G.32X"), Some(2), Some(64.0));
        assert_eq!(capacity, Capacity { dpus: Some(64), unknown_worker_type: Some("G.32X".to_owned()) });
        assert_eq!(Capacity::read(Some("G.1X"), Some(2), None).unknown_worker_type, None);
    }
}
