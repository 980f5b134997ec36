//! The task of a read: downloads files ahead of decoding, decodes on the threads for CPU work, and sends the results in
//! partition order.
//!
//! Each download runs in its own task. It holds a permit until its body is in memory and then ends, so no permit is held
//! while the consumer is busy. Memory is reserved for a partition before its downloads start, in partition order. A
//! partition that is larger than the whole reserve takes all of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::download::{Download, MissingFile};
use super::memory_reserve::{MemoryReserve, acquire};
use super::partition_rows::{PartitionRows, RowsError, check_file, open_files};
use super::resolve::{PartitionFiles, StoredFile};
use super::row_sizes::RowSizes;
use super::sink::{Event, PartitionPermits, Sink};
use super::stall_watch::StallWatch;
use super::undecodable::{SkippedFile, UndecodableFile};
use crate::codec::Opener;
use crate::cpu;
use crate::dataset::{Dataset, task_error};
use crate::error::{Error, ErrorKind, Result};
use crate::merge::Keep;
use crate::metrics::{Metrics, Tally};

/// How many partitions may have started their downloads before they are decoded.
const PARTITIONS_DOWNLOADING: usize = 64;

/// How far a read runs ahead of its consumer.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadAhead {
    pub(super) partitions: usize,
    pub(super) bytes: u64,
}

/// Everything that a read needs except its files and its sink.
pub(super) struct Job {
    pub(super) dataset: Dataset,
    pub(super) opener: Arc<Opener>,
    pub(super) keep: Keep,
    pub(super) ahead: ReadAhead,
    pub(super) missing: MissingFile,
    pub(super) undecodable: UndecodableFile,
    pub(super) tally: Arc<Tally>,
}

/// The state that the partitions of a read share.
struct Shared {
    watch: Arc<StallWatch>,
    sizes: Arc<RowSizes>,
    /// A permit for each partition that may be decoded ahead of the consumer.
    window: Arc<Semaphore>,
    /// The memory for decoded partitions.
    decoded: MemoryReserve,
}

/// A download in its own task. It returns `None` if the file is missing.
type FileDownload = AbortOnDropHandle<Result<Option<Bytes>>>;

/// A partition whose downloads have started, with the memory that is reserved for them.
struct DownloadingPartition {
    key: String,
    /// The downloads in key order.
    files: Vec<(StoredFile, FileDownload)>,
    reserved: OwnedSemaphorePermit,
}

/// A partition whose files are in memory.
struct DownloadedPartition {
    key: String,
    /// The files that were not missing, in key order.
    files: Vec<StoredFile>,
    reserved: OwnedSemaphorePermit,
}

/// The files of a partition, each decoded on its own.
#[derive(Default)]
struct CheckedFiles {
    /// The names in errors and the bytes of the files that decode.
    decodable: Vec<(String, Bytes)>,
    undecodable: Vec<(StoredFile, Error)>,
}

/// The way to the consumer.
struct Output<'a, S: Sink> {
    sender: &'a Sender<Result<Event<S::Chunk>>>,
    /// The chunks of the current partition, if they are held until the partition is complete.
    held: Option<Vec<S::Chunk>>,
    tally: &'a Tally,
    watch: &'a StallWatch,
}

impl Job {
    /// Reads all partitions and sends their rows to `out`. Ends early if the receiver is dropped.
    pub(super) async fn run<S: Sink>(self, partitions: Vec<PartitionFiles>, out: Sender<Result<Event<S::Chunk>>>) {
        let (started, downloading) = channel(PARTITIONS_DOWNLOADING);
        let shared = Shared {
            watch: Arc::new(StallWatch::new(self.dataset.clock())),
            sizes: Arc::new(RowSizes::new()),
            window: Arc::new(Semaphore::new(self.ahead.partitions.saturating_add(1).min(Semaphore::MAX_PERMITS))),
            decoded: MemoryReserve::new(self.ahead.bytes),
        };
        let (job, shared) = (&self, &shared);
        let download = async move {
            if let Err(error) = job.download(partitions, shared, &started).await {
                // By this channel, so that the partitions started before the error are delivered first.
                let _ = started.send(Err(error)).await;
            }
        };
        let decode = async move {
            if let Err(error) = job.decode::<S>(downloading, shared, &out).await {
                let _ = out.send(Err(error)).await;
            }
        };
        tokio::select! {
            ((), ()) = futures_util::future::join(download, decode) => {}
            () = shared.watch.run(&self.tally, &shared.window) => {}
        }
    }

