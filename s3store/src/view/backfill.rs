//! Backfill: puts the markers of records that were written before their view was added.

mod error;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use arrow_array::RecordBatch;
use chrono::{DateTime, TimeZone};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc::Sender;

use self::error::lost;
pub use self::error::{BackfillError, FailedFile};
use crate::clock::micros_from;
use crate::cpu;
use crate::dataset::{Dataset, ResultStream, Subject, TaskStream};
use crate::error::{Error, ErrorKind, Result, S3Error};
use crate::format::{DataKey, DataName};
use crate::metrics::{Method, Tally};
use crate::pattern::{ListPlan, Pattern};
use crate::record::{ReadLayout, Record, RowError, Tuple, View};
use crate::s3::ListedObject;
use crate::scan::{self, RangedRead};
use crate::schema::Access;

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
    /// The number of data files that were skipped because they can't be read, and were never committed. Each is logged.
    pub uncommitted: u64,
    /// The number of committed data files that can't be read, or have a row whose tuple no key can contain. Each is
    /// logged, and listed by the [`BackfillError`] at the end.
    pub failed: u64,
}

/// The progress of a backfill, reported after each partition.
#[derive(Debug, Clone)]
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
    /// The partition's committed files that failed.
    pub failed: Vec<FailedFile>,
}

/// A data file to read.
struct BackfillFile {
    partition: String,
    key: String,
    size: u64,
    last_of_partition: bool,
}

/// The outcome of reading a data file.
enum FileOutcome {
    Read(FileMarkers),
    /// The file was deleted after it was listed.
    Missing,
    /// The file can't be read, and was never committed.
    Uncommitted,
}

/// The markers of a data file.
#[derive(Default)]
struct FileMarkers {
    records: u64,
    keys: BTreeSet<String>,
    /// The first error of the file. The other fields contain only what could be read.
    error: Option<Error>,
}

