//! What a read ends in.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::pipeline::Event;
use crate::dataset::{Driven, HivePartition};
use crate::error::Result;
use crate::record::Record;

/// A read's events.
pub(super) type Events<X> = Driven<Event<X>>;

/// All records of a read.
pub(super) async fn collect<T: Record>(mut events: Events<Vec<T>>) -> Result<Vec<T>> {
    let mut pieces = Vec::new();
    while let Some(event) = events.next().await {
        if let Event::Piece(rows) = event? {
            pieces.push(rows);
        }
    }
    Ok(whole(pieces))
}

/// All rows, moved once.
fn whole<T>(mut pieces: Vec<Vec<T>>) -> Vec<T> {
    if pieces.len() == 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut all = Vec::with_capacity(pieces.iter().map(Vec::len).sum());
    pieces.into_iter().for_each(|mut piece| all.append(&mut piece));
    all
}

/// A stream of records, in the order that [`Store::read`](crate::Store::read) promises. It ends after an error.
///
/// Dropping it stops its requests.
#[must_use = "a stream does nothing until it is polled"]
pub struct RecordStream<T> {
    events: Events<Vec<T>>,
    rows: std::vec::IntoIter<T>,
}

impl<T: Record> RecordStream<T> {
    pub(super) fn new(events: Events<Vec<T>>) -> Self {
        Self { events, rows: Vec::new().into_iter() }
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// As [`Store::read`](crate::Store::read).
    ///
    /// # Cancel safety
    /// Dropping the future loses no record.
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        std::future::poll_fn(|context| self.poll_record(context)).await.transpose()
    }

    fn poll_record(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            if let Some(row) = self.rows.next() {
                return Poll::Ready(Some(Ok(row)));
            }
            match ready!(self.events.poll_next(context)) {
                Some(Ok(Event::Piece(rows))) => self.rows = rows.into_iter(),
                Some(Ok(Event::End(..))) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

// Nothing in it is pinned.
impl<T> Unpin for RecordStream<T> {}

impl<T: Record> Stream for RecordStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_record(context)
    }
}

/// A stream of partitions with their records, in key order. It ends after an error. A partition without records is not
/// in it.
///
/// Dropping it stops its requests.
#[must_use = "a stream does nothing until it is polled"]
pub struct PartitionStream<T> {
    events: Events<Vec<T>>,
    pieces: Vec<Vec<T>>,
}

impl<T: Record> PartitionStream<T> {
    pub(super) fn new(events: Events<Vec<T>>) -> Self {
        Self { events, pieces: Vec::new() }
    }

    /// The next partition; `None` at the end.
    ///
    /// # Errors
    /// As [`Store::read`](crate::Store::read).
    ///
    /// # Cancel safety
    /// Dropping the future loses no partition.
    pub async fn try_next(&mut self) -> Result<Option<HivePartition<T>>> {
        std::future::poll_fn(|context| self.poll_partition(context)).await.transpose()
    }

    fn poll_partition(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<HivePartition<T>>>> {
        loop {
            match ready!(self.events.poll_next(context)) {
                Some(Ok(Event::Piece(rows))) => self.pieces.push(rows),
                Some(Ok(Event::End(key, _))) => {
                    let rows = whole(std::mem::take(&mut self.pieces));
                    if !rows.is_empty() {
                        return Poll::Ready(Some(Ok(HivePartition { partition: key, records: rows })));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

// Nothing in it is pinned.
impl<T> Unpin for PartitionStream<T> {}

impl<T: Record> Stream for PartitionStream<T> {
    type Item = Result<HivePartition<T>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_partition(context)
    }
}

macro_rules! opaque_debug {
    ($($stream:ident),*) => {$(
        impl<T> fmt::Debug for $stream<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($stream)).finish_non_exhaustive()
            }
        }
    )*};
}

opaque_debug!(RecordStream, PartitionStream);

#[cfg(feature = "arrow")]
pub use batch::BatchStream;

#[cfg(feature = "arrow")]
mod batch {
    use super::{Context, Event, Events, Pin, Poll, Result, Stream, fmt, ready};
    use arrow_array::RecordBatch;

    /// A stream of Arrow batches, in the order that [`Store::read`](crate::Store::read) promises. It ends after an
    /// error.
    ///
    /// Dropping it stops its requests.
    #[must_use = "a stream does nothing until it is polled"]
    pub struct BatchStream(Events<RecordBatch>);

    impl BatchStream {
        pub(in crate::read) fn new(events: Events<RecordBatch>) -> Self {
            Self(events)
        }

        /// The next batch; `None` at the end.
        ///
        /// # Errors
        /// As [`Store::read`](crate::Store::read).
        ///
        /// # Cancel safety
        /// Dropping the future loses no batch.
        pub async fn try_next(&mut self) -> Result<Option<RecordBatch>> {
            std::future::poll_fn(|context| self.poll_batch(context)).await.transpose()
        }

        fn poll_batch(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
            loop {
                match ready!(self.0.poll_next(context)) {
                    Some(Ok(Event::Piece(batch))) => return Poll::Ready(Some(Ok(batch))),
                    Some(Ok(Event::End(..))) => {}
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                }
            }
        }
    }

    impl Stream for BatchStream {
        type Item = Result<RecordBatch>;

        fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.poll_batch(context)
        }
    }

    impl fmt::Debug for BatchStream {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("BatchStream").finish_non_exhaustive()
        }
    }
}
