//! Permits, and requests that each run in their own task with their own permit.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use super::BucketClient;
use super::task::in_task;
use crate::error::{Error, Result};
use crate::metrics::{HeldPermit, Operation, RequestMetrics};

/// How long a request waits for a permit before a warning is logged, and between two warnings.
///
/// The wait has no deadline: permits are given out in order, and each request has deadlines of its own. A long wait means
/// that the number of permits is too low, or that S3 is slow.
const LONG_WAIT: Duration = Duration::from_secs(60);

/// A permit to have one request in flight, and the methods that send requests with it.
///
/// Hold it only in a task that runs to its end without its caller. A permit inside a future that nobody polls blocks
/// every other request of the dataset.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(super) client: BucketClient,
    /// Declared before the permit so that it drops first: the gauge falls before another request takes the permit.
    held: HeldPermit,
    #[expect(dead_code, reason = "held for its drop")]
    permit: OwnedSemaphorePermit,
    /// If `true`, a request was sent with this permit. The wait for the permit counts only towards the first one.
    used: AtomicBool,
}

impl Permit {
    /// Begins the metrics and the span of one request.
    pub(super) fn request(&self, operation: Operation, key: &str) -> RequestMetrics<'_> {
        let first = !self.used.swap(true, Ordering::Relaxed);
        let object_kind = || self.client.0.settings.prefix.object_kind(key);
        self.client.metrics().request(operation, first.then_some(&self.held), key, object_kind)
    }
}

impl BucketClient {
    /// Waits for a permit; `operation` is the first request that it is for. Dropping the future gives up the place in
    /// the queue.
    pub(crate) async fn permit(&self, operation: Operation) -> Result<Permit> {
        let permits = &self.0.permits;
        let mut waiting = self.0.metrics.wait(operation);
        let permit = match Arc::clone(permits).try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(_) => {
                waiting.queued();
                let mut acquire = pin!(Arc::clone(permits).acquire_owned());
                loop {
                    if let Some(permit) = self.clock().limit(LONG_WAIT, acquire.as_mut()).await {
                        break permit;
                    }
                    let permits = self.permits();
                    tracing::warn!(
                        ?operation,
                        permits,
                        "a request waits for another {LONG_WAIT:?}: all permits are in use"
                    );
                }
            }
        };
        let permit =
            permit.map_err(|error| Error::internal("the permits of a dataset were closed").with_source(error))?;
        Ok(Permit { client: self.clone(), permit, held: waiting.granted(), used: AtomicBool::new(false) })
    }

    /// Runs one request in its own task, with its own permit. Dropping the future aborts the task.
    pub(super) async fn run<T, F>(
        &self,
        operation: Operation,
        request: impl FnOnce(Permit) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let client = self.clone();
        // Boxed, because the compiler refuses futures that are nested too deeply, and a caller's are around this one.
        let work: BoxFuture<'static, Result<T>> =
            Box::pin(async move { request(client.permit(operation).await?).await });
        in_task(work).await
    }
}
