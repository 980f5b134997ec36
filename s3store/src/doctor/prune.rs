//! Deletes what failed writes left behind.

use std::collections::BTreeMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use super::diagnose::SECOND;
use crate::clock::micros;
use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{AttemptId, DataName, PartitionKey, Prefix, Token};
use crate::metrics::{Method, Tally};
use crate::s3::ListedObject;

/// The least age of what is deleted: 24 hours.
///
/// A write of several partitions commits none before all files are uploaded, which may take long.
const LEAST_AGE: Duration = Duration::from_secs(24 * 60 * 60);

impl Dataset {
    /// Deletes the data files and refs of writes that failed, if they are older than `older_than`. Await the returned builder.
    ///
    /// An attempt to write that fails leaves its data file, and perhaps its ref, without a commit. Readers skip them, but they are
    /// stored and paid for. Nothing else is deleted: no commit, no file or ref that a commit names, no marker of a view, and no
    /// multipart upload.
    ///
    /// All of an attempt's objects must be old by S3's time. Each attempt's commit is looked up right before it is deleted, and
    /// an attempt that can't be told apart, because its commit is not readable, is kept.
    ///
    /// Choose an age that no process can be paused for. A writer that is stopped after it has put its file, for example with its
    /// virtual machine, and goes on after its file was deleted, makes a commit without a file. The age must be at least 24 hours.
    ///
    /// The call lists all objects of the dataset and holds their names in memory.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): the age is less than 24 hours.
    /// - [`ClockSkew`](crate::ErrorKind::ClockSkew): the local clock is ahead by more than the dataset allows.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 refused a request, or did
    ///   not answer. Some objects may be deleted. Call it again.
    ///
    /// # Cancel safety
    /// Dropping the future, or a crash, leaves some of the objects. The next call deletes them.
    ///
    /// # Requests
    /// 1 LIST per 1,000 objects. For each token with several attempts, or without a commit: 1 HEAD, and 1 DELETE for each object
    /// that is deleted. Metrics count a DELETE as a PUT.
    ///
    /// # Example
    /// ```
    /// # async fn example(dataset: s3store::Dataset) -> s3store::Result<()> {
    /// use std::time::Duration;
    ///
    /// const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    /// let orphans = dataset.prune(WEEK).dry_run().await?;
    /// println!("{} files of {} bytes", orphans.files.len(), orphans.bytes);
    /// dataset.prune(WEEK).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn prune(&self, older_than: Duration) -> Prune {
        Prune { dataset: self.clone(), older_than, is_dry: false }
    }
}

/// A deletion of what failed writes left behind, made by [`Dataset::prune`].
#[derive(Debug, Clone)]
#[must_use = "nothing is deleted until it is awaited"]
pub struct Prune {
    dataset: Dataset,
    older_than: Duration,
    is_dry: bool,
}

/// The result of [`Dataset::prune`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Pruned {
    /// The keys of the data files that were deleted, or would be.
    pub files: Vec<String>,
    /// The size of these files.
    pub bytes: u64,
    /// The keys of the refs that were deleted, or would be.
    pub refs: Vec<String>,
    /// The keys of commits that are not readable, with the reason. The objects of their tokens were kept.
    pub unreadable: Vec<(String, Error)>,
}

/// The objects of a token in a partition.
#[derive(Debug, Default)]
struct TokenObjects {
    attempts: BTreeMap<AttemptId, Vec<Object>>,
    has_commit: bool,
}

/// A data file or a ref.
#[derive(Debug)]
struct Object {
    key: String,
    is_ref: bool,
    size: u64,
    /// By S3's clock, in microseconds.
    landed: Option<i64>,
}

type Tokens = BTreeMap<(PartitionKey, Token), TokenObjects>;

impl Prune {
    /// Deletes nothing, and returns what would be deleted.
    pub fn dry_run(mut self) -> Self {
        self.is_dry = true;
        self
    }

