//! The forms that a read delivers rows in: records, or Arrow batches.

use std::marker::PhantomData;
#[cfg(feature = "arrow")]
use std::sync::Arc;

use arrow_array::RecordBatch;
#[cfg(feature = "arrow")]
use arrow_array::RecordBatchOptions;
#[cfg(feature = "arrow")]
use arrow_schema::SchemaRef;
use tokio::sync::OwnedSemaphorePermit;

#[cfg(feature = "arrow")]
use super::batch_stream::BatchStream;
use super::partition_rows::FileRows;
use crate::dataset::{HivePartition, ResultStream, TaskStream};
#[cfg(feature = "arrow")]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::merge::{self, Keep};
use crate::record::{ReadLayout, Record, RowError};

/// A form that a read delivers rows in.
///
/// The functions that build chunks decode and copy data, so they run on the threads for CPU work.
pub(super) trait Sink: 'static {
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
}

/// A sink for consumers that keep all records of a partition.
pub(super) struct PartitionRecords<T>(PhantomData<T>);

impl<T: Record> Sink for PartitionRecords<T> {
    type Chunk = Vec<T>;

    fn chunk_of_batch(_layout: &ReadLayout, batch: RecordBatch) -> Result<Vec<T>> {
        records_of(&batch)
    }

    fn unfit_row(batch: &RecordBatch) -> Option<RowError> {
        decode::<T>(batch, &mut Vec::new()).err()
    }

    fn chunk_of_sorted_file(
        file: &mut FileRows,
        rows: usize,
        layout: &ReadLayout,
        keep: Keep,
    ) -> Result<Option<Vec<T>>> {
        /// The most records to preallocate.
        const MOST: usize = 1 << 20;

        // Preallocates for the footer's row count, capped because the footer may be wrong.
        let mut records = Vec::with_capacity(rows.min(MOST));
        let in_order = merge::stream_single_file(file, layout, keep, |batch| append(batch, &mut records))?;
        if records.len() < records.capacity() / 2 {
            // Most rows were superseded, or the footer's count was too high.
            records.shrink_to_fit();
        }
        Ok(in_order.then_some(records))
    }

    fn row_count(chunk: &Vec<T>) -> usize {
        chunk.len()
    }
}

/// A sink for consumers that take records one after the other. It holds the rows as columns, which are smaller than
/// records, and converts a batch when its turn comes.
pub(super) struct StreamedRecords<T>(PhantomData<T>);

impl<T: Record> Sink for StreamedRecords<T> {
    type Chunk = Vec<T>;

    fn chunk_of_batch(_layout: &ReadLayout, batch: RecordBatch) -> Result<Vec<T>> {
        records_of(&batch)
    }

    fn unfit_row(batch: &RecordBatch) -> Option<RowError> {
        decode::<T>(batch, &mut Vec::new()).err()
    }

    fn row_count(chunk: &Vec<T>) -> usize {
        chunk.len()
    }
}

/// A sink for consumers that take Arrow batches.
#[cfg(feature = "arrow")]
pub(super) struct ArrowBatches;

#[cfg(feature = "arrow")]
impl Sink for ArrowBatches {
    type Chunk = RecordBatch;

    /// Drops the columns that were read only for ordering, and unused buffers, because the consumer may keep the batch.
    /// The layout must read times in their declared units: then all batches have its schema.
    fn chunk_of_batch(layout: &ReadLayout, batch: RecordBatch) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().iter().take(layout.own).cloned().collect();
        let batch = RecordBatch::try_new_with_options(Arc::clone(layout.own_schema()), columns, &options);
        let batch = batch.map_err(|error| {
            Error::new(ErrorKind::Internal, "a batch does not have the record's columns; this is a bug")
                .with_source(error)
        })?;
        Ok(merge::slim(&batch))
    }

    fn row_count(chunk: &RecordBatch) -> usize {
        chunk.num_rows()
    }
}

/// Converts all rows of a batch to records.
fn records_of<T: Record>(batch: &RecordBatch) -> Result<Vec<T>> {
    let mut records = Vec::with_capacity(batch.num_rows());
    append(batch, &mut records)?;
    Ok(records)
}

/// Converts all rows of a batch to records and appends them.
pub(super) fn append<T: Record>(batch: &RecordBatch, records: &mut Vec<T>) -> Result<()> {
    decode(batch, records).map_err(|error| Error::invalid_data(error.to_string()))
}

fn decode<T: Record>(batch: &RecordBatch, records: &mut Vec<T>) -> Result<(), RowError> {
    T::decode(batch.columns(), 0..batch.num_rows(), records)
}

/// A part of a read's result. Partitions come one after the other, in key order.
pub(super) enum Event<C> {
    /// Rows of the current partition.
    Chunk(C),
    /// The end of the current partition.
    PartitionEnd {
        partition: String,
        #[expect(dead_code, reason = "held until the consumer has taken the partition")]
        permits: PartitionPermits,
    },
}

/// A decoded partition's share of the read-ahead, released on drop.
pub(super) struct PartitionPermits {
    pub(super) _slot: OwnedSemaphorePermit,
    pub(super) _decoded: OwnedSemaphorePermit,
}

/// The events of a read.
pub(super) type Events<C> = TaskStream<Event<C>>;

/// Collects all records of a read.
pub(super) async fn collect<T: Send + 'static>(mut events: Events<Vec<T>>) -> Result<Vec<T>> {
    let mut chunks = Vec::new();
    while let Some(event) = events.next().await {
        if let Event::Chunk(records) = event? {
            chunks.push(records);
        }
    }
    Ok(concat(chunks))
}

/// Streams the records of a read.
pub(super) fn records<T: Send + 'static>(events: Events<Vec<T>>) -> ResultStream<T> {
    ResultStream::new(events, |event| match event {
        Event::Chunk(records) => records,
        Event::PartitionEnd { .. } => Vec::new(),
    })
}

/// Streams the partitions of a read, each with its records. Leaves out partitions without records.
pub(super) fn partitions<T: Send + 'static>(events: Events<Vec<T>>) -> ResultStream<HivePartition<T>> {
    let mut chunks = Vec::new();
    ResultStream::new(events, move |event| match event {
        Event::Chunk(records) => {
            chunks.push(records);
            Vec::new()
        }
        Event::PartitionEnd { partition, .. } => {
            let records = concat(std::mem::take(&mut chunks));
            if records.is_empty() { Vec::new() } else { vec![HivePartition { partition, records }] }
        }
    })
}

/// Streams the Arrow batches of a read.
#[cfg(feature = "arrow")]
pub(super) fn batches(events: Events<RecordBatch>, schema: SchemaRef) -> BatchStream {
    let batches = ResultStream::new(events, |event| match event {
        Event::Chunk(batch) => vec![batch],
        Event::PartitionEnd { .. } => Vec::new(),
    });
    BatchStream::new(batches, schema)
}

/// Concatenates chunks into one exact allocation. A single chunk is returned unchanged.
pub(super) fn concat<T>(mut chunks: Vec<Vec<T>>) -> Vec<T> {
    if chunks.len() == 1 {
        return chunks.pop().unwrap_or_default();
    }
    let mut all = Vec::with_capacity(chunks.iter().map(Vec::len).sum());
    chunks.into_iter().for_each(|mut chunk| all.append(&mut chunk));
    all
}
