//! The builders of polls.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::BoxFuture;
use super::entry::{self, Entry};
use super::gate::{ChangeStream, Polled, Span};
use super::page::{Page, RecordPage};
use super::walk::{StopReason, WalkEnd};
use super::window::Window;
use crate::clock::Reading;
use crate::dataset::{Dataset, Store, Subject};
use crate::error::Result;
use crate::format::Offset;
use crate::metrics::{Method, Tally};
use crate::pattern::IntoPatterns;
#[cfg(feature = "datafusion")]
use crate::pattern::{PartitionFilter, Pattern};
use crate::read::{MissingFile, Read, ReadMethod, SkippedFile};
use crate::record::{Names, Record};

/// The default number of refs that a poll covers.
const DEFAULT_LIMIT: usize = 1_000;

/// A poll of the change stream, made by [`Store::poll`].
#[derive(Debug, Clone)]
#[must_use = "nothing is polled until it is awaited"]
pub struct Poll {
    changes: ChangeStream,
    pub(super) span: Span,
}

impl Poll {
    pub(super) fn new<T: Record>(dataset: &Dataset, after: Offset) -> Self {
        Self { changes: ChangeStream::of::<T>(dataset), span: Span { after, until: None, limit: DEFAULT_LIMIT } }
    }

    /// Returns a poll of a dataset with these partition columns.
    pub(crate) fn of_names(dataset: &Dataset, names: Names, subject: Option<Subject>, after: Offset) -> Self {
        let changes = ChangeStream::of_names(dataset, names, subject);
        Self { changes, span: Span { after, until: None, limit: DEFAULT_LIMIT } }
    }

    /// Sets how many refs the poll takes at a time, committed or not. The page has at most as many entries. Default:
    /// 1,000.
    ///
    /// If none of them is committed, the poll takes as many again, up to 100 times, until it has an entry or has caught
    /// up. End a loop at [`caught_up`](Page::caught_up): a page can be shorter than the limit although more follow.
    pub fn limit(mut self, refs: usize) -> Self {
        self.span.limit = refs;
        self
    }

    /// Returns only entries before this offset; an entry at the offset itself is not returned.
    ///
    /// [`Dataset::offset_at`] returns the offset of an instant.
    pub fn until(mut self, offset: &Offset) -> Self {
        self.span.until = Some(offset.clone());
        self
    }

    /// Returns only entries of the partitions that the patterns select: see [`IntoPatterns`] for the grammar.
    ///
    /// Refs of other partitions are passed without a HEAD. They don't count towards the limit, but a poll stops after
    /// 100,000 of them. They are listed all the same: 1 LIST per 1,000 refs. A page's `next` moves past them.
    ///
    /// # Errors
    /// The poll fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) if a pattern is not valid.
    pub fn only(mut self, patterns: impl IntoPatterns) -> Self {
        self.changes.only(patterns);
        self
    }

    /// Polls, measured as a separate call.
    pub(super) async fn call(self) -> Result<Polled> {
        let call = self.changes.dataset.metrics().call(Method::Poll);
        call.run(async |tally| {
            let polled = self.run().await?;
            tally.records(polled.entries.len() as u64);
            Ok(polled)
        })
        .await
    }

    /// Polls as a part of another call.
    async fn run(self) -> Result<Polled> {
        let Self { changes, span } = self;
        changes.check(&span)?;
        changes.poll(span).await
    }
}

impl IntoFuture for Poll {
    type Output = Result<Page>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.call().await.map(Polled::into_page) })
    }
}

/// A poll of a window of time, made by [`Store::poll_range`].
#[derive(Debug, Clone)]
#[must_use = "nothing is polled until it is awaited"]
pub struct PollRange {
    changes: ChangeStream,
    span: Span,
    /// The reading of the clock by which refs are settled. `None` for one when the poll begins.
    reading: Option<Reading>,
}

impl PollRange {
    pub(super) fn new<T: Record>(dataset: &Dataset, window: Window) -> Self {
        let changes = ChangeStream::of::<T>(dataset);
        Self { span: changes.span_of(window), changes, reading: None }
    }

    /// Returns a poll of the entries after an offset and before another one that were settled at a reading of the clock, of a
    /// dataset with these partition columns.
    #[cfg(feature = "datafusion")]
    pub(crate) fn between(
        dataset: &Dataset,
        names: Names,
        subject: Option<Subject>,
        after: Offset,
        until: Option<Offset>,
        reading: Reading,
    ) -> Self {
        let changes = ChangeStream::of_names(dataset, names, subject);
        Self { changes, span: Span { after, until, limit: usize::MAX }, reading: Some(reading) }
    }

    /// Returns only entries of the partitions that the patterns select.
    #[cfg(feature = "datafusion")]
    pub(crate) fn only_patterns(mut self, patterns: Vec<Pattern>) -> Self {
        self.changes.filter = PartitionFilter::new(Ok(patterns));
        self
    }

    /// Returns only entries of the partitions that the patterns select: see [`Poll::only`].
    pub fn only(mut self, patterns: impl IntoPatterns) -> Self {
        self.changes.only(patterns);
        self
    }

