//! The scan of one partition.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Sender;
use tokio_util::task::AbortOnDropHandle;

use super::check::CheckedFiles;
use super::fetch::{FetchedFile, complete_file, vanished};
use super::files::StoredFile;
use super::plan::{MergeMode, PartitionPlan};
use super::rows::RowsError;
use super::sink::{Event, PartitionPermits, Sink};
use super::undecodable::{SkippedFile, UndecodableFile};
use super::{Context, Turn, apart};
use crate::codec::{Footer, Opener, RangeReader, ReadSizes};
use crate::dataset::{acquire, task_error};
use crate::error::{ErrorKind, Result};
use crate::metrics::Metrics;

/// The first request for a file, in its own task. It returns `None` if the file is missing.
pub(super) type FileInFlight = AbortOnDropHandle<Result<Option<FetchedFile>>>;

/// The scan of one partition, in its own task.
pub(super) struct PartitionScan<S: Sink> {
    pub(super) work: PartitionWork,
    key: String,
    /// The memory for the files that are fetched as a whole.
    reserved: Option<OwnedSemaphorePermit>,
    turn: Option<Turn>,
    permits: Option<PartitionPermits>,
    pub(super) output: Output<S>,
}

/// The requests and the CPU work of a partition, whatever its sink.
#[derive(Clone)]
pub(super) struct PartitionWork {
    pub(super) context: Arc<Context>,
    /// The columns and the filter with which the partition's files are read.
    pub(super) opener: Arc<Opener>,
    /// The time that decoding and merging took, in nanoseconds.
    decode_nanos: Arc<AtomicU64>,
}

/// The way to the consumer.
pub(super) struct Output<S: Sink> {
    sender: Sender<Result<Event<S::Chunk>>>,
    /// The chunks so far, if they are held until the partition is complete.
    held: Option<Vec<S::Chunk>>,
}

/// A file whose footer was read.
pub(super) struct OpenFile {
    /// The name in errors.
    pub(super) label: String,
    pub(super) file: StoredFile,
    pub(super) footer: Footer,
    pub(super) reader: RangeReader,
    pub(super) sizes: ReadSizes,
}

impl OpenFile {
    pub(super) fn new(file: &StoredFile, footer: Footer, opener: &Opener) -> Result<Self> {
        let reader = opener.open_by_ranges(footer.clone())?;
        Ok(Self { label: file.label(), file: file.clone(), footer, sizes: reader.sizes()?, reader })
    }
}

impl<S: Sink> PartitionScan<S> {
    pub(super) fn new(
        context: Arc<Context>,
        key: String,
        reserved: OwnedSemaphorePermit,
        turn: Turn,
        sender: Sender<Result<Event<S::Chunk>>>,
    ) -> Self {
        // A part of a file must not be sent if a later part may turn out to be bad.
        let held = matches!(context.scan.undecodable, UndecodableFile::Skip(_)).then(Vec::new);
        let opener = Arc::clone(&context.scan.opener);
        let work = PartitionWork { context, opener, decode_nanos: Arc::default() };
        let output = Output { sender, held };
        Self { work, key, reserved: Some(reserved), turn: Some(turn), permits: None, output }
    }

    /// Reads the partition and sends its rows. Ends early if the receiver was dropped.
    pub(super) async fn run(mut self, files: Vec<(StoredFile, FileInFlight)>) {
        if let Err(error) = self.read(files).await {
            let _ = self.output.sender.send(Err(error)).await;
        }
    }

    async fn read(&mut self, in_flight: Vec<(StoredFile, FileInFlight)>) -> Result<()> {
        let (mut files, mut fetched) = (Vec::with_capacity(in_flight.len()), Vec::with_capacity(in_flight.len()));
        for (file, in_flight) in in_flight {
            if let Some(body) = in_flight.await.map_err(task_error)?? {
                fetched.push((file.clone(), body));
                files.push(file);
            }
        }
        if let Some(live) = &self.work.context.live {
            self.work.opener = live.opener()?;
        }
        let delivered = match self.read_files(fetched).await {
            Err(error) if error.kind() == ErrorKind::InvalidData => self.read_without_bad_files(error, files).await?,
            delivered => delivered?,
        };
        if delivered {
            self.work.record_time();
            let end = Event::PartitionEnd { partition: std::mem::take(&mut self.key), permits: self.permits.take() };
            let _ = self.output.sender.send(Ok(end)).await;
        }
        Ok(())
    }

