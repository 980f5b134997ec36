//! The engine of reads: plans how the files of each partition are fetched and merged, and executes it.
//!
//! A scan starts partitions in key order as memory for their files becomes free. Each partition runs in a task of its own:
//! it waits for its files, reads their footers, reserves memory for the rest, decodes and merges. The scan passes on the
//! chunks of one partition after the other.
//!
//! | step | where |
//! |---|---|
//! | decides how a file is fetched and how a partition is merged, without I/O | `plan` |
//! | fetches files, or parts of them | `fetch` |
//! | returns the plan of a scan for people | `explain` |
//! | reads one partition | `partition` |
//! | finds files that have no key in common | `apart` |
//! | decodes all files side by side and merges them in memory | `held` |
//! | merges files that do not fit into memory, with `spill` for those that are out of order | `streamed` |
//! | finds the file and the row of a value that does not fit | `check` |
//!
//! # Memory
//! Two reserves share the limit: one for files that are downloaded, one for everything else. Partitions reserve from each in
//! key order. So the first partition that lacks memory waits only for partitions before it, which the consumer takes first.
//!
//! # Permits
//! Each request runs in its own task. It holds a permit until its body is in memory and then ends, so no permit is held
//! while the consumer is busy.

mod apart;
mod check;
mod explain;
mod fetch;
mod files;
mod held;
mod live;
mod partition;
mod plan;
mod row_sizes;
mod rows;
mod sink;
mod stall_watch;
mod streamed;
mod undecodable;

use std::num::NonZero;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

pub use self::explain::{FileAccess, PlannedFile, PlannedPartition};
use self::fetch::FileFetch;
pub(crate) use self::fetch::{MissingFile, RangedRead, footer, next_batch, open_file, vanished};
pub(crate) use self::files::{FileSize, PartitionFiles, StoredFile};
pub(crate) use self::live::LiveFilter;
use self::live::LiveOpener;
use self::partition::{FileInFlight, PartitionScan};
use self::plan::{Fetch, ScanMemory};
use self::row_sizes::RowSizes;
pub(crate) use self::rows::FileRows;
#[cfg(feature = "testing")]
pub(crate) use self::rows::decode_file;
pub(crate) use self::sink::{Event, Sink};
use self::stall_watch::StallWatch;
pub use self::undecodable::SkippedFile;
pub(crate) use self::undecodable::UndecodableFile;
use crate::codec::Opener;
use crate::cpu;
use crate::dataset::{Dataset, MemoryReserve, task_error};
use crate::error::{Error, Result};
use crate::merge::Keep;
use crate::metrics::{Metrics, Tally};
use crate::spill::SpillDirectory;

/// How many partitions may have been started before they are consumed.
const PARTITIONS_STARTED: usize = 64;

/// How many chunks of a partition may wait for the consumer. They replace the decoded rows that they were made of, whose
/// memory is reserved.
const CHUNKS_READY: usize = 256;

/// The same, for partitions whose files are decoded one after the other. Decoding into memory that was used a moment ago is
/// faster.
const CHUNKS_READY_IN_ANY_ORDER: usize = 8;

/// The limits of a scan.
#[derive(Debug, Clone)]
pub(crate) struct ScanLimits {
    /// How many partitions may be decoded ahead of the one that is consumed. `None` for as many as the memory allows.
    pub(crate) partitions: Option<usize>,
    /// How many rows are read. `None` for all.
    pub(crate) rows: Option<u64>,
    /// The memory in bytes, for everything that the scan holds.
    pub(crate) bytes: u64,
    /// The size of a partition that is held in memory, whatever the limit.
    pub(crate) always_held: u64,
    /// How many jobs may decode and merge at once. `None` for one for each core.
    pub(crate) decode_tasks: Option<NonZero<usize>>,
    /// Where sorted rows are kept that do not fit into memory.
    pub(crate) spill: SpillDirectory,
}

/// The threads that one job may use.
struct Threads {
    count: usize,
    /// The permits for all of them but the job's own.
    _permits: Option<OwnedSemaphorePermit>,
}

impl Threads {
    /// Returns their number. A job that calls this owns the permits until it ends, which it would not by the field.
    fn count(&self) -> usize {
        self.count
    }
}

