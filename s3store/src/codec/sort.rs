//! Sorting rows by their key columns, and checking that they are sorted.

use arrow_array::{Array, ArrayRef};

use super::neighbours::{compare_rows, is_ascending};
use super::packed;
use crate::error::{Error, Result};
use crate::record::Key;

/// Returns the rows' numbers in ascending order of their keys. The sort is stable. The most significant column comes first.
/// Nulls are ignored.
pub(crate) fn permutation(keys: &[ArrayRef]) -> Result<Vec<u32>> {
    let rows = keys.first().map_or(0, |key| key.len());
    let rows = u32::try_from(rows).map_err(|_| Error::invalid_input("more than 2^32 records to sort"))?;
    packed::sorted_rows(keys, rows)
}

/// Checks that the rows of successive batches are in the order of a key.
#[derive(Debug)]
pub(crate) struct OrderCheck {
    key: Key,
    /// The key columns of the batch before, and the number of its last row.
    before: Option<(Vec<ArrayRef>, usize)>,
}

impl OrderCheck {
    /// Returns a check for batches of all columns, by `key`.
    pub(crate) fn new(key: Key) -> Self {
        Self { key, before: None }
    }

    /// Returns whether the rows of the next batch are in order, and not less than those of the batches before.
    pub(crate) fn continues(&mut self, columns: &[ArrayRef]) -> Result<bool> {
        let keys: Vec<_> = self.key.columns().filter_map(|column| columns.get(column).cloned()).collect();
        let Some(rows) = keys.first().map(|key| key.len()).filter(|&rows| rows > 0) else {
            return Ok(true);
        };
        if !is_ascending(&keys)? {
            return Ok(false);
        }
        match &self.before {
            Some((before, last)) if compare_rows(before, *last, &keys, 0)?.0.is_gt() => return Ok(false),
            _ => self.before = Some((keys, rows - 1)),
        }
        Ok(true)
    }
}
