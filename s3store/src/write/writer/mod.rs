//! A writer for more records than memory holds.
//!
//! | step | where |
//! |---|---|
//! | takes records, and Arrow batches | `pending`, `batch` |
//! | converts them to columns, by partition | `convert` |
//! | holds them, and writes what does not fit to local files, sorted | `buffer`, `rows` |
//! | seals the records of a flush: from then on they belong to its token | `sealed` |
//! | merges a partition in the order of its file | `rows` |
//! | encodes it, and puts it in parts meanwhile | `upload` |
//!
//! The rest of the protocol, and its retries, are those of other writes: see `plan`.

#[cfg(feature = "arrow")]
mod batch;
mod buffer;
mod builder;
mod convert;
mod limits;
mod pending;
mod rows;
mod sealed;
mod upload;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

#[cfg(feature = "arrow")]
use arrow_array::RecordBatch;
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

#[cfg(feature = "arrow")]
use self::batch::{BatchPlan, BatchRows};
use self::buffer::{Buffers, Size, spill_partitions};
pub use self::builder::WriterBuilder;
use self::convert::{Converted, Converter};
use self::limits::Limits;
use self::pending::Pending;
use self::sealed::{MOST_FLUSHES, Sealed, flush_token};
use super::builder::{WriteOptions, count_late};
use super::commit::StampedCommit;
use super::error::WriteError;
use super::late::{LateHandling, RestampLate};
use super::plan::{TokenKind, WriteTarget};
use crate::codec::BATCH_ROWS;
use crate::cpu;
use crate::error::{Error, Result};
use crate::metrics::{Method, Tally};
use crate::record::RootRecord;

/// How many records are converted together, before their size is known.
const FIRST_CHUNK: usize = 64;

/// How much larger than the chunk before a chunk may be.
const CHUNK_GROWTH: usize = 8;

/// A writer that takes records as they come, and commits them together: one file for each partition and flush. With the
/// feature `arrow` it also takes Arrow batches.
///
/// `L` is the handling of late commits.
///
/// Made by [`Store::writer`](crate::Store::writer). It holds any number of records within the
/// [memory](WriterBuilder::memory_bytes) it was given; what does not fit is sorted and kept in local files. Each
/// [`flush`](Self::flush) commits all records that were written before it by the same protocol as
/// [`write`](crate::Store::write): one commit for each partition. It also flushes by itself, at the limits that were set,
/// and then returns the commits. So whenever a call returns commits, all records written so far are durable, and the source
/// can be acknowledged.
///
/// The files are the same as those of [`write`](crate::Store::write): sorted by entity and version. The files of a writer
/// are read in the order of its flushes. Files over 16 MiB are put as multipart uploads, while they are encoded.
///
/// # Failures
/// After an error, the writer still has every record that was not committed, except one that does not fit its column; that
/// one is reported and left out. Call [`flush`](Self::flush) again to repeat the flush. It finds what was committed
/// meanwhile, also where the outcome was unknown, so no record is lost or stored twice. Records that are written meanwhile
/// belong to the next flush.
///
/// When the process ends, records that were not flushed are lost. With a [token](WriterBuilder::token) the whole run can be
/// repeated.
///
/// # Cancel safety
/// The futures of all methods can be dropped: the writer keeps its records, and the next flush finds what was committed
/// meanwhile. A dropped flush aborts its multipart uploads in the background; [`drain`](crate::Dataset::drain) waits for
/// that. If the process ends before, an upload stays in the bucket without a file, and costs storage until it is aborted:
/// [`doctor`](crate::Dataset::doctor) lists it, and a lifecycle rule can end it.
///
/// # Requests
/// [`flush`](Self::flush) sends those of [`write`](crate::Store::write) with a token, but the HEAD only with a token of yours
/// and when the flush is repeated. A file over 16 MiB takes, instead of 1 PUT, 1 POST to start its upload, 1 PUT for each 16 MiB,
/// and 1 POST to complete it. From the 1,001st part of a file on, parts are larger.
///
/// # Panics
/// The methods panic outside of a tokio runtime.
///
/// # Example
/// ```
/// # async fn example<T: s3store::RootRecord>(
/// #     store: s3store::Store<T>,
/// #     source: impl Iterator<Item = T>,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let mut writer = store.writer().token("load-2026-03-17").flush_records(5_000_000).start()?;
/// for record in source {
///     for commit in writer.write(record).await? {
///         println!("{} records in {}", commit.record_count, commit.partition);
///     }
/// }
/// writer.flush().await?;
/// # Ok(())
/// # }
/// ```
pub struct Writer<T, L = RestampLate> {
    settings: Settings<T>,
    /// The records that are not converted yet. The last of them was the last to be written.
    pending: Pending<T>,
    /// The plan of the last batch.
    #[cfg(feature = "arrow")]
    batch_plan: Option<Arc<BatchPlan>>,
    /// How many records are converted together.
    chunk: usize,
    conversion: Option<Conversion<T>>,
    /// The records since the last flush that are converted.
    open: Buffers,
    /// The first record since the last flush.
    first: Option<FirstRecord>,
    /// A flush that is not finished.
    sealed: Option<Sealed>,
    /// The commits of finished flushes that were not returned, because later records were not durable.
    finished: Vec<StampedCommit>,
    /// The number of flushes so far.
    flushes: u32,
    /// How many records were written.
    written: u64,
    /// If `true`, records were lost by a failure of the library.
    is_broken: bool,
    /// The commits are returned in the form that this handling of late ones has.
    late: PhantomData<fn() -> L>,
}

