//! The change stream: every commit of a dataset, in the order in which the commits were stamped.
//!
//! An [`Offset`] is a position in the stream. [`Store::poll`] returns one [`Page`] of [`Entry`]s after an offset,
//! [`Store::follow`] page after page, and [`Store::poll_range`] the entries of a window of time.
//! [`Store::poll_records`], [`Follow::records`] and [`Store::read_range`] also read the records.

mod entry;
mod follow;
mod follower;
mod gate;
mod latest;
mod page;
mod poll;
mod walk;
mod window;

use std::borrow::Borrow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, TimeZone};

pub use self::entry::{Entry, partitions_of};
pub(crate) use self::entry::{check as check_entry, files as files_of_entries};
pub use self::follow::{Follow, Pages};
pub use self::latest::{Change, Latest};
pub use self::page::{Page, RecordPage};
pub use self::poll::{Poll, PollRange, PollRecords};
pub use self::window::{IntoWindow, Window};
use crate::clock::micros_from;
use crate::dataset::{Dataset, Store};
use crate::format::Offset;
pub use crate::read::SkippedFile;
use crate::read::{MissingFile, Read, ReadMethod};
use crate::record::Record;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Dataset {
    /// Returns the offset of an instant: refs that were stamped at the instant or later come after it, earlier ones
    /// before it.
    ///
    /// Sends nothing. An instant outside the range of a ref's time is moved to the nearest end of that range.
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, yesterday: s3store::chrono::DateTime<s3store::chrono::Utc>,
    /// # ) -> s3store::Result<()> {
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
    /// Polls the change stream: returns a page of the commits after an offset. Await the returned builder.
    ///
    /// Entries are in offset order, each once. A poll stays behind the present by the
    /// [settle window](Dataset::settle_window), so a write that is reported as committed in time never appears at an
    /// offset that a reader has already passed. A later poll returns the same entry at the same offset.
    ///
    /// Continue at the page's [`next`](Page::next), which also moves past refs whose write never committed, until
    /// [`caught_up`](Page::caught_up) is true. [`limit`](Poll::limit) counts refs, so a page can have fewer entries than
    /// that although more follow.
    ///
    /// # Errors
    /// Any failure fails the whole poll, so calling again with the same offset misses nothing.
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): the offset is of another dataset, or the limit is 0. Nothing
    ///   was sent.
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): the metadata of a commit can't be read.
    /// - [`ClockSkew`](crate::ErrorKind::ClockSkew): the local clock is ahead of S3's by more than the dataset allows.
    ///   The poll could have skipped writes in flight.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 refused a request
    ///   or could not be reached.
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests. A poll changes nothing.
    ///
    /// # Requests
    /// 1 LIST per 1,000 refs; 1 HEAD for each (partition, token) among them. Each time that a poll takes as many refs
    /// again, because none was committed, costs that again.
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, stored: s3store::Offset,
    /// # ) -> s3store::Result<()> {
    /// let mut offset = stored;
    /// loop {
    ///     let page = store.poll(&offset).limit(100).await?;
    ///     for entry in &page.entries {
    ///         println!("{}: {} records in {}", entry.data_path, entry.record_count, entry.partition);
    ///     }
    ///     offset = page.next; // store it once the entries are processed
    ///     if page.caught_up {
    ///         break;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll(&self, after: &Offset) -> Poll {
        Poll::new::<T>(self.dataset(), after.clone())
    }

    /// Polls the change stream and reads the files of the page's entries. Await the returned builder.
    ///
    /// Returns all versions of an entity, since a later page may contain further ones. Records with the same entity and
    /// version are returned once. Partitions are in key order, and records within one in (entity, version) order, as
    /// from [`read`](Store::read). They are not in the order in which they were written.
    ///
    /// A data file that was deleted after its commit is skipped, logged and [counted](RecordPage::missing).
    ///
    /// # Errors
    /// As [`poll`](Store::poll) and [`read`](Store::read), except that a missing file is not an error. A file that does not
    /// decode is one, unless the poll [leaves it out](PollRecords::skip_undecodable). The message has its key and offset.
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests. A poll changes nothing.
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
    ///     offset = page.next; // store it once the records are processed
    ///     if page.caught_up {
    ///         break;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_records(&self, after: &Offset) -> PollRecords<T> {
        PollRecords::new(self.clone(), after.clone())
    }

    /// Returns all entries that were stamped in a window of time, in offset order. Await the returned builder.
    ///
    /// The window is half-open. Open ends reach to the beginning of the stream and to the present. The window never
    /// reaches into the settle window. Its end is fixed when the builder is awaited, so the poll ends even if writers go
    /// on.
    ///
    /// All entries are held in memory. For a long time span, take several windows one after the other, or use
    /// [`poll`](Store::poll).
    ///
    /// # Errors
    /// As [`poll`](Store::poll).
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests. A poll changes nothing.
    ///
    /// # Requests
    /// As [`poll`](Store::poll).
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, start: s3store::chrono::DateTime<s3store::chrono::Utc>,
    /// #     end: s3store::chrono::DateTime<s3store::chrono::Utc>,
    /// # ) -> s3store::Result<()> {
    /// let entries = store.poll_range(start..end).await?;
    /// let records: u64 = entries.iter().map(|entry| entry.record_count).sum();
    /// println!("{records} records in {} partitions", s3store::stream::partitions_of(&entries).len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_range(&self, window: impl IntoWindow) -> PollRange {
        PollRange::new::<T>(self.dataset(), window.into_window())
    }

    /// Reads the records that were written in a window of time. Await the returned builder, or take one of its streams.
    ///
    /// Reads the files of the entries that [`poll_range`](Store::poll_range) returns, ordered and deduplicated like a
    /// [`read`](Store::read) of only these files. With an entity key it returns the latest version within the window,
    /// or every version with [`history`](Read::history). A data file that was deleted after its commit is skipped and
    /// logged.
    ///
    /// # Errors
    /// As [`poll`](Store::poll) and [`read`](Store::read), except that a missing file is not an error. A file that does not
    /// decode is one, unless the read [leaves it out](Read::skip_undecodable).
    ///
    /// # Cancel safety
    /// Dropping the future or stream stops its requests. A read changes nothing.
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
        let poll = self.poll_range(window);
        let files = Box::new(|_| Box::pin(async move { poll.run().await.map(entry::files) }) as Pin<Box<_>>);
        Read::of_files(self.dataset(), ReadMethod::Range, files, MissingFile::Skip(Arc::default()))
    }

    /// Reads the records of entries that a poll returned. Await the returned builder, or take one of its streams.
    ///
    /// The records are ordered and deduplicated like a [`read`](Store::read) of only these files. Each file is read
    /// once, even if several entries name it. With an entity key it returns the latest version among them, or every
    /// version with [`history`](Read::history). A data file that was deleted after its commit is skipped and logged.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): an entry of another bucket, prefix or partitioning. Nothing
    ///   was sent.
    /// - Otherwise as [`read`](Store::read), except that a missing file is not an error. A file that does not decode is one,
    ///   unless the read [leaves it out](Read::skip_undecodable).
    ///
    /// # Cancel safety
    /// Dropping the future or stream stops its requests. A read changes nothing.
    ///
    /// # Requests
    /// 1 GET for each data file.
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, stored: s3store::Offset,
    /// # ) -> s3store::Result<()> {
    /// // Reads only some partitions of a page.
    /// let page = store.poll(&stored).await?;
    /// let emea = page.entries.iter().filter(|entry| entry.partition.ends_with("region=emea"));
    /// let mut records = store.read_entries(emea).stream();
    /// while let Some(record) = records.try_next().await? { /* … */ }
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_entries(&self, entries: impl IntoIterator<Item = impl Borrow<Entry>>) -> Read<T> {
        let (dataset, partition_names) = (self.dataset(), &T::Root::description().partition);
        let entries: Vec<_> = entries.into_iter().collect();
        let check = |entry: &Entry| entry::check(entry, dataset.bucket(), dataset.keys(), partition_names);
        let checked = entries.iter().try_for_each(|entry| check(entry.borrow()));
        let files = checked.map(|()| entry::files(entries));
        let files = Box::new(|_| Box::pin(std::future::ready(files)) as Pin<Box<_>>);
        Read::of_files(dataset, ReadMethod::Entries, files, MissingFile::Skip(Arc::default()))
    }

    /// Follows the change stream from an offset, without end.
    ///
    /// Take [`entries`](Follow::entries) or [`records`](Follow::records) of the returned builder: pages come one after
    /// the other, as they settle. Store each page's `next` once the page is processed, and start from the last stored
    /// offset. After a crash, a consumer that does so may see a page again, but does not miss one.
    ///
    /// # Requests
    /// Each page costs the requests of [`poll`](Store::poll) or [`poll_records`](Store::poll_records). If there is
    /// nothing new, the follower sends 1 LIST per [pace](Follow::pace), or up to ten while it knows of refs that are
    /// not settled.
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, load: fn() -> s3store::Offset, save: fn(&s3store::Offset),
    /// # ) -> s3store::Result<()> {
    /// let mut pages = store.follow(&load()).records();
    /// loop {
    ///     let page = pages.next_page().await?;
    ///     for record in page.records { /* … */ }
    ///     save(&page.next);
    /// }
    /// # }
    /// ```
    pub fn follow(&self, after: &Offset) -> Follow<T> {
        Follow::new(self.clone(), after.clone())
    }
}
