//! Encoding records as a data file.

use std::future::Ready;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;
use bytes::Bytes;
use futures_util::future::Either;

use super::attempt::DataFile;
use super::group::{Rows, unfit};
use crate::clock::Clock;
use crate::codec::sort::{self, OrderCheck};
use crate::codec::{BATCH_ROWS, ContentHasher, Encoder, Fast, FileWriter, HashFunction, Secure};
use crate::cpu;
use crate::error::{Error, ErrorType, Result};
use crate::format::ContentDigest;
use crate::record::{Key, RootRecord};
use crate::s3::md5_hex;

/// How many batches are converted before the task yields to others on its thread.
const BATCHES_PER_TURN: usize = 4;

/// Encodes rows as a data file, sorted by the record's key if it has one. The sort is stable.
///
/// `with_digest` also computes the digest of the records.
pub(super) async fn encode<T: RootRecord>(
    rows: &Rows<'_, T>,
    inserted_at: i64,
    encoder: &Arc<Encoder>,
    with_digest: bool,
    clock: &Clock,
) -> Result<DataFile> {
    let start = || FileSink::new::<T>(encoder, rows.len(), with_digest);
    let data_file = |(body, content): (Bytes, _)| DataFile { md5: md5_hex(&body), body, content };
    feed(Workers::CpuThreads(clock), rows, inserted_at, start, data_file).await
}

/// Returns the digest of the file that [`encode`] would make of the rows.
pub(super) async fn digest<T: RootRecord>(
    rows: &Rows<'_, T>,
    encoder: &Encoder,
    clock: &Clock,
) -> Result<ContentDigest> {
    let start = || ContentHasher::<Fast>::new(T::description());
    let records = feed(Workers::CpuThreads(clock), rows, 0, start, u128::from_be_bytes).await?;
    Ok(ContentDigest { columns: encoder.columns(), records })
}

/// Returns a token that is made of the rows: equal for equal rows in the order of the file.
pub(super) async fn content_token<T: RootRecord>(rows: &Rows<'_, T>, clock: &Clock) -> Result<String> {
    let start = || ContentHasher::<Secure>::new(T::description());
    let hex = |hash: [u8; 32]| hash.iter().fold("sha256-".to_owned(), |token, byte| format!("{token}{byte:02x}"));
    feed(Workers::CpuThreads(clock), rows, 0, start, hex).await
}

/// A consumer of rows in the order of the file.
trait Sink: Send + 'static {
    type Output;

    /// Adds a batch of rows, given by all their columns. A batch without rows has no columns.
    fn write(&mut self, batch: &[ArrayRef]) -> Result<()>;

    fn finish(self) -> Result<Self::Output>;
}

impl<H: HashFunction> Sink for ContentHasher<H> {
    type Output = H::Hash;

    fn write(&mut self, batch: &[ArrayRef]) -> Result<()> {
        self.update(batch)
    }

    fn finish(self) -> Result<H::Hash> {
        Ok(self.finish())
    }
}

/// A data file that is being encoded, and the digest of its records.
struct FileSink {
    encoder: Arc<Encoder>,
    rows: usize,
    /// The file, started once the first batch is known to be in order.
    file: Option<FileWriter>,
    content: Option<ContentHasher<Fast>>,
}

impl FileSink {
    fn new<T: RootRecord>(encoder: &Arc<Encoder>, rows: usize, with_digest: bool) -> Self {
        let content = with_digest.then(|| ContentHasher::new(T::description()));
        Self { encoder: Arc::clone(encoder), rows, file: None, content }
    }

    fn started(&mut self) -> Result<FileWriter> {
        self.file.take().map_or_else(|| self.encoder.file(self.rows), Ok)
    }
}

impl Sink for FileSink {
    type Output = (Bytes, Option<ContentDigest>);

    fn write(&mut self, batch: &[ArrayRef]) -> Result<()> {
        let mut file = self.started()?;
        if !batch.is_empty() {
            file.write(batch)?;
            if let Some(content) = &mut self.content {
                content.update(batch)?;
            }
        }
        self.file = Some(file);
        Ok(())
    }

    fn finish(mut self) -> Result<Self::Output> {
        let body = self.started()?.finish()?;
        Ok((body, self.content.map(|content| self.encoder.digest(content))))
    }
}

