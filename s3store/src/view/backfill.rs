//! Markers for records that were written before a view was.

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
use crate::codec::Step;
use crate::dataset::{Dataset, ResultStream, TaskStream, blocking};
use crate::error::{Error, Result};
use crate::format::DataName;
use crate::metrics::{Method, Tally};
use crate::pattern::{ListPlan, Pattern};
use crate::read::parts;
use crate::record::{ReadLayout, Record, Tuple, View};
use crate::s3::Listed;
use crate::write::put_marker;

/// Files that are read side by side.
const FILES_UNDER_WAY: usize = 8;

/// Keys of markers that are remembered, so that what many files hold is put once.
const MARKERS_KNOWN: usize = 100_000;

/// A backfill, made by [`ViewReader::backfill`](crate::ViewReader::backfill). Await it, or take its stream.
#[must_use = "nothing is filled in until it is awaited or streamed"]
pub struct Backfill<V> {
    dataset: Dataset,
    patterns: Result<Vec<Pattern>>,
    until: Option<i64>,
    after: Option<String>,
    view: PhantomData<fn() -> V>,
}

/// What a backfill has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Backfilled {
    /// Data files that were read.
    pub files: u64,
    /// Records in them.
    pub records: u64,
    /// Distinct tuples, counted once for each file that holds them. What this backfill has put for a file just before
    /// is counted, and not put again.
    pub markers: u64,
    /// Data files that were gone when their turn came, and were skipped, each logged.
    pub missing: u64,
}

/// A step of a backfill: one partition is done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackfillProgress {
    /// The partition's key. A backfill that was stopped goes on [`resume_after`](Backfill::resume_after) the last one that was done.
    pub partition: String,
    /// How many partitions are done.
    pub partitions: u64,
    /// How many partitions there are to be done in all.
    pub partitions_in_all: u64,
    /// How many data files there are in all, those that are gone included.
    pub files_in_all: u64,
    /// What was done so far, over all partitions.
    pub done: Backfilled,
}

/// A data file to be read.
struct File {
    partition: String,
    key: String,
    size: u64,
    /// Whether it is the last one of its partition.
    last: bool,
}

impl<V: View> Backfill<V> {
    pub(super) fn new(dataset: Dataset, patterns: Result<Vec<Pattern>>) -> Self {
        Self { dataset, patterns, until: None, after: None, view: PhantomData }
    }

    /// Only data files that landed before this instant, by S3's time of them, in whole seconds: those that were written
    /// before every writer had the view.
    pub fn modified_before<Z: TimeZone>(mut self, instant: DateTime<Z>) -> Self {
        self.until = Some(micros_from(&instant));
        self
    }

    /// Only partitions whose keys come after this one's, to go on where a backfill was stopped.
    pub fn resume_after(mut self, partition: impl Into<String>) -> Self {
        self.after = Some(partition.into());
        self
    }

    /// The steps of the backfill as a stream: one for each partition, in key order, as it is done. It runs while the
    /// stream is there, and stops when it is dropped.
    #[must_use = "a stream does nothing until it is polled"]
    pub fn stream(self) -> ResultStream<BackfillProgress> {
        let metrics = self.dataset.metrics().clone();
        let begin = move || metrics.call(Method::Backfill);
        ResultStream::new(TaskStream::new(1, begin, |out, tally| self.run(out, tally)), |progress| vec![progress])
    }

    async fn run(self, out: Sender<Result<BackfillProgress>>, tally: Arc<Tally>) {
        if let Err(error) = self.each_partition(&out, &tally).await {
            let _ = out.send(Err(error)).await;
        }
    }

