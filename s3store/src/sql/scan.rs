//! The scan of a table in a plan: the engine of every read, as a leaf of DataFusion's plans.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_cast::cast;
use arrow_schema::{Field, SchemaRef, SortOptions};
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DataFusionResult, Statistics, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::execution::spill_file::SpillFile;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_expr_common::physical_expr::{snapshot_generation, snapshot_physical_expr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures_core::Stream;
use futures_util::{StreamExt as _, stream};

use super::condition::{Conditions, EntryPart, Source, convert};
use super::external;
use super::found::TableRows;
use super::groups::{Group, Unit};
use super::provider::can_match;
use super::snapshot::QuerySnapshot;
use crate::merge::Keep;
use crate::metrics::Tally;
use crate::read::{Columns, Events, FileSource, MissingFile, ReadMethod, Request, keep_for, split_filter};
use crate::record::Predicate;
use crate::scan::{Event, LiveFilter, ScanLimits};
use crate::spill::SpillDirectory;

/// The memory that a partition of a plan asks for: what a read may use.
const MOST_BYTES: u64 = 256 << 20;

/// The memory without which a partition of a plan does not begin.
const LEAST_BYTES: u64 = 4 << 20;

/// Reads the committed rows of some partitions of a dataset. Each partition of the plan has whole partitions of the dataset.
#[derive(Debug)]
pub(super) struct ScanExec {
    parts: Arc<ScanParts>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The parts of a scan.
#[derive(Debug, Clone)]
pub(super) struct ScanParts {
    pub(super) rows: TableRows,
    /// Held, so that all scans of the query find it.
    pub(super) snapshot: Arc<QuerySnapshot>,
    /// The number of partitions that were listed, and that the conditions exclude.
    pub(super) excluded: usize,
    /// The files of each partition of the plan.
    pub(super) groups: Arc<[Group]>,
    pub(super) rows_per_byte: Option<f64>,
    /// The columns that are returned, as indices into those of the table.
    pub(super) projection: Vec<usize>,
    pub(super) conditions: Conditions,
    /// Filters that become stricter while the query runs, on the columns that are returned.
    pub(super) live: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) fetch: Option<usize>,
}

impl ScanParts {
    fn source(&self, column: usize) -> Option<Source> {
        self.projection.get(column).and_then(|&column| self.rows.columns.sources.get(column)).copied()
    }

    fn keep(&self) -> Keep {
        keep_for(self.rows.columns.root.key.as_ref(), self.rows.history)
    }

    /// Returns whether the units are entries of the change stream.
    fn is_of_changes(&self) -> bool {
        self.rows.columns.sources.iter().any(|source| matches!(source, Source::Entry(_)))
    }

    /// Returns the order of the rows in each partition of the plan: by entity and version, as far as these columns are
    /// returned, or by offset. Returns nothing if a partition of the plan has several of the dataset.
    fn ordering(&self) -> Vec<PhysicalSortExpr> {
        let options = SortOptions { descending: false, nulls_first: true };
        if self.is_of_changes() {
            let offset = |&index: &usize| self.source(index) == Some(Source::Entry(EntryPart::Offset));
            let offset = (0..self.projection.len()).find(offset).map(|position| {
                let name =
                    self.projection.get(position).and_then(|&column| self.rows.columns.schema.fields().get(column));
                let name = name.map_or("offset", |field| field.name().as_str());
                PhysicalSortExpr::new(Arc::new(Column::new(name, position)), options)
            });
            return offset.into_iter().collect();
        }
        let root = &self.rows.columns.root;
        let (Some(key), true) = (&root.key, self.groups.iter().all(|group| group.len() <= 1)) else {
            return Vec::new();
        };
        let sorted = |index: usize| {
            let column = root.columns.get(index).filter(|column| !column.nullable)?;
            let position = (0..self.projection.len()).find(|&one| self.source(one) == Some(Source::Record(index)))?;
            let expr: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&column.name, position));
            Some(PhysicalSortExpr::new(expr, options))
        };
        key.columns().map_while(sorted).collect()
    }

    /// Returns the condition of the live filters as they are now, with a number that changes when they do.
    fn live_conditions(&self) -> (u64, Conditions) {
        let mut conditions = Conditions::default();
        let mut number = 0u64;
        for filter in &self.live {
            number = number.wrapping_add(snapshot_generation(filter));
            let Ok(now) = snapshot_physical_expr(Arc::clone(filter)) else { continue };
            if let Some(converted) = convert(&now, &self.rows.columns.root, &|column| self.source(column)) {
                conditions.extend(converted.conditions);
            }
        }
        (number, conditions)
    }

    fn bytes(&self, partition: Option<usize>) -> u64 {
        let groups =
            self.groups.iter().enumerate().filter(|(index, _)| partition.is_none_or(|wanted| wanted == *index));
        groups.flat_map(|(_, group)| group.iter()).map(Unit::bytes).sum()
    }
}

