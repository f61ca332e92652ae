//! Small numbers as Parquet packs them, levels and dictionary indices: runs of one value, and runs of values in as few
//! bits as they take. <https://parquet.apache.org/docs/file-format/data-pages/encodings/>
//!
//! Runs are handed on as such. The library unpacks them too, but only together with the values that they stand for.

use bytes::Bytes;

/// How many are unpacked at a time, in blocks of 32.
const UNPACKED: usize = 256;
const BLOCK: usize = 32;

/// The data ends before it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short;

/// Some numbers that follow each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// One and the same, so many times.
    Same(u32, usize),
    /// Each by itself.
    Each(&'a [u32]),
}

/// Reads such numbers.
#[derive(Debug)]
pub(super) struct Hybrid {
    data: Bytes,
    at: usize,
    width: u32,
    /// The value of the run, and how often it comes still.
    same: (u32, usize),
    /// How many of a packed run are not yet unpacked.
    packed: usize,
    unpacked: Box<[u32; UNPACKED]>,
    /// What of the unpacked ones was not yet handed on.
    from: usize,
    to: usize,
}

impl Hybrid {
    /// Reads numbers of so many bits.
    pub(super) fn new(data: Bytes, width: u32) -> Self {
        Self { data, at: 0, width, same: (0, 0), packed: 0, unpacked: Box::new([0; UNPACKED]), from: 0, to: 0 }
    }

    /// The next numbers, at least one and at most so many.
    pub(super) fn piece(&mut self, most: usize) -> Result<Piece<'_>, Short> {
        loop {
            if self.same.1 > 0 {
                let count = self.same.1.min(most);
                self.same.1 -= count;
                return Ok(Piece::Same(self.same.0, count));
            }
            if self.from < self.to || self.packed > 0 {
                if self.from == self.to {
                    self.unpack()?;
                }
                let to = self.to.min(self.from + most);
                let piece = self.unpacked.get(self.from..to).ok_or(Short)?;
                self.from = to;
                return Ok(Piece::Each(piece));
            }
            self.begin_run()?;
        }
    }

    /// The next number.
    pub(super) fn one(&mut self) -> Result<u32, Short> {
        match self.piece(1)? {
            Piece::Same(value, _) => Ok(value),
            Piece::Each(values) => values.first().copied().ok_or(Short),
        }
    }

    fn begin_run(&mut self) -> Result<(), Short> {
        if self.width == 0 {
            // Nothing needs to be written of numbers that can only be 0.
            self.same = (0, usize::MAX);
            return Ok(());
        }
        let mut header = 0_u32;
        for shift in (0..u32::BITS).step_by(7) {
            let &byte = self.data.get(self.at).ok_or(Short)?;
            self.at += 1;
            header |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        let count = (header >> 1) as usize;
        if header & 1 == 1 {
            self.packed = count * 8;
            return Ok(());
        }
        let bytes = self.width.div_ceil(8) as usize;
        let value = self.data.get(self.at..self.at + bytes).ok_or(Short)?;
        self.at += bytes;
        self.same = (value.iter().rev().fold(0, |value, &byte| (value << 8) | u32::from(byte)), count);
        Ok(())
    }

    fn unpack(&mut self) -> Result<(), Short> {
        let width = self.width as usize;
        let rest = self.data.get(self.at..).unwrap_or_default();
        // Some writers leave out the end of the last run, of which nobody asks.
        let count = self.packed.min(UNPACKED).min(rest.len() * 8 / width);
        if count == 0 {
            return Err(Short);
        }
        let bytes = (count * width).div_ceil(8);
        let packed = rest.get(..bytes).ok_or(Short)?;
        let blocks = self.unpacked.as_chunks_mut::<BLOCK>().0;
        for (source, block) in packed.chunks(BLOCK / 8 * width).zip(blocks) {
            if source.len() == BLOCK / 8 * width {
                unpack_block(self.width, source, block);
            } else {
                let mut padded = [0; BLOCK * 4];
                padded.get_mut(..source.len()).ok_or(Short)?.copy_from_slice(source);
                unpack_block(self.width, padded.get(..BLOCK / 8 * width).ok_or(Short)?, block);
            }
        }
        self.at += bytes;
        // A run that was cut short is not gone on with.
        self.packed = if count < UNPACKED { 0 } else { self.packed - count };
        (self.from, self.to) = (0, count);
        Ok(())
    }
}

fn unpack_block(width: u32, source: &[u8], block: &mut [u32; BLOCK]) {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                $($width => unpack_by::<$width>(source, block),)*
                _ => {}
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

#[inline]
fn unpack_by<const WIDTH: usize>(source: &[u8], block: &mut [u32; BLOCK]) {
    let mut words = [0; WIDTH];
    for (word, bytes) in words.iter_mut().zip(source.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    // Written out, so that each shift is a constant.
    macro_rules! lanes {
        ($($lane:literal)*) => { *block = [$(lane::<WIDTH, $lane>(&words),)*]; };
    }
    lanes!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
}

#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "lane × width is below 32 × width, the bits of all words")]
fn lane<const WIDTH: usize, const LANE: usize>(words: &[u32; WIDTH]) -> u32 {
    let (word, shift) = (LANE * WIDTH / 32, LANE * WIDTH % 32);
    let mut value = words[word] >> shift;
    if shift + WIDTH > 32 {
        value |= words[word + 1] << (32 - shift);
    }
    if WIDTH == 32 { value } else { value & ((1 << WIDTH) - 1) }
}

#[cfg(test)]
mod tests;
