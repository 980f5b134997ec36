//! Items made by a task of their own: what streams and collected reads have in common.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::error::{Error, ErrorKind, ErrorType, Result};
use crate::metrics::{Call, Failed, Outcome, Tally};

/// What comes out of a task that begins when first asked and ends with this. After an error, nothing comes any more.
///
/// It is a task, since what it does holds permits, and the consumer may want one between two items.
pub(crate) struct Driven<X>(State<X>);

enum State<X> {
    Waiting(Option<Begin<X>>),
    Running(Running<X>),
    Done,
}

type Begin<X> = Box<dyn FnOnce() -> Running<X> + Send>;

/// One call, under way. Dropped, it is canceled.
struct Running<X> {
    items: Receiver<Result<X>>,
    task: AbortOnDropHandle<()>,
    call: Call,
}

impl<X: Send + 'static> Driven<X> {
    /// `begin` is called when the first item is asked for; `work` sends the items, or an error as the last of them. At
    /// most `ready` items wait for the consumer.
    pub(crate) fn new<F>(
        ready: usize,
        begin: impl FnOnce() -> Call + Send + 'static,
        work: impl FnOnce(Sender<Result<X>>, Arc<Tally>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(State::Waiting(Some(Box::new(move || {
            let call = begin();
            let (sender, items) = channel(ready);
            let work = work(sender, Arc::clone(call.tally()));
            let task = call.span().in_scope(|| work.in_current_span());
            Running { items, task: AbortOnDropHandle::new(tokio::spawn(task)), call }
        }))))
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<X>>> {
        if let State::Waiting(begin) = &mut self.0 {
            self.0 = begin.take().map_or(State::Done, |begin| State::Running(begin()));
        }
        let State::Running(running) = &mut self.0 else { return Poll::Ready(None) };
        let end = match ready!(running.items.poll_recv(context)) {
            Some(Ok(item)) => return Poll::Ready(Some(Ok(item))),
            Some(Err(error)) => Some(error),
            // A task that was stopped midway must not look like one that has come to its end.
            None => ready!(Pin::new(&mut running.task).poll(context)).err().map(stopped),
        };
        if let State::Running(Running { call, .. }) = std::mem::replace(&mut self.0, State::Done) {
            call.end(end.as_ref().map_or(Outcome::Success, Failed::outcome));
        }
        Poll::Ready(end.map(Err))
    }

    pub(crate) async fn next(&mut self) -> Option<Result<X>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }
}

/// What a task that did not come to its end is told as.
pub(crate) fn stopped(error: tokio::task::JoinError) -> Error {
    let (why, error_type) = match error.is_panic() {
        true => ("it panicked, which is a bug", ErrorType::Other),
        false => ("the runtime shut down", ErrorType::Canceled),
    };
    let told = Error::new(ErrorKind::Cancelled, format!("a task was stopped: {why}"));
    told.with_type(error_type).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::metrics::{Method, Metrics, Subject};

    fn call() -> Call {
        let subject = Subject { bucket: "b", prefix: "p", consistency: None, permits: 1 };
        Metrics::new(None, subject, &Clock::machine()).call(Method::Read)
    }

    #[tokio::test]
    async fn what_was_stopped_midway_does_not_look_complete() {
        let mut items = Driven::new(1, call, |items, _| async move {
            items.send(Ok(1)).await.unwrap();
            panic!("midway");
        });
        assert_eq!(items.next().await.unwrap().unwrap(), 1);
        let error = items.next().await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Cancelled, Outcome::Error(ErrorType::Other)));
        assert!(items.next().await.is_none());
    }

    #[tokio::test]
    async fn begins_when_asked_and_ends_when_dropped() {
        let (began, begun) = std::sync::mpsc::channel();
        let mut items = Driven::new(1, call, move |items, _| async move {
            let _dropped = began.clone();
            began.send(()).unwrap();
            for number in 0.. {
                items.send(Ok(number)).await.unwrap();
            }
        });
        tokio::task::yield_now().await;
        assert!(begun.try_recv().is_err());
        assert_eq!(items.next().await.unwrap().unwrap(), 0);
        begun.try_recv().unwrap();
        drop(items);
        while begun.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
            tokio::task::yield_now().await;
        }
    }
}
