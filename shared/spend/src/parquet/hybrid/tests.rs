//! Numbers in runs and packed, of every width, against the format's own description.

use proptest::prelude::*;

use super::{Hybrid, Piece, Short};

/// Packs groups of eight as the format says: from the least significant bit of each byte on.
fn packed(values: &[u32], width: u32) -> Vec<u8> {
    let groups = values.len().div_ceil(8);
    let mut data = varint((groups as u32) << 1 | 1);
    let mut bits = vec![0_u8; groups * width as usize];
    for (index, value) in values.iter().enumerate() {
        for bit in 0..width as usize {
            let at = index * width as usize + bit;
            bits[at / 8] |= ((value >> bit & 1) as u8) << (at % 8);
        }
    }
    data.extend(bits);
    data
}

fn run(value: u32, count: u32, width: u32) -> Vec<u8> {
    let bytes = width.div_ceil(8) as usize;
    [varint(count << 1), value.to_le_bytes()[..bytes].to_vec()].concat()
}

fn varint(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn read(data: Vec<u8>, width: u32, count: usize, at_once: usize) -> Result<Vec<u32>, Short> {
    let mut hybrid = Hybrid::new(data.into(), width);
    let mut values = Vec::new();
    while values.len() < count {
        match hybrid.piece(at_once.min(count - values.len()))? {
            Piece::Same(value, count) => values.resize(values.len() + count, value),
            Piece::Each(each) => values.extend_from_slice(each),
        }
    }
    Ok(values)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn numbers_come_out_as_they_went_in(
        width in 1_u32..=32,
        parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u32>(), 1..700)), 1..5),
        at_once in 1_usize..600,
    ) {
        let mask = u32::MAX >> (32 - width);
        let (mut data, mut expected) = (Vec::new(), Vec::new());
        for (in_run, values) in parts {
            if in_run {
                let (value, count) = (values[0] & mask, values.len());
                data.extend(run(value, count as u32, width));
                expected.resize(expected.len() + count, value);
            } else {
                let whole_groups = values.len() / 8 * 8;
                let values: Vec<u32> = values[..whole_groups].iter().map(|value| value & mask).collect();
                data.extend(packed(&values, width));
                expected.extend(values);
            }
        }
        let count = expected.len();
        prop_assert_eq!(read(data, width, count, at_once), Ok(expected));
    }
}

#[test]
fn data_that_ends_early_is_short() {
    let whole = packed(&[1, 2, 3, 4, 5, 6, 7, 0], 3);
    assert_eq!(read(whole.clone(), 3, 8, 8), Ok(vec![1, 2, 3, 4, 5, 6, 7, 0]));
    // The end of the last group may be left out, as long as nobody asks.
    assert_eq!(read(whole[..3].to_vec(), 3, 5, 8), Ok(vec![1, 2, 3, 4, 5]));
    assert_eq!(read(whole[..3].to_vec(), 3, 6, 8), Err(Short));
    assert_eq!(read(whole, 3, 9, 8), Err(Short));
    assert_eq!(read(vec![], 3, 1, 8), Err(Short));
    assert_eq!(read(run(5, 3, 16)[..2].to_vec(), 16, 3, 8), Err(Short));
    assert_eq!(read(vec![0x80], 3, 1, 8), Err(Short));
}

#[test]
fn numbers_of_no_bits_are_nothing_but_zeros() {
    assert_eq!(read(vec![], 0, 1000, 64), Ok(vec![0; 1000]));
}
