//! What is wrong with a file is told with its name, the column, and the row group or the line.

use spend::{Charges, Dimensions, Fault, Problem, Question};

use crate::table::{Form, Held, Table, Writing, question, sum, sum_one};

fn columns(cost: Form) -> Table {
    Table::new(&[
        ("line_item_usage_account_id", Form::Text),
        ("line_item_unblended_cost", cost),
        ("line_item_currency_code", Form::Text),
        ("bill_billing_period_start_date", Form::Text),
        ("line_item_line_item_type", Form::Text),
    ])
}

fn line(table: Table, cost: &str, currency: &str, month: &str) -> Table {
    table.line(&["111122223333", cost, currency, month, "Usage"])
}

fn good(table: Table) -> Table {
    line(table, "1", "USD", "2026-11-01T00:00:00Z")
}

fn by_account() -> Question {
    Question { by: Dimensions { account: true, ..Default::default() }, ..question() }
}

fn fault(bytes: Vec<u8>) -> Fault {
    sum_one("x", bytes, &by_account()).unwrap_err()
}

#[test]
fn files_that_are_no_exports_are_named() {
    let zip = b"PK\x03\x04rest".to_vec();
    let table: [(&str, Vec<u8>, &str); 7] = [
        ("nothing", vec![], "`x`: it is no cost export that is known: it is empty"),
        (
            "zip",
            zip,
            "`x`: it is no cost export that is known: \
             it is a ZIP archive; let the report be compressed with gzip, or be Parquet",
        ),
        (
            "encrypted",
            b"PARE....PARE".to_vec(),
            "`x`: it is no cost export that is known: it is encrypted by Parquet's own means",
        ),
        (
            "other columns",
            b"a,b\n1,2\n".to_vec(),
            "`x`, line 1: it is no cost export that is known: its columns begin with `a`, `b`",
        ),
        (
            "other columns in Parquet",
            Table::new(&[("a", Form::Text)]).line(&["1"]).parquet(Writing::default()),
            "`x`: it is no cost export that is known: its columns begin with `a`",
        ),
        ("Parquet of four letters", b"PAR1".to_vec(), "`x`: it is truncated or damaged: it is shorter than a footer"),
        (
            "Parquet without an end",
            b"PAR1 and then something else".to_vec(),
            "`x`: it is truncated or damaged: it does not end as Parquet does",
        ),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(fault(bytes).to_string(), expected, "{what}");
    }
}

#[test]
fn columns_that_are_missing_are_named() {
    let all = good(columns(Form::Text));
    for (index, column) in
        ["line_item_usage_account_id", "line_item_unblended_cost", "line_item_currency_code"].into_iter().enumerate()
    {
        let mut table = all.clone();
        table.columns.remove(index);
        table.lines[0].remove(index);
        let expected = format!("`x`, column `{column}`: the column is missing: {column}");
        assert_eq!(fault(table.parquet(Writing::default())).to_string(), expected);
        let expected = format!("`x`, column `{column}`, line 1: the column is missing: {column}");
        assert_eq!(fault(table.csv().into()).to_string(), expected);
    }
    let net = Question { charges: Charges::NetUnblended, ..by_account() };
    let fault = sum_one("x", all.csv(), &net).unwrap_err();
    assert_eq!(fault.problem, Problem::MissingColumn("line_item_net_unblended_cost".to_owned()));
}

#[test]
fn an_export_whose_tags_were_left_out_has_no_owners() {
    let by_owner = Question { by: Dimensions { owner: true, ..Default::default() }, ..question() };
    // The legacy report has no column for a tag that nobody set.
    let summary = sum_one("x", good(columns(Form::Text)).csv(), &by_owner).unwrap();
    assert_eq!(summary.sums.len(), 1);
    let mut second = good(columns(Form::Text));
    second.columns.push(("line_item_usage_account_name".to_owned(), Form::Text));
    second.lines[0].push(None);
    let fault = sum_one("x", second.csv(), &by_owner).unwrap_err();
    assert_eq!(fault.problem, Problem::MissingColumn("resource_tags".to_owned()));
}

