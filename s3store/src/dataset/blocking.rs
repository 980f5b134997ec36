//! Work for the processor, off the async threads.

use super::stopped;
use crate::error::Result;

/// Runs `work` where it may block, from now on. Dropping the future does not stop it; its result is dropped then.
pub(crate) fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> {
    let task = tokio::task::spawn_blocking(work);
    async { task.await.unwrap_or_else(|error| Err(stopped(error).context("encoding or decoding"))) }
}
