//! A read as a value that does not know its record's type: which rows of which files, and within which limits.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

#[cfg(feature = "arrow")]
use super::batch_stream::BatchStream;
use super::count::{self, RowCount};
use super::explain::ReadPlan;
use super::method::{ReadMethod, ResultForm};
#[cfg(feature = "arrow")]
use super::sink;
use super::sink::Events;
use super::walk::Haste;
use super::{CHUNKS_READY, filter, snapshot};
use crate::codec::Opener;
use crate::dataset::{Dataset, Subject, TaskStream};
use crate::error::{Error, Result};
use crate::merge::Keep;
use crate::metrics::Tally;
use crate::pattern::Pattern;
use crate::record::{Description, Key, Predicate, ReadLayout, Record};
use crate::scan::{Event, LiveFilter, MissingFile, PartitionFiles, Scan, ScanLimits, Sink, UndecodableFile};
use crate::spill::SpillDirectory;

/// The default of [`Read::read_ahead_bytes`](super::Read::read_ahead_bytes).
pub(super) const READ_AHEAD_BYTES: u64 = 256 << 20;

/// A partition of at most this size is held in memory, whatever the limit. Streaming it would take no less.
const ALWAYS_HELD: u64 = 1 << 20;

/// A description that lives for ever, because a derive made it, or that is shared.
#[derive(Debug, Clone)]
pub(crate) enum DescriptionRef {
    Derived(&'static Description),
    Shared(Arc<Description>),
}

impl Deref for DescriptionRef {
    type Target = Description;

    fn deref(&self) -> &Description {
        match self {
            Self::Derived(description) => description,
            Self::Shared(description) => description,
        }
    }
}

/// The columns that a read returns, and those of the record that they are taken from.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub(crate) record: DescriptionRef,
    pub(crate) root: DescriptionRef,
    /// The record type that is compared with the dataset's schema. `None` for columns that do not come from a type.
    subject: Option<Subject>,
}

impl Columns {
    pub(crate) fn of<T: Record>() -> Self {
        let (record, root) = (T::description(), T::Root::description());
        Self {
            record: DescriptionRef::Derived(record),
            root: DescriptionRef::Derived(root),
            subject: Some(Subject::reader::<T>()),
        }
    }

    /// Returns columns that are not those of a Rust type.
    pub(crate) fn described(record: Arc<Description>, root: Arc<Description>, subject: Option<Subject>) -> Self {
        Self { record: DescriptionRef::Shared(record), root: DescriptionRef::Shared(root), subject }
    }

    fn layout(&self) -> ReadLayout {
        ReadLayout::new(&self.record, &self.root)
    }

    /// Fails if the columns are those of a record type that does not fit the dataset's schema.
    async fn check(&self, dataset: &Dataset) -> Result<()> {
        match &self.subject {
            Some(subject) => dataset.check_schema(subject.clone()).await,
            None => Ok(()),
        }
    }
}

/// The source of a read's files.
pub(crate) enum FileSource {
    /// A snapshot of the partitions that patterns select.
    Patterns(Result<Vec<Pattern>>),
    /// Committed files that were found in another way.
    Find(FindFiles),
    /// Committed files, partition by partition.
    #[cfg_attr(not(feature = "datafusion"), expect(dead_code, reason = "used by SQL"))]
    Partitions(BoxStream<'static, Result<PartitionFiles>>),
}

/// Finds the committed files to read: partitions in key order, files in key order. Counts its requests in the tally.
pub(crate) type FindFiles = Box<dyn FnOnce(Arc<Tally>) -> FoundFiles + Send>;

type FoundFiles = Pin<Box<dyn Future<Output = Result<Vec<PartitionFiles>>> + Send>>;

/// A read, without the type of its records.
pub(crate) struct Request {
    dataset: Dataset,
    columns: Columns,
    source: FileSource,
    method: ReadMethod,
    missing: MissingFile,
    pub(crate) history: bool,
    /// True if the rows of a partition may come in any order.
    pub(crate) any_order: bool,
    pub(crate) as_of: Option<i64>,
    pub(crate) undecodable: UndecodableFile,
    /// A condition on the columns of the root record.
    filter: Result<Option<Predicate>>,
    /// A further condition, which becomes stricter while the read runs.
    pub(crate) live: Option<LiveFilter>,
    pub(crate) limits: ScanLimits,
}

impl ScanLimits {
    /// Returns the limits of a read whose caller sets none.
    pub(crate) fn new() -> Self {
        Self {
            partitions: None,
            rows: None,
            bytes: READ_AHEAD_BYTES,
            always_held: ALWAYS_HELD,
            decode_tasks: None,
            spill: SpillDirectory::default(),
        }
    }
}

impl Request {
    pub(crate) fn new(
        dataset: &Dataset,
        columns: Columns,
        source: FileSource,
        method: ReadMethod,
        missing: MissingFile,
    ) -> Self {
        Self {
            dataset: dataset.clone(),
            columns,
            source,
            method,
            missing,
            history: false,
            any_order: false,
            as_of: None,
            undecodable: UndecodableFile::Fail,
            filter: Ok(None),
            live: None,
            limits: ScanLimits::new(),
        }
    }