/// The threads on which the encoding to Parquet runs.
#[derive(Debug, Clone, Copy)]
enum Workers<'a> {
    /// On the threads for CPU work, with the dataset's clock.
    CpuThreads(&'a Clock),
    /// On the calling thread. The future is then ready when it is first polled.
    #[cfg(feature = "testing")]
    CallingThread,
}

impl Workers<'_> {
    /// Starts `work`. The caller can do something else before it awaits the result.
    fn run<R: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<R> + Send + 'static,
    ) -> Either<impl Future<Output = Result<R>>, Ready<Result<R>>> {
        match self {
            Self::CpuThreads(clock) => Either::Left(cpu::run(clock, work)),
            #[cfg(feature = "testing")]
            Self::CallingThread => Either::Right(std::future::ready(work())),
        }
    }

    /// Lets other tasks of the thread run. Does nothing on the calling thread.
    async fn yield_now(self) {
        if matches!(self, Self::CpuThreads(_)) {
            tokio::task::yield_now().await;
        }
    }
}

/// Passes rows to a sink in the order of the file, on the given threads. `finish` converts the sink's output to the result.
/// It runs on a worker, because it may read the whole file.
///
/// `start` makes the sink, and a second one if the rows turn out to be out of order.
async fn feed<T: RootRecord, S: Sink, F: Send + 'static>(
    workers: Workers<'_>,
    rows: &Rows<'_, T>,
    inserted_at: i64,
    start: impl Fn() -> S,
    finish: fn(S::Output) -> F,
) -> Result<F> {
    let key = T::description().key.as_ref();
    let draft = Draft::new(start(), key);
    if let Some(output) = feed_in_given_order(rows, inserted_at, draft, workers, finish).await? {
        return Ok(output);
    }
    let keys = key_columns(rows, inserted_at, key, workers).await?;
    let order = workers.run(move || sorted_order(keys)).await?;
    let draft = Draft::new(start(), None);
    let output = feed_in_given_order(&rows.ordered(&order), inserted_at, draft, workers, finish).await?;
    output.ok_or_else(still_unsorted)
}

/// Encodes all records on the calling thread, with the same code as a write.
#[cfg(feature = "testing")]
pub(crate) fn encode_file<T: RootRecord>(
    records: &[T],
    inserted_at: i64,
    encoder: &Arc<Encoder>,
    with_digest: bool,
) -> Result<Bytes> {
    let rows = Rows::all(records);
    let start = || FileSink::new::<T>(encoder, rows.len(), with_digest);
    let file = feed(Workers::CallingThread, &rows, inserted_at, start, |(bytes, _)| bytes);
    futures_util::FutureExt::now_or_never(file)
        .unwrap_or_else(|| Err(Error::internal("encoding on the calling thread waited")))
}

/// Checks that all rows fit their columns.
pub(super) async fn validate<T: RootRecord>(rows: &Rows<'_, T>, inserted_at: i64, clock: &Clock) -> Result<()> {
    each_batch(Batches::new(rows, inserted_at, None), Workers::CpuThreads(clock), drop).await
}

/// A sink, and a check of the order of its rows.
struct Draft<S> {
    sink: S,
    /// `None` if the record has no key, or if the rows are already sorted.
    check: Option<OrderCheck>,
}

impl<S: Sink> Draft<S> {
    fn new(sink: S, key: Option<&Key>) -> Self {
        Self { sink, check: key.map(|key| OrderCheck::new(key.clone())) }
    }

    /// Appends rows. Returns `None` if they are out of order; the sink is then discarded.
    fn write(mut self, batch: &[ArrayRef]) -> Result<Option<Self>> {
        if let Some(check) = &mut self.check
            && !check.continues(batch)?
        {
            return Ok(None);
        }
        self.sink.write(batch)?;
        Ok(Some(self))
    }
}

/// Passes the rows to a sink in their given order. Returns `None` if they are out of order.
///
/// Rows are converted to columns on the caller's thread, because they are borrowed; that takes a few nanoseconds per row.
/// Meanwhile the workers process the batch before.
async fn feed_in_given_order<T: RootRecord, S: Sink, F: Send + 'static>(
    rows: &Rows<'_, T>,
    inserted_at: i64,
    draft: Draft<S>,
    workers: Workers<'_>,
    finish: fn(S::Output) -> F,
) -> Result<Option<F>> {
    let mut batches = Batches::new(rows, inserted_at, None);
    let (mut draft, mut writing) = (Some(draft), None);
    loop {
        let batch = batches.next().transpose()?.unwrap_or_default();
        let last = batches.is_empty();
        if let Some(writing) = writing.take() {
            draft = writing.await?;
        }
        let Some(before) = draft.take() else { return Ok(None) };
        if last {
            let finish = move |draft: Draft<S>| draft.sink.finish().map(finish);
            return workers.run(move || before.write(&batch)?.map(finish).transpose()).await;
        }
        writing = Some(workers.run(move || before.write(&batch)));
    }
}

