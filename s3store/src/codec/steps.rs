//! How the rows of a batch compare with their neighbours, by their key columns.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{ByteArrayType, ByteViewType};
use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, GenericByteArray, GenericByteViewArray, downcast_primitive_array,
};
use arrow_buffer::ArrowNativeType;
use arrow_ord::ord::make_comparator;
use arrow_schema::{DataType, SortOptions};

use super::sort::unordered;
use crate::error::Result;

/// How each row of a batch compares with the next. Nulls are not looked at.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// The rows that the next is less than.
    pub(crate) descents: Vec<usize>,
    /// The rows that agree with the next in the entity's columns.
    pub(crate) same_entity: Vec<usize>,
    /// The rows that agree with the next in all columns.
    pub(crate) same: Vec<usize>,
}

impl Steps {
    /// By columns of one length, the most significant first; the first `entity` of them are the entity's.
    pub(crate) fn of(keys: &[ArrayRef], entity: usize) -> Result<Self> {
        let mut open = Open::all(keys);
        let mut same_entity = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            if place == entity {
                same_entity = open.rows();
            }
            if open.is_empty() {
                break;
            }
            open.narrow(key)?;
        }
        let same = open.rows();
        if entity >= keys.len() {
            same_entity.clone_from(&same);
        }
        // One column after the other has added to them.
        open.descents.sort_unstable();
        Ok(Self { descents: open.descents, same_entity, same })
    }
}

