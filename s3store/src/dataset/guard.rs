//! What protects the protocol's assumptions: the clock guard, and the proof that conditional PUT works.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::clock::micros;
use crate::error::{Error, ErrorKind, Result};
use crate::s3::Skew;

/// What happens when the local clock is off by more than the dataset's `max_clock_skew`.
///
/// Every answer of S3 tells its time, in whole seconds. A clock counts as off only if no moment between sending the
/// request and its answer can explain the difference: beyond `max_clock_skew`, plus the header's second, plus the time
/// that the request took. A skew below that can't be seen, so the clocks of writers and readers still need NTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ClockGuard {
    /// Writes fail with [`ErrorKind::ClockSkew`](crate::ErrorKind::ClockSkew) before they send a ref; so do polls of the
    /// change stream where the clock is ahead. One that is behind delays a poll, and is warned of. The default.
    #[default]
    Refuse,
    /// A warning is logged and the write, or poll, goes on. Readers of the change stream may miss writes.
    Warn,
    /// The clock is not looked at.
    Off,
}

impl ClockGuard {
    /// What holds for a reader, who can't do harm with a clock that is behind.
    pub(crate) fn for_reader(self, skew: Option<Skew>) -> Self {
        match self {
            Self::Refuse if skew.is_some_and(|skew| skew.least() < 0) => Self::Warn,
            guard => guard,
        }
    }

    pub(crate) fn check(self, skew: Option<Skew>, allowed: Duration) -> Result<()> {
        let least = skew.map_or(0, Skew::least);
        let off = self != Self::Off && least.abs() > micros(allowed);
        if !off {
            return Ok(());
        }
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        let seconds = least.abs() as f64 / 1e6;
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

/// Whether the backend was seen to enforce `If-None-Match: *` on this dataset.
#[derive(Debug, Default)]
pub(crate) struct Proof(AtomicU8);

/// What [`Proof`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proven {
    /// Not tried yet.
    Open,
    /// A second conditional PUT of a commit was refused.
    Enforced,
    /// It was accepted: the condition is ignored.
    Ignored,
}

impl Proof {
    pub(crate) fn state(&self) -> Proven {
        match self.0.load(Ordering::Relaxed) {
            1 => Proven::Enforced,
            2 => Proven::Ignored,
            _ => Proven::Open,
        }
    }

    /// Records what a try told. A condition that was ignored once is never trusted again.
    pub(crate) fn record(&self, proven: Proven) {
        let value = match proven {
            Proven::Open => 0,
            Proven::Enforced => 1,
            Proven::Ignored => 2,
        };
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skew(low: i64, high: i64) -> Option<Skew> {
        Some(Skew { low, high })
    }

    #[test]
    fn refuses_only_what_no_moment_explains() {
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

    #[test]
    fn a_condition_once_ignored_stays_distrusted() {
        let proof = Proof::default();
        proof.record(Proven::Enforced);
        assert_eq!(proof.state(), Proven::Enforced);
        proof.record(Proven::Ignored);
        proof.record(Proven::Enforced);
        assert_eq!(proof.state(), Proven::Ignored);
    }
}
