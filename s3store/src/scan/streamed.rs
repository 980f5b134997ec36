//! Partitions that do not fit into memory: each file is decoded while it is merged, and holds one row group, or a few pages of
//! a large one.
//!
//! The rows of a file must be in order for that. The key columns are read first, to check it, because a merge can't take
//! back a row once a smaller one appears. A file that is out of order is sorted in parts, which are kept in local files.
//! If the runs take more memory than there is, neighbouring ones are merged into a local file first, in passes.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::fetch::{add_to_footer, fetch_step, vanished};
use super::held::gone;
use super::partition::{OpenFile, PartitionScan, PartitionWork};
use super::plan::run_memory;
use super::rows::{RowsError, names};
use super::sink::Sink;
use crate::codec::sort::OrderCheck;
use crate::codec::{Footer, Opener, RangeProgress, RangeReader, StepRanges};
use crate::cpu;
use crate::dataset::task_error;
use crate::error::{Error, Result};
use crate::merge::{BatchSource, FileRuns, MergeProgress, StreamingMerge, compact, merge_part};
use crate::record::{Key, ReadLayout};
use crate::spill::{SpillReader, SpillWriter, SpilledRun, merge_groups};

/// A sorted part of a partition. The runs of a partition are in the order of their files, and of their rows within a file.
enum Run {
    File(Box<OpenFile>),
    Spilled(SpilledRun),
}

impl Run {
    /// Returns the memory that the run takes while it is merged.
    fn memory(&self) -> u64 {
        match self {
            Self::File(file) => run_memory(&file.sizes),
            Self::Spilled(run) => run.memory(),
        }
    }

    fn schema(&self) -> SchemaRef {
        match self {
            Self::File(file) => file.reader.schema(),
            Self::Spilled(run) => run.schema(),
        }
    }
}

impl<S: Sink> PartitionScan<S> {
    /// Returns `false` if the receiver was dropped.
    pub(super) async fn read_streamed(&mut self, files: Vec<OpenFile>, memory: u64) -> Result<bool, RowsError> {
        let names = names(files.iter().map(|file| file.label.as_str()));
        let work = self.work.clone();
        let scan = &work.context.scan;
        let (opener, keep) = (Arc::clone(&work.opener), scan.keep);
        let split = files.into_iter().map(|file| work.split(file));
        let files = stream::iter(split).buffered(scan.dataset.client().permits()).try_collect::<Vec<_>>().await?;
        let runs = match &opener.layout().key {
            Some(key) => {
                let runs = work.sorted_runs(files, key, memory).await?;
                work.reduce(runs, memory).await?
            }
            None => files.into_iter().map(|file| Run::File(Box::new(file))).collect(),
        };
        let merge = StreamingMerge::new(opener.layout(), &schemas(&runs), keep);
        let mut merging = Merging::start(&work, runs, merge, memory);
        loop {
            let opener = Arc::clone(&opener);
            let convert = move |batch| Ok(S::chunk_of_batch(opener.layout(), batch));
            let Some(chunk) = merging.next(convert).await? else { return Ok(true) };
            let chunk = chunk.map_err(|error| RowsError::OfValue(error.context(&names)))?;
            if !self.output.push_when_taken(chunk).await {
                return Ok(false);
            }
        }
    }
}

impl PartitionWork {
    /// Divides the row groups of a file that are too large to be held. Fetches the page index first, if it is not in memory.
    async fn split(&self, open: OpenFile) -> Result<OpenFile> {
        let bytes = self.context.memory.step_bytes();
        let Some(index) = open.reader.lacking_to_split(bytes)? else { return self.with_steps(open).await };
        let scan = &self.context.scan;
        let OpenFile { label, file, footer, .. } = open;
        let footer = add_to_footer(&scan.dataset, &file, footer, vec![index], &scan.tally).await?;
        let footer = footer.ok_or_else(|| vanished(&file))?;
        self.context.watch.moved();
        let opener = Arc::clone(&self.opener);
        let opened = self.decode(move || OpenFile::new(&file, footer, &opener)).await;
        self.with_steps(opened.map_err(|error| error.context(&label))?).await
    }

