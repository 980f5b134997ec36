//! From files to what a sink emits: downloads ahead of decoding, decoding off the async threads, in partition order.
//!
//! One task drives it. Each download is a task of its own that holds a permit until its body is in memory and then
//! ends, so nothing that holds a permit ever waits for the consumer. Memory is reserved before that, partition by
//! partition, in order; a partition that is larger than the whole reserve takes all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::resolve::{File, PartitionFiles};
use super::sizes::RowSizes;
use super::watch::Watch;
use crate::codec::{self, Opener};
use crate::dataset::{Dataset, blocking, task_error};
use crate::error::{Error, ErrorKind, Result};
use crate::merge::{Keep, Merge, Source, merge};
use crate::metrics::{Metrics, Tally};
use crate::record::{Key, ReadLayout};

/// Partitions whose downloads may have begun before they are decoded.
const PARTITIONS_UNDER_WAY: usize = 64;

/// Batches between the decoder and the consumer.
pub(super) const BATCHES_READY: usize = 2;

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
    pub(super) opener: Arc<Opener>,
    pub(super) keep: Keep,
    pub(super) ahead: ReadAhead,
    pub(super) missing: Missing,
    /// Makes of a merged batch what the sink emits. Runs where it may block.
    pub(super) emit: fn(&ReadLayout, RecordBatch) -> Result<X>,
    /// For a sink that keeps whole partitions.
    pub(super) straight: Option<Straight<X>>,
    pub(super) tally: Arc<Tally>,
}

