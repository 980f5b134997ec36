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
use super::found::{Found, TableRows};
use super::groups::{self, Unit};
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
    rows: TableRows,
    /// The partitions that the table has.
    only: PartitionFilter,
}

/// The columns of a table in SQL.
#[derive(Debug, Clone)]
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

    /// Returns the columns with texts and bytes as `Utf8` and `Binary`, instead of as views.
    pub(super) fn without_views(&self) -> Self {
        let fields = self.schema.fields().iter().map(without_views);
        Self { schema: Arc::new(Schema::new(fields.collect::<Fields>())), ..self.clone() }
    }

    /// Returns whether texts or bytes are views.
    #[cfg(feature = "ballista")]
    pub(super) fn has_views(&self) -> bool {
        self.schema != self.without_views().schema
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
        let rows = TableRows { table: table.clone(), columns, history: false, in_order: false };
        Self { rows, only: PartitionFilter::All }
    }

    /// Returns every version of each entity instead of only the latest.
    #[must_use]
    pub fn history(mut self) -> Self {
        self.rows.history = true;
        self
    }

    /// Returns the rows of each partition of a plan in the order of reads.
    #[cfg(feature = "cli")]
    pub(crate) fn in_order(mut self) -> Self {
        self.rows.in_order = true;
        self
    }

    /// Returns texts and bytes as `Utf8` and `Binary`, instead of as views. [`register`](super::register) does so if the
    /// session's option `datafusion.execution.parquet.schema_force_view_types` is off.
    ///
    /// Batches with views keep the memory of all texts of a file, and are sent to other processes with it.
    #[must_use]
    pub fn without_views(mut self) -> Self {
        self.rows.columns = Arc::new(self.rows.columns.without_views());
        self
    }

    /// Has only the partitions that the patterns select: see [`IntoPatterns`] for the grammar. All are listed; conditions of
    /// queries decide what is listed.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): a pattern is not valid.
    pub fn only(mut self, patterns: impl IntoPatterns) -> Result<Self> {
        self.only = PartitionFilter::new(Ok(patterns.into_patterns(&self.rows.columns.root.partition.texts())?));
        Ok(self)
    }
}

impl DatasetTable {
    /// Returns the rows that the table has.
    #[cfg(feature = "ballista")]
    pub(super) fn rows(&self) -> &TableRows {
        &self.rows
    }

    /// Finds the committed files of the partitions that can match the conditions.
    pub(super) async fn find(&self, session: &dyn Session, conditions: &Conditions) -> DataFusionResult<Found> {
        let (dataset, root) = (self.rows.table.dataset(), &self.rows.columns.root);
        if let Some(subject) = self.rows.table.subject() {
            dataset.check_schema(subject.clone()).await.map_err(external)?;
        }
        let snapshot = dataset.shared::<Queries>().snapshot(session);
        let patterns = partition_patterns(root, &conditions.rows, &conditions.partitions);
        let mut listed = snapshot.files(dataset, root, patterns).await.map_err(external)?;
        listed.retain(|partition| self.only.selects(&partition.key, &root.partition));
        let count = listed.len();
        listed.retain(|partition| can_match(conditions, root, &partition.key));
        let (excluded, rows_per_byte) = (count - listed.len(), groups::rows_per_byte(dataset, &listed).await);
        let units = listed.into_iter().map(Unit::of_partition).collect();
        Ok(Found { snapshot, units, excluded, rows_per_byte: rows_per_byte.map_err(external)? })
    }
}

#[async_trait]
impl TableProvider for DatasetTable {
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

/// Returns a field with `Utf8` and `Binary` in place of their view types.
fn without_views(field: &Arc<Field>) -> Arc<Field> {
    let data_type = match field.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(element) => DataType::List(without_views(element)),
        DataType::Map(entries, sorted) => DataType::Map(without_views(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(without_views).collect()),
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
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
