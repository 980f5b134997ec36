//! Lists a dataset's partitions without reading a file.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::walk::{self, Haste, ListedPartition};
use crate::dataset::{Dataset, Store, Subject};
use crate::error::{Error, Result};
use crate::format::{AttemptId, DataName, PartitionKey, Prefix};
use crate::metrics::{Method, Tally};
use crate::pattern::{IntoPatterns, Pattern};
use crate::record::{Names, Record};
use crate::s3::ListedObject;

impl<T: Record> Store<T> {
    /// Lists the partitions that the patterns select, without reading a file. Await the returned builder.
    ///
    /// Returns one [`PartitionSummary`] for each partition that has a commit, in key order.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a pattern is not valid. No request was sent.
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): the metadata of a commit can't be read.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 returned an error.
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests. A listing changes nothing.
    ///
    /// # Requests
    /// 1 LIST per page of at most 1,000 keys, for each pattern that no other pattern covers. A listing of more than a few pages
    /// goes on folder by folder if that takes fewer requests, or is divided into parts that are listed side by side: see the
    /// guide on [operating](crate::guide::operating#requests).
    ///
    /// # Example
    /// ```
    /// # async fn example(store: s3store::Store<impl s3store::Record>) -> s3store::Result<()> {
    /// for partition in store.partitions("day=2026-03-*").await? {
    ///     println!("{}: {} files, {} bytes", partition.partition, partition.files, partition.bytes);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn partitions(&self, patterns: impl IntoPatterns) -> ListPartitions {
        ListPartitions::new(
            self.dataset(),
            T::Root::description().partition.clone(),
            patterns,
            Some(Subject::reader::<T>()),
        )
    }
}

/// A listing of partitions, made by [`Store::partitions`].
#[must_use = "nothing is listed until it is awaited"]
pub struct ListPartitions {
    dataset: Dataset,
    subject: Option<Subject>,
    names: Names,
    patterns: Result<Vec<Pattern>>,
    counts_records: bool,
}

/// A partition, as far as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PartitionSummary {
    /// The partition, `name=value/name=value`.
    pub partition: String,
    /// The number of committed data files.
    pub files: u64,
    /// The size of the committed data files, in bytes.
    ///
    /// If a token has several attempts, the largest file counts, because a listing does not show which attempt was
    /// committed. With [`record_counts`](ListPartitions::record_counts) the size is that of the committed attempt.
    pub bytes: u64,
    /// The number of records in the committed data files, if [`record_counts`](ListPartitions::record_counts) asked for
    /// it. All versions of an entity count.
    pub records: Option<u64>,
    /// The time of the newest commit, by the clock of S3, in whole seconds. `None` if the server does not report it.
    pub newest_commit: Option<DateTime<Utc>>,
}

/// The listed objects of one token in one partition.
#[derive(Debug, Default)]
struct TokenObjects {
    /// The size of the file of each attempt.
    files: BTreeMap<AttemptId, u64>,
    commit: Option<ListedCommit>,
}

#[derive(Debug)]
struct ListedCommit {
    key: String,
    last_modified: Option<i64>,
}

/// A committed token: the sizes of its attempts' files, and its commit.
type Committed = (BTreeMap<AttemptId, u64>, ListedCommit);

impl ListPartitions {
    /// Returns a listing of a dataset with these partition columns.
    pub(crate) fn new(dataset: &Dataset, names: Names, patterns: impl IntoPatterns, subject: Option<Subject>) -> Self {
        let patterns = patterns.into_patterns(&names.texts());
        Self { dataset: dataset.clone(), subject, names, patterns, counts_records: false }
    }

    /// Also returns the number of records in each partition, which commits contain: 1 HEAD for each commit.
    pub fn record_counts(mut self) -> Self {
        self.counts_records = true;
        self
    }