    async fn with_steps(&self, mut open: OpenFile) -> Result<OpenFile> {
        let (label, bytes) = (open.label.clone(), self.context.memory.step_bytes());
        let split = move || {
            open.reader.split(bytes)?;
            open.sizes = open.reader.sizes()?;
            Ok(open)
        };
        self.decode(split).await.map_err(|error| error.context(label))
    }

    /// Returns the files as sorted runs. Files that are out of order are sorted.
    async fn sorted_runs(&self, files: Vec<OpenFile>, key: &Key, memory: u64) -> Result<Vec<Run>> {
        let layout = &self.opener.layout();
        let columns: Vec<_> = key.columns().filter_map(|column| layout.columns.get(column).cloned()).collect();
        let version = columns.len().saturating_sub(1);
        let key = Key { entity: (0..version).collect(), version };
        let opener = Arc::new(Opener::new(ReadLayout::unordered(columns)));
        let check = |file: OpenFile| {
            let sorted = self.is_sorted(file.label.clone(), file.file.key.clone(), file.footer.clone(), &opener, &key);
            async move { Ok::<_, Error>((sorted.await?, file)) }
        };
        // Each holds the key columns of a step.
        let side_by_side = cpu::cores() + 1;
        let checked: Vec<(bool, OpenFile)> =
            stream::iter(files.into_iter().map(check)).buffered(side_by_side).try_collect().await?;
        let mut runs = Vec::with_capacity(checked.len());
        for (is_sorted, file) in checked {
            if is_sorted {
                runs.push(Run::File(Box::new(file)));
            } else {
                runs.extend(self.sort_file(file, memory).await?.into_iter().map(Run::Spilled));
            }
        }
        Ok(runs)
    }

