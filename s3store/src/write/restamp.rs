//! Restamping: a new ref for a commit that readers of the change stream may have passed.

use super::commit::Commit;
use super::error::RestampError;
use super::{finisher, judge};
use crate::dataset::{Dataset, task_error};
use crate::error::{Error, Result};
use crate::format::{DataName, Offset, RefName};
use crate::metrics::{Method, Operation};

impl Dataset {
    /// Puts a new ref for a commit, with the present time, so that readers of the change stream receive its records.
    ///
    /// Use it for a commit that was reported [late](crate::CommitError::Late), or that
    /// [`doctor`](Dataset::doctor) found. The data file, the commit and the earlier ref stay as they are. So a reader may
    /// receive the records twice; an entity key collapses them.
    ///
    /// Returns the commit with the new ref's offset. Repeat it with the same commit until it succeeds.
    ///
    /// # Errors
    /// The commit stays durable and in every snapshot, whatever the error.
    /// - [`RestampError::NotRestamped`]: no new ref was put. S3 refused it, or the commit is not of this dataset
    ///   ([`InvalidInput`](crate::ErrorKind::InvalidInput), before any request): its bucket and all its paths must be.
    /// - [`RestampError::Unknown`]: S3 gave no definite answer, so the new ref may exist or still land.
    /// - [`RestampError::Late`]: the new ref exists, but is late itself. Restamp again.
    ///
    /// # Cancel safety
    /// The ref's PUT completes even if the future is dropped.
    ///
    /// # Requests
    /// 1 PUT. If the last response says that the local clock is off, 1 HEAD more asks S3 for the time.
    ///
    /// # Example
    /// ```
    /// # async fn example<T: s3store::RootRecord>(
    /// #     store: s3store::Store<T>,
    /// #     records: &[T],
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// use s3store::CommitError;
    ///
    /// match store.write_partition("part=a", records).token("batch-7").await {
    ///     // The write has tried to restamp it, too.
    ///     Err(CommitError::Late(commit)) => {
    ///         let restamped = store.dataset().restamp(&commit).await?;
    ///         println!("readers of the stream receive it at {}", restamped.offset);
    ///     }
    ///     result => drop(result?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn restamp(&self, commit: &Commit) -> Result<Commit, RestampError> {
        self.metrics().call(Method::Restamp).run(async |_| restamp(self, commit).await).await
    }
}

/// Puts one new ref by a finisher, as a part of a call.
pub(super) async fn restamp(dataset: &Dataset, commit: &Commit) -> Result<Commit, RestampError> {
    let name = parse(dataset, commit).map_err(RestampError::NotRestamped)?;
    let (owned, commit) = (dataset.clone(), commit.clone());
    let task = dataset.spawn_finisher(async move { put_ref(&owned, commit, name).await });
    task.await.unwrap_or_else(|error| Err(RestampError::Unknown(task_error(error).context("put the new ref"))))
}

/// Checks that a commit is of this dataset and that its fields agree, and returns the parts of its ref's name.
fn parse(dataset: &Dataset, commit: &Commit) -> Result<RefName> {
    let foreign = |reason: String| {
        let Commit { partition, token, .. } = commit;
        let commit = format!("the commit of token {token:?} in partition {partition:?}");
        Error::invalid_input(format!("{commit} is not of this dataset: {reason}"))
    };
    let (bucket, prefix) = (dataset.bucket(), dataset.keys());
    if commit.bucket != bucket {
        return Err(foreign(format!("its bucket is {:?}, the dataset's is {bucket:?}", commit.bucket)));
    }
    let not_a = |object: &str, path: &str| foreign(format!("{path:?} is not its {object} under {prefix}"));
    let is_its = |name: &RefName| name.partition.as_str() == commit.partition && name.token.as_str() == commit.token;
    let name = prefix.parse_ref_key(&commit.ref_path).filter(is_its);
    let name = name.ok_or_else(|| not_a("ref", &commit.ref_path))?;
    if commit.offset.as_str() != commit.ref_path {
        return Err(foreign(format!("its offset {} differs from its ref {:?}", commit.offset, commit.ref_path)));
    }
    let file = DataName::File { token: name.token.as_str(), attempt: name.attempt };
    let data = prefix.parse_data_key(&commit.data_path);
    match data.filter(|data| data.partition == commit.partition && data.name == file) {
        Some(_) => Ok(name),
        None => Err(not_a("data file", &commit.data_path)),
    }
}

async fn put_ref(dataset: &Dataset, commit: Commit, name: RefName) -> Result<Commit, RestampError> {
    let permit = dataset.client().permit(Operation::Put).await.map_err(RestampError::NotRestamped)?;
    dataset.check_clock(Some(&permit)).await.map_err(RestampError::NotRestamped)?;
    let started = dataset.clock().monotonic();
    let micros = dataset.clock().micros();
    let key = dataset.keys().ref_key(micros, &name.token, name.attempt, &name.partition);
    let key = key.map_err(RestampError::NotRestamped)?;
    finisher::put_ref(dataset, &permit, &key).await.map_err(|failure| {
        let error = if failure.uncertain { RestampError::Unknown } else { RestampError::NotRestamped };
        error(failure.into_error(format!("put ref {key}")))
    })?;
    let elapsed = dataset.clock().monotonic().saturating_duration_since(started);
    let late = judge::is_late(micros, dataset.clock().micros(), elapsed, dataset.commit_timeout());
    let restamped = Commit { offset: Offset::of(key.clone()), ref_path: key, ..commit };
    if late {
        tracing::warn!(
            partition = restamped.partition,
            "restamped after the commit timeout: readers of the stream may have passed the new ref, too"
        );
        return Err(RestampError::Late(Box::new(restamped)));
    }
    dataset.metrics().restamp();
    Ok(restamped)
}
