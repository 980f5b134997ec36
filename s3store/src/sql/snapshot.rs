//! The committed files that a query reads: all of its scans see the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use chrono::{DateTime, Utc};
use datafusion::catalog::Session;

use crate::clock::Reading;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::metrics::Method;
use crate::pattern::{PartitionFilter, Pattern};
use crate::read::committed_files;
use crate::record::Description;
use crate::scan::PartitionFiles;

/// The queries that are being planned or executed, of all sessions that use a handle of a dataset.
#[derive(Debug, Default)]
pub(super) struct Queries(Mutex<Vec<(QueryId, Weak<QuerySnapshot>)>>);

/// A session, and the time at which it began to plan the query.
#[derive(Debug, Clone, PartialEq, Eq)]
struct QueryId {
    session: String,
    began: Option<DateTime<Utc>>,
}

/// What one query has seen of a dataset, partition by partition. It lives as long as the query's plan.
#[derive(Debug, Default)]
pub(super) struct QuerySnapshot {
    listed: tokio::sync::Mutex<Vec<Listed>>,
    /// The reading of the clock by which the query's changes are settled.
    reading: OnceLock<Reading>,
    /// If `true`, the query is planned, and no other scan belongs to it.
    has_begun: AtomicBool,
}

/// The partitions that some patterns select.
#[derive(Debug)]
struct Listed {
    patterns: Vec<Pattern>,
    selected: PartitionFilter,
    /// In key order.
    partitions: Vec<PartitionFiles>,
}

impl Queries {
    /// Returns the snapshot of the query that the session plans now.
    pub(super) fn snapshot(&self, session: &dyn Session) -> Arc<QuerySnapshot> {
        let began = session.execution_props().query_execution_start_time;
        let id = QueryId { session: session.session_id().to_owned(), began };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, snapshot)| snapshot.strong_count() > 0);
        // Without a time, it can't be told from the session's other queries.
        let of_query = known.iter().filter(|(known, _)| id.began.is_some() && *known == id);
        let mut snapshots = of_query.filter_map(|(_, snapshot)| snapshot.upgrade());
        // A plan that is made again, while the first one is executed, looks again.
        if let Some(snapshot) = snapshots.find(|snapshot| !snapshot.has_begun.load(Ordering::Relaxed)) {
            return snapshot;
        }
        let snapshot = Arc::<QuerySnapshot>::default();
        known.push((id, Arc::downgrade(&snapshot)));
        snapshot
    }
}

impl QuerySnapshot {
    /// Ends the planning of the query.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Returns the reading of the clock by which all of the query's changes are settled.
    pub(super) fn reading(&self, dataset: &Dataset) -> Reading {
        *self.reading.get_or_init(|| dataset.clock().reading())
    }

    /// Returns the committed files of the partitions that the patterns select, in key order.
    ///
    /// A partition that the query has seen before is not looked at again, so it has the same files.
    pub(super) async fn files(
        &self,
        dataset: &Dataset,
        root: &Description,
        patterns: Vec<Pattern>,
    ) -> Result<Vec<PartitionFiles>> {
        let (names, selected) = (&root.partition, PartitionFilter::new(Ok(patterns.clone())));
        let mut listed = self.listed.lock().await;
        let everything = Pattern::all(names.len());
        let is_known = |known: &Listed| {
            patterns.iter().all(|pattern| known.patterns.contains(pattern) || known.patterns.contains(&everything))
        };
        let known = listed.iter().find(|known| is_known(known));
        if let Some(known) = known {
            let partitions = known.partitions.iter().filter(|partition| selected.selects(&partition.key, names));
            return Ok(partitions.cloned().collect());
        }
        let call = dataset.metrics().call(Method::ListPartitions);
        let found = call
            .run(async |tally| committed_files(dataset, patterns.clone(), names.clone(), None, &tally).await)
            .await?;
        let is_new = |partition: &PartitionFiles| {
            listed.iter().all(|known: &Listed| !known.selected.selects(&partition.key, names))
        };
        let mut partitions: Vec<PartitionFiles> = found.into_iter().filter(is_new).collect();
        for known in listed.iter() {
            let seen = known.partitions.iter().filter(|partition| selected.selects(&partition.key, names));
            partitions.extend(seen.cloned());
        }
        partitions.sort_by(|one, other| one.key.cmp(&other.key));
        // Two of the earlier listings may have a partition in common.
        partitions.dedup_by(|one, other| one.key == other.key);
        listed.push(Listed { patterns, selected, partitions: partitions.clone() });
        Ok(partitions)
    }
}
