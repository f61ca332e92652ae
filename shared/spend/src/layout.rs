//! Which export a file is, by the names of its columns, and where in it stands what a question needs.

use crate::question::{Category, Charges, Question};
use crate::tags::Tag;

/// An export that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Export {
    /// The legacy Cost and Usage Report in CSV, with columns such as `lineItem/UsageAccountId`.
    LegacyCsv,
    /// The legacy report in Parquet, and CUR 2.0, with columns such as `line_item_usage_account_id`. They are told
    /// apart by the columns that only CUR 2.0 has.
    Cur {
        /// Whether it is CUR 2.0.
        second: bool,
    },
    /// FOCUS, with columns such as `SubAccountId`.
    Focus,
}

/// What a column says of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Account,
    Service,
    /// The owner's tag alone.
    Owner,
    /// All tags of the line.
    Tags,
    Unit,
    Kind,
    /// Whether the line corrects an earlier bill; only FOCUS says so.
    Class,
    Reservation,
    Currency,
    Month,
    Start,
    End,
    Quantity,
    Cost,
    CoveredCost,
    Commitment,
    UsedCommitment,
    ReservedCost,
    UnusedUpfront,
    UnusedRecurring,
}

/// How much a question depends on a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Without it there is no answer.
    Always,
    /// Exports leave it out where no line has it; a line that needs it nevertheless is a fault.
    ForSomeLines,
    /// Without it the answer says less.
    Never,
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which one, from 0.
    pub(crate) index: usize,
    /// As the export calls it.
    pub(crate) name: String,
}

/// The columns of a file that a question needs.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) export: Export,
    places: Vec<(Field, Place)>,
    missing: Vec<(Field, String)>,
}

/// Why there is no layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoLayout {
    UnknownFormat(String),
    MissingColumn(String),
}

/// What a field is called in CUR 2.0 and in the legacy report. Of a field with two, the second is the one after
/// discounts: <https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2.html>.
const fn cur_names(field: Field) -> (&'static [&'static str], &'static [&'static str]) {
    match field {
        Field::Account => (&["line_item_usage_account_id"], &["lineItem/UsageAccountId"]),
        Field::Service => (&["line_item_product_code"], &["lineItem/ProductCode"]),
        Field::Unit => (&["pricing_unit"], &["pricing/unit"]),
        Field::Kind => (&["line_item_line_item_type"], &["lineItem/LineItemType"]),
        Field::Reservation => (&["reservation_reservation_a_r_n"], &["reservation/ReservationARN"]),
        Field::Currency => (&["line_item_currency_code"], &["lineItem/CurrencyCode"]),
        Field::Month => (&["bill_billing_period_start_date"], &["bill/BillingPeriodStartDate"]),
        Field::Start => (&["line_item_usage_start_date"], &["lineItem/UsageStartDate"]),
        Field::End => (&["line_item_usage_end_date"], &["lineItem/UsageEndDate"]),
        Field::Quantity => (&["line_item_usage_amount"], &["lineItem/UsageAmount"]),
        Field::Cost => (
            &["line_item_unblended_cost", "line_item_net_unblended_cost"],
            &["lineItem/UnblendedCost", "lineItem/NetUnblendedCost"],
        ),
        Field::CoveredCost => (
            &["savings_plan_savings_plan_effective_cost", "savings_plan_net_savings_plan_effective_cost"],
            &["savingsPlan/SavingsPlanEffectiveCost", "savingsPlan/NetSavingsPlanEffectiveCost"],
        ),
        Field::Commitment => (&["savings_plan_total_commitment_to_date"], &["savingsPlan/TotalCommitmentToDate"]),
        Field::UsedCommitment => (&["savings_plan_used_commitment"], &["savingsPlan/UsedCommitment"]),
        Field::ReservedCost => (
            &["reservation_effective_cost", "reservation_net_effective_cost"],
            &["reservation/EffectiveCost", "reservation/NetEffectiveCost"],
        ),
        Field::UnusedUpfront => (
            &[
                "reservation_unused_amortized_upfront_fee_for_billing_period",
                "reservation_net_unused_amortized_upfront_fee_for_billing_period",
            ],
            &[
                "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod",
                "reservation/NetUnusedAmortizedUpfrontFeeForBillingPeriod",
            ],
        ),
        Field::UnusedRecurring => (
            &["reservation_unused_recurring_fee", "reservation_net_unused_recurring_fee"],
            &["reservation/UnusedRecurringFee", "reservation/NetUnusedRecurringFee"],
        ),
        Field::Owner | Field::Tags | Field::Class => (&[], &[]),
    }
}

