//! Tables whose files are known, because the process that plans a query has listed them.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown, TableScan, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::super::changes::ChangesTable;
use super::super::found::{Found, TableRows};
use super::super::provider::{DatasetTable, can_match};
use super::super::view::ViewTable;
use super::remote::{RemoteExec, Scan};

/// A table of which a query reads the files that were found, and no others.
#[derive(Debug)]
pub(super) struct FrozenTable {
    pub(super) rows: TableRows,
    pub(super) found: Found,
}

/// A view that an executor looks up.
#[derive(Debug)]
pub(super) struct RemoteView(pub(super) ViewTable);

/// Lists the files of all tables of datasets that a plan scans, and returns the plan that reads these files.
///
/// The scans of a dataset see one snapshot. The filters of a scan select what is listed, so the plan has to be optimised.
pub(super) async fn freeze(plan: &LogicalPlan, session: &dyn Session) -> DataFusionResult<LogicalPlan> {
    let mut scans: Vec<TableScan> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            scans.push(scan.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut frozen = Vec::new();
    for scan in scans {
        let Ok(provider) = source_as_provider(&scan.source) else { continue };
        // Each of them holds the query's snapshot.
        let (rows, found) = if let Some(table) = provider.downcast_ref::<DatasetTable>() {
            let conditions = table.rows().columns.conditions(&scan.filters)?;
            (table.rows(), table.find(session, &conditions).await?)
        } else if let Some(table) = provider.downcast_ref::<ChangesTable>() {
            let conditions = table.rows().columns.conditions(&scan.filters)?;
            (table.rows(), table.find(session, &conditions).await?)
        } else {
            continue;
        };
        let table = FrozenTable { rows: rows.clone(), found };
        frozen.push((scan, provider_as_source(Arc::new(table))));
    }
    let plan = plan.clone().transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        let is_same = |other: &TableScan| Arc::ptr_eq(&other.source, &scan.source) && other.filters == scan.filters;
        Ok(match frozen.iter().find(|(other, _)| is_same(other)) {
            Some((_, source)) => {
                scan.source = Arc::clone(source);
                Transformed::yes(LogicalPlan::TableScan(scan))
            }
            None => Transformed::no(LogicalPlan::TableScan(scan)),
        })
    })?;
    Ok(plan.data)
}

#[async_trait]
impl TableProvider for FrozenTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.rows.columns.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        self.rows.columns.support(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let conditions = self.rows.columns.conditions(filters)?;
        let mut found = self.found.clone();
        found.units.retain(|unit| can_match(&conditions, &self.rows.columns.root, &unit.files.key));
        found.excluded += self.found.units.len() - found.units.len();
        let target = state.config().target_partitions();
        let scan = self.rows.scan(found, conditions, projection, limit, target)?;
        Ok(Arc::new(RemoteExec::new(Scan::Files(Arc::new(scan)))?))
    }
}

#[async_trait]
impl TableProvider for RemoteView {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        self.0.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let scan = self.0.scan_of(filters, projection)?;
        Ok(Arc::new(RemoteExec::new(Scan::View(Arc::new(scan)))?))
    }
}
