//! The largest exports are asked of Athena, with the same answer to the last digit as the reader's own.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::Path;

use hub_spend::deliveries::{Counted, Read, figures_of};
use hub_spend::figures::Figures;
use jiff::Timestamp;
use jiff::civil::Date;
use spend::{Category, FileSource, Source};
use stage::exports::{Delivery, Line};

use super::{METER, Metered, month, quiet};

/// How charges are counted, as the settings say it: each way gives other figures.
const COUNTED: [(&str, &str, &str); 6] = [
    ("unblended", "none", "owner"),
    ("net_unblended", "none", "owner"),
    ("amortized", "none", "owner"),
    ("net_amortized", "none", "owner"),
    ("unblended", "tax,credit,refund", "owner"),
    ("amortized", "support,fee,discount", "team"),
];

/// A month with every kind of line, and amounts that no binary fraction is.
fn lines(payer: &str, other: &str, month: Date) -> Vec<Line> {
    let kinds = [
        "Usage",
        "Tax",
        "Credit",
        "Refund",
        "Fee",
        "RIFee",
        "DiscountedUsage",
        "SavingsPlanCoveredUsage",
        "SavingsPlanNegation",
        "SavingsPlanRecurringFee",
        "SavingsPlanUpfrontFee",
        "EdpDiscount",
        "PrivateRateDiscount",
        "BundledDiscount",
    ];
    let days = month.series(jiff::Span::new().days(1));
    let mut lines: Vec<Line> = kinds
        .iter()
        .zip(days)
        .enumerate()
        .map(|(number, (kind, day))| {
            let cost = format!("{}.{}1", number * 37, number);
            Line::new(payer, "AmazonSageMaker", day, &cost)
                .of_kind(kind)
                .by("cleo \"O'Brien\", \u{e9}")
                .used("1.5", "Hrs")
        })
        .collect();
    lines.extend([
        Line::new(payer, "AWSGlue", month, "1.81E-8"),
        Line::new(payer, "AWSGlue", month, "0.1").by("ann").used("0.2", "DPU-Hour"),
        Line::new(payer, "AWSGlue", month, "0.2").by("ann").used("0.1", "DPU-Hour"),
        Line::new(payer, "AWSSupportBusiness", month, "29.333333333333332"),
        Line::new(other, "AmazonAthena", month, "-12345.678901234567").of_kind("Credit"),
    ]);
    lines
}

/// What the reader itself says of a delivery's files.
fn read(delivery: &Delivery, month: Date, counted: &Counted, accounts: &BTreeSet<String>) -> BTreeMap<String, Figures> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("asking");
    std::fs::create_dir_all(&folder).unwrap();
    let files = delivery.files().unwrap().into_iter().map(|(key, content)| {
        let path = folder.join(key.rsplit('/').next().unwrap());
        std::fs::write(&path, content).unwrap();
        FileSource::open(&path).unwrap()
    });
    let files: Vec<FileSource> = files.collect();
    let sources: Vec<&dyn Source> = files.iter().map(|file| file as &dyn Source).collect();
    let summary = spend::summarise(&sources, &counted.question(), NonZeroUsize::MIN, &|_| {}).unwrap();
    let read = Read { month, version: "the same".to_owned(), summary };
    figures_of(&read, accounts, Timestamp::UNIX_EPOCH)
}

/// The figures in force of an account.
fn figures(hub: &Metered, account: &str, month: Date) -> Figures {
    let page = format!("spend/figures/{account}/{}", month.strftime("%Y-%m"));
    let item = hub.hub.account.item("sandbox-guardrails-spend", &[("id", &page)]).unwrap().unwrap();
    serde_json::from_str(item["content"].as_str().unwrap()).unwrap()
}

#[test]
fn athena_says_the_same_as_the_reader_however_charges_are_counted() {
    let (hub, _turn) = quiet();
    let (payer, other) = (hub.payer(&[("limit", "1000 USD/month")]), hub.payer(&[]));
    let month = month(1);
    let accounts = BTreeSet::from([payer.clone(), other.clone()]);
    let delivery = Delivery::new(month, "for Athena", lines(&payer, &other, month)).in_files(3);
    hub.land(|hub| hub.deliver(&delivery).unwrap());
    let mut totals = BTreeSet::new();
    for (charges, exclude, owner_tag) in COUNTED {
        let environment =
            [("ATHENA_ABOVE_MB", "0"), ("CHARGES", charges), ("EXCLUDE", exclude), ("OWNER_TAG", owner_tag)];
        hub.hub.account.set_environment(METER, &environment).unwrap();
        hub.sweep().unwrap_or_else(|error| panic!("{charges} without {exclude}: {error}; {}", hub.what_is(&payer)));
        let excluded = exclude.split(',').filter(|word| *word != "none");
        let exclude: BTreeSet<Category> = excluded.map(|word| word.parse().unwrap()).collect();
        let counted = Counted { charges: charges.parse().unwrap(), exclude, owner_tag: owner_tag.to_owned() };
        let expected = read(&delivery, month, &counted, &accounts);
        for account in &accounts {
            let asked = figures(hub, account, month);
            let read = &expected[account];
            let parts = |figures: &Figures| {
                let Figures { services, owners, usage, currency, covered_until, .. } = figures.clone();
                (services, owners, usage, currency, covered_until)
            };
            assert_eq!(parts(&asked), parts(read), "{counted}");
            let told = hub.await_spent(account, month, &read.total().to_string());
            assert_eq!(told.services.iter().map(|share| share.amount.clone()).sum::<guardrail::Amount>(), read.total());
        }
        totals.insert(expected[&payer].total().to_string());
    }
    assert!(totals.len() >= 4, "the ways to count differ: {totals:?}");
    let asked = hub.hub.account.keys(stage::exports::RESULTS, "").unwrap();
    assert!(asked.len() >= COUNTED.len(), "{asked:?}");

    let as_deployed =
        [("ATHENA_ABOVE_MB", "2048"), ("CHARGES", "unblended"), ("EXCLUDE", "none"), ("OWNER_TAG", "owner")];
    hub.hub.account.set_environment(METER, &as_deployed).unwrap();
}