/// What a field is called in FOCUS, the best first. Of a cost with two, the second is the one spread over usage:
/// <https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-focus-1-2-aws-columns.html>.
const fn focus_names(field: Field) -> &'static [&'static str] {
    match field {
        Field::Account => &["SubAccountId"],
        Field::Service => &["ServiceName"],
        Field::Unit => &["ConsumedUnit", "PricingUnit"],
        Field::Kind => &["ChargeCategory"],
        Field::Class => &["ChargeClass"],
        Field::Currency => &["BillingCurrency"],
        Field::Month => &["BillingPeriodStart"],
        Field::Start => &["ChargePeriodStart"],
        Field::End => &["ChargePeriodEnd"],
        Field::Quantity => &["ConsumedQuantity", "PricingQuantity"],
        Field::Cost => &["BilledCost", "EffectiveCost"],
        _ => &[],
    }
}

/// Columns that only CUR 2.0 has.
const SECOND: [&str; 6] = [
    "resource_tags",
    "product",
    "cost_category",
    "discount",
    "bill_payer_account_name",
    "line_item_usage_account_name",
];

impl Export {
    fn of(columns: &[impl AsRef<str>]) -> Option<Self> {
        let any = |wanted: &dyn Fn(&str) -> bool| columns.iter().any(|column| wanted(column.as_ref()));
        if any(&|column| column.starts_with("lineItem/")) {
            Some(Self::LegacyCsv)
        } else if any(&|column| column.starts_with("line_item_")) {
            Some(Self::Cur { second: any(&|column| SECOND.contains(&column)) })
        } else if any(&|column| same(column, "ChargeCategory") || same(column, "BilledCost")) {
            Some(Self::Focus)
        } else {
            None
        }
    }
}

/// Whether it is the same column. Tables that were made of an export have all names in small letters.
fn same(column: &str, name: &str) -> bool {
    column.eq_ignore_ascii_case(name)
}

impl Layout {
    /// The layout of a file with these columns.
    pub(crate) fn of(columns: &[impl AsRef<str>], question: &Question, tag: &Tag) -> Result<Self, NoLayout> {
        let export = Export::of(columns).ok_or_else(|| NoLayout::UnknownFormat(unknown(columns)))?;
        let mut layout = Self { export, places: Vec::new(), missing: Vec::new() };
        for (field, need) in needs(question, export) {
            let names = names(field, question.charges, export);
            let find = |name: &str| columns.iter().position(|column| same(column.as_ref(), name));
            let found = names.iter().find_map(|name| find(name).map(|index| (index, name)));
            match (found, need) {
                (Some((index, name)), _) => {
                    layout.places.push((field, Place { index, name: (*name).to_owned() }));
                }
                (None, Need::Always) => return Err(NoLayout::MissingColumn(names.join("` or `"))),
                (None, Need::ForSomeLines) => layout.missing.push((field, names.join("` or `"))),
                (None, Need::Never) => {}
            }
        }
        if question.by.owner {
            layout.places.extend(owner(columns, export, tag)?);
        }
        Ok(layout)
    }

    /// Where a field stands.
    pub(crate) fn place(&self, field: Field) -> Option<&Place> {
        self.places.iter().find(|(known, _)| *known == field).map(|(_, place)| place)
    }

    /// All of them.
    pub(crate) fn places(&self) -> &[(Field, Place)] {
        &self.places
    }

    /// The name of a column that is not there, though some lines need it.
    pub(crate) fn missing(&self, field: Field) -> Option<&str> {
        self.missing.iter().find(|(known, _)| *known == field).map(|(_, name)| name.as_str())
    }

