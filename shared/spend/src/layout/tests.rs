//! Which columns a question needs, of which export.

use super::{Field, Layout, NoLayout};
use crate::question::{Category, Charges, Dimensions, Question};
use crate::tags::Tag;

fn question() -> Question {
    Question {
        charges: Charges::Unblended,
        exclude: Default::default(),
        by: Dimensions::default(),
        owner_tag: "owner".to_owned(),
        usage: false,
    }
}

fn layout(columns: &[&str], question: &Question) -> Result<Vec<(Field, String)>, NoLayout> {
    let layout = Layout::of(columns, question, &Tag::new(&question.owner_tag))?;
    Ok(layout.places().iter().map(|(field, place)| (*field, columns[place.index].to_owned())).collect())
}

#[test]
fn columns_are_found_whatever_their_case() {
    let columns = ["billedcost", "ServiceName", "BILLINGCURRENCY", "billingperiodstart", "chargecategory"];
    let found = layout(&columns, &question()).unwrap();
    let expected = [(Field::Cost, 0), (Field::Currency, 2), (Field::Month, 3), (Field::Kind, 4)];
    assert_eq!(found, expected.map(|(field, index)| (field, columns[index].to_owned())));
}

#[test]
fn no_more_is_read_than_is_needed() {
    let all = [
        "line_item_unblended_cost",
        "line_item_net_unblended_cost",
        "line_item_currency_code",
        "bill_billing_period_start_date",
        "line_item_usage_account_id",
        "line_item_product_code",
        "line_item_line_item_type",
        "line_item_usage_start_date",
        "line_item_usage_amount",
        "pricing_unit",
        "resource_tags",
        "reservation_effective_cost",
    ];
    let fields =
        |question: &Question| layout(&all, question).unwrap().into_iter().map(|(field, _)| field).collect::<Vec<_>>();
    let always = vec![Field::Cost, Field::Currency, Field::Month, Field::Kind, Field::Start];
    let with = |more: &[Field]| [&always[..], more].concat();
    assert_eq!(fields(&question()), always);
    let by = Dimensions { account: true, ..Default::default() };
    assert_eq!(fields(&Question { by, ..question() }), with(&[Field::Account]));
    let exclude = [Category::Support].into();
    assert_eq!(fields(&Question { exclude, ..question() }), with(&[Field::Service]));
    let by = Dimensions { owner: true, ..Default::default() };
    assert_eq!(fields(&Question { by, ..question() }), with(&[Field::Tags]));
    let usage = [Field::Account, Field::Service, Field::Unit, Field::Quantity];
    assert_eq!(fields(&Question { usage: true, ..question() }), with(&usage));
    let amortized = Question { charges: Charges::Amortized, ..question() };
    assert_eq!(fields(&amortized), with(&[Field::ReservedCost]));
    let net = layout(&all, &Question { charges: Charges::NetUnblended, ..question() }).unwrap();
    assert_eq!(net[0], (Field::Cost, "line_item_net_unblended_cost".to_owned()));
}

#[test]
fn an_owner_has_a_column_or_stands_among_all_tags() {
    let by_owner = Question { by: Dimensions { owner: true, ..Default::default() }, ..question() };
    let owner = |prefix: &[&str], columns: &[&str]| {
        let found = layout(&[prefix, columns].concat(), &by_owner);
        found.map(|found| found.into_iter().filter(|(field, _)| matches!(field, Field::Owner | Field::Tags)).collect())
    };
    let second = ["line_item_unblended_cost", "line_item_currency_code", "bill_billing_period_start_date"];
    let legacy = ["lineItem/UnblendedCost", "lineItem/CurrencyCode", "bill/BillingPeriodStartDate"];
    let focus = ["BilledCost", "BillingCurrency", "BillingPeriodStart"];
    let found = |field, name: &str| Ok(vec![(field, name.to_owned())]);
    let missing = |name: &str| Err(NoLayout::MissingColumn(name.to_owned()));
    let table = [
        (&second, vec!["resource_tags"], found(Field::Tags, "resource_tags")),
        (&second, vec!["resource_tags_user_owner"], found(Field::Owner, "resource_tags_user_owner")),
        (&second, vec!["resource_tags", "resource_tags_user_owner"], found(Field::Owner, "resource_tags_user_owner")),
        (&second, vec![], Ok(vec![])),
        (&second, vec!["product"], missing("resource_tags")),
        (&legacy, vec!["resourceTags/user:owner"], found(Field::Owner, "resourceTags/user:owner")),
        (&legacy, vec!["resourceTags/user:Owner"], Ok(vec![])),
        (&focus, vec!["Tags"], found(Field::Tags, "Tags")),
        (&focus, vec![], missing("Tags")),
    ];
    for (prefix, columns, expected) in table {
        assert_eq!(owner(prefix, &columns), expected, "{columns:?}");
    }
}
