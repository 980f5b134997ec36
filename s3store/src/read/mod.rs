//! Reading: finds the committed files, downloads and decodes them, and delivers their rows in order.

#[cfg(feature = "arrow")]
mod batch_stream;
mod count;
mod entity;
mod explain;
mod filter;
mod folders;
mod key_order;
mod method;
mod partitions;
mod request;
mod resolve;
mod rows;
mod side_by_side;
mod sink;
mod snapshot;
mod walk;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::num::NonZero;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, TimeZone};

#[cfg(feature = "arrow")]
#[cfg_attr(docsrs, doc(cfg(feature = "arrow")))]
pub use self::batch_stream::BatchStream;
pub use self::explain::{KeptRows, ReadPlan};
pub(crate) use self::method::ReadMethod;
use self::method::ResultForm;
pub use self::partitions::{ListPartitions, PartitionSummary};
pub(crate) use self::request::{Columns, FileSource, FindFiles, Request};
pub use self::rows::{Row, Rows};
use self::sink::{BorrowedRows, PartitionRecords, StreamedRecords};
pub(crate) use self::snapshot::committed_files;
#[cfg(feature = "datafusion")]
pub(crate) use self::{filter::split as split_filter, request::keep_for, sink::Events};
use crate::clock::micros_from;
#[cfg(feature = "testing")]
use crate::codec::Opener;
use crate::dataset::{Dataset, HivePartition, ResultStream, Store};
use crate::error::Result;
use crate::pattern::IntoPatterns;
use crate::record::Record;
pub use crate::record::{Filter, RowStruct};
pub(crate) use crate::scan::MissingFile;
use crate::scan::UndecodableFile;
pub use crate::scan::{FileAccess, PlannedFile, PlannedPartition, SkippedFile};
use crate::spill::SpillDirectory;

/// How many chunks wait between the decoder and the consumer.
const CHUNKS_READY: usize = 2;

impl<T: Record> Store<T> {
    /// Reads a snapshot of the partitions that the patterns select.
    ///
    /// The snapshot contains everything that was committed when the read's LIST began. It may also contain some of the
    /// records that are committed while the read runs: later partitions are listed while the first ones are consumed. A
    /// program that writes to partitions that it has not read yet may read what it wrote. [`as_of`](Read::as_of) excludes it.
    ///
    /// Takes one pattern or several: text, [`T::partitions()`](Record::partitions), arrays, slices or `Vec`s. A partition
    /// that several patterns select is read once. Without a pattern, nothing is read. See [`IntoPatterns`] for the
    /// grammar of text patterns.
    ///
    /// Returns a builder. Await it for a `Vec<T>`, or call [`stream`](Read::stream) or
    /// [`partitions`](Read::partitions), which hold less in memory.
    ///
    /// # Order
    /// Partitions are ordered by the bytes of their keys. Within a partition, records are ordered by (entity, version)
    /// if the record type has an entity key, and otherwise by file name and row. The same data always gives the same
    /// order.
    ///
    /// With an entity key, the read returns the latest version of each entity within its partition. If several records
    /// have that version, it returns the one in the last file, or the last one in a file.
    /// [`history`](Read::history) returns every version. An entity whose latest record marks it as deleted
    /// (`#[record(deleted)]`) is left out.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a pattern is not valid. No request was sent.
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): an object is malformed or does not fit the record type. The
    ///   message contains its key, and the row and column where they are known. To find them, the read may download the
    ///   files of the partition again: 1 GET for each.
    /// - [`Vanished`](crate::ErrorKind::Vanished): the file of a commit does not exist, or a listed commit was deleted
    ///   meanwhile. If the error remains when you read again, somebody deleted a file and kept its commit: restore the
    ///   file, or delete the commit too.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 returned an error.
    ///
    /// # Cancel safety
    /// Dropping the future or the stream stops its requests. A read never changes anything.
    ///
    /// # Requests
    /// - 1 LIST per page of at most 1,000 keys, for each pattern that no other pattern covers. A listing of more than a few
    ///   pages goes on folder by folder if that takes fewer requests, or is divided into parts that are listed side by side:
    ///   see the guide on [operating](crate::guide::operating#requests).
    /// - If there are p > 1 of these pages, up to p + 3 LIST more, for partitions whose key is the start of others: `day=2026`
    ///   comes before `day=2026-03-17`, but LIST returns it later. Values without a character below `/`, such as `-` or `.`,
    ///   need none.
    /// - 1 HEAD for each commit with a token of the caller. It names the attempt whose file counts.
    /// - 1 GET for each file. A file over 512 KiB is fetched in parts if the record is a projection, or if its partition is
    ///   larger than a quarter of [`read_ahead_bytes`](Read::read_ahead_bytes): its footer first, then the columns of each
    ///   row group.
    ///
    /// # Example
    /// ```
    /// # #[derive(s3store::Record)]
    /// # #[record(partition_by(period))]
    /// # struct Cost { period: String, sku: String, amount: i64 }
    /// # async fn example(store: s3store::Store<Cost>) -> s3store::Result<()> {
    /// let march: Vec<Cost> = store.read("period=2026-03-*").await?;
    /// let two_days = store.read(["period=2026-03-17", "period=2026-03-18"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "nothing is read until it is awaited or streamed"]
    pub fn read(&self, patterns: impl IntoPatterns) -> Read<T> {
        let patterns = patterns.into_patterns(&T::Root::description().partition.texts());
        Read::new(self.dataset(), FileSource::Patterns(patterns), ReadMethod::Snapshot, MissingFile::Fail)
    }

    /// Reads a snapshot of all partitions: see [`read`](Store::read).
    ///
    /// # Example
    /// ```
    /// # async fn example(store: s3store::Store<impl s3store::Record>) -> s3store::Result<()> {
    /// let everything = store.read_all().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "nothing is read until it is awaited or streamed"]
    pub fn read_all(&self) -> Read<T> {
        self.read("*")
    }
}

