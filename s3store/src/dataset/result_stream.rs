//! The stream that reads, look-ups and backfills return.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::TaskStream;
use crate::error::Result;

/// A stream of `Result<T>`, as returned by a read, a view's look-up or a backfill.
///
/// Call [`try_next`](ResultStream::try_next) in a loop, or use it as a [`Stream`] with the adapters of the `futures`
/// crate. It is `Send` and `Unpin`, and borrows nothing.
///
/// Nothing is sent before the first poll. The work then runs in its own task, which reads a little ahead of the
/// consumer. Dropping the stream aborts that task and its requests. After an error the stream ends.
///
/// # Example
/// ```
/// # async fn example(store: s3store::Store<impl s3store::Record>) -> s3store::Result<()> {
/// let mut records = store.read("day=2026-03-17").stream();
/// while let Some(record) = records.try_next().await? { /* … */ }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream does nothing until it is polled"]
pub struct ResultStream<T> {
    /// Items that arrived together and are not returned yet.
    ready: std::vec::IntoIter<T>,
    poll_more: PollMore<T>,
}

/// Polls for the next items, possibly an empty list of them.
type PollMore<T> = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<Vec<T>>>> + Send>;

impl<T> ResultStream<T> {
    /// Creates a stream that returns, in order, the items that `items_of` makes of each event of a task.
    pub(crate) fn new<X: Send + 'static>(
        mut events: TaskStream<X>,
        mut items_of: impl FnMut(X) -> Vec<T> + Send + 'static,
    ) -> Self {
        let poll_more =
            move |context: &mut Context<'_>| events.poll_next(context).map(|event| Some(event?.map(&mut items_of)));
        Self { ready: Vec::new().into_iter(), poll_more: Box::new(poll_more) }
    }

    /// Waits for the next item. Returns `None` at the end.
    ///
    /// # Errors
    /// Those listed at the method that started the operation, such as [`Store::read`](crate::Store::read).
    ///
    /// # Cancel safety
    /// Dropping the future loses no item. The stream's task goes on until it has read ahead as far as it may.
    ///
    /// # Panics
    /// When called outside of a tokio runtime.
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        std::future::poll_fn(|context| self.poll_item(context)).await.transpose()
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            if let Some(item) = self.ready.next() {
                return Poll::Ready(Some(Ok(item)));
            }
            match ready!((self.poll_more)(context)) {
                Some(Ok(items)) => self.ready = items.into_iter(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

// No field is pinned, whatever `T` is.
impl<T> Unpin for ResultStream<T> {}

impl<T> Stream for ResultStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(context)
    }
}

impl<T> fmt::Debug for ResultStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultStream").field("item", &std::any::type_name::<T>()).finish_non_exhaustive()
    }
}
