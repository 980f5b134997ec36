//! The files that were found for a scan, and the scan of them.

use std::sync::Arc;

use datafusion::common::Result as DataFusionResult;

use super::condition::Conditions;
use super::groups::{self, Unit};
use super::provider::TableColumns;
use super::scan::{ScanExec, ScanParts};
use super::snapshot::QuerySnapshot;
use crate::table::Table;

/// The rows of a table in SQL.
#[derive(Debug, Clone)]
pub(super) struct TableRows {
    pub(super) table: Table,
    pub(super) columns: Arc<TableColumns>,
    /// If `true`, they are every version of each entity, or the changes. Otherwise they are the latest versions.
    pub(super) history: bool,
    /// If `true`, the rows of each partition of the dataset come in the order of reads, also where the plan declares none.
    pub(super) in_order: bool,
}

/// The files that a query reads of a table.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Held, so that all scans of the query find it.
    pub(super) snapshot: Arc<QuerySnapshot>,
    /// In order.
    pub(super) units: Vec<Unit>,
    /// The number of units that were listed, and that the conditions exclude.
    pub(super) excluded: usize,
    pub(super) rows_per_byte: Option<f64>,
}

impl TableRows {
    /// Returns the scan of files that were found, divided into at most `target` partitions of the plan.
    pub(super) fn scan(
        &self,
        found: Found,
        conditions: Conditions,
        projection: Option<&Vec<usize>>,
        fetch: Option<usize>,
        target: usize,
    ) -> DataFusionResult<ScanExec> {
        ScanExec::planned(ScanParts {
            rows: self.clone(),
            snapshot: found.snapshot,
            excluded: found.excluded,
            groups: groups::by_size(found.units, target).into(),
            rows_per_byte: found.rows_per_byte,
            projection: projection.cloned().unwrap_or_else(|| (0..self.columns.sources.len()).collect()),
            conditions,
            live: Vec::new(),
            fetch,
        })
    }
}