    /// What a field's column is called here, for messages.
    pub(crate) fn name(&self, field: Field) -> Option<&str> {
        self.place(field).map(|place| place.name.as_str())
    }
}

fn names(field: Field, charges: Charges, export: Export) -> Vec<&'static str> {
    let net = matches!(charges, Charges::NetUnblended | Charges::NetAmortized);
    let spread = matches!(charges, Charges::Amortized | Charges::NetAmortized);
    let one_of_two = |names: &[&'static str], second: bool| match names {
        [_, after] if second => vec![*after],
        names => names.iter().take(1).copied().collect(),
    };
    match (export, field) {
        (Export::LegacyCsv, _) => one_of_two(cur_names(field).1, net),
        (Export::Cur { .. }, _) => one_of_two(cur_names(field).0, net),
        (Export::Focus, Field::Cost) => one_of_two(focus_names(field), spread),
        (Export::Focus, _) => focus_names(field).to_vec(),
    }
}

fn needs(question: &Question, export: Export) -> Vec<(Field, Need)> {
    let Question { charges, exclude, by, usage, .. } = question;
    let focus = export == Export::Focus;
    let amortized = !focus && matches!(charges, Charges::Amortized | Charges::NetAmortized);
    // Without the kind of a line nothing can be left out, and no formula chosen. Else it says what is usage.
    let kind = if amortized || *usage || !exclude.is_empty() { Need::Always } else { Need::Never };
    let mut needs = vec![
        (Field::Cost, Need::Always),
        (Field::Currency, Need::Always),
        (Field::Month, Need::Always),
        (Field::Kind, kind),
        (Field::Start, if by.day || *usage { Need::Always } else { Need::Never }),
        (Field::End, Need::Never),
    ];
    if by.account || *usage {
        needs.push((Field::Account, Need::Always));
    }
    if by.service || *usage || exclude.contains(&Category::Support) {
        needs.push((Field::Service, Need::Always));
    }
    if *usage {
        needs.extend([(Field::Unit, Need::Always), (Field::Quantity, Need::Always)]);
    }
    if focus && (*usage || exclude.contains(&Category::Refund)) {
        needs.push((Field::Class, Need::Always));
    }
    if amortized {
        use Field::{
            Commitment, CoveredCost, Reservation, ReservedCost, UnusedRecurring, UnusedUpfront, UsedCommitment,
        };
        let some = [CoveredCost, Commitment, UsedCommitment, Reservation, ReservedCost, UnusedUpfront, UnusedRecurring];
        needs.extend(some.map(|field| (field, Need::ForSomeLines)));
    }
    needs
}

/// The column of the owner. Without any, the legacy report says that nobody set the tag, since it has no column for it
/// then; in the others somebody left the tags out of the export.
fn owner(columns: &[impl AsRef<str>], export: Export, tag: &Tag) -> Result<Option<(Field, Place)>, NoLayout> {
    let find = |is: &dyn Fn(&str) -> bool| columns.iter().position(|column| is(column.as_ref()));
    let place = |field, name: &str, index| (field, Place { index, name: name.to_owned() });
    let all = match export {
        // Tags that differ by case are two.
        Export::LegacyCsv => {
            return Ok(find(&|column| column == tag.legacy).map(|i| place(Field::Owner, &tag.legacy, i)));
        }
        Export::Cur { second } => {
            if let Some(index) = find(&|column| same(column, &tag.flat)) {
                return Ok(Some(place(Field::Owner, &tag.flat, index)));
            }
            if !second {
                return Ok(None);
            }
            "resource_tags"
        }
        Export::Focus => "Tags",
    };
    let index = find(&|column| same(column, all)).ok_or_else(|| NoLayout::MissingColumn(all.to_owned()))?;
    Ok(Some(place(Field::Tags, all, index)))
}

fn unknown(columns: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 5;
    // The first line of what is no CSV may be anything.
    let short = |name: &str| name.chars().take(40).collect::<String>();
    let shown: Vec<_> = columns.iter().take(SHOWN).map(|name| short(name.as_ref())).collect();
    format!("its columns begin with `{}`", shown.join("`, `"))
}

#[cfg(test)]
mod tests;