/// Makes of the batches of a file that is alone in its partition, with so many rows by its footer, what the sink emits,
/// while they are read, and tells how many rows that has; `None` if they are out of order.
pub(super) type Straight<X> =
    fn(&mut dyn Iterator<Item = Result<RecordBatch>>, usize, &Key, Keep) -> Result<Option<(X, usize)>>;

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
        let window = Arc::new(Semaphore::new(self.ahead.partitions.saturating_add(1).min(Semaphore::MAX_PERMITS)));
        let watch = Arc::new(Watch::new(self.dataset.clock()));
        let (job, seen) = (&self, &watch);
        let fetch = async move {
            if let Err(error) = job.fetch(partitions, seen, &begun).await {
                // Ordered behind what was begun before it.
                let _ = begun.send(Err(error)).await;
            }
        };
        let slots = &window;
        let decode = async move {
            if let Err(error) = job.decode(fetching, slots, seen, &out).await {
                let _ = out.send(Err(error)).await;
            }
        };
        tokio::select! {
            ((), ()) = futures_util::future::join(fetch, decode) => {}
            () = watch.run(&self.tally, &window) => {}
        }
    }

    async fn fetch(
        &self,
        partitions: Vec<PartitionFiles>,
        watch: &Arc<Watch>,
        begun: &Sender<Result<Fetching>>,
    ) -> Result<()> {
        let metrics = self.dataset.metrics();
        metrics.fanout(partitions.iter().map(|partition| partition.files.len()).sum(), self.dataset.client().permits());
        let reserve = Reserve::new(self.ahead.bytes);
        let sizes = Arc::new(RowSizes::new());
        for partition in partitions {
            let size = partition.files.iter().fold(0, |sum: u64, file| sum.saturating_add(sizes.of(file)));
            let reserved = reserve.take(size, metrics).await?;
            let fetch = |file: File| {
                let one = Download {
                    dataset: self.dataset.clone(),
                    file: file.clone(),
                    missing: self.missing.clone(),
                    sizes: Arc::clone(&sizes),
                    tally: Arc::clone(&self.tally),
                    watch: Arc::clone(watch),
                };
                let download = tokio::spawn(one.run().in_current_span());
                (file, AbortOnDropHandle::new(download))
            };
            let files = partition.files.into_iter().map(fetch).collect();
            if begun.send(Ok(Fetching { key: partition.key, files, reserved })).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn decode(
        &self,
        mut fetching: Receiver<Result<Fetching>>,
        window: &Arc<Semaphore>,
        watch: &Watch,
        out: &Sender<Result<Event<X>>>,
    ) -> Result<()> {
        let (metrics, clock) = (self.dataset.metrics(), self.dataset.clock());
        let reserve = Reserve::new(self.ahead.bytes);
        while let Some(partition) = fetching.recv().await {
            let Fetching { key, files, reserved } = partition?;
            watch.at(&key);
            let mut bodies = Vec::with_capacity(files.len());
            for (file, download) in files {
                if let Some(body) = download.await.map_err(task_error)?? {
                    bodies.push((file, body));
                }
            }
            let opener = Arc::clone(&self.opener);
            let mut took = Duration::ZERO;
            let mut began = clock.monotonic();
            let (files, size) = blocking(move || open(bodies, &opener)).await?;
            took += clock.monotonic().saturating_duration_since(began);

            let place = acquire(window, 1, metrics, Metrics::waited_for_slot).await?;
            let held = Held([place, reserve.take(size, metrics).await?]);
            began = clock.monotonic();
            let (opener, keep) = (Arc::clone(&self.opener), self.keep);
            let straight = self.straight;
            let pieces = blocking(move || Pieces::of(files, opener.layout(), keep, straight)).await;
            let mut pieces = pieces.map_err(|error| error.context(format!("partition {key}")))?;
            // The bodies are gone, unless they are read only now; what they became is held.
            let reserved = pieces.is_reading().then_some(reserved);
            loop {
                let (opener, emit) = (Arc::clone(&self.opener), self.emit);
                let step = blocking(move || {
                    let piece = pieces.next(opener.layout(), emit)?;
                    Ok((pieces, piece))
                });
                let (rest, piece) = step.await.map_err(|error| error.context(format!("partition {key}")))?;
                took += clock.monotonic().saturating_duration_since(began);
                pieces = rest;
                let Some((piece, rows)) = piece else { break };
                if out.send(Ok(Event::Piece(piece))).await.is_err() {
                    return Ok(());
                }
                self.tally.records(rows as u64);
                watch.moved();
                began = clock.monotonic();
            }
            drop((pieces, reserved));
            metrics.partition_decoded(took);
            self.tally.partition();
            if out.send(Ok(Event::End(key, held))).await.is_err() {
                return Ok(());
            }
            watch.moved();
        }
        Ok(())
    }
}

/// What `straight` makes of a file that is alone in its partition, and how many rows that has. `None` for one that does
/// not call itself sorted, or is not: it can be merged from its beginning.
pub(super) fn alone<X, F>(
    file: &mut F,
    layout: &ReadLayout,
    keep: Keep,
    straight: Straight<X>,
) -> Result<Option<(X, usize)>>
where
    F: Iterator<Item = Result<RecordBatch>> + AsMut<codec::FileReader>,
{
    let plan = file.as_mut().plan();
    let rows = plan.rows();
    let Some(key) = layout.key.as_ref().filter(|_| plan.sorted(layout)) else { return Ok(None) };
    let whole = straight(file, rows, key, keep)?;
    if whole.is_none() {
        file.as_mut().begin()?;
    }
    Ok(whole)
}

/// A partition's rows.
enum Pieces<X> {
    /// All of them, and how many they are.
    Whole(Option<(X, usize)>),
    Merged(Merge),
}

impl<X> Pieces<X> {
    fn of(mut files: Vec<Named>, layout: &ReadLayout, keep: Keep, straight: Option<Straight<X>>) -> Result<Self> {
        if let (Some(straight), [file]) = (straight, files.as_mut_slice())
            && let Some(whole) = alone(file, layout, keep, straight)?
        {
            return Ok(Self::Whole(Some(whole)));
        }
        merge(layout, files, keep).map(Self::Merged)
    }

    /// Whether files are still being read.
    fn is_reading(&self) -> bool {
        matches!(self, Self::Merged(merged) if merged.is_reading())
    }

    /// The next rows, and how many they are.
    fn next(
        &mut self,
        layout: &ReadLayout,
        emit: fn(&ReadLayout, RecordBatch) -> Result<X>,
    ) -> Result<Option<(X, usize)>> {
        let batch = match self {
            Self::Whole(whole) => return Ok(whole.take()),
            Self::Merged(merged) => merged.next().transpose()?,
        };
        let Some(batch) = batch else { return Ok(None) };
        let rows = batch.num_rows();
        Ok(Some((emit(layout, batch)?, rows)))
    }
}

/// The fetching of one file.
struct Download {
    dataset: Dataset,
    file: File,
    missing: Missing,
    sizes: Arc<RowSizes>,
    tally: Arc<Tally>,
    watch: Arc<Watch>,
}

impl Download {
    /// The file's bytes: 1 GET. `None` for one that is gone and may be.
    async fn run(self) -> Result<Option<Bytes>> {
        let Self { dataset, file, missing, sizes, tally, watch } = self;
        let body = dataset.client().get(&file.key, sizes.of(&file)).await?;
        watch.moved();
        match (&body, &missing) {
            (Some(body), _) => {
                sizes.learn(&file, body.len() as u64);
                tally.file();
                tally.bytes(body.len() as u64);
            }
            (None, Missing::Fatal) => {
                let gone = format!("{} was listed but is gone: somebody deleted it; read again", file.key);
                return Err(Error::new(ErrorKind::Vanished, gone));
            }
            (None, Missing::Skipped(count)) => {
                count.fetch_add(1, Ordering::Relaxed);
                tally.missing(&file.key);
            }
        }
        Ok(body)
    }
}

/// Reads the footers: the readers, each with its file's key, and their bytes when decoded.
fn open(bodies: Vec<(File, Bytes)>, opener: &Opener) -> Result<(Vec<Named>, u64)> {
    let mut size = 0u64;
    let mut files = Vec::with_capacity(bodies.len());
    for (file, body) in bodies {
        let reader = opener.open(body).map_err(|error| error.context(&file.key))?;
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

impl AsMut<codec::FileReader> for Named {
    fn as_mut(&mut self) -> &mut codec::FileReader {
        &mut self.reader
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

    async fn take(&self, bytes: u64, metrics: &Metrics) -> Result<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX).min(self.all);
        acquire(&self.free, wanted, metrics, Metrics::waited_for_bytes).await
    }
}

/// Takes from a semaphore. If it had to wait, `waited` records how long.
async fn acquire(
    from: &Arc<Semaphore>,
    wanted: u32,
    metrics: &Metrics,
    waited: fn(&Metrics, Duration),
) -> Result<OwnedSemaphorePermit> {
    if let Ok(taken) = Arc::clone(from).try_acquire_many_owned(wanted) {
        return Ok(taken);
    }
    let began = metrics.clock().monotonic();
    let taken = Arc::clone(from).acquire_many_owned(wanted).await.map_err(closed)?;
    waited(metrics, metrics.clock().monotonic().saturating_duration_since(began));
    Ok(taken)
}

fn closed(error: tokio::sync::AcquireError) -> Error {
    Error::internal("the semaphore of a read was closed").with_source(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array};
    use arrow_schema::DataType;
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::SortingColumn;
    use parquet::file::properties::WriterProperties;

    use super::*;
    use crate::record::{ColumnNode, Description, Shape};

    fn layout() -> ReadLayout {
        let column = |name| ColumnNode {
            name,
            aliases: &[],
            shape: Shape::Leaf(DataType::Int64),
            nullable: false,
            default: None,
            default_for_nulls: false,
        };
        let (columns, key) = (vec![column("entity"), column("version")], Some(Key { entity: vec![0], version: 1 }));
        let description = Description { record: "Row", columns, partition: &[], key, inserted_at: None };
        ReadLayout::new(&description, &description)
    }

    /// The entities of a file whose footer says that it is in order, as they are read: whole or merged.
    fn entities(written: &[i64]) -> (bool, Vec<i64>) {
        let column = || Arc::new(Int64Array::from(written.to_vec())) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("entity", column()), ("version", column())]).unwrap();
        let sorting = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
        let properties = WriterProperties::builder().set_sorting_columns(Some(vec![sorting(0), sorting(1)])).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();

        let opener = Opener::new(layout());
        let reader = opener.open(writer.into_inner().unwrap().into()).unwrap();
        let straight: Straight<Vec<i64>> = |file, rows, key, keep| {
            let mut entities = Vec::with_capacity(rows);
            let in_order = crate::merge::straight(file, key, keep, |batch| {
                entities.extend(batch.column(0).as_primitive::<Int64Type>().values());
                Ok(())
            })?;
            let count = entities.len();
            Ok(in_order.then_some((entities, count)))
        };
        let emit =
            |_: &ReadLayout, batch: RecordBatch| Ok(batch.column(0).as_primitive::<Int64Type>().values().to_vec());
        let files = vec![Named { key: "file".to_owned(), reader }];
        let mut pieces = Pieces::of(files, opener.layout(), Keep::Latest, Some(straight)).unwrap();
        let (whole, mut all) = (matches!(pieces, Pieces::Whole(_)), Vec::new());
        while let Some((entities, rows)) = pieces.next(opener.layout(), emit).unwrap() {
            assert_eq!(entities.len(), rows);
            all.extend(entities);
        }
        (whole, all)
    }

    #[test]
    fn a_file_alone_is_read_at_once_only_if_it_is_in_order_to_its_end() {
        let ordered: Vec<i64> = (0..20_000).collect();
        assert_eq!(entities(&ordered), (true, ordered.clone()));
        let mut lying = ordered.clone();
        lying.swap(0, 19_999);
        assert_eq!(entities(&lying), (false, ordered));
    }
}
