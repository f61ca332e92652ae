//! What the two functions are told: the hub, its tables, the export and which charges count.

use std::collections::BTreeSet;
use std::str::FromStr;

use guardrail::Sandbox;
use lambda::settings::Environment;
use spend::{Category, Charges};

use crate::deliveries::{Counted, Kind};

/// The name that the hub goes by where it speaks of itself.
const HUB: &str = "hub";

/// Exports of more megabytes are asked of Athena, where nobody says otherwise.
const ATHENA_ABOVE_MB: u64 = 2048;

/// What spend-meter is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterSettings {
    /// The hub itself.
    pub hub: Sandbox,
    /// The AWS partition of hub and sandboxes, such as `aws`.
    pub partition: String,
    /// The name of the guardrail bus, which is the same in every account.
    pub bus: String,
    /// The name of the table of spend.
    pub table: String,
    /// The name of the console's table.
    pub console_table: String,
    /// The bucket that the cost export lands in.
    pub bucket: String,
    /// What the export's keys begin with; empty where everything in the bucket is the export's.
    pub prefix: String,
    /// How deliveries come.
    pub kind: Kind,
    /// Which charges count.
    pub counted: Counted,
    /// Deliveries of more bytes are asked of Athena.
    pub athena_above: u64,
    /// Where Athena is asked; none where it is not set up.
    pub athena: Option<AthenaSettings>,
}

/// Where Athena is asked for what is too large to be read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AthenaSettings {
    /// The workgroup, whose results lie in a bucket.
    pub workgroup: String,
    /// The database of the table.
    pub database: String,
    /// The table over the export's files.
    pub table: String,
}

/// What spend-enforce is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnforceSettings {
    /// The hub itself.
    pub hub: Sandbox,
    /// The AWS partition of hub and sandboxes, such as `aws`.
    pub partition: String,
    /// The name of the guardrail bus, which is the same in every account.
    pub bus: String,
    /// The name of the table of spend.
    pub table: String,
    /// The name of the console's table.
    pub console_table: String,
}

impl EnforceSettings {
    /// The environment keys read, beside Lambda's own; a test holds the template to them.
    pub const KEYS: &[&str] = &["HUB_ACCOUNT", "PARTITION", "GUARDRAIL_BUS", "SPEND_TABLE", "CONSOLE_TABLE"];

    /// Reads them.
    pub fn read<F: Fn(&str) -> Option<String>>(environment: &mut Environment<F>) -> Option<Self> {
        let account = environment.text("HUB_ACCOUNT");
        let region = environment.text("AWS_REGION");
        let partition = environment.text("PARTITION");
        let bus = environment.text("GUARDRAIL_BUS");
        let table = environment.text("SPEND_TABLE");
        let console_table = environment.text("CONSOLE_TABLE");
        Some(Self {
            hub: Sandbox { account: account?, region: region?, alias: HUB.to_owned() },
            partition: partition?,
            bus: bus?,
            table: table?,
            console_table: console_table?,
        })
    }
}

impl MeterSettings {
    /// The environment keys read, beside Lambda's own; a test holds the template to them.
    pub const KEYS: &[&str] = &[
        "HUB_ACCOUNT",
        "PARTITION",
        "GUARDRAIL_BUS",
        "SPEND_TABLE",
        "CONSOLE_TABLE",
        "EXPORT_BUCKET",
        "EXPORT_PREFIX",
        "EXPORT_DELIVERY",
        "CHARGES",
        "EXCLUDE",
        "OWNER_TAG",
        "ATHENA_ABOVE_MB",
        "ATHENA_WORKGROUP",
        "ATHENA_DATABASE",
        "ATHENA_TABLE",
    ];

    /// Reads them.
    pub fn read<F: Fn(&str) -> Option<String>>(environment: &mut Environment<F>) -> Option<Self> {
        let common = EnforceSettings::read(environment);
        let bucket = environment.text("EXPORT_BUCKET");
        let prefix = environment.optional("EXPORT_PREFIX").unwrap_or_default();
        let kind = environment.parsed("EXPORT_DELIVERY", "`manifest` or `single-file`").map(|Delivered(kind)| kind);
        let charges = environment.parsed("CHARGES", one_of(&Charges::ALL.map(Charges::as_str)));
        let categories = one_of(&Category::ALL.map(Category::as_str));
        let exclude = environment.parsed("EXCLUDE", format!("`none`, or a list with commas of {categories}"));
        let owner_tag = environment.text("OWNER_TAG");
        let athena_above = match environment.optional("ATHENA_ABOVE_MB") {
            Some(_) => environment.parsed("ATHENA_ABOVE_MB", "a whole number of megabytes"),
            None => Some(ATHENA_ABOVE_MB),
        };
        let athena = AthenaSettings::read(environment);
        let EnforceSettings { hub, partition, bus, table, console_table } = common?;
        Some(Self {
            hub,
            partition,
            bus,
            table,
            console_table,
            bucket: bucket?,
            prefix,
            kind: kind?,
            counted: Counted { charges: charges?, exclude: exclude.map(|Excluded(set)| set)?, owner_tag: owner_tag? },
            athena_above: athena_above?.saturating_mul(1 << 20),
            athena: athena?,
        })
    }
}

impl AthenaSettings {
    /// Reads all of them, or that there are none.
    fn read<F: Fn(&str) -> Option<String>>(environment: &mut Environment<F>) -> Option<Option<Self>> {
        const KEYS: [&str; 3] = ["ATHENA_WORKGROUP", "ATHENA_DATABASE", "ATHENA_TABLE"];
        if KEYS.iter().all(|key| environment.optional(key).is_none()) {
            return Some(None);
        }
        let [workgroup, database, table] = KEYS.map(|key| environment.text(key));
        Some(Some(Self { workgroup: workgroup?, database: database?, table: table? }))
    }
}

fn one_of(words: &[&str]) -> String {
    format!("`{}`", words.join("`, `"))
}

/// How deliveries come, as the setting says it.
struct Delivered(Kind);

impl FromStr for Delivered {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "manifest" => Ok(Self(Kind::Manifest)),
            "single-file" => Ok(Self(Kind::SingleFile)),
            _ => Err(()),
        }
    }
}

/// What is left out, as the setting says it.
struct Excluded(BTreeSet<Category>);

impl FromStr for Excluded {
    type Err = spend::question::UnknownWord;

    fn from_str(words: &str) -> Result<Self, Self::Err> {
        if words.trim() == "none" {
            return Ok(Self(BTreeSet::new()));
        }
        words.split(',').map(|word| word.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests;
