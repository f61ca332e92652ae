//! The columns of the exports: those of CUR 2.0 that say what was spent, by whom and on what, and a few more.

use jiff::civil::{Date, Time};
use serde_json::json;

use super::Line;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// A number, which Parquet files have as `DOUBLE`.
    Number,
    /// A moment.
    Moment,
    /// Keys and values, which CSV files have as JSON.
    Tags,
}

impl Kind {
    /// Its name in the Glue Data Catalog.
    pub(super) const fn in_catalogue(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "double",
            Self::Moment => "timestamp",
            Self::Tags => "map<string,string>",
        }
    }

    /// Its type in the schema of a Parquet file.
    pub(super) fn in_parquet(self, name: &str) -> String {
        match self {
            Self::Text => format!("optional binary {name} (UTF8);"),
            Self::Number => format!("optional double {name};"),
            Self::Moment => format!("optional int64 {name} (TIMESTAMP(MILLIS,false));"),
            Self::Tags => format!(
                "optional group {name} (MAP) {{ repeated group key_value {{ required binary key (UTF8); optional binary \
                 value (UTF8); }} }}"
            ),
        }
    }
}

/// A column: its name, what it holds, and that of a line in a month, as CSV files have it; none is null.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) text: fn(&Line, Date) -> Option<String>,
}

/// All of them, in the order of their names as AWS has them.
pub(super) const ALL: &[Column] = &[
    text("bill_bill_type", |_, _| Some("Anniversary".to_owned())),
    moment("bill_billing_period_end_date", |_, month| Some(instant(month.last_of_month().tomorrow().ok()?))),
    moment("bill_billing_period_start_date", |_, month| Some(instant(month))),
    text("bill_invoicing_entity", |_, _| Some("Amazon Web Services, Inc.".to_owned())),
    text("bill_payer_account_id", |_, _| Some("000000000000".to_owned())),
    text("line_item_currency_code", |line, _| Some(line.currency.clone())),
    text("line_item_line_item_type", |line, _| Some(line.kind.clone())),
    number("line_item_net_unblended_cost", |line, _| Some(line.cost.clone())),
    text("line_item_product_code", |line, _| Some(line.service.clone())),
    text("line_item_resource_id", |_, _| None),
    number("line_item_unblended_cost", |line, _| Some(line.cost.clone())),
    text("line_item_usage_account_id", |line, _| Some(line.account.clone())),
    number("line_item_usage_amount", |line, _| line.used.as_ref().map(|(amount, _)| amount.clone())),
    moment("line_item_usage_end_date", |line, _| Some(line.until.strftime(FORMAT).to_string())),
    moment("line_item_usage_start_date", |line, _| Some(instant(line.day))),
    text("line_item_usage_type", |_, _| None),
    text("pricing_unit", |line, _| line.used.as_ref().map(|(_, unit)| unit.clone())),
    number("reservation_effective_cost", |_, _| None),
    number("reservation_net_effective_cost", |_, _| None),
    number("reservation_net_unused_amortized_upfront_fee_for_billing_period", |_, _| None),
    number("reservation_net_unused_recurring_fee", |_, _| None),
    text("reservation_reservation_a_r_n", |_, _| None),
    number("reservation_unused_amortized_upfront_fee_for_billing_period", |_, _| None),
    number("reservation_unused_recurring_fee", |_, _| None),
    Column { name: "resource_tags", kind: Kind::Tags, text: |line, _| Some(tags(line)) },
    number("savings_plan_net_amortized_upfront_commitment_for_billing_period", |_, _| None),
    number("savings_plan_net_recurring_commitment_for_billing_period", |_, _| None),
    number("savings_plan_net_savings_plan_effective_cost", |_, _| None),
    number("savings_plan_savings_plan_effective_cost", |_, _| None),
    number("savings_plan_total_commitment_to_date", |_, _| None),
    number("savings_plan_used_commitment", |_, _| None),
];

/// How CSV files write a moment.
pub(super) const FORMAT: &str = "%Y-%m-%dT%H:%M:%S.000Z";

const fn text(name: &'static str, text: fn(&Line, Date) -> Option<String>) -> Column {
    Column { name, kind: Kind::Text, text }
}

const fn number(name: &'static str, text: fn(&Line, Date) -> Option<String>) -> Column {
    Column { name, kind: Kind::Number, text }
}

const fn moment(name: &'static str, text: fn(&Line, Date) -> Option<String>) -> Column {
    Column { name, kind: Kind::Moment, text }
}

fn instant(day: Date) -> String {
    day.to_datetime(Time::midnight()).strftime(FORMAT).to_string()
}

/// Cost allocation tags that users set begin with `user_` in CUR 2.0.
fn tags(line: &Line) -> String {
    line.owner.as_ref().map_or_else(|| json!({}), |owner| json!({"user_owner": owner})).to_string()
}
