//! The change stream: polls, windows of time, entries, and following.

mod entry;
mod follow;
mod gate;
mod walk;
mod window;

use std::borrow::Borrow;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeZone};

pub use self::entry::{Entry, Page, RecordPage, partitions_of};
pub use self::follow::{Follow, Pages};
use self::gate::Polled;
use self::walk::{Bounds, End, Walked};
pub use self::window::{IntoWindow, Window};
use crate::clock::micros_from;
use crate::dataset::{Dataset, Store};
use crate::error::{Error, Result};
use crate::format::Offset;
use crate::metrics::{Method, Tally};
use crate::read::{Asked, Missing, Read};
use crate::record::Record;

/// How many refs a poll looks at unless it is told otherwise.
const LIMIT: usize = 1_000;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Dataset {
    /// The place of an instant in the change stream: everything that was stamped at it or later comes behind, and
    /// everything earlier before. Sends nothing. Instants that no ref can hold are moved to the first or last that can.
    ///
    /// # Example
    /// ```
    /// # async fn example(store: s3store::Store<impl s3store::Record>, yesterday: s3store::chrono::DateTime<s3store::chrono::Utc>) -> s3store::Result<()> {
    /// let page = store.poll(&store.dataset().offset_at(yesterday)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn offset_at<Z: TimeZone>(&self, instant: DateTime<Z>) -> Offset {
        Offset::of(self.keys().offset_at(micros_from(&instant)))
    }
}