    /// Adds a condition that must be true, too.
    pub(crate) fn add_filter(&mut self, condition: Result<Predicate>) {
        let before = std::mem::replace(&mut self.filter, Ok(None));
        self.filter = match (before, condition) {
            (Ok(Some(before)), Ok(condition)) => Ok(Some(before.and(condition))),
            (Ok(None), Ok(condition)) => Ok(Some(condition)),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
    }

    /// Streams the rows as Arrow batches.
    #[cfg(feature = "arrow")]
    pub(crate) fn batches(self) -> BatchStream {
        let layout = self.columns.layout().in_declared_units();
        let schema = Arc::clone(layout.own_schema());
        sink::batches(self.start_with::<sink::ArrowBatches>(layout, ResultForm::BatchStream), schema)
    }

    /// Returns the batches of each partition, and where each partition ends.
    #[cfg(feature = "datafusion")]
    pub(crate) fn partition_batches(self) -> Events<arrow_array::RecordBatch> {
        let layout = self.columns.layout().in_declared_units();
        self.start_with::<sink::ArrowBatches>(layout, ResultForm::BatchStream)
    }

    /// Counts the rows.
    pub(crate) async fn count(mut self) -> Result<u64> {
        self.any_order = true;
        let root = &self.columns.root;
        let layout = ReadLayout::new(&root.projection(root.record.clone(), &[]), root);
        let is_filtered = !matches!(self.filter, Ok(None));
        let reads_rows = layout.key.is_some() || is_filtered || matches!(self.undecodable, UndecodableFile::Skip(_));
        let limit = self.limits.rows.unwrap_or(u64::MAX);
        if reads_rows {
            let mut events = self.start_with::<RowCount>(layout, ResultForm::Count);
            let mut rows = 0;
            while let Some(event) = events.next().await {
                if let Event::Chunk(chunk) = event? {
                    rows += chunk as u64;
                }
            }
            return Ok(rows);
        }
        let (metrics, method) = (self.dataset.metrics().clone(), self.method.clone());
        let begin = move || method.begin(&metrics, ResultForm::Count);
        let mut counts = TaskStream::new(1, begin, move |out, tally| async move {
            let (dataset, missing) = (self.dataset.clone(), self.missing.clone());
            let partitions = async { self.find_files(&dataset, &tally).await?.try_collect().await };
            let rows = match partitions.await {
                Ok(partitions) => count::rows_of_files(&dataset, partitions, &missing, &tally).await,
                Err(error) => Err(error),
            };
            let _ = out.send(rows).await;
        });
        Ok(counts.single().await?.min(limit))
    }

    /// Returns how the read would run.
    pub(crate) async fn explain(self) -> Result<ReadPlan> {
        let (metrics, method) = (self.dataset.metrics().clone(), self.method.clone());
        let begin = move || method.begin(&metrics, ResultForm::Plan);
        let mut plans = TaskStream::new(1, begin, move |out, tally| async move {
            let plan = self.plan(&tally).await;
            let _ = out.send(plan).await;
        });
        plans.single().await
    }

    async fn plan(mut self, tally: &Arc<Tally>) -> Result<ReadPlan> {
        let (scan, dataset) = (self.scan(self.columns.layout(), Arc::clone(tally))?, self.dataset.clone());
        let mut plan = ReadPlan::new(&self.columns.record.record, scan.opener.layout(), scan.keep);
        let (root, filter) = (self.columns.root.clone(), std::mem::replace(&mut self.filter, Ok(None))?);
        let mut partitions = self.find_files(&dataset, tally).await?;
        while let Some(partition) = partitions.try_next().await? {
            if is_excluded(filter.as_ref(), &root, &partition) {
                plan.excluded_partitions.push(partition.key);
            } else {
                plan.partitions.push(scan.explain(partition).await?);
            }
        }
        Ok(plan)
    }

    /// Starts the read.
    pub(super) fn start<S: Sink>(self, form: ResultForm) -> Events<S::Chunk> {
        let layout = self.columns.layout();
        self.start_with::<S>(layout, form)
    }

    fn start_with<S: Sink>(mut self, layout: ReadLayout, form: ResultForm) -> Events<S::Chunk> {
        let (metrics, method) = (self.dataset.metrics().clone(), self.method.clone());
        let begin = move || method.begin(&metrics, form);
        Events::new(CHUNKS_READY, begin, move |out, tally| async move {
            let scan = match self.scan(layout, Arc::clone(&tally)) {
                Ok(scan) => scan,
                Err(error) => return drop(out.send(Err(error)).await),
            };
            let dataset = self.dataset.clone();
            match self.find_files(&dataset, &tally).await {
                Ok(partitions) => {
                    let mut fan_out = FilesFanOut { dataset: &dataset, files: 0 };
                    let partitions = partitions.inspect_ok(move |partition| fan_out.add(partition.files.len()));
                    scan.run::<S>(partitions, out).await;
                }
                Err(error) => drop(out.send(Err(error)).await),
            }
        })
    }

    /// Returns the scan of the read's files.
    ///
    /// # Errors
    /// The filter has a value that does not fit its column.
    fn scan(&mut self, layout: ReadLayout, tally: Arc<Tally>) -> Result<Scan> {
        let filter = match &mut self.filter {
            Ok(filter) => filter.clone(),
            failed => std::mem::replace(failed, Ok(None))?,
        };
        let (layout, keep) = filtered(layout, &self.columns.root, filter, self.history)?;
        Ok(Scan {
            dataset: self.dataset.clone(),
            reads_parts: reads_parts(&layout, &self.columns.root) || self.live.is_some(),
            keep,
            any_order: self.any_order,
            opener: Arc::new(Opener::new(layout)),
            live: self.live.clone(),
            limits: self.limits.clone(),
            missing: self.missing.clone(),
            undecodable: self.undecodable.clone(),
            tally,
        })
    }

    /// Finds the files to read, partition by partition in the order of their keys. Those of a snapshot come while the listing
    /// goes on.
    async fn find_files<'a>(
        self,
        dataset: &'a Dataset,
        tally: &'a Arc<Tally>,
    ) -> Result<BoxStream<'a, Result<PartitionFiles>>> {
        let Self { source, missing, as_of, undecodable, filter, limits, columns, .. } = self;
        if let (MissingFile::Fail, UndecodableFile::Skip(_)) = (&missing, &undecodable) {
            return Err(Error::invalid_input(
                "skip_undecodable: a snapshot is complete or fails; only a read of the change stream can leave files out",
            ));
        }
        let partitions = match source {
            FileSource::Patterns(patterns) => {
                let patterns = patterns?;
                if limits.rows == Some(0) {
                    return Ok(stream::empty().boxed());
                }
                columns.check(dataset).await?;
                let names = columns.root.partition.clone();
                snapshot::partitions(dataset, patterns, names, Haste::First, as_of, tally).boxed()
            }
            FileSource::Partitions(partitions) => partitions,
            FileSource::Find(_) if as_of.is_some() => {
                return Err(Error::invalid_input(
                    "as_of: only a snapshot can be read as of a time; read_range takes a window",
                ));
            }
            FileSource::Find(find) => {
                let files = find(Arc::clone(tally)).await?;
                columns.check(dataset).await?;
                stream::iter(files.into_iter().map(Ok)).boxed()
            }
        };
        let Some(filter) = filter? else { return Ok(partitions) };
        let can_match =
            move |partition: &PartitionFiles| std::future::ready(!is_excluded(Some(&filter), &columns.root, partition));
        Ok(partitions.try_filter(can_match).boxed())
    }
}