    /// Returns whether the rows of a file are in the order of the key. Reads its key columns.
    async fn is_sorted(
        &self,
        label: String,
        file: String,
        footer: Footer,
        opener: &Arc<Opener>,
        key: &Key,
    ) -> Result<bool> {
        let (opener, bytes) = (Arc::clone(opener), self.context.memory.step_bytes());
        let open = move || {
            let mut reader = opener.open_by_ranges(footer)?;
            reader.split(bytes)?;
            Ok(reader)
        };
        let reader = self.decode(open).await;
        let reader = reader.map_err(|error| error.context(&label))?;
        let mut batches = FileBatches::new(self, &label, &file, reader);
        let mut order = OrderCheck::new(key.clone());
        while let Some(batch) = batches.next().await? {
            let (rest, continues) = self
                .decode(move || {
                    let continues = order.continues(batch.columns())?;
                    Ok((order, continues))
                })
                .await?;
            order = rest;
            if !continues {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sorts the rows of a file in parts that fit into memory. Rows that tie keep their order, within a part and over the
    /// parts.
    async fn sort_file(&self, file: OpenFile, memory: u64) -> Result<Vec<SpilledRun>> {
        // A part is held as it was decoded, sorted, and for some time as the batch that is written.
        let part = memory / 3;
        let schema = file.reader.schema();
        let mut batches = FileBatches::new(self, &file.label, &file.file.key, file.reader);
        let (mut runs, mut held, mut size) = (Vec::new(), Vec::new(), 0u64);
        loop {
            let batch = batches.next().await?;
            let is_last = batch.is_none();
            if let Some(batch) = batch {
                let batch = self.decode(move || Ok(compact(&batch))).await?;
                size = size.saturating_add(batch.get_array_memory_size() as u64);
                held.push(batch);
            }
            if (is_last || size > part) && !held.is_empty() {
                let rows = UnsortedPart { schema: Arc::clone(&schema), batches: std::mem::take(&mut held).into_iter() };
                size = 0;
                runs.extend(self.sort_part(rows).await.map_err(|error| error.context(&file.label))?);
            }
            if is_last {
                return Ok(runs);
            }
        }
    }

    /// Sorts some rows of a file into a local file.
    async fn sort_part(&self, rows: UnsortedPart) -> Result<Vec<SpilledRun>> {
        let scan = &self.context.scan;
        let (opener, keep, directory) = (Arc::clone(&self.opener), scan.keep, scan.limits.spill.clone());
        self.decode(move || {
            let runs = FileRuns::decode(opener.layout(), rows, keep)?;
            let mut writer = SpillWriter::new(directory);
            for batch in merge_part(opener.layout(), vec![runs], keep)? {
                writer.write(&batch?)?;
            }
            writer.finish()
        })
        .await
    }

    /// Merges neighbouring runs into local files until the rest fits into memory.
    async fn reduce(&self, mut runs: Vec<Run>, memory: u64) -> Result<Vec<Run>> {
        loop {
            let sizes: Vec<u64> = runs.iter().map(Run::memory).collect();
            let groups = merge_groups(&sizes, memory);
            if groups.len() <= 1 {
                return Ok(runs);
            }
            let mut rest = runs.into_iter();
            runs = Vec::with_capacity(groups.len());
            for group in groups {
                let group: Vec<Run> = rest.by_ref().take(group).collect();
                runs.extend(self.merge_group(group, memory).await?);
            }
        }
    }

    /// Merges runs into one.
    async fn merge_group(&self, mut group: Vec<Run>, memory: u64) -> Result<Option<Run>> {
        if group.len() <= 1 {
            return Ok(group.pop());
        }
        let scan = &self.context.scan;
        let merge = StreamingMerge::of_part(self.opener.layout().key.as_ref(), &schemas(&group), scan.keep);
        let mut merging = Merging::start(self, group, merge, memory);
        let mut writer = SpillWriter::new(scan.limits.spill.clone());
        while let Some(batch) = merging.next(Ok).await? {
            writer = self.decode(move || writer.write(&batch).map(|()| writer)).await?;
        }
        Ok(self.decode(move || writer.finish()).await?.pop().map(Run::Spilled))
    }
}

fn schemas(runs: &[Run]) -> Vec<SchemaRef> {
    runs.iter().map(Run::schema).collect()
}

/// Some rows of a file.
struct UnsortedPart {
    schema: SchemaRef,
    batches: std::vec::IntoIter<RecordBatch>,
}

impl Iterator for UnsortedPart {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next().map(Ok)
    }
}

impl BatchSource for UnsortedPart {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// A merge, with the tasks that read its runs.
struct Merging {
    work: PartitionWork,
    merge: Option<StreamingMerge>,
    /// The runs that are not read yet, in reverse order.
    waiting: Vec<Run>,
    /// The tasks of the runs that are read, or were.
    feeds: Vec<Feed>,
    /// How many runs are read ahead of the first that has not ended, if they are read one after the other.
    ahead: usize,
}

/// A task that reads the batches of a run. Dropping it stops the task.
struct Feed {
    batches: Receiver<Result<RecordBatch>>,
    task: Option<AbortOnDropHandle<()>>,
}

impl Merging {
    fn start(work: &PartitionWork, mut runs: Vec<Run>, merge: StreamingMerge, memory: u64) -> Self {
        let largest = runs.iter().map(Run::memory).max().unwrap_or(0).max(1);
        let ahead = usize::try_from(memory / largest).unwrap_or(usize::MAX).max(1);
        runs.reverse();
        Self { work: work.clone(), merge: Some(merge), waiting: runs, feeds: Vec::new(), ahead }
    }

    /// Returns the next merged batch, as `convert` returns it from the threads for CPU work. Returns `None` at the end.
    async fn next<X: Send + 'static>(
        &mut self,
        convert: impl Fn(RecordBatch) -> Result<X> + Send + Clone + 'static,
    ) -> Result<Option<X>> {
        loop {
            let mut merge = self.merge.take().ok_or_else(|| Error::internal("a merge goes on after an error"))?;
            let convert = convert.clone();
            let advanced = self.work.decode(move || {
                let progress = merge.advance()?;
                let progress = match progress {
                    MergeProgress::Batch(batch) => Ok(convert(batch)?),
                    progress => Err(progress),
                };
                Ok((merge, progress))
            });
            let (merge, progress) = advanced.await?;
            let merge = self.merge.insert(merge);
            match progress {
                Ok(converted) => return Ok(Some(converted)),
                Err(MergeProgress::Needs(run)) => {
                    let wanted = if merge.takes_runs_in_turn() { run.saturating_add(self.ahead) } else { usize::MAX };
                    while self.feeds.len() <= wanted
                        && let Some(run) = self.waiting.pop()
                    {
                        self.feeds.push(Feed::start(&self.work, run));
                    }
                    let feed = self.feeds.get_mut(run).ok_or_else(|| Error::internal("a merge has no such run"))?;
                    match feed.next().await? {
                        Some(batch) => merge.push(run, batch),
                        None => merge.end(run),
                    }
                }
                Err(_) => return Ok(None),
            }
        }
    }
}

impl Feed {
    fn start(work: &PartitionWork, run: Run) -> Self {
        let (sender, batches) = channel(1);
        let work = work.clone();
        let task = async move {
            if let Err(error) = feed(work, run, &sender).await {
                let _ = sender.send(Err(error)).await;
            }
        };
        Self { batches, task: Some(AbortOnDropHandle::new(tokio::spawn(task.in_current_span()))) }
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self.batches.recv().await {
            Some(batch) => batch.map(Some),
            None => match self.task.take() {
                // The channel also closes if the task panics.
                Some(task) => task.await.map(|()| None).map_err(task_error),
                None => Ok(None),
            },
        }
    }
}

/// Sends the batches of a run. Ends early if the receiver is dropped.
async fn feed(work: PartitionWork, run: Run, batches: &Sender<Result<RecordBatch>>) -> Result<()> {
    match run {
        Run::File(file) => {
            let OpenFile { label, file, reader, .. } = *file;
            let mut file = FileBatches::new(&work, &label, &file.key, reader);
            while let Some(batch) = file.next().await? {
                if batches.send(Ok(batch)).await.is_err() {
                    break;
                }
            }
        }
        Run::Spilled(run) => {
            let mut reader = run.read();
            loop {
                let next = move || reader.next().map(|batch| (reader, batch));
                let (rest, batch): (SpillReader, _) = work.decode(next).await?;
                reader = rest;
                let Some(batch) = batch else { break };
                if batches.send(Ok(batch)).await.is_err() {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// The batches of a file. The next step is fetched while one is decoded.
struct FileBatches<'a> {
    work: &'a PartitionWork,
    /// The file's name in errors.
    label: &'a str,
    key: &'a str,
    reader: Option<RangeReader>,
    ahead: Option<StepInFlight>,
}

type StepInFlight = AbortOnDropHandle<Result<Option<(StepRanges, Vec<Bytes>)>>>;

impl<'a> FileBatches<'a> {
    fn new(work: &'a PartitionWork, label: &'a str, key: &'a str, reader: RangeReader) -> Self {
        Self { work, label, key, reader: Some(reader), ahead: None }
    }

    /// Returns the next batch, or `None` at the end.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let Some(mut reader) = self.reader.take() else { return Ok(None) };
            let fetches_ahead = self.ahead.is_none();
            let advanced = self.work.decode(move || {
                let progress = reader.advance()?;
                let next = if fetches_ahead { reader.next_needs()? } else { None };
                Ok((reader, progress, next))
            });
            let (mut reader, progress, next) = advanced.await.map_err(|error| error.context(self.label))?;
            match progress {
                RangeProgress::Batch(batch) => {
                    self.ahead = self.ahead.take().or_else(|| next.map(|needs| self.fetch(needs)));
                    self.reader = Some(reader);
                    return Ok(Some(batch));
                }
                RangeProgress::End => return Ok(None),
                RangeProgress::Needs(needs) => {
                    let fetch = self.ahead.take().unwrap_or_else(|| self.fetch(needs));
                    let fetched = fetch.await.map_err(task_error)??;
                    let (needs, bodies) = fetched.ok_or_else(|| gone(self.key))?;
                    self.work.context.watch.moved();
                    reader.push(needs, bodies).map_err(|error| error.context(self.label))?;
                    self.reader = Some(reader);
                }
            }
        }
    }

    fn fetch(&self, needs: StepRanges) -> StepInFlight {
        let (dataset, tally) = (self.work.context.scan.dataset.clone(), Arc::clone(&self.work.context.scan.tally));
        let key = self.key.to_owned();
        let fetch = async move { fetch_step(&dataset, &key, needs, &tally).await };
        AbortOnDropHandle::new(tokio::spawn(fetch.in_current_span()))
    }
}
