//! The only code that generates ids and random numbers.

use std::ops::Range;
use std::time::Duration;

use uuid::{NoContext, Timestamp, Uuid};

use crate::clock::Clock;

/// Returns the id of a new attempt: a `UUIDv7` with the clock's time.
#[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub(crate) fn attempt(clock: &Clock) -> [u8; 16] {
    let micros = clock.micros().unsigned_abs();
    let nanos = u32::try_from(micros % 1_000_000).unwrap_or_default() * 1_000;
    Uuid::new_v7(Timestamp::from_unix(NoContext, micros / 1_000_000, nanos)).into_bytes()
}

/// Returns a random duration from `range`, in whole milliseconds, uniformly distributed.
pub(crate) fn jitter(range: Range<u64>) -> Duration {
    Duration::from_millis(fastrand::u64(range))
}