/// Adds a filter on the columns of `root` to a layout. Returns the layout, and the rows that remain of those with equal keys.
fn filtered(
    layout: ReadLayout,
    root: &Description,
    filter: Option<Predicate>,
    history: bool,
) -> Result<(ReadLayout, Keep)> {
    let keep = keep_for(layout.key.as_ref(), history);
    let Some(filter) = filter else { return Ok((layout, keep)) };
    let (layout, filter) = layout.with_predicate(root, filter)?;
    let filter = filter::split(filter, &layout, keep);
    Ok((layout.with_filter(filter), keep))
}

/// Returns whether parts of files may not be needed.
fn reads_parts(layout: &ReadLayout, root: &Description) -> bool {
    layout.columns.len() < root.columns.len() || layout.filter.below.is_some()
}

/// Returns the rows that remain of those with equal keys.
pub(crate) fn keep_for(key: Option<&Key>, history: bool) -> Keep {
    match (key, history) {
        (None, _) => Keep::All,
        (Some(_), true) => Keep::History,
        (Some(_), false) => Keep::Latest,
    }
}

/// Returns whether no row of a partition can match the filter, by the partition's key.
fn is_excluded(filter: Option<&Predicate>, root: &Description, partition: &PartitionFiles) -> bool {
    filter.is_some_and(|filter| !filter.can_match_partition(root, &partition.key))
}

/// Records the files of a read as one fan-out, when no more of them are sought.
struct FilesFanOut<'a> {
    dataset: &'a Dataset,
    files: usize,
}

impl FilesFanOut<'_> {
    fn add(&mut self, files: usize) {
        self.files += files;
    }
}

impl Drop for FilesFanOut<'_> {
    fn drop(&mut self) {
        self.dataset.metrics().fanout(self.files, self.dataset.client().permits());
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("record", &self.columns.record.record)
            .field("source", &self.source)
            .field("history", &self.history)
            .field("as_of", &self.as_of)
            .field("filter", &self.filter)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patterns(patterns) => patterns.fmt(f),
            Self::Find(_) | Self::Partitions(_) => f.write_str("files"),
        }
    }
}
