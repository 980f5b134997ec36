//! A fresh ref for a commit that readers of the stream may have passed.

use std::future::IntoFuture;
use std::sync::Arc;

use futures_util::future::join_all;
use tracing::Instrument;

use super::outcome::{Commit, CommitError, StampedCommit, WriteError};
use super::protocol::{self, Outcome};
use super::token::Tokens;
use super::{BoxFuture, Write, WritePartition, judge, told};
use crate::dataset::{Dataset, Store, task_error};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{DataName, Offset, Prefix, RefName};
use crate::metrics::{Method, Operation, Tally};
use crate::record::RootRecord;
use crate::s3::pause_after;

/// From this try on the pauses are the longest that requests make.
const LONGEST_PAUSE_AFTER: u32 = 4;

impl Dataset {
    /// Puts one more ref for a commit, with the present time, so that readers of the change stream come past it again.
    ///
    /// For commits that were reported [late](CommitError::Late), or that [`doctor`](Dataset::doctor) found. The data
    /// file and the commit stay as they are, and so does the earlier ref: a reader may see the records twice, which an
    /// entity key collapses. Returns the commit with the new ref's offset. Repeat it with the same commit until it is
    /// in time.
    ///
    /// # Errors
    /// - [`CommitError::NotCommitted`]: no new ref is known to be there. The commit is not of this dataset, or S3 failed;
    ///   in that case a ref may still land, which does no harm.
    /// - [`CommitError::Late`]: the new ref is there, but late itself. Restamp again.
    ///
    /// # Cancel safety
    /// The ref's PUT runs to its end even if the caller stops waiting.
    ///
    /// # Requests
    /// 1 PUT.
    ///
    /// # Example
    /// ```
    /// # async fn example<T: s3store::RootRecord>(store: s3store::Store<T>, records: &[T]) -> Result<(), s3store::CommitError> {
    /// use s3store::CommitError;
    ///
    /// match store.write_partition("part=a", records).token("batch-7").await {
    ///     Err(CommitError::Late(commit)) => {
    ///         let restamped = store.dataset().restamp(&commit).await?;
    ///         println!("readers of the stream find it at {}", restamped.offset);
    ///     }
    ///     other => drop(other?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn restamp(&self, commit: &Commit) -> Result<Commit, CommitError> {
        self.metrics().call(Method::Restamp).run(async |_| put_again(self, commit).await).await
    }
}

/// That a commit is of this dataset, and its parts agree.
fn check(prefix: &Prefix, commit: &Commit) -> Result<RefName> {
    let foreign = |path: &str| {
        Error::invalid_input(format!("{path} is no path of a commit of the dataset under {:?}", prefix.as_str()))
    };
    let name = prefix.parse_ref_key(&commit.ref_path).ok_or_else(|| foreign(&commit.ref_path))?;
    let data = prefix.parse_data_key(&commit.data_path).ok_or_else(|| foreign(&commit.data_path))?;
    let same = data.partition == name.partition.as_str()
        && data.name == DataName::File { token: name.token.as_str(), attempt: name.attempt };
    if same { Ok(name) } else { Err(foreign(&commit.ref_path)) }
}

/// Puts one more ref, to its end even if the caller goes away.
async fn put_again(dataset: &Dataset, commit: &Commit) -> Result<Commit, CommitError> {
    let name = check(dataset.keys(), commit)?;
    let (owned, commit, under_way) = (dataset.clone(), commit.clone(), dataset.metrics().tail());
    let tail = async move {
        let _under_way = under_way;
        run(&owned, commit, name).await
    };
    let outcome = dataset.tails().spawn(tail.in_current_span()).await;
    outcome.map_err(|error| task_error(error).context("put the ref again"))??.into_result()
}

async fn run(dataset: &Dataset, commit: Commit, name: RefName) -> Result<Outcome> {
    let permit = dataset.client().permit(Operation::Put).await?;
    dataset.check_clock()?;
    let started = dataset.clock().monotonic();
    let micros = dataset.clock().micros();
    let key = dataset.keys().ref_key(micros, &name.token, name.attempt, &name.partition)?;
    protocol::put_ref(dataset, &permit, &key).await?;
    let elapsed = dataset.clock().monotonic().saturating_duration_since(started);
    let late = judge::is_late(micros, dataset.clock().micros(), elapsed, dataset.commit_timeout());
    if !late {
        dataset.metrics().restamp();
    }
    Ok(Outcome { commit: Commit { offset: Offset::of(key.clone()), ref_path: key, ..commit }, late })
}