    /// Reads the files that decode, if the others are to be left out. Otherwise returns the error with its cause.
    async fn read_without_bad_files(&mut self, error: RowsError, files: Vec<StoredFile>) -> Result<bool> {
        let context = Arc::clone(&self.work.context);
        let UndecodableFile::Skip(report) = &context.scan.undecodable else {
            return Err(self.work.find_cause::<S>(error, files).await);
        };
        self.output.discard();
        let CheckedFiles { decodable, undecodable } = self.work.check_files::<S>(files).await?;
        let delivered = self.read_files(decodable).await?;
        for (file, error) in undecodable {
            let skipped = SkippedFile::new(&self.key, file, &error);
            context.scan.tally.undecodable(&skipped.data_path, skipped.offset.as_str());
            report(skipped);
        }
        Ok(delivered)
    }

    /// Decodes files and sends their rows. Returns `false` if the receiver was dropped.
    async fn read_files(&mut self, fetched: Vec<(StoredFile, FetchedFile)>) -> Result<bool, RowsError> {
        let files = self.work.open_files(fetched).await?;
        let plan = self.work.plan(&files);
        tracing::debug!(partition = self.key, files = files.len(), %plan, "reading a partition");
        self.reserve(plan.memory).await?;
        let groups = self.work.independent(files).await?;
        let delivered = match plan.mode {
            MergeMode::Held => self.read_held(groups).await?,
            MergeMode::Streamed => self.read_in_turn(groups, plan.memory).await?,
        };
        Ok(delivered && self.output.flush().await)
    }

