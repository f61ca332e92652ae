//! Cost exports: deliveries into the hub's bucket as AWS Data Exports makes them (CUR 2.0), and the table over them that
//! the hub's Athena reads.
//!
//! `Stage::deploy_hub` makes the bucket and the table before the stack, so that every hub of the stage has them.

mod columns;
mod files;

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time};
use serde_json::{Value, json};

use crate::{Account, Hub, StageError};

/// The bucket that exports are delivered into.
pub const BUCKET: &str = "cost-exports";
/// What every key of the export begins with.
pub const PREFIX: &str = "cur/sandboxes/";
/// The bucket of Athena's results.
pub const RESULTS: &str = "cost-exports-results";
/// Athena's workgroup, whose results are in that bucket.
pub const WORKGROUP: &str = "cost-exports";
/// The database of the table.
pub const DATABASE: &str = "cost_exports";
/// The table over all months of the export.
pub const TABLE: &str = "sandboxes";

/// What the hub's template is told of all this.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("ExportBucket", BUCKET),
    ("ExportPrefix", PREFIX),
    ("AthenaWorkgroup", WORKGROUP),
    ("AthenaDatabase", DATABASE),
    ("AthenaTable", TABLE),
    ("AthenaResultsBucket", RESULTS),
];

/// The name of the export, with which its manifests and files begin.
const NAME: &str = "sandboxes";

/// One line of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    account: String,
    service: String,
    owner: Option<String>,
    day: Date,
    until: DateTime,
    kind: String,
    cost: String,
    used: Option<(String, String)>,
    currency: String,
}

impl Line {
    /// Usage of a service, such as `AmazonSageMaker`, over a whole day: by nobody known, in no unit, in USD. The cost is
    /// a number as text; a Parquet file has it as the nearest `DOUBLE`.
    pub fn new(account: &str, service: &str, day: Date, cost: &str) -> Self {
        Self {
            account: account.to_owned(),
            service: service.to_owned(),
            owner: None,
            day,
            until: day.tomorrow().unwrap_or(day).to_datetime(Time::midnight()),
            kind: "Usage".to_owned(),
            cost: cost.to_owned(),
            used: None,
            currency: "USD".to_owned(),
        }
    }

    /// The same, of a resource whose tag `owner` says this.
    #[must_use]
    pub fn by(mut self, owner: &str) -> Self {
        self.owner = Some(owner.to_owned());
        self
    }

    /// The same as another type of line item, such as `Tax`.
    #[must_use]
    pub fn of_kind(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.kind);
        self
    }

    /// The same for so much in a unit, such as 4.5 `Hrs`.
    #[must_use]
    pub fn used(mut self, amount: &str, unit: &str) -> Self {
        self.used = Some((amount.to_owned(), unit.to_owned()));
        self
    }

    /// The same ending at this moment of UTC instead of at the end of the day.
    #[must_use]
    pub fn until(mut self, end: DateTime) -> Self {
        self.until = end;
        self
    }

    /// The same in another currency.
    #[must_use]
    pub fn in_currency(mut self, currency: &str) -> Self {
        currency.clone_into(&mut self.currency);
        self
    }
}

/// What one refresh of the export brings for a month: all of its lines so far.
#[derive(Clone, Debug)]
pub struct Delivery {
    month: Date,
    version: String,
    lines: Vec<Line>,
    files: usize,
    csv: bool,
}

impl Delivery {
    /// A delivery for the month that a day is in, of one Parquet file. `version` tells it from others of that month: the
    /// export's execution id.
    pub fn new(month: Date, version: &str, lines: Vec<Line>) -> Self {
        Self { month: month.first_of_month(), version: version.to_owned(), lines, files: 1, csv: false }
    }

    /// The same in so many files, the lines in turn.
    #[must_use]
    pub fn in_files(mut self, files: usize) -> Self {
        self.files = files.max(1);
        self
    }

    /// The same as CSV, compressed with gzip.
    #[must_use]
    pub fn as_csv(mut self) -> Self {
        self.csv = true;
        self
    }

    /// The keys of the files and what is in them.
    ///
    /// # Errors
    /// When a cost or an amount is no number.
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>, StageError> {
        let failed =
            |fault: files::Fault| StageError::Call { what: "writing an export".to_owned(), message: fault.to_string() };
        let write = if self.csv { files::csv } else { files::parquet };
        let numbered = self.keys().into_iter().enumerate();
        let lines_of = |number| self.lines.iter().skip(number).step_by(self.files).collect::<Vec<_>>();
        numbered.map(|(number, key)| Ok((key, write(self.month, &lines_of(number)).map_err(failed)?))).collect()
    }

