//! The markers of a write: one for each distinct tuple of each view.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::OnceCell;

use super::group::Rows;
use crate::codec::BATCH_ROWS;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::format::Prefix;
use crate::record::{RootRecord, Tuple, ViewWriter};

/// The PUT of one marker, shared by all partitions of the write that need it. It is sent once.
type SharedPut = Arc<OnceCell<()>>;

/// The markers of all partitions of one write, by key.
#[derive(Debug, Default)]
pub(super) struct WriteMarkers(BTreeMap<String, SharedPut>);

/// The markers of one partition, in key order.
#[derive(Debug, Default, Clone)]
pub(super) struct PartitionMarkers(Vec<(String, SharedPut)>);

impl WriteMarkers {
    /// Finds the markers of a partition's rows. It runs on the caller's thread because the rows are borrowed.
    ///
    /// # Errors
    /// `InvalidInput` for a value that a key can't contain. The message names record, row, view and column.
    pub(super) async fn of_partition<T: RootRecord>(
        &mut self,
        prefix: &Prefix,
        views: &[ViewWriter<T>],
        rows: &Rows<'_, T>,
    ) -> Result<PartitionMarkers> {
        let mut keys = BTreeSet::new();
        for view in views {
            for (tuple, position) in distinct_tuples(view, rows).await? {
                let values: Vec<&str> = tuple.values().collect();
                let key = prefix.marker_key(view.name, view.columns, &values);
                let (name, row) = (T::description().record, rows.row_in_slice(position));
                keys.insert(key.map_err(|error| error.context(format!("{name}, row {row}")))?);
            }
        }
        let share = |key: String| {
            let put = Arc::clone(self.0.entry(key.clone()).or_default());
            (key, put)
        };
        Ok(PartitionMarkers(keys.into_iter().map(share).collect()))
    }
}

impl PartitionMarkers {
    /// Puts the markers concurrently: 1 PUT for each that no other partition of the write has put.
    pub(super) async fn put(&self, dataset: &Dataset) -> Result<()> {
        dataset.metrics().fanout(self.0.len(), dataset.client().permits());
        let mut waiting = self.0.iter();
        let mut in_flight = FuturesUnordered::new();
        loop {
            while in_flight.len() < dataset.client().permits() {
                let Some((key, put)) = waiting.next() else { break };
                in_flight.push(put.get_or_try_init(|| dataset.put_marker(key)));
            }
            match in_flight.next().await {
                Some(landed) => landed.map(drop)?,
                None => return Ok(()),
            }
        }
    }
}

/// Returns the distinct tuples, each with the position of its first row.
async fn distinct_tuples<T: RootRecord>(view: &ViewWriter<T>, rows: &Rows<'_, T>) -> Result<BTreeMap<Tuple, usize>> {
    let (mut tuples, mut tuple) = (BTreeMap::new(), Tuple::default());
    for position in 0..rows.len() {
        let record = rows.get(position);
        if position % BATCH_ROWS == BATCH_ROWS - 1 {
            tokio::task::yield_now().await;
        }
        let taken = (view.tuple)(record, &mut tuple).map_err(|error| {
            let (name, row) = (T::description().record, rows.row_in_slice(position));
            Error::invalid_input(format!("{name}, row {row}: view {:?}, {error}", view.name))
        })?;
        if taken && !tuples.contains_key(&tuple) {
            tuples.insert(tuple.clone(), position);
        }
    }
    Ok(tuples)
}