    /// Reads groups of files one after the other, within the memory. Returns `false` if the receiver was dropped.
    async fn read_in_turn(&mut self, groups: Vec<Vec<OpenFile>>, memory: u64) -> Result<bool, RowsError> {
        // Later groups have files in memory, too.
        let _reserved = self.reserved.take();
        for files in groups {
            let delivered = match self.work.plan(&files).mode {
                MergeMode::Held => self.read_held(vec![files]).await?,
                MergeMode::Streamed => self.read_streamed(files, memory).await?,
            };
            if !delivered {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reserves the memory for decoding in turn, and a place ahead of the consumer. Does nothing if the partition has both.
    async fn reserve(&mut self, memory: u64) -> Result<()> {
        if self.permits.is_some() {
            return Ok(());
        }
        let (context, mut turn) = (&self.work.context, self.turn.take());
        if let Some(turn) = &mut turn {
            turn.wait().await;
        }
        let metrics = context.scan.dataset.metrics();
        let slot = acquire(&context.window, 1, metrics, Metrics::waited_for_slot).await?;
        self.permits = Some(PartitionPermits {
            _slot: slot,
            _memory: context.decoding.take(memory, metrics, Metrics::waited_for_bytes).await?,
        });
        Ok(())
    }

    /// Returns the memory of the files that were fetched as a whole, when they are decoded.
    pub(super) fn release_downloads(&mut self) {
        self.reserved = None;
    }
}

impl PartitionWork {
    fn plan(&self, files: &[OpenFile]) -> PartitionPlan {
        let sizes: Vec<ReadSizes> = files.iter().map(|file| file.sizes).collect();
        PartitionPlan::new(&sizes, self.context.memory)
    }

    /// Divides files into groups that can be read one after the other, if rows may come in any order.
    async fn independent(&self, files: Vec<OpenFile>) -> Result<Vec<Vec<OpenFile>>> {
        let (scan, opener) = (&self.context.scan, Arc::clone(&self.opener));
        let (true, true, Some(key)) = (scan.any_order, files.len() > 1, &opener.layout().key) else {
            return Ok(vec![files]);
        };
        let columns = apart::compared_columns(key, scan.keep);
        let opener = Arc::clone(&opener);
        let divide = move || {
            let spans =
                |file: &OpenFile| file.reader.spans(opener.layout(), &columns).map_err(|e| e.context(&file.label));
            let spans = files.iter().map(spans).collect::<Result<Vec<_>>>()?;
            Ok(apart::groups(files, &spans))
        };
        self.decode(divide).await
    }

    /// Opens files: first all together, because it takes little, and then again those of which more should be fetched first.
    async fn open_files(&self, fetched: Vec<(StoredFile, FetchedFile)>) -> Result<Vec<OpenFile>> {
        let opener = Arc::clone(&self.opener);
        let open = move || {
            let open = |(file, fetched): (StoredFile, FetchedFile)| {
                let opened = fetched.footer().and_then(|footer| OpenFile::new(&file, footer, &opener));
                Ok((opened.map_err(|error| error.context(file.label()))?, file))
            };
            fetched.into_iter().map(open).collect::<Result<Vec<_>>>()
        };
        let files = self.decode(open).await?;
        let complete = |(open, file): (OpenFile, StoredFile)| async move {
            let open = if open.reader.lacking().is_empty() { open } else { self.complete(open, file).await? };
            let (read, excluded) = open.reader.row_groups();
            self.context.scan.tally.row_groups(read, excluded);
            Ok(open)
        };
        let side_by_side = self.context.scan.dataset.client().permits();
        stream::iter(files.into_iter().map(complete)).buffered(side_by_side).try_collect().await
    }

    /// Fetches what a file lacks, and opens it again.
    async fn complete(&self, open: OpenFile, file: StoredFile) -> Result<OpenFile> {
        let scan = &self.context.scan;
        let opener = Arc::clone(&self.opener);
        let again = move |footer| opener.open_by_ranges(footer);
        let opened = complete_file(&scan.dataset, &file, open.footer, open.reader, again, &scan.tally).await?;
        let (footer, reader) = opened.ok_or_else(|| vanished(&file))?;
        self.context.watch.moved();
        let sizes = reader.sizes().map_err(|error| error.context(file.label()))?;
        Ok(OpenFile { footer, reader, sizes, ..open })
    }

    /// Runs a job on the threads for CPU work, and counts its time.
    pub(super) async fn decode<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (clock, nanos) = (self.context.scan.dataset.clock().clone(), Arc::clone(&self.decode_nanos));
        let timed = move || {
            let began = clock.monotonic();
            let result = work();
            let took = clock.monotonic().saturating_duration_since(began).as_nanos();
            nanos.fetch_add(u64::try_from(took).unwrap_or(u64::MAX), Ordering::Relaxed);
            result
        };
        self.context.cpu(timed).await
    }

    fn record_time(&self) {
        let took = Duration::from_nanos(self.decode_nanos.load(Ordering::Relaxed));
        self.context.scan.dataset.metrics().partition_decoded(took);
    }
}

impl FetchedFile {
    fn footer(self) -> Result<Footer> {
        match self {
            Self::Whole(body) => Footer::of_file(body),
            Self::Footer(footer) => Ok(footer),
        }
    }
}

impl<S: Sink> Output<S> {
    /// Sends a chunk, or holds it. Returns `false` if the receiver was dropped.
    pub(super) async fn push(&mut self, chunk: S::Chunk) -> bool {
        match &mut self.held {
            Some(held) => {
                held.push(chunk);
                true
            }
            None => self.sender.send(Ok(Event::Chunk(chunk))).await.is_ok(),
        }
    }

    /// Sends a chunk when the consumer has taken the chunks before it, or holds it. Returns `false` if the receiver was
    /// dropped.
    pub(super) async fn push_when_taken(&mut self, chunk: S::Chunk) -> bool {
        if self.held.is_none() && self.sender.capacity() < self.sender.max_capacity() {
            let all = self.sender.reserve_many(self.sender.max_capacity()).await;
            if all.map(drop).is_err() {
                return false;
            }
        }
        self.push(chunk).await
    }

    /// Drops the chunks that are held.
    fn discard(&mut self) {
        if let Some(held) = &mut self.held {
            held.clear();
        }
    }

    /// Sends the chunks that are held. Returns `false` if the receiver was dropped.
    async fn flush(&mut self) -> bool {
        for chunk in self.held.take().into_iter().flatten() {
            if self.sender.send(Ok(Event::Chunk(chunk))).await.is_err() {
                return false;
            }
        }
        true
    }
}
