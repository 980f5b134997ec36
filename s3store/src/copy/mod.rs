//! Copies of a dataset in another bucket or under another prefix.

mod plan;
mod transfer;

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::Client;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use self::plan::{Plan, PlannedCommit};
use self::transfer::{Transfer, differs};
use crate::dataset::{Dataset, DatasetOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Method, Tally};

impl Dataset {
    /// Copies the dataset to another bucket or prefix, which may be on another S3: the one of `client`. Await the
    /// returned builder.
    ///
    /// The copy returns the same records in the same order, also as history. A write with a token that was committed
    /// here finds its commit there. Refs keep their times, so the copied commits come in the same order from the change
    /// stream; an offset changes only in its prefix. The copy includes the dataset's timing, schemas and the markers of
    /// its views. What failed writes left behind is not copied.
    ///
    /// An attempt's file is put before its refs, and the commit is put last, with the same metadata. So readers of the
    /// copy see complete commits only, and a copy that was interrupted is continued by calling it again: what exists
    /// already is compared and skipped. Nothing is overwritten or deleted; an object with another content is an error.
    ///
    /// Writers may go on meanwhile. The copy contains at least the commits that existed when it began. Calling it again
    /// adds later ones. Several copies at once to one place do no harm.
    ///
    /// # What differs from the original
    /// - The refs of copied commits lie in the past. A reader that follows the copy's change stream while it is made
    ///   may have passed them. Start readers after the copy, or let them [begin](crate::Offset::START) again.
    /// - S3's times of the objects are those of the copy. So a read [as of](crate::read::Read::as_of) an earlier
    ///   instant finds nothing, [`doctor`](Dataset::doctor) reports the copied commits as late, and a write that finds
    ///   its token's commit restamps it.
    /// - With [`only`](CopyTo::only), the views have the tuples of all partitions.
    ///
    /// # Errors
    /// - [`Config`](ErrorKind::Config): the destination was initialised with another timing.
    /// - [`InvalidInput`](ErrorKind::InvalidInput): a pattern does not fit the partitions, or a key of the copy would
    ///   be longer than S3 allows.
    /// - [`InvalidData`](ErrorKind::InvalidData): an object of the destination differs from the original, or a commit
    ///   of the original is not readable.
    /// - [`Vanished`](ErrorKind::Vanished): an object was deleted meanwhile, or a commit has no file.
    /// - [`Refused`](ErrorKind::Refused), [`Unavailable`](ErrorKind::Unavailable): S3 refused a request, or did not
    ///   answer. Call it again.
    ///
    /// # Cancel safety
    /// Dropping the future leaves a part of the copy, whose commits are complete. Calling it again adds the rest.
    ///
    /// # Requests
    /// 1 LIST per 1,000 objects here, and 2 there. For each commit 1 HEAD here; to copy it, 1 GET here, 3 PUT and 1
    /// HEAD there, and 1 GET and 1 PUT for each 16 MiB of a larger file; to compare one that exists, 1 HEAD more here
    /// and 2 there. For each marker that the copy lacks 1 PUT. Every schema takes 1 GET and 1 PUT. The files in flight
    /// take up to 256 MiB of memory, and the names of all objects are held.
    ///
    /// # Example
    /// ```
    /// # async fn example(dataset: s3store::Dataset, client: aws_sdk_s3::Client) -> s3store::Result<()> {
    /// let copied = dataset.copy_to(client, "backup", "billing").await?;
    /// println!("{} commits, {} of them new", copied.commits, copied.new_commits);
    /// # Ok(())
    /// # }
    /// ```
    pub fn copy_to(&self, client: Client, bucket: impl Into<String>, prefix: impl Into<String>) -> CopyTo {
        CopyTo {
            source: self.clone(),
            client,
            bucket: bucket.into(),
            prefix: prefix.into(),
            options: Dataset::options(),
            patterns: None,
            is_dry: false,
            observer: None,
        }
    }
}

/// What is told of a copy in progress.
type Observer = Arc<dyn Fn(CopyProgress) + Send + Sync>;

