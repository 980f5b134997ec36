//! The order of rows: by their key columns, ascending.

use arrow_array::{Array, ArrayRef};
use arrow_schema::ArrowError;

use super::packed;
use super::steps::{Steps, compare};
use crate::error::{Error, Result};
use crate::record::Key;

/// In which order rows must be taken so that their keys ascend, equal keys in their given order. The most significant
/// column comes first; nulls are not looked at.
pub(crate) fn permutation(keys: &[ArrayRef]) -> Result<Vec<u32>> {
    let rows = keys.first().map_or(0, |key| key.len());
    let rows = u32::try_from(rows).map_err(|_| Error::invalid_input("more than 2^32 records to sort"))?;
    packed::order(keys, rows)
}

/// Tells of batches, one after the other, whether their rows are in the order of a key.
#[derive(Debug)]
pub(crate) struct InOrder {
    key: Key,
    /// The key's columns in the batch before.
    before: Option<Vec<ArrayRef>>,
}

impl InOrder {
    pub(crate) fn new(key: Key) -> Self {
        Self { key, before: None }
    }

    /// Whether these rows are in order, and follow on those before.
    pub(crate) fn continues(&mut self, columns: &[ArrayRef]) -> Result<bool> {
        let keys: Vec<_> = self.key.columns().filter_map(|column| columns.get(column).cloned()).collect();
        let Some(rows) = keys.first().map(|key| key.len()).filter(|&rows| rows > 0) else {
            return Ok(true);
        };
        if !Steps::of(&keys, keys.len())?.descents.is_empty() {
            return Ok(false);
        }
        // One row is enough to go on with, and keeps no text alive but its batch's.
        let last = keys.iter().map(|key| key.slice(rows - 1, 1)).collect();
        match self.before.replace(last) {
            Some(before) => Ok(compare(&before, 0, &keys, 0)?.0.is_le()),
            None => Ok(true),
        }
    }
}

pub(crate) fn unordered(error: ArrowError) -> Error {
    Error::invalid_input("the key's columns have no order").with_source(error)
}
