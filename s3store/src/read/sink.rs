//! The forms that a read delivers rows in: records, rows that borrow, or Arrow batches.

use std::marker::PhantomData;
#[cfg(feature = "arrow")]
use std::sync::Arc;

use arrow_array::RecordBatch;
#[cfg(feature = "arrow")]
use arrow_array::RecordBatchOptions;
use arrow_schema::ArrowError;
#[cfg(feature = "arrow")]
use arrow_schema::SchemaRef;

#[cfg(feature = "arrow")]
use super::batch_stream::BatchStream;
use super::rows::Rows;
use crate::dataset::{HivePartition, ResultStream, TaskStream};
use crate::error::{Error, ErrorKind, Result};
use crate::merge::{self, Keep};
use crate::record::{ReadLayout, Record, RowError, RowStruct};
use crate::scan::{Event, FileRows, Sink};

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

    fn truncate(mut chunk: Vec<T>, rows: usize) -> Vec<T> {
        chunk.truncate(rows);
        chunk
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

    fn truncate(mut chunk: Vec<T>, rows: usize) -> Vec<T> {
        chunk.truncate(rows);
        chunk
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
        Ok(merge::slim(&batch.map_err(not_own_columns)?))
    }

    fn row_count(chunk: &RecordBatch) -> usize {
        chunk.num_rows()
    }

    fn truncate(chunk: RecordBatch, rows: usize) -> RecordBatch {
        chunk.slice(0, rows.min(chunk.num_rows()))
    }
}

/// A sink for consumers that take batches whose rows borrow.
pub(super) struct BorrowedRows<T>(PhantomData<T>);

impl<T: Record + RowStruct<Held: Send>> Sink for BorrowedRows<T> {
    type Chunk = Rows<T>;

    /// Checks all values, so that rows can be made without errors.
    fn chunk_of_batch(layout: &ReadLayout, batch: RecordBatch) -> Result<Rows<T>> {
        // Drops unused buffers, because the consumer may keep the rows.
        let batch = merge::slim(&batch.project(&Vec::from_iter(0..layout.own)).map_err(not_own_columns)?);
        Rows::of(&batch).map_err(|error| match Self::unfit_row(&batch) {
            Some(row) => Error::invalid_data(row.to_string()),
            None => Error::invalid_data(error.to_string()),
        })
    }

    fn unfit_row(batch: &RecordBatch) -> Option<RowError> {
        decode::<T>(batch, &mut Vec::new()).err()
    }

    fn row_count(chunk: &Rows<T>) -> usize {
        chunk.len()
    }

    fn truncate(chunk: Rows<T>, rows: usize) -> Rows<T> {
        chunk.first(rows)
    }
}

fn not_own_columns(error: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "a batch does not have the record's columns; this is a bug").with_source(error)
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

/// The events of a read.
pub(crate) type Events<C> = TaskStream<Event<C>>;

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

/// Streams the batches of a read whose rows borrow.
pub(super) fn rows<T>(events: Events<Rows<T>>) -> ResultStream<Rows<T>>
where
    T: RowStruct<Held: Send> + 'static,
{
    ResultStream::new(events, |event| match event {
        Event::Chunk(rows) if !rows.is_empty() => vec![rows],
        Event::Chunk(_) | Event::PartitionEnd { .. } => Vec::new(),
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
