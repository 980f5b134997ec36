//! The only source of time. Each dataset has a [`Clock`] of its own.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use tokio::time::Instant;

/// Tells the time of one dataset: wall clock, monotonic clock, sleeping.
///
/// Programs use the machine's clock, which is the default. Tests may want one that follows tokio's paused time
/// ([`Clock::virtual_time`]), or one that is wrong by a known amount ([`Clock::set_offset`]). Clones share the offset.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
    /// Microseconds added to the wall clock.
    offset: Arc<AtomicI64>,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Machine,
    /// The wall clock at some instant; it moves on as tokio's clock does, also when that is paused.
    Virtual {
        wall: i64,
        since: Instant,
    },
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn machine() -> Self {
        Self { source: Source::Machine, offset: Arc::default() }
    }

    /// A clock that starts at the machine's time and follows tokio's clock from there, so that it stands still and
    /// leaps with `tokio::time::pause` and `advance`.
    #[must_use]
    pub fn virtual_time() -> Self {
        Self { source: Source::Virtual { wall: machine_micros(), since: instant() }, offset: Arc::default() }
    }

    /// Makes the wall clock wrong: ahead by `offset`, or behind where it is negative. Replaces an earlier offset.
    pub fn set_offset(&self, offset: TimeDelta) {
        self.offset.store(offset.num_microseconds().unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// The wall clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.micros()).unwrap_or_default()
    }

    /// The wall clock, in microseconds since 1970.
    pub(crate) fn micros(&self) -> i64 {
        let wall = match self.source {
            Source::Machine => machine_micros(),
            Source::Virtual { wall, since } => wall.saturating_add(micros(instant().saturating_duration_since(since))),
        };
        wall.saturating_add(self.offset.load(Ordering::Relaxed))
    }

    /// The monotonic clock.
    #[expect(clippy::unused_self, reason = "the clock is asked, so that no one reads the time without one")]
    pub(crate) fn monotonic(&self) -> Instant {
        instant()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
    pub(crate) async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// The future's output, or `None` when it takes longer than `limit`; it is dropped then.
    #[expect(clippy::disallowed_methods, reason = "the one place that limits time")]
    pub(crate) async fn limit<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        tokio::time::timeout(limit, future).await.ok()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::machine()
    }
}

/// A duration in whole microseconds, at most `i64::MAX`.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The instant in microseconds, rounded up: what was stamped before it compares less.
pub(crate) fn micros_from<Z: TimeZone>(instant: &DateTime<Z>) -> i64 {
    let rest = instant.timestamp_subsec_nanos() % 1_000;
    instant.timestamp_micros().saturating_add(i64::from(rest > 0))
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn machine_micros() -> i64 {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => -micros(before.duration()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
fn instant() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_follows_tokio() {
        let clock = Clock::virtual_time();
        let before = clock.micros();
        clock.sleep(Duration::from_secs(3_600)).await;
        assert_eq!(clock.micros() - before, 3_600_000_000);
    }

    #[test]
    fn clones_share_the_offset() {
        let clock = Clock::machine();
        let other = clock.clone();
        let before = clock.micros();
        other.set_offset(TimeDelta::seconds(-100));
        assert!(clock.micros() < before - 99_000_000);
    }

    #[tokio::test(start_paused = true)]
    async fn limit_drops_what_takes_too_long() {
        let clock = Clock::virtual_time();
        assert_eq!(clock.limit(Duration::from_secs(1), std::future::pending::<()>()).await, None);
        assert_eq!(clock.limit(Duration::from_secs(1), async { 7 }).await, Some(7));
    }
}
