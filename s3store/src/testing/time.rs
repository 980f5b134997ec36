//! The server's clock. All waits in `testing` use this file.

use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, Sleep};

/// The clock of an [`S3`](super::S3), which sets the `Date` of responses and the `Last-Modified` of objects. Set by
/// [`S3::set_time`](super::S3::set_time).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ServerTime {
    /// The system clock. It runs on while tokio's clock is paused.
    #[default]
    System,
    /// A clock that always shows this time.
    Fixed(DateTime<Utc>),
    /// A clock that shows this time now and then advances with tokio's clock, so it follows `tokio::time::pause` and
    /// `advance`.
    Tokio(DateTime<Utc>),
}

/// The server's clock: a source of time and an offset.
#[derive(Debug, Default)]
pub(super) struct ServerClock {
    base: TimeBase,
    offset: TimeDelta,
}

#[derive(Debug, Default)]
enum TimeBase {
    #[default]
    System,
    Fixed(DateTime<Utc>),
    Tokio {
        start: DateTime<Utc>,
        since: Instant,
    },
}

impl ServerClock {
    pub(super) fn set_time(&mut self, time: ServerTime) {
        self.base = match time {
            ServerTime::System => TimeBase::System,
            ServerTime::Fixed(at) => TimeBase::Fixed(at),
            ServerTime::Tokio(start) => TimeBase::Tokio { start, since: instant() },
        };
    }

    pub(super) fn set_offset(&mut self, offset: TimeDelta) {
        self.offset = offset;
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        let base = match &self.base {
            TimeBase::System => system_time(),
            TimeBase::Fixed(at) => *at,
            TimeBase::Tokio { start, since } => {
                let elapsed = instant().saturating_duration_since(*since);
                later(*start, TimeDelta::from_std(elapsed).unwrap_or(TimeDelta::MAX))
            }
        };
        later(base, self.offset)
    }
}

fn later(time: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    let limit = if by < TimeDelta::zero() { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    time.checked_add_signed(by).unwrap_or(limit)
}

#[expect(clippy::disallowed_methods, reason = "the server in a test has its own clock")]
fn system_time() -> DateTime<Utc> {
    Utc::now()
}

/// Returns tokio's time, which a test may pause.
#[expect(clippy::disallowed_methods, reason = "the server in a test has its own clock")]
pub(super) fn instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the server in a test has its own clock")]
pub(super) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Returns a future that ends after `duration`.
#[expect(clippy::disallowed_methods, reason = "the server in a test has its own clock")]
pub(super) fn timer(duration: Duration) -> Pin<Box<Sleep>> {
    Box::pin(tokio::time::sleep(duration))
}

/// Returns the output, or `None` if `limit` passes first.
#[expect(clippy::disallowed_methods, reason = "the server in a test has its own clock")]
pub(super) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}
