//! From files to what a sink emits: downloads ahead of decoding, decoding off the async threads, in partition order.
//!
//! One task drives it. Each download is a task of its own that holds a permit until its body is in memory and then
//! ends, so nothing that holds a permit ever waits for the consumer. Memory is reserved before that, partition by
//! partition, in order; a partition that is larger than the whole reserve takes all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use super::resolve::{File, PartitionFiles};
use super::sizes::RowSizes;
use crate::codec;
use crate::dataset::{Dataset, blocking};
use crate::error::{Error, ErrorKind, Result};
use crate::merge::{Keep, Source, merge};
use crate::record::ReadLayout;

/// Partitions whose downloads may have begun before they are decoded.
const PARTITIONS_UNDER_WAY: usize = 64;

/// Batches between the decoder and the consumer.
const BATCHES_READY: usize = 2;

/// How far a read runs ahead of its consumer.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadAhead {
    pub(super) partitions: usize,
    pub(super) bytes: u64,
}

/// What happens when a file is gone.
#[derive(Debug, Clone)]
pub(crate) enum Missing {
    /// The read fails: the file was listed a moment ago.
    Fatal,
    /// It is skipped, logged and counted: it may have been pruned long after its commit.
    Skipped(Arc<AtomicU64>),
}

/// What a read does with the files.
pub(super) struct Job<X> {
    pub(super) dataset: Dataset,
    pub(super) layout: Arc<ReadLayout>,
    pub(super) keep: Keep,
    pub(super) ahead: ReadAhead,
    pub(super) missing: Missing,
    /// Makes of a merged batch what the sink emits. Runs where it may block.
    pub(super) emit: fn(&ReadLayout, RecordBatch) -> Result<X>,
}