/// A read, returned by [`Store::read`] and by the change stream. Await it, or take one of its streams.
#[must_use = "nothing is read until it is awaited or streamed"]
pub struct Read<T> {
    request: Request,
    records: PhantomData<fn() -> T>,
}

impl<T: Record> Read<T> {
    fn new(dataset: &Dataset, source: FileSource, method: ReadMethod, missing: MissingFile) -> Self {
        Self { request: Request::new(dataset, Columns::of::<T>(), source, method, missing), records: PhantomData }
    }

    /// Returns a read of the files that `find` returns.
    pub(crate) fn of_files(dataset: &Dataset, method: ReadMethod, find: FindFiles, missing: MissingFile) -> Self {
        Self::new(dataset, FileSource::Find(find), method, missing)
    }

    /// Returns every version of each entity instead of only the latest.
    ///
    /// Records that mark a deleted entity are returned, too.
    ///
    /// Records with the same entity and version count as one record; the last of them is returned. Without an entity key
    /// this has no effect.
    pub fn history(mut self) -> Self {
        self.request.history = true;
        self
    }

    /// Keeps the records for which a condition is true.
    ///
    /// The closure gets the columns of the record, named like its fields, and returns a condition on them. The methods of
    /// [`Column`](crate::column::Column) make conditions; [`and`](Filter::and), [`or`](Filter::or) and [`not`](Filter::not)
    /// combine them. A projection is filtered by the columns of its record, also those that it leaves out. If this is called
    /// several times, all conditions must be true.
    ///
    /// The result is that of the same read without the filter, in the same order, without the other records. So
    /// deduplication comes first: an entity whose latest record does not match is left out, and an older version does not take
    /// its place. With [`history`](Self::history), each version is selected by itself.
    ///
    /// A comparison with a null is unknown, which is not true: see [`Filter`].
    ///
    /// # What is not read
    /// - Partitions whose key shows that no record matches, if a partition column is the value of a field. A pattern is
    ///   better where it can express the condition: such partitions are not even listed.
    /// - Row groups that have no match by the statistics in the files' footers, or by the Bloom filters of columns that have the
    ///   attribute `bloom`. With an entity key, only conditions on entity columns can exclude them, and with
    ///   [`history`](Self::history) those on the version: a row that does not match can supersede one that does.
    /// - Pages that have no match by the files' page indexes, in the row groups that remain.
    ///
    /// Records that do not match are dropped before they are converted, so a value in them that does not fit the record type
    /// may not fail the read.
    ///
    /// # Errors
    /// The read fails with [`InvalidInput`](crate::ErrorKind::InvalidInput), before it sends a request, if a value does not fit
    /// its column.
    ///
    /// # Requests
    /// Those of the read, without the GETs for files of partitions that can't match. If conditions can exclude row groups, a
    /// file over 512 KiB takes 1 GET for its footer, and then:
    /// - 1 for its Bloom filters, if it has any for these conditions, and 1 for its page index. Each only if over 512 KiB of
    ///   the file may match, which is eight times as much as it takes itself, and if the bytes of the footer do not contain it.
    /// - for each row group that can match, 1 for each group of pages with at most 64 KiB between them: usually 1 for each of a
    ///   few columns.
    ///
    /// # Example
    /// ```
    /// # use s3store::chrono::{DateTime, Utc};
    /// # #[derive(s3store::Record)]
    /// # #[record(partition_by(period))]
    /// # struct Cost { period: String, sku: String, amount: i64, at: DateTime<Utc> }
    /// # async fn example(store: s3store::Store<Cost>, since: DateTime<Utc>) -> s3store::Result<()> {
    /// let large = store.read_all().filter(|c| c.sku.eq("SKU-1").and(c.amount.ge(1_000))).await?;
    /// let some = store.read("period=2026-03-*").filter(|c| c.at.ge(since).or(c.sku.is_in(["A", "B"]))).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn filter(mut self, condition: impl FnOnce(<T::Root as Record>::Columns) -> Filter<T::Root>) -> Self {
        let condition = condition(<T::Root as Record>::COLUMNS).resolve(T::Root::description());
        self.request.add_filter(condition);
        self
    }

    /// Reads the snapshot of an earlier time: only what was committed before `instant`, by the clock of S3.
    ///
    /// A commit counts if S3's `LastModified` of its commit object, which has whole seconds, is before the instant.
    /// Files that were deleted since then are not restored. Two reads with the same instant in the past return the same
    /// records. For that, let the [settle window](Dataset::settle_window) pass first, so that writes that began before the
    /// instant are complete.
    ///
    /// # Errors
    /// The read fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) if it is one of the change stream
    /// ([`read_range`](Store::read_range) takes a window of time), and with
    /// [`InvalidData`](crate::ErrorKind::InvalidData) if the server reports no `LastModified`.
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, midnight: s3store::chrono::DateTime<s3store::chrono::Utc>,
    /// # ) -> s3store::Result<()> {
    /// let as_of_midnight = store.read("period=2026-03-*").as_of(midnight).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn as_of<Z: TimeZone>(mut self, instant: DateTime<Z>) -> Self {
        self.request.as_of = Some(micros_from(&instant));
        self
    }

    /// Leaves out data files that do not decode, and reports each of them to `report`. Only for reads of the change stream.
    ///
    /// By default such a file fails the read with [`InvalidData`](crate::ErrorKind::InvalidData). It is left out as a whole:
    /// none of its records is returned, and without [`history`](Self::history) an older version of an entity may take the
    /// place of the one in that file. The records of all other files are returned in the same order as ever. Each file that
    /// is left out is also logged and counted. Only files that do not decode are left out. Requests that fail, and a record
    /// that does not fit the dataset's schema, still fail the read.
    ///
    /// Each partition is held in memory until it is complete, so that no part of a file is returned.
    ///
    /// # Requests
    /// If a file of a partition does not decode, the files of that partition are downloaded a second time: 1 GET for each.
    ///
    /// # Errors
    /// The read fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) if it is a snapshot: a snapshot is complete, or
    /// fails.
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     store: s3store::Store<impl s3store::Record>, yesterday: s3store::chrono::DateTime<s3store::chrono::Utc>,
    /// # ) -> s3store::Result<()> {
    /// let records = store.read_range(yesterday..).skip_undecodable(|file| eprintln!("skipped: {file}")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn skip_undecodable(mut self, report: impl Fn(SkippedFile) + Send + Sync + 'static) -> Self {
        self.request.undecodable = UndecodableFile::Skip(Arc::new(report));
        self
    }

    /// Sets how many partitions may be decoded ahead of the one that is being consumed. Default: as many as
    /// [`read_ahead_bytes`](Self::read_ahead_bytes) allows.
    ///
    /// With 0, a partition is decoded only after the one before it is consumed.
    pub fn read_ahead_partitions(mut self, partitions: usize) -> Self {
        self.request.limits.partitions = Some(partitions);
        self
    }

    /// Sets how much memory the read may use, in bytes, for everything that the consumer has not taken: files, decoded
    /// rows, and rows that are being merged. Default: 256 MiB.
    ///
    /// A partition that does not fit is merged while its files are decoded, one row group of each at a time, or a few pages of
    /// a row group of more than 8 MiB, or of a sixteenth of this. If it is a record with an entity key, the key columns of its
    /// files are read first, to find files that are out of order. Such a file is sorted by way of local files, and so are many
    /// files whose row groups do not fit together: see [`spill_directory`](Self::spill_directory). Two limits remain: a
    /// partition of up to 1 MiB is held in memory, and a row group of a file without a page index is held whatever its size.
    ///
    /// The sizes are taken from listings and footers. The change stream knows a file's row count, but not its size, so there
    /// it is estimated: first with 1 KiB per row, then from the files read before. Files with much larger rows may exceed the
    /// limit until one of them has been read.
    ///
    /// The `Vec` of an awaited read, and the partitions of [`partitions`](Self::partitions), hold what they return beside
    /// this.
    pub fn read_ahead_bytes(mut self, bytes: u64) -> Self {
        self.request.limits.bytes = bytes;
        self
    }

    /// Sets how many threads the read may use at once to decode and merge. Default: one for each core.
    ///
    /// All reads and writes of the process share these threads.
    pub fn max_decode_tasks(mut self, tasks: NonZero<usize>) -> Self {
        self.request.limits.decode_tasks = Some(tasks);
        self
    }

    /// Sets the directory for sorted rows that do not fit into memory. Default: the directory for temporary files, as
    /// [`std::env::temp_dir`] returns it.
    ///
    /// The files are compressed and have no names, so nothing is left behind when the process ends, however it ends. They
    /// take up to the decoded size of a partition, and twice that while they are merged.
    ///
    /// # Errors
    /// The read fails with [`Unavailable`](crate::ErrorKind::Unavailable) if the directory does not exist, can't be written,
    /// or is full.
    pub fn spill_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.request.limits.spill = SpillDirectory::At(directory.into());
        self
    }

    /// Keeps the read from using local files.
    ///
    /// # Errors
    /// The read fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) at a partition that would need them.
    pub fn without_spilling(mut self) -> Self {
        self.request.limits.spill = SpillDirectory::Forbidden;
        self
    }

    /// Returns at most this many records: the first ones in the order of the read.
    ///
    /// The read starts few partitions ahead, and stops its requests when it has the records. With
    /// [`count`](Self::count), the count is at most the limit.
    ///
    /// # Example
    /// ```
    /// # async fn example(store: s3store::Store<impl s3store::Record>) -> s3store::Result<()> {
    /// let some = store.read_all().limit(10).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn limit(mut self, records: u64) -> Self {
        self.request.limits.rows = Some(records);
        self
    }

    /// Sets the size, in bytes, up to which a partition is held in memory whatever the limit. For tests, whose data is
    /// small.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn hold_at_most(mut self, bytes: u64) -> Self {
        self.request.limits.always_held = bytes;
        self
    }

    /// Streams the records one after the other.
    ///
    /// # Example
    /// ```
    /// # async fn example(store: s3store::Store<impl s3store::Record>) -> s3store::Result<()> {
    /// let mut records = store.read("period=2026-03-*").stream();
    /// while let Some(record) = records.try_next().await? { /* … */ }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "a stream does nothing until it is polled"]
    pub fn stream(self) -> ResultStream<T> {
        sink::records(self.request.start::<StreamedRecords<T>>(ResultForm::RecordStream))
    }

    /// Streams batches of records whose rows borrow: strings are `&str`, and nothing is allocated for a row.
    ///
    /// Each batch has up to 8,192 records of one partition, ordered and deduplicated as by [`stream`](Self::stream). A batch
    /// owns its values, so it can be sent to another task. [`Row`] lists the form of each type. A type without a borrowed form,
    /// such as an enum or a newtype, is decoded for the whole batch at once. If all fields are such types, `stream` is as fast.
    ///
    /// Metrics count this as [`stream`](Self::stream).
    ///
    /// # Errors
    /// Those of the method that started the read. Values are checked as by `stream`, before their batch is returned, so
    /// the batch and its rows have no errors.
    ///
    /// # Cancel safety
    /// Dropping the stream stops its requests. Batches that were returned stay valid.
    ///
    /// # Requests
    /// The same as for other sinks.
    ///
    /// # Example
    /// ```
    /// # #[derive(s3store::Record)]
    /// # #[record(partition_by(period))]
    /// # struct Cost { period: String, sku: String, amount: i64 }
    /// # async fn example(store: s3store::Store<Cost>) -> s3store::Result<()> {
    /// let mut total = 0;
    /// let mut batches = store.read("period=2026-03-*").rows();
    /// while let Some(batch) = batches.try_next().await? {
    ///     for row in &batch {
    ///         if row.sku == "SKU-1" {
    ///             total += row.amount;
    ///         }
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "a stream does nothing until it is polled"]
    pub fn rows(self) -> ResultStream<Rows<T>>
    where
        T: RowStruct<Held: Send>,
    {
        sink::rows(self.request.start::<BorrowedRows<T>>(ResultForm::RecordStream))
    }

    /// Streams the partitions, each with its key and all its records.
    ///
    /// # Example
    /// ```
    /// # async fn example(store: s3store::Store<impl s3store::Record>) -> s3store::Result<()> {
    /// let mut partitions = store.read("period=2026-03-*").partitions();
    /// while let Some(day) = partitions.try_next().await? {
    ///     println!("{}: {} records", day.partition, day.records.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "a stream does nothing until it is polled"]
    pub fn partitions(self) -> ResultStream<HivePartition<T>> {
        sink::partitions(self.request.start::<PartitionRecords<T>>(ResultForm::PartitionStream))
    }

    /// Streams the records as Arrow batches, ordered and deduplicated as by [`stream`](Self::stream).
    ///
    /// All batches have one schema, which [`BatchStream::schema`] returns before the first: the record's columns in the
    /// order of its fields, with times in their declared units. Strings and bytes are `Utf8View` and `BinaryView`. A batch
    /// never spans two partitions.
    ///
    /// # Errors
    /// Those of the method that started the read. In addition [`InvalidData`](crate::ErrorKind::InvalidData) if a file has a
    /// time that is not exact in the unit of its column, such as one in nanoseconds for a column in microseconds. The
    /// message contains the file, row and column. Declare a finer unit, for example `#[record(timestamp = "ns")]`; records
    /// have the whole time in any case.
    ///
    /// # Example
    /// ```
    /// # async fn example(store: s3store::Store<impl s3store::Record>) -> s3store::Result<()> {
    /// let mut batches = store.read("period=2026-03-*").batches();
    /// while let Some(batch) = batches.try_next().await? {
    ///     println!("{} rows", batch.num_rows());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "arrow")]
    #[must_use = "a stream does nothing until it is polled"]
    pub fn batches(self) -> BatchStream {
        self.request.batches()
    }

    /// Counts the records that the read would return.
    ///
    /// Without an entity key, the counts are taken from the files' footers. With one, the key columns are read to find the
    /// records that others supersede, and the mark of deleted entities. With a filter, its columns are read.
    ///
    /// # Errors
    /// Those of the method that started the read.
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests.
    ///
    /// # Requests
    /// The same as for other sinks. Without an entity key and a filter, the end of each file is fetched: 1 GET, or 2 if the footer is over
    /// 32 KiB. A footer that this dataset's handles have read before is not fetched again. The file of a commit with a token of the
    /// caller may need none.
    ///
    /// # Example
    /// ```
    /// # async fn example(store: s3store::Store<impl s3store::Record>) -> s3store::Result<()> {
    /// println!("{} records", store.read("period=2026-03-*").count().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn count(self) -> Result<u64> {
        self.request.count().await
    }
}

impl<T: Record> IntoFuture for Read<T> {
    type Output = Result<Vec<T>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(sink::collect(self.request.start::<PartitionRecords<T>>(ResultForm::Vec)))
    }
}

impl<T> fmt::Debug for Read<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("record", &std::any::type_name::<T>()).field("request", &self.request).finish()
    }
}

/// Decodes a file on the calling thread, as a snapshot read does with the only file of a partition.
#[cfg(feature = "testing")]
pub(crate) fn decode_file<T: Record>(file: bytes::Bytes, opener: &Opener) -> Result<Vec<T>> {
    let keep = request::keep_for(opener.layout().key.as_ref(), false);
    crate::scan::decode_file::<PartitionRecords<T>>(file, opener, keep).map(sink::concat)
}

/// Decodes a file on the calling thread to batches of rows, as a snapshot read does with the only file of a partition.
#[cfg(feature = "testing")]
pub(crate) fn decode_file_rows<T: Record + RowStruct<Held: Send>>(
    file: bytes::Bytes,
    opener: &Opener,
) -> Result<Vec<Rows<T>>> {
    crate::scan::decode_file::<BorrowedRows<T>>(file, opener, request::keep_for(opener.layout().key.as_ref(), false))
}