/// Everything that a scan needs except its files and its sink.
pub(crate) struct Scan {
    pub(crate) dataset: Dataset,
    pub(crate) opener: Arc<Opener>,
    /// True if parts of files may not be needed: columns that the layout leaves out, or row groups that a filter excludes.
    pub(crate) reads_parts: bool,
    pub(crate) keep: Keep,
    /// True if the rows of a partition may come in any order.
    pub(crate) any_order: bool,
    pub(crate) limits: ScanLimits,
    /// A further condition, which becomes stricter while the scan runs.
    pub(crate) live: Option<LiveFilter>,
    pub(crate) missing: MissingFile,
    pub(crate) undecodable: UndecodableFile,
    pub(crate) tally: Arc<Tally>,
}

/// The state that the partitions of a scan share.
struct Context {
    scan: Scan,
    memory: ScanMemory,
    watch: Arc<StallWatch>,
    sizes: Arc<RowSizes>,
    /// A permit for each partition that may be decoded ahead of the consumer.
    window: Arc<Semaphore>,
    downloads: MemoryReserve,
    decoding: MemoryReserve,
    decode_tasks: Option<Arc<Semaphore>>,
    live: Option<LiveOpener>,
}

/// A partition whose task has been started.
struct RunningPartition<C> {
    key: String,
    events: Receiver<Result<Event<C>>>,
    task: AbortOnDropHandle<()>,
}

/// A partition's place in the order in which partitions reserve memory.
struct Turn {
    /// Ends when the partition before has reserved its memory, or has failed.
    before: oneshot::Receiver<()>,
    /// Dropped when this partition has reserved its memory.
    _after: oneshot::Sender<()>,
}

impl Scan {
    /// Reads all partitions, which are in key order, and sends their rows to `out`. Ends early if the receiver is dropped.
    pub(crate) async fn run<S: Sink>(
        self,
        partitions: impl Stream<Item = Result<PartitionFiles>> + Send,
        out: Sender<Result<Event<S::Chunk>>>,
    ) {
        // With a limit of rows, few partitions may be needed.
        let ahead = if self.limits.rows.is_some() { 1 } else { PARTITIONS_STARTED };
        let (started, running) = channel(ahead);
        let context = Arc::new(Context::new(self));
        let start = async {
            if let Err(error) = context.start::<S>(partitions, &started).await {
                // By this channel, so that the partitions started before the error are delivered first.
                let _ = started.send(Err(error)).await;
            }
            drop(started);
            std::future::pending().await
        };
        let emit = async {
            if let Err(error) = context.emit::<S>(running, &out).await {
                let _ = out.send(Err(error)).await;
            }
        };
        tokio::select! {
            () = emit => {}
            () = start => {}
            () = context.watch.run(&context.scan.tally, &context.window) => {}
        }
    }
}

impl Context {
    fn new(scan: Scan) -> Self {
        let memory = ScanMemory::of_limit(scan.limits.bytes, scan.limits.always_held);
        let partitions = scan.limits.partitions.map_or(usize::MAX, |ahead| ahead.saturating_add(1));
        let window = Arc::new(Semaphore::new(partitions.min(Semaphore::MAX_PERMITS)));
        let tasks = scan.limits.decode_tasks.map(|tasks| tasks.get().min(Semaphore::MAX_PERMITS));
        Self {
            memory,
            watch: Arc::new(StallWatch::new(scan.dataset.clock())),
            sizes: Arc::new(RowSizes::new()),
            window,
            downloads: MemoryReserve::new(memory.downloads),
            decoding: MemoryReserve::new(memory.decoding),
            decode_tasks: tasks.map(|tasks| Arc::new(Semaphore::new(tasks))),
            live: scan.live.clone().map(|filter| LiveOpener::new(filter, Arc::clone(&scan.opener), scan.keep)),
            scan,
        }
    }