/// The settings of a writer.
struct Settings<T> {
    target: WriteTarget,
    options: WriteOptions,
    limits: Limits,
    /// The start of the tokens of all flushes.
    run: String,
    kind: TokenKind,
    /// How many refs to put for a late commit at most.
    restamps: u32,
    converter: Arc<Converter<T>>,
}

/// A conversion on the threads for CPU work.
struct Conversion<T> {
    records: u64,
    converted: BoxFuture<'static, Result<Converted<T>>>,
}

/// Which records a call flushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Those of a flush that is not finished.
    Unfinished,
    /// Those and the open ones, which have the number at which they are flushed. Records after them stay.
    Complete,
    /// Those and the open ones, whatever their number. Records after them stay.
    Open,
    /// All that were written.
    All,
}

/// The time of a flush's first record.
#[derive(Debug, Clone, Copy)]
struct FirstRecord {
    at: Instant,
    inserted_at: i64,
}

impl<T: RootRecord, L: LateHandling> Writer<T, L> {
    fn new(settings: Settings<T>) -> Self {
        Self {
            settings,
            pending: Pending::new(),
            #[cfg(feature = "arrow")]
            batch_plan: None,
            chunk: FIRST_CHUNK,
            conversion: None,
            open: Buffers::default(),
            first: None,
            sealed: None,
            finished: Vec::new(),
            flushes: 0,
            written: 0,
            is_broken: false,
            late: PhantomData,
        }
    }

    /// Writes a record. Returns commits if it flushed, and otherwise none. If it returns commits, all records that were
    /// written so far are durable.
    ///
    /// Most calls return at once. Some convert the records so far on another thread, write to local files, or flush.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a record does not fit its columns or its partition. It may be an
    ///   earlier one, because records are converted together. The message has its number, counted from 0. It is left out,
    ///   and the other records stay in the writer.
    /// - [`Unavailable`](crate::ErrorKind::Unavailable): a local file can't be written. The records stay in memory.
    /// - Those of [`flush`](Self::flush), if a limit is reached, or if an earlier flush failed: that one is repeated.
    pub async fn write(&mut self, record: T) -> Result<Vec<L::Committed>, WriteError> {
        self.accept(record);
        if !self.is_ready() && !self.is_due() && self.sealed.is_none() {
            return Ok(Vec::new());
        }
        self.advance().await
    }

