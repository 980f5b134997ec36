//! Reading: resolve which files are committed, fetch, decode, order, emit.

mod list;
pub(crate) mod parts;
mod pipeline;
mod resolve;
mod sink;
mod sizes;
mod watch;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use arrow_array::RecordBatch;

pub(crate) use self::pipeline::Missing;
use self::pipeline::{Job, ReadAhead, Straight};
pub(crate) use self::resolve::{File, PartitionFiles, Size};
use self::sink::Events;
use crate::codec::Opener;
use crate::dataset::{Dataset, HivePartition, ResultStream, Store};
use crate::error::{Error, Result};
use crate::merge::{self, Keep};
use crate::metrics::{Call, Method, Metrics, Tally};
use crate::pattern::{IntoPatterns, Pattern};
use crate::record::{Key, ReadLayout, Record};

/// What a read may hold decoded, and downloaded, ahead of its consumer, unless it is told otherwise.
const READ_AHEAD_BYTES: u64 = 256 << 20;

impl<T: Record> Store<T> {
    /// A snapshot of the partitions that the patterns select: what was committed when the read's LIST began, and
    /// perhaps some of what is committed while it runs.
    ///
    /// Takes one pattern or many (text, [`T::partitions()`](Record::partitions), arrays, slices, `Vec`s); with no
    /// pattern it reads nothing, and what several select is read once. The grammar of text stands at [`IntoPatterns`].
    ///
    /// Returns a builder. Await it for a `Vec<T>`, or take [`stream`](Read::stream) or
    /// [`partitions`](Read::partitions), which hold less.
    ///
    /// # Order
    /// Partitions by the bytes of their keys. Within one, records by (entity, version) where the record has an entity
    /// key, and otherwise in the order of file names and rows. The same data gives the same order, each time.
    ///
    /// With an entity key, the latest version of each entity is returned, within its partition; of records that tie,
    /// the one in the later file, or later in a file. [`history`](Read::history) gives every version.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a pattern that is none; nothing was sent.
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): an object that is not what it should be, by its key.
    /// - [`Vanished`](crate::ErrorKind::Vanished): a file was deleted between LIST and GET. Read again.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3's answers.
    ///
    /// # Cancel safety
    /// Dropping the future or stream stops its requests. Nothing is changed in any case.
    ///
    /// # Requests
    /// For each pattern that no other covers 1 LIST per page of at most 1,000 keys; 1 HEAD for each token with more
    /// than one attempt, or whose commit is seconds old; 1 GET per file.
    #[must_use = "nothing is read until it is awaited or streamed"]
    pub fn read(&self, patterns: impl IntoPatterns) -> Read<T> {
        Read {
            dataset: self.dataset().clone(),
            source: Source::Patterns(patterns.into_patterns(T::Root::description().partition)),
            asked: Asked::Snapshot,
            missing: Missing::Fatal,
            history: false,
            ahead: ReadAhead { partitions: 1, bytes: READ_AHEAD_BYTES },
            records: PhantomData,
        }
    }

    /// A snapshot of everything: see [`read`](Store::read).
    #[must_use = "nothing is read until it is awaited or streamed"]
    pub fn read_all(&self) -> Read<T> {
        self.read("*")
    }
}

/// A read, made by [`Store::read`]. Await it, or take one of its streams.
#[must_use = "nothing is read until it is awaited or streamed"]
pub struct Read<T> {
    dataset: Dataset,
    source: Source,
    asked: Asked,
    missing: Missing,
    history: bool,
    ahead: ReadAhead,
    records: PhantomData<fn() -> T>,
}

/// What a read counts as.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Snapshot,
    Range,
    Entries,
    /// A part of another call.
    Within(Arc<Tally>),
}

/// How a read is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sink {
    Whole,
    Records,
    Partitions,
    #[cfg(feature = "arrow")]
    Batches,
}

