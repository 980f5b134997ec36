//! Views as tables: the tuples that look-ups find.

use std::fmt;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions, StringViewArray};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DataFusionResult, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures_util::{Stream, StreamExt as _, stream};

use super::condition::{Conditions, Source};
use super::external;
use super::provider::{TableColumns, holds_for};
use super::scan::fitted;
use crate::dataset::Dataset;
use crate::pattern::Pattern;
use crate::record::{Description, Names, partition_patterns};
use crate::schema::SchemaView;
use crate::view::tuples;

/// A view of a dataset as a table of DataFusion, made by [`Table::view_provider`](crate::table::Table::view_provider).
///
/// Its columns are texts. The rows are those of a [look-up](crate::view::ViewReader::lookup): each tuple once, also tuples of
/// writes that were never committed. Conditions on the columns select what is listed.
#[derive(Debug, Clone)]
pub struct ViewTable {
    dataset: Dataset,
    view: SchemaView,
    columns: Arc<TableColumns>,
}

impl ViewTable {
    pub(super) fn new(dataset: &Dataset, view: &SchemaView) -> Self {
        let names: Names = view.columns.iter().cloned().map(Into::into).collect();
        let fields: Fields = names.iter().map(|name| Field::new(name.as_ref(), DataType::Utf8View, false)).collect();
        let sources = (0..names.len()).map(Source::Partition).collect();
        let root = Description {
            record: view.name.clone().into(),
            columns: Vec::new(),
            partition: names,
            rendering: Vec::new(),
            key: None,
            inserted_at: None,
            deleted: None,
        };
        let columns = TableColumns { root: Arc::new(root), schema: Arc::new(Schema::new(fields)), sources };
        Self { dataset: dataset.clone(), view: view.clone(), columns: Arc::new(columns) }
    }

    /// Returns texts as `Utf8`, instead of as views: see [`DatasetTable::without_views`](super::DatasetTable::without_views).
    #[must_use]
    pub fn without_views(mut self) -> Self {
        self.columns = Arc::new(self.columns.without_views());
        self
    }

    /// Returns the scan of the tuples that match filters.
    pub(super) fn scan_of(&self, filters: &[Expr], projection: Option<&Vec<usize>>) -> DataFusionResult<ViewExec> {
        self.exec(self.columns.conditions(filters)?, projection)
    }

    #[cfg(feature = "ballista")]
    pub(super) fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    #[cfg(feature = "ballista")]
    pub(super) fn view(&self) -> &SchemaView {
        &self.view
    }

    #[cfg(feature = "ballista")]
    pub(super) fn columns(&self) -> &TableColumns {
        &self.columns
    }

    /// Returns the scan of the tuples that the conditions select.
    pub(super) fn exec(&self, conditions: Conditions, projection: Option<&Vec<usize>>) -> DataFusionResult<ViewExec> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.view.columns.len()).collect());
        let schema = Arc::new(self.columns.schema.project(&projection)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (table, properties) = (self.clone(), Arc::new(properties));
        Ok(ViewExec { table, conditions, projection, schema, properties, metrics: ExecutionPlanMetricsSet::new() })
    }
}

#[async_trait]
impl TableProvider for ViewTable {
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
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.scan_of(filters, projection)?))
    }
}

/// Looks the tuples of a view up.
#[derive(Debug)]
pub(super) struct ViewExec {
    table: ViewTable,
    conditions: Conditions,
    projection: Vec<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ViewExec {
    #[cfg(feature = "ballista")]
    pub(super) fn table(&self) -> &ViewTable {
        &self.table
    }

    #[cfg(feature = "ballista")]
    pub(super) fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Returns the columns that are returned, as indices into those of the view.
    #[cfg(feature = "ballista")]
    pub(super) fn projection(&self) -> &[usize] {
        &self.projection
    }

    fn patterns(&self) -> Vec<Pattern> {
        partition_patterns(&self.table.columns.root, &[], &self.conditions.partitions)
    }
}

impl DisplayAs for ViewExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3storeViewExec: view={}, patterns={}", self.table.view.name, self.patterns().len())
    }
}

impl ExecutionPlan for ViewExec {
    fn name(&self) -> &'static str {
        "S3storeViewExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("{} has no children", self.name()) }
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let (conditions, projection) = (self.conditions.clone(), self.projection.clone());
        let holds = move |tuple: &str| conditions.partitions.iter().all(|condition| holds_for(condition, tuple));
        let ViewTable { dataset, view, .. } = &self.table;
        let batches = tuple_batches(dataset, view, self.patterns(), holds, projection, Arc::clone(&self.schema));
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let batches = batches.map(move |batch| batch.record_output(&baseline));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Returns the tuples of a view for which `holds` is true, as batches of a schema. `projection` are the columns of the schema, as
/// indices into those of the view.
pub(crate) fn tuple_batches(
    dataset: &Dataset,
    view: &SchemaView,
    patterns: Vec<Pattern>,
    holds: impl Fn(&str) -> bool + Send + 'static,
    projection: Vec<usize>,
    schema: SchemaRef,
) -> impl Stream<Item = DataFusionResult<RecordBatch>> + Send + 'static {
    let state = (tuples(dataset, view.clone(), patterns), holds, projection, schema);
    stream::unfold(state, |(mut pages, holds, projection, schema)| async move {
        let batch = pages.next().await?.map_err(external).and_then(|mut page| {
            page.retain(|(tuple, _)| holds(tuple));
            let column = |(&index, field): (&usize, &Arc<Field>)| {
                let texts = page.iter().map(|(_, values)| values.get(index).map(String::as_str));
                fitted(Arc::new(StringViewArray::from_iter(texts)), field)
            };
            let options = RecordBatchOptions::new().with_row_count(Some(page.len()));
            let columns = projection.iter().zip(schema.fields()).map(column).collect::<DataFusionResult<_>>()?;
            Ok(RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?)
        });
        Some((batch, (pages, holds, projection, schema)))
    })
}
