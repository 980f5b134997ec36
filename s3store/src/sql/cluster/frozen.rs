//! Tables whose files are known, because the process that plans a query has listed them.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result as DataFusionResult, ScalarValue};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableScan, TableType, lit,
};
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

/// Lists the files of all tables of datasets that a plan scans, and returns the plan that reads these files. Returns `None` if
/// the plan scans no table.
///
/// The scans of a dataset see one snapshot. The filters of a scan select what is listed, so the plan has to be optimised.
pub(super) async fn freeze(plan: &LogicalPlan, session: &dyn Session) -> DataFusionResult<Option<LogicalPlan>> {
    let mut scans: Vec<TableScan> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            scans.push(scan.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if scans.is_empty() {
        return Ok(None);
    }
    let (mut frozen, mut snapshots) = (Vec::new(), Vec::new());
    for scan in scans {
        let Ok(provider) = source_as_provider(&scan.source) else { continue };
        let (rows, found) = if let Some(table) = provider.downcast_ref::<DatasetTable>() {
            let conditions = table.rows().columns.conditions(&scan.filters)?;
            (table.rows(), table.find(session, &conditions).await?)
        } else if let Some(table) = provider.downcast_ref::<ChangesTable>() {
            let conditions = table.rows().columns.conditions(&scan.filters)?;
            (table.rows(), table.find(session, &conditions).await?)
        } else {
            continue;
        };
        snapshots.push(Arc::clone(&found.snapshot));
        let table = FrozenTable { rows: rows.clone(), found };
        frozen.push((scan, provider_as_source(Arc::new(table))));
    }
    for snapshot in snapshots {
        // The query is planned. When it is planned again, it lists again.
        snapshot.begin();
    }
    let plan = plan.clone().transform_down_with_subqueries(|node| {
        let mut scan = match node {
            LogicalPlan::TableScan(scan) => scan,
            LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => {
                // In a union, Ballista never ends the tasks that have no part of an empty relation with a row.
                let null = LogicalPlanBuilder::values(vec![vec![lit(ScalarValue::Null)]])?;
                return Ok(Transformed::yes(null.project(Vec::<Expr>::new())?.build()?));
            }
            LogicalPlan::EmptyRelation(empty) if !empty.schema.fields().is_empty() => {
                return no_rows(&empty.schema).map(Transformed::yes);
            }
            node => return Ok(Transformed::no(node)),
        };
        let is_same = |other: &TableScan| Arc::ptr_eq(&other.source, &scan.source) && other.filters == scan.filters;
        Ok(match frozen.iter().find(|(other, _)| is_same(other)) {
            Some((_, source)) => {
                scan.source = Arc::clone(source);
                Transformed::yes(LogicalPlan::TableScan(scan))
            }
            None => Transformed::no(LogicalPlan::TableScan(scan)),
        })
    })?;
    Ok(Some(plan.data))
}

/// Returns a plan without rows that keeps its columns when it is sent, which an empty relation does not.
fn no_rows(schema: &DFSchema) -> DataFusionResult<LogicalPlan> {
    let nulls = schema.fields().iter().map(|field| ScalarValue::try_from(field.data_type()).map(lit));
    let values = LogicalPlanBuilder::values(vec![nulls.collect::<DataFusionResult<Vec<_>>>()?])?;
    let names = schema.iter().enumerate().map(|(index, (relation, field))| {
        Expr::Column(Column::new_unqualified(format!("column{}", index + 1)))
            .alias_qualified(relation.cloned(), field.name())
    });
    let names: Vec<_> = names.collect();
    values.filter(lit(false))?.project(names)?.build()
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