/// A copy of a dataset, made by [`Dataset::copy_to`].
#[derive(Clone)]
#[must_use = "nothing is copied until it is awaited"]
pub struct CopyTo {
    source: Dataset,
    client: Client,
    bucket: String,
    prefix: String,
    options: DatasetOptions,
    patterns: Option<Vec<String>>,
    is_dry: bool,
    observer: Option<Observer>,
}

/// The result of [`Dataset::copy_to`]. The numbers without `new` include what existed already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Copied {
    /// The commits, and so the data files.
    pub commits: u64,
    /// The size of the data files.
    pub bytes: u64,
    /// The refs of the commits.
    pub refs: u64,
    /// The markers of views.
    pub markers: u64,
    /// The schemas.
    pub schemas: u64,
    /// The commits that were copied, or would be.
    pub new_commits: u64,
    /// The size of the data files that were copied, or would be.
    pub new_bytes: u64,
}

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// The commits that are copied, or existed already.
    pub commits: u64,
    /// The commits that the copy will have.
    pub of_commits: u64,
    /// The bytes of data files that were copied.
    pub new_bytes: u64,
}

/// The sizes of the destination's objects, by their keys.
type Present = HashMap<String, u64>;

impl CopyTo {
    /// Sets the options of the destination. Default: those of [`Dataset::options`].
    pub fn options(mut self, options: DatasetOptions) -> Self {
        self.options = options;
        self
    }

    /// Copies only some partitions. The patterns are those of [`IntoPatterns`](crate::pattern::IntoPatterns).
    pub fn only<S: Into<String>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.patterns = Some(patterns.into_iter().map(Into::into).collect());
        self
    }

    /// Writes nothing, and returns what would be copied.
    pub fn dry_run(mut self) -> Self {
        self.is_dry = true;
        self
    }

    /// Calls a function at the start and after each commit.
    pub fn on_progress(mut self, observer: impl Fn(CopyProgress) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    async fn run(self, tally: &Tally) -> Result<Copied> {
        let Self { source, client, bucket, prefix, options, patterns, is_dry, observer } = self;
        let init = options.init(client, bucket, prefix);
        let init = init.commit_timeout(source.commit_timeout()).max_clock_skew(source.max_clock_skew());
        let target = if is_dry { init.preview().await? } else { init.await?.into_dataset() };

        let plan = Plan::of(&source, patterns).await?;
        let present = present(&target).await?;
        let transfer = Transfer::new(source.clone(), target.clone(), is_dry);
        let permits = target.client().permits();
        let mut copied = Copied {
            commits: plan.commits.len() as u64,
            markers: plan.markers.len() as u64,
            schemas: plan.schemas.len() as u64,
            ..Copied::default()
        };
        let mut expected = Vec::new();
        for schema in &plan.schemas {
            expected.push(transfer.schema(schema, &present).await?);
        }
        let markers = plan.markers.into_iter().map(|marker| transfer.empty("marker", marker, &present));
        let markers: Vec<_> = stream::iter(markers).buffer_unordered(permits).try_collect().await?;
        expected.extend(markers.into_iter().map(|key| (key, 0)));

        let (done, new_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let tell = || {
            if let Some(observer) = &observer {
                observer(CopyProgress {
                    commits: done.load(Ordering::Relaxed),
                    of_commits: copied.commits,
                    new_bytes: new_bytes.load(Ordering::Relaxed),
                });
            }
        };
        tell();
        let commits = plan.commits.into_iter().map(|commit| {
            let (transfer, present, done, new_bytes, tell) = (&transfer, &present, &done, &new_bytes, &tell);
            async move {
                tally.commit_head();
                let commit = copy_commit(transfer, commit, present).await?;
                done.fetch_add(1, Ordering::Relaxed);
                new_bytes.fetch_add(commit.new_bytes, Ordering::Relaxed);
                tell();
                Ok::<_, Error>(commit)
            }
        });
        let mut commits = stream::iter(commits).buffer_unordered(permits);
        let (mut refs, mut bytes, mut new_commits) = (0, 0, 0);
        while let Some(commit) = commits.try_next().await? {
            refs += commit.refs.len() as u64;
            bytes += commit.file.1;
            new_commits += u64::from(commit.is_new);
            expected.extend(commit.refs.into_iter().map(|key| (key, 0)));
            expected.extend([commit.file, (commit.commit_key, 0)]);
        }
        drop(commits);
        copied.refs = refs;
        copied.bytes = bytes;
        copied.new_commits = new_commits;
        copied.new_bytes = new_bytes.load(Ordering::Relaxed);
        if !is_dry {
            verify(&target, &expected).await?;
        }
        Ok(copied)
    }
}

impl IntoFuture for CopyTo {
    type Output = Result<Copied>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = self.source.metrics().call(Method::Copy);
            call.run(async |tally| self.run(&tally).await).await
        })
    }
}

