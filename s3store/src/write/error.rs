//! The errors of writes and restamps. Their types state what is durable after a failure.
//!
//! The message of each error contains the message of its cause. So `source()` returns the cause's own source, and a
//! report that prints the whole chain shows each message once.

use std::error::Error as StdError;
use std::fmt;

use super::commit::Commit;
use crate::error::{Error, ErrorKind, ErrorType};
use crate::metrics::{ErrorOutcome, Outcome};

/// A write with an unknown outcome: S3 gave no definite answer to its commit, and a look-up found no commit.
///
/// The commit may exist, or may still land. Write again with the same token: this finds the commit or makes it. If the
/// write had no token of yours, call [`lookup_commit`](crate::Store::lookup_commit) with `partition` and `token` later,
/// before you write the records again.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unknown {
    /// The partition, `name=value/name=value`.
    pub partition: String,
    /// The caller's token, or the library's own if the caller gave none.
    pub token: String,
    /// The key of the commit that may exist.
    pub commit_path: String,
    /// The key of the data file that the commit makes visible.
    pub data_path: String,
    /// The failure of the commit's PUT, or of the look-up after it.
    pub cause: Error,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "write failed, it is unknown whether {} is committed: {}; \
             write again with the same token, or look up token {} in partition {}",
            self.data_path, self.cause, self.token, self.partition
        )
    }
}

/// The reason why a write to one partition did not return a commit in time.
///
/// Its message contains the cause's message; [`source`](StdError::source) returns the cause's own source.
#[derive(Debug)]
#[non_exhaustive]
pub enum CommitError {
    /// Nothing was committed, and nothing of this attempt ever will be.
    NotCommitted(Error),
    /// The records are durable and in every snapshot, but the commit took longer than the dataset's commit timeout, and the
    /// write put no additional ref in time, or was set to [report](crate::write::Write::report_late) this. Readers of the
    /// change stream may have passed its offset. [`restamp`](crate::Dataset::restamp) gives it a new one, and so does a
    /// retry with the token.
    Late(Box<Commit>),
    /// It is unknown whether the records are committed: see [`Unknown`].
    Unknown(Box<Unknown>),
}

impl CommitError {
    /// Returns the commit if the records are durable.
    #[must_use]
    pub fn commit(&self) -> Option<&Commit> {
        match self {
            Self::Late(commit) => Some(commit),
            Self::NotCommitted(_) | Self::Unknown(_) => None,
        }
    }

    /// Returns the kind of the cause, [`Late`](ErrorKind::Late) or [`UnknownOutcome`](ErrorKind::UnknownOutcome).
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotCommitted(cause) => cause.kind(),
            Self::Late(_) => ErrorKind::Late,
            Self::Unknown(_) => ErrorKind::UnknownOutcome,
        }
    }

    /// Returns `true` if the same call may succeed later.
    ///
    /// Repeat it only with a token of yours, unless nothing was committed: otherwise the records may be stored twice.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotCommitted(cause) => cause.is_transient(),
            Self::Late(_) | Self::Unknown(_) => true,
        }
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCommitted(cause) => not_committed(f, cause),
            Self::Late(commit) => write!(
                f,
                "{} is committed late: it is durable, but readers of the stream may have passed it; restamp it",
                commit.data_path
            ),
            Self::Unknown(unknown) => unknown.fmt(f),
        }
    }
}

impl StdError for CommitError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::NotCommitted(cause) => cause.source(),
            Self::Late(_) => None,
            Self::Unknown(unknown) => unknown.cause.source(),
        }
    }
}

impl From<Error> for CommitError {
    fn from(error: Error) -> Self {
        Self::NotCommitted(error)
    }
}

