//! CSV as it is met: quotes, line ends, marks at the beginning, and pieces that end anywhere.

use spend::{Dimensions, Problem, Question};

use crate::table::{Held, gzip, question, sum, sum_one};

const HEADER: &str = "lineItem/UsageAccountId,lineItem/LineItemDescription,lineItem/UnblendedCost,\
                      resourceTags/user:owner,lineItem/CurrencyCode,bill/BillingPeriodStartDate,last";

fn by_owner() -> Question {
    Question { by: Dimensions { account: true, owner: true, ..Default::default() }, ..question() }
}

/// Three lines in all the ways to write them, of which the answer is the same.
fn ways() -> Vec<(&'static str, String)> {
    let plain = format!(
        "{HEADER}\n\
         1,a,1.5,zoë,USD,2026-11-01T00:00:00Z,x\n\
         1,\"b, \"\"c\"\"\nd\",2,\"zoë\",USD,2026-11-01T00:00:00Z,\"y\ny,\"\n\
         2,,,\"o \"\"two\"\", or, 2\",USD,2026-11-01T00:00:00Z,\n"
    );
    let crlf = plain.replace('\n', "\r\n");
    vec![
        ("line ends of CR and LF", crlf.clone()),
        ("no line end at the end", plain.trim_end().to_owned()),
        ("no line end at the end, of CR and LF", crlf.trim_end().to_owned()),
        ("a byte order mark", format!("\u{feff}{plain}")),
        ("empty lines", format!("\n\r\n{}\n\n", plain.replacen('\n', "\n\n", 1))),
        ("a quote that opens nothing", plain.replace(",a,", ",5\" disk,")),
        ("as it should be", plain),
    ]
}

#[test]
fn all_ways_to_write_csv_give_the_same_answer() {
    for (what, csv) in ways() {
        for bytes in [csv.clone().into_bytes(), gzip(csv.as_bytes())] {
            for at_once in [1, 2, 7, usize::MAX] {
                let file = Held { at_once, ..Held::new("x", bytes.clone()) };
                let summary = sum(&[file], &by_owner()).unwrap_or_else(|fault| panic!("{what}: {fault}"));
                let sums: Vec<_> = summary
                    .sums
                    .iter()
                    .map(|(key, amount)| format!("{} {} {amount}", key.account, key.owner))
                    .collect();
                assert_eq!(sums, ["1 zoë 3.5", "2 o \"two\", or, 2 0"], "{what}");
                assert_eq!(summary.lines, 3, "{what}");
            }
        }
    }
}

#[test]
fn records_that_are_cut_off_or_shifted_are_faults_with_their_line() {
    let line = "1,a,1.5,zoë,USD,2026-11-01T00:00:00Z,x\n";
    let two_lines = "1,\"b\nc\",1.5,zoë,USD,2026-11-01T00:00:00Z,x\n";
    let table = [
        ("1,a,1.5\n", 2, "a record has 3 fields where the header has 7"),
        ("1,a,1,5,zoë,USD,2026-11-01T00:00:00Z,x\n", 2, "a record has 8 fields where the header has 7"),
        ("1,a,1.5,zoë,USD,2026-11-01T00:00:00Z,x,y\n", 2, "a record has 8 fields where the header has 7"),
        ("1,\"a\"b,1.5,zoë,USD,2026-11-01T00:00:00Z,x\n", 2, "there is text behind a closing quote"),
        ("1,\"a,1.5,zoë,USD,2026-11-01T00:00:00Z,x\n", 2, "a quote is not closed before the file ends"),
        ("1,a,1.5,zoë,USD,2026-11-01T00:00:00Z,\"x\n", 2, "a quote is not closed before the file ends"),
    ];
    for (wrong, at, problem) in table {
        for (before, lines) in [(line, 1), (two_lines, 2)] {
            let csv = format!("{HEADER}\n{before}{wrong}");
            let fault = sum_one("x", csv, &by_owner()).unwrap_err();
            assert_eq!(fault.problem, Problem::Damaged(problem.to_owned()), "{wrong}");
            assert_eq!(fault.line, Some(at + lines), "{wrong}");
        }
    }
}

#[test]
fn a_quote_that_is_never_closed_does_not_take_all_memory() {
    let mut csv = format!("{HEADER}\n1,\"").into_bytes();
    csv.resize(20 * 1024 * 1024, b'a');
    for bytes in [csv.clone(), gzip(&csv)] {
        let fault = sum_one("x", bytes, &by_owner()).unwrap_err();
        assert!(fault.to_string().contains("within 16 MiB"), "{fault}");
    }
}

#[test]
fn files_of_several_members_are_read_to_the_end() {
    let rest = "1,a,1.5,zoë,USD,2026-11-01T00:00:00Z,x\n";
    let members = [gzip(HEADER.as_bytes()), gzip(b"\n"), gzip(rest.as_bytes()), gzip(rest.as_bytes())].concat();
    let summary = sum_one("x", members, &by_owner()).unwrap();
    assert_eq!(summary.total().to_string(), "3");
}

#[test]
fn text_that_is_not_utf8_is_a_fault() {
    let mut csv = format!("{HEADER}\n1,a,1.5,").into_bytes();
    csv.extend_from_slice(b"zo\xeb,USD,2026-11-01T00:00:00Z,x\n");
    let fault = sum_one("x", csv, &by_owner()).unwrap_err();
    assert_eq!((fault.column.as_deref(), fault.line), (Some("resourceTags/user:owner"), Some(2)), "{fault}");
}
