//! The results that a read can be taken as: a `Vec`, or a stream of records, partitions or batches.

use super::pipeline::Event;
use crate::dataset::{HivePartition, ResultStream, TaskStream};
use crate::error::Result;

/// The events of a read, each with what the sink makes of a batch.
pub(super) type Events<X> = TaskStream<Event<X>>;

/// Collects all records of a read.
pub(super) async fn collect<T: Send + 'static>(mut events: Events<Vec<T>>) -> Result<Vec<T>> {
    let mut pieces = Vec::new();
    while let Some(event) = events.next().await {
        if let Event::Piece(records) = event? {
            pieces.push(records);
        }
    }
    Ok(concat(pieces))
}

/// Streams the records of a read.
pub(super) fn records<T: Send + 'static>(events: Events<Vec<T>>) -> ResultStream<T> {
    ResultStream::new(events, |event| match event {
        Event::Piece(records) => records,
        Event::End(..) => Vec::new(),
    })
}

/// Streams the partitions of a read, each with its records. Leaves out partitions without records.
pub(super) fn partitions<T: Send + 'static>(events: Events<Vec<T>>) -> ResultStream<HivePartition<T>> {
    let mut pieces = Vec::new();
    ResultStream::new(events, move |event| match event {
        Event::Piece(records) => {
            pieces.push(records);
            Vec::new()
        }
        Event::End(partition, _) => {
            let records = concat(std::mem::take(&mut pieces));
            if records.is_empty() { Vec::new() } else { vec![HivePartition { partition, records }] }
        }
    })
}

/// Streams the Arrow batches of a read.
#[cfg(feature = "arrow")]
pub(super) fn batches(events: Events<arrow_array::RecordBatch>) -> ResultStream<arrow_array::RecordBatch> {
    ResultStream::new(events, |event| match event {
        Event::Piece(batch) => vec![batch],
        Event::End(..) => Vec::new(),
    })
}

/// Concatenates pieces into one exact allocation. A single piece is returned as it is.
fn concat<T>(mut pieces: Vec<Vec<T>>) -> Vec<T> {
    if pieces.len() == 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut all = Vec::with_capacity(pieces.iter().map(Vec::len).sum());
    pieces.into_iter().for_each(|mut piece| all.append(&mut piece));
    all
}
