//! The order of rows: by their key columns, ascending.

use arrow_array::{Array, ArrayRef};
use arrow_schema::ArrowError;

use super::packed;
use super::steps::{ascend, compare};
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
    /// The key's columns in the batch before, and its last row.
    before: Option<(Vec<ArrayRef>, usize)>,
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
        if !ascend(&keys)? {
            return Ok(false);
        }
        match &self.before {
            Some((before, last)) if compare(before, *last, &keys, 0)?.0.is_gt() => return Ok(false),
            _ => self.before = Some((keys, rows - 1)),
        }
        Ok(true)
    }
}

pub(crate) fn unordered(error: ArrowError) -> Error {
    Error::invalid_input("the key's columns have no order").with_source(error)
}
