//! A table's provider: what DataFusion asks when it plans a query.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result as DataFusionResult};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_plan::ExecutionPlan;

use super::condition::{Conditions, Converted, EntryPart, Source, convert};
use super::external;
use super::groups::{self, Unit};
use super::scan::{ScanExec, ScanParts};
use super::snapshot::Queries;
use crate::error::Result;
use crate::pattern::{IntoPatterns, PartitionFilter};
use crate::record::{Description, Predicate, ReadLayout, partition_patterns};
use crate::table::Table;

/// A dataset as a table of DataFusion, made by [`Table::provider`].
///
/// The columns are those of the table. A partition column whose name is not that of a column is a column, too: the text in
/// the partition's key.
///
/// # What is not read
/// Conditions on partition columns select what is listed. The other conditions exclude row groups and pages as those of
/// [`Read::filter`](crate::read::Read::filter) do, and so do the filters that DataFusion derives while a join or a sort with a
/// limit runs. `EXPLAIN` shows which partitions were excluded, and `EXPLAIN ANALYZE` how much was read.
#[derive(Debug, Clone)]
pub struct DatasetTable {
    table: Table,
    history: bool,
    columns: Arc<TableColumns>,
    /// The partitions that the table has.
    only: PartitionFilter,
}

/// The columns of a table in SQL.
#[derive(Debug)]
pub(super) struct TableColumns {
    pub(super) root: Arc<Description>,
    pub(super) schema: SchemaRef,
    /// The source of each column.
    pub(super) sources: Vec<Source>,
}

impl TableColumns {
    pub(super) fn of(table: &Table) -> Self {
        let root = table.root();
        let mut fields: Vec<Arc<Field>> = Vec::new();
        let mut sources = Vec::new();
        for column in &table.schema().columns {
            if let Some(index) = root.columns.iter().position(|node| node.name == column.name) {
                sources.push(Source::Record(index));
            }
        }
        let names: Vec<_> = table.schema().columns.iter().map(|column| column.name.as_str()).collect();
        let record = root.projection(root.record.clone(), &names);
        let layout = ReadLayout::new(&record, root).in_declared_units();
        fields.extend(layout.own_schema().fields().iter().cloned());
        for (part, name) in root.partition.iter().enumerate() {
            if root.columns.iter().all(|column| !column.name.eq_ignore_ascii_case(name)) {
                fields.push(Arc::new(Field::new(name.as_ref(), DataType::Utf8View, false)));
                sources.push(Source::Partition(part));
            }
        }
        Self { root: Arc::clone(root), schema: Arc::new(Schema::new(Fields::from(fields))), sources }
    }

    /// Returns the columns of the change stream: those of the entries, and then the table's. Rows are not deduplicated.
    ///
    /// A name that is also a column of the record is that column. The others' names begin with `entry_` then, except the
    /// insertion time, which is the same.
    pub(super) fn of_changes(table: &Table) -> Self {
        let Self { root, schema, sources } = Self::of(table);
        let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let (mut fields, mut all) = (Vec::new(), Vec::new());
        for (name, part, data_type) in [
            ("offset", EntryPart::Offset, DataType::Utf8View),
            ("stamped_at", EntryPart::StampedAt, time()),
            ("inserted_at", EntryPart::InsertedAt, time()),
        ] {
            let is_taken = schema.fields().iter().any(|field| field.name().eq_ignore_ascii_case(name));
            if is_taken && part == EntryPart::InsertedAt && table.schema().inserted_at.as_deref() == Some(name) {
                continue;
            }
            let name = if is_taken { format!("entry_{name}") } else { name.to_owned() };
            fields.push(Arc::new(Field::new(name, data_type, false)));
            all.push(Source::Entry(part));
        }
        fields.extend(schema.fields().iter().cloned());
        all.extend(sources);
        let root = Description { key: None, deleted: None, ..(*root).clone() };
        Self { root: Arc::new(root), schema: Arc::new(Schema::new(Fields::from(fields))), sources: all }
    }