    async fn run(self, tally: &Tally) -> Result<Vec<PartitionSummary>> {
        let Self { dataset, subject, names, patterns, counts_records } = self;
        let patterns = patterns?;
        if let Some(subject) = subject {
            dataset.check_schema(subject).await?;
        }
        let mut partitions = walk::partitions(&dataset, patterns, names, Haste::All);
        let mut summaries = Vec::new();
        while let Some(ListedPartition { key, objects }) = partitions.try_next().await? {
            let tokens = tokens_of(dataset.keys(), objects);
            let committed = |TokenObjects { files, commit }| Some((files, commit?));
            let commits: Vec<Committed> = tokens.into_values().filter_map(committed).collect();
            if commits.is_empty() {
                continue;
            }
            let mut summary = summary(&key, &commits)?;
            if counts_records {
                count_records(&dataset, commits, &mut summary, tally).await?;
            }
            summaries.push(summary);
        }
        Ok(summaries)
    }
}

impl IntoFuture for ListPartitions {
    type Output = Result<Vec<PartitionSummary>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = self.dataset.metrics().call(Method::ListPartitions);
            call.run(async |tally| self.run(&tally).await).await
        })
    }
}

impl fmt::Debug for ListPartitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListPartitions")
            .field("patterns", &self.patterns)
            .field("record_counts", &self.counts_records)
            .finish_non_exhaustive()
    }
}

/// Groups the objects of a partition by their tokens.
fn tokens_of(prefix: &Prefix, objects: Vec<ListedObject>) -> HashMap<String, TokenObjects> {
    let mut tokens: HashMap<String, TokenObjects> = HashMap::new();
    for ListedObject { key, size, last_modified, .. } in objects {
        let Some(parsed) = prefix.parse_data_key(&key) else { continue };
        let objects = tokens.entry(parsed.name.token_str().to_owned()).or_default();
        match parsed.name {
            DataName::File { attempt, .. } => {
                objects.files.insert(attempt, size);
            }
            DataName::Commit { .. } => objects.commit = Some(ListedCommit { key, last_modified }),
        }
    }
    tokens
}

/// Returns the summary of a partition with these commits, from what a listing shows.
fn summary(key: &PartitionKey, commits: &[Committed]) -> Result<PartitionSummary> {
    let sizes = commits.iter().map(|(attempts, _)| attempts.values().copied().max().unwrap_or(0));
    let newest = commits.iter().filter_map(|(_, commit)| commit.last_modified).max();
    let newest_commit = newest.map(|micros| {
        DateTime::from_timestamp_micros(micros)
            .ok_or_else(|| Error::invalid_data(format!("{key}: {micros} microseconds is not a valid LastModified")))
    });
    Ok(PartitionSummary {
        partition: key.as_str().to_owned(),
        files: commits.len() as u64,
        bytes: sizes.fold(0, u64::saturating_add),
        records: None,
        newest_commit: newest_commit.transpose()?,
    })
}

/// Looks up a partition's commits, and sets the record count and the exact size.
///
/// A commit that was deleted after it was listed does not count.
async fn count_records(
    dataset: &Dataset,
    commits: Vec<Committed>,
    summary: &mut PartitionSummary,
    tally: &Tally,
) -> Result<()> {
    let side_by_side = dataset.client().permits();
    dataset.metrics().fanout(commits.len(), side_by_side);
    let found = stream::iter(commits.into_iter().map(|(attempts, commit)| async move {
        tally.commit_head();
        let found = dataset.find_commit(&commit.key).await?;
        Ok::<_, Error>(found.map(|found| (attempts, found.meta)))
    }));
    let mut found = found.buffer_unordered(side_by_side);
    let (mut files, mut bytes, mut records) = (0, 0_u64, 0_u64);
    while let Some(commit) = found.try_next().await? {
        let Some((attempts, meta)) = commit else { continue };
        files += 1;
        bytes = bytes.saturating_add(attempts.get(&meta.attempt).copied().unwrap_or(0));
        records = records.saturating_add(meta.record_count);
    }
    (summary.files, summary.bytes, summary.records) = (files, bytes, Some(records));
    Ok(())
}
