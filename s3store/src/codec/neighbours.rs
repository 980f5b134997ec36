//! Comparisons of the neighbouring rows of a batch by their key columns.
//!
//! One pass over neighbours finds where a file is out of order and which rows the next one supersedes.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{ByteArrayType, ByteViewType};
use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, GenericByteArray, GenericByteViewArray, downcast_primitive_array,
};
use arrow_buffer::ArrowNativeType;
use arrow_ord::ord::make_comparator;
use arrow_schema::{ArrowError, DataType, SortOptions};

use crate::error::{Error, Result};

/// How each row of a batch compares with the next one. Nulls are ignored.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    /// The rows that are greater than the next row.
    pub(crate) descents: Vec<usize>,
    /// The rows whose entity columns equal those of the next row.
    pub(crate) same_entity: Vec<usize>,
    /// The rows whose key columns all equal those of the next row.
    pub(crate) same_key: Vec<usize>,
}

impl Neighbours {
    /// Compares the rows by key columns of equal length, the most significant first. The first `entity` columns are
    /// those of the entity.
    pub(crate) fn compare(keys: &[ArrayRef], entity: usize) -> Result<Self> {
        let mut ties = Ties::new(keys);
        let mut same_entity = Vec::new();
        for (column, key) in keys.iter().enumerate() {
            if column == entity {
                same_entity = ties.rows();
            }
            if ties.is_empty() {
                break;
            }
            ties.compare_by(key)?;
        }
        let same_key = ties.rows();
        if entity >= keys.len() {
            same_entity.clone_from(&same_key);
        }
        // Each column appended its own descents.
        ties.descents.sort_unstable();
        Ok(Self { descents: ties.descents, same_entity, same_key })
    }
}

/// Returns whether the rows ascend, by key columns of equal length, the most significant first. Nulls are ignored.
pub(super) fn is_ascending(keys: &[ArrayRef]) -> Result<bool> {
    let mut ties = Ties::new(keys);
    for key in keys {
        if ties.is_empty() {
            break;
        }
        ties.compare_by(key)?;
        if !ties.descents.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Compares a row of one batch with a row of another. Also returns how many leading key columns are equal.
pub(crate) fn compare_rows(
    keys: &[ArrayRef],
    row: usize,
    others: &[ArrayRef],
    other: usize,
) -> Result<(Ordering, usize)> {
    for (column, (key, others)) in keys.iter().zip(others).enumerate() {
        let ordering = make_comparator(key, others, SortOptions::default()).map_err(incomparable)?(row, other);
        if ordering.is_ne() {
            return Ok((ordering, column));
        }
    }
    Ok((Ordering::Equal, keys.len()))
}

/// Returns the error for key columns that Arrow can't compare.
pub(crate) fn incomparable(error: ArrowError) -> Error {
    Error::invalid_input("the key columns can't be ordered").with_source(error)
}

/// The pairs of neighbours that tie in all columns compared so far.
struct Ties {
    /// The number of pairs in the batch.
    pairs: usize,
    /// The first row of each tied pair, or `None` if all pairs tie because no column was compared yet.
    tied: Option<Vec<usize>>,
    descents: Vec<usize>,
}

impl Ties {
    fn new(keys: &[ArrayRef]) -> Self {
        let rows = keys.first().map_or(0, |key| key.len());
        Self { pairs: rows.saturating_sub(1), tied: None, descents: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.tied.as_ref().map_or(self.pairs == 0, Vec::is_empty)
    }

    fn rows(&self) -> Vec<usize> {
        self.tied.clone().unwrap_or_else(|| (0..self.pairs).collect())
    }

    /// Compares the tied pairs by one more column.
    fn compare_by(&mut self, key: &ArrayRef) -> Result<()> {
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
                    let comparator = make_comparator(key, key, SortOptions::default()).map_err(incomparable)?;
                    self.by(|row| comparator(row, row + 1));
                }
            ),
        }
        Ok(())
    }

    /// Keeps the pairs that still tie. Whether a pair ties is unpredictable, so the loop does not branch on it.
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
        let rows = match &mut self.tied {
            Some(rows) => {
                for at in 0..rows.len() {
                    let row = rows[at];
                    rows[count] = row;
                    count += usize::from(is_equal(row));
                }
                rows
            }
            all => {
                let rows = all.insert(vec![0; self.pairs]);
                for row in 0..self.pairs {
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
            self.by(|row| compare_bytes(value(row), value(row + 1)));
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

/// The longest value in bytes that a view stores inline.
const INLINE: u32 = 12;

#[expect(clippy::cast_possible_truncation, reason = "the lowest 32 bits are the length")]
fn length(view: u128) -> u32 {
    view as u32
}

fn bytes<T: ByteArrayType>(key: &GenericByteArray<T>, row: usize) -> &[u8] {
    key.value(row).as_ref()
}

/// Compares two values. Those of most key columns have one length of at most two words, which compare as numbers.
#[inline]
fn compare_bytes(a: &[u8], b: &[u8]) -> Ordering {
    if a.len() == b.len()
        && let (Some(words), Some(others)) = (words(a), words(b))
    {
        return words.cmp(&others);
    }
    a.cmp(b)
}

/// Returns the first and the last eight bytes of a value as two numbers that together contain all its bytes. They may
/// overlap. Returns `None` if the value is too short or too long for that.
#[inline]
fn words(value: &[u8]) -> Option<[u64; 2]> {
    const WORD: usize = size_of::<u64>();
    let (first, last) = (value.first_chunk::<WORD>()?, value.last_chunk::<WORD>()?);
    (value.len() <= 2 * WORD).then(|| [u64::from_be_bytes(*first), u64::from_be_bytes(*last)])
}

/// Returns whether all values are equal, as those of a key column often are within a partition.
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
    // Values are equal if all have one length and the data equals itself shifted by that length. Combining the
    // differences of the lengths avoids a branch per row.
    let differences =
        |found: usize, ends: &[T::Offset]| found | (ends[1].as_usize().wrapping_sub(ends[0].as_usize()) ^ width);
    offsets.windows(2).fold(0, differences) == 0 && values.get(width..) == values.get(..values.len() - width)
}

/// Compares the values of two neighbouring views. Equal values are usually one dictionary entry, so their views are
/// equal too.
#[inline]
fn view_order<T: ByteViewType>(key: &GenericByteViewArray<T>, view: u128, next: u128, row: usize) -> Ordering {
    #[expect(clippy::cast_possible_truncation, reason = "the four bytes after the length are the start of the value")]
    let start = |view: u128| ((view >> 32) as u32).swap_bytes();
    if view == next {
        return Ordering::Equal;
    }
    let value = |row: usize| -> &[u8] { key.value(row).as_ref() };
    start(view).cmp(&start(next)).then_with(|| compare_bytes(value(row), value(row + 1)))
}