    /// Writes records. Returns the commits of all flushes meanwhile.
    ///
    /// # Errors
    /// Those of [`write`](Self::write). The records before the error, and its own, were taken from the iterator, so the
    /// remaining ones can be written by another call with `records.by_ref()`.
    pub async fn write_all(&mut self, records: impl IntoIterator<Item = T>) -> Result<Vec<L::Committed>, WriteError> {
        let mut commits = Vec::new();
        for record in records {
            match self.write(record).await {
                Ok(more) => commits.extend(more),
                Err(error) => return Err(error.after(commits.into_iter().map(L::commit))),
            }
        }
        Ok(commits)
    }

    /// Writes the records of a stream until a flush. Returns the flush's commits, or `None` at the end of the stream.
    ///
    /// It flushes at the limits that were set, by age also while the stream has no record. At the end of the stream it does
    /// not flush: call [`flush`](Self::flush).
    ///
    /// # Errors
    /// Those of [`write`](Self::write). Call it again to go on with the stream.
    ///
    /// # Cancel safety
    /// No record that was taken from the stream is lost.
    ///
    /// # Example
    /// ```
    /// # async fn example<T: s3store::RootRecord>(
    /// #     store: s3store::Store<T>,
    /// #     mut source: impl futures_core::Stream<Item = T> + Unpin,
    /// #     acknowledge: impl Fn(),
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let mut writer = store.writer().flush_bytes(512 << 20).flush_age(Duration::from_secs(60)).start()?;
    /// while let Some(_commits) = writer.write_from(&mut source).await? {
    ///     acknowledge();
    /// }
    /// writer.flush().await?;
    /// acknowledge();
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write_from<S>(&mut self, records: &mut S) -> Result<Option<Vec<L::Committed>>, WriteError>
    where
        S: Stream<Item = T> + Unpin + ?Sized,
    {
        loop {
            let due = self.due();
            let commits = tokio::select! {
                () = due => self.flush().await?,
                record = records.next() => match record {
                    Some(record) => self.write(record).await?,
                    None => return Ok(None),
                },
            };
            if !commits.is_empty() {
                return Ok(Some(commits));
            }
        }
    }

