//! The markers of a write: one for each distinct tuple of each view.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::group::Rows;
use crate::codec::BATCH_ROWS;
use crate::error::{Error, Result};
use crate::format::Prefix;
use crate::record::{RootRecord, Tuple, ViewWriter};

/// A marker that has landed or not, however many partitions of the write want it.
pub(super) type Landing = Arc<OnceCell<()>>;

/// The markers of all partitions of one write, each once.
#[derive(Debug, Default)]
pub(super) struct Markers(BTreeMap<String, Landing>);

/// The markers of one partition, by their keys, in order.
#[derive(Debug, Default, Clone)]
pub(super) struct PartMarkers(pub(super) Vec<(String, Landing)>);

impl Markers {
    /// The markers of some rows. Rows are looked at on the caller's thread, since they are borrowed.
    ///
    /// # Errors
    /// A value that no key can hold; record, row, view and column are named.
    pub(super) async fn of<T: RootRecord>(
        &mut self,
        prefix: &Prefix,
        views: &[ViewWriter<T>],
        rows: &Rows<'_, T>,
    ) -> Result<PartMarkers> {
        let mut keys = BTreeSet::new();
        for view in views {
            for tuple in tuples(view, rows).await? {
                let values: Vec<&str> = tuple.values().collect();
                let key = prefix.marker_key(view.name, view.columns, &values);
                keys.insert(key.map_err(|error| error.context(T::description().record))?);
            }
        }
        let landing = |key: String| {
            let landing = Arc::clone(self.0.entry(key.clone()).or_default());
            (key, landing)
        };
        Ok(PartMarkers(keys.into_iter().map(landing).collect()))
    }
}

/// The distinct tuples of some rows.
async fn tuples<T: RootRecord>(view: &ViewWriter<T>, rows: &Rows<'_, T>) -> Result<BTreeSet<Tuple>> {
    let (mut tuples, mut tuple) = (BTreeSet::new(), Tuple::default());
    for position in 0..rows.len() {
        let record = rows.get(position);
        if position % BATCH_ROWS == BATCH_ROWS - 1 {
            tokio::task::yield_now().await;
        }
        let taken = (view.tuple)(record, &mut tuple).map_err(|error| {
            let (name, row) = (T::description().record, rows.place(position));
            Error::invalid_input(format!("{name}, row {row}: view {:?}, {error}", view.name))
        })?;
        if taken && !tuples.contains(&tuple) {
            tuples.insert(tuple.clone());
        }
    }
    Ok(tuples)
}
