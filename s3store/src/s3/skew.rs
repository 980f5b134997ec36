//! How far the local clock is from S3's, as the `Date` of its answers tells.
//!
//! The header has whole seconds, and was written at some moment between sending the request and reading the answer's
//! head. So one answer bounds the difference to an interval, as wide as the request took plus one second; only when the
//! whole interval lies beyond what is allowed is the clock known to be off.

use std::sync::{Mutex, PoisonError};

/// How long an observation counts before any newer one replaces it.
const FRESH: i64 = 30_000_000;

/// The local clock minus S3's, in microseconds: at least `low`, at most `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Skew {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

impl Skew {
    /// The least difference that the observation allows; 0 where the clocks may agree.
    pub(crate) fn least(self) -> i64 {
        if self.low > 0 { self.low } else { self.high.min(0) }
    }

    fn width(self) -> i64 {
        self.high - self.low
    }
}

/// One answer: local wall clock before sending and on arrival of the head, the header, and the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) sent: i64,
    pub(crate) received: i64,
    pub(crate) monotonic: i64,
    /// The `Date` header, whole seconds in microseconds.
    pub(crate) date: i64,
}

#[derive(Debug, Clone, Copy)]
struct Observation {
    skew: Skew,
    monotonic: i64,
    /// Wall clock minus monotonic clock: changes by as much as the wall clock is set.
    step: i64,
}

/// Keeps the sharpest recent observation.
#[derive(Debug, Default)]
pub(crate) struct SkewMonitor(Mutex<Option<Observation>>);

impl SkewMonitor {
    pub(crate) fn observe(&self, answer: Answer) {
        let skew = Skew { low: answer.sent - answer.date - 1_000_000, high: answer.received - answer.date };
        let new = Observation { skew, monotonic: answer.monotonic, step: answer.received - answer.monotonic };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let replace =
            kept.is_none_or(|old| skew.width() <= old.skew.width() || answer.monotonic - old.monotonic > FRESH);
        if replace {
            *kept = Some(new);
        }
    }

    /// The difference now, given both local clocks; a wall clock that was set since then moves it along.
    pub(crate) fn skew(&self, wall: i64, monotonic: i64) -> Option<Skew> {
        let kept = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.map(|kept| {
            let moved = (wall - monotonic) - kept.step;
            Skew { low: kept.skew.low + moved, high: kept.skew.high + moved }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn answer(sent: i64, took: i64, date: i64) -> Answer {
        Answer { sent, received: sent + took, monotonic: 77 + sent + took, date }
    }

    #[test]
    fn clocks_that_may_agree_have_no_least_difference() {
        let monitor = SkewMonitor::default();
        // Sent at 100.9 s, answered with Date 101 at 101.1 s.
        monitor.observe(answer(100_900_000, 200_000, 101 * SECOND));
        let skew = monitor.skew(101_100_000, 77 + 101_100_000).unwrap();
        assert_eq!(skew, Skew { low: -1_100_000, high: 100_000 });
        assert_eq!(skew.least(), 0);
    }

    #[test]
    fn ahead_and_behind_beyond_header_and_request() {
        let monitor = SkewMonitor::default();
        monitor.observe(answer(110 * SECOND, 0, 100 * SECOND));
        let now = 110 * SECOND;
        assert_eq!(monitor.skew(now, 77 + now).unwrap().least(), 9 * SECOND);
        let monitor = SkewMonitor::default();
        monitor.observe(answer(90 * SECOND, 0, 100 * SECOND));
        let now = 90 * SECOND;
        assert_eq!(monitor.skew(now, 77 + now).unwrap().least(), -10 * SECOND);
    }

    #[test]
    fn a_wider_observation_does_not_hide_a_sharp_one_until_it_is_old() {
        let monitor = SkewMonitor::default();
        monitor.observe(answer(110 * SECOND, 0, 100 * SECOND));
        monitor.observe(answer(111 * SECOND, 20 * SECOND, 101 * SECOND));
        let now = 131 * SECOND;
        assert_eq!(monitor.skew(now, 77 + now).unwrap().low, 9 * SECOND);
        monitor.observe(answer(150 * SECOND, SECOND, 150 * SECOND));
        let now = 151 * SECOND;
        assert_eq!(monitor.skew(now, 77 + now).unwrap().least(), 0);
    }

    #[test]
    fn setting_the_wall_clock_moves_the_difference() {
        let monitor = SkewMonitor::default();
        monitor.observe(answer(110 * SECOND, 0, 100 * SECOND));
        // The clock is set back by 10 s one second later.
        assert_eq!(monitor.skew(101 * SECOND, 77 + 111 * SECOND).unwrap().least(), 0);
    }
}