impl fmt::Debug for CopyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyTo")
            .field("source", &self.source)
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .field("patterns", &self.patterns)
            .field("is_dry", &self.is_dry)
            .finish_non_exhaustive()
    }
}

/// A commit at the destination, with the keys and sizes of its objects there.
struct CopiedCommit {
    commit_key: String,
    file: (String, u64),
    refs: Vec<String>,
    is_new: bool,
    new_bytes: u64,
}

/// Copies the objects of a commit that the destination lacks: its file, its refs, and the commit itself at last.
async fn copy_commit(transfer: &Transfer, commit: PlannedCommit, present: &Present) -> Result<CopiedCommit> {
    let (meta, metadata) = transfer.commit(&commit.key).await?;
    let commit_key = transfer.moved(&commit.key)?;
    let is_committed = present.contains_key(&commit_key);
    if is_committed {
        transfer.compare_commit(&commit_key, &metadata).await?;
    }
    let key = transfer.source.keys().data_key(&commit.partition, &commit.token, meta.attempt)?;
    let size = match commit.files.get(&meta.attempt) {
        Some(size) => *size,
        // It was put after its place in the listing had passed.
        None => transfer.size_of(&key).await?,
    };
    let file_key = transfer.moved(&key)?;
    let mut new_bytes = 0;
    match present.get(&file_key) {
        Some(found) if *found != size => {
            return Err(differs(&file_key, &format!("it has {found} bytes, the original {size}")));
        }
        Some(_) => transfer.compare_file(&key, &file_key, size, is_committed).await?,
        None => {
            transfer.file(&key, &file_key, size).await?;
            new_bytes = size;
        }
    }
    let mut refs = Vec::new();
    for (attempt, key) in commit.refs {
        if attempt == meta.attempt {
            refs.push(transfer.empty("ref", key, present).await?);
        }
    }
    if !is_committed {
        transfer.put_commit(&commit_key, metadata).await?;
    }
    Ok(CopiedCommit { commit_key, file: (file_key, size), refs, is_new: !is_committed, new_bytes })
}

/// Lists the objects of the destination.
async fn present(target: &Dataset) -> Result<Present> {
    let keys = target.keys();
    let mut present = Present::new();
    for prefix in [keys.data_prefix(), keys.ref_prefix(), keys.views_prefix(), keys.schema_prefix()] {
        let mut pages = target.client().list(prefix);
        while let Some(page) = pages.next().await? {
            present.extend(page.objects.into_iter().map(|object| (object.key, object.size)));
        }
    }
    Ok(present)
}

/// Compares a listing of the destination with what must be there.
async fn verify(target: &Dataset, expected: &[(String, u64)]) -> Result<()> {
    let present = present(target).await?;
    for (key, size) in expected {
        match present.get(key) {
            Some(found) if found == size => {}
            Some(found) => return Err(differs(key, &format!("it has {found} bytes, the original {size}"))),
            None => {
                let text = format!("copy {key}: the object was put but is not listed; copy again");
                return Err(Error::new(ErrorKind::Vanished, text));
            }
        }
    }
    Ok(())
}