    /// Starts each partition as soon as there is memory for its files.
    async fn start<S: Sink>(
        self: &Arc<Self>,
        partitions: impl Stream<Item = Result<PartitionFiles>> + Send,
        started: &Sender<Result<RunningPartition<S::Chunk>>>,
    ) -> Result<()> {
        let mut partitions = std::pin::pin!(partitions);
        let (first, mut before) = oneshot::channel();
        drop(first);
        while let Some(partition) = partitions.next().await {
            let PartitionFiles { key, files } = partition?;
            let fetches = plan::fetches(&files, &self.sizes, self.scan.reads_parts, self.memory);
            let memory =
                fetches.iter().fold(0, |sum: u64, (fetch, estimated)| sum.saturating_add(fetch.memory(*estimated)));
            let reserved = self.downloads.take(memory, self.scan.dataset.metrics(), Metrics::waited_for_bytes).await?;
            let start =
                |(file, (fetch, _)): (StoredFile, (Fetch, u64))| (file.clone(), self.start_fetch(file, fetch, false));
            let files: Vec<_> = files.into_iter().zip(fetches).map(start).collect();
            let (after, next) = oneshot::channel();
            let turn = Turn { before: std::mem::replace(&mut before, next), _after: after };
            let ready = if self.scan.any_order { CHUNKS_READY_IN_ANY_ORDER } else { CHUNKS_READY };
            let (sender, events) = channel(ready);
            let partition = PartitionScan::<S>::new(Arc::clone(self), key.clone(), reserved, turn, sender);
            let task = AbortOnDropHandle::new(tokio::spawn(partition.run(files).in_current_span()));
            if started.send(Ok(RunningPartition { key, events, task })).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Starts the first request for a file. `again` is true if the scan has fetched the file before.
    fn start_fetch(&self, file: StoredFile, fetch: Fetch, again: bool) -> FileInFlight {
        let fetch = FileFetch {
            dataset: self.scan.dataset.clone(),
            file,
            fetch,
            missing: self.scan.missing.clone(),
            again,
            sizes: Arc::clone(&self.sizes),
            tally: Arc::clone(&self.scan.tally),
            watch: Arc::clone(&self.watch),
        };
        AbortOnDropHandle::new(tokio::spawn(fetch.run().in_current_span()))
    }

    /// Passes on the chunks of one partition after the other.
    async fn emit<S: Sink>(
        &self,
        mut running: Receiver<Result<RunningPartition<S::Chunk>>>,
        out: &Sender<Result<Event<S::Chunk>>>,
    ) -> Result<()> {
        let mut rows_left = self.scan.limits.rows.unwrap_or(u64::MAX);
        while rows_left > 0
            && let Some(partition) = running.recv().await
        {
            let RunningPartition { key, mut events, task } = partition?;
            self.watch.decoding(&key);
            let mut has_ended = false;
            while !has_ended && let Some(event) = events.recv().await {
                let event = match event.map_err(|error| error.context(format!("partition {key}")))? {
                    Event::Chunk(chunk) => {
                        let wanted = usize::try_from(rows_left).unwrap_or(usize::MAX);
                        let chunk = if S::row_count(&chunk) > wanted { S::truncate(chunk, wanted) } else { chunk };
                        let rows = S::row_count(&chunk) as u64;
                        rows_left = rows_left.saturating_sub(rows);
                        if out.send(Ok(Event::Chunk(chunk))).await.is_err() {
                            return Ok(());
                        }
                        self.scan.tally.records(rows);
                        self.watch.moved();
                        if rows_left > 0 {
                            continue;
                        }
                        Event::PartitionEnd { partition: key.clone(), permits: None }
                    }
                    end @ Event::PartitionEnd { .. } => end,
                };
                has_ended = true;
                self.scan.tally.partition();
                if out.send(Ok(event)).await.is_err() {
                    return Ok(());
                }
                self.watch.moved();
            }
            if rows_left == 0 {
                return Ok(());
            }
            // A channel also closes if the task panics or its runtime shuts down.
            task.await.map_err(task_error)?;
            if !has_ended {
                return Err(Error::internal(format!("the scan of partition {key} ended without a result")));
            }
        }
        Ok(())
    }

    /// Returns the threads that the next job may use, besides those of other jobs: all that are idle.
    fn threads(&self) -> Threads {
        let Some(tasks) = &self.decode_tasks else {
            return Threads { count: cpu::cores(), _permits: None };
        };
        let spare = tasks.available_permits().saturating_sub(1);
        let permits = u32::try_from(spare).ok().and_then(|spare| Arc::clone(tasks).try_acquire_many_owned(spare).ok());
        let count = 1 + permits.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        Threads { count, _permits: permits }
    }

    /// Runs a job on the threads for CPU work, when fewer than the allowed number are running.
    async fn cpu<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let permit = match &self.decode_tasks {
            Some(tasks) => Arc::clone(tasks).acquire_owned().await.ok(),
            None => None,
        };
        let job = move || {
            let result = work();
            drop(permit);
            result
        };
        cpu::run(self.scan.dataset.clock(), job).await
    }
}

impl Turn {
    /// Waits until all partitions before this one have reserved their memory.
    async fn wait(&mut self) {
        // An error means that the sender was dropped, which is the signal.
        let _ = (&mut self.before).await;
    }
}