/// What comes out, in order.
pub(super) enum Event<X> {
    /// A piece of the current partition.
    Piece(X),
    /// The partition's end, with its key and the memory that it held.
    End(String, #[expect(dead_code, reason = "held for its drop")] Held),
}

/// Room in the read-ahead, given back when dropped.
pub(super) struct Held(#[expect(dead_code, reason = "held for its drop")] [OwnedSemaphorePermit; 2]);

/// A partition under way: its files' downloads, in key order, and the memory reserved for them.
struct Fetching {
    key: String,
    files: Vec<(File, AbortOnDropHandle<Result<Option<Bytes>>>)>,
    reserved: OwnedSemaphorePermit,
}

impl<X: Send + 'static> Job<X> {
    /// Reads all partitions, sending what comes out; ends early when nobody listens any more.
    pub(super) async fn run(self, partitions: Vec<PartitionFiles>, out: Sender<Result<Event<X>>>) {
        let (begun, fetching) = channel(PARTITIONS_UNDER_WAY);
        let job = &self;
        let fetch = async move {
            if let Err(error) = job.fetch(partitions, &begun).await {
                // Ordered behind what was begun before it.
                let _ = begun.send(Err(error)).await;
            }
        };
        let decode = async move {
            if let Err(error) = job.decode(fetching, &out).await {
                let _ = out.send(Err(error)).await;
            }
        };
        futures_util::join!(fetch, decode);
    }

    async fn fetch(&self, partitions: Vec<PartitionFiles>, begun: &Sender<Result<Fetching>>) -> Result<()> {
        let reserve = Reserve::new(self.ahead.bytes);
        let sizes = Arc::new(RowSizes::new());
        for partition in partitions {
            let size = partition.files.iter().fold(0, |sum: u64, file| sum.saturating_add(sizes.of(file)));
            let reserved = reserve.take(size).await?;
            let fetch = |file: File| {
                let one = Download {
                    dataset: self.dataset.clone(),
                    file: file.clone(),
                    missing: self.missing.clone(),
                    sizes: Arc::clone(&sizes),
                };
                let download = tokio::spawn(one.run());
                (file, AbortOnDropHandle::new(download))
            };
            let files = partition.files.into_iter().map(fetch).collect();
            if begun.send(Ok(Fetching { key: partition.key, files, reserved })).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn decode(&self, mut fetching: Receiver<Result<Fetching>>, out: &Sender<Result<Event<X>>>) -> Result<()> {
        let window = Arc::new(Semaphore::new(self.ahead.partitions.saturating_add(1).min(Semaphore::MAX_PERMITS)));
        let reserve = Reserve::new(self.ahead.bytes);
        while let Some(partition) = fetching.recv().await {
            let Fetching { key, files, reserved } = partition?;
            let mut bodies = Vec::with_capacity(files.len());
            for (file, download) in files {
                if let Some(body) = download.await.map_err(stopped)?? {
                    bodies.push((file, body));
                }
            }
            let layout = Arc::clone(&self.layout);
            let (files, size) = blocking(move || open(bodies, &layout)).await?;

            let place = Arc::clone(&window).acquire_owned().await.map_err(closed)?;
            let held = Held([place, reserve.take(size).await?]);
            let (layout, keep) = (Arc::clone(&self.layout), self.keep);
            let mut merged = blocking(move || merge(&layout, files, keep)).await;
            merged = merged.map_err(|error| error.context(format!("partition {key}")));
            let mut merged = merged?;
            // The bodies are gone, unless they are read only now; what they became is held.
            let reserved = merged.is_reading().then_some(reserved);
            loop {
                let (layout, emit) = (Arc::clone(&self.layout), self.emit);
                let step = blocking(move || {
                    let piece = merged.next().transpose()?.map(|batch| emit(&layout, batch)).transpose()?;
                    Ok((merged, piece))
                });
                let (rest, piece) = step.await.map_err(|error| error.context(format!("partition {key}")))?;
                merged = rest;
                let Some(piece) = piece else { break };
                if out.send(Ok(Event::Piece(piece))).await.is_err() {
                    return Ok(());
                }
            }
            drop((merged, reserved));
            if out.send(Ok(Event::End(key, held))).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Where a job's events go, and where they come out.
type Channel<E> = (Sender<Result<E>>, Receiver<Result<E>>);

/// The channel from a job to its consumer.
pub(super) fn events<X>() -> Channel<Event<X>> {
    channel(BATCHES_READY)
}

/// The fetching of one file.
struct Download {
    dataset: Dataset,
    file: File,
    missing: Missing,
    sizes: Arc<RowSizes>,
}

impl Download {
    /// The file's bytes: 1 GET. `None` for one that is gone and may be.
    async fn run(self) -> Result<Option<Bytes>> {
        let Self { dataset, file, missing, sizes } = self;
        let permit = dataset.requests().permit().await?;
        let body = dataset.requests().get(&permit, &file.key, sizes.of(&file)).await;
        drop(permit);
        let body = body.map_err(|failure| failure.into_error(format!("get {}", file.key)))?;
        match (&body, &missing) {
            (Some(body), _) => sizes.learn(&file, body.len() as u64),
            (None, Missing::Fatal) => {
                let gone = format!("{} was listed but is gone: somebody deleted it; read again", file.key);
                return Err(Error::new(ErrorKind::Vanished, gone));
            }
            (None, Missing::Skipped(count)) => {
                count.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(key = file.key, "a committed data file is gone and is skipped");
            }
        }
        Ok(body)
    }
}

/// Reads the footers: the readers, each with its file's key, and their bytes when decoded.
fn open(bodies: Vec<(File, Bytes)>, layout: &ReadLayout) -> Result<(Vec<Named>, u64)> {
    let mut size = 0u64;
    let mut files = Vec::with_capacity(bodies.len());
    for (file, body) in bodies {
        let reader = codec::open(body, layout).map_err(|error| error.context(&file.key))?;
        size = size.saturating_add(reader.plan().uncompressed_size());
        files.push(Named { key: file.key, reader });
    }
    Ok((files, size))
}

/// A file's reader, whose errors name the file.
struct Named {
    key: String,
    reader: codec::FileReader,
}

impl Iterator for Named {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.reader.next().map(|batch| batch.map_err(|error| error.context(&self.key)))
    }
}

impl Source for Named {
    fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }
}

/// Memory to be taken in order, in KiB.
struct Reserve {
    free: Arc<Semaphore>,
    all: u32,
}

impl Reserve {
    fn new(bytes: u64) -> Self {
        // tokio's semaphores hand out at most u32::MAX at once, which is 4 TiB here.
        let most = u64::from(u32::MAX).min(Semaphore::MAX_PERMITS as u64);
        let all = u32::try_from((bytes >> 10).clamp(1, most)).unwrap_or(u32::MAX);
        Self { free: Arc::new(Semaphore::new(all as usize)), all }
    }

    async fn take(&self, bytes: u64) -> Result<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX).min(self.all);
        Arc::clone(&self.free).acquire_many_owned(wanted).await.map_err(closed)
    }
}

fn closed(_: tokio::sync::AcquireError) -> Error {
    Error::new(ErrorKind::Cancelled, "the read was stopped")
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Cancelled, "a download was stopped: the runtime shut down").with_source(error)
}
