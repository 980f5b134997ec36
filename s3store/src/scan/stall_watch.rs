//! Warns if a read makes no progress.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::metrics::Tally;

/// The interval between two checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// The time without progress after which a read counts as stalled.
const STALL_TIME: Duration = Duration::from_secs(60);

/// Records a read's progress. A read makes progress when a file was downloaded or the consumer took rows.
pub(super) struct StallWatch {
    clock: Clock,
    last: Mutex<LastProgress>,
}

struct LastProgress {
    moved: Instant,
    /// The partition that is being decoded.
    partition: String,
}

impl StallWatch {
    pub(super) fn new(clock: &Clock) -> Self {
        let last = LastProgress { moved: clock.monotonic(), partition: String::new() };
        Self { clock: clock.clone(), last: Mutex::new(last) }
    }

    /// Records progress.
    pub(super) fn moved(&self) {
        self.last().moved = self.clock.monotonic();
    }

    /// Records that the decoding of a partition starts.
    pub(super) fn decoding(&self, partition: &str) {
        let mut last = self.last();
        partition.clone_into(&mut last.partition);
        last.moved = self.clock.monotonic();
    }

    /// Logs and counts each check that finds the read stalled. Does not stop the read, and never returns.
    pub(super) async fn run(&self, tally: &Tally, free: &Semaphore) {
        loop {
            self.clock.sleep(CHECK_INTERVAL).await;
            let (idle, partition) = {
                let last = self.last();
                (self.clock.monotonic().saturating_duration_since(last.moved), last.partition.clone())
            };
            if idle >= STALL_TIME {
                tally.stalled();
                let (method, slots) = (tally.method().as_str(), free.available_permits());
                tracing::warn!(
                    method,
                    ?idle,
                    partition,
                    slots,
                    "the read is stalled: no file was downloaded and the consumer took no rows"
                );
            }
        }
    }

    fn last(&self) -> MutexGuard<'_, LastProgress> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
