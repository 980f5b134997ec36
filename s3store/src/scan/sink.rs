//! What a scan delivers: chunks of rows in the form that a sink makes of them.

use arrow_array::RecordBatch;
use tokio::sync::OwnedSemaphorePermit;

use super::rows::FileRows;
use crate::error::Result;
use crate::merge::Keep;
use crate::record::{ReadLayout, RowError};

/// A form that a scan delivers rows in.
///
/// The functions that build chunks decode and copy data, so they run on the threads for CPU work.
pub(crate) trait Sink: 'static {
    /// Some rows of a partition.
    type Chunk: Send + 'static;

    /// Converts a merged batch.
    fn chunk_of_batch(layout: &ReadLayout, batch: RecordBatch) -> Result<Self::Chunk>;

    /// Converts all rows of a partition's single file while the file is decoded, and deduplicates them. `rows` is the
    /// footer's row count.
    ///
    /// Returns `None` if rows are out of order; the caller then merges the file. The default always returns `None`, for
    /// sinks whose consumer does not keep whole partitions.
    fn chunk_of_sorted_file(
        _file: &mut FileRows,
        _rows: usize,
        _layout: &ReadLayout,
        _keep: Keep,
    ) -> Result<Option<Self::Chunk>> {
        Ok(None)
    }

    /// Returns the first row of a batch that does not convert. The default is for sinks that take every batch.
    fn unfit_row(_batch: &RecordBatch) -> Option<RowError> {
        None
    }

    /// Returns the number of rows in a chunk.
    fn row_count(chunk: &Self::Chunk) -> usize;

    /// Returns the first rows of a chunk.
    fn truncate(chunk: Self::Chunk, rows: usize) -> Self::Chunk;
}

/// A part of a scan's result. Partitions come one after the other, in key order.
pub(crate) enum Event<C> {
    /// Rows of the current partition.
    Chunk(C),
    /// The end of the current partition.
    PartitionEnd {
        partition: String,
        #[expect(dead_code, reason = "held until the consumer has taken the partition")]
        permits: Option<PartitionPermits>,
    },
}

/// A partition's share of the memory, released on drop.
pub(crate) struct PartitionPermits {
    pub(super) _slot: OwnedSemaphorePermit,
    pub(super) _memory: OwnedSemaphorePermit,
}
