//! The loop behind [`Pages`](super::Pages): polls, pauses and retries.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use super::BoxFuture;
use super::follow::Follow;
use super::walk::StopReason;
use crate::clock::micros;
use crate::dataset::{Dataset, task_error};
use crate::error::{ErrorKind, Result};
use crate::format::Offset;
use crate::metrics::{Call, ErrorOutcome, Method, Position};
use crate::record::Record;

/// The shortest pause after a failure, even if the pace is shorter.
const MIN_BACKOFF: Duration = Duration::from_millis(250);

/// The longest pause after failures, unless the pace is longer.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// A follower polls at most this many times per pace while it waits for refs to settle.
const MAX_POLLS_PER_PACE: u32 = 10;

/// The state of a follower: its offset and the time of its next poll.
pub(super) struct Follower<T, P> {
    /// `follow.poll` is the next poll.
    follow: Follow<T>,
    poll_once: PollOnce<T, P>,
    /// Failed polls since the last successful one.
    failures: u32,
    /// The earliest start of the next poll.
    wake: Option<Instant>,
    /// The call that the metrics record. It starts with the first poll and ends when an error is returned.
    call: Option<Call>,
    /// The follower's position, from which the metrics compute its lag. Set by the first poll.
    position: Option<Position>,
}

/// Performs one poll.
type PollOnce<T, P> = fn(&Follow<T>) -> BoxFuture<Result<Fetched<P>>>;

/// A page and where its poll ended.
pub(super) struct Fetched<P> {
    pub(super) page: P,
    pub(super) next: Offset,
    pub(super) reason: StopReason,
}

impl<T: Record, P: Send + 'static> Follower<T, P> {
    pub(super) fn new(follow: Follow<T>, poll_once: PollOnce<T, P>) -> Self {
        Self { follow, poll_once, failures: 0, wake: None, call: None, position: None }
    }

    /// Polls until a page moves the offset forward, and returns that page.
    pub(super) async fn next_page(&mut self) -> Result<P> {
        let dataset = self.follow.store.dataset().clone();
        if self.call.is_none() {
            self.call = Some(dataset.metrics().call(Method::Follow));
        }
        loop {
            let now = dataset.clock().monotonic();
            if let Some(wake) = self.wake.take() {
                dataset.clock().sleep(wake.saturating_duration_since(now)).await;
            }
            let settled = dataset.clock().micros().saturating_sub(micros(dataset.settle_window()));
            if self.position.is_none() {
                // At `Offset::START` the age of the oldest ref is unknown, so the lag is 0 until the first page
                // arrives.
                let after = dataset.keys().offset_micros(self.follow.poll.span.after.as_str());
                self.position = Some(dataset.metrics().follower(after.map_or(settled, |after| after.min(settled))));
            }
            match self.spawn_poll().await {
                Ok(Fetched { page, next, reason }) => {
                    self.failures = 0;
                    let reached = match reason {
                        StopReason::Limit => dataset.keys().offset_micros(next.as_str()),
                        StopReason::Unsettled(_) | StopReason::Until | StopReason::Tip => Some(settled),
                    };
                    if let (Some(position), Some(reached)) = (&self.position, reached) {
                        position.reached(reached);
                    }
                    self.wake_after(&dataset, pause_after(&dataset, reason, self.follow.pace));
                    if next != self.follow.poll.span.after {
                        self.follow.poll.span.after = next;
                        return Ok(page);
                    }
                }
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    let (failures, pause) = (self.failures, backoff(self.follow.pace, self.failures));
                    self.wake_after(&dataset, Some(pause));
                    if error.kind() != ErrorKind::Unavailable {
                        if let Some(call) = self.call.take() {
                            call.end(error.outcome());
                        }
                        return Err(error);
                    }
                    tracing::warn!(%error, failures, ?pause, "s3 is unavailable; polling the change stream again");
                }
            }
        }
    }

    /// Polls once, in a task of its own, so that a poll completes while the consumer is busy. No permit depends on it: each
    /// request runs in a task anyway. But a poll that is left in the middle would later continue with an old cutoff.
    async fn spawn_poll(&self) -> Result<Fetched<P>> {
        let poll = (self.poll_once)(&self.follow);
        let span = self.call.as_ref().map_or_else(Span::none, |call| call.span().clone());
        let poll = span.in_scope(|| poll.in_current_span());
        AbortOnDropHandle::new(tokio::spawn(poll)).await.unwrap_or_else(|error| Err(task_error(error)))
    }

    fn wake_after(&mut self, dataset: &Dataset, pause: Option<Duration>) {
        self.wake = pause.and_then(|pause| dataset.clock().monotonic().checked_add(pause));
    }
}

/// Returns how long to wait after a successful poll, or `None` if there may be more at once.
fn pause_after(dataset: &Dataset, reason: StopReason, pace: Duration) -> Option<Duration> {
    match reason {
        StopReason::Limit => None,
        StopReason::Unsettled(Some(stamped)) => {
            // A ref is settled one microsecond after its settle window has passed.
            let settled = stamped.saturating_add(micros(dataset.settle_window())).saturating_add(1);
            let left = settled.saturating_sub(dataset.clock().micros());
            let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
            Some(pause_until_settled(left, pace))
        }
        StopReason::Unsettled(None) | StopReason::Until | StopReason::Tip => Some(pace),
    }
}

/// Returns how long to wait if the next ref settles after `left`.
///
/// Waits until then if that is within a pace. Otherwise waits for a pace, or for less if the rest would be shorter than
/// the minimum pause: the pause after this one must be able to end when the ref settles.
fn pause_until_settled(left: Duration, pace: Duration) -> Duration {
    let min = pace / MAX_POLLS_PER_PACE;
    if left <= pace { left.max(min) } else { pace.min(left.saturating_sub(min)) }
}

/// Returns the pause after this many failures in a row: it doubles each time.
fn backoff(pace: Duration, failures: u32) -> Duration {
    let doubled = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    pace.max(MIN_BACKOFF).saturating_mul(doubled).min(MAX_BACKOFF.max(pace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let pauses = |pace: u64| [1, 2, 3, 7, 8, 40].map(|n| backoff(Duration::from_millis(pace), n).as_millis());
        assert_eq!(pauses(1_000), [1_000, 2_000, 4_000, 60_000, 60_000, 60_000]);
        assert_eq!(pauses(10), [250, 500, 1_000, 16_000, 32_000, 60_000]);
        assert_eq!(pauses(100_000), [100_000; 6]);
    }

    #[test]
    fn this_pause_or_the_next_ends_when_the_ref_settles() {
        let pause = |left: u64| pause_until_settled(Duration::from_millis(left), Duration::from_secs(1)).as_millis();
        assert_eq!([0, 99, 100, 101, 1_000].map(pause), [100, 100, 100, 101, 1_000]);
        assert_eq!([1_001, 1_050, 1_100, 1_101, 16_000].map(pause), [901, 950, 1_000, 1_000, 1_000]);
    }
}
