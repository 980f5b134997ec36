//! The removal of records that mark a deleted entity.

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::filter_record_batch;

use super::{Keep, unmergeable};
use crate::error::{Error, Result};
use crate::record::ReadLayout;

/// The column of a batch that marks deleted entities. `None` if records that mark one are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deleted(Option<usize>);

impl Deleted {
    /// Returns the column of the layout, if only the latest records are kept. A history contains the deletions.
    pub(super) fn of(layout: &ReadLayout, keep: Keep) -> Self {
        Self(layout.deleted.filter(|_| keep == Keep::Latest))
    }

    /// Keeps all records.
    pub(super) fn keep() -> Self {
        Self(None)
    }

    /// Returns the batch without the records that mark a deleted entity. The batch must have no superseded records.
    pub(super) fn without(self, batch: RecordBatch) -> Result<RecordBatch> {
        let Some(column) = self.0 else { return Ok(batch) };
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