/// Returns the key's columns, entity first. Each column is a list of arrays, one per batch.
async fn key_columns<T: RootRecord>(
    rows: &Rows<'_, T>,
    inserted_at: i64,
    key: Option<&'static Key>,
    workers: Workers<'_>,
) -> Result<Vec<Vec<ArrayRef>>> {
    let mut batches = Vec::with_capacity(rows.len().div_ceil(BATCH_ROWS));
    each_batch(Batches::new(rows, inserted_at, key), workers, |batch| batches.push(batch)).await?;
    let arrays = |column: usize| batches.iter().map(|batch| Arc::clone(&batch[column])).collect();
    Ok(key.into_iter().flat_map(Key::columns).map(arrays).collect())
}

/// Converts rows batch by batch, and yields now and then.
async fn each_batch<T: RootRecord>(
    batches: Batches<'_, '_, T>,
    workers: Workers<'_>,
    mut take: impl FnMut(Vec<ArrayRef>),
) -> Result<()> {
    for (turn, batch) in batches.enumerate() {
        take(batch?);
        if turn % BATCHES_PER_TURN == BATCHES_PER_TURN - 1 {
            workers.yield_now().await;
        }
    }
    Ok(())
}

/// Returns rows as columns.
pub(super) fn batches<T: RootRecord>(
    rows: &Rows<'_, T>,
    inserted_at: i64,
) -> impl Iterator<Item = Result<Vec<ArrayRef>>> {
    Batches::new(rows, inserted_at, None)
}

/// Rows as columns, in batches of [`BATCH_ROWS`]. Batches are smaller if an array can't hold the text of that many rows.
struct Batches<'r, 'a, T> {
    rows: &'r Rows<'a, T>,
    inserted_at: i64,
    /// If set, only this key's columns are converted.
    only: Option<&'static Key>,
    start: usize,
    size: usize,
}

impl<'r, 'a, T: RootRecord> Batches<'r, 'a, T> {
    fn new(rows: &'r Rows<'a, T>, inserted_at: i64, only: Option<&'static Key>) -> Self {
        Self { rows, inserted_at, only, start: 0, size: BATCH_ROWS }
    }

    fn is_empty(&self) -> bool {
        self.start >= self.rows.len()
    }
}

impl<T: RootRecord> Iterator for Batches<'_, '_, T> {
    type Item = Result<Vec<ArrayRef>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let range = self.start..self.rows.len().min(self.start + self.size);
            if range.is_empty() {
                return None;
            }
            let (length, inserted_at, only) = (range.len(), self.inserted_at, self.only);
            let batch = self.rows.with_range(
                range,
                |slice| T::encode(slice, inserted_at, only),
                |picked| T::encode(picked, inserted_at, only),
            );
            match batch {
                Err(error) if error.value.is_too_large() && length > 1 => self.size = length / 2,
                Err(error) => {
                    let row = self.rows.row_number(self.start + error.row);
                    self.start = self.rows.len();
                    return Some(Err(unfit(row, &error.value)));
                }
                Ok(batch) => {
                    self.start += length;
                    return Some(Ok(batch));
                }
            }
        }
    }
}

/// Returns the rows' numbers in the order of their keys.
fn sorted_order(keys: Vec<Vec<ArrayRef>>) -> Result<Vec<u32>> {
    let keys = keys.iter().map(|arrays| concat_arrays(arrays)).collect::<Result<Vec<_>>>()?;
    sort::permutation(&keys)
}

fn concat_arrays(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    if let [array] = arrays {
        return Ok(Arc::clone(array));
    }
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    concat(&arrays)
        .map_err(|error| Error::invalid_input("the key columns of one write are too large").with_source(error))
}

#[cold]
fn still_unsorted() -> Error {
    Error::internal("the records are out of order after sorting").with_type(ErrorType::Other)
}
