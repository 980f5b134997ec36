//! Records to the bytes of a data file.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;
#[cfg(feature = "testing")]
use bytes::Bytes;

use super::attempt::DataFile;
use super::group::{Rows, unfit};
use crate::codec::{BATCH_ROWS, Encoder, sort};
use crate::dataset::blocking;
use crate::error::{Error, Result};
use crate::record::{Key, RootRecord};
use crate::store::md5_hex;

/// Batches between two chances for other tasks of the thread.
const BATCHES_A_TURN: usize = 4;

/// The file of some rows: sorted by the record's key where it has one, equal keys in their given order.
pub(super) async fn encode<T: RootRecord>(
    rows: &Rows<'_, T>,
    inserted_at: i64,
    encoder: Arc<Encoder>,
) -> Result<DataFile> {
    let mut batches = columns(rows, inserted_at).await?;
    if let Some(key) = &T::description().key {
        let keys = key_columns(&batches, key);
        if let Some(order) = blocking(move || order(&keys)).await? {
            batches = columns(&rows.ordered(&order), inserted_at).await?;
        }
    }
    let count = rows.len();
    blocking(move || {
        let body = encoder.encode(count, batches.into_iter().map(Ok))?;
        Ok(DataFile { md5: md5_hex(&body), body })
    })
    .await
}

/// As [`encode`], on this thread: what the testing tools and the benchmarks measure.
#[cfg(feature = "testing")]
pub(crate) fn encode_here<T: RootRecord>(records: &[T], inserted_at: i64, encoder: &Encoder) -> Result<Bytes> {
    let rows = Rows::all(records);
    let mut batches = Batches::new(&rows, inserted_at).collect::<Result<Vec<_>>>()?;
    if let Some(key) = &T::description().key
        && let Some(order) = order(&key_columns(&batches, key))?
    {
        batches = Batches::new(&rows.ordered(&order), inserted_at).collect::<Result<_>>()?;
    }
    encoder.encode(records.len(), batches.into_iter().map(Ok))
}

/// Whether all rows fit their columns.
pub(super) async fn validate<T: RootRecord>(rows: &Rows<'_, T>, inserted_at: i64) -> Result<()> {
    each_batch(rows, inserted_at, drop).await
}

/// Rows to columns, on the caller's thread, since the records are borrowed: a few nanoseconds a row.
async fn columns<T: RootRecord>(rows: &Rows<'_, T>, inserted_at: i64) -> Result<Vec<Vec<ArrayRef>>> {
    let mut batches = Vec::with_capacity(rows.len().div_ceil(BATCH_ROWS));
    each_batch(rows, inserted_at, |batch| batches.push(batch)).await?;
    Ok(batches)
}

async fn each_batch<T: RootRecord>(
    rows: &Rows<'_, T>,
    inserted_at: i64,
    mut take: impl FnMut(Vec<ArrayRef>),
) -> Result<()> {
    for (turn, batch) in Batches::new(rows, inserted_at).enumerate() {
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
    start: usize,
    size: usize,
}

impl<'r, 'a, T: RootRecord> Batches<'r, 'a, T> {
    fn new(rows: &'r Rows<'a, T>, inserted_at: i64) -> Self {
        Self { rows, inserted_at, start: 0, size: BATCH_ROWS }
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
            let (length, inserted_at) = (range.len(), self.inserted_at);
            let batch = self.rows.with_range(
                range,
                |slice| T::encode(slice, inserted_at),
                |picked| T::encode(picked, inserted_at),
            );
            match batch {
                Err(error) if error.value.is_too_large() && length > 1 => self.size = length / 2,
                Err(mut error) => {
                    error.row = self.rows.place(self.start + error.row);
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
fn key_columns(batches: &[Vec<ArrayRef>], key: &Key) -> Vec<Vec<ArrayRef>> {
    key.columns().map(|column| batches.iter().map(|batch| Arc::clone(&batch[column])).collect()).collect()
}

/// In which order the rows belong; `None` if they are in order.
fn order(keys: &[Vec<ArrayRef>]) -> Result<Option<Vec<u32>>> {
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
