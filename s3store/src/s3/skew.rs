//! Measures the difference between the local clock and S3's from the `Date` header of responses.
//!
//! The header has whole seconds. S3 wrote it at some moment between the sending of the request and the arrival of the
//! response's head. One response therefore bounds the difference to an interval, as wide as the request took plus one
//! second. The clock is known to be wrong only if the whole interval is outside the allowed difference.
//!
//! Local clocks move. While a machine sleeps, its monotonic clock may stand still. A step moves only the wall clock. A slew
//! moves both, and so it is noticed only by a newer observation. Therefore nothing is refused for an old observation
//! without asking S3 again, and an observation that contradicts the kept one replaces it.

use std::sync::{Mutex, PoisonError};

/// The resolution of the header, in microseconds.
const SECOND: i64 = 1_000_000;

/// The age, in microseconds, after which any newer observation replaces one, even if it is less exact.
const MAX_AGE: u64 = 30_000_000;

/// The difference, in microseconds, between a request's durations by the two local clocks that shows a moved clock.
const UNSTEADY: u64 = 500_000;

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

    /// Returns the middle of the interval.
    pub(super) fn middle(self) -> i64 {
        self.low.saturating_add(self.width() / 2)
    }

    /// Narrows the difference at an earlier moment, when the wall clock showed `micros`, by a `Date` that S3 wrote later.
    ///
    /// This bound needs no monotonic clock, so it also holds if the clocks were slewed in between.
    pub(crate) fn at_least_as_before(self, micros: i64, date: i64) -> Self {
        let low = self.low.max(micros.saturating_sub(date).saturating_sub(SECOND));
        Self { low, high: self.high.max(low) }
    }

    fn moved_by(self, micros: i64) -> Self {
        Self { low: self.low.saturating_add(micros), high: self.high.saturating_add(micros) }
    }

    fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    fn width(self) -> i64 {
        self.high.saturating_sub(self.low)
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
    /// The time from sending to the arrival, on the monotonic clock.
    pub(super) took: i64,
    /// The `Date` header; whole seconds.
    pub(super) date: i64,
}

impl DateSample {
    /// Returns the difference of the clocks when the response's head arrived.
    pub(super) fn skew(self) -> Skew {
        let Self { sent, received, took, date, .. } = self;
        // The wall clock may be set during a request, and the monotonic clock may stand still: the earlier moment of the
        // two that they give is safe.
        let sent = sent.min(received.saturating_sub(took.max(0)));
        Skew { low: sent.saturating_sub(date).saturating_sub(SECOND), high: received.saturating_sub(date) }
    }
}

#[derive(Debug, Clone, Copy)]
struct Observation {
    skew: Skew,
    monotonic: i64,
    wall: i64,
}

impl Observation {
    /// Returns the difference at another moment, given both local clocks. If the wall clock was set in between, the
    /// difference changes by the same amount.
    fn skew_at(&self, wall: i64, monotonic: i64) -> Skew {
        let passed = monotonic.saturating_sub(self.monotonic);
        self.skew.moved_by(wall.saturating_sub(self.wall).saturating_sub(passed))
    }

    /// Returns the age: the longer of what the two clocks measure, since either may have stood still.
    fn age(&self, wall: i64, monotonic: i64) -> u64 {
        let passed = monotonic.saturating_sub(self.monotonic).unsigned_abs();
        passed.max(wall.saturating_sub(self.wall).unsigned_abs())
    }
}

/// Keeps the most exact recent observation of the clock difference.
#[derive(Debug, Default)]
pub(super) struct SkewMonitor(Mutex<Option<Observation>>);

impl SkewMonitor {
    /// Adds an observation. It replaces the kept one if it is more exact, contradicts it, or the kept one is old.
    ///
    /// A clock that is moved during a request makes the request's interval wide. By the wall clock the kept observation
    /// may then look old, but it says more about the step than the new one, and so it is kept.
    pub(super) fn observe(&self, sample: DateSample) {
        let DateSample { sent, received, monotonic, took, .. } = sample;
        let steady = received.saturating_sub(sent).abs_diff(took) < UNSTEADY;
        let skew = sample.skew();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let replace = kept.is_none_or(|old| {
            skew.width() <= old.skew.width()
                || (steady && old.age(received, monotonic) > MAX_AGE)
                || !skew.overlaps(old.skew_at(received, monotonic))
        });
        if replace {
            *kept = Some(Observation { skew, monotonic, wall: received });
        }
    }

