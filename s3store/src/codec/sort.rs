//! The order of rows: by their key columns, ascending.

use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use arrow_ord::cmp;
use arrow_row::{RowConverter, SortField};
use arrow_schema::ArrowError;

use super::{BATCH_ROWS, ranks};
use crate::error::{Error, Result};

/// Fewer rows are not worth the hashing of their text.
const RANKED_ROWS: u32 = 1 << 16;

/// In which order rows must be taken so that their keys ascend, equal keys in their given order; `None` if they do
/// already, which is found out cheaply. The most significant column comes first; nulls are not looked at.
pub(crate) fn permutation(keys: &[ArrayRef]) -> Result<Option<Vec<u32>>> {
    if in_order(keys)? {
        return Ok(None);
    }
    let length = keys.first().map_or(0, |key| key.len());
    let length = u32::try_from(length).map_err(|_| Error::invalid_input("more than 2^32 records to sort"))?;
    if length >= RANKED_ROWS
        && let Some(order) = ranks::order(keys)
    {
        return Ok(Some(order));
    }
    let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
    let rows = RowConverter::new(fields).and_then(|converter| converter.convert_columns(keys)).map_err(unordered)?;
    let mut order: Vec<u32> = (0..length).collect();
    order.sort_by(|&a, &b| rows.row(a as usize).cmp(&rows.row(b as usize)));
    Ok(Some(order))
}

fn in_order(keys: &[ArrayRef]) -> Result<bool> {
    let rows = keys.first().map_or(0, |key| key.len());
    // In pieces, so that what is in no order is not looked at to its end.
    for start in (1..rows).step_by(BATCH_ROWS) {
        if Steps::within(keys, start - 1..rows.min(start + BATCH_ROWS))?.descents().next().is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How neighbours in a sequence of rows compare: bit `i` is about the rows `i` and `i + 1`.
#[derive(Debug)]
pub(crate) struct Steps {
    /// The second row is greater.
    pub(crate) ascending: BooleanBuffer,
    /// Both are equal.
    pub(crate) equal: BooleanBuffer,
}

impl Steps {
    /// The steps between the rows of a range, one fewer than there are rows.
    pub(crate) fn within(keys: &[ArrayRef], rows: Range<usize>) -> Result<Self> {
        let steps = rows.len().saturating_sub(1);
        let slices = |start: usize| keys.iter().map(|key| key.slice(start, steps)).collect::<Vec<_>>();
        if steps == 0 {
            return Ok(Self { ascending: BooleanBuffer::new_unset(0), equal: BooleanBuffer::new_set(0) });
        }
        Self::between(&slices(rows.start), &slices(rows.start + 1))
    }

    /// The steps from the rows of `first` to those of `second`, one by one.
    pub(crate) fn between(first: &[ArrayRef], second: &[ArrayRef]) -> Result<Self> {
        let steps = first.first().map_or(0, |key| key.len());
        let mut ascending = BooleanBuffer::new_unset(steps);
        let mut equal = BooleanBuffer::new_set(steps);
        for (first, second) in first.iter().zip(second) {
            if equal.count_set_bits() == 0 {
                break;
            }
            let less = cmp::lt(first, second).map_err(unordered)?;
            let same = cmp::eq(first, second).map_err(unordered)?;
            ascending = &ascending | &(&equal & less.values());
            equal = &equal & same.values();
        }
        Ok(Self { ascending, equal })
    }

    /// The steps that go down, in order.
    pub(crate) fn descents(&self) -> impl Iterator<Item = usize> + use<> {
        let down = !&(&self.ascending | &self.equal);
        let count = down.count_set_bits();
        (0..down.len()).filter(move |&step| down.value(step)).take(count)
    }
}

pub(crate) fn unordered(error: ArrowError) -> Error {
    Error::invalid_input("the key's columns have no order").with_source(error)
}