    /// Returns which filters a scan applies.
    pub(super) fn support(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        let support = |filter: &&Expr| match self.convert(filter, &schema) {
            Some(Converted { is_exact: true, .. }) => TableProviderFilterPushDown::Exact,
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    /// Returns the conditions of filters that a scan applies.
    pub(super) fn conditions(&self, filters: &[Expr]) -> DataFusionResult<Conditions> {
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        let mut conditions = Conditions::default();
        for filter in filters {
            if let Some(converted) = self.convert(filter, &schema) {
                conditions.extend(converted.conditions);
            }
        }
        Ok(conditions)
    }

    /// Converts a condition on the table's columns.
    fn convert(&self, filter: &Expr, schema: &DFSchema) -> Option<Converted> {
        let context = PhysicalPlanningContext::default();
        // The columns have the name by which the query knows the table.
        let filter = unnormalize_col(filter.clone());
        let expr = create_physical_expr(&filter, schema, &ExecutionProps::new(), &context).ok()?;
        convert(&expr, &self.root, &|index| self.sources.get(index).copied())
    }
}

impl DatasetTable {
    pub(super) fn new(table: &Table) -> Self {
        let columns = Arc::new(TableColumns::of(table));
        Self { table: table.clone(), history: false, columns, only: PartitionFilter::All }
    }

    /// Returns every version of each entity instead of only the latest.
    #[must_use]
    pub fn history(mut self) -> Self {
        self.history = true;
        self
    }

    /// Has only the partitions that the patterns select: see [`IntoPatterns`] for the grammar. All are listed; conditions of
    /// queries decide what is listed.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): a pattern is not valid.
    pub fn only(mut self, patterns: impl IntoPatterns) -> Result<Self> {
        self.only = PartitionFilter::new(Ok(patterns.into_patterns(&self.columns.root.partition.texts())?));
        Ok(self)
    }
}

#[async_trait]
impl TableProvider for DatasetTable {
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
        if let Some(subject) = self.table.subject() {
            dataset.check_schema(subject.clone()).await.map_err(external)?;
        }
        let conditions = self.columns.conditions(filters)?;
        let snapshot = dataset.shared::<Queries>().snapshot(state);
        let patterns = partition_patterns(root, &conditions.rows, &conditions.partitions);
        let mut listed = snapshot.files(dataset, root, patterns).await.map_err(external)?;
        listed.retain(|partition| self.only.selects(&partition.key, &root.partition));
        let (kept, excluded): (Vec<_>, Vec<_>) =
            listed.into_iter().partition(|partition| can_match(&conditions, root, &partition.key));
        let rows_per_byte = groups::rows_per_byte(dataset, &kept).await.map_err(external)?;
        let units = kept.into_iter().map(Unit::of_partition).collect();
        let projection = projection.cloned().unwrap_or_else(|| (0..self.columns.sources.len()).collect());
        let target = state.config().target_partitions();
        ScanExec::planned(ScanParts {
            table: self.table.clone(),
            columns: Arc::clone(&self.columns),
            snapshot,
            history: self.history,
            excluded: excluded.len(),
            groups: groups::by_size(units, target).into(),
            rows_per_byte,
            projection,
            conditions,
            live: Vec::new(),
            fetch: limit,
        })
        .map(|scan| Arc::new(scan) as Arc<dyn ExecutionPlan>)
    }
}

/// Returns whether a partition can have a row for which the conditions are true.
pub(super) fn can_match(conditions: &Conditions, root: &Description, key: &str) -> bool {
    conditions.rows.iter().all(|condition| condition.can_match_partition(root, key))
        && conditions.partitions.iter().all(|condition| holds_for(condition, key))
}

/// Returns whether a condition on the texts of partition columns is true for a partition.
pub(super) fn holds_for(condition: &Predicate, key: &str) -> bool {
    use crate::record::{KeyPart, Literal, Truth};
    let truth = condition.truth::<bool, std::convert::Infallible>(&mut |&part, test| {
        let text = key.split('/').nth(part).and_then(|part| part.split_once('=')).map(|(_, text)| text);
        let result = test.of_value(text.map(|text| Literal::Part(KeyPart::Text(text.into()))).as_ref());
        Ok(Truth { is_true: result == Some(true), is_false: result == Some(false) })
    });
    match truth {
        Ok(truth) => truth.is_true,
        Err(never) => match never {},
    }
}