    /// Writes the rows of an Arrow batch, each as the record that it is. Returns commits as [`write`](Self::write) does.
    ///
    /// The batch is taken as a whole when this function is called, before the future is polled. Its rows are converted in
    /// slices, within the writer's [memory](WriterBuilder::memory_bytes). The batch itself is not part of that memory. Large
    /// batches are faster: each batch is at least one slice.
    ///
    /// The columns have the names of the record's, or their aliases, in any order. A batch is read as a
    /// [read](crate::Store::read) reads a file with its columns. So each type that a file's column may have is accepted,
    /// such as dictionaries, narrower integers and times in other units. A column may be missing if a file may lack it. The
    /// column of the insertion time is ignored, and may be missing. The batches of
    /// [`Read::batches`](crate::read::Read::batches) fit as they are.
    ///
    /// A row then becomes the record that a read returns for it, which is checked, partitioned and encoded as by
    /// [`write`](Self::write): the files have the same bytes. Fields that are skipped, or that a read does not restore, have
    /// the values that a read gives them.
    ///
    /// Without a token, no limit divides a batch: the flush comes after its last row. An exception is a writer
    /// [without local files](WriterBuilder::without_spilling) whose memory is full. With a token,
    /// [`flush_records`](WriterBuilder::flush_records) counts rows as records, so the flushes of a run do not depend on how
    /// its records are divided into batches. The commits of a flush that ends within a batch are returned when all of its
    /// rows are durable.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): the columns do not fit. One is unknown, so that its values would be
    ///   lost, or missing, or has a type that can't be read. The message names it. Nothing of the batch was taken.
    /// - Those of [`write`](Self::write). A row that does not fit is left out as a record is. Its number counts all records
    ///   and rows that were written before. The other rows stay in the writer.
    ///
    /// So after any error, don't write the batch again: the writer has it, or can't take it. The next call of any method goes
    /// on with its rows.
    ///
    /// # Cancel safety
    /// The writer has the whole batch, also if the future was never polled.
    ///
    /// # Example
    /// ```
    /// # async fn example<T: s3store::RootRecord>(
    /// #     store: s3store::Store<T>,
    /// #     batches: Vec<s3store::arrow::array::RecordBatch>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut writer = store.writer().start()?;
    /// for batch in &batches {
    ///     writer.write_batch(batch).await?;
    /// }
    /// writer.flush().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "arrow")]
    #[cfg_attr(docsrs, doc(cfg(feature = "arrow")))]
    pub fn write_batch<'w>(
        &'w mut self,
        batch: &RecordBatch,
    ) -> impl Future<Output = Result<Vec<L::Committed>, WriteError>> + Send + use<'w, T, L> {
        let taken = self.accept_batch(batch);
        async move {
            taken.map_err(WriteError::not_committed)?;
            self.advance().await
        }
    }

    /// Writes the Arrow batches of a stream until a flush. Returns the flush's commits, or `None` at the end of the stream.
    ///
    /// It is to [`write_batch`](Self::write_batch) what [`write_from`](Self::write_from) is to [`write`](Self::write).
    ///
    /// # Errors
    /// Those of [`write_batch`](Self::write_batch). A batch whose columns do not fit is left out. Call it again to go on with
    /// the stream.
    ///
    /// # Cancel safety
    /// No batch that was taken from the stream is lost.
    #[cfg(feature = "arrow")]
    #[cfg_attr(docsrs, doc(cfg(feature = "arrow")))]
    pub async fn write_batches_from<S>(&mut self, batches: &mut S) -> Result<Option<Vec<L::Committed>>, WriteError>
    where
        S: Stream<Item = RecordBatch> + Unpin + ?Sized,
    {
        loop {
            let due = self.due();
            let commits = tokio::select! {
                () = due => self.flush().await?,
                batch = batches.next() => match batch {
                    Some(batch) => self.write_batch(&batch).await?,
                    None => return Ok(None),
                },
            };
            if !commits.is_empty() {
                return Ok(Some(commits));
            }
        }
    }

    /// Waits until the records have reached the [age](WriterBuilder::flush_age) at which they are flushed. It never ends
    /// without a record, or if no age was set.
    ///
    /// It does not flush: call [`flush`](Self::flush) when it ends.
    pub fn due(&self) -> impl Future<Output = ()> + Send + use<T, L> {
        let wait = self.settings.limits.flush_age.zip(self.first).map(|(age, first)| {
            let clock = self.settings.target.dataset.clock().clone();
            let passed = clock.monotonic().saturating_duration_since(first.at);
            (clock, age.saturating_sub(passed))
        });
        async move {
            match wait {
                Some((clock, rest)) => clock.sleep(rest).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Commits all records that were written: one file and one commit for each partition. Returns the commits, by flush and
    /// in key order. If an earlier flush is not finished, it is repeated first.
    ///
    /// Without records it returns an empty list, and sends nothing.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a record does not fit, as in [`write`](Self::write). Nothing was
    ///   flushed. Call it again to flush the others.
    /// - Those of [`write`](crate::Store::write) with a token. Call it again to repeat the flush.
    ///
    /// A partition whose commit is [late](WriteError::late) is durable, and is not repeated. The writer has tried to restamp
    /// it, unless it was set to [report](WriterBuilder::report_late) it.
    pub async fn flush(&mut self) -> Result<Vec<L::Committed>, WriteError> {
        self.flush_call(Extent::All).await
    }

    /// Returns the number of records that were written and are not known to be committed.
    #[must_use]
    pub fn uncommitted(&self) -> u64 {
        self.held()
    }

    fn accept(&mut self, record: T) {
        self.begin();
        self.pending.push(record);
        self.written += 1;
    }

    /// Takes all rows of a batch, or none.
    #[cfg(feature = "arrow")]
    fn accept_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let plan = match self.batch_plan.take().filter(|plan| plan.fits(batch.schema_ref())) {
            Some(plan) => plan,
            None => Arc::new(BatchPlan::new(batch.schema(), T::description())?),
        };
        self.batch_plan = Some(Arc::clone(&plan));
        if batch.num_rows() > 0 {
            self.begin();
            self.pending.push_batch(BatchRows::new(batch.clone(), plan));
            self.written += batch.num_rows() as u64;
        }
        Ok(())
    }

    /// Notes the time of a record, if it is the first since the last flush.
    fn begin(&mut self) {
        if self.first.is_none() {
            self.first = Some(self.first_record());
        }
    }

    fn first_record(&self) -> FirstRecord {
        let clock = self.settings.target.dataset.clock();
        let inserted_at = self.settings.options.inserted_at.map(|time| time.timestamp_micros());
        FirstRecord { at: clock.monotonic(), inserted_at: inserted_at.unwrap_or_else(|| clock.micros()) }
    }

    /// Returns whether records wait that are not kept for a larger conversion.
    fn is_ready(&self) -> bool {
        self.pending.has_batch() || self.pending.len() >= self.next_chunk()
    }

    /// Returns whether the next records are rows of a batch that no limit divides. With a token, the flushes of a run must
    /// not depend on its batches.
    fn is_within_batch(&self) -> bool {
        self.settings.kind != TokenKind::Callers && self.pending.begins_with_batch()
    }

    /// Returns how many records are converted next.
    fn next_chunk(&self) -> usize {
        let Some(flush_records) = self.settings.limits.flush_records.filter(|_| !self.is_within_batch()) else {
            return self.chunk;
        };
        let converting = self.conversion.as_ref().map_or(0, |conversion| conversion.records);
        let rest = flush_records.saturating_sub(self.open.size.records + converting);
        usize::try_from(rest).unwrap_or(usize::MAX).min(self.chunk)
    }

    fn is_due(&self) -> bool {
        let Limits { flush_age: Some(age), .. } = self.settings.limits else { return false };
        let now = self.settings.target.dataset.clock().monotonic();
        self.first.is_some_and(|first| now.saturating_duration_since(first.at) >= age)
    }

    /// Finishes an earlier flush, converts the pending records, and does what the limits demand.
    async fn advance(&mut self) -> Result<Vec<L::Committed>, WriteError> {
        // It has commits only if no record is left, and is returned then.
        let mut commits = Vec::new();
        if self.sealed.is_some() {
            // Not more than the earlier flush: with a token, the next one has the same records as without the failure.
            commits = self.flush_call(Extent::Unfinished).await?;
            if !self.pending.has_batch() {
                return Ok(commits);
            }
        }
        if self.is_due() {
            return self.flush().await;
        }
        let mut is_divided = false;
        // More than one chunk of records is pending only after an error.
        while self.is_ready() {
            self.settle().await.map_err(WriteError::not_committed)?;
            self.start_conversion();
            if self.next_chunk() == 0 {
                // A record that does not fit does not count, so this may not be the end.
                self.settle().await.map_err(WriteError::not_committed)?;
            }
            let limits = &self.settings.limits;
            let is_full = self.is_full();
            let is_large = limits.flush_bytes.is_some_and(|bytes| self.open.size.bytes >= bytes);
            let must_flush = is_full && !limits.may_spill();
            if self.is_within_batch() {
                if must_flush {
                    self.flush_call(Extent::Open).await?;
                    is_divided = true;
                } else if is_full {
                    self.spill().await.map_err(WriteError::not_committed)?;
                }
            } else if self.is_complete() {
                commits.extend(self.flush_call(Extent::Complete).await?);
            } else if is_large || must_flush {
                return self.flush().await;
            } else if is_full {
                self.spill().await.map_err(WriteError::not_committed)?;
            }
        }
        // Otherwise the commits of the batch's first rows would be returned much later.
        if is_divided { self.flush().await } else { Ok(commits) }
    }

    /// Returns whether the open records take more memory than they may.
    fn is_full(&self) -> bool {
        self.open.in_memory > self.settings.limits.buffer_bytes()
    }

    /// Returns whether the open records have the number at which they are flushed.
    fn is_complete(&self) -> bool {
        self.settings.limits.flush_records.is_some_and(|records| self.open.size.records >= records)
    }

    /// Starts the conversion of the next pending records. There is none in progress.
    fn start_conversion(&mut self) {
        let chunk = self.next_chunk();
        if chunk == 0 || self.conversion.is_some() {
            return;
        }
        let first = self.written - self.pending.len() as u64;
        let Some(part) = self.pending.take(chunk) else { return };
        let (count, converter) = (part.len() as u64, Arc::clone(&self.settings.converter));
        let inserted_at = self.first.map_or(0, |first| first.inserted_at);
        let work = move || converter.convert(part, first, inserted_at);
        let converted = Box::pin(cpu::run(self.settings.target.dataset.clock(), work));
        self.conversion = Some(Conversion { records: count, converted });
    }

    /// Waits for the conversion in progress, and adds its records to the open ones.
    async fn settle(&mut self) -> Result<()> {
        if self.is_broken {
            return Err(Error::internal("the writer has lost records by an earlier internal error: start a new one"));
        }
        let Some(conversion) = &mut self.conversion else { return Ok(()) };
        let converted = conversion.converted.as_mut().await;
        self.conversion = None;
        // From here on without a pause, so that nothing is lost if the future is dropped.
        let added = converted.and_then(|converted| self.add(converted));
        match added {
            Ok(None) => Ok(()),
            Ok(Some(unfit)) => Err(unfit),
            Err(error) => {
                self.is_broken = true;
                Err(error)
            }
        }
    }

    /// Adds converted records to the open ones. Returns the error of a record that was left out.
    fn add(&mut self, converted: Converted<T>) -> Result<Option<Error>> {
        let Converted { partitions, unfit, rest } = converted;
        let mut size = Size::default();
        for partition in partitions {
            size.add(self.open.add(partition)?);
        }
        if size.records > 0 {
            let fits = size.rows_of(self.settings.limits.chunk_bytes());
            self.chunk = fits.min(self.chunk.saturating_mul(CHUNK_GROWTH)).min(BATCH_ROWS);
        }
        if let Some(rest) = rest {
            self.pending.put_back(rest);
        }
        Ok(unfit)
    }

    /// Writes the largest partitions to a local file.
    async fn spill(&mut self) -> Result<()> {
        let (partitions, limits) = (self.open.largest(), &self.settings.limits);
        let (directory, batch_bytes) = (limits.spill.clone(), limits.spilled_batch_bytes());
        let work = move || spill_partitions(partitions, T::description().key.as_ref(), directory, batch_bytes);
        let runs = cpu::run(self.settings.target.dataset.clock(), work).await?;
        self.open.spilled(runs);
        Ok(())
    }

    /// Flushes. Returns the commits that were not returned before, if all records that were written are durable.
    async fn flush_call(&mut self, extent: Extent) -> Result<Vec<L::Committed>, WriteError> {
        let metrics = self.settings.target.dataset.metrics().clone();
        let flush = async |tally: Arc<Tally>| count_late(self.flush_extent(extent, &tally).await, &tally);
        match metrics.call(Method::WriterFlush).run(flush).await {
            Ok(()) if self.uncommitted() > 0 => Ok(Vec::new()),
            Ok(()) => Ok(std::mem::take(&mut self.finished).into_iter().map(L::committed).collect()),
            Err(error) => {
                Err(error.after(std::mem::take(&mut self.finished).into_iter().map(|stamped| stamped.commit)))
            }
        }
    }

    async fn flush_extent(&mut self, extent: Extent, tally: &Arc<Tally>) -> Result<(), WriteError> {
        self.flush_sealed(tally).await?;
        if extent == Extent::Unfinished {
            return Ok(());
        }
        if extent == Extent::Open {
            return self.flush_open(tally).await;
        }
        loop {
            self.settle().await.map_err(WriteError::not_committed)?;
            // With a token, a flush of all must not join what other runs flush apart.
            let is_complete = self.is_complete();
            if is_complete || self.pending.is_empty() {
                self.flush_open(tally).await?;
                if self.pending.is_empty() || extent == Extent::Complete {
                    return Ok(());
                }
            } else if self.pending.has_batch() && self.is_full() {
                self.relieve(tally).await?;
            }
            self.start_conversion();
        }
    }

    /// Frees memory during a flush, for the other rows of a batch.
    async fn relieve(&mut self, tally: &Arc<Tally>) -> Result<(), WriteError> {
        if !self.settings.limits.may_spill() {
            return self.flush_open(tally).await;
        }
        if let Err(error) = self.spill().await {
            // The flush itself may succeed, and the batch is in memory anyway.
            tracing::warn!(%error, "records of a flush stay in memory");
        }
        Ok(())
    }

    async fn flush_open(&mut self, tally: &Arc<Tally>) -> Result<(), WriteError> {
        self.seal().map_err(WriteError::not_committed)?;
        self.flush_sealed(tally).await
    }

    /// Closes the open records: from now on they belong to a token.
    fn seal(&mut self) -> Result<()> {
        if self.open.size.records == 0 {
            self.first = None;
            return Ok(());
        }
        let too_many = || Error::invalid_input("a writer can't flush more often: start another one");
        let number = self.flushes.checked_add(1).filter(|&number| number <= MOST_FLUSHES).ok_or_else(too_many)?;
        let token = flush_token(&self.settings.run, number)?;
        self.flushes = number;
        let inserted_at = self.first.take().map_or(0, |first| first.inserted_at);
        self.first = (!self.pending.is_empty()).then(|| self.first_record());
        self.sealed = Some(Sealed::new(std::mem::take(&mut self.open), token, self.settings.kind, inserted_at));
        Ok(())
    }

    /// Writes the sealed records that are not committed yet.
    async fn flush_sealed(&mut self, tally: &Arc<Tally>) -> Result<(), WriteError> {
        let Some(sealed) = &mut self.sealed else { return Ok(()) };
        let Settings { target, options, limits, restamps, .. } = &self.settings;
        let flush: BoxFuture<'_, _> = Box::pin(sealed.flush(target, *options, limits, *restamps, tally));
        let flushed = flush.await;
        if sealed.is_empty() {
            self.sealed = None;
        }
        self.finished.extend(flushed?);
        Ok(())
    }
}

impl<T, L> Writer<T, L> {
    /// Returns the number of records that are not known to be committed.
    fn held(&self) -> u64 {
        let converting = self.conversion.as_ref().map_or(0, |conversion| conversion.records);
        let sealed = self.sealed.as_ref().map_or(0, Sealed::records);
        self.pending.len() as u64 + converting + self.open.size.records + sealed
    }
}

impl<T, L> Drop for Writer<T, L> {
    fn drop(&mut self) {
        let records = self.held();
        if records > 0 {
            tracing::warn!(records, "a writer was dropped with records that are not known to be committed");
        }
    }
}

impl<T, L> fmt::Debug for Writer<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("dataset", &self.settings.target.dataset)
            .field("limits", &self.settings.limits)
            .field("run", &self.settings.run)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
