//! Work for the processor, off the async threads.

use crate::error::{Error, ErrorKind, Result};

/// Runs `work` where it may block, from now on. Dropping the future does not stop it; its result is dropped then.
pub(crate) fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> {
    let task = tokio::task::spawn_blocking(work);
    async {
        task.await.unwrap_or_else(|stopped| {
            let why = if stopped.is_panic() { "it panicked, which is a bug" } else { "the runtime shut down" };
            Err(Error::new(ErrorKind::Cancelled, format!("encoding or decoding was stopped: {why}"))
                .with_source(stopped))
        })
    }
}
