//! Tells of a read in which nothing moves any more.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::metrics::Tally;

/// How often it looks.
const PACE: Duration = Duration::from_secs(30);

/// How long nothing must have moved.
const STALE: Duration = Duration::from_secs(60);

/// When something of a read last moved: a file landed, or was taken by the consumer.
pub(super) struct Watch {
    clock: Clock,
    last: Mutex<Last>,
}

struct Last {
    moved: Instant,
    partition: String,
}

impl Watch {
    pub(super) fn new(clock: &Clock) -> Self {
        let last = Last { moved: clock.monotonic(), partition: String::new() };
        Self { clock: clock.clone(), last: Mutex::new(last) }
    }

    /// Something moved.
    pub(super) fn moved(&self) {
        self.last().moved = self.clock.monotonic();
    }

    /// The partition that is decoded now.
    pub(super) fn at(&self, partition: &str) {
        let mut last = self.last();
        partition.clone_into(&mut last.partition);
        last.moved = self.clock.monotonic();
    }

    /// Warns and counts each time that it finds the read stalled. Stops nothing, and has no end.
    pub(super) async fn run(&self, tally: &Tally, free: &Semaphore) {
        loop {
            self.clock.sleep(PACE).await;
            let (stale, partition) = {
                let last = self.last();
                (self.clock.monotonic().saturating_duration_since(last.moved), last.partition.clone())
            };
            if stale >= STALE {
                tally.stalled();
                let (method, slots) = (tally.method().as_str(), free.available_permits());
                tracing::warn!(
                    method,
                    ?stale,
                    partition,
                    slots,
                    "a read stands still: no file landed, and none was taken"
                );
            }
        }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
