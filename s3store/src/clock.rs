//! The only code that reads clocks and sleeps. Each dataset has its own [`Clock`].

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use tokio::time::Instant;

/// The clock of a dataset: wall clock, monotonic clock and sleeping.
///
/// The default is the machine's clock. Tests can use a clock that follows tokio's paused time ([`Clock::virtual_time`]),
/// or one that is wrong by a known amount ([`Clock::set_offset`]). Clones share the offset.
#[derive(Debug, Clone)]
pub struct Clock {
    wall: WallClock,
    /// Microseconds added to the wall clock.
    offset: Arc<AtomicI64>,
}

/// The wall clock and the monotonic clock at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// Microseconds since 1970.
    pub(crate) micros: i64,
    pub(crate) monotonic: Instant,
}

#[derive(Debug, Clone, Copy)]
enum WallClock {
    Machine,
    /// The wall clock was at `start` at the instant `since`. It follows tokio's clock, which may be paused.
    Virtual {
        start: i64,
        since: Instant,
    },
}

impl Clock {
    /// Returns the machine's clock.
    #[must_use]
    pub fn machine() -> Self {
        Self { wall: WallClock::Machine, offset: Arc::default() }
    }

    /// Returns a clock that starts at the machine's time and then follows tokio's clock. It stops at
    /// `tokio::time::pause` and jumps with `tokio::time::advance`.
    #[must_use]
    pub fn virtual_time() -> Self {
        Self { wall: WallClock::Virtual { start: machine_micros(), since: instant() }, offset: Arc::default() }
    }

    /// Sets the wall clock ahead by `offset`, or behind if it is negative. Replaces an earlier offset.
    pub fn set_offset(&self, offset: TimeDelta) {
        let beyond = if offset < TimeDelta::zero() { i64::MIN } else { i64::MAX };
        self.offset.store(offset.num_microseconds().unwrap_or(beyond), Ordering::Relaxed);
    }

    /// Returns the time of the wall clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let micros = self.micros();
        let end = if micros < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        DateTime::from_timestamp_micros(micros).unwrap_or(end)
    }

    /// Returns whether the clock follows tokio's clock, which may be paused.
    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self.wall, WallClock::Virtual { .. })
    }

    /// Returns the time of the wall clock, in microseconds since 1970.
    pub(crate) fn micros(&self) -> i64 {
        let wall = match self.wall {
            WallClock::Machine => machine_micros(),
            WallClock::Virtual { start, since } => {
                start.saturating_add(micros(instant().saturating_duration_since(since)))
            }
        };
        wall.saturating_add(self.offset.load(Ordering::Relaxed))
    }

    /// Returns the times of both clocks.
    pub(crate) fn reading(&self) -> Reading {
        Reading { micros: self.micros(), monotonic: self.monotonic() }
    }

    /// Returns the time of the monotonic clock.
    #[expect(clippy::unused_self, reason = "a method, so that only code with a clock can read the time")]
    pub(crate) fn monotonic(&self) -> Instant {
        instant()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
    pub(crate) async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Returns the future's output. If it takes longer than `limit`, drops the future and returns `None`.
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

/// Returns the duration in whole microseconds, at most `i64::MAX`.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Returns the instant in microseconds, rounded up so that a timestamp taken before the instant is less.
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
    async fn limit_drops_a_future_that_takes_too_long() {
        let clock = Clock::virtual_time();
        assert_eq!(clock.limit(Duration::from_secs(1), std::future::pending::<()>()).await, None);
        assert_eq!(clock.limit(Duration::from_secs(1), async { 7 }).await, Some(7));
    }
}
