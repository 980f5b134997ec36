//! Measures the difference between the local clock and S3's from the `Date` header of responses.
//!
//! The header has whole seconds. S3 wrote it at some moment between the sending of the request and the arrival of the
//! response's head. One response therefore bounds the difference to an interval, as wide as the request took plus one
//! second. The clock is known to be wrong only if the whole interval is outside the allowed difference.

use std::sync::{Mutex, PoisonError};

/// The age, in microseconds, after which any newer observation replaces one, even if it is less exact.
const MAX_AGE: i64 = 30_000_000;

/// The local clock minus S3's, in microseconds: at least `low`, at most `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Skew {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

impl Skew {
    /// Returns the smallest difference within the interval, with its sign; 0 if the clocks may agree.
    pub(crate) fn least(self) -> i64 {
        if self.low > 0 { self.low } else { self.high.min(0) }
    }

    fn width(self) -> i64 {
        self.high - self.low
    }
}

/// The `Date` of one response and the local clocks around it, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct DateSample {
    /// The wall clock before the request was sent.
    pub(super) sent: i64,
    /// The wall clock when the response's head arrived.
    pub(super) received: i64,
    /// The monotonic clock when the response's head arrived.
    pub(super) monotonic: i64,
    /// The `Date` header; whole seconds.
    pub(super) date: i64,
}

#[derive(Debug, Clone, Copy)]
struct Observation {
    skew: Skew,
    monotonic: i64,
    /// The wall clock minus the monotonic clock. It changes only when somebody sets the wall clock.
    wall_offset: i64,
}

/// Keeps the most exact recent observation of the clock difference.
#[derive(Debug, Default)]
pub(super) struct SkewMonitor(Mutex<Option<Observation>>);

impl SkewMonitor {
    pub(super) fn observe(&self, sample: DateSample) {
        let skew = Skew { low: sample.sent - sample.date - 1_000_000, high: sample.received - sample.date };
        let new = Observation { skew, monotonic: sample.monotonic, wall_offset: sample.received - sample.monotonic };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let replace =
            kept.is_none_or(|old| skew.width() <= old.skew.width() || sample.monotonic - old.monotonic > MAX_AGE);
        if replace {
            *kept = Some(new);
        }
    }

    /// Returns the difference now, given both local clocks. If the wall clock was set since the observation, the
    /// difference changes by the same amount.
    pub(super) fn skew(&self, wall: i64, monotonic: i64) -> Option<Skew> {
        let kept = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.map(|kept| {
            let moved = (wall - monotonic) - kept.wall_offset;
            Skew { low: kept.skew.low + moved, high: kept.skew.high + moved }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn sample(sent: i64, took: i64, date: i64) -> DateSample {
        DateSample { sent, received: sent + took, monotonic: 77 + sent + took, date }
    }

    #[test]
    fn clocks_that_may_agree_have_no_least_difference() {
        let monitor = SkewMonitor::default();
        // Sent at 100.9 s; the response with Date 101 arrived at 101.1 s.
        monitor.observe(sample(100_900_000, 200_000, 101 * SECOND));
        let skew = monitor.skew(101_100_000, 77 + 101_100_000).unwrap();
        assert_eq!(skew, Skew { low: -1_100_000, high: 100_000 });
        assert_eq!(skew.least(), 0);
    }

    #[test]
    fn a_clock_beyond_header_and_request_time_is_ahead_or_behind() {
        let monitor = SkewMonitor::default();
        monitor.observe(sample(110 * SECOND, 0, 100 * SECOND));
        let now = 110 * SECOND;
        assert_eq!(monitor.skew(now, 77 + now).unwrap().least(), 9 * SECOND);
        let monitor = SkewMonitor::default();
        monitor.observe(sample(90 * SECOND, 0, 100 * SECOND));
        let now = 90 * SECOND;
        assert_eq!(monitor.skew(now, 77 + now).unwrap().least(), -10 * SECOND);
    }

    #[test]
    fn a_less_exact_observation_replaces_only_an_old_one() {
        let monitor = SkewMonitor::default();
        monitor.observe(sample(110 * SECOND, 0, 100 * SECOND));
        monitor.observe(sample(111 * SECOND, 20 * SECOND, 101 * SECOND));
        let now = 131 * SECOND;
        assert_eq!(monitor.skew(now, 77 + now).unwrap().low, 9 * SECOND);
        monitor.observe(sample(150 * SECOND, SECOND, 150 * SECOND));
        let now = 151 * SECOND;
        assert_eq!(monitor.skew(now, 77 + now).unwrap().least(), 0);
    }

    #[test]
    fn setting_the_wall_clock_moves_the_difference() {
        let monitor = SkewMonitor::default();
        monitor.observe(sample(110 * SECOND, 0, 100 * SECOND));
        // The clock is set back by 10 s one second later.
        assert_eq!(monitor.skew(101 * SECOND, 77 + 111 * SECOND).unwrap().least(), 0);
    }
}
