//! Tasks that end with the future that waits for them.

use std::future::Future;

use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::error::{Error, ErrorKind, Result};

/// Runs `work` in its own task and returns its result. Dropping the future aborts the task.
pub(crate) async fn in_task<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let task = AbortOnDropHandle::new(tokio::spawn(work.in_current_span()));
    task.await.unwrap_or_else(|error| Err(task_error(error)))
}

/// Converts the failure of a spawned task: a panic becomes `Internal`, a runtime that shut down `Cancelled`.
pub(crate) fn task_error(error: JoinError) -> Error {
    if error.is_panic() {
        Error::internal("a background task panicked").with_source(error)
    } else {
        Error::new(ErrorKind::Cancelled, "a background task was cancelled because its runtime shut down")
            .with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let error = in_task::<()>(async { panic!("midway") }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("midway"), "{error:?}");
    }

    #[tokio::test]
    async fn dropping_the_future_aborts_the_task() {
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let mut waiting = Box::pin(in_task(async move {
            let _sender = sender;
            std::future::pending::<Result<()>>().await
        }));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(waiting);
        receiver.await.unwrap_err();
    }
}
