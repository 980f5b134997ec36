//! The clock guard: refuses to work with a local clock that is too far from S3's.

use std::time::Duration;

use crate::clock::micros;
use crate::error::{Error, ErrorKind, Result};
use crate::s3::Skew;

/// The reaction to a local clock that is off by more than the dataset's `max_clock_skew`.
///
/// Every response of S3 contains its time, in whole seconds. A clock counts as off only if no moment between the request
/// and its response explains the difference. So the guard allows `max_clock_skew`, plus one second for the header's
/// resolution, plus the time that the request took. It can't see a smaller skew: writers and readers still need NTP.
///
/// A clock that was off may have been corrected since, and a machine may have slept. So before a write is refused, it asks
/// S3 for the time: 1 HEAD of the dataset's configuration. A poll always has a response of its own to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ClockGuard {
    /// Writes fail with [`ErrorKind::ClockSkew`](crate::ErrorKind::ClockSkew) before they put a ref. Polls of the change
    /// stream fail if the clock is ahead. A clock that is behind only delays polls, so it is logged as a warning. The
    /// default.
    #[default]
    Refuse,
    /// Writes and polls log a warning and continue. Readers of the change stream may miss writes.
    Warn,
    /// The clock is not checked.
    Off,
}

impl ClockGuard {
    /// Returns the guard for a reader: a clock that is behind is at most a warning, because it only delays the reader.
    pub(crate) fn for_reader(self, skew: Option<Skew>) -> Self {
        match self {
            Self::Refuse if skew.is_some_and(|skew| skew.least() < 0) => Self::Warn,
            guard => guard,
        }
    }

    /// Fails, or logs a warning, if `skew` is certain to exceed `allowed`. `None` means that S3 has not answered yet.
    pub(crate) fn check(self, skew: Option<Skew>, allowed: Duration) -> Result<()> {
        let least = skew.map_or(0, Skew::least);
        let off = self != Self::Off && least.unsigned_abs() > micros(allowed).unsigned_abs();
        if !off {
            return Ok(());
        }
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        let seconds = least.unsigned_abs() as f64 / 1e6;
        let side = if least > 0 { "ahead of" } else { "behind" };
        let message = format!(
            "the local clock is at least {seconds:.1}s {side} s3's, and the dataset allows {allowed:?}; \
             synchronise it (ntp), or choose another ClockGuard"
        );
        if self == Self::Warn {
            tracing::warn!("{message}");
            return Ok(());
        }
        Err(Error::new(ErrorKind::ClockSkew, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skew(low: i64, high: i64) -> Option<Skew> {
        Some(Skew { low, high })
    }

    #[test]
    fn refuses_only_a_skew_that_no_moment_explains() {
        let second = Duration::from_secs(1);
        assert!(ClockGuard::Refuse.check(None, second).is_ok());
        assert!(ClockGuard::Refuse.check(skew(-500_000, 9_000_000), second).is_ok());
        assert!(ClockGuard::Refuse.check(skew(1_000_000, 2_000_000), second).is_ok());
        let error = ClockGuard::Refuse.check(skew(1_000_001, 2_000_000), second).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ClockSkew);
        assert!(error.to_string().contains("ahead of"), "{error}");
        let error = ClockGuard::Refuse.check(skew(-9_000_000, -5_000_000), second).unwrap_err();
        assert!(error.to_string().contains("at least 5.0s behind"), "{error}");
        assert!(ClockGuard::Warn.check(skew(5_000_000, 6_000_000), second).is_ok());
        assert!(ClockGuard::Off.check(skew(5_000_000, 6_000_000), second).is_ok());
    }
}
