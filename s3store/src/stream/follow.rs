//! The public types that follow the change stream without end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;

use super::follower::{Fetched, Follower};
use super::gate::Polled;
use super::page::{Page, RecordPage};
use super::poll::PollRecords;
use crate::dataset::Store;
use crate::error::Result;
use crate::format::Offset;
use crate::pattern::IntoPatterns;
use crate::record::Record;

/// The default time between two polls of a follower that has caught up.
const DEFAULT_PACE: Duration = Duration::from_secs(1);

/// A shorter pace would be a busy loop.
const MIN_PACE: Duration = Duration::from_millis(10);

const MAX_PACE: Duration = Duration::from_secs(24 * 60 * 60);

/// A builder for following the change stream, made by [`Store::follow`]. Take [`entries`](Follow::entries) or
/// [`records`](Follow::records).
///
/// A follower polls without a pause until it has caught up. From then on it polls at its [pace](Follow::pace), and also
/// at the moment when the first unsettled ref that it has seen becomes settled, but at most ten times per pace. A
/// commit is therefore returned once its settle window is over, or a pace later if the pace is longer than that
/// window.
///
/// # Example
/// ```no_run
/// # async fn example(
/// #     store: s3store::Store<impl s3store::Record>, stored: s3store::Offset, save: fn(&s3store::Offset),
/// # ) -> s3store::Result<()> {
/// let mut pages = store.follow(&stored).limit(100).entries();
/// loop {
///     let page = pages.next_page().await?;
///     for entry in &page.entries { /* … */ }
///     save(&page.next);
/// }
/// # }
/// ```
#[must_use = "nothing is polled until its pages are"]
pub struct Follow<T> {
    pub(super) store: Store<T>,
    /// The next poll.
    pub(super) poll: super::Poll,
    pub(super) pace: Duration,
    skips_undecodable: bool,
}

impl<T: Record> Follow<T> {
    pub(super) fn new(store: Store<T>, after: Offset) -> Self {
        Self { poll: store.poll(&after), store, pace: DEFAULT_PACE, skips_undecodable: false }
    }

    /// Sets how many refs a page takes at a time, committed or not: see [`Poll::limit`](super::Poll::limit). Default:
    /// 1,000.
    pub fn limit(mut self, refs: usize) -> Self {
        self.poll = self.poll.limit(refs);
        self
    }

    /// Returns only entries of the partitions that the patterns select: see [`Poll::only`](super::Poll::only).
    ///
    /// A page without an entry is returned if the stream has moved past refs of other partitions, so that its offset can
    /// be stored.
    pub fn only(mut self, patterns: impl IntoPatterns) -> Self {
        self.poll = self.poll.only(patterns);
        self
    }

    /// Leaves out data files that do not decode, and returns them in [`skipped`](RecordPage::skipped) of their page: see
    /// [`PollRecords::skip_undecodable`]. Pages of [`entries`](Follow::entries) read no files, so it does not change them.
    ///
    /// By default the follower returns the error of such a file, and then again from each further call.
    pub fn skip_undecodable(mut self) -> Self {
        self.skips_undecodable = true;
        self
    }

    /// Sets the time between two polls while there is nothing new. Clamped to 10 ms and a day. Default: 1 s.
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace.clamp(MIN_PACE, MAX_PACE);
        self
    }

    /// Returns the pages of the stream, as from [`Store::poll`].
    ///
    /// Polls that find no new refs are left out, so every page has a new [`next`](Page::next).
    pub fn entries(self) -> Pages<Page> {
        Pages::new(Follower::new(self, |follow| {
            let poll = follow.poll.clone();
            Box::pin(async move {
                let polled = poll.call().await?;
                let (next, reason) = (polled.end.next.clone(), polled.end.reason);
                Ok(Fetched { page: Polled::into_page(polled), next, reason })
            })
        }))
    }

    /// Returns the pages of the stream with their records, as from [`Store::poll_records`].
    ///
    /// Polls that find no new refs are left out, so every page has a new [`next`](RecordPage::next).
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, stored: s3store::Offset, save: fn(&s3store::Offset),
    /// # ) -> s3store::Result<()> {
    /// let mut pages = store.follow(&stored).records();
    /// loop {
    ///     let page = pages.next_page().await?;
    ///     for record in page.records { /* … */ }
    ///     save(&page.next);
    /// }
    /// # }
    /// ```
    pub fn records(self) -> Pages<RecordPage<T>> {
        Pages::new(Follower::new(self, |follow| {
            let Self { store, poll, skips_undecodable, .. } = follow;
            let poll = PollRecords { store: store.clone(), poll: poll.clone(), skips_undecodable: *skips_undecodable };
            Box::pin(async move {
                let (page, reason) = poll.call().await?;
                let next = page.next.clone();
                Ok(Fetched { page, next, reason })
            })
        }))
    }
}

impl<T> fmt::Debug for Follow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow").field("poll", &self.poll).field("pace", &self.pace).finish_non_exhaustive()
    }
}

/// The pages of the change stream, without end, made by [`Follow`].
///
/// Call [`next_page`](Pages::next_page) in a loop, or use it as a [`Stream`], which never returns `None`.
///
/// It keeps its own offset. If S3 is unavailable or throttles, even after the retries of each request, it logs a
/// warning and polls again after a pause, which doubles each time up to a minute. Any other failure is returned. The
/// next call then polls from the same offset again, after a pause.
///
/// Dropping it stops its requests. While the consumer does not ask for a page, a poll that is in flight completes, and
/// no further poll starts.
#[must_use = "nothing is polled until a page is asked for"]
pub struct Pages<P>(Pin<Box<NextPage<P>>>);

/// A future of the next page, and of the pages after it.
type NextPage<P> = dyn Future<Output = (Result<P>, Pages<P>)> + Send;

impl<P: Send + 'static> Pages<P> {
    fn new<T: Record>(mut follower: Follower<T, P>) -> Self {
        Self(Box::pin(async move {
            let page = follower.next_page().await;
            (page, Self::new(follower))
        }))
    }

    /// Waits for the next page, as long as it takes.
    ///
    /// # Errors
    /// As [`Store::poll`], and [`Store::read`] if the pages have records, except that it does not return
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    ///
    /// # Cancel safety
    /// Dropping the future loses no page. A poll that is in flight completes, so that it does not hold permits that
    /// nobody waits for, and the next call returns its page. No further poll starts.
    ///
    /// # Panics
    /// When called outside of a tokio runtime.
    pub async fn next_page(&mut self) -> Result<P> {
        std::future::poll_fn(|context| self.poll_page(context)).await
    }
}

impl<P> Pages<P> {
    fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Result<P>> {
        let (page, rest) = ready!(self.0.as_mut().poll(context));
        *self = rest;
        Poll::Ready(page)
    }
}

impl<P> Stream for Pages<P> {
    type Item = Result<P>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_page(context).map(Some)
    }
}

impl<P> fmt::Debug for Pages<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}
