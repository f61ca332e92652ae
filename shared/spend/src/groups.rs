//! Sums by several things at once: the numbers of a line's account, service, owner and day, taken together, find the
//! slot that its amounts are added to.

use std::collections::HashMap;

use ahash::RandomState;

use crate::number::Sums;

/// A line that belongs nowhere.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// So many things lines are summed by, at most.
pub(crate) const DIMENSIONS: usize = 4;

/// The numbers of one group, one for each dimension.
pub(crate) type Ids = [u32; DIMENSIONS];

/// The largest grid, as a power of two: 16 MiB for each sum. A month of 250 accounts with 60 services each takes half.
const GRID_BITS: u32 = 20;

/// Groups, and so many sums of each.
#[derive(Debug)]
pub(crate) struct Groups<const SUMS: usize> {
    pub(crate) sums: [Sums; SUMS],
    index: Index,
}

/// How the slot of a group is found.
#[derive(Debug)]
enum Index {
    /// There is a slot for every combination that there could be, so that nothing is looked up.
    Grid {
        /// How many bits of a slot's number each dimension has.
        widths: Ids,
        /// Which slots belong to a group.
        used: Vec<bool>,
    },
    /// Where these would be too many.
    Map { slots: HashMap<Ids, u32, RandomState>, groups: Vec<Ids> },
}

impl<const SUMS: usize> Default for Groups<SUMS> {
    fn default() -> Self {
        let mut sums = [(); SUMS].map(|()| Sums::default());
        sums.iter_mut().for_each(|sums| sums.grow(1));
        Self { sums, index: Index::Grid { widths: Ids::default(), used: vec![false] } }
    }
}

impl<const SUMS: usize> Groups<SUMS> {
    /// The groups, each with its slot.
    pub(crate) fn all(&self) -> Vec<(Ids, u32)> {
        match &self.index {
            Index::Map { groups, .. } => groups.iter().copied().zip(0..).collect(),
            Index::Grid { widths, used } => {
                let slots = (0..).zip(used).filter(|(_, used)| **used);
                slots.map(|(slot, _)| (ids_of(slot, *widths), slot)).collect()
            }
        }
    }

    /// The slots of lines, of which `columns` has the numbers; where all are 0, as those of a dimension that nobody
    /// asked for, a column may be left empty. Of each dimension there are as many numbers as `sizes` says. A line to
    /// `skip`, which may be empty as well, belongs nowhere.
    pub(crate) fn find(
        &mut self,
        columns: [&[u32]; DIMENSIONS],
        sizes: [usize; DIMENSIONS],
        skip: &[bool],
        lines: usize,
        slots: &mut Vec<u32>,
    ) {
        slots.clear();
        let mut asked = columns.iter().zip(sizes).map(|(column, size)| if column.is_empty() { 1 } else { size });
        self.fit([(); DIMENSIONS].map(|()| asked.next().unwrap_or(1)));
        match &mut self.index {
            Index::Grid { widths, used } => {
                slots.resize(lines, 0);
                for (column, width) in columns.into_iter().zip(*widths) {
                    if column.is_empty() {
                        slots.iter_mut().for_each(|slot| *slot <<= width);
                    }
                    for (slot, id) in slots.iter_mut().zip(column) {
                        *slot = (*slot << width) | id;
                    }
                }
                for (slot, _) in slots.iter_mut().zip(skip).filter(|(_, skip)| **skip) {
                    *slot = NOWHERE;
                }
                for &slot in slots.iter() {
                    if let Some(used) = used.get_mut(slot as usize) {
                        *used = true;
                    }
                }
            }
            Index::Map { slots: known, groups } => {
                slots.extend((0..lines).map(|line| {
                    if skip.get(line).copied().unwrap_or_default() {
                        return NOWHERE;
                    }
                    let ids = columns.map(|column| column.get(line).copied().unwrap_or_default());
                    slot_in_map(known, groups, ids)
                }));
                let count = groups.len();
                self.sums.iter_mut().for_each(|sums| sums.grow(count));
            }
        }
    }

    /// Makes room for so many numbers of each dimension.
    fn fit(&mut self, sizes: [usize; DIMENSIONS]) {
        let Index::Grid { widths, .. } = &self.index else { return };
        if widths.iter().zip(sizes).all(|(&width, size)| size <= 1 << width) {
            return;
        }
        let mut wider = *widths;
        for (width, size) in wider.iter_mut().zip(sizes) {
            if size > 1 << *width {
                // Up to twice as many as there are, so that it is not done again for every new name.
                *width = usize::BITS - size.leading_zeros();
            }
        }
        let groups = self.all();
        let bits: u32 = wider.iter().sum();
        let (places, slots): (Vec<u32>, usize) = if bits > GRID_BITS {
            let (mut slots, mut known) = (HashMap::default(), Vec::new());
            let places = groups.iter().map(|(ids, _)| slot_in_map(&mut slots, &mut known, *ids)).collect();
            self.index = Index::Map { slots, groups: known };
            (places, groups.len())
        } else {
            let places: Vec<u32> = groups.iter().map(|(ids, _)| slot_of(*ids, wider)).collect();
            let mut used = vec![false; 1 << bits];
            for &place in &places {
                if let Some(used) = used.get_mut(place as usize) {
                    *used = true;
                }
            }
            self.index = Index::Grid { widths: wider, used };
            (places, 1 << bits)
        };
        for sums in &mut self.sums {
            let mut moved = Sums::default();
            moved.grow(slots);
            for ((_, old), &new) in groups.iter().zip(&places) {
                moved.absorb(new, sums, *old);
            }
            *sums = moved;
        }
    }
}

fn slot_of(ids: Ids, widths: Ids) -> u32 {
    ids.iter().zip(widths).fold(0, |slot, (id, width)| (slot << width) | id)
}

fn ids_of(slot: u32, widths: Ids) -> Ids {
    let (mut rest, mut ids) = (slot, Ids::default());
    for (id, width) in ids.iter_mut().zip(widths).rev() {
        *id = rest & ((1 << width) - 1);
        rest >>= width;
    }
    ids
}

fn slot_in_map(slots: &mut HashMap<Ids, u32, RandomState>, groups: &mut Vec<Ids>, ids: Ids) -> u32 {
    *slots.entry(ids).or_insert_with(|| {
        groups.push(ids);
        groups.len() as u32 - 1
    })
}

#[cfg(test)]
mod tests;
