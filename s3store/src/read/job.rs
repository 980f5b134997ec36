//! The task of a read: downloads files ahead of decoding, decodes on the threads for CPU work, and sends the results in
//! partition order.
//!
//! Each download runs in its own task. It holds a permit until its body is in memory and then ends, so no permit is held
//! while the consumer is busy. Memory is reserved for a partition before its downloads start, in partition order. A
//! partition that is larger than the whole reserve takes all of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::download::{Download, MissingFile};
use super::memory_reserve::{MemoryReserve, acquire};
use super::partition_rows::{PartitionRows, open_files};
use super::resolve::{PartitionFiles, StoredFile};
use super::row_sizes::RowSizes;
use super::sink::{Event, PartitionPermits, Sink};
use super::stall_watch::StallWatch;
use crate::codec::Opener;
use crate::cpu;
use crate::dataset::{Dataset, task_error};
use crate::error::Result;
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
    pub(super) tally: Arc<Tally>,
}

/// A partition whose downloads have started, with the memory that is reserved for them.
struct DownloadingPartition {
    key: String,
    /// The downloads in key order. A download returns `None` if the file is missing.
    files: Vec<(StoredFile, AbortOnDropHandle<Result<Option<Bytes>>>)>,
    reserved: OwnedSemaphorePermit,
}

impl Job {
    /// Reads all partitions and sends their rows to `out`. Ends early if the receiver is dropped.
    pub(super) async fn run<S: Sink>(self, partitions: Vec<PartitionFiles>, out: Sender<Result<Event<S::Chunk>>>) {
        let (started, downloading) = channel(PARTITIONS_DOWNLOADING);
        let window = Arc::new(Semaphore::new(self.ahead.partitions.saturating_add(1).min(Semaphore::MAX_PERMITS)));
        let watch = Arc::new(StallWatch::new(self.dataset.clock()));
        let (job, watch, window) = (&self, &watch, &window);
        let download = async move {
            if let Err(error) = job.download(partitions, watch, &started).await {
                // By this channel, so that the partitions started before the error are delivered first.
                let _ = started.send(Err(error)).await;
            }
        };
        let decode = async move {
            if let Err(error) = job.decode::<S>(downloading, window, watch, &out).await {
                let _ = out.send(Err(error)).await;
            }
        };
        tokio::select! {
            ((), ()) = futures_util::future::join(download, decode) => {}
            () = watch.run(&self.tally, window) => {}
        }
    }

    /// Starts the downloads of each partition as soon as there is memory for it.
    async fn download(
        &self,
        partitions: Vec<PartitionFiles>,
        watch: &Arc<StallWatch>,
        started: &Sender<Result<DownloadingPartition>>,
    ) -> Result<()> {
        let metrics = self.dataset.metrics();
        metrics.fanout(partitions.iter().map(|partition| partition.files.len()).sum(), self.dataset.client().permits());
        let reserve = MemoryReserve::new(self.ahead.bytes);
        let sizes = Arc::new(RowSizes::new());
        for partition in partitions {
            let size = partition.files.iter().fold(0, |sum: u64, file| sum.saturating_add(sizes.size_of(file)));
            let reserved = reserve.take(size, metrics).await?;
            let start = |file: StoredFile| {
                let download = Download {
                    dataset: self.dataset.clone(),
                    file: file.clone(),
                    missing: self.missing.clone(),
                    sizes: Arc::clone(&sizes),
                    tally: Arc::clone(&self.tally),
                    watch: Arc::clone(watch),
                };
                (file, AbortOnDropHandle::new(tokio::spawn(download.run().in_current_span())))
            };
            let files = partition.files.into_iter().map(start).collect();
            if started.send(Ok(DownloadingPartition { key: partition.key, files, reserved })).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Decodes the downloaded partitions and sends their rows.
    async fn decode<S: Sink>(
        &self,
        mut downloading: Receiver<Result<DownloadingPartition>>,
        window: &Arc<Semaphore>,
        watch: &StallWatch,
        out: &Sender<Result<Event<S::Chunk>>>,
    ) -> Result<()> {
        let (metrics, clock) = (self.dataset.metrics(), self.dataset.clock());
        let reserve = MemoryReserve::new(self.ahead.bytes);
        while let Some(partition) = downloading.recv().await {
            let DownloadingPartition { key, files, reserved } = partition?;
            watch.decoding(&key);
            let mut bodies = Vec::with_capacity(files.len());
            for (file, download) in files {
                if let Some(body) = download.await.map_err(task_error)?? {
                    bodies.push((file.key, body));
                }
            }
            let opener = Arc::clone(&self.opener);
            let mut decode_time = Duration::ZERO;
            let mut began = clock.monotonic();
            let (files, size) = cpu::run(clock, move || open_files(bodies, &opener)).await?;
            decode_time += clock.monotonic().saturating_duration_since(began);

            let slot = acquire(window, 1, metrics, Metrics::waited_for_slot).await?;
            let permits = PartitionPermits { _slot: slot, _decoded: reserve.take(size, metrics).await? };
            began = clock.monotonic();
            let (opener, keep) = (Arc::clone(&self.opener), self.keep);
            let rows = cpu::run(clock, move || PartitionRows::<S>::new(files, opener.layout(), keep)).await;
            let mut rows = rows.map_err(|error| error.context(format!("partition {key}")))?;
            // The file bodies are dropped once all files are decoded; the decoded rows have their own reservation.
            let reserved = rows.is_decoding().then_some(reserved);
            loop {
                let opener = Arc::clone(&self.opener);
                let next = cpu::run(clock, move || {
                    let chunk = rows.next_chunk(opener.layout())?;
                    Ok((rows, chunk))
                });
                let (rest, chunk) = next.await.map_err(|error| error.context(format!("partition {key}")))?;
                decode_time += clock.monotonic().saturating_duration_since(began);
                rows = rest;
                let Some(chunk) = chunk else { break };
                let row_count = S::row_count(&chunk) as u64;
                if out.send(Ok(Event::Chunk(chunk))).await.is_err() {
                    return Ok(());
                }
                self.tally.records(row_count);
                watch.moved();
                began = clock.monotonic();
            }
            drop((rows, reserved));
            metrics.partition_decoded(decode_time);
            self.tally.partition();
            if out.send(Ok(Event::PartitionEnd { partition: key, permits })).await.is_err() {
                return Ok(());
            }
            watch.moved();
        }
        Ok(())
    }
}
