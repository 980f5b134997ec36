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
use crate::codec::{BATCH_ROWS, Encoder, FileWriter};
use crate::cpu;
use crate::error::{Error, ErrorType, Result};
use crate::record::{Key, RootRecord};
use crate::s3::md5_hex;

/// How many batches are converted before the task yields to others on its thread.
const BATCHES_PER_TURN: usize = 4;

/// Encodes rows as a data file, sorted by the record's key if it has one. The sort is stable.
pub(super) async fn encode<T: RootRecord>(
    rows: &Rows<'_, T>,
    inserted_at: i64,
    encoder: Arc<Encoder>,
    clock: &Clock,
) -> Result<DataFile> {
    let data_file = |body: Bytes| DataFile { md5: md5_hex(&body), body };
    encode_on(Workers::CpuThreads(clock), rows, inserted_at, encoder, data_file).await
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

/// Encodes rows as [`encode`] does, on the given threads. `finish` converts the file's bytes to the result. It runs on a
/// worker, because it may read all bytes.
async fn encode_on<T: RootRecord, F: Send + 'static>(
    workers: Workers<'_>,
    rows: &Rows<'_, T>,
    inserted_at: i64,
    encoder: Arc<Encoder>,
    finish: fn(Bytes) -> F,
) -> Result<F> {
    let key = T::description().key.as_ref();
    let draft = Draft::new(&encoder, rows.len(), key);
    if let Some(file) = encode_in_given_order(rows, inserted_at, draft, workers, finish).await? {
        return Ok(file);
    }
    let keys = key_columns(rows, inserted_at, key, workers).await?;
    let order = workers.run(move || sorted_order(keys)).await?;
    let draft = Draft::new(&encoder, rows.len(), None);
    let file = encode_in_given_order(&rows.ordered(&order), inserted_at, draft, workers, finish).await?;
    file.ok_or_else(still_unsorted)
}

/// Encodes all records on the calling thread, with the same code as a write.
#[cfg(feature = "testing")]
pub(crate) fn encode_file<T: RootRecord>(records: &[T], inserted_at: i64, encoder: &Arc<Encoder>) -> Result<Bytes> {
    let rows = Rows::all(records);
    let file = encode_on(Workers::CallingThread, &rows, inserted_at, Arc::clone(encoder), |bytes| bytes);
    futures_util::FutureExt::now_or_never(file)
        .unwrap_or_else(|| Err(Error::internal("encoding on the calling thread waited")))
}

/// Checks that all rows fit their columns.
pub(super) async fn validate<T: RootRecord>(rows: &Rows<'_, T>, inserted_at: i64, clock: &Clock) -> Result<()> {
    each_batch(Batches::new(rows, inserted_at, None), Workers::CpuThreads(clock), drop).await
}

/// A file that is being encoded.
struct Draft {
    encoder: Arc<Encoder>,
    rows: usize,
    /// The file, started once the first batch is known to be in order.
    file: Option<FileWriter>,
    /// Checks the order of the rows. `None` if the record has no key, or if the rows are already sorted.
    check: Option<OrderCheck>,
}

impl Draft {
    fn new(encoder: &Arc<Encoder>, rows: usize, key: Option<&Key>) -> Self {
        let check = key.map(|key| OrderCheck::new(key.clone()));
        Self { encoder: Arc::clone(encoder), rows, file: None, check }
    }

    /// Appends rows. Returns `None` if they are out of order; the file is then discarded.
    fn write(mut self, batch: &[ArrayRef]) -> Result<Option<Self>> {
        if let Some(check) = &mut self.check
            && !check.continues(batch)?
        {
            return Ok(None);
        }
        let mut file = self.started()?;
        // A batch without rows has no columns.
        if !batch.is_empty() {
            file.write(batch)?;
        }
        self.file = Some(file);
        Ok(Some(self))
    }

    fn started(&mut self) -> Result<FileWriter> {
        self.file.take().map_or_else(|| self.encoder.file(self.rows), Ok)
    }

    fn finish(mut self) -> Result<Bytes> {
        self.started()?.finish()
    }
}

/// Encodes the rows in their given order. Returns `None` if they are out of order.
///
/// Rows are converted to columns on the caller's thread, because they are borrowed; that takes a few nanoseconds per row.
/// Meanwhile the workers encode the batch before.
async fn encode_in_given_order<T: RootRecord, F: Send + 'static>(
    rows: &Rows<'_, T>,
    inserted_at: i64,
    draft: Draft,
    workers: Workers<'_>,
    finish: fn(Bytes) -> F,
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
            let finish = move |draft: Draft| draft.finish().map(finish);
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
                Err(mut error) => {
                    error.row = self.rows.row_in_slice(self.start + error.row);
                    self.start = self.rows.len();
                    return Some(Err(unfit(error)));
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
