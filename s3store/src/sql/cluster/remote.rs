//! Scans whose files come from a child that Ballista knows.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, BinaryArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DataFusionResult, Statistics, internal_datafusion_err, internal_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter_pushdown::{ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use super::super::groups::{Group, Unit};
use super::super::scan::ScanExec;
use super::super::view::ViewExec;

/// A scan whose files are rows of its child: each partition of the child has one row, with the files of that partition.
///
/// Ballista divides a plan between tasks at the sources that it knows. A source of ours would be read as a whole by each task. The
/// child is a table in memory, of which a task has its partitions, so the task's plan has the task's files and no others. The
/// child is never executed.
#[derive(Debug)]
pub(super) struct RemoteExec {
    scan: Scan,
    child: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

/// The scan of files, or of a view.
#[derive(Debug, Clone)]
pub(super) enum Scan {
    /// Files of a dataset.
    Files(Arc<ScanExec>),
    /// The tuples of a view, which is one partition without files.
    View(Arc<ViewExec>),
}

impl Scan {
    fn plan(&self) -> &dyn ExecutionPlan {
        match self {
            Self::Files(scan) => scan.as_ref(),
            Self::View(scan) => scan.as_ref(),
        }
    }
}

impl RemoteExec {
    /// Makes the child of a scan.
    pub(super) fn new(scan: Scan) -> DataFusionResult<Self> {
        let rows: Vec<Vec<u8>> = match &scan {
            Scan::Files(scan) => scan.parts().groups.iter().map(encoded).collect::<DataFusionResult<_>>()?,
            Scan::View(_) => vec![Vec::new()],
        };
        let schema = Arc::new(Schema::new(vec![Field::new("files", DataType::Binary, false)]));
        let batch = |row: Vec<u8>| {
            let column = Arc::new(BinaryArray::from_iter_values([row])) as ArrayRef;
            Ok(vec![RecordBatch::try_new(Arc::clone(&schema), vec![column])?])
        };
        let partitions = rows.into_iter().map(batch).collect::<DataFusionResult<Vec<_>>>()?;
        let source = MemorySourceConfig::try_new(&partitions, Arc::clone(&schema), None)?;
        Ok(Self::of_child(scan, DataSourceExec::from_data_source(source), partitions.len()))
    }

    /// Scans the files that a child names.
    pub(super) fn with_child(scan: &Scan, child: &Arc<dyn ExecutionPlan>) -> DataFusionResult<Self> {
        let source = child.downcast_ref::<DataSourceExec>().map(|child| child.data_source());
        let Some(source) = source.and_then(|source| source.downcast_ref::<MemorySourceConfig>()) else {
            return internal_err!("the child of a scan is {}, instead of a table in memory", child.name());
        };
        let partitions = source.partitions();
        let scan = match scan {
            Scan::Files(scan) => {
                let groups =
                    partitions.iter().map(|batches| decoded(batches)).collect::<DataFusionResult<Arc<[Group]>>>()?;
                Scan::Files(scan.changed(|parts| parts.groups = groups)?)
            }
            Scan::View(scan) => Scan::View(Arc::clone(scan)),
        };
        Ok(Self::of_child(scan, Arc::clone(child), partitions.len()))
    }

    fn of_child(scan: Scan, child: Arc<dyn ExecutionPlan>, partitions: usize) -> Self {
        // It declares no order: a shuffle between tasks does not keep one, although DataFusion's repartition does.
        let properties = PlanProperties::new(
            EquivalenceProperties::new(scan.plan().schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { scan, child, properties: Arc::new(properties) }
    }

    pub(super) fn scan(&self) -> &Scan {
        &self.scan
    }

    fn changed(scan: &dyn ExecutionPlan) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        match scan.downcast_ref::<ScanExec>() {
            Some(scan) => Ok(Arc::new(Self::new(Scan::Files(scan.changed(|_| ())?))?)),
            None => internal_err!("a scan became {}", scan.name()),
        }
    }
}

impl DisplayAs for RemoteExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scan.plan().fmt_as(format, f)
    }
}

impl ExecutionPlan for RemoteExec {
    fn name(&self) -> &'static str {
        "S3storeRemoteExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.child]
    }

    // The rows of the child are not to be spread.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        self.scan.plan().apply_expressions(f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        match children.as_slice() {
            [child] => Ok(Arc::new(Self::with_child(&self.scan, child)?)),
            _ => internal_err!("{} has one child", self.name()),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        self.scan.plan().execute(partition, context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.scan.plan().metrics()
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> DataFusionResult<Arc<Statistics>> {
        self.scan.plan().statistics_from_inputs(&[], args)
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let changed = self.scan.plan().with_fetch(limit)?;
        Self::changed(changed.as_ref()).ok()
    }

    fn fetch(&self) -> Option<usize> {
        self.scan.plan().fetch()
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        pushed: ChildPushdownResult,
        config: &ConfigOptions,
    ) -> DataFusionResult<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let mut propagation = self.scan.plan().handle_child_pushdown_result(phase, pushed, config)?;
        if let Some(changed) = propagation.updated_node.take() {
            propagation.updated_node = Some(Self::changed(changed.as_ref())?);
        }
        Ok(propagation)
    }
}

fn encoded(group: &Group) -> DataFusionResult<Vec<u8>> {
    serde_json::to_vec(&group[..]).map_err(|error| internal_datafusion_err!("files of a plan: {error}"))
}

fn decoded(batches: &[RecordBatch]) -> DataFusionResult<Group> {
    let column =
        batches.first().and_then(|batch| batch.columns().first()).and_then(|column| column.as_binary_opt::<i32>());
    let Some(row) = column.filter(|column| column.len() == 1).map(|column| column.value(0)) else {
        return internal_err!("a partition of a plan names no files");
    };
    let units: Vec<Unit> =
        serde_json::from_slice(row).map_err(|error| internal_datafusion_err!("files of a plan: {error}"))?;
    Ok(units.into())
}
