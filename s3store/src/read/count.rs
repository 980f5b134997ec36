//! Counting the records of a read.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::metrics::Tally;
use crate::record::ReadLayout;
use crate::scan::{self, FileSize, MissingFile, PartitionFiles, Sink, StoredFile};

/// A sink that counts the rows.
pub(super) struct RowCount;

impl Sink for RowCount {
    type Chunk = usize;

    fn chunk_of_batch(_layout: &ReadLayout, batch: RecordBatch) -> Result<usize> {
        Ok(batch.num_rows())
    }

    fn row_count(chunk: &usize) -> usize {
        *chunk
    }

    fn truncate(chunk: usize, rows: usize) -> usize {
        chunk.min(rows)
    }
}

/// Returns the number of rows in all files, from their footers, or from their commits where those were read.
pub(super) async fn rows_of_files(
    dataset: &Dataset,
    partitions: Vec<PartitionFiles>,
    missing: &MissingFile,
    tally: &Arc<Tally>,
) -> Result<u64> {
    let files: Vec<StoredFile> = partitions.into_iter().flat_map(|partition| partition.files).collect();
    let side_by_side = dataset.client().permits();
    dataset.metrics().fanout(files.len(), side_by_side);
    let count = |file: StoredFile| async move {
        let size = match file.size {
            FileSize::Rows(rows) => return Ok(rows),
            FileSize::Bytes(size) => size,
        };
        let Some(footer) = scan::footer(dataset, &file, size, tally).await? else {
            return missing.allow(&file).map(|()| 0);
        };
        tally.file();
        footer.rows().map_err(|error| error.context(&file.key))
    };
    let counts = stream::iter(files.into_iter().map(count)).buffer_unordered(side_by_side);
    counts
        .try_fold(0u64, |sum, rows| async move {
            sum.checked_add(rows).ok_or_else(|| Error::invalid_data("the footers claim more than 2^64 rows"))
        })
        .await
}
