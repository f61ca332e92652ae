//! Small cost exports, written where a test asks for them.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use parquet::basic::Compression as Codec;
use parquet::column::writer::ColumnWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use tempfile::TempDir;

/// A folder of exports that is gone when the test is over.
pub(crate) struct Exports(TempDir);

/// A line of an export.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) account: &'static str,
    pub(crate) service: &'static str,
    pub(crate) owner: &'static str,
    pub(crate) kind: &'static str,
    /// The day and the first of its month, as `2026-11-03`.
    pub(crate) day: &'static str,
    pub(crate) cost: &'static str,
    pub(crate) currency: &'static str,
}

/// Usage of one account, on the third of November.
pub(crate) const LINE: Line = Line {
    account: "111122223333",
    service: "AmazonSageMaker",
    owner: "ana@bank.example",
    kind: "Usage",
    day: "2026-11-03",
    cost: "12.5",
    currency: "USD",
};

/// The columns of the legacy report that are in use here.
const LEGACY: [&str; 10] = [
    "bill/BillingPeriodStartDate",
    "lineItem/UsageAccountId",
    "lineItem/LineItemType",
    "lineItem/UsageStartDate",
    "lineItem/UsageEndDate",
    "lineItem/ProductCode",
    "lineItem/CurrencyCode",
    "lineItem/UnblendedCost",
    "lineItem/NetUnblendedCost",
    "resourceTags/user:owner",
];

impl Line {
    fn month(&self) -> String {
        let (month, _) = self.day.rsplit_once('-').unwrap();
        format!("{month}-01T00:00:00Z")
    }
}

impl Exports {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where a file of this name lies, or would.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same, as an argument.
    pub(crate) fn named(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
        self.named(name)
    }

    /// Writes a legacy report in CSV.
    pub(crate) fn csv(&self, name: &str, lines: &[Line]) -> String {
        self.file(name, csv(&LEGACY, lines).as_bytes())
    }

    /// Writes a legacy report in CSV without one of its columns.
    pub(crate) fn csv_without(&self, column: &str, name: &str, lines: &[Line]) -> String {
        let columns: Vec<&str> = LEGACY.into_iter().filter(|other| *other != column).collect();
        self.file(name, csv(&columns, lines).as_bytes())
    }

    /// Writes a legacy report in compressed CSV.
    pub(crate) fn csv_gz(&self, name: &str, lines: &[Line]) -> String {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(csv(&LEGACY, lines).as_bytes()).unwrap();
        self.file(name, &encoder.finish().unwrap())
    }

    /// Writes a report in Parquet, as AWS does: costs as binary numbers, times as milliseconds.
    pub(crate) fn parquet(&self, name: &str, lines: &[Line]) -> String {
        let schema = "message report {
            required int64 bill_billing_period_start_date (TIMESTAMP(MILLIS, true));
            required binary line_item_usage_account_id (UTF8);
            required binary line_item_line_item_type (UTF8);
            required int64 line_item_usage_start_date (TIMESTAMP(MILLIS, true));
            required binary line_item_product_code (UTF8);
            required binary line_item_currency_code (UTF8);
            required double line_item_unblended_cost;
        }";
        let properties = WriterProperties::builder().set_compression(Codec::SNAPPY).build();
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let times: [fn(&Line) -> String; 2] = [Line::month, |line| format!("{}T00:00:00Z", line.day)];
        let texts: [fn(&Line) -> &'static str; 4] =
            [|line| line.account, |line| line.kind, |line| line.service, |line| line.currency];
        let (mut times, mut texts) = (times.into_iter(), texts.into_iter());
        while let Some(mut column) = group.next_column().unwrap() {
            let written = match column.untyped() {
                ColumnWriter::Int64ColumnWriter(writer) => {
                    let time = times.next().unwrap();
                    let instant = |line| time(line).parse::<Timestamp>().unwrap().as_millisecond();
                    writer.write_batch(&lines.iter().map(instant).collect::<Vec<_>>(), None, None)
                }
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    let text = texts.next().unwrap();
                    writer.write_batch(&lines.iter().map(|line| text(line).into()).collect::<Vec<_>>(), None, None)
                }
                ColumnWriter::DoubleColumnWriter(writer) => {
                    let cost = |line: &Line| line.cost.parse().unwrap();
                    writer.write_batch(&lines.iter().map(cost).collect::<Vec<_>>(), None, None)
                }
                _ => unreachable!("the schema has no other columns"),
            };
            assert_eq!(written.unwrap(), lines.len());
            column.close().unwrap();
        }
        group.close().unwrap();
        let bytes = writer.into_inner().unwrap();
        self.file(name, &bytes)
    }
}

fn csv(columns: &[&str], lines: &[Line]) -> String {
    let value = |line: &Line, column: &str| match column {
        "bill/BillingPeriodStartDate" => line.month(),
        "lineItem/UsageAccountId" => line.account.to_owned(),
        "lineItem/LineItemType" => line.kind.to_owned(),
        "lineItem/UsageStartDate" => format!("{}T00:00:00Z", line.day),
        "lineItem/UsageEndDate" => format!("{}T01:00:00Z", line.day),
        "lineItem/ProductCode" => line.service.to_owned(),
        "lineItem/CurrencyCode" => line.currency.to_owned(),
        "lineItem/UnblendedCost" => line.cost.to_owned(),
        "lineItem/NetUnblendedCost" => "1.5".to_owned(),
        _ => line.owner.to_owned(),
    };
    let mut text = columns.join(",") + "\n";
    for line in lines {
        let values: Vec<_> = columns.iter().map(|column| value(line, column)).collect();
        text += &(values.join(",") + "\n");
    }
    text
}
