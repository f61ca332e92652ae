//! The pages' places in the ledger's table.

use super::*;

#[test]
fn every_page_has_an_item_of_its_own() {
    let pages = [Page::Standing, Page::Window, Page::Locks, Page::Notice].into_iter();
    let ids: Vec<String> = pages.chain(Part::ALL.map(Page::Part)).map(|page| page.to_string()).collect();
    assert_eq!(ids.first().unwrap(), "availability/standing");
    assert_eq!(ids.last().unwrap(), "availability/part/rds");
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
    assert!(ids.iter().all(|id| id.starts_with("availability/")));
}
