//! The server's time, and the only place of this module that waits.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// Where an [`S3`](super::S3) takes its time from: the `Date` of its answers and the `Last-Modified` of its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ServerTime {
    /// The system's clock, which goes on while tokio's is paused.
    #[default]
    System,
    /// A clock that stands still.
    Fixed(DateTime<Utc>),
    /// A clock that starts here and then goes as tokio's does, so that it follows `tokio::time::pause` and `advance`.
    Tokio(DateTime<Utc>),
}

/// The server's clock: a base, and how far it is off.
#[derive(Debug, Default)]
pub(super) struct Clock {
    base: Base,
    offset: TimeDelta,
}

#[derive(Debug, Default)]
enum Base {
    #[default]
    System,
    Fixed(DateTime<Utc>),
    Tokio {
        start: DateTime<Utc>,
        since: Instant,
    },
}

impl Clock {
    pub(super) fn set_time(&mut self, time: ServerTime) {
        self.base = match time {
            ServerTime::System => Base::System,
            ServerTime::Fixed(at) => Base::Fixed(at),
            ServerTime::Tokio(start) => Base::Tokio { start, since: instant() },
        };
    }

    pub(super) fn set_offset(&mut self, offset: TimeDelta) {
        self.offset = offset;
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        let base = match &self.base {
            Base::System => system_time(),
            Base::Fixed(at) => *at,
            Base::Tokio { start, since } => {
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

#[expect(clippy::disallowed_methods, reason = "the server in a test has a clock of its own")]
fn system_time() -> DateTime<Utc> {
    Utc::now()
}

/// Tokio's time, which a test may pause.
#[expect(clippy::disallowed_methods, reason = "the server in a test has a clock of its own")]
pub(super) fn instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the server in a test has a clock of its own")]
pub(super) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// `None` when the limit came first.
#[expect(clippy::disallowed_methods, reason = "the server in a test has a clock of its own")]
pub(super) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}