    async fn run(self, tally: &Tally) -> Result<Pruned> {
        let Self { dataset, older_than, is_dry } = self;
        if older_than < LEAST_AGE {
            return Err(Error::invalid_input(format!(
                "prune: {older_than:?} is less than 24 hours; a write of that age may be in progress"
            )));
        }
        let reading = dataset.clock().reading();
        let limit = reading.micros.saturating_sub(micros(older_than));
        let mut tokens = Tokens::new();
        let keys = dataset.keys();
        for prefix in [keys.ref_prefix(), keys.data_prefix()] {
            let mut pages = dataset.client().list(prefix);
            while let Some(page) = pages.next().await? {
                // A clock that is ahead makes objects older than they are.
                dataset.check_reader_clock(reading, page.date)?;
                page.objects.into_iter().for_each(|object| add(&mut tokens, keys, object));
            }
        }
        let suspects = tokens.into_iter().filter(|(_, objects)| objects.may_have_orphans(limit));
        let lookups = stream::iter(suspects.map(|((partition, token), objects)| {
            let dataset = &dataset;
            async move {
                let key = dataset.keys().commit_key(&partition, &token)?;
                tally.commit_head();
                let committed = match dataset.find_commit(&key).await {
                    Ok(found) => found.map(|found| found.meta.attempt),
                    Err(error) if error.kind() == ErrorKind::InvalidData => {
                        return Ok((Vec::new(), Some((key, error))));
                    }
                    Err(error) => return Err(error),
                };
                let mut deleted = Vec::new();
                for (attempt, objects) in objects.attempts {
                    if Some(attempt) == committed || !objects.iter().all(|object| object.is_older(limit)) {
                        continue;
                    }
                    // Refs come first, so that a crash leaves what a later call finds by its listing of files.
                    for object in objects {
                        if !is_dry {
                            dataset.client().delete(&object.key).await?;
                        }
                        deleted.push(object);
                    }
                }
                Ok((deleted, None))
            }
        }));
        let mut results = lookups.buffered(dataset.client().permits());
        let mut pruned = Pruned::default();
        while let Some(result) = results.next().await {
            let (deleted, unreadable) = result?;
            pruned.unreadable.extend(unreadable);
            for Object { key, is_ref, size, .. } in deleted {
                match is_ref {
                    true => pruned.refs.push(key),
                    false => {
                        pruned.bytes += size;
                        pruned.files.push(key);
                    }
                }
            }
        }
        Ok(pruned)
    }
}

impl IntoFuture for Prune {
    type Output = Result<Pruned>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = self.dataset.metrics().call(Method::Prune);
            call.run(async |tally| self.run(&tally).await).await
        })
    }
}

impl TokenObjects {
    /// Returns whether an attempt is old, and may be one that no commit names.
    ///
    /// The only attempt of a token with a commit is the committed one, unless the commit's file was deleted by somebody.
    fn may_have_orphans(&self, limit: i64) -> bool {
        let is_old = |objects: &Vec<Object>| objects.iter().all(|object| object.is_older(limit));
        (!self.has_commit || self.attempts.len() > 1) && self.attempts.values().any(is_old)
    }
}

impl Object {
    /// Returns whether the object certainly landed before `limit`. An object without a time counts as new.
    fn is_older(&self, limit: i64) -> bool {
        self.landed.is_some_and(|second| second.saturating_add(SECOND) <= limit)
    }
}

/// Adds a listed object to those of its token. Objects that are none of a write are left alone.
fn add(tokens: &mut Tokens, keys: &Prefix, object: ListedObject) {
    if object.is_placeholder() {
        return;
    }
    let ListedObject { key, size, last_modified, .. } = object;
    if let Some(found) = keys.parse_ref_key(&key) {
        let objects = tokens.entry((found.partition, found.token)).or_default();
        let object = Object { key, is_ref: true, size, landed: last_modified };
        objects.attempts.entry(found.attempt).or_default().insert(0, object);
        return;
    }
    let Some(parsed) = keys.parse_data_key(&key) else { return };
    // A key of another shape belongs to a dataset that is nested in this one.
    if !PartitionKey::is_well_formed(parsed.partition) {
        return;
    }
    let objects = tokens.entry((PartitionKey::found(parsed.partition), parsed.name.token())).or_default();
    match parsed.name {
        DataName::Commit { .. } => objects.has_commit = true,
        DataName::File { attempt, .. } => {
            let object = Object { key, is_ref: false, size, landed: last_modified };
            objects.attempts.entry(attempt).or_default().push(object);
        }
    }
}
