//! A stream whose items are produced by a separate task.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::task_error;
use crate::error::{Error, Result};
use crate::metrics::{Call, ErrorOutcome, Outcome, Tally};

/// A stream backed by a task that is spawned on first poll and aborted on drop. It ends after an error.
///
/// The work runs in a task because it holds request permits. If the consumer itself drove it, a consumer that sends a
/// request between two items could wait for a permit that only the stream can give back.
pub(crate) struct TaskStream<X>(State<X>);

enum State<X> {
    /// The task is not spawned yet. Holds `None` only while it is being spawned.
    Idle(Option<Spawn<X>>),
    Running(Running<X>),
    Finished,
}

type Spawn<X> = Box<dyn FnOnce() -> Running<X> + Send>;

/// A spawned task. Dropping it aborts the task and records the call as canceled.
struct Running<X> {
    items: Receiver<Result<X>>,
    task: AbortOnDropHandle<()>,
    call: Call,
}

impl<X: Send + 'static> TaskStream<X> {
    /// Creates a stream of the items that `work` sends.
    ///
    /// On the first poll, `begin` starts the call that the metrics record, and `work` is spawned. `work` sends the
    /// items, or an error as the last of them. At most `capacity` items wait in the channel for the consumer.
    pub(crate) fn new<F>(
        capacity: usize,
        begin: impl FnOnce() -> Call + Send + 'static,
        work: impl FnOnce(Sender<Result<X>>, Arc<Tally>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(State::Idle(Some(Box::new(move || {
            let call = begin();
            let (sender, items) = channel(capacity);
            let work = work(sender, Arc::clone(call.tally()));
            let task = call.span().in_scope(|| work.in_current_span());
            Running { items, task: AbortOnDropHandle::new(tokio::spawn(task)), call }
        }))))
    }

    /// Returns what the task has done so far. Returns `None` before the first poll, and after the end.
    #[cfg(feature = "datafusion")]
    pub(crate) fn tally(&self) -> Option<&Arc<Tally>> {
        match &self.0 {
            State::Running(running) => Some(running.call.tally()),
            State::Idle(_) | State::Finished => None,
        }
    }

    /// Returns the only item.
    pub(crate) async fn single(&mut self) -> Result<X> {
        let item = self.next().await.unwrap_or_else(|| Err(Error::internal("a task has no result")))?;
        // The call ends with its stream.
        self.next().await.transpose()?;
        Ok(item)
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<X>>> {
        if let State::Idle(spawn) = &mut self.0 {
            self.0 = spawn.take().map_or(State::Finished, |spawn| State::Running(spawn()));
        }
        let State::Running(running) = &mut self.0 else { return Poll::Ready(None) };
        let error = match ready!(running.items.poll_recv(context)) {
            Some(Ok(item)) => return Poll::Ready(Some(Ok(item))),
            Some(Err(error)) => Some(error),
            // The channel also closes if the task panics or its runtime shuts down. That must not look like the end of
            // the data, so the stream waits for the task's result.
            None => ready!(Pin::new(&mut running.task).poll(context)).err().map(task_error),
        };
        if let State::Running(Running { call, .. }) = std::mem::replace(&mut self.0, State::Finished) {
            call.end(error.as_ref().map_or(Outcome::Success, ErrorOutcome::outcome));
        }
        Poll::Ready(error.map(Err))
    }

    pub(crate) async fn next(&mut self) -> Option<Result<X>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::error::{ErrorKind, ErrorType};
    use crate::metrics::{Method, Metrics, Subject};

    fn call() -> Call {
        let subject = Subject { bucket: "b", prefix: "p", consistency: None, permits: 1 };
        Metrics::new(None, subject, &Clock::machine()).call(Method::Read)
    }

    #[tokio::test]
    async fn a_panic_of_the_task_is_an_error_and_not_the_end() {
        let mut items = TaskStream::new(1, call, |items, _| async move {
            items.send(Ok(1)).await.unwrap();
            panic!("midway");
        });
        assert_eq!(items.next().await.unwrap().unwrap(), 1);
        let error = items.next().await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Internal, Outcome::Error(ErrorType::Other)));
        assert!(items.next().await.is_none());
    }

    #[tokio::test]
    async fn the_task_is_spawned_on_first_poll_and_aborted_on_drop() {
        let (started, start) = std::sync::mpsc::channel();
        let mut items = TaskStream::new(1, call, move |items, _| async move {
            let _dropped_with_the_task = started.clone();
            started.send(()).unwrap();
            for number in 0.. {
                items.send(Ok(number)).await.unwrap();
            }
        });
        tokio::task::yield_now().await;
        assert!(start.try_recv().is_err());
        assert_eq!(items.next().await.unwrap().unwrap(), 0);
        start.try_recv().unwrap();
        drop(items);
        while start.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
            tokio::task::yield_now().await;
        }
    }
}
