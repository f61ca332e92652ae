//! `guardrails spend summarise`: what files of a cost export add up to.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use clap::builder::styling::Style;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use comfy_table::Cell;
use guardrail::{Amount, Currency};
use jiff::civil::Date;
use serde::Serialize;
use spend::{Category, Charges, Dimensions, Key, Question, Source, Summary};

use super::files;
use super::progress::Progress;
use super::table::{Group, Sum, Sums};
use crate::answer::{Answer, Exit, Failure, Look, label, lines, pad};

/// Decimals that people are shown at most. AWS gives a line ten; the decimals of binary numbers can be hundreds.
const SHOWN: u8 = 10;

const EXAMPLES: &str = "\
Examples:
  guardrails spend summarise BILLING_PERIOD=2026-11/*.parquet
  guardrails spend summarise november/ --by service --exclude tax,support,credit
  guardrails spend summarise focus.csv.gz --charges amortized --by day
  guardrails spend summarise *.parquet --by owner --owner-tag cost-owner \\
    --json | jq -r '.rows[] | [.key, .amount] | @tsv'

Files are CUR 2.0, legacy CUR or FOCUS 1.0 to 1.2, each as Parquet or CSV, told
by what they hold. Of a folder, everything below that ends with `.parquet`,
`.csv.gz` or `.csv` is read. Every delivery of an export restates its month, so
files of two deliveries of one month must not be given together.

`--json` prints `currency`, `period` (`2026-11`, or `2026-10/2026-11`), `total`,
and `rows` of `key` and `amount`, by key. Amounts are exact decimal numbers, as
text. What a line does not tell has the key \"\".

Exit codes:
  0  the sums are printed
  2  there are none: usage, an unreadable file, a file that is no cost export or
     is damaged, amounts of several currencies";

/// Sum up files of a cost export, exactly
///
/// Every line counts unless `--exclude` says otherwise: taxes, credits and refunds too.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Summarise {
    /// Files of an export, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The cost that counts
    #[arg(long, default_value = Charges::default().as_str(), value_parser = charges())]
    charges: Charges,

    /// Kinds of lines to leave out, between commas
    #[arg(long, value_delimiter = ',', value_name = "KIND", value_parser = categories())]
    exclude: Vec<Category>,

    /// What the sums are of
    #[arg(long, default_value = "account")]
    by: By,

    /// The key of the tag that names an owner, for `--by owner`
    #[arg(long, value_name = "KEY", default_value = "owner")]
    owner_tag: String,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What sums are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// The account that used it
    Account,
    /// The service, as the export names it
    Service,
    /// The day on which the usage began, in UTC
    Day,
    /// The value of the owner's tag
    Owner,
}

impl By {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Service => "service",
            Self::Day => "day",
            Self::Owner => "owner",
        }
    }
}

/// Reads which cost counts, and offers all there are.
fn charges() -> impl TypedValueParser<Value = Charges> {
    let offered = Charges::ALL.map(|charges| {
        PossibleValue::new(charges.as_str()).help(match charges {
            Charges::Unblended => "What was billed on the day: upfront fees in full, covered usage at nothing",
            Charges::NetUnblended => "The same after discounts",
            Charges::Amortized => "Fees of commitments spread over the usage that they cover",
            Charges::NetAmortized => "The same after discounts",
        })
    });
    PossibleValuesParser::new(offered).try_map(|word| word.parse::<Charges>())
}

/// Reads a kind of lines, and offers all there are.
fn categories() -> impl TypedValueParser<Value = Category> {
    PossibleValuesParser::new(Category::ALL.map(Category::as_str)).try_map(|word| word.parse::<Category>())
}

impl Summarise {
    pub(crate) fn run(&self, look: Look) -> Result<Answer, Failure> {
        let files = files::open(&self.files)?;
        let files: Vec<&dyn Source> = files.iter().map(|file| file as &dyn Source).collect();
        let question = self.question();
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let progress = Progress::new(files.iter().map(|file| file.len()).sum());
        let summary = spend::summarise(&files, &question, threads, &|bytes| progress.advance(bytes))?;
        drop(progress);
        let report = Report::of(&summary, self.by);
        Ok(match self.json {
            true => Answer::json(&report, Exit::Good),
            false => Answer::new(self.text(report, (files.len(), summary.lines), look), Exit::Good),
        })
    }

    /// The sums for people, the largest first, and below them what they are the sums of.
    fn text(&self, report: Report, read: (usize, u64), look: Look) -> String {
        let Report { currency, period, total, mut rows } = report;
        let rounded = rows.iter().any(|row| row.amount.rounded(SHOWN) != row.amount);
        if self.by != By::Day {
            // The sort keeps those that are equal by key.
            rows.sort_by(|a, b| b.amount.cmp(&a.amount));
        }
        let charges = self.charges.as_str().replace('_', " ");
        let in_period = period.map(|period| format!(" in {}", period.replace('/', " to "))).unwrap_or_default();
        let heading = format!("{charges} cost by {}{in_period}", self.by.as_str());
        let mut text = look.paint(Style::new().bold(), heading) + "\n\n";
        if !rows.is_empty() {
            let groups = vec![Group { what: self.by.as_str(), sums: rows }];
            let sums = Sums { groups, currency, total: &total, with_total: true, decimals: SHOWN, indent: 0 };
            text += &(sums.text(look) + "\n");
        }
        text + &self.told(read, rounded, look)
    }

    /// What was counted and what was read.
    fn told(&self, (files, lines_read): (usize, u64), rounded: bool, look: Look) -> String {
        let left_out: Vec<_> = self.question().exclude.into_iter().map(Category::as_str).collect();
        let left_out = if left_out.is_empty() { "nothing".to_owned() } else { left_out.join(", ") };
        let mut told = vec![("left out", left_out), ("lines", lines_read.to_string()), ("files", files.to_string())];
        if rounded {
            told.push(("rounded", format!("to {SHOWN} decimals; `--json` prints every one")));
        }
        let mut table = look.table();
        for (name, value) in told {
            table.add_row([label(name), Cell::new(value)]);
        }
        pad(&mut table, (0, 2));
        lines(&table)
    }

    fn question(&self) -> Question {
        Question {
            charges: self.charges,
            exclude: self.exclude.iter().copied().collect(),
            by: Dimensions {
                account: self.by == By::Account,
                service: self.by == By::Service,
                owner: self.by == By::Owner,
                day: self.by == By::Day,
            },
            owner_tag: self.owner_tag.clone(),
            usage: false,
        }
    }
}

/// The answer as JSON. Fields are added, never renamed: scripts read them.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Report {
    /// `None` where there is no line.
    currency: Option<Currency>,
    /// The billing month, or the first and the last of several; `None` where no line tells.
    period: Option<String>,
    total: Amount,
    /// By key.
    rows: Vec<Sum>,
}

impl Report {
    fn of(summary: &Summary, by: By) -> Self {
        let mut rows: BTreeMap<String, Amount> = BTreeMap::new();
        for (Key { account, service, owner, day }, amount) in &summary.sums {
            let key = match by {
                By::Account => account.clone(),
                By::Service => service.clone(),
                By::Owner => owner.clone(),
                By::Day => day.as_ref().map(Date::to_string).unwrap_or_default(),
            };
            *rows.entry(key).or_default() += amount;
        }
        Self {
            currency: summary.currency,
            period: period(summary.months.iter()),
            total: summary.total(),
            rows: rows.into_iter().map(|(key, amount)| Sum { key, amount }).collect(),
        }
    }
}

/// `2026-11`, or `2026-10/2026-11` from the first to the last of several months.
fn period<'a>(mut months: impl DoubleEndedIterator<Item = &'a Date>) -> Option<String> {
    let month = |date: &Date| date.strftime("%Y-%m").to_string();
    let first = months.next()?;
    Some(match months.next_back() {
        None => month(first),
        Some(last) => format!("{}/{}", month(first), month(last)),
    })
}
