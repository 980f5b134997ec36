//! Backfill: puts the markers of records that were written before their view was added.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, TimeZone};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc::Sender;

use crate::clock::micros_from;
use crate::cpu;
use crate::dataset::{Dataset, ResultStream, TaskStream};
use crate::error::{Error, Result};
use crate::format::DataName;
use crate::metrics::{Method, Tally};
use crate::pattern::{ListPlan, Pattern};
use crate::read::ranged::{self, RangedRead};
use crate::record::{ReadLayout, Record, Tuple, View};
use crate::s3::ListedObject;

/// The number of files that are read side by side.
const FILES_IN_FLIGHT: usize = 8;

/// The number of marker keys that are remembered, so that a marker of several files is put once.
const MAX_KNOWN_MARKERS: usize = 100_000;

/// A backfill, made by [`ViewReader::backfill`](super::ViewReader::backfill). Await it, or take its
/// [`stream`](Backfill::stream).
#[must_use = "no marker is put until it is awaited or streamed"]
pub struct Backfill<V> {
    dataset: Dataset,
    patterns: Result<Vec<Pattern>>,
    modified_before: Option<i64>,
    resume_after: Option<String>,
    view: PhantomData<fn() -> V>,
}

/// The work that a backfill has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Backfilled {
    /// The number of data files that were read.
    pub files: u64,
    /// The number of records in these files.
    pub records: u64,
    /// The number of markers: the distinct tuples of each file, added up over all files.
    ///
    /// A tuple that is in several files is counted for each of them, although its marker is usually put once.
    pub markers: u64,
    /// The number of data files that were skipped because they were deleted after they were listed. Each is logged.
    pub missing: u64,
}

/// The progress of a backfill, reported after each partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackfillProgress {
    /// The partition that is done. To continue an interrupted backfill, pass the last one to
    /// [`resume_after`](Backfill::resume_after).
    pub partition: String,
    /// The number of partitions that are done.
    pub partitions: u64,
    /// The number of partitions that this backfill covers.
    pub total_partitions: u64,
    /// The number of data files that this backfill covers, including those that turn out to be missing.
    pub total_files: u64,
    /// The work done so far, over all partitions.
    pub done: Backfilled,
}

/// A data file to read.
struct BackfillFile {
    partition: String,
    key: String,
    size: u64,
    last_of_partition: bool,
}

/// The markers of a data file.
struct FileMarkers {
    records: u64,
    keys: BTreeSet<String>,
}

impl<V: View> Backfill<V> {
    pub(super) fn new(dataset: Dataset, patterns: Result<Vec<Pattern>>) -> Self {
        Self { dataset, patterns, modified_before: None, resume_after: None, view: PhantomData }
    }

    /// Reads only data files that landed before this instant, by their `LastModified` in S3, in whole seconds.
    ///
    /// Pass the instant from which on every writer maintained the view. Later files have their markers already.
    pub fn modified_before<Z: TimeZone>(mut self, instant: DateTime<Z>) -> Self {
        self.modified_before = Some(micros_from(&instant));
        self
    }

    /// Reads only partitions after this one, in key order, to continue an interrupted backfill.
    pub fn resume_after(mut self, partition: impl Into<String>) -> Self {
        self.resume_after = Some(partition.into());
        self
    }

    /// Runs the backfill as a stream of its progress: one item for each partition, in key order, when its markers have
    /// landed.
    ///
    /// The backfill runs up to two partitions ahead of the consumer. Dropping the stream stops it.
    ///
    /// # Example
    /// ```
    /// # async fn example(view: s3store::view::ViewReader<impl s3store::View>) -> s3store::Result<()> {
    /// let mut progress = view.backfill("*").stream();
    /// while let Some(step) = progress.try_next().await? {
    ///     println!("{} ({} of {})", step.partition, step.partitions, step.total_partitions);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "a stream does nothing until it is polled"]
    pub fn stream(self) -> ResultStream<BackfillProgress> {
        let metrics = self.dataset.metrics().clone();
        let begin = move || metrics.call(Method::Backfill);
        let task = TaskStream::new(1, begin, |out, tally| async move {
            if let Err(error) = self.run(&out, &tally).await {
                let _ = out.send(Err(error)).await;
            }
        });
        ResultStream::new(task, |progress| vec![progress])
    }