    async fn each_partition(self, out: &Sender<Result<BackfillProgress>>, tally: &Tally) -> Result<()> {
        let Self { dataset, patterns, until, after, .. } = self;
        let files = files::<V>(&dataset, patterns?, until, after.as_deref()).await?;
        let partitions_in_all = files.iter().filter(|file| file.last).count() as u64;
        let (files_in_all, mut done, mut partitions) = (files.len() as u64, Backfilled::default(), 0);
        let layout = Arc::new(layout::<V>());
        let mut known = HashSet::new();
        let read = |file: File| tuples::<V>(&dataset, file, Arc::clone(&layout), tally);
        dataset.metrics().fanout(files.len(), FILES_UNDER_WAY);
        let mut read = stream::iter(files.into_iter().map(read)).buffered(FILES_UNDER_WAY);
        while let Some((File { partition, last, .. }, found)) = read.try_next().await? {
            match found {
                Some((records, keys)) => {
                    done.files += 1;
                    done.records += records;
                    done.markers += keys.len() as u64;
                    put(&dataset, keys, &mut known).await?;
                }
                None => done.missing += 1,
            }
            if last {
                partitions += 1;
                let step = BackfillProgress { partition, partitions, partitions_in_all, files_in_all, done };
                if out.send(Ok(step)).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// The columns that the view is made of.
fn layout<V: View>() -> ReadLayout {
    let record = <V::Record as Record>::description();
    ReadLayout::unordered(record.projection(record.record, &V::source_columns()).columns)
}

/// All data files that the patterns select, committed or not, by partition.
async fn files<V: View>(
    dataset: &Dataset,
    patterns: Vec<Pattern>,
    until: Option<i64>,
    after: Option<&str>,
) -> Result<Vec<File>> {
    let names = <V::Record as Record>::description().partition;
    let mut files = Vec::new();
    for listing in ListPlan::new(patterns, names).into_listings() {
        let prefix = format!("{}{}", dataset.keys().data_prefix(), listing.prefix());
        let take = |object: Listed| {
            let parsed = dataset.keys().parse_data_key(&object.key)?;
            let wanted = matches!(parsed.name, DataName::File { .. })
                && listing.matches(parsed.partition, names)
                && after.is_none_or(|after| parsed.partition > after)
                && until.is_none_or(|until| object.last_modified.is_none_or(|landed| landed < until));
            let partition = wanted.then(|| parsed.partition.to_owned())?;
            Some(File { partition, size: object.size, key: object.key, last: false })
        };
        dataset.each_page(&prefix, None, |page| files.extend(page.objects.into_iter().filter_map(take))).await?;
    }
    files.sort_by(|a, b| (&a.partition, &a.key).cmp(&(&b.partition, &b.key)));
    for place in 0..files.len() {
        let next = files.get(place + 1).map(|file| &file.partition);
        files[place].last = next != Some(&files[place].partition);
    }
    Ok(files)
}

/// How many records a file has, and the keys of their markers; `None` for a file that is gone.
type Found = Option<(u64, BTreeSet<String>)>;

async fn tuples<V: View>(
    dataset: &Dataset,
    file: File,
    layout: Arc<ReadLayout>,
    tally: &Tally,
) -> Result<(File, Found)> {
    let found = of_file::<V>(dataset, &file, layout, tally).await?;
    match &found {
        Some((records, _)) => {
            tally.file();
            tally.records(*records);
        }
        None => tally.missing(&file.key),
    }
    Ok((file, found))
}

async fn of_file<V: View>(dataset: &Dataset, file: &File, layout: Arc<ReadLayout>, tally: &Tally) -> Result<Found> {
    let Some(footer) = parts::footer(dataset, &file.key, file.size, tally).await? else { return Ok(None) };
    let reader = blocking(move || footer.read(&layout)).await;
    let mut reader = reader.map_err(|error| error.context(&file.key))?;
    let (mut records, mut tuples) = (0, BTreeSet::<Tuple>::new());
    loop {
        let Some((rest, step)) = parts::step(dataset, &file.key, reader, tally).await? else { return Ok(None) };
        let Step::Batch(batch) = step else { break };
        reader = rest;
        records += batch.num_rows() as u64;
        let more = blocking(move || {
            let taken = V::tuples(batch.columns(), 0..batch.num_rows(), &mut |tuple| {
                if !tuples.contains(tuple) {
                    tuples.insert(tuple.clone());
                }
            });
            taken.map_err(|error| Error::invalid_data(error.to_string()))?;
            Ok(tuples)
        });
        tuples = more.await.map_err(|error| error.context(&file.key))?;
    }
    let key = |tuple: &Tuple| {
        let values: Vec<&str> = tuple.values().collect();
        dataset.keys().marker_key(V::NAME, V::COLUMNS, &values).map_err(|error| error.context(&file.key))
    };
    Ok(Some((records, tuples.iter().map(key).collect::<Result<_>>()?)))
}

/// Puts the markers that are not known to be there.
async fn put(dataset: &Dataset, mut keys: BTreeSet<String>, known: &mut HashSet<String>) -> Result<()> {
    keys.retain(|key| !known.contains(key));
    dataset.metrics().fanout(keys.len(), dataset.client().permits());
    if known.len() + keys.len() > MARKERS_KNOWN {
        known.clear();
    }
    let puts = stream::iter(keys.into_iter().map(|key| async move {
        put_marker(dataset, &key).await?;
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
            let mut steps = self.stream();
            let mut done = Backfilled::default();
            while let Some(step) = steps.try_next().await? {
                done = step.done;
            }
            Ok(done)
        })
    }
}

impl<V> fmt::Debug for Backfill<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backfill")
            .field("patterns", &self.patterns)
            .field("until", &self.until)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}
