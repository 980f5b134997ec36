//! The markers of a write: one for each distinct tuple of each view.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
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
    /// Returns the markers of a partition, given by their keys.
    pub(super) fn of_partition(&mut self, keys: BTreeSet<String>) -> PartitionMarkers {
        let share = |key: String| {
            let put = Arc::clone(self.0.entry(key.clone()).or_default());
            (key, put)
        };
        PartitionMarkers(keys.into_iter().map(share).collect())
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

/// Returns the keys of a partition's markers. It runs on the caller's thread because the rows are borrowed.
///
/// # Errors
/// `InvalidInput` for a value that a key can't contain. The message names record, row, view and column.
pub(super) async fn marker_keys<T: RootRecord>(
    prefix: &Prefix,
    views: &[ViewWriter<T>],
    rows: &Rows<'_, T>,
) -> Result<BTreeSet<String>> {
    let mut keys = BTreeSet::new();
    for view in views {
        let mut tuples = BTreeMap::new();
        for start in (0..rows.len()).step_by(BATCH_ROWS) {
            if start > 0 {
                tokio::task::yield_now().await;
            }
            add_tuples(view, rows, start..rows.len().min(start + BATCH_ROWS), &mut tuples)?;
        }
        add_keys(prefix, view, rows, tuples, &mut keys)?;
    }
    Ok(keys)
}

/// Returns the keys of a partition's markers without yielding, for a thread for CPU work.
///
/// # Errors
/// Those of [`marker_keys`].
pub(super) fn marker_keys_at_once<T: RootRecord>(
    prefix: &Prefix,
    views: &[ViewWriter<T>],
    rows: &Rows<'_, T>,
) -> Result<BTreeSet<String>> {
    let mut keys = BTreeSet::new();
    for view in views {
        let mut tuples = BTreeMap::new();
        add_tuples(view, rows, 0..rows.len(), &mut tuples)?;
        add_keys(prefix, view, rows, tuples, &mut keys)?;
    }
    Ok(keys)
}

/// Adds the keys of a view's tuples.
fn add_keys<T: RootRecord>(
    prefix: &Prefix,
    view: &ViewWriter<T>,
    rows: &Rows<'_, T>,
    tuples: BTreeMap<Tuple, usize>,
    keys: &mut BTreeSet<String>,
) -> Result<()> {
    for (tuple, position) in tuples {
        let values: Vec<&str> = tuple.values().collect();
        let key = prefix.marker_key(view.name, view.columns, &values);
        let (name, row) = (&T::description().record, rows.row_number(position));
        keys.insert(key.map_err(|error| error.context(format!("{name}, row {row}")))?);
    }
    Ok(())
}

/// Adds the distinct tuples of a range of rows, each with the position of its first row.
fn add_tuples<T: RootRecord>(
    view: &ViewWriter<T>,
    rows: &Rows<'_, T>,
    range: Range<usize>,
    tuples: &mut BTreeMap<Tuple, usize>,
) -> Result<()> {
    let mut tuple = Tuple::default();
    for position in range {
        let record = rows.get(position);
        let taken = (view.tuple)(record, &mut tuple).map_err(|error| {
            let (name, row) = (&T::description().record, rows.row_number(position));
            Error::invalid_input(format!("{name}, row {row}: view {:?}, {error}", view.name))
        })?;
        if taken && !tuples.contains_key(&tuple) {
            tuples.insert(tuple.clone(), position);
        }
    }
    Ok(())
}