    /// Returns the difference at a moment, given both local clocks.
    pub(super) fn skew(&self, wall: i64, monotonic: i64) -> Option<Skew> {
        let kept = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.map(|kept| kept.skew_at(wall, monotonic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sent: i64, took: i64, date: i64) -> DateSample {
        DateSample { sent, received: sent + took, monotonic: 77 + sent + took, took, date }
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
    fn an_observation_is_old_if_either_clock_says_so() {
        let monitor = SkewMonitor::default();
        monitor.observe(sample(110 * SECOND, 0, 100 * SECOND));
        // The machine slept for 15 s, on the wall clock only. Then a response took 20 s.
        let received = 145 * SECOND;
        let monotonic = 77 + 130 * SECOND;
        monitor.observe(DateSample { monotonic, ..sample(125 * SECOND, 20 * SECOND, 115 * SECOND) });
        assert_eq!(monitor.skew(received, monotonic).unwrap().low, 9 * SECOND);
    }

    #[test]
    fn setting_the_wall_clock_moves_the_difference() {
        let monitor = SkewMonitor::default();
        monitor.observe(sample(110 * SECOND, 0, 100 * SECOND));
        // The clock is set back by 10 s one second later.
        assert_eq!(monitor.skew(101 * SECOND, 77 + 111 * SECOND).unwrap().least(), 0);
    }

    #[test]
    fn an_observation_that_contradicts_the_kept_one_replaces_it() {
        let monitor = SkewMonitor::default();
        monitor.observe(sample(110 * SECOND, 0, 105 * SECOND));
        // Slewed right within a second, and seen by a request that took longer.
        monitor.observe(sample(111 * SECOND, SECOND, 111 * SECOND));
        assert_eq!(monitor.skew(112 * SECOND, 77 + 112 * SECOND).unwrap().least(), 0);
        // The machine slept for a minute, on the wall clock only.
        monitor.observe(DateSample { monotonic: 77 + 113 * SECOND, ..sample(172 * SECOND, SECOND, 172 * SECOND) });
        assert_eq!(monitor.skew(173 * SECOND, 77 + 113 * SECOND).unwrap().least(), 0);
    }

    #[test]
    fn a_clock_that_is_moved_during_a_request_gives_no_impossible_interval() {
        for (sent, received, took, truth, real) in [
            // Stepped back by an hour, right afterwards; and stepped back to be wrong.
            (3_700, 101, 1, 0, 100..=101),
            (100, -3_500, 1, -3_600, 99..=100),
            // Stepped forward.
            (-3_500, 101, 1, 0, 100..=101),
            // Slept for a minute, before or after the response was written; the monotonic clock stood still.
            (100, 161, 1, 0, 100..=161),
        ] {
            for date in real {
                let monitor = SkewMonitor::default();
                let [sent, received, took, date] = [sent, received, took, date].map(|seconds| seconds * SECOND);
                monitor.observe(DateSample { sent, received, monotonic: 7, took, date });
                let skew = monitor.skew(received, 7).unwrap();
                assert!(skew.low <= truth * SECOND && truth * SECOND <= skew.high, "{sent} {received}: {skew:?}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_wrong_during_a_request_is_noticed() {
        for step in [3_600, -3_600] {
            let monitor = SkewMonitor::default();
            monitor.observe(sample(100 * SECOND, 0, 100 * SECOND));
            // The interval of this request is as wide as the step, so it alone says nothing.
            let (sent, received) = (101 * SECOND, (102 + step) * SECOND);
            let monotonic = 77 + 102 * SECOND;
            monitor.observe(DateSample { sent, received, monotonic, took: SECOND, date: 102 * SECOND });
            let least = monitor.skew(received, monotonic).unwrap().least();
            assert!(least.abs() >= 3_598 * SECOND && least.signum() == step.signum(), "{step}: {least}");
        }
    }

    #[test]
    fn a_later_date_bounds_the_difference_before_it() {
        // The clock showed 105 s; it was slewed right before S3 answered at 101 s.
        let skew = Skew { low: -SECOND, high: 0 }.at_least_as_before(105 * SECOND, 101 * SECOND);
        assert_eq!(skew.least(), 3 * SECOND);
        let unchanged = Skew { low: -5 * SECOND, high: -3 * SECOND };
        assert_eq!(unchanged.at_least_as_before(100 * SECOND, 105 * SECOND), unchanged);
    }

    #[test]
    fn extreme_clocks_do_not_overflow() {
        let times = [i64::MIN, -1, 0, 1, i64::MAX];
        for index in 0..times.len().pow(3) {
            let [sent, received, monotonic] = [index, index / 5, index / 25].map(|index| times[index % 5]);
            let date = sent;
            let monitor = SkewMonitor::default();
            for took in times {
                monitor.observe(DateSample { sent, received, monotonic, took, date });
                monitor.observe(DateSample { sent: date, received: sent, monotonic: took, took, date: received });
                for wall in times {
                    let skew = monitor.skew(wall, received).unwrap().at_least_as_before(sent, date);
                    let _ = skew.least().unsigned_abs();
                }
            }
        }
    }
}