#[test]
fn wrong_values_are_told_with_their_place() {
    let month = "2026-11-01T00:00:00Z";
    let table = [
        (
            "1,5",
            "USD",
            month,
            "line_item_unblended_cost",
            "`1,5` is not what the column should hold: expected a decimal number",
        ),
        (
            "1e",
            "USD",
            month,
            "line_item_unblended_cost",
            "`1e` is not what the column should hold: expected a decimal number",
        ),
        (
            "nan",
            "USD",
            month,
            "line_item_unblended_cost",
            "`nan` is not what the column should hold: expected a decimal number",
        ),
        (
            "1",
            "Dollar",
            month,
            "line_item_currency_code",
            "`Dollar` is not what the column should hold: expected a currency such as `USD`",
        ),
        (
            "1",
            "",
            month,
            "line_item_currency_code",
            "`` is not what the column should hold: expected a currency such as `USD`",
        ),
        (
            "1",
            "USD",
            "2026-13-01T00:00:00Z",
            "bill_billing_period_start_date",
            "`2026-13-01T00:00:00Z` is not what the column should hold: \
             expected a time from 2000 to 2099 such as `2026-11-01T00:00:00Z`",
        ),
    ];
    for (cost, currency, month, column, problem) in table {
        let table = line(good(good(columns(Form::Text))), cost, currency, month);
        let csv = fault(table.csv().into());
        assert_eq!(csv.to_string(), format!("`x`, column `{column}`, line 4: {problem}"));
        let parquet = fault(table.parquet(Writing { group: 1, ..Writing::default() }));
        assert_eq!(parquet.to_string(), format!("`x`, column `{column}`, row group 2: {problem}"));
    }
}

#[test]
fn doubles_that_are_no_numbers_are_faults() {
    for cost in ["NaN", "inf", "-inf"] {
        let table = line(good(columns(Form::Double)), cost, "USD", "2026-11-01T00:00:00Z");
        let fault = fault(table.parquet(Writing { dictionary: false, ..Writing::default() }));
        let expected = format!(
            "`x`, column `line_item_unblended_cost`, row group 0: `{cost}` is not what the column should hold: \
             expected a number"
        );
        assert_eq!(fault.to_string(), expected);
    }
}

#[test]
fn columns_of_types_that_cannot_be_what_they_should_are_faults() {
    let table = [
        ("line_item_unblended_cost", Form::Float, "1", "`FLOAT`", "values of type DOUBLE or DECIMAL, times or text"),
        ("line_item_unblended_cost", Form::Map, "a=b", "`a group`", "one value for each line"),
        ("line_item_unblended_cost", Form::Millis, "2026-11-01T00:00:00Z", "`1793491200000000 µs`", "a number"),
        (
            "bill_billing_period_start_date",
            Form::Double,
            "1",
            "`1`",
            "a time from 2000 to 2099 such as `2026-11-01T00:00:00Z`",
        ),
        ("line_item_usage_account_id", Form::Double, "1", "`1`", "text"),
    ];
    for (column, form, cell, found, expected) in table {
        let mut table = good(columns(Form::Text)).with_form(column, form);
        let index = table.columns.iter().position(|(name, _)| name == column).unwrap();
        table.lines[0][index] = Some(cell.to_owned());
        let fault = fault(table.parquet(Writing::default()));
        let expected = format!(
            "`x`, column `{column}`, row group 0: {found} is not what the column should hold: expected {expected}"
        );
        assert_eq!(fault.to_string(), expected);
    }
}

#[test]
fn several_currencies_are_a_fault_wherever_they_are() {
    let month = "2026-11-01T00:00:00Z";
    let dollars = good(good(columns(Form::Text)));
    let mixed = line(dollars.clone(), "1", "EUR", month);
    let expected = "the currency is `EUR` where it was `USD`; amounts of several currencies cannot be added";
    assert_eq!(
        fault(mixed.csv().into()).to_string(),
        format!("`x`, column `line_item_currency_code`, line 4: {expected}")
    );
    assert_eq!(
        fault(mixed.parquet(Writing::default())).to_string(),
        format!("`x`, column `line_item_currency_code`, row group 0: {expected}")
    );
    let euros = line(columns(Form::Text), "1", "EUR", month);
    let files = [Held::new("one", dollars.csv()), Held::new("two", euros.parquet(Writing::default()))];
    let fault = sum(&files, &by_account()).unwrap_err();
    assert!(matches!(fault.problem, Problem::Currencies { .. }), "{fault}");
}

