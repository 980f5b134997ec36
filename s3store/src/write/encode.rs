//! Records to the bytes of a data file.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;
use bytes::Bytes;

use super::attempt::DataFile;
use super::group::{Rows, unfit};
use crate::codec::sort::{self, InOrder};
use crate::codec::{BATCH_ROWS, Encoder, File};
use crate::dataset::blocking;
use crate::error::{Error, ErrorType, Result};
use crate::record::{Key, RootRecord};
use crate::s3::md5_hex;

/// Batches between two chances for other tasks of the thread.
const BATCHES_A_TURN: usize = 4;

/// The file of some rows: sorted by the record's key where it has one, equal keys in their given order.
pub(super) async fn encode<T: RootRecord>(
    rows: &Rows<'_, T>,
    inserted_at: i64,
    encoder: Arc<Encoder>,
) -> Result<DataFile> {
    let key = T::description().key.as_ref();
    if let Some(file) = written(rows, inserted_at, Draft::new(&encoder, rows.len(), key)).await? {
        return Ok(file);
    }
    let keys = keys(rows, inserted_at, key).await?;
    let order = blocking(move || order(keys)).await?;
    let file = written(&rows.ordered(&order), inserted_at, Draft::new(&encoder, rows.len(), None)).await?;
    file.ok_or_else(unsorted)
}

/// As [`encode`], on this thread: what the testing tools and the benchmarks measure.
#[cfg(feature = "testing")]
pub(crate) fn encode_here<T: RootRecord>(records: &[T], inserted_at: i64, encoder: &Arc<Encoder>) -> Result<Bytes> {
    let key = T::description().key.as_ref();
    let written = |rows: &Rows<'_, T>, key| {
        let mut draft = Draft::new(encoder, rows.len(), key);
        for batch in Batches::new(rows, inserted_at, None) {
            match draft.write(&batch?)? {
                Some(more) => draft = more,
                None => return Ok(None),
            }
        }
        draft.finish().map(Some)
    };
    let rows = Rows::all(records);
    if let Some(file) = written(&rows, key)? {
        return Ok(file);
    }
    let keys = Batches::new(&rows, inserted_at, key).collect::<Result<_>>()?;
    written(&rows.ordered(&order(key_columns(keys, key))?), None)?.ok_or_else(unsorted)
}

/// Whether all rows fit their columns.
pub(super) async fn validate<T: RootRecord>(rows: &Rows<'_, T>, inserted_at: i64) -> Result<()> {
    each_batch(Batches::new(rows, inserted_at, None), drop).await
}

/// A file under way.
struct Draft {
    encoder: Arc<Encoder>,
    rows: usize,
    /// Begun with the first rows, once those are known to be in order.
    file: Option<File>,
    /// For a record with a key, until its rows are known to be in order.
    check: Option<InOrder>,
}

impl Draft {
    fn new(encoder: &Arc<Encoder>, rows: usize, key: Option<&Key>) -> Self {
        let check = key.map(|key| InOrder::new(key.clone()));
        Self { encoder: Arc::clone(encoder), rows, file: None, check }
    }

    /// Appends rows; `None` if they are out of order, and nothing of the file is of use.
    fn write(mut self, batch: &[ArrayRef]) -> Result<Option<Self>> {
        if let Some(check) = &mut self.check
            && !check.continues(batch)?
        {
            return Ok(None);
        }
        let mut file = self.begun()?;
        // No rows have no columns.
        if !batch.is_empty() {
            file.write(batch)?;
        }
        self.file = Some(file);
        Ok(Some(self))
    }

    fn begun(&mut self) -> Result<File> {
        self.file.take().map_or_else(|| self.encoder.file(self.rows), Ok)
    }

    fn finish(mut self) -> Result<Bytes> {
        self.begun()?.finish()
    }
}

/// The rows as they stand, in a file; `None` if they are out of order. Rows become columns on the caller's thread, since
/// they are borrowed: a few nanoseconds a row. Meanwhile the batch before becomes Parquet.
async fn written<T: RootRecord>(rows: &Rows<'_, T>, inserted_at: i64, draft: Draft) -> Result<Option<DataFile>> {
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
            let finish = |draft: Draft| {
                let body = draft.finish()?;
                Ok(DataFile { md5: md5_hex(&body), body })
            };
            return blocking(move || before.write(&batch)?.map(finish).transpose()).await;
        }
        writing = Some(blocking(move || before.write(&batch)));
    }
}

/// The key's columns, in pieces, entity first.
async fn keys<T: RootRecord>(
    rows: &Rows<'_, T>,
    inserted_at: i64,
    key: Option<&'static Key>,
) -> Result<Vec<Vec<ArrayRef>>> {
    let mut batches = Vec::with_capacity(rows.len().div_ceil(BATCH_ROWS));
    each_batch(Batches::new(rows, inserted_at, key), |batch| batches.push(batch)).await?;
    Ok(key_columns(batches, key))
}

async fn each_batch<T: RootRecord>(batches: Batches<'_, '_, T>, mut take: impl FnMut(Vec<ArrayRef>)) -> Result<()> {
    for (turn, batch) in batches.enumerate() {
        take(batch?);
        if turn % BATCHES_A_TURN == BATCHES_A_TURN - 1 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// Rows as columns, [`BATCH_ROWS`] at a time, or fewer where so many have more text than an array can hold.
struct Batches<'r, 'a, T> {
    rows: &'r Rows<'a, T>,
    inserted_at: i64,
    /// All columns, unless those of this key are enough.
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

/// The pieces of each key column, entity first.
fn key_columns(batches: Vec<Vec<ArrayRef>>, key: Option<&Key>) -> Vec<Vec<ArrayRef>> {
    let piece = |column: usize| batches.iter().map(|batch| Arc::clone(&batch[column])).collect();
    key.into_iter().flat_map(Key::columns).map(piece).collect()
}

/// In which order the rows belong.
fn order(keys: Vec<Vec<ArrayRef>>) -> Result<Vec<u32>> {
    let keys = keys.iter().map(|pieces| whole(pieces)).collect::<Result<Vec<_>>>()?;
    sort::permutation(&keys)
}

fn whole(pieces: &[ArrayRef]) -> Result<ArrayRef> {
    if let [piece] = pieces {
        return Ok(Arc::clone(piece));
    }
    let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
    concat(&pieces)
        .map_err(|error| Error::invalid_input("the key columns of one write are too large").with_source(error))
}

#[cold]
fn unsorted() -> Error {
    Error::internal("the records are still out of order after sorting")
        .with_type(ErrorType::Other)
}
