//! The rows that remain after deduplication: those that mark a deleted entity are left out, and those that the read's filter
//! drops.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::filter_record_batch;

use super::{Keep, unmergeable};
use crate::error::{Error, Result};
use crate::record::{Predicate, ReadLayout};

/// The rows that remain after deduplication.
#[derive(Debug, Clone, Default)]
pub(super) struct FinalRows {
    /// The column that marks deleted entities. `None` if records that mark one are kept.
    deleted: Option<usize>,
    /// The condition on the rows. `None` if all are kept.
    filter: Option<Arc<Predicate>>,
}

impl FinalRows {
    /// Returns the rows that the layout's filter keeps. If only the latest records are kept, the deleted ones are left out; a
    /// history contains the deletions.
    pub(super) fn of(layout: &ReadLayout, keep: Keep) -> Self {
        let deleted = layout.deleted.filter(|_| keep == Keep::Latest);
        Self { deleted, filter: layout.filter.above.clone() }
    }

    /// Returns all rows.
    pub(super) fn all() -> Self {
        Self::default()
    }

    /// Returns the rows of a batch that remain. The batch must have no superseded records.
    pub(super) fn select(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let alive = self.without_deleted(batch)?;
        match &self.filter {
            Some(filter) => filter.keep_matching(alive),
            None => Ok(alive),
        }
    }

    fn without_deleted(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let Some(column) = self.deleted else { return Ok(batch) };
        let column = batch.columns().get(column);
        let column = column.ok_or_else(|| Error::internal("a batch lacks the column that marks deleted entities"))?;
        let kept = !&marked(column);
        if kept.count_set_bits() == batch.num_rows() {
            return Ok(batch);
        }
        filter_record_batch(&batch, &BooleanArray::new(kept, None)).map_err(unmergeable)
    }
}

/// Returns which rows mark a deleted entity: those that are `true`, or not null if the column is a time.
fn marked(column: &dyn Array) -> BooleanBuffer {
    let given = column.nulls().map(|nulls| nulls.inner().clone());
    let given = given.unwrap_or_else(|| BooleanBuffer::new_set(column.len()));
    match column.as_boolean_opt() {
        Some(marks) => marks.values() & &given,
        None => given,
    }
}