/// The tuples of a data file, while it is read.
#[derive(Default)]
struct FileTuples {
    tuples: BTreeSet<Tuple>,
    /// The first row whose tuple can't be made.
    error: Option<Error>,
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
    /// A file that can't be read does not stop it. If any committed file failed, the last item is an error after the
    /// progress of all partitions. The files are in [`BackfillProgress::failed`].
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
        let patterns = patterns?;
        dataset.check_schema(Subject::view::<V>(Access::Read)).await?;
        let files = list_files::<V>(&dataset, patterns, modified_before, resume_after.as_deref()).await?;
        let total_partitions = files.iter().filter(|file| file.last_of_partition).count() as u64;
        let (total_files, mut done, mut partitions) = (files.len() as u64, Backfilled::default(), 0);
        let layout = Arc::new(layout::<V>());
        let (mut known, mut failed, mut first_failed) = (HashSet::new(), Vec::new(), None);
        let read = |file: BackfillFile| read_file::<V>(&dataset, file, Arc::clone(&layout), tally);
        dataset.metrics().fanout(files.len(), FILES_IN_FLIGHT);
        // In order, so that a partition is reported only when all before it are done too.
        let mut reads = stream::iter(files.into_iter().map(read)).buffered(FILES_IN_FLIGHT);
        while let Some((file, outcome)) = reads.try_next().await? {
            match outcome {
                FileOutcome::Read(FileMarkers { records, keys, error }) => {
                    match error {
                        None => done.files += 1,
                        Some(error) => {
                            done.failed += 1;
                            failed.push(FailedFile { key: file.key, error: Arc::new(error) });
                        }
                    }
                    done.records += records;
                    done.markers += keys.len() as u64;
                    put_markers(&dataset, keys, &mut known).await?;
                }
                FileOutcome::Missing => done.missing += 1,
                FileOutcome::Uncommitted => done.uncommitted += 1,
            }
            if file.last_of_partition {
                partitions += 1;
                let (partition, failed) = (file.partition, std::mem::take(&mut failed));
                if first_failed.is_none() {
                    first_failed = failed.first().cloned();
                }
                let progress = BackfillProgress { partition, partitions, total_partitions, total_files, done, failed };
                if out.send(Ok(progress)).await.is_err() {
                    return Ok(());
                }
            }
        }
        first_failed.map_or(Ok(()), |first| Err(lost(done.failed, &first)))
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
    let partition_names = &<V::Record as Record>::description().partition;
    let mut files = Vec::new();
    for listing in ListPlan::new(patterns, partition_names).into_listings() {
        let prefix = format!("{}{}", keys.data_prefix(), listing.prefix());
        let select = |object: ListedObject| {
            let parsed = keys.parse_data_key(&object.key)?;
            let selected = matches!(parsed.name, DataName::File { .. })
                && listing.selects_partition(parsed.partition, partition_names)
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
    ReadLayout::unordered(record.projection(record.record.clone(), &V::source_columns()).columns)
}

/// Reads the markers of a file and counts it.
///
/// If the file itself is at fault, asks for its commit: 1 HEAD. Other failures are returned.
async fn read_file<V: View>(
    dataset: &Dataset,
    file: BackfillFile,
    layout: Arc<ReadLayout>,
    tally: &Tally,
) -> Result<(BackfillFile, FileOutcome)> {
    let markers = match markers_of::<V>(dataset, &file, layout, tally).await {
        Ok(Some(markers)) => markers,
        Ok(None) => {
            tally.missing(&file.key);
            return Ok((file, FileOutcome::Missing));
        }
        Err(error) if is_fault_of_file(&error) => FileMarkers { error: Some(error), ..FileMarkers::default() },
        Err(error) => return Err(error),
    };
    let markers = match markers.error {
        None => markers,
        Some(error) => match committed_failure(dataset, &file.key, error, tally).await? {
            Some(error) => FileMarkers { error: Some(error), ..markers },
            None => return Ok((file, FileOutcome::Uncommitted)),
        },
    };
    if markers.error.is_none() {
        tally.file();
    }
    tally.records(markers.records);
    Ok((file, FileOutcome::Read(markers)))
}

/// Returns whether an error will recur whenever this file is read, but says nothing about other files.
fn is_fault_of_file(error: &Error) -> bool {
    // A code that panics on the file's rows counts too. An archived object, or one that is shorter than LIST said, is
    // refused by S3.
    let of_data = matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Internal);
    let of_object = |answer: &S3Error| answer.status() == 416 || answer.code() == Some("InvalidObjectState");
    of_data || error.s3_error().is_some_and(of_object)
}

/// Returns the error of a file if the file was committed, or may have been. Returns `None` if it was not. Logs both.
async fn committed_failure(dataset: &Dataset, key: &str, error: Error, tally: &Tally) -> Result<Option<Error>> {
    let committed = match is_committed(dataset, key, tally).await {
        Ok(committed) => committed,
        Err(commit_error) if is_fault_of_file(&commit_error) => {
            let error = error.context(format!("its commit can't be read either ({commit_error})"));
            tracing::warn!(key, %error, "a backfill can't read a data file that may be committed");
            return Ok(Some(error));
        }
        Err(commit_error) => return Err(commit_error),
    };
    if committed {
        tracing::warn!(key, %error, "a backfill can't read a committed data file completely");
        return Ok(Some(error));
    }
    tracing::warn!(key, %error, "a backfill skips a data file that can't be read and was not committed");
    Ok(None)
}

/// Returns whether the commit of a file's token names this file: 1 HEAD.
async fn is_committed(dataset: &Dataset, key: &str, tally: &Tally) -> Result<bool> {
    let Some(DataKey { partition, name: DataName::File { token, attempt } }) = dataset.keys().parse_data_key(key)
    else {
        return Err(Error::internal(format!("{key} was listed as a data file")));
    };
    let commit_key = format!("{}{partition}/{}", dataset.keys().data_prefix(), DataName::Commit { token });
    tally.commit_head();
    let found = dataset.find_commit(&commit_key).await?;
    Ok(found.is_some_and(|found| found.meta.attempt == attempt))
}

/// Reads the markers of a file. Returns `None` if it was deleted.
async fn markers_of<V: View>(
    dataset: &Dataset,
    file: &BackfillFile,
    layout: Arc<ReadLayout>,
    tally: &Tally,
) -> Result<Option<FileMarkers>> {
    let Some(footer) = dataset.footer(&file.key, file.size, |bytes| tally.bytes(bytes)).await? else { return Ok(None) };
    let reader = cpu::run(dataset.clock(), move || footer.read(&layout)).await;
    let mut reader = reader.map_err(|error| error.context(&file.key))?;
    let (mut records, mut found) = (0, FileTuples::default());
    loop {
        let batch = match scan::next_batch(dataset, &file.key, reader, tally).await? {
            RangedRead::Batch(rest, batch) => {
                reader = rest;
                batch
            }
            RangedRead::End => break,
            RangedRead::FileMissing => return Ok(None),
        };
        let first_row = records;
        records += batch.num_rows() as u64;
        let extended = cpu::run(dataset.clock(), move || {
            found.extend::<V>(&batch, first_row);
            Ok(found)
        });
        found = extended.await.map_err(|error| error.context(&file.key))?;
    }
    let FileTuples { tuples, mut error } = found;
    let mut keys = BTreeSet::new();
    for tuple in tuples {
        let values: Vec<&str> = tuple.values().collect();
        match dataset.keys().marker_key(V::NAME, V::COLUMNS, &values) {
            Ok(key) => drop(keys.insert(key)),
            Err(unfit) => drop(error.get_or_insert(unfit)),
        }
    }
    Ok(Some(FileMarkers { records, keys, error: error.map(|error| error.context(&file.key)) }))
}

impl FileTuples {
    /// Adds the tuples of a batch. A row without a tuple does not keep the rows after it from being added.
    fn extend<V: View>(&mut self, batch: &RecordBatch, first_row: u64) {
        let (mut next, rows) = (0, batch.num_rows());
        while next < rows {
            let outcome = V::tuples(batch.columns(), next..rows, &mut |tuple| {
                if !self.tuples.contains(tuple) {
                    self.tuples.insert(tuple.clone());
                }
            });
            let Err(RowError { row, value }) = outcome else { return };
            next = row.max(next) + 1;
            self.error.get_or_insert_with(|| {
                Error::invalid_data(format!("row {}: view {:?}, {value}", first_row + row as u64, V::NAME))
            });
        }
    }
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
    type Output = Result<Backfilled, BackfillError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut stream = self.stream();
            let (mut done, mut failed, mut partitions_left) = (Backfilled::default(), Vec::new(), true);
            loop {
                match stream.try_next().await {
                    Ok(Some(progress)) => {
                        done = progress.done;
                        failed.extend(progress.failed);
                        partitions_left = progress.partitions < progress.total_partitions;
                    }
                    Ok(None) => return Ok(done),
                    // The error after the last partition only sums up the failed files.
                    Err(error) => {
                        let cause = (partitions_left || failed.is_empty()).then_some(error);
                        return Err(BackfillError { done, failed, cause });
                    }
                }
            }
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
