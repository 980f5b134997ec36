//! The repetition of a write whose failure may be temporary.

use std::time::Duration;

use tokio::time::Instant;

use crate::ids;

/// How often, and for how long, a write repeats what may succeed later: see [`Write::retry`](crate::write::Write::retry).
///
/// The pause before the second try is between half the first pause and all of it. Each further pause is twice as long, up
/// to the longest. The random part keeps writers apart that failed at the same time.
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// use s3store::write::RetryPolicy;
///
/// let patient = RetryPolicy::default().give_up_after(Duration::from_secs(3_600)).longest_pause(Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    first_pause: Duration,
    longest_pause: Duration,
    give_up_after: Duration,
    max_tries: u32,
}

impl Default for RetryPolicy {
    /// Returns the default policy: pauses from 1 s to 30 s, for 5 minutes.
    fn default() -> Self {
        Self {
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            give_up_after: Duration::from_secs(300),
            max_tries: u32::MAX,
        }
    }
}

impl RetryPolicy {
    /// Sets the time after which no further try begins, from the start of the write. Default: 5 minutes.
    #[must_use]
    pub fn give_up_after(mut self, time: Duration) -> Self {
        self.give_up_after = time;
        self
    }

    /// Sets how many tries the write makes at most, the first included. Default: no limit but the time.
    #[must_use]
    pub fn max_tries(mut self, tries: u32) -> Self {
        self.max_tries = tries;
        self
    }

    /// Sets the longest pause before the second try. Default: 1 s.
    #[must_use]
    pub fn first_pause(mut self, pause: Duration) -> Self {
        self.first_pause = pause;
        self
    }

    /// Sets the longest pause between two tries. Default: 30 s.
    #[must_use]
    pub fn longest_pause(mut self, pause: Duration) -> Self {
        self.longest_pause = pause;
        self
    }

    /// Returns the pause after `tries` tries of a write that began at `began`, or `None` if it is time to give up.
    pub(super) fn pause_after(&self, tries: u32, began: Instant, now: Instant) -> Option<Duration> {
        if tries >= self.max_tries {
            return None;
        }
        let doubled = 1u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.first_pause.saturating_mul(doubled).min(self.longest_pause);
        let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX - 1);
        let pause = ids::jitter(millis / 2..millis.saturating_add(1));
        let ends = now.saturating_duration_since(began).saturating_add(pause);
        (ends < self.give_up_after).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_within_their_bounds_and_end() {
        let began = Clock::virtual_time().monotonic();
        let policy = RetryPolicy::default();
        for (tries, longest) in [(1, 1_000), (2, 2_000), (3, 4_000), (6, 30_000), (33, 30_000), (u32::MAX - 1, 30_000)]
        {
            for _ in 0..50 {
                let pause = policy.pause_after(tries, began, began).unwrap().as_millis();
                assert!((longest / 2..=longest).contains(&pause), "{tries}: {pause}");
            }
        }
        assert_eq!(policy.max_tries(3).pause_after(3, began, began), None);
        assert_eq!(policy.max_tries(0).pause_after(1, began, began), None);
        assert_eq!(policy.pause_after(1, began, began + Duration::from_secs(300)), None);
        let extreme = policy.first_pause(Duration::MAX).longest_pause(Duration::MAX).give_up_after(Duration::MAX);
        assert!(extreme.pause_after(u32::MAX - 1, began, began).is_some());
        let none = policy.first_pause(Duration::ZERO).pause_after(9, began, began);
        assert_eq!(none, Some(Duration::ZERO));
    }
}