/// Whether each row follows on the one before, by columns of one length, the most significant first. Nulls are not
/// looked at.
pub(super) fn ascend(keys: &[ArrayRef]) -> Result<bool> {
    let mut open = Open::all(keys);
    for key in keys {
        if open.is_empty() {
            break;
        }
        open.narrow(key)?;
        if !open.descents.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How a row of some columns compares with a row of others, and how many of the first columns are equal.
pub(crate) fn compare(keys: &[ArrayRef], row: usize, others: &[ArrayRef], other: usize) -> Result<(Ordering, usize)> {
    for (place, (key, others)) in keys.iter().zip(others).enumerate() {
        let ordering = make_comparator(key, others, SortOptions::default()).map_err(unordered)?(row, other);
        if ordering.is_ne() {
            return Ok((ordering, place));
        }
    }
    Ok((Ordering::Equal, keys.len()))
}

/// The steps that the columns so far leave open.
struct Open {
    steps: usize,
    /// Those whose rows are equal so far; `None` for all.
    equal: Option<Vec<usize>>,
    descents: Vec<usize>,
}

impl Open {
    /// Before any of the columns was looked at.
    fn all(keys: &[ArrayRef]) -> Self {
        let rows = keys.first().map_or(0, |key| key.len());
        Self { steps: rows.saturating_sub(1), equal: None, descents: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.equal.as_ref().map_or(self.steps == 0, Vec::is_empty)
    }

    fn rows(&self) -> Vec<usize> {
        self.equal.clone().unwrap_or_else(|| (0..self.steps).collect())
    }

    fn narrow(&mut self, key: &ArrayRef) -> Result<()> {
        match key.data_type() {
            DataType::Utf8 => self.by_bytes(key.as_string::<i32>()),
            DataType::Binary => self.by_bytes(key.as_binary::<i32>()),
            DataType::Utf8View => self.by_views(key.as_string_view()),
            DataType::BinaryView => self.by_views(key.as_binary_view()),
            _ => downcast_primitive_array!(
                key => {
                    let values = key.values();
                    self.by(|row| values[row].compare(values[row + 1]));
                },
                _ => {
                    let comparator = make_comparator(key, key, SortOptions::default()).map_err(unordered)?;
                    self.by(|row| comparator(row, row + 1));
                }
            ),
        }
        Ok(())
    }

    /// Takes the rows on that are equal. Which ones are is as good as random, so there is no branch on it.
    #[inline]
    fn by(&mut self, compare: impl Fn(usize) -> Ordering) {
        let descents = &mut self.descents;
        let mut is_equal = |row: usize| {
            let ordering = compare(row);
            if ordering.is_gt() {
                descents.push(row);
            }
            ordering.is_eq()
        };
        let mut count = 0;
        let rows = match &mut self.equal {
            Some(rows) => {
                for at in 0..rows.len() {
                    let row = rows[at];
                    rows[count] = row;
                    count += usize::from(is_equal(row));
                }
                rows
            }
            all => {
                let rows = all.insert(vec![0; self.steps]);
                for row in 0..self.steps {
                    rows[count] = row;
                    count += usize::from(is_equal(row));
                }
                rows
            }
        };
        rows.truncate(count);
    }

    fn by_bytes<T: ByteArrayType>(&mut self, key: &GenericByteArray<T>) {
        if !is_constant(key) {
            let (offsets, data) = (key.value_offsets(), key.value_data());
            let value = |row: usize| &data[offsets[row].as_usize()..offsets[row + 1].as_usize()];
            self.by(|row| order(value(row), value(row + 1)));
        }
    }

    fn by_views<T: ByteViewType>(&mut self, key: &GenericByteViewArray<T>) {
        let views = key.views();
        if views.first() == views.last() && views.get(1..) == views.get(..views.len().saturating_sub(1)) {
            return;
        }
        let is_long = views.iter().any(|&view| length(view) > INLINE);
        if is_long {
            self.by(|row| view_order(key, views[row], views[row + 1], row));
        } else {
            let number = GenericByteViewArray::<T>::inline_key_fast;
            self.by(|row| number(views[row]).cmp(&number(views[row + 1])));
        }
    }
}

/// Up to how many bytes a view holds its value itself.
const INLINE: u32 = 12;

#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are the length")]
fn length(view: u128) -> u32 {
    view as u32
}

fn bytes<T: ByteArrayType>(key: &GenericByteArray<T>, row: usize) -> &[u8] {
    key.value(row).as_ref()
}

/// How two values compare: those of most key columns are of one length, and no longer than two words.
#[inline]
fn order(a: &[u8], b: &[u8]) -> Ordering {
    if a.len() == b.len()
        && let (Some(words), Some(others)) = (words(a), words(b))
    {
        return words.cmp(&others);
    }
    a.cmp(b)
}

/// All bytes of a value as two numbers, its first and last bytes, which may overlap.
#[inline]
fn words(value: &[u8]) -> Option<[u64; 2]> {
    const WORD: usize = size_of::<u64>();
    let (first, last) = (value.first_chunk::<WORD>()?, value.last_chunk::<WORD>()?);
    (value.len() <= 2 * WORD).then(|| [u64::from_be_bytes(*first), u64::from_be_bytes(*last)])
}

/// Whether all values are the same, as a key column's often are within a partition.
fn is_constant<T: ByteArrayType>(key: &GenericByteArray<T>) -> bool {
    let rows = key.len();
    if rows == 0 || bytes(key, 0) != bytes(key, rows - 1) {
        return rows == 0;
    }
    let width = bytes(key, 0).len();
    let offsets = key.value_offsets();
    let Some(values) = key.value_data().get(offsets[0].as_usize()..offsets[rows].as_usize()) else {
        return false;
    };
    // Of one length each, which is looked at without a branch a row, and the same when moved by that length.
    let unlike =
        |found: usize, ends: &[T::Offset]| found | (ends[1].as_usize().wrapping_sub(ends[0].as_usize()) ^ width);
    offsets.windows(2).fold(0, unlike) == 0 && values.get(width..) == values.get(..values.len() - width)
}

/// How the values of two neighbouring views compare. Equal ones are most often one entry of a dictionary.
#[inline]
fn view_order<T: ByteViewType>(key: &GenericByteViewArray<T>, view: u128, next: u128, row: usize) -> Ordering {
    #[expect(clippy::cast_possible_truncation, reason = "behind the length come the first four bytes")]
    let start = |view: u128| ((view >> 32) as u32).swap_bytes();
    if view == next {
        return Ordering::Equal;
    }
    let value = |row: usize| -> &[u8] { key.value(row).as_ref() };
    start(view).cmp(&start(next)).then_with(|| order(value(row), value(row + 1)))
}
