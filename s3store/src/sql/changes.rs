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

use super::external;
use super::groups::{self, Unit};
use super::provider::{TableColumns, can_match};
use super::scan::{ScanExec, ScanParts};
use super::snapshot::Queries;
use crate::format::Offset;
use crate::pattern::Pattern;
use crate::record::partition_patterns;
use crate::stream::PollRange;
use crate::table::Table;

/// The function `changes(since, until)`.
#[derive(Debug)]
pub(super) struct ChangesFunction {
    table: Table,
    columns: Arc<TableColumns>,
}

/// The changes between two offsets.
#[derive(Debug)]
struct ChangesTable {
    table: Table,
    columns: Arc<TableColumns>,
    after: Offset,
    until: Option<Offset>,
}

impl ChangesFunction {
    pub(super) fn new(table: &Table) -> Self {
        Self { table: table.clone(), columns: Arc::new(TableColumns::of_changes(table)) }
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
        let dataset = self.table.dataset();
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
        Ok(Arc::new(ChangesTable {
            table: self.table.clone(),
            columns: Arc::clone(&self.columns),
            after: since.unwrap_or(Offset::START),
            until,
        }))
    }
}

#[async_trait]
impl TableProvider for ChangesTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        self.columns.support(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let (dataset, root) = (self.table.dataset(), &self.columns.root);
        let conditions = self.columns.conditions(filters)?;
        let (names, subject) = (root.partition.clone(), self.table.subject().cloned());
        let snapshot = dataset.shared::<Queries>().snapshot(state);
        let reading = snapshot.reading(dataset);
        let poll = PollRange::between(dataset, names, subject, self.after.clone(), self.until.clone(), reading);
        let patterns = partition_patterns(root, &conditions.rows, &conditions.partitions);
        let poll = if patterns == [Pattern::all(root.partition.len())] { poll } else { poll.only_patterns(patterns) };
        // A restamped commit has several entries, of which the first counts.
        let mut seen = HashSet::new();
        let mut entries = poll.await.map_err(external)?;
        entries.retain(|entry| seen.insert(entry.data_path.clone()));
        let listed = entries.len();
        entries.retain(|entry| can_match(&conditions, root, &entry.partition));
        let excluded = listed - entries.len();
        let units: Vec<Unit> = entries.into_iter().map(Unit::of_entry).collect();
        let projection = projection.cloned().unwrap_or_else(|| (0..self.columns.sources.len()).collect());
        ScanExec::planned(ScanParts {
            table: self.table.clone(),
            columns: Arc::clone(&self.columns),
            snapshot,
            history: true,
            excluded,
            groups: groups::by_size(units, state.config().target_partitions()).into(),
            // The size of a unit is that of its rows.
            rows_per_byte: Some(1.0 / f64::from(groups::ROW_BYTES)),
            projection,
            conditions,
            live: Vec::new(),
            fetch: limit,
        })
        .map(|scan| Arc::new(scan) as Arc<dyn ExecutionPlan>)
    }
}