/// The reason why a write to several partitions did not commit all of them in time, and what is durable nevertheless.
///
/// Partitions that are in none of the lists were not committed, and this write will never commit them. Write those again,
/// or everything with the same token: partitions that did commit then return their first commit.
///
/// Its message contains the cause's message; [`source`](StdError::source) returns the cause's own source.
#[derive(Debug)]
#[non_exhaustive]
pub struct WriteError {
    /// The commits in time, or restamped in time, in key order.
    pub committed: Vec<Commit>,
    /// The commits that are durable and in every snapshot, but late for the change stream, in key order. See
    /// [`CommitError::Late`].
    pub late: Vec<Commit>,
    /// The partitions that may be committed, in key order.
    pub unknown: Vec<Unknown>,
    /// The first failure that left a partition not committed. `None` if all failures are late or unknown commits. An
    /// unknown commit also stops partitions whose data had not landed; those were not committed.
    pub cause: Option<Error>,
    /// The further partitions that failed, each for a reason of its own, in key order. With
    /// [`keep_going`](crate::write::Write::keep_going), these and that of `cause` are all that were not committed, in none
    /// of the lists.
    pub also_failed: Vec<FailedPartition>,
}

/// A partition that a write did not commit, and the reason.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedPartition {
    /// The partition, `name=value/name=value`.
    pub partition: String,
    /// The reason.
    pub cause: Error,
}

impl WriteError {
    /// Makes the error of a write that failed before anything could be committed.
    pub(super) fn not_committed(cause: Error) -> Self {
        let (committed, late, unknown, also_failed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { committed, late, unknown, cause: Some(cause), also_failed }
    }

    /// Adds the commits of an earlier flush of the same call.
    pub(super) fn after(self, commits: impl IntoIterator<Item = Commit>) -> Self {
        let committed = commits.into_iter().chain(self.committed).collect();
        Self { committed, ..self }
    }

    /// Returns `true` if every partition is durable, and the only failure is that some are late.
    #[must_use]
    pub fn is_late_only(&self) -> bool {
        self.cause.is_none() && self.unknown.is_empty()
    }

    /// Returns the kind of the most serious failure.
    ///
    /// It is [`UnknownOutcome`](ErrorKind::UnknownOutcome) if any outcome is unknown. Otherwise it is the kind of
    /// [`cause`](Self::cause), or [`Late`](ErrorKind::Late) if there is no cause.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match (&self.cause, self.unknown.is_empty()) {
            (_, false) => ErrorKind::UnknownOutcome,
            (Some(cause), true) => cause.kind(),
            (None, true) => ErrorKind::Late,
        }
    }

    /// Returns `true` if the same call may succeed later: if no partition failed for a reason that remains.
    ///
    /// Repeat it only with a token of yours, unless nothing was committed: otherwise records may be stored twice.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let causes = self.cause.iter().chain(self.also_failed.iter().map(|failed| &failed.cause));
        causes.into_iter().all(Error::is_transient)
    }

    /// Writes the further partitions that failed, and the reason of the first of them.
    fn also_failed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(FailedPartition { partition, cause }) = self.also_failed.first() else { return Ok(()) };
        match self.also_failed.len() - 1 {
            0 => write!(f, "; also failed: {partition}: {cause}"),
            more => write!(f, "; also failed: {partition}: {cause}; and {more} more"),
        }
    }

    /// Returns the failure whose message is part of this error's message.
    fn first_failure(&self) -> Option<&Error> {
        self.cause.as_ref().or_else(|| self.unknown.first().map(|unknown| &unknown.cause))
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (committed, late, unknown) = (self.committed.len(), self.late.len(), self.unknown.len());
        match (&self.cause, self.first_failure()) {
            (Some(cause), _) if committed + late + unknown == 0 => {
                not_committed(f, cause)?;
                return self.also_failed(f);
            }
            (Some(_), _) => f.write_str("write failed, not all partitions were committed")?,
            (None, Some(_)) => f.write_str("write failed, the outcome of some partitions is unknown")?,
            (None, None) => f.write_str("all partitions are committed, some of them late; restamp those")?,
        }
        write!(f, " ({committed} committed, {late} committed late, {unknown} with unknown outcome)")?;
        self.first_failure().map_or(Ok(()), |cause| write!(f, ": {cause}"))?;
        self.also_failed(f)
    }
}

