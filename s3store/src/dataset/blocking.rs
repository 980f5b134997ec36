//! CPU work, off the async threads.

use super::task_error;
use crate::error::Result;

/// Starts `work` on tokio's blocking threads and returns a future of its result.
///
/// The work starts at once, before the future is polled. Dropping the future does not stop it.
pub(crate) fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> {
    let task = tokio::task::spawn_blocking(work);
    async { task.await.unwrap_or_else(|error| Err(task_error(error).context("encoding or decoding"))) }
}