impl<T: Record> Store<T> {
    /// A page of the change stream: the entries of what was committed behind an offset. Await the returned builder.
    ///
    /// Entries come in the order of their offsets, once each. A poll stays behind the present by the
    /// [settle window](Dataset::settle_window), so that no write that is reported as committed in time can appear at a
    /// place that was already passed. What a poll returned at an offset, every later poll returns there.
    ///
    /// The page's [`next`](Page::next) is where the following poll goes on. It moves on over refs whose write never
    /// committed, so a page may be empty and still have moved; [`caught_up`](Page::caught_up) says whether there was
    /// more.
    ///
    /// # Errors
    /// Any failure fails the whole poll, so that calling again with the same offset misses nothing.
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): an offset of another dataset, or a limit of 0; nothing was
    ///   sent.
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): a commit whose metadata can't be read.
    /// - [`ClockSkew`](crate::ErrorKind::ClockSkew): the local clock is ahead of S3's by more than the dataset allows, so
    ///   that the poll could pass writes under way.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3's answers.
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests. Nothing is changed in any case.
    ///
    /// # Requests
    /// 1 LIST per 1,000 refs; 1 HEAD for each (partition, token) among them.
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, stored: s3store::Offset,
    /// # ) -> s3store::Result<()> {
    /// let page = store.poll(&stored).limit(100).await?;
    /// for entry in &page.entries {
    ///     println!("{} has {} records of {}", entry.data_path, entry.record_count, entry.partition);
    /// }
    /// let stored = page.next; // where the next poll goes on
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll(&self, after: &Offset) -> Poll {
        Poll { source: Source::of::<T>(self.dataset()), after: after.clone(), until: None, limit: LIMIT }
    }

    /// The records of a page of the change stream: [`poll`](Store::poll), and the files of its entries. Await the
    /// returned builder.
    ///
    /// All versions of an entity are returned, since a later page may hold more; those that agree in entity and version
    /// are returned once. Partitions come by key, records within one by (entity, version), as from
    /// [`read`](Store::read): not in the order in which they were written.
    ///
    /// A data file that is gone is skipped, logged and [counted](RecordPage::missing).
    ///
    /// # Errors
    /// As [`poll`](Store::poll) and, but for missing files, as [`read`](Store::read).
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests. Nothing is changed in any case.
    ///
    /// # Requests
    /// Those of [`poll`](Store::poll), and 1 GET for each data file.
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, stored: s3store::Offset,
    /// # ) -> s3store::Result<()> {
    /// let mut offset = stored;
    /// loop {
    ///     let page = store.poll_records(&offset).limit(100).await?;
    ///     for record in page.records { /* … */ }
    ///     offset = page.next; // store it, once the records are dealt with
    ///     if page.caught_up {
    ///         break;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_records(&self, after: &Offset) -> PollRecords<T> {
        PollRecords { poll: self.poll(after), store: self.clone() }
    }

    /// All entries that were stamped in a window of time, in the order of their offsets. Await the returned builder.
    ///
    /// The window is half-open; open ends reach to the beginning of the stream and to the present. It never reaches
    /// into the settle window, and its end is frozen when this is called, so that it comes to an end beside any
    /// writers. Holds all entries in memory; for a long time, take windows one after the other, or [`poll`](Store::poll).
    ///
    /// # Errors
    /// As [`poll`](Store::poll).
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests. Nothing is changed in any case.
    ///
    /// # Requests
    /// As [`poll`](Store::poll).
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, from: s3store::chrono::DateTime<s3store::chrono::Utc>,
    /// #     to: s3store::chrono::DateTime<s3store::chrono::Utc>,
    /// # ) -> s3store::Result<()> {
    /// let entries = store.poll_range(from..to).await?;
    /// let records: u64 = entries.iter().map(|entry| entry.record_count).sum();
    /// println!("{records} records in {} partitions", s3store::stream::partitions_of(&entries).len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_range(&self, window: impl IntoWindow) -> PollRange {
        let source = Source::of::<T>(self.dataset());
        PollRange { bounds: source.window(window.into_window()), source }
    }

    /// The records that were written in a window of time: those of the entries that [`poll_range`](Store::poll_range)
    /// finds, ordered and deduplicated as a [`read`](Store::read) of these files alone.
    ///
    /// With an entity key the latest version within the window is returned, or every one with
    /// [`history`](Read::history). A data file that is gone is skipped and logged.
    ///
    /// # Errors
    /// As [`poll`](Store::poll) and, but for missing files, as [`read`](Store::read).
    ///
    /// # Cancel safety
    /// Dropping the future or stream stops its requests. Nothing is changed in any case.
    ///
    /// # Requests
    /// Those of [`poll`](Store::poll), before the first record; 1 GET for each data file.
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, yesterday: s3store::chrono::DateTime<s3store::chrono::Utc>,
    /// # ) -> s3store::Result<()> {
    /// let latest = store.read_range(yesterday..).await?;
    /// let every_version = store.read_range(yesterday..).history().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_range(&self, window: impl IntoWindow) -> Read<T> {
        let entries = self.poll_range(window);
        let found = |tally: Arc<Tally>| async move { entries.run(&tally).await.map(entry::files) };
        let found = Box::new(|tally| Box::pin(found(tally)) as Pin<Box<_>>);
        Read::files(self.dataset(), Asked::Range, found, Missing::Skipped(Arc::default()))
    }

    /// The records of entries that a poll returned, ordered and deduplicated as a [`read`](Store::read) of these files
    /// alone. Each file is read once, however many entries name it.
    ///
    /// With an entity key the latest version among them is returned, or every one with [`history`](Read::history). A
    /// data file that is gone is skipped and logged.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for an entry of another bucket, prefix or partitioning; nothing
    /// was sent. Otherwise, but for missing files, as [`read`](Store::read).
    ///
    /// # Cancel safety
    /// Dropping the future or stream stops its requests. Nothing is changed in any case.
    ///
    /// # Requests
    /// 1 GET for each data file.
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, stored: s3store::Offset,
    /// # ) -> s3store::Result<()> {
    /// // Of a page, only what lies in some partitions.
    /// let page = store.poll(&stored).await?;
    /// let emea = page.entries.iter().filter(|entry| entry.partition.ends_with("region=emea"));
    /// let mut records = store.read_entries(emea).stream();
    /// while let Some(record) = records.try_next().await? { /* … */ }
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_entries(&self, entries: impl IntoIterator<Item = impl Borrow<Entry>>) -> Read<T> {
        let (dataset, names) = (self.dataset(), T::Root::description().partition);
        let entries: Vec<_> = entries.into_iter().collect();
        let check = |entry: &Entry| entry::check(entry, dataset.bucket(), dataset.keys(), names);
        let checked = entries.iter().try_for_each(|entry| check(entry.borrow()));
        let found = checked.map(|()| entry::files(entries));
        let found = Box::new(|_| Box::pin(std::future::ready(found)) as Pin<Box<_>>);
        Read::files(dataset, Asked::Entries, found, Missing::Skipped(Arc::default()))
    }

    /// Follows the change stream from an offset on, without end: [`entries`](Follow::entries) or
    /// [`records`](Follow::records) of one page after the other, as they settle.
    ///
    /// The consumer stores each page's `next` once it is done with the page, and starts from the last one that it
    /// stored: after a crash it sees a page again rather than missing one.
    ///
    /// # Requests
    /// For each page those of [`poll`](Store::poll) or [`poll_records`](Store::poll_records); where nothing is new, 1 LIST
    /// at its [pace](Follow::pace), and up to ten times as often while refs that it saw are not settled.
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, load: fn() -> s3store::Offset, save: fn(&s3store::Offset),
    /// # ) -> s3store::Result<()> {
    /// let mut pages = store.follow(&load()).records();
    /// while let Some(page) = pages.try_next().await? {
    ///     for record in page.records { /* … */ }
    ///     save(&page.next);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn follow(&self, after: &Offset) -> Follow<T> {
        Follow::new(self.clone(), after.clone())
    }
}