#[test]
fn a_file_that_ends_early_is_a_fault_wherever_it_ends() {
    let mut table = columns(Form::Double);
    for _ in 0..50 {
        table = good(table);
    }
    let gz = table.csv_gz();
    for end in [1, 11, gz.len() / 2, gz.len() - 9, gz.len() - 1] {
        let fault = fault(gz[..end].to_vec());
        let damaged = matches!(fault.problem, Problem::Damaged(_) | Problem::UnknownFormat(_));
        assert!(damaged, "{end} of {}: {fault}", gz.len());
    }
    let csv = table.csv().into_bytes();
    let fault_of = fault(csv[..csv.len() - 20].to_vec());
    assert_eq!(
        fault_of.to_string(),
        "`x`, line 51: it is truncated or damaged: a record has 4 fields where the header has 5"
    );
    let parquet = table.parquet(Writing { group: 10, ..Writing::default() });
    for end in (5..parquet.len()).step_by(7) {
        let fault = fault(parquet[..end].to_vec());
        assert!(matches!(fault.problem, Problem::Damaged(_)), "{end} of {}: {fault}", parquet.len());
    }
}

#[test]
fn a_file_that_shrank_since_its_footer_was_written_is_a_fault() {
    // The footer is whole, and speaks of bytes that are not there.
    let parquet = good(columns(Form::Double)).parquet(Writing::default());
    let footer = u32::from_le_bytes(parquet[parquet.len() - 8..parquet.len() - 4].try_into().unwrap()) as usize + 8;
    let shrunk = [b"PAR1", &parquet[parquet.len() - footer..]].concat();
    let fault = fault(shrunk);
    assert!(matches!(fault.problem, Problem::Damaged(_)), "{fault}");
    assert_eq!(fault.row_group, Some(0));
}

#[test]
fn damage_is_found_or_does_no_harm() {
    let mut table = columns(Form::Double);
    for line_number in 0..200 {
        table = line(table, &format!("0.{line_number:03}"), "USD", "2026-11-01T00:00:00Z");
    }
    let parquet = table.parquet(Writing { group: 100, ..Writing::default() });
    let right = sum_one("x", parquet.clone(), &by_account()).unwrap();
    let hook = std::panic::take_hook();
    // The library panics at some damage, which is caught, and need not be shown.
    std::panic::set_hook(Box::new(|_| {}));
    let mut found = 0;
    for at in 4..parquet.len() {
        let mut damaged = parquet.clone();
        damaged[at] ^= 0xff;
        match sum_one("x", damaged, &by_account()) {
            Ok(summary) => assert_eq!(summary.lines, right.lines, "byte {at}"),
            Err(fault) => {
                found += 1;
                assert_eq!(fault.file, "x");
            }
        }
    }
    std::panic::set_hook(hook);
    assert!(found > parquet.len() / 3, "{found} of {}", parquet.len());
}

#[test]
fn a_page_that_is_damaged_is_told_with_its_column_and_row_group() {
    let mut table = columns(Form::Double);
    for line_number in 0..2000 {
        table = line(table, &format!("0.{line_number:04}"), "USD", "2026-11-01T00:00:00Z");
    }
    let parquet = table.parquet(Writing { group: 1000, dictionary: false, ..Writing::default() });
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new()
        .parse_and_finish(&bytes::Bytes::from(parquet.clone()))
        .unwrap();
    let (begin, _) = metadata.row_group(1).column(1).byte_range();
    let mut damaged = parquet;
    damaged[begin as usize..][..60].fill(0xee);
    let fault = fault(damaged);
    assert_eq!((fault.row_group, fault.column.as_deref()), (Some(1), Some("line_item_unblended_cost")), "{fault}");
    assert!(matches!(fault.problem, Problem::Damaged(_)), "{fault}");
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    struct Broken;
    impl spend::Source for Broken {
        fn name(&self) -> &str {
            "s3://bucket/key"
        }
        fn len(&self) -> u64 {
            100
        }
        fn bytes(&self, _: std::ops::Range<u64>) -> std::io::Result<bytes::Bytes> {
            Err(std::io::Error::other("access denied"))
        }
        fn stream(&self) -> std::io::Result<Box<dyn std::io::Read + Send + '_>> {
            Err(std::io::Error::other("access denied"))
        }
    }
    let fault = spend::summarise(&[&Broken], &by_account(), std::num::NonZeroUsize::MIN, &|_| {}).unwrap_err();
    assert_eq!(fault.to_string(), "`s3://bucket/key`: it cannot be read: access denied");
}
