//! The memory that a read or a writer may use.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Metrics;

/// A memory budget, granted in the order of requests and counted in KiB.
pub(crate) struct MemoryReserve {
    free: Arc<Semaphore>,
    total: u32,
}

impl MemoryReserve {
    pub(crate) fn new(bytes: u64) -> Self {
        // A tokio semaphore grants at most u32::MAX permits at once, which is 4 TiB here.
        let most = u64::from(u32::MAX).min(Semaphore::MAX_PERMITS as u64);
        let total = u32::try_from((bytes >> 10).clamp(1, most)).unwrap_or(u32::MAX);
        Self { free: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Waits until `bytes` are free and reserves them until the permit is dropped. A request for more than the whole
    /// reserve takes all of it.
    ///
    /// If it had to wait, it records the duration with `record_wait`.
    pub(crate) async fn take(
        &self,
        bytes: u64,
        metrics: &Metrics,
        record_wait: fn(&Metrics, Duration),
    ) -> Result<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX).min(self.total);
        acquire(&self.free, wanted, metrics, record_wait).await
    }
}

/// Takes permits from a semaphore. If it had to wait, records the duration with `record_wait`.
pub(crate) async fn acquire(
    semaphore: &Arc<Semaphore>,
    permits: u32,
    metrics: &Metrics,
    record_wait: fn(&Metrics, Duration),
) -> Result<OwnedSemaphorePermit> {
    if let Ok(taken) = Arc::clone(semaphore).try_acquire_many_owned(permits) {
        return Ok(taken);
    }
    let began = metrics.clock().monotonic();
    let taken = Arc::clone(semaphore).acquire_many_owned(permits).await.map_err(closed)?;
    record_wait(metrics, metrics.clock().monotonic().saturating_duration_since(began));
    Ok(taken)
}

/// Nothing closes these semaphores while they are used.
fn closed(_: AcquireError) -> Error {
    Error::new(ErrorKind::Internal, "a semaphore of the memory was closed; this is a bug")
}
