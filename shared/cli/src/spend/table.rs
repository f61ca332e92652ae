//! Sums of money for people: the decimal points below each other, and which part of the whole each is.

use comfy_table::{Attribute, Cell, CellAlignment};
use guardrail::{Amount, Currency};
use serde::Serialize;

use crate::answer::{Look, label, lines, pad, printable};

/// Decimals that are shown at least.
const CENTS: u8 = 2;

/// One sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Sum {
    /// What it is of; empty for what does not tell.
    pub(super) key: String,
    pub(super) amount: Amount,
}

/// Sums of one kind, in the order that they are shown in.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// What they are of, such as `account`.
    pub(super) what: &'a str,
    pub(super) sums: Vec<Sum>,
}

/// Groups of sums, below each other, all of them parts of one total.
#[derive(Debug)]
pub(super) struct Sums<'a> {
    pub(super) groups: Vec<Group<'a>>,
    pub(super) currency: Option<Currency>,
    pub(super) total: &'a Amount,
    /// Whether the total is shown too.
    pub(super) with_total: bool,
    /// Decimals that are shown at most.
    pub(super) decimals: u8,
    /// Blanks before each line.
    pub(super) indent: u16,
}

impl Sums<'_> {
    /// The table.
    pub(super) fn text(&self, look: Look) -> String {
        let right = |cell: Cell| cell.set_alignment(CellAlignment::Right);
        let currency = self.currency.map(|currency| currency.to_string()).unwrap_or_default();
        let all = self.groups.iter().flat_map(|group| &group.sums).map(|sum| &sum.amount);
        let mut shown = aligned(all.chain(self.with_total.then_some(self.total)), self.decimals).into_iter();
        let mut table = look.table();
        for (place, Group { what, sums }) in self.groups.iter().enumerate() {
            if place > 0 {
                table.add_row([""; 3]);
            }
            table.add_row([label(what), right(label(&currency)), right(label("share"))]);
            let nameless = format!("(no {what})");
            for (Sum { key, amount }, shown) in sums.iter().zip(shown.by_ref()) {
                let key = if key.is_empty() { &nameless } else { key };
                let share = share(amount, self.total).unwrap_or_else(|| "–".to_owned());
                table.add_row([Cell::new(printable(key)), right(Cell::new(shown)), right(Cell::new(share))]);
            }
        }
        if let Some(total) = shown.next() {
            if self.groups.len() > 1 {
                table.add_row([""; 3]);
            }
            let total = [Cell::new("total"), right(Cell::new(total)), Cell::new("")];
            table.add_row(total.map(|cell| cell.add_attribute(Attribute::Bold)));
        }
        pad(&mut table, (self.indent, 2));
        lines(&table)
    }
}

/// The amounts, all with the same number of places behind the point: digits, and blanks where one has fewer.
fn aligned<'a>(amounts: impl Iterator<Item = &'a Amount>, decimals: u8) -> Vec<String> {
    let shown: Vec<String> = amounts.map(|amount| amount.rounded(decimals).with_decimals(CENTS)).collect();
    let places = |text: &str| text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let most = shown.iter().map(|text| places(text)).max().unwrap_or_default();
    shown.into_iter().map(|text| format!("{text}{:1$}", "", most - places(&text))).collect()
}

/// How much of the total it is; none where there is no total to have a part of.
fn share(amount: &Amount, total: &Amount) -> Option<String> {
    if total.is_negative() {
        return None;
    }
    let percent = (amount * &Amount::from(100)).divided_by(total)?;
    Some(format!("{} %", percent.rounded(1).with_decimals(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn decimal_points_stand_below_each_other() {
        let amounts = ["1234.5", "0.12345678905", "-7", "5e-324", "1E3"].map(amount);
        let expected = ["1234.50", "0.123456789", "-7.00", "0.00", "1000.00"];
        let shown = aligned(amounts.iter(), 10);
        assert_eq!(shown.iter().map(|text| text.trim_end()).collect::<Vec<_>>(), expected);
        let behind = |text: &String| text.len() - text.find('.').unwrap();
        assert!(shown.iter().all(|text| behind(text) == behind(&shown[0])), "{shown:?}");
    }

    #[test]
    fn a_share_is_of_a_total_that_is_more_than_nothing() {
        let check = |part: &str, total: &str, expected: Option<&str>| {
            assert_eq!(share(&amount(part), &amount(total)).as_deref(), expected, "{part} of {total}");
        };
        check("1", "3", Some("33.3 %"));
        check("3", "3", Some("100.0 %"));
        check("-1", "4", Some("-25.0 %"));
        check("0", "4", Some("0.0 %"));
        check("1", "0", None);
        check("-1", "-4", None);
    }
}