impl StdError for WriteError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.first_failure().and_then(Error::source)
    }
}

/// The reason why a restamp did not put a ref in time. The commit itself stays durable and in every snapshot.
///
/// Restamping again with the same commit does no harm.
///
/// Its message contains the cause's message; [`source`](StdError::source) returns the cause's own source.
#[derive(Debug)]
#[non_exhaustive]
pub enum RestampError {
    /// No new ref was put: S3 refused it, or the commit is not of this dataset.
    NotRestamped(Error),
    /// The new ref was put, but later than the dataset's commit timeout allows, so readers of the change stream may have
    /// passed it, too. Contains the commit with the new ref's offset.
    Late(Box<Commit>),
    /// S3 gave no definite answer: the new ref may exist, or may still land.
    Unknown(Error),
}

impl RestampError {
    /// Returns the commit with the offset of the new ref if the ref is known to exist.
    #[must_use]
    pub fn commit(&self) -> Option<&Commit> {
        match self {
            Self::Late(commit) => Some(commit),
            Self::NotRestamped(_) | Self::Unknown(_) => None,
        }
    }

    /// Returns the kind of the cause, or [`Late`](ErrorKind::Late).
    ///
    /// A ref that may exist has its cause's kind as well, because repeating a restamp does no harm.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotRestamped(cause) | Self::Unknown(cause) => cause.kind(),
            Self::Late(_) => ErrorKind::Late,
        }
    }

    /// Returns `true` if another restamp may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotRestamped(cause) | Self::Unknown(cause) => cause.is_transient(),
            Self::Late(_) => true,
        }
    }
}

impl fmt::Display for RestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRestamped(cause) => {
                write!(f, "restamp failed, no ref was put, the commit stays durable: {cause}")
            }
            Self::Late(commit) => write!(
                f,
                "restamp was late: the ref {} exists, but readers of the stream may have passed it; restamp again",
                commit.ref_path
            ),
            Self::Unknown(cause) => write!(
                f,
                "restamp failed, it is unknown whether its ref was put, the commit stays durable: {cause}; restamp again"
            ),
        }
    }
}

impl StdError for RestampError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::NotRestamped(cause) | Self::Unknown(cause) => cause.source(),
            Self::Late(_) => None,
        }
    }
}

/// An error that can report late commits, to be counted.
pub(super) trait LateCount {
    fn late_count(&self) -> usize;
}

impl LateCount for CommitError {
    fn late_count(&self) -> usize {
        usize::from(matches!(self, Self::Late(_)))
    }
}

impl LateCount for WriteError {
    fn late_count(&self) -> usize {
        self.late.len()
    }
}

impl ErrorOutcome for Unknown {
    /// Counts as an error even if the runtime shut down, because somebody has to look up the commit.
    fn outcome(&self) -> Outcome {
        Outcome::Error(self.cause.error_type())
    }
}

impl ErrorOutcome for CommitError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::NotCommitted(cause) => cause.outcome(),
            Self::Late(_) => Outcome::Error(ErrorType::Other),
            Self::Unknown(unknown) => unknown.outcome(),
        }
    }
}

impl ErrorOutcome for WriteError {
    fn outcome(&self) -> Outcome {
        match (&self.cause, self.unknown.first()) {
            (Some(cause), _) => cause.outcome(),
            (None, Some(unknown)) => unknown.outcome(),
            (None, None) => Outcome::Error(ErrorType::Other),
        }
    }
}

impl ErrorOutcome for RestampError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::NotRestamped(cause) | Self::Unknown(cause) => cause.outcome(),
            Self::Late(_) => Outcome::Error(ErrorType::Other),
        }
    }
}

fn not_committed(f: &mut fmt::Formatter<'_>, cause: &Error) -> fmt::Result {
    write!(f, "write failed, nothing was committed: {cause}")
}

#[cfg(test)]
mod tests;
