//! The manifest of an export: which files belong to a delivery, and what tells one delivery from the next.

use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::fault::{At, Fault, Problem};

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What tells this delivery from others of the same month: the execution's or assembly's id.
    pub version: Option<String>,
    /// The first day of the billing month.
    pub month: Option<Date>,
    /// The bucket of the files, where the manifest names one.
    pub bucket: Option<String>,
    /// The keys of the files, in the manifest's order.
    pub files: Vec<String>,
}

impl Manifest {
    /// Reads the manifest of an export: of CUR 2.0 and FOCUS, which lists `dataFiles` as addresses in S3, or of the
    /// legacy report, which lists `reportKeys`. `key` is where it lies; where the manifest does not say which month it
    /// is of, the key does, as in `…/metadata/BILLING_PERIOD=2026-11/export-Manifest.json`.
    ///
    /// # Errors
    /// When it is neither; the fault says what is missing or wrong, and in which field.
    pub fn parse(json: &[u8], key: &str) -> Result<Self, Fault> {
        let at = At::file(key);
        let unknown = |what: String| at.fault(None, Problem::UnknownFormat(what));
        let manifest: Map<String, Value> =
            serde_json::from_slice(json).map_err(|error| unknown(format!("a manifest is a JSON object: {error}")))?;
        let month = match manifest.get("billingPeriod") {
            None | Some(Value::Null) => month_of_key(key),
            Some(period) => {
                let start = period.get("start").unwrap_or(period);
                let month = start.as_str().and_then(month_of).ok_or_else(|| {
                    at.fault(
                        Some("billingPeriod"),
                        Problem::Value(start.to_string(), "the beginning of a month such as `20261101T000000.000Z`"),
                    )
                })?;
                Some(month)
            }
        };
        let text = |field: &str| manifest.get(field).and_then(Value::as_str).map(str::to_owned);
        let (field, second) = match (manifest.get("dataFiles"), manifest.get("reportKeys")) {
            (Some(_), _) => ("dataFiles", true),
            (None, Some(_)) => ("reportKeys", false),
            (None, None) => {
                let problem = "dataFiles` or `reportKeys".to_owned();
                return Err(at.fault(Some(&problem.clone()), Problem::MissingColumn(problem)));
            }
        };
        let wrong = |found: &Value, expected| at.fault(Some(field), Problem::Value(found.to_string(), expected));
        let listed = manifest.get(field).unwrap_or(&Value::Null);
        let listed = listed.as_array().ok_or_else(|| wrong(listed, "a list of files"))?;
        let mut bucket = text("bucket");
        let mut files = Vec::with_capacity(listed.len());
        for file in listed {
            let name =
                file.as_str().filter(|name| !name.is_empty()).ok_or_else(|| wrong(file, "the name of a file"))?;
            let key = match name.strip_prefix("s3://") {
                None => name,
                Some(address) => {
                    let split = address.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty());
                    let (in_bucket, key) = split.ok_or_else(|| wrong(file, "an address such as `s3://bucket/key`"))?;
                    if bucket.as_deref().is_some_and(|bucket| bucket != in_bucket) {
                        return Err(wrong(file, "a file in the same bucket as the others"));
                    }
                    bucket = Some(in_bucket.to_owned());
                    key
                }
            };
            files.push(key.to_owned());
        }
        let version = text(if second { "executionId" } else { "assemblyId" });
        Ok(Self { version, month, bucket, files })
    }
}

/// The month that a time lies in, such as `2026-11-01T00:00:00.000Z` or `20261101T000000.000Z`.
fn month_of(time: &str) -> Option<Date> {
    let day: String = time.split('T').next()?.chars().filter(|letter| *letter != '-').collect();
    let day = if day.len() == 6 { format!("{day}01") } else { day };
    day.parse::<Date>().ok().map(Date::first_of_month)
}

/// The month that a key names: `BILLING_PERIOD=2026-11` of CUR 2.0 and FOCUS, `20261101-20261201` of the legacy report.
fn month_of_key(key: &str) -> Option<Date> {
    key.split('/').find_map(|part| match part.split_once('=') {
        Some(("BILLING_PERIOD" | "billing_period", month)) => month_of(month),
        Some(_) => None,
        None => {
            let (from, to) = part.split_once('-')?;
            let is_day = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
            if is_day(from) && is_day(to) { month_of(from) } else { None }
        }
    })
}

#[cfg(test)]
mod tests;