/// A write that restamps what is late, made by [`Write::restamp_late`] and [`WritePartition::restamp_late`].
#[derive(Debug)]
#[must_use = "nothing is written until it is awaited"]
pub struct RestampLate<W> {
    write: W,
    tries: u32,
}

impl<W> RestampLate<W> {
    pub(super) fn new(write: W, tries: u32) -> Self {
        Self { write, tries }
    }
}

impl<'a, T: RootRecord, K: Tokens<'a, T> + 'a> RestampLate<Write<'a, T, K>> {
    async fn run(self, tally: &Arc<Tally>) -> Result<Vec<StampedCommit>, WriteError> {
        let Self { write, tries } = self;
        let store = write.store;
        let mut error = match write.run(tally).await {
            Ok(commits) => return Ok(commits.into_iter().map(StampedCommit::in_time).collect()),
            Err(error) => error,
        };
        let late = std::mem::take(&mut error.late);
        let stamped = join_all(late.into_iter().map(|commit| stamp(store, commit, tries))).await;
        let mut in_time: Vec<_> = error.committed.drain(..).map(StampedCommit::in_time).collect();
        for result in stamped {
            match result {
                Ok(stamped) => in_time.push(stamped),
                Err(commit) => error.late.push(commit),
            }
        }
        in_time.sort_by(|a, b| a.commit.partition.cmp(&b.commit.partition));
        if error.is_late_only() && error.late.is_empty() {
            return Ok(in_time);
        }
        error.committed = in_time.into_iter().map(|stamped| stamped.commit).collect();
        Err(error)
    }
}

impl<'a, T: RootRecord, K: Tokens<'a, T> + 'a> IntoFuture for RestampLate<Write<'a, T, K>> {
    type Output = Result<Vec<StampedCommit>, WriteError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.write.call().run(async |tally| told(self.run(&tally).await, &tally)).await })
    }
}

impl<'a, T: RootRecord, K: Tokens<'a, T> + 'a> RestampLate<WritePartition<'a, T, K>> {
    async fn run(self, tally: &Arc<Tally>) -> Result<Option<StampedCommit>, CommitError> {
        let Self { write, tries } = self;
        let store = write.store;
        match write.run(tally).await {
            Ok(commit) => Ok(commit.map(StampedCommit::in_time)),
            Err(CommitError::Late(commit)) => match stamp(store, *commit, tries).await {
                Ok(stamped) => Ok(Some(stamped)),
                Err(commit) => Err(CommitError::Late(Box::new(commit))),
            },
            Err(error) => Err(error),
        }
    }
}

impl<'a, T: RootRecord, K: Tokens<'a, T> + 'a> IntoFuture for RestampLate<WritePartition<'a, T, K>> {
    type Output = Result<Option<StampedCommit>, CommitError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.write.call().run(async |tally| told(self.run(&tally).await, &tally)).await })
    }
}

impl StampedCommit {
    fn in_time(commit: Commit) -> Self {
        Self { stream_offset: commit.offset.clone(), commit }
    }
}

/// Restamps a late commit until a ref is in time; gives the commit back where none is.
async fn stamp<T: RootRecord>(store: &Store<T>, commit: Commit, tries: u32) -> Result<StampedCommit, Commit> {
    for number in 1..=tries {
        match put_again(store.dataset(), &commit).await {
            Ok(stamped) => return Ok(StampedCommit { stream_offset: stamped.offset, commit }),
            // The ref is there, but late itself; its warning is logged.
            Err(CommitError::Late(_)) => {}
            Err(error) => {
                tracing::warn!(%error, partition = commit.partition, "a late commit was not restamped");
                if error.kind() != Some(ErrorKind::Unavailable) {
                    return Err(commit);
                }
            }
        }
        if let Some(pause) = pause_after(number.min(LONGEST_PAUSE_AFTER)).filter(|_| number < tries) {
            store.dataset().clock().sleep(pause).await;
        }
    }
    Err(commit)
}