/// Whose refs are walked along.
#[derive(Debug, Clone)]
struct Source {
    dataset: Dataset,
    /// The partition names of the record.
    names: &'static [&'static str],
}

impl Source {
    fn of<T: Record>(dataset: &Dataset) -> Self {
        Self { dataset: dataset.clone(), names: T::Root::description().partition }
    }

    /// No ref behind this is settled now.
    fn cutoff(&self) -> String {
        self.dataset.keys().ref_cutoff(self.dataset.clock().now(), self.dataset.settle_window())
    }

    fn window(&self, window: Window) -> Bounds {
        let offset = |micros| Offset::of(self.dataset.keys().offset_at(micros));
        Bounds {
            after: window.since.map_or(Offset::START, offset),
            until: window.until.map(offset),
            cutoff: self.cutoff(),
            limit: usize::MAX,
        }
    }

    /// The bounds of a poll from now.
    fn bounds(&self, after: Offset, until: Option<Offset>, limit: usize) -> Result<Bounds> {
        if limit == 0 {
            return Err(Error::invalid_input("limit is 0; allow at least one ref"));
        }
        for offset in [Some(&after), until.as_ref()].into_iter().flatten() {
            self.dataset.keys().check_offset(offset.as_str())?;
        }
        Ok(Bounds { after, until, cutoff: self.cutoff(), limit })
    }
}

/// A poll of the change stream, made by [`Store::poll`].
#[derive(Debug, Clone)]
#[must_use = "nothing is polled until it is awaited"]
pub struct Poll {
    source: Source,
    after: Offset,
    until: Option<Offset>,
    limit: usize,
}

impl Poll {
    /// How many refs are looked at, committed or not: the most entries of the page. Default 1,000.
    pub fn limit(mut self, refs: usize) -> Self {
        self.limit = refs;
        self
    }

    /// Only entries before this offset; the offset itself is not among them. See [`Dataset::offset_at`].
    pub fn until(mut self, offset: &Offset) -> Self {
        self.until = Some(offset.clone());
        self
    }

    /// As a call of its own.
    async fn call(self) -> Result<Polled> {
        let call = self.source.dataset.metrics().call(Method::Poll);
        call.run(async |tally| self.run(&tally).await).await
    }

    async fn run(self, tally: &Tally) -> Result<Polled> {
        let Self { source, after, until, limit } = self;
        let bounds = source.bounds(after, until, limit)?;
        gate::poll(&source, &bounds, tally).await
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
    source: Source,
    bounds: Bounds,
}

impl PollRange {
    async fn run(self, tally: &Tally) -> Result<Vec<Entry>> {
        Ok(gate::poll(&self.source, &self.bounds, tally).await?.entries)
    }
}

impl IntoFuture for PollRange {
    type Output = Result<Vec<Entry>>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = self.source.dataset.metrics().call(Method::PollRange);
            call.run(async |tally| self.run(&tally).await).await
        })
    }
}

/// A poll for records, made by [`Store::poll_records`].
#[must_use = "nothing is polled until it is awaited"]
pub struct PollRecords<T> {
    poll: Poll,
    store: Store<T>,
}

impl<T: Record> PollRecords<T> {
    /// How many refs are looked at, committed or not: the most files of the page. Default 1,000.
    pub fn limit(mut self, refs: usize) -> Self {
        self.poll = self.poll.limit(refs);
        self
    }

    /// Only what is stamped before this offset. See [`Dataset::offset_at`].
    pub fn until(mut self, offset: &Offset) -> Self {
        self.poll = self.poll.until(offset);
        self
    }

    /// As a call of its own.
    async fn call(self) -> Result<(RecordPage<T>, End)> {
        let call = self.store.dataset().metrics().call(Method::PollRecords);
        call.run(async |tally| self.run(tally).await).await
    }

    async fn run(self, tally: Arc<Tally>) -> Result<(RecordPage<T>, End)> {
        let Polled { entries, walked: Walked { next, malformed, end } } = self.poll.run(&tally).await?;
        let missing = Arc::<AtomicU64>::default();
        let files = entry::files(&entries);
        let files = Box::new(|_| Box::pin(std::future::ready(Ok(files))) as Pin<Box<_>>);
        let skipped = Missing::Skipped(Arc::clone(&missing));
        let read = Read::<T>::files(self.store.dataset(), Asked::Within(tally), files, skipped);
        let records = read.history().await?;
        let missing = missing.load(Ordering::Relaxed);
        Ok((RecordPage { records, entries, next, caught_up: end != End::Limit, malformed, missing }, end))
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
