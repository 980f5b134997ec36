//! The handling of late commits by a write: report them, or restamp them first.

use futures_util::future::join_all;

use super::commit::{Commit, StampedCommit};
use super::error::{CommitError, RestampError, WriteError};
use super::restamp::restamp;
use crate::dataset::Dataset;
use crate::error::{ErrorKind, Result};
use crate::s3::pause_after;

/// The number of tries after which the pauses stop growing: that of the longest pause between the tries of a request.
const LONGEST_PAUSE_AFTER: u32 = 4;

/// The handling of late commits by a write. Sealed: a write either reports them or restamps them.
pub trait LateHandling: private::Sealed + Send {
    /// The type of the commits that the write returns.
    type Committed: Send;

    /// Returns how often to restamp a late commit.
    #[doc(hidden)]
    fn restamps(&self) -> u32;

    #[doc(hidden)]
    fn committed(stamped: StampedCommit) -> Self::Committed;
}

/// Late commits are reported as errors. The default; the write returns [`Commit`]s.
#[derive(Debug, Clone, Copy)]
pub struct ReportLate(pub(super) ());

/// Late commits are restamped, see [`restamp_late`](crate::write::Write::restamp_late). The write returns
/// [`StampedCommit`]s.
#[derive(Debug, Clone, Copy)]
pub struct RestampLate(pub(super) u32);

mod private {
    pub trait Sealed {}
    impl Sealed for super::ReportLate {}
    impl Sealed for super::RestampLate {}
}

impl LateHandling for ReportLate {
    type Committed = Commit;

    fn restamps(&self) -> u32 {
        0
    }

    fn committed(stamped: StampedCommit) -> Commit {
        stamped.commit
    }
}

impl LateHandling for RestampLate {
    type Committed = StampedCommit;

    fn restamps(&self) -> u32 {
        self.0
    }

    fn committed(stamped: StampedCommit) -> StampedCommit {
        stamped
    }
}

/// Restamps the late commits of a write to several partitions. Commits that stay late stay in the error.
pub(super) async fn restamp_all(
    dataset: &Dataset,
    result: Result<Vec<Commit>, WriteError>,
    restamps: u32,
) -> Result<Vec<StampedCommit>, WriteError> {
    let mut error = match result {
        Ok(commits) => return Ok(commits.into_iter().map(StampedCommit::in_time).collect()),
        Err(error) if restamps == 0 => return Err(error),
        Err(error) => error,
    };
    let late = std::mem::take(&mut error.late);
    let restamped = join_all(late.into_iter().map(|commit| restamp_until_in_time(dataset, commit, restamps))).await;
    let mut in_time: Vec<_> = error.committed.drain(..).map(StampedCommit::in_time).collect();
    for result in restamped {
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

/// Restamps the commit of a write to one partition if it is late.
pub(super) async fn restamp_one(
    dataset: &Dataset,
    result: Result<Option<Commit>, CommitError>,
    restamps: u32,
) -> Result<Option<StampedCommit>, CommitError> {
    match result {
        Ok(commit) => Ok(commit.map(StampedCommit::in_time)),
        Err(CommitError::Late(commit)) => match restamp_until_in_time(dataset, *commit, restamps).await {
            Ok(stamped) => Ok(Some(stamped)),
            Err(commit) => Err(CommitError::Late(Box::new(commit))),
        },
        Err(error) => Err(error),
    }
}

/// Restamps a late commit until a ref is in time. Returns the commit as an error if none was, after at most `restamps`
/// refs.
async fn restamp_until_in_time(dataset: &Dataset, commit: Commit, restamps: u32) -> Result<StampedCommit, Commit> {
    for number in 1..=restamps {
        match restamp(dataset, &commit).await {
            Ok(restamped) => return Ok(StampedCommit { stream_offset: restamped.offset, commit }),
            // The restamp has logged it.
            Err(RestampError::Late(_)) => {}
            Err(error) => {
                tracing::warn!(%error, partition = commit.partition, "a late commit was not restamped");
                if error.kind() != ErrorKind::Unavailable {
                    return Err(commit);
                }
            }
        }
        if let Some(pause) = pause_after(number.min(LONGEST_PAUSE_AFTER)).filter(|_| number < restamps) {
            dataset.clock().sleep(pause).await;
        }
    }
    Err(commit)
}