impl Asked {
    fn begin(&self, metrics: &Metrics, sink: Sink) -> Call {
        let method = match (self, sink) {
            (Self::Within(tally), _) => return Call::within(tally),
            (Self::Snapshot, Sink::Whole) => Method::Read,
            (Self::Snapshot, Sink::Records) => Method::ReadStream,
            (Self::Snapshot, Sink::Partitions) => Method::ReadPartitions,
            (Self::Range, Sink::Whole | Sink::Records) => Method::ReadRange,
            (Self::Range, Sink::Partitions) => Method::ReadRangePartitions,
            (Self::Entries, Sink::Whole | Sink::Records) => Method::ReadEntries,
            (Self::Entries, Sink::Partitions) => Method::ReadEntriesPartitions,
            #[cfg(feature = "arrow")]
            (Self::Snapshot, Sink::Batches) => Method::ReadBatches,
            #[cfg(feature = "arrow")]
            (Self::Range, Sink::Batches) => Method::ReadRangeBatches,
            #[cfg(feature = "arrow")]
            (Self::Entries, Sink::Batches) => Method::ReadEntriesBatches,
        };
        metrics.call(method)
    }
}

/// Where a read takes its files from.
pub(crate) enum Source {
    /// A snapshot of what patterns select.
    Patterns(Result<Vec<Pattern>>),
    /// Committed files, found in another way.
    Files(FoundFiles),
}

/// Committed files: partitions in key order, files in key order. What finding them takes, it counts.
pub(crate) type FoundFiles = Box<dyn FnOnce(Arc<Tally>) -> Finding + Send>;

type Finding = Pin<Box<dyn Future<Output = Result<Vec<PartitionFiles>>> + Send>>;

impl<T: Record> Read<T> {
    /// A read of files that the change stream leads to.
    pub(crate) fn files(dataset: &Dataset, asked: Asked, files: FoundFiles, missing: Missing) -> Self {
        Self {
            dataset: dataset.clone(),
            source: Source::Files(files),
            asked,
            missing,
            history: false,
            ahead: ReadAhead { partitions: 1, bytes: READ_AHEAD_BYTES },
            records: PhantomData,
        }
    }

    /// Every version of each entity, in place of the latest. Records that agree in entity and version are one and the
    /// same: the later is returned. Without an entity key it changes nothing.
    pub fn history(mut self) -> Self {
        self.history = true;
        self
    }

    /// How many partitions may be decoded ahead of the one that is being consumed. Default 1; with 0 the next is
    /// decoded when this one is consumed.
    pub fn read_ahead_partitions(mut self, partitions: usize) -> Self {
        self.ahead.partitions = partitions;
        self
    }

    /// How many bytes may wait, decoded, for the consumer; and as many, as they lie in S3, for being decoded. Decoded
    /// bytes are those of the files' footers. Default 256 MiB. A single partition that is larger still passes, alone.
    ///
    /// What lies in S3 is known from a listing. The change stream knows a file's rows, but not its bytes: there it is
    /// estimated, at first with 1 KiB a row and then from the files before, so that files of much larger rows may take
    /// more than this until one of them has been read.
    pub fn read_ahead_bytes(mut self, bytes: u64) -> Self {
        self.ahead.bytes = bytes;
        self
    }

    /// The records as a stream, one after the other.
    #[must_use = "a stream does nothing until it is polled"]
    pub fn stream(self) -> ResultStream<T> {
        sink::records(self.start(Sink::Records, rows::<T>, None))
    }

    /// The records by partition: a stream of each partition's key and rows.
    #[must_use = "a stream does nothing until it is polled"]
    pub fn partitions(self) -> ResultStream<HivePartition<T>> {
        sink::partitions(self.start(Sink::Partitions, rows::<T>, Some(straight::<T>)))
    }

    /// The records as Arrow batches, deduplicated and ordered alike, of the record's columns in its order. Strings and
    /// bytes are `Utf8View` and `BinaryView`. Batches don't span partitions.
    #[cfg(feature = "arrow")]
    #[must_use = "a stream does nothing until it is polled"]
    pub fn batches(self) -> ResultStream<RecordBatch> {
        sink::batches(self.start(Sink::Batches, own_columns, None))
    }

