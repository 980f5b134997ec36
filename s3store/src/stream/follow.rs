//! Following the change stream without end.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::stream;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use super::entry::{Page, RecordPage};
use super::gate::Polled;
use super::walk::End;
use super::{BoxFuture, LIMIT};
use crate::clock::micros;
use crate::dataset::{Dataset, Store, task_error};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Offset;
use crate::metrics::{Call, Failed, Method, Position};
use crate::record::Record;

/// How long a follower that has caught up waits for more, unless it is told otherwise.
const PACE: Duration = Duration::from_secs(1);

/// Faster would be a busy loop.
const FASTEST_PACE: Duration = Duration::from_millis(10);

const SLOWEST_PACE: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The shortest pause after a failure, however fast the pace.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);

/// A follower that knows of unsettled refs polls as soon as the first is settled, but at most so often in a pace.
const POLLS_A_PACE: u32 = 10;

/// Following the change stream, made by [`Store::follow`]. Take [`entries`](Follow::entries) or
/// [`records`](Follow::records).
///
/// While there is more, one poll follows the other. After that a poll is made at the [pace](Follow::pace), and also at
/// the moment when the first unsettled ref that was seen becomes settled; at most ten times a pace. So what is written
/// comes once its settle window is over, unless the pace is longer than that.
#[must_use = "nothing is polled until its stream is"]
pub struct Follow<T> {
    store: Store<T>,
    after: Offset,
    limit: usize,
    pace: Duration,
}

impl<T: Record> Follow<T> {
    pub(super) fn new(store: Store<T>, after: Offset) -> Self {
        Self { store, after, limit: LIMIT, pace: PACE }
    }

    /// How many refs a page looks at, committed or not. Default 1,000.
    pub fn limit(mut self, refs: usize) -> Self {
        self.limit = refs;
        self
    }

    /// How long to wait between two polls where there is nothing to be had: 10 ms to a day. Default 1 s.
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace.clamp(FASTEST_PACE, SLOWEST_PACE);
        self
    }

    /// The pages of the stream, as from [`Store::poll`]. Only pages that move on are returned, so each has a new
    /// [`next`](Page::next).
    pub fn entries(self) -> Pages<Page> {
        Pages::new(self, |store, after, limit| {
            Box::pin(async move {
                let polled = store.poll(&after).limit(limit).call().await?;
                let (next, end) = (polled.walked.next.clone(), polled.walked.end);
                Ok(Fetched { page: Polled::into_page(polled), next, end })
            })
        })
    }

    /// The pages of the stream with their records, as from [`Store::poll_records`]. Only pages that move on are
    /// returned, so each has a new [`next`](RecordPage::next).
    pub fn records(self) -> Pages<RecordPage<T>> {
        Pages::new(self, |store, after, limit| {
            Box::pin(async move {
                let (page, end) = store.poll_records(&after).limit(limit).call().await?;
                let next = page.next.clone();
                Ok(Fetched { page, next, end })
            })
        })
    }
}

impl<T> fmt::Debug for Follow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("after", &self.after)
            .field("limit", &self.limit)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

/// The pages of the change stream, without end, made by [`Follow`]: a [`Stream`] with a
/// [`try_next`](Pages::try_next) of its own.
///
/// It keeps its place by itself. Where S3 does not answer or throttles, beyond the tries of each request, it logs that,
/// waits longer each time, up to a minute, and goes on; the consumer sees a delay. Any other failure is returned. Asked
/// again after one, it polls at the same place again, after a pause.
///
/// Dropping it stops its requests; no task of its own is left. While nobody asks for the next page, a poll that is under
/// way comes to its end, and no further one begins.
#[must_use = "a stream does nothing until it is polled"]
pub struct Pages<P>(Pin<Box<dyn Stream<Item = Result<P>> + Send>>);

impl<P: Send + 'static> Pages<P> {
    fn new<T: Record>(follow: Follow<T>, fetch: Fetch<T, P>) -> Self {
        let follower = Follower { follow, fetch, failures: 0, wake: None, call: None, position: None };
        Self(Box::pin(stream::unfold(follower, |mut follower| async move {
            let page = follower.page().await;
            Some((page, follower))
        })))
    }

    /// The next page. It waits as long as there is none, so it never is `None`.
    ///
    /// # Errors
    /// As [`Store::poll`] and [`Store::read`], but for what passes by itself.
    ///
    /// # Cancel safety
    /// Dropping the future loses no page. A poll that is under way goes on, so that none of the dataset's permits are
    /// held by what nobody waits for, and the next call returns its page; no further one begins.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn try_next(&mut self) -> Result<Option<P>> {
        std::future::poll_fn(|context| self.0.as_mut().poll_next(context)).await.transpose()
    }
}

