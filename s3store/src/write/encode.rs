//! Records to the bytes of a data file.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;
use bytes::Bytes;

use super::group::{Rows, unfit};
use crate::codec::{BATCH_ROWS, Encoder, sort};
use crate::dataset::blocking;
use crate::error::{Error, Result};
use crate::record::{Key, RootRecord};

/// Batches between two chances for other tasks of the thread.
const BATCHES_A_TURN: usize = 4;

/// The file of some rows: sorted by the record's key where it has one, equal keys in their given order.
pub(super) async fn encode<T: RootRecord>(
    rows: &Rows<'_, T>,
    inserted_at: i64,
    encoder: Arc<Encoder>,
) -> Result<Bytes> {
    let mut batches = columns(rows, inserted_at).await?;
    if let Some(key) = &T::description().key {
        if let Some(order) = order(&batches, key).await? {
            batches = columns(&rows.ordered(&order), inserted_at).await?;
        }
    }
    let count = rows.len();
    blocking(move || encoder.encode(count, batches.into_iter().map(Ok))).await
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
    for (turn, start) in (0..rows.len()).step_by(BATCH_ROWS).enumerate() {
        let range = start..rows.len().min(start + BATCH_ROWS);
        let batch =
            rows.with_range(range, |slice| T::encode(slice, inserted_at), |picked| T::encode(picked, inserted_at));
        let batch = batch.map_err(|mut error| {
            error.row = rows.place(start + error.row);
            unfit(error)
        })?;
        take(batch);
        if turn % BATCHES_A_TURN == BATCHES_A_TURN - 1 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// In which order the rows belong; `None` if they are in order.
async fn order(batches: &[Vec<ArrayRef>], key: &Key) -> Result<Option<Vec<u32>>> {
    let keys: Vec<Vec<ArrayRef>> =
        key.columns().map(|column| batches.iter().map(|batch| Arc::clone(&batch[column])).collect()).collect();
    blocking(move || {
        let keys = keys.iter().map(|pieces| whole(pieces)).collect::<Result<Vec<_>>>()?;
        sort::permutation(&keys)
    })
    .await
}

fn whole(pieces: &[ArrayRef]) -> Result<ArrayRef> {
    if let [piece] = pieces {
        return Ok(Arc::clone(piece));
    }
    let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
    concat(&pieces)
        .map_err(|error| Error::invalid_input("the key columns of one write are too large").with_source(error))
}