    async fn run(self, out: &Sender<Result<BackfillProgress>>, tally: &Tally) -> Result<()> {
        let Self { dataset, patterns, modified_before, resume_after, .. } = self;
        let files = list_files::<V>(&dataset, patterns?, modified_before, resume_after.as_deref()).await?;
        let total_partitions = files.iter().filter(|file| file.last_of_partition).count() as u64;
        let (total_files, mut done, mut partitions) = (files.len() as u64, Backfilled::default(), 0);
        let layout = Arc::new(layout::<V>());
        let mut known = HashSet::new();
        let read = |file: BackfillFile| read_file::<V>(&dataset, file, Arc::clone(&layout), tally);
        dataset.metrics().fanout(files.len(), FILES_IN_FLIGHT);
        // In order, so that a partition is reported only when all before it are done too.
        let mut reads = stream::iter(files.into_iter().map(read)).buffered(FILES_IN_FLIGHT);
        while let Some((file, markers)) = reads.try_next().await? {
            match markers {
                Some(FileMarkers { records, keys }) => {
                    done.files += 1;
                    done.records += records;
                    done.markers += keys.len() as u64;
                    put_markers(&dataset, keys, &mut known).await?;
                }
                None => done.missing += 1,
            }
            if file.last_of_partition {
                partitions += 1;
                let partition = file.partition;
                let progress = BackfillProgress { partition, partitions, total_partitions, total_files, done };
                if out.send(Ok(progress)).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Lists the data files to read, committed or not, by partition and key.
async fn list_files<V: View>(
    dataset: &Dataset,
    patterns: Vec<Pattern>,
    before: Option<i64>,
    after: Option<&str>,
) -> Result<Vec<BackfillFile>> {
    let keys = dataset.keys();
    let partition_names = <V::Record as Record>::description().partition;
    let mut files = Vec::new();
    for listing in ListPlan::new(patterns, partition_names).into_listings() {
        let prefix = format!("{}{}", keys.data_prefix(), listing.prefix());
        let select = |object: ListedObject| {
            let parsed = keys.parse_data_key(&object.key)?;
            let selected = matches!(parsed.name, DataName::File { .. })
                && listing.matches(parsed.partition, partition_names)
                && after.is_none_or(|after| parsed.partition > after)
                && before.is_none_or(|before| object.last_modified.is_none_or(|landed| landed < before));
            let partition = selected.then(|| parsed.partition.to_owned())?;
            Some(BackfillFile { partition, size: object.size, key: object.key, last_of_partition: false })
        };
        let mut pages = dataset.client().list(prefix);
        while let Some(page) = pages.next().await? {
            files.extend(page.objects.into_iter().filter_map(select));
        }
    }
    files.sort_by(|a, b| (&a.partition, &a.key).cmp(&(&b.partition, &b.key)));
    for index in 0..files.len() {
        let next = files.get(index + 1).map(|file| &file.partition);
        files[index].last_of_partition = next != Some(&files[index].partition);
    }
    Ok(files)
}

/// Returns the layout of the columns that the view's tuples are made of.
fn layout<V: View>() -> ReadLayout {
    let record = <V::Record as Record>::description();
    ReadLayout::unordered(record.projection(record.record, &V::source_columns()).columns)
}

/// Reads the markers of a file and counts it. Returns `None` in their place if the file was deleted.
async fn read_file<V: View>(
    dataset: &Dataset,
    file: BackfillFile,
    layout: Arc<ReadLayout>,
    tally: &Tally,
) -> Result<(BackfillFile, Option<FileMarkers>)> {
    let markers = markers_of::<V>(dataset, &file, layout, tally).await?;
    match &markers {
        Some(FileMarkers { records, .. }) => {
            tally.file();
            tally.records(*records);
        }
        None => tally.missing(&file.key),
    }
    Ok((file, markers))
}

async fn markers_of<V: View>(
    dataset: &Dataset,
    file: &BackfillFile,
    layout: Arc<ReadLayout>,
    tally: &Tally,
) -> Result<Option<FileMarkers>> {
    let Some(footer) = ranged::footer(dataset, &file.key, file.size, tally).await? else { return Ok(None) };
    let reader = cpu::run(dataset.clock(), move || footer.read(&layout)).await;
    let mut reader = reader.map_err(|error| error.context(&file.key))?;
    let (mut records, mut tuples) = (0, BTreeSet::<Tuple>::new());
    loop {
        let batch = match ranged::next_batch(dataset, &file.key, reader, tally).await? {
            RangedRead::Batch(rest, batch) => {
                reader = rest;
                batch
            }
            RangedRead::End => break,
            RangedRead::FileMissing => return Ok(None),
        };
        records += batch.num_rows() as u64;
        let extended = cpu::run(dataset.clock(), move || {
            let outcome = V::tuples(batch.columns(), 0..batch.num_rows(), &mut |tuple| {
                if !tuples.contains(tuple) {
                    tuples.insert(tuple.clone());
                }
            });
            outcome.map_err(|error| Error::invalid_data(error.to_string()))?;
            Ok(tuples)
        });
        tuples = extended.await.map_err(|error| error.context(&file.key))?;
    }
    let key = |tuple: &Tuple| {
        let values: Vec<&str> = tuple.values().collect();
        dataset.keys().marker_key(V::NAME, V::COLUMNS, &values).map_err(|error| error.context(&file.key))
    };
    Ok(Some(FileMarkers { records, keys: tuples.iter().map(key).collect::<Result<_>>()? }))
}

/// Puts the markers that this backfill is not known to have put, side by side.
async fn put_markers(dataset: &Dataset, mut keys: BTreeSet<String>, known: &mut HashSet<String>) -> Result<()> {
    keys.retain(|key| !known.contains(key));
    dataset.metrics().fanout(keys.len(), dataset.client().permits());
    if known.len() + keys.len() > MAX_KNOWN_MARKERS {
        known.clear();
    }
    let puts = stream::iter(keys.into_iter().map(|key| async move {
        dataset.put_marker(&key).await?;
        Ok::<_, Error>(key)
    }));
    let mut landed = puts.buffer_unordered(dataset.client().permits());
    while let Some(key) = landed.try_next().await? {
        known.insert(key);
    }
    Ok(())
}

impl<V: View> IntoFuture for Backfill<V> {
    type Output = Result<Backfilled>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut stream = self.stream();
            let mut done = Backfilled::default();
            while let Some(progress) = stream.try_next().await? {
                done = progress.done;
            }
            Ok(done)
        })
    }
}

impl<V> fmt::Debug for Backfill<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backfill")
            .field("patterns", &self.patterns)
            .field("modified_before", &self.modified_before)
            .field("resume_after", &self.resume_after)
            .finish_non_exhaustive()
    }
}
