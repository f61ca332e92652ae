//! Groups are the same in a grid and in a map, however their dimensions grow.

use std::collections::BTreeMap;

use guardrail::money::Amount;
use proptest::prelude::*;

use super::{Groups, Ids, Index, NOWHERE};
use crate::convert::{Convert, Raw};
use crate::number::Numbers;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_line_is_added_to_its_group(
        batches in prop::collection::vec(
            prop::collection::vec((any::<[u16; 4]>(), any::<bool>(), -1000_i128..1000), 1..40),
            1..6,
        ),
        spread in prop::array::uniform4(1_u32..2000),
        asked in any::<[bool; 4]>(),
    ) {
        let (mut groups, mut numbers) = (Groups::<1>::default(), Numbers::default());
        let mut expected: BTreeMap<Ids, Amount> = BTreeMap::new();
        let mut sizes = [1; 4];
        for batch in batches {
            let mut columns: [Vec<u32>; 4] = Default::default();
            let mut skip = Vec::new();
            numbers.clear();
            for (numbers_of, skipped, amount) in batch {
                let mut ids = Ids::default();
                for dimension in 0..4 {
                    if asked[dimension] {
                        ids[dimension] = u32::from(numbers_of[dimension]) % spread[dimension];
                        columns[dimension].push(ids[dimension]);
                        sizes[dimension] = sizes[dimension].max(ids[dimension] as usize + 1);
                    }
                }
                skip.push(skipped);
                let value = numbers.convert(Raw::Decimal(amount, 2)).unwrap();
                numbers.values.push(value);
                if !skipped {
                    *expected.entry(ids).or_default() += &Amount::new(amount, 2);
                }
            }
            let mut slots = Vec::new();
            groups.find(columns.each_ref().map(Vec::as_slice), sizes, &skip, skip.len(), &mut slots);
            let [sums] = &mut groups.sums;
            sums.add_all(&slots, &numbers);
        }
        let [sums] = &groups.sums;
        let amount = |(ids, slot)| (ids, sums.amount(slot));
        let found: BTreeMap<Ids, Amount> = groups.all().into_iter().map(amount).collect();
        prop_assert_eq!(found, expected);
    }
}

/// The slot of one line.
fn slot(groups: &mut Groups<2>, ids: Ids, sizes: [usize; 4]) -> u32 {
    let mut slots = Vec::new();
    groups.find(ids.each_ref().map(std::slice::from_ref), sizes, &[], 1, &mut slots);
    slots[0]
}

#[test]
fn a_grid_that_grows_too_large_becomes_a_map() {
    let mut groups = Groups::<2>::default();
    let small = slot(&mut groups, [1, 2, 3, 4], [10, 10, 10, 10]);
    assert!(matches!(groups.index, Index::Grid { .. }));
    let mut numbers = Numbers::default();
    let value = numbers.convert(Raw::Decimal(5, 0)).unwrap();
    groups.sums[1].add(small, value, &numbers);
    let large = slot(&mut groups, [900, 2, 3, 900], [1000, 10, 10, 1000]);
    assert!(matches!(groups.index, Index::Map { .. }));
    groups.sums[1].add(large, value, &numbers);
    // Its slot is another one now, and holds what it held.
    let small = slot(&mut groups, [1, 2, 3, 4], [1000, 10, 10, 1000]);
    groups.sums[1].add(small, value, &numbers);
    groups.sums[1].add(NOWHERE, value, &numbers);
    let told: Vec<_> =
        groups.all().into_iter().map(|(ids, slot)| (ids, groups.sums[1].amount(slot).to_string())).collect();
    assert_eq!(told, [([1, 2, 3, 4], "10".to_owned()), ([900, 2, 3, 900], "5".to_owned())]);
    assert!(groups.sums[0].amount(small).is_zero());
}

#[test]
fn a_column_that_is_left_empty_is_nothing_but_zeros() {
    let mut groups = Groups::<2>::default();
    let sizes = [5, 5, 5, 5];
    let spelt_out = slot(&mut groups, [3, 0, 2, 0], sizes);
    let mut slots = Vec::new();
    groups.find([&[3], &[], &[2], &[]], sizes, &[], 1, &mut slots);
    assert_eq!(slots, [spelt_out]);
}