impl<P> Stream for Pages<P> {
    type Item = Result<P>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl<P> fmt::Debug for Pages<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// A page, and where it leaves the follower.
struct Fetched<P> {
    page: P,
    next: Offset,
    end: End,
}

type Fetch<T, P> = fn(Store<T>, Offset, usize) -> BoxFuture<Result<Fetched<P>>>;

struct Follower<T, P> {
    follow: Follow<T>,
    fetch: Fetch<T, P>,
    /// In a row.
    failures: u32,
    /// No poll before this.
    wake: Option<Instant>,
    /// From the first poll on, until an error is returned.
    call: Option<Call>,
    /// From the first poll on.
    position: Option<Position>,
}

impl<T: Record, P: Send + 'static> Follower<T, P> {
    /// The next page that moves on.
    async fn page(&mut self) -> Result<P> {
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
                // How far back the beginning is, the first page tells.
                let after = dataset.keys().offset_micros(self.follow.after.as_str());
                self.position = Some(dataset.metrics().follower(after.map_or(settled, |after| after.min(settled))));
            }
            match self.poll().await {
                Ok(Fetched { page, next, end }) => {
                    self.failures = 0;
                    let reached =
                        if end == End::Limit { dataset.keys().offset_micros(next.as_str()) } else { Some(settled) };
                    if let (Some(position), Some(reached)) = (&self.position, reached) {
                        position.reached(reached);
                    }
                    self.wake_in(&dataset, pause(&dataset, end, self.follow.pace));
                    if next != self.follow.after {
                        self.follow.after = next;
                        return Ok(page);
                    }
                }
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    let pause = backoff(self.follow.pace, self.failures);
                    self.wake_in(&dataset, Some(pause));
                    if error.kind() != ErrorKind::Unavailable {
                        if let Some(call) = self.call.take() {
                            call.end(error.outcome());
                        }
                        return Err(error);
                    }
                    warn(&error, self.failures, pause);
                }
            }
        }
    }

    /// One poll, in a task of its own: it would otherwise hold its permits while nobody asks for its page.
    async fn poll(&self) -> Result<Fetched<P>> {
        let Follow { store, after, limit, .. } = &self.follow;
        let poll = (self.fetch)(store.clone(), after.clone(), *limit);
        let span = self.call.as_ref().map_or_else(Span::none, |call| call.span().clone());
        let poll = span.in_scope(|| poll.in_current_span());
        AbortOnDropHandle::new(tokio::spawn(poll)).await.unwrap_or_else(|error| Err(task_error(error)))
    }

    fn wake_in(&mut self, dataset: &Dataset, pause: Option<Duration>) {
        self.wake = pause.and_then(|pause| dataset.clock().monotonic().checked_add(pause));
    }
}

fn warn(error: &Error, failures: u32, pause: Duration) {
    tracing::warn!(%error, failures, ?pause, "following the change stream: s3 is not available, trying again");
}

/// How long to wait after a poll; `None` where there is more to be had at once.
fn pause(dataset: &Dataset, end: End, pace: Duration) -> Option<Duration> {
    match end {
        End::Limit => None,
        End::Unsettled(Some(stamped)) => {
            // Settled is what was stamped before the cutoff's own microsecond.
            let settled = stamped.saturating_add(micros(dataset.settle_window())).saturating_add(1);
            let left = settled.saturating_sub(dataset.clock().micros());
            let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
            Some(pause_before(left, pace))
        }
        End::Unsettled(None) | End::Until | End::Tip => Some(pace),
    }
}

/// How long to wait where something settles after `left`: until then, or a pace, but never so long that what is left
/// would be shorter than the least pause.
fn pause_before(left: Duration, pace: Duration) -> Duration {
    let least = pace / POLLS_A_PACE;
    if left <= pace { left.max(least) } else { pace.min(left.saturating_sub(least)) }
}

/// The pause after so many failures in a row: twice as long each time.
fn backoff(pace: Duration, failures: u32) -> Duration {
    let doubled = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    pace.max(SHORTEST_PAUSE).saturating_mul(doubled).min(LONGEST_PAUSE.max(pace))
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
    fn what_settles_is_hit_by_a_pause_or_by_the_one_before() {
        let pause = |left: u64| pause_before(Duration::from_millis(left), PACE).as_millis();
        assert_eq!([0, 99, 100, 101, 1_000].map(pause), [100, 100, 100, 101, 1_000]);
        assert_eq!([1_001, 1_050, 1_100, 1_101, 16_000].map(pause), [901, 950, 1_000, 1_000, 1_000]);
    }
}