    /// The key of the manifest and what is in it.
    pub fn manifest(&self) -> (String, Vec<u8>) {
        let files: Vec<String> = self.keys().iter().map(|key| format!("s3://{BUCKET}/{key}")).collect();
        let columns: Vec<Value> = columns::ALL
            .iter()
            .map(|column| json!({"name": column.name, "type": column.kind.in_catalogue()}))
            .collect();
        let manifest = json!({
            "executionId": self.version,
            "exportArn": format!("arn:aws:bcm-data-exports:us-east-1:000000000000:export/{NAME}"),
            "exportName": NAME,
            "dataFiles": files,
            "columns": columns,
        });
        (format!("{PREFIX}metadata/{}/{NAME}-Manifest.json", self.partition()), manifest.to_string().into_bytes())
    }

    fn keys(&self) -> Vec<String> {
        let kind = if self.csv { "csv.gz" } else { "snappy.parquet" };
        (1..=self.files).map(|number| format!("{}{NAME}-{number:05}.{kind}", self.folder())).collect()
    }

    fn folder(&self) -> String {
        format!("{PREFIX}data/{}/", self.partition())
    }

    fn partition(&self) -> String {
        format!("BILLING_PERIOD={}", self.month.strftime("%Y-%m"))
    }
}

impl Hub {
    /// Lets a delivery land as AWS does: the files first, what former deliveries of the month left over is removed, the
    /// manifest last.
    ///
    /// # Errors
    /// When a cost is no number, or an object is refused.
    pub fn deliver(&self, delivery: &Delivery) -> Result<(), StageError> {
        self.put_files(delivery)?;
        let of_this: BTreeSet<String> = delivery.keys().into_iter().collect();
        for key in self.account.keys(BUCKET, &delivery.folder())? {
            if !of_this.contains(&key) {
                self.account.delete_object(BUCKET, &key)?;
            }
        }
        self.put_manifest(delivery)
    }

    /// Puts only the files of a delivery; one whose files are exports by themselves is complete with this.
    ///
    /// # Errors
    /// When a cost is no number, or an object is refused.
    pub fn put_files(&self, delivery: &Delivery) -> Result<(), StageError> {
        delivery.files()?.into_iter().try_for_each(|(key, content)| self.account.put_object(BUCKET, &key, content))
    }

    /// Puts only the manifest of a delivery, as often as asked.
    ///
    /// # Errors
    /// When it is refused.
    pub fn put_manifest(&self, delivery: &Delivery) -> Result<(), StageError> {
        let (key, content) = delivery.manifest();
        self.account.put_object(BUCKET, &key, content)
    }
}

/// Makes the buckets, the workgroup and the table in the account that becomes the hub.
pub(crate) fn prepare(account: &Account) -> Result<(), StageError> {
    account.create_bucket(BUCKET)?;
    account.announce_objects(BUCKET, true)?;
    account.create_bucket(RESULTS)?;
    let results = json!({"OutputLocation": format!("s3://{RESULTS}/")});
    let settings = json!({"EnforceWorkGroupConfiguration": true, "ResultConfiguration": results});
    let workgroup = json!({"Name": WORKGROUP, "Configuration": settings});
    account.json("athena", "AmazonAthena.CreateWorkGroup", &workgroup)?;
    account.json("glue", "AWSGlue.CreateDatabase", &json!({"DatabaseInput": {"Name": DATABASE}}))?;
    account.json("glue", "AWSGlue.CreateTable", &json!({"DatabaseName": DATABASE, "TableInput": table()})).map(drop)
}

/// The table as operators make it for CUR 2.0: its partitions are worked out from the month that is asked for.
fn table() -> Value {
    let columns: Vec<Value> =
        columns::ALL.iter().map(|column| json!({"Name": column.name, "Type": column.kind.in_catalogue()})).collect();
    let location = format!("s3://{BUCKET}/{PREFIX}data/");
    let formats = "org.apache.hadoop.hive.ql.io.parquet";
    json!({
        "Name": TABLE,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": "billing_period", "Type": "string"}],
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": "parquet",
            "projection.enabled": "true",
            "projection.billing_period.type": "date",
            "projection.billing_period.format": "yyyy-MM",
            "projection.billing_period.range": "2020-01,NOW",
            "projection.billing_period.interval": "1",
            "projection.billing_period.interval.unit": "MONTHS",
            "storage.location.template": format!("{location}BILLING_PERIOD=${{billing_period}}/"),
        },
        "StorageDescriptor": {
            "Location": location,
            "Columns": columns,
            "InputFormat": format!("{formats}.MapredParquetInputFormat"),
            "OutputFormat": format!("{formats}.MapredParquetOutputFormat"),
            "SerdeInfo": {"SerializationLibrary": format!("{formats}.serde.ParquetHiveSerDe")},
        },
    })
}