    /// Starts the downloads of each partition as soon as there is memory for it.
    async fn download(
        &self,
        partitions: Vec<PartitionFiles>,
        shared: &Shared,
        started: &Sender<Result<DownloadingPartition>>,
    ) -> Result<()> {
        let metrics = self.dataset.metrics();
        metrics.fanout(partitions.iter().map(|partition| partition.files.len()).sum(), self.dataset.client().permits());
        let reserve = MemoryReserve::new(self.ahead.bytes);
        for partition in partitions {
            let size = partition.files.iter().fold(0, |sum: u64, file| sum.saturating_add(shared.sizes.size_of(file)));
            let reserved = reserve.take(size, metrics).await?;
            let start = |file: StoredFile| (file.clone(), self.start_download(file, shared, false));
            let files = partition.files.into_iter().map(start).collect();
            if started.send(Ok(DownloadingPartition { key: partition.key, files, reserved })).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Starts to download a file. `again` is true if the read has downloaded it before.
    fn start_download(&self, file: StoredFile, shared: &Shared, again: bool) -> FileDownload {
        let download = Download {
            dataset: self.dataset.clone(),
            file,
            missing: self.missing.clone(),
            again,
            sizes: Arc::clone(&shared.sizes),
            tally: Arc::clone(&self.tally),
            watch: Arc::clone(&shared.watch),
        };
        AbortOnDropHandle::new(tokio::spawn(download.run().in_current_span()))
    }

    /// Decodes the downloaded partitions and sends their rows.
    async fn decode<S: Sink>(
        &self,
        mut downloading: Receiver<Result<DownloadingPartition>>,
        shared: &Shared,
        out: &Sender<Result<Event<S::Chunk>>>,
    ) -> Result<()> {
        // A part of a file must not be sent if a later part may turn out to be bad.
        let holds = matches!(self.undecodable, UndecodableFile::Skip(_));
        while let Some(partition) = downloading.recv().await {
            let DownloadingPartition { key, files: downloads, reserved } = partition?;
            shared.watch.decoding(&key);
            let (mut files, mut bodies) = (Vec::with_capacity(downloads.len()), Vec::with_capacity(downloads.len()));
            for (file, download) in downloads {
                if let Some(body) = download.await.map_err(task_error)?? {
                    bodies.push((file.label(), body));
                    files.push(file);
                }
            }
            let held = holds.then(Vec::new);
            let output = Output::<S> { sender: out, held, tally: &self.tally, watch: &shared.watch };
            let partition = DownloadedPartition { key: key.clone(), files, reserved };
            let sent = self.decode_partition(partition, bodies, shared, output).await;
            let Some(permits) = sent.map_err(|error| error.context(format!("partition {key}")))? else {
                return Ok(());
            };
            self.tally.partition();
            if out.send(Ok(Event::PartitionEnd { partition: key, permits })).await.is_err() {
                return Ok(());
            }
            shared.watch.moved();
        }
        Ok(())
    }

    /// Decodes a partition and sends its rows. Returns `None` if the receiver was dropped.
    async fn decode_partition<S: Sink>(
        &self,
        partition: DownloadedPartition,
        bodies: Vec<(String, Bytes)>,
        shared: &Shared,
        mut output: Output<'_, S>,
    ) -> Result<Option<PartitionPermits>> {
        let DownloadedPartition { key, files, reserved } = partition;
        let error = match self.decode_files(bodies, Some(reserved), shared, &mut output).await {
            Err(error) if error.kind() == ErrorKind::InvalidData => error,
            sent => return Ok(sent?),
        };
        let UndecodableFile::Skip(report) = &self.undecodable else {
            return Err(self.find_cause::<S>(error, files, shared).await);
        };
        output.discard();
        let CheckedFiles { decodable, undecodable } = self.check_files::<S>(files, shared).await?;
        let sent = self.decode_files(decodable, None, shared, &mut output).await?;
        for (file, error) in undecodable {
            let skipped = SkippedFile::new(&key, file, &error);
            self.tally.undecodable(&skipped.data_path, skipped.offset.as_str());
            report(skipped);
        }
        Ok(sent)
    }

    /// Decodes files and sends their rows. Returns `None` if the receiver was dropped. `reserved` is the memory for the
    /// files' bytes.
    async fn decode_files<S: Sink>(
        &self,
        files: Vec<(String, Bytes)>,
        reserved: Option<OwnedSemaphorePermit>,
        shared: &Shared,
        output: &mut Output<'_, S>,
    ) -> Result<Option<PartitionPermits>, RowsError> {
        let (metrics, clock) = (self.dataset.metrics(), self.dataset.clock());
        let opener = Arc::clone(&self.opener);
        let mut decode_time = Duration::ZERO;
        let mut began = clock.monotonic();
        let (files, size) = cpu::run(clock, move || open_files(files, &opener)).await?;
        decode_time += clock.monotonic().saturating_duration_since(began);

        let slot = acquire(&shared.window, 1, metrics, Metrics::waited_for_slot).await?;
        let permits = PartitionPermits { _slot: slot, _decoded: shared.decoded.take(size, metrics).await? };
        began = clock.monotonic();
        let (opener, keep) = (Arc::clone(&self.opener), self.keep);
        let mut rows = cpu::run(clock, move || Ok(PartitionRows::<S>::new(files, opener.layout(), keep))).await??;
        // The file bodies are dropped once all files are decoded; the decoded rows have their own reservation.
        let reserved = reserved.filter(|_| rows.is_decoding());
        loop {
            let opener = Arc::clone(&self.opener);
            let next = cpu::run(clock, move || {
                let chunk = rows.next_chunk(opener.layout());
                Ok((rows, chunk))
            });
            let (rest, chunk) = next.await?;
            decode_time += clock.monotonic().saturating_duration_since(began);
            rows = rest;
            let Some(chunk) = chunk? else { break };
            if !output.push(chunk).await {
                return Ok(None);
            }
            began = clock.monotonic();
        }
        drop((rows, reserved));
        metrics.partition_decoded(decode_time);
        Ok(output.flush().await.then_some(permits))
    }

    /// Returns the error of a partition with the name of the file at fault, and its row if it is about one value.
    async fn find_cause<S: Sink>(&self, error: RowsError, files: Vec<StoredFile>, shared: &Shared) -> Error {
        let is_of_stream = files.iter().any(|file| file.offset.is_some());
        let error = match error {
            RowsError::Named(error) => error,
            RowsError::OfValue(error) => match self.check_files::<S>(files, shared).await {
                Ok(CheckedFiles { undecodable, .. }) => {
                    undecodable.into_iter().next().map_or(error, |(_, error)| error)
                }
                // The first error is the one that matters.
                Err(_) => error,
            },
        };
        if is_of_stream { error.followed_by("skip_undecodable leaves such files out") } else { error }
    }

    /// Downloads files again and decodes each on its own. Unless bad files are skipped, ends at the first of them and keeps
    /// no bytes.
    async fn check_files<S: Sink>(&self, files: Vec<StoredFile>, shared: &Shared) -> Result<CheckedFiles> {
        let skips = matches!(self.undecodable, UndecodableFile::Skip(_));
        let downloads = files.into_iter().map(|file| async move {
            let body = self.start_download(file.clone(), shared, true).await.map_err(task_error)??;
            Ok::<_, Error>((file, body))
        });
        let mut downloads = stream::iter(downloads).buffered(self.dataset.client().permits());
        let mut checked = CheckedFiles::default();
        while let Some(downloaded) = downloads.next().await {
            let (file, body) = downloaded?;
            let Some(body) = body else { continue };
            let (opener, keep) = (Arc::clone(&self.opener), self.keep);
            let (label, bytes) = (file.label(), body.clone());
            let decoded = cpu::run(self.dataset.clock(), move || check_file::<S>(&label, &bytes, &opener, keep)).await;
            match decoded {
                Ok(()) if skips => checked.decodable.push((file.label(), body)),
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    checked.undecodable.push((file, error));
                    if !skips {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(checked)
    }
}

impl<S: Sink> Output<'_, S> {
    /// Sends a chunk, or holds it. Returns `false` if the receiver was dropped.
    async fn push(&mut self, chunk: S::Chunk) -> bool {
        match &mut self.held {
            Some(held) => {
                held.push(chunk);
                true
            }
            None => self.send(chunk).await,
        }
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
            if !self.send(chunk).await {
                return false;
            }
        }
        true
    }

    async fn send(&mut self, chunk: S::Chunk) -> bool {
        let row_count = S::row_count(&chunk) as u64;
        if self.sender.send(Ok(Event::Chunk(chunk))).await.is_err() {
            return false;
        }
        self.tally.records(row_count);
        self.watch.moved();
        true
    }
}
