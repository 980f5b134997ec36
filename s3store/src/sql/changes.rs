//! The change stream as a table function.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{DFSchema, Result as DataFusionResult, ScalarValue, plan_err};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::ExecutionPlan;

use super::condition::Conditions;
use super::external;
use super::found::{Found, TableRows};
use super::groups::{self, Unit};
use super::provider::{TableColumns, can_match};
use super::snapshot::Queries;
use crate::format::Offset;
use crate::pattern::Pattern;
use crate::record::partition_patterns;
use crate::stream::PollRange;
use crate::table::Table;

/// The function `changes(since, until)`.
#[derive(Debug)]
pub(super) struct ChangesFunction {
    rows: TableRows,
}

/// The changes between two offsets.
#[derive(Debug)]
pub(super) struct ChangesTable {
    rows: TableRows,
    after: Offset,
    until: Option<Offset>,
}

impl ChangesFunction {
    pub(super) fn new(table: &Table, views: bool) -> Self {
        let columns = TableColumns::of_changes(table);
        let columns = Arc::new(if views { columns } else { columns.without_views() });
        Self { rows: TableRows { table: table.clone(), columns, history: true, in_order: false } }
    }

    /// Returns the offset that an argument stands for: an offset as text, or an instant. Returns `None` for null.
    fn offset(&self, argument: &Expr, session: &dyn Session) -> DataFusionResult<Option<Offset>> {
        let context = SimplifyContext::builder()
            .with_query_execution_start_time(session.execution_props().query_execution_start_time)
            .build();
        let simplifier = ExprSimplifier::new(context);
        let schema = DFSchema::empty();
        let simplified = simplifier.simplify(simplifier.coerce(argument.clone(), &schema)?)?;
        let Expr::Literal(value, _) = &simplified else {
            return plan_err!("{argument} is not a constant: changes takes offsets and instants");
        };
        let dataset = self.rows.table.dataset();
        if value.is_null() {
            return Ok(None);
        }
        if let Some(Some(text)) = value.try_as_str() {
            if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
                return Ok(Some(dataset.offset_at(instant)));
            }
            return match dataset.keys().check_offset(text) {
                Ok(()) => Ok(Some(Offset::of(text))),
                Err(_) => plan_err!(
                    "{text:?} is neither an offset of this dataset nor an instant such as 2026-03-17T12:00:00Z"
                ),
            };
        }
        let micros = arrow_schema::DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, None);
        match value.cast_to(&micros) {
            Ok(ScalarValue::TimestampMicrosecond(Some(micros), _)) if !value.data_type().is_numeric() => {
                Ok(Some(Offset::of(dataset.keys().offset_at(micros))))
            }
            _ => plan_err!("{argument} is neither an offset nor an instant"),
        }
    }
}

impl TableFunctionImpl for ChangesFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> DataFusionResult<Arc<dyn TableProvider>> {
        let (since, until) = match args.exprs() {
            [] => (None, None),
            [since] => (self.offset(since, args.session())?, None),
            [since, until] => (self.offset(since, args.session())?, self.offset(until, args.session())?),
            _ => return plan_err!("changes takes at most two arguments: since and until"),
        };
        Ok(Arc::new(ChangesTable { rows: self.rows.clone(), after: since.unwrap_or(Offset::START), until }))
    }
}

impl ChangesTable {
    /// Returns the rows that the table has.
    #[cfg(feature = "ballista")]
    pub(super) fn rows(&self) -> &TableRows {
        &self.rows
    }

    /// Finds the entries of the partitions that can match the conditions, each file once.
    pub(super) async fn find(&self, session: &dyn Session, conditions: &Conditions) -> DataFusionResult<Found> {
        let (dataset, root) = (self.rows.table.dataset(), &self.rows.columns.root);
        let (names, subject) = (root.partition.clone(), self.rows.table.subject().cloned());
        let snapshot = dataset.shared::<Queries>().snapshot(session);
        let reading = snapshot.reading(dataset);
        let poll = PollRange::between(dataset, names, subject, self.after.clone(), self.until.clone(), reading);
        let patterns = partition_patterns(root, &conditions.rows, &conditions.partitions);
        let poll = if patterns == [Pattern::all(root.partition.len())] { poll } else { poll.only_patterns(patterns) };
        // A restamped commit has several entries, of which the first counts.
        let mut seen = HashSet::new();
        let mut entries = poll.await.map_err(external)?;
        entries.retain(|entry| seen.insert(entry.data_path.clone()));
        let listed = entries.len();
        entries.retain(|entry| can_match(conditions, root, &entry.partition));
        let excluded = listed - entries.len();
        // The size of a unit is that of its rows.
        let rows_per_byte = Some(1.0 / f64::from(groups::ROW_BYTES));
        Ok(Found { snapshot, units: entries.into_iter().map(Unit::of_entry).collect(), excluded, rows_per_byte })
    }
}

#[async_trait]
impl TableProvider for ChangesTable {
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
        let found = self.find(state, &conditions).await?;
        let target = state.config().target_partitions();
        Ok(Arc::new(self.rows.scan(found, conditions, projection, limit, target)?))
    }
}
