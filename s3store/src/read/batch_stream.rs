//! The stream of Arrow batches that a read returns.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures_core::Stream;

use crate::dataset::ResultStream;
use crate::error::Result;

/// A stream of Arrow batches, returned by [`Read::batches`](super::Read::batches).
///
/// It behaves as [`ResultStream`] does. All batches have the same [`schema`](Self::schema).
#[must_use = "a stream does nothing until it is polled"]
pub struct BatchStream {
    batches: ResultStream<RecordBatch>,
    schema: SchemaRef,
}

impl BatchStream {
    pub(super) fn new(batches: ResultStream<RecordBatch>, schema: SchemaRef) -> Self {
        Self { batches, schema }
    }

    /// Returns the schema of all batches. It depends only on the record type, so it is known before the first batch and
    /// also if there is none.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Waits for the next batch. Returns `None` at the end.
    ///
    /// # Errors
    /// Those listed at [`Read::batches`](super::Read::batches) and at the method that started the read.
    ///
    /// # Cancel safety
    /// Dropping the future loses no batch. The stream's task goes on until it has read ahead as far as it may.
    ///
    /// # Panics
    /// When called outside of a tokio runtime.
    pub async fn try_next(&mut self) -> Result<Option<RecordBatch>> {
        self.batches.try_next().await
    }
}

impl Stream for BatchStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.batches).poll_next(context)
    }
}

impl fmt::Debug for BatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}
