//! How large a session or a job run is: its workers, and the data processing units (DPUs) they make.

use std::time::Duration;

use serde_json::{Map, Value};

use super::invalid;
use crate::clock;
use crate::input::Input;
use crate::protocol::AwsError;

/// A DPU in the parts counted here: the smallest there is, a Python shell's, is a sixteenth.
const DPU: u64 = 10_000;
/// The DPUs of what names no size: the default of the members `MaxCapacity` of sessions and job runs.
const DEFAULT: u64 = 10 * DPU;
/// The worker types AWS documents, each with its DPUs; of `R` and `Z` they are the memory-optimised ones.
const WORKER_TYPES: [(&str, u64); 13] = [
    ("G.025X", DPU / 4),
    ("Standard", DPU),
    ("G.1X", DPU),
    ("G.2X", 2 * DPU),
    ("G.4X", 4 * DPU),
    ("G.8X", 8 * DPU),
    ("G.12X", 12 * DPU),
    ("G.16X", 16 * DPU),
    ("R.1X", DPU),
    ("R.2X", 2 * DPU),
    ("R.4X", 4 * DPU),
    ("R.8X", 8 * DPU),
    ("Z.2X", 2 * DPU),
];

/// The size of a session or a job run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Size {
    /// Type and number, when that is how the size was given.
    pub(super) workers: Option<(String, u32)>,
    parts: u64,
}

impl Default for Size {
    fn default() -> Size {
        Size { workers: None, parts: DEFAULT }
    }
}

impl Size {
    /// So many workers of a type; one that AWS does not document counts as one DPU.
    pub(super) fn of_workers(worker_type: &str, number: u32) -> Size {
        let each = WORKER_TYPES.iter().find(|(name, _)| *name == worker_type).map_or(DPU, |(_, parts)| *parts);
        Size { workers: Some((worker_type.to_owned(), number)), parts: each.saturating_mul(number.into()) }
    }

    /// The size a request asks for, if it asks for one.
    pub(super) fn read(input: Input<'_>) -> Result<Option<Size>, AwsError> {
        let worker_type = input.text("WorkerType", 0..=usize::MAX)?;
        let number = input.integer("NumberOfWorkers", 1..=i64::from(u32::MAX))?.and_then(|n| u32::try_from(n).ok());
        let capacity = match input.member("MaxCapacity") {
            None => None,
            Some(Value::Number(number)) => Some(parts_of(number.as_f64().unwrap_or_default())?),
            Some(_) => return Err(AwsError::serialization(Some("STRING_VALUE can not be converted to a Double"))),
        };
        if let Some(unknown) = worker_type.filter(|asked| WORKER_TYPES.iter().all(|(name, _)| name != asked)) {
            let known: Vec<&str> = WORKER_TYPES.iter().map(|(name, _)| *name).collect();
            return Err(invalid(&format!(
                "1 validation error detected: Value '{unknown}' at 'workerType' failed to satisfy constraint: \
                 Member must satisfy enum value set: [{}]",
                known.join(", ")
            )));
        }
        match (worker_type, number, capacity) {
            (None, None, None) => Ok(None),
            (None, None, Some(parts)) => Ok(Some(Size { workers: None, parts })),
            (Some(worker_type), Some(number), None) => Ok(Some(Size::of_workers(worker_type, number))),
            (_, _, Some(_)) => {
                Err(invalid("Please do not set Max Capacity if using Worker Type and Number of Workers."))
            }
            (_, _, None) => Err(invalid("Please set both Worker Type and Number of Workers.")),
        }
    }

    /// Adds the members sessions, jobs and job runs have in common.
    pub(super) fn describe(&self, members: &mut Map<String, Value>) {
        members.insert("MaxCapacity".to_owned(), decimal(self.parts, 4));
        if let Some((worker_type, number)) = &self.workers {
            members.insert("WorkerType".to_owned(), worker_type.as_str().into());
            members.insert("NumberOfWorkers".to_owned(), (*number).into());
        }
    }

    /// The same in whole DPUs, as jobs and their runs still carry it.
    pub(super) fn allocated_capacity(&self) -> u64 {
        self.parts / DPU
    }

    /// What running for so long has consumed: seconds times DPUs.
    pub(super) fn dpu_seconds(&self, ran: Duration) -> Value {
        decimal(clock::millis(ran).saturating_mul(self.parts) / DPU, 3)
    }
}

fn parts_of(dpus: f64) -> Result<u64, AwsError> {
    // Read from its text, so that no rounding of a multiplication shows up in the answers.
    let parts = format!("{dpus:.4}").replace('.', "").parse().ok().filter(|parts| *parts > 0);
    parts.ok_or_else(|| invalid("Max Capacity must be greater than 0."))
}

/// A number with `digits` digits behind its point, out of a whole number of the last one.
pub(super) fn decimal(parts: u64, digits: u32) -> Value {
    let unit = 10_u64.pow(digits);
    let width = usize::try_from(digits).unwrap_or_default();
    format!("{}.{:0width$}", parts / unit, parts % unit).parse::<f64>().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(asked: Value, expected: Result<Option<Value>, &str>) {
        let Value::Object(members) = &asked else { panic!("{asked} is no object") };
        let found = Size::read(Input::new(members, invalid));
        match (found, expected) {
            (Ok(None), Ok(None)) => {}
            (Ok(Some(size)), Ok(Some(expected))) => {
                let mut members = Map::new();
                size.describe(&mut members);
                assert_eq!(Value::Object(members), expected, "{asked}");
            }
            (Err(error), Err(code)) => assert_eq!(error.code, code, "{asked}"),
            (found, expected) => panic!("{asked}: expected {expected:?}, found {found:?}"),
        }
    }

    #[test]
    fn a_size_is_given_by_workers_or_by_capacity() {
        let workers = |kind: &str, number: u32| json!({ "WorkerType": kind, "NumberOfWorkers": number });
        let described = |capacity: f64, kind: &str, number: u32| {
            Ok(Some(json!({ "MaxCapacity": capacity, "WorkerType": kind, "NumberOfWorkers": number })))
        };
        check(json!({}), Ok(None));
        check(workers("G.1X", 10), described(10.0, "G.1X", 10));
        check(workers("G.025X", 3), described(0.75, "G.025X", 3));
        check(workers("G.8X", 2), described(16.0, "G.8X", 2));
        check(json!({ "MaxCapacity": 2 }), Ok(Some(json!({ "MaxCapacity": 2.0 }))));
        check(json!({ "MaxCapacity": 0.0625 }), Ok(Some(json!({ "MaxCapacity": 0.0625 }))));
        for wrong in [
            workers("G.3X", 2),
            workers("G.1X", 0),
            json!({ "WorkerType": "G.1X" }),
            json!({ "NumberOfWorkers": 2 }),
            json!({ "MaxCapacity": 0 }),
            json!({ "MaxCapacity": -1.5 }),
            json!({ "MaxCapacity": 2, "WorkerType": "G.1X", "NumberOfWorkers": 2 }),
        ] {
            check(wrong, Err("InvalidInputException"));
        }
        check(json!({ "MaxCapacity": "2" }), Err("SerializationException"));
    }

    #[test]
    fn consumption_is_time_times_size() {
        let size = Size::of_workers("G.025X", 2);
        assert_eq!(size.dpu_seconds(Duration::from_millis(1_500)), json!(0.75));
        assert_eq!(Size::default().dpu_seconds(Duration::from_secs(60)), json!(600.0));
    }
}
