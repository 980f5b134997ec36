//! The handling of late commits by a write: restamp them, or report them.

use super::commit::{Commit, StampedCommit};
use super::error::{CommitError, RestampError};
use super::judge::Timeliness;
use super::protocol::TimedCommit;
use super::restamp::restamp;
use crate::dataset::Dataset;
use crate::error::{ErrorKind, Result};
use crate::s3::pause_after;

/// The number of tries after which the pauses stop growing: that of the longest pause between the tries of a request.
const LONGEST_PAUSE_AFTER: u32 = 4;

/// The number of refs that a write puts for a late commit at most, unless the caller sets it.
const DEFAULT_RESTAMPS: u32 = 5;

/// The handling of late commits by a write. Sealed: see [`RestampLate`], [`ReturnStamped`] and [`ReportLate`].
pub trait LateHandling: private::Sealed + Send {
    /// The type of the commits that the write returns.
    type Committed: Send;

    /// Returns how often to restamp a late commit.
    #[doc(hidden)]
    fn restamps(&self) -> u32;

    #[doc(hidden)]
    fn committed(stamped: StampedCommit) -> Self::Committed;

    /// Returns the commit without the offset of a restamp, for errors.
    #[doc(hidden)]
    fn commit(committed: Self::Committed) -> Commit;
}

/// Late commits are restamped, up to five times. The default; the write returns [`Commit`]s.
#[derive(Debug, Clone, Copy)]
pub struct RestampLate(pub(super) ());

/// Late commits are restamped, and the write returns [`StampedCommit`]s. Set by
/// [`restamp_late`](crate::write::Write::restamp_late), also of a [writer](crate::write::WriterBuilder::restamp_late).
#[derive(Debug, Clone, Copy)]
pub struct ReturnStamped(pub(super) u32);

/// Late commits are reported as errors. Set by [`report_late`](crate::write::Write::report_late), also of a
/// [writer](crate::write::WriterBuilder::report_late).
#[derive(Debug, Clone, Copy)]
pub struct ReportLate(pub(super) ());

mod private {
    pub trait Sealed {}
    impl Sealed for super::RestampLate {}
    impl Sealed for super::ReturnStamped {}
    impl Sealed for super::ReportLate {}
}

impl LateHandling for RestampLate {
    type Committed = Commit;

    fn restamps(&self) -> u32 {
        DEFAULT_RESTAMPS
    }

    fn committed(stamped: StampedCommit) -> Commit {
        stamped.commit
    }

    fn commit(committed: Commit) -> Commit {
        committed
    }
}

impl LateHandling for ReportLate {
    type Committed = Commit;

    fn restamps(&self) -> u32 {
        0
    }

    fn committed(stamped: StampedCommit) -> Commit {
        stamped.commit
    }

    fn commit(committed: Commit) -> Commit {
        committed
    }
}

impl LateHandling for ReturnStamped {
    type Committed = StampedCommit;

    fn restamps(&self) -> u32 {
        self.0
    }

    fn committed(stamped: StampedCommit) -> StampedCommit {
        stamped
    }

    fn commit(committed: StampedCommit) -> Commit {
        committed.commit
    }
}

/// Returns a commit with the offset at which readers of the stream receive it. Restamps it if it may be late, with at most
/// `restamps` refs.
///
/// A commit whose timeliness is uncertain is restamped even if `restamps` is 0: an unnecessary ref does no harm. An error
/// would call a healthy writer late whose clock is behind, and without both a reader might miss the commit.
pub(super) async fn repair(
    dataset: &Dataset,
    commit: TimedCommit,
    restamps: u32,
) -> Result<StampedCommit, CommitError> {
    let TimedCommit { commit, timeliness } = commit;
    let refs = match timeliness {
        Timeliness::InTime => return Ok(StampedCommit::in_time(commit)),
        Timeliness::Uncertain if restamps == 0 => DEFAULT_RESTAMPS,
        Timeliness::Uncertain | Timeliness::Late => restamps,
    };
    restamp_until_in_time(dataset, commit, refs).await.map_err(|commit| CommitError::Late(Box::new(commit)))
}

/// Restamps a late commit until a ref is in time. Returns the commit as an error if none was, after at most `restamps`
/// refs.
async fn restamp_until_in_time(dataset: &Dataset, commit: Commit, restamps: u32) -> Result<StampedCommit, Commit> {
    for number in 1..=restamps {
        match restamp(dataset, &commit).await {
            Ok(restamped) => {
                let (partition, offset) = (&commit.partition, &restamped.offset);
                tracing::info!(partition, %offset, "restamped a commit that may have been late");
                return Ok(StampedCommit { stream_offset: restamped.offset, commit });
            }
            // The restamp has logged it.
            Err(RestampError::Late(_)) => {}
            Err(error) => {
                tracing::warn!(%error, partition = commit.partition, "a late commit was not restamped");
                if error.kind() != ErrorKind::Unavailable {
                    break;
                }
            }
        }
        if let Some(pause) = pause_after(number.min(LONGEST_PAUSE_AFTER)).filter(|_| number < restamps) {
            dataset.clock().sleep(pause).await;
        }
    }
    tracing::warn!(
        partition = commit.partition,
        "committed after the commit timeout: durable, but readers of the stream may have passed it"
    );
    Err(commit)
}