impl ScanExec {
    pub(super) fn planned(parts: ScanParts) -> DataFusionResult<Self> {
        let schema = Arc::new(parts.rows.columns.schema.project(&parts.projection)?);
        let mut equivalence = EquivalenceProperties::new(Arc::clone(&schema));
        let ordering = parts.ordering();
        if !ordering.is_empty() {
            equivalence.add_ordering(ordering);
        }
        let properties = PlanProperties::new(
            equivalence,
            Partitioning::UnknownPartitioning(parts.groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            parts: Arc::new(parts),
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// Returns the parts of the scan.
    #[cfg(feature = "ballista")]
    pub(super) fn parts(&self) -> &ScanParts {
        &self.parts
    }

    pub(super) fn changed(&self, change: impl FnOnce(&mut ScanParts)) -> DataFusionResult<Arc<Self>> {
        let mut parts = (*self.parts).clone();
        change(&mut parts);
        Self::planned(parts).map(Arc::new)
    }

    fn counts(&self) -> (usize, usize, u64) {
        let partitions = self.parts.groups.iter().map(|group| group.len()).sum();
        let files = self.parts.groups.iter().flat_map(|group| group.iter()).map(|unit| unit.files.files.len()).sum();
        (partitions, files, self.parts.bytes(None))
    }
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.parts;
        let (partitions, files, bytes) = self.counts();
        let separator = if format == DisplayFormatType::TreeRender { "\n" } else { ", " };
        if format != DisplayFormatType::TreeRender {
            f.write_str("S3storeScanExec: ")?;
        }
        let root = &parts.rows.columns.root;
        write!(f, "dataset={}", parts.rows.table.dataset().prefix())?;
        let kept = match parts.keep() {
            Keep::Latest => "latest",
            Keep::History => "history",
            Keep::All if parts.is_of_changes() => "changes",
            Keep::All => "all",
        };
        write!(f, "{separator}rows={kept}")?;
        let units = if parts.is_of_changes() { "entries" } else { "partitions" };
        write!(f, "{separator}{units}={partitions} of {}", partitions + parts.excluded)?;
        write!(f, "{separator}files={files}{separator}bytes={bytes}{separator}groups={}", parts.groups.len())?;
        if format != DisplayFormatType::TreeRender {
            let names: Vec<_> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
            write!(f, "{separator}projection=[{}]", names.join(", "))?;
        }
        let texts = |conditions: &[Predicate], name: &dyn Fn(usize) -> String| {
            let named = conditions.iter().map(|condition| {
                let named = condition.clone().map_columns(&mut |index| Ok::<_, std::convert::Infallible>(name(index)));
                named.map_or_else(|never| match never {}, |named| named.to_string())
            });
            named.collect::<Vec<_>>().join(" and ")
        };
        if !parts.conditions.rows.is_empty() {
            let name = |index: usize| root.columns.get(index).map_or_else(String::new, |node| node.name.to_string());
            write!(f, "{separator}filter={}", texts(&parts.conditions.rows, &name))?;
        }
        if !parts.conditions.partitions.is_empty() {
            let name = |index: usize| root.partition.get(index).map_or_else(String::new, ToString::to_string);
            write!(f, "{separator}partition_filter={}", texts(&parts.conditions.partitions, &name))?;
        }
        if !parts.live.is_empty() {
            let live: Vec<_> = parts.live.iter().map(ToString::to_string).collect();
            write!(f, "{separator}live_filter={}", live.join(" AND "))?;
        }
        match parts.fetch {
            Some(fetch) => write!(f, "{separator}limit={fetch}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &'static str {
        "S3storeScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        for filter in &self.parts.live {
            if f(filter)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("{} has no children", self.name()) }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        self.parts.snapshot.begin();
        let Some(files) = self.parts.groups.get(partition) else {
            return internal_err!("{} has no partition {partition}", self.name());
        };
        PartitionStream::new(self, partition, Arc::clone(files), &context)
            .map(|stream| Box::pin(stream) as SendableRecordBatchStream)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> DataFusionResult<Arc<Statistics>> {
        let bytes = self.parts.bytes(args.partition());
        let mut statistics = Statistics::new_unknown(&self.schema);
        if bytes == 0 {
            statistics.num_rows = Precision::Inexact(0);
            statistics.total_byte_size = Precision::Inexact(0);
        } else if let Some(rows_per_byte) = self.parts.rows_per_byte {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an estimate"
            )]
            let rows = (bytes as f64 * rows_per_byte) as usize;
            statistics.num_rows = Precision::Inexact(self.parts.fetch.map_or(rows, |fetch| rows.min(fetch)));
            statistics.total_byte_size = Precision::Inexact(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        Ok(Arc::new(statistics))
    }

    fn supports_limit_pushdown(&self) -> bool {
        false
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        self.changed(|parts| parts.fetch = limit).ok().map(|scan| scan as Arc<dyn ExecutionPlan>)
    }

    fn fetch(&self) -> Option<usize> {
        self.parts.fetch
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        pushed: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> DataFusionResult<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let (mut conditions, mut live) = (Conditions::default(), Vec::new());
        let results = pushed.parent_filters.into_iter().map(|result| {
            // A limit counts the rows before the filters above this node.
            if self.parts.fetch.is_some() {
                return PushedDown::No;
            }
            let source = |column| self.parts.source(column);
            match phase {
                FilterPushdownPhase::Pre => match convert(&result.filter, &self.parts.rows.columns.root, &source) {
                    Some(converted) => {
                        conditions.extend(converted.conditions);
                        if converted.is_exact { PushedDown::Yes } else { PushedDown::No }
                    }
                    None => PushedDown::No,
                },
                FilterPushdownPhase::Post => {
                    live.push(result.filter);
                    PushedDown::No
                }
            }
        });
        let results: Vec<_> = results.collect();
        let propagation = FilterPushdownPropagation::with_parent_pushdown_result(results);
        if conditions.is_empty() && live.is_empty() {
            return Ok(propagation);
        }
        let changed = self.changed(|parts| {
            // The partitions that the conditions exclude leave their groups, which stay as they are.
            let kept = parts.groups.iter().map(|group| {
                let kept =
                    group.iter().filter(|unit| can_match(&conditions, &parts.rows.columns.root, &unit.files.key));
                kept.cloned().collect::<Group>()
            });
            let kept: Arc<[_]> = kept.collect();
            let count = |groups: &[Group]| groups.iter().map(|group| group.len()).sum::<usize>();
            parts.excluded += count(&parts.groups) - count(&kept);
            parts.groups = kept;
            parts.conditions.extend(conditions);
            parts.live.extend(live);
        })?;
        Ok(propagation.with_updated_node(changed))
    }
}

/// The rows of one partition of the plan.
struct PartitionStream {
    schema: SchemaRef,
    events: Events<RecordBatch>,
    units: Group,
    /// The units that have begun to be read, and have not ended.
    reading: Arc<Mutex<VecDeque<usize>>>,
    /// The place of each returned column: among those of a batch, or in the key.
    columns: Vec<Place>,
    baseline: BaselineMetrics,
    counters: Counters,
    /// What the read has done, once it has begun.
    tally: Option<Arc<Tally>>,
    /// Released at the end, or when the stream is dropped.
    memory: MemoryReservation,
    /// Keeps the directory of temporary files, also if the session is dropped.
    _spill: Option<Arc<dyn SpillFile>>,
}

/// The counters of `EXPLAIN ANALYZE`.
struct Counters {
    partitions_read: Count,
    files_read: Count,
    bytes_fetched: Count,
    row_groups_read: Count,
    row_groups_excluded: Count,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Batch(usize),
    Constant(Source),
}

impl PartitionStream {
    fn new(scan: &ScanExec, partition: usize, units: Group, context: &TaskContext) -> DataFusionResult<Self> {
        let parts = &scan.parts;
        let memory = MemoryConsumer::new(format!("S3storeScan[{partition}]")).register(context.memory_pool());
        let mut limits = ScanLimits::new();
        // A half is left for the other nodes of the plan.
        let share = match context.memory_pool().memory_limit() {
            MemoryLimit::Finite(bytes) => bytes as u64 / 2 / parts.groups.len().max(1) as u64,
            MemoryLimit::Infinite | MemoryLimit::Unknown => MOST_BYTES,
        };
        limits.bytes = reserve(&memory, parts.bytes(Some(partition)), share)?;
        let (directory, spill) = spill_directory(context)?;
        limits.spill = directory;
        limits.rows = parts.fetch.map(|fetch| fetch as u64);

        let counters = |name: &'static str| MetricBuilder::new(&scan.metrics).counter(name, partition);
        let (excluded, reading) = (counters("partitions_excluded_live"), Arc::<Mutex<VecDeque<usize>>>::default());
        let (live, begun, all) = (Arc::clone(parts), Arc::clone(&reading), Arc::clone(&units));
        let partitions = stream::iter(0..units.len()).filter_map(move |index| {
            let unit = all.get(index).filter(|unit| {
                let is_needed = live.live.is_empty()
                    || can_match(&live.live_conditions().1, &live.rows.columns.root, &unit.files.key);
                if !is_needed {
                    excluded.add(1);
                }
                is_needed
            });
            if unit.is_some() {
                begun.lock().unwrap_or_else(PoisonError::into_inner).push_back(index);
            }
            std::future::ready(unit.map(|unit| Ok(unit.files.clone())))
        });

        let (mut names, mut columns) = (Vec::new(), Vec::new());
        for index in 0..parts.projection.len() {
            match parts.source(index) {
                Some(Source::Record(column)) => {
                    columns.push(Place::Batch(names.len()));
                    names.push(
                        parts.rows.columns.root.columns.get(column).map(|node| node.name.as_ref()).unwrap_or_default(),
                    );
                }
                Some(source) => columns.push(Place::Constant(source)),
                None => return internal_err!("a scan has no column {index}"),
            }
        }
        let source = FileSource::Partitions(partitions.boxed());
        let root = &parts.rows.columns.root;
        let record = root.projection(root.record.clone(), &names);
        let wanted = Columns::described(Arc::new(record), Arc::clone(root), None);
        let (method, missing) = match parts.is_of_changes() {
            true => (ReadMethod::Entries, MissingFile::Skip(Arc::default())),
            false => (ReadMethod::Snapshot, MissingFile::Fail),
        };
        let mut request = Request::new(parts.rows.table.dataset(), wanted, source, method, missing);
        (request.history, request.limits) = (parts.rows.history, limits);
        request.any_order = !parts.rows.in_order && parts.ordering().is_empty();
        for condition in &parts.conditions.rows {
            request.add_filter(Ok(condition.clone()));
        }
        if !parts.live.is_empty() {
            let live = Arc::clone(parts);
            request.live = Some(LiveFilter {
                current: Arc::new(move || {
                    let (number, conditions) = live.live_conditions();
                    (number, Predicate::all(conditions.rows))
                }),
                root: Arc::clone(&parts.rows.columns.root),
                split: split_filter,
            });
        }
        Ok(Self {
            schema: Arc::clone(&scan.schema),
            units,
            events: request.partition_batches(),
            reading,
            columns,
            baseline: BaselineMetrics::new(&scan.metrics, partition),
            counters: Counters {
                partitions_read: counters("partitions_read"),
                files_read: counters("files_read"),
                bytes_fetched: counters("bytes_fetched"),
                row_groups_read: counters("row_groups_read"),
                row_groups_excluded: counters("row_groups_excluded"),
            },
            tally: None,
            memory,
            _spill: spill,
        })
    }

    /// Returns the columns of the plan for a batch of the partition that is being read.
    fn batch(&self, batch: &RecordBatch) -> DataFusionResult<RecordBatch> {
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let unit = reading.front().and_then(|&index| self.units.get(index));
        let column = |place: &Place| -> DataFusionResult<ArrayRef> {
            match *place {
                Place::Batch(index) => match batch.columns().get(index) {
                    Some(column) => Ok(Arc::clone(column)),
                    None => internal_err!("a batch has no column {index}"),
                },
                Place::Constant(source) => match unit.and_then(|unit| unit.constant(source, batch.num_rows())) {
                    Some(column) => Ok(column),
                    None => internal_err!("a batch has no value of {source:?}"),
                },
            }
        };
        let fields = self.schema.fields();
        let columns = self.columns.iter().map(column).zip(fields).map(|(column, field)| fitted(column?, field));
        let columns = columns.collect::<DataFusionResult<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

impl Stream for PartitionStream {
    type Item = DataFusionResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let event = self.events.poll_next(context);
            if self.tally.is_none() {
                self.tally = self.events.tally().cloned();
            }
            let event = ready!(event);
            let result = match event {
                None => {
                    self.baseline.done();
                    self.report();
                    self.memory.free();
                    return Poll::Ready(None);
                }
                Some(Err(error)) => Err(external(error)),
                Some(Ok(Event::PartitionEnd { .. })) => {
                    self.reading.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    self.counters.partitions_read.add(1);
                    continue;
                }
                Some(Ok(Event::Chunk(batch))) if batch.num_rows() == 0 => continue,
                Some(Ok(Event::Chunk(batch))) => self.batch(&batch).record_output(&self.baseline),
            };
            return Poll::Ready(Some(result));
        }
    }
}

impl PartitionStream {
    /// Adds what the read has done to the counters, once.
    fn report(&mut self) {
        let Some(tally) = self.tally.take() else { return };
        let work = tally.read_work();
        for (counter, count) in [
            (&self.counters.files_read, work.files),
            (&self.counters.bytes_fetched, work.bytes),
            (&self.counters.row_groups_read, work.row_groups),
            (&self.counters.row_groups_excluded, work.excluded_row_groups),
        ] {
            counter.add(usize::try_from(count).unwrap_or(usize::MAX));
        }
    }
}

impl Drop for PartitionStream {
    fn drop(&mut self) {
        self.report();
    }
}

impl RecordBatchStream for PartitionStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// Returns a column in the type of its field. Reads return views; a table may have none.
pub(super) fn fitted(column: ArrayRef, field: &Field) -> DataFusionResult<ArrayRef> {
    match column.data_type() == field.data_type() {
        true => Ok(column),
        false => Ok(cast(&column, field.data_type())?),
    }
}

/// Reserves memory for reading files of so many bytes, at most a share of the pool. Returns how much.
///
/// Takes what the pool gives, down to [`LEAST_BYTES`]: a read with less memory merges and spills more.
fn reserve(memory: &MemoryReservation, files: u64, share: u64) -> DataFusionResult<u64> {
    // Decoded rows take more than files do.
    let mut bytes = files.saturating_mul(8).min(share).clamp(LEAST_BYTES, MOST_BYTES);
    loop {
        match memory.try_grow(usize::try_from(bytes).unwrap_or(usize::MAX)) {
            Ok(()) => return Ok(bytes),
            Err(error) if bytes <= LEAST_BYTES => return Err(error),
            Err(_) => bytes = (bytes / 2).max(LEAST_BYTES),
        }
    }
}

/// Returns the directory of DataFusion's temporary files, and a file that keeps it.
fn spill_directory(context: &TaskContext) -> DataFusionResult<(SpillDirectory, Option<Arc<dyn SpillFile>>)> {
    let disk = &context.runtime_env().disk_manager;
    if !disk.tmp_files_enabled() {
        return Ok((SpillDirectory::Forbidden, None));
    }
    // The manager does not name its directories, but those of its files.
    let file = disk.create_tmp_file("directory of a scan")?;
    let directory = match file.path().and_then(|path| path.parent()) {
        Some(directory) => SpillDirectory::At(directory.to_owned()),
        None => SpillDirectory::default(),
    };
    Ok((directory, Some(file)))
}