    fn start<X: Send + 'static>(
        self,
        sink: Sink,
        emit: fn(&ReadLayout, RecordBatch) -> Result<X>,
        straight: Option<Straight<X>>,
    ) -> Events<X> {
        let layout = ReadLayout::new(T::description(), T::Root::description());
        let keep = match (&layout.key, self.history) {
            (None, _) => Keep::All,
            (Some(_), true) => Keep::History,
            (Some(_), false) => Keep::Latest,
        };
        let Self { dataset, source, asked, ahead, missing, .. } = self;
        let (metrics, names) = (dataset.metrics().clone(), T::Root::description().partition);
        let begin = move || asked.begin(&metrics, sink);
        Events::new(pipeline::BATCHES_READY, begin, move |out, tally| async move {
            let partitions = match source {
                Source::Patterns(Ok(patterns)) => list::snapshot(&dataset, patterns, names, &tally).await,
                Source::Patterns(Err(error)) => Err(error),
                Source::Files(find) => find(Arc::clone(&tally)).await,
            };
            let job =
                Job { dataset, opener: Arc::new(Opener::new(layout)), keep, ahead, missing, emit, straight, tally };
            match partitions {
                Ok(partitions) => job.run(partitions, out).await,
                Err(error) => drop(out.send(Err(error)).await),
            }
        })
    }
}

impl<T: Record> IntoFuture for Read<T> {
    type Output = Result<Vec<T>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(sink::collect(self.start(Sink::Whole, rows::<T>, Some(straight::<T>))))
    }
}

impl<T> fmt::Debug for Read<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read")
            .field("record", &std::any::type_name::<T>())
            .field("source", &self.source)
            .field("history", &self.history)
            .field("ahead", &self.ahead)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patterns(patterns) => patterns.fmt(f),
            Self::Files(_) => f.write_str("files"),
        }
    }
}

/// A merged batch as records.
fn rows<T: Record>(_layout: &ReadLayout, batch: RecordBatch) -> Result<Vec<T>> {
    let mut rows = Vec::with_capacity(batch.num_rows());
    append(&batch, &mut rows)?;
    Ok(rows)
}

fn append<T: Record>(batch: &RecordBatch, rows: &mut Vec<T>) -> Result<()> {
    let decoded = T::decode(batch.columns(), 0..batch.num_rows(), rows);
    decoded.map_err(|error| Error::invalid_data(error.to_string()))
}

/// The records of a file that is alone in its partition; `None` if it is out of order.
fn straight<T: Record>(
    file: &mut dyn Iterator<Item = Result<RecordBatch>>,
    rows: usize,
    key: &Key,
    keep: Keep,
) -> Result<Option<(Vec<T>, usize)>> {
    let mut records = room(rows);
    let in_order = merge::straight(file, key, keep, |batch| append(batch, &mut records))?;
    let count = records.len();
    if count < records.capacity() / 2 {
        // Most rows were superseded, or the footer promised too many.
        records.shrink_to_fit();
    }
    Ok(in_order.then_some((records, count)))
}

/// For so many rows, by a footer's word: more are not believed in before they are there.
fn room<T>(rows: usize) -> Vec<T> {
    const MOST: usize = 1 << 20;
    Vec::with_capacity(rows.min(MOST))
}

/// The records of one file, decoded on this thread: what the testing tools and the benchmarks measure.
#[cfg(feature = "testing")]
pub(crate) fn decode_here<T: Record>(file: bytes::Bytes, opener: &Opener) -> Result<Vec<T>> {
    let (layout, mut file) = (opener.layout(), opener.open(file)?);
    let keep = if layout.key.is_some() { Keep::Latest } else { Keep::All };
    if let Some((records, _)) = pipeline::alone(&mut file, layout, keep, straight)? {
        return Ok(records);
    }
    let mut rows = room(file.plan().rows());
    for batch in merge::merge(layout, vec![file], keep)? {
        append(&batch?, &mut rows)?;
    }
    Ok(rows)
}

/// A merged batch without the columns that were read for its order alone, and fit to be held.
#[cfg(feature = "arrow")]
fn own_columns(layout: &ReadLayout, batch: RecordBatch) -> Result<RecordBatch> {
    let own: Vec<usize> = (0..layout.own).collect();
    let batch = batch.project(&own);
    let batch = batch.map_err(|error| Error::invalid_data("a batch lacks its columns").with_source(error))?;
    Ok(merge::slim(&batch))
}
