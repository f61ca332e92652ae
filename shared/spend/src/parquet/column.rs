//! A column with a value for each line, and what its values mean. A dictionary's values are converted once, however
//! often they come.

use super::Bad;
use super::form::Form;
use super::hybrid::Piece;
use super::leaf::{Leaf, Next, Open, Values};
use crate::convert::Convert;

/// Such a column of a row group.
pub(super) struct Column<V> {
    leaf: Leaf,
    dictionary: Vec<V>,
    open: Option<Box<Open>>,
}

impl<V: Copy> Column<V> {
    pub(super) fn new(leaf: Leaf) -> Result<Self, Bad> {
        if !leaf.is_flat() {
            return Err(Bad::nested());
        }
        Ok(Self { leaf, dictionary: Vec::new(), open: None })
    }

    /// What the next lines mean. Tells how many of them have a value.
    pub(super) fn fill<C>(&mut self, lines: usize, convert: &mut C, values: &mut Vec<V>) -> Result<u64, Bad>
    where
        C: Convert<Value = V>,
    {
        let nothing = convert.nothing();
        let mut with_value = 0;
        while values.len() < lines {
            let open = match &mut self.open {
                Some(open) if open.left > 0 => open,
                open => match self.leaf.next()? {
                    Next::Page(page) => open.insert(page),
                    Next::Dictionary(data, count) => {
                        self.dictionary.clear();
                        self.leaf.form.take(&mut &data[..], count, convert, &mut self.dictionary)?;
                        convert.dictionary_done();
                        continue;
                    }
                    Next::End => return Err(Bad::Damaged("it has fewer values than its row group lines".to_owned())),
                },
            };
            let mut take = open.left.min(lines - values.len());
            open.left -= take;
            let form = self.leaf.form;
            let Some(definition) = &mut open.definition else {
                with_value += take as u64;
                take_values(&mut open.values, form, &self.dictionary, take, convert, values)?;
                continue;
            };
            let mut some = |defined: bool, count| {
                if !defined {
                    values.resize(values.len() + count, nothing);
                    return Ok(());
                }
                with_value += count as u64;
                take_values(&mut open.values, form, &self.dictionary, count, convert, values)
            };
            while take > 0 {
                match definition.piece(take)? {
                    Piece::Same(level, count) => {
                        take -= count;
                        some(level > 0, count)?;
                    }
                    Piece::Each(levels) => {
                        take -= levels.len();
                        for run in levels.chunk_by(|one, other| one == other) {
                            some(run.first().is_some_and(|level| *level > 0), run.len())?;
                        }
                    }
                }
            }
        }
        Ok(with_value)
    }
}

fn take_values<C: Convert>(
    from: &mut Values,
    form: Form,
    dictionary: &[C::Value],
    count: usize,
    convert: &mut C,
    values: &mut Vec<C::Value>,
) -> Result<(), Bad> {
    match from {
        Values::Plain(data) => {
            let mut rest = &data[..];
            form.take(&mut rest, count, convert, values)?;
            let taken = data.len() - rest.len();
            bytes::Buf::advance(data, taken);
        }
        Values::Indices(indices) => {
            let mut left = count;
            while left > 0 {
                match indices.piece(left)? {
                    Piece::Same(index, count) => {
                        left -= count;
                        let value = *dictionary.get(index as usize).ok_or(Bad::Index)?;
                        values.resize(values.len() + count, value);
                    }
                    Piece::Each(each) => {
                        left -= each.len();
                        let nothing = convert.nothing();
                        let mut outside = false;
                        values.extend(each.iter().map(|index| match dictionary.get(*index as usize) {
                            Some(value) => *value,
                            None => {
                                outside = true;
                                nothing
                            }
                        }));
                        if outside {
                            return Err(Bad::Index);
                        }
                    }
                }
            }
        }
    }
    Ok(())
}