    /// Polls as a part of another call.
    pub(super) async fn run(self) -> Result<Vec<Entry>> {
        self.changes.check(&self.span)?;
        let reading = self.reading.unwrap_or_else(|| self.changes.dataset.clock().reading());
        Ok(self.changes.poll_at(self.span, reading).await?.entries)
    }
}

impl IntoFuture for PollRange {
    type Output = Result<Vec<Entry>>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = self.changes.dataset.metrics().call(Method::PollRange);
            call.run(async |tally| {
                let entries = self.run().await?;
                tally.records(entries.len() as u64);
                Ok(entries)
            })
            .await
        })
    }
}

/// A poll that also reads the records of its entries, made by [`Store::poll_records`].
#[must_use = "nothing is polled until it is awaited"]
pub struct PollRecords<T> {
    pub(super) poll: Poll,
    pub(super) store: Store<T>,
    pub(super) skips_undecodable: bool,
}

impl<T: Record> PollRecords<T> {
    pub(super) fn new(store: Store<T>, after: Offset) -> Self {
        Self { poll: Poll::new::<T>(store.dataset(), after), store, skips_undecodable: false }
    }

    /// Sets how many refs the poll takes at a time, committed or not. The page reads at most as many files. Default:
    /// 1,000.
    ///
    /// If none of them is committed, the poll takes as many again: see [`Poll::limit`].
    pub fn limit(mut self, refs: usize) -> Self {
        self.poll = self.poll.limit(refs);
        self
    }

    /// Returns only records of entries before this offset; an entry at the offset itself is not read.
    ///
    /// [`Dataset::offset_at`] returns the offset of an instant.
    pub fn until(mut self, offset: &Offset) -> Self {
        self.poll = self.poll.until(offset);
        self
    }

    /// Reads only entries of the partitions that the patterns select: see [`Poll::only`].
    pub fn only(mut self, patterns: impl IntoPatterns) -> Self {
        self.poll = self.poll.only(patterns);
        self
    }

    /// Leaves out data files that do not decode, and returns them in [`skipped`](RecordPage::skipped).
    ///
    /// By default such a file fails the poll with [`InvalidData`](crate::ErrorKind::InvalidData), each time, so a consumer
    /// can't move past it. A file does not decode if its bytes are damaged, or if its columns or values do not fit the
    /// record type. It is left out as a whole; all other records of the page are returned in the same order as ever. Each
    /// file that is left out is also logged and counted. Requests that fail, and a record that does not fit the dataset's
    /// schema, still fail the poll.
    ///
    /// Keep what was skipped: it is not returned again by a later page. The [guide](crate::guide::change_stream) shows how
    /// to repair it.
    ///
    /// # Requests
    /// If a file of a partition does not decode, the page's files of that partition are downloaded a second time: 1 GET for
    /// each.
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, stored: s3store::Offset,
    /// # ) -> s3store::Result<()> {
    /// let page = store.poll_records(&stored).skip_undecodable().await?;
    /// for file in &page.skipped {
    ///     eprintln!("{} records are missing: {}", file.record_count, file.reason);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn skip_undecodable(mut self) -> Self {
        self.skips_undecodable = true;
        self
    }

    /// Polls and reads, measured as a separate call.
    pub(super) async fn call(self) -> Result<(RecordPage<T>, StopReason)> {
        let call = self.store.dataset().metrics().call(Method::PollRecords);
        call.run(async |tally| self.run(tally).await).await
    }

    async fn run(self, tally: Arc<Tally>) -> Result<(RecordPage<T>, StopReason)> {
        let page = self.poll.run().await?;
        let Polled { entries, end: WalkEnd { next, malformed, other_partitions, not_selected, reason } } = page;
        let missing = Arc::<AtomicU64>::default();
        let files = entry::files(&entries);
        let files = Box::new(|_| Box::pin(std::future::ready(Ok(files))) as Pin<Box<_>>);
        let if_missing = MissingFile::Skip(Arc::clone(&missing));
        let mut read = Read::<T>::of_files(self.store.dataset(), ReadMethod::Within(tally), files, if_missing);
        let skipped = Arc::<Mutex<Vec<SkippedFile>>>::default();
        if self.skips_undecodable {
            let skipped = Arc::clone(&skipped);
            read = read.skip_undecodable(move |file| {
                skipped.lock().unwrap_or_else(PoisonError::into_inner).push(file);
            });
        }
        let records = read.history().await?;
        let (missing, caught_up) = (missing.load(Ordering::Relaxed), reason != StopReason::Limit);
        let mut skipped = std::mem::take(&mut *skipped.lock().unwrap_or_else(PoisonError::into_inner));
        skipped.sort_by(|a, b| a.offset.cmp(&b.offset));
        let page = RecordPage {
            records,
            entries,
            next,
            caught_up,
            malformed,
            other_partitions,
            not_selected,
            missing,
            skipped,
        };
        Ok((page, reason))
    }
}

impl<T: Record> IntoFuture for PollRecords<T> {
    type Output = Result<RecordPage<T>>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.call().await.map(|(page, _)| page) })
    }
}

impl<T> fmt::Debug for PollRecords<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollRecords").field("poll", &self.poll).finish_non_exhaustive()
    }
}
