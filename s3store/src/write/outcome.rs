//! What a write made durable, and how it can fail.

use std::error::Error as StdError;
use std::fmt;

use chrono::{DateTime, Utc};

use crate::error::{Error, ErrorKind, ErrorType, Result};
use crate::format::{CommitMeta, Offset, PartitionKey, Prefix, Token};
use crate::metrics::{Failed, Outcome};

/// A commit: one partition's records, durable and visible.
///
/// A retry with the same token returns the first commit, equal in every field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// The partition's key, `name=value/name=value`.
    pub partition: String,
    /// The idempotency token, or the attempt's id where none was given.
    pub token: String,
    /// The commit's place in the change stream.
    pub offset: Offset,
    /// The key of the data file.
    pub data_path: String,
    /// The key of the ref: the same text as `offset`.
    pub ref_path: String,
    /// The write's insertion time, in whole microseconds: given by the caller, or when the write began. The same value
    /// as in the file's insertion time column.
    pub inserted_at: DateTime<Utc>,
    /// How many records the data file holds.
    pub record_count: u64,
}

impl Commit {
    /// The commit that metadata found under a commit's key tell of.
    pub(crate) fn found(prefix: &Prefix, partition: &PartitionKey, token: &Token, meta: &CommitMeta) -> Result<Self> {
        let ref_path = prefix.ref_key(meta.ref_micros, token, meta.attempt, partition)?;
        Ok(Self {
            partition: partition.as_str().to_owned(),
            token: token.as_str().to_owned(),
            offset: Offset::of(ref_path.clone()),
            data_path: prefix.data_key(partition, token, meta.attempt)?,
            ref_path,
            inserted_at: time(meta.inserted_at_micros)?,
            record_count: meta.record_count,
        })
    }
}

pub(super) fn time(micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| Error::invalid_input(format!("{micros} microseconds is no insertion time")))
}

/// A commit, and where readers of the change stream come past it in time.
///
/// What a write returns that was told to [`restamp_late`](crate::Write::restamp_late).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StampedCommit {
    /// The commit: the same on every retry.
    pub commit: Commit,
    /// The offset that counts for readers of the stream: the commit's own, or where that was late, the one of the ref
    /// that was put in time.
    pub stream_offset: Offset,
}

/// A write whose outcome is not known: its commit had no definite answer, and no commit was found.
///
/// The commit may be there, or may still land. Write again with the same token, which finds it or makes it; without a
/// token of yours, ask [`lookup_commit`](crate::Store::lookup_commit) for `partition` and `token`, later, before you
/// write the records again.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unknown {
    /// The partition's key.
    pub partition: String,
    /// The token: the caller's, or the attempt's own.
    pub token: String,
    /// The key of the commit that may exist.
    pub commit_path: String,
    /// The key of the data file that it would make visible.
    pub data_path: String,
    /// What went wrong.
    pub cause: Error,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it is unknown whether {} is committed; write again with the same token, or look up token {} in partition {}",
            self.data_path, self.token, self.partition
        )
    }
}

/// Why one partition's write did not return a commit in time.
#[derive(Debug)]
#[non_exhaustive]
pub enum CommitError {
    /// Nothing was committed, and nothing of this attempt ever will be.
    NotCommitted(Error),
    /// The records are durable and in every snapshot, but the commit took longer than the dataset's commit timeout:
    /// readers of the change stream may have passed its place. [`restamp`](crate::Dataset::restamp) brings it back.
    Late(Box<Commit>),
    /// See [`Unknown`].
    Unknown(Box<Unknown>),
}

impl CommitError {
    /// The commit, if the records are durable.
    #[must_use]
    pub fn commit(&self) -> Option<&Commit> {
        match self {
            Self::Late(commit) => Some(commit),
            Self::NotCommitted(_) | Self::Unknown(_) => None,
        }
    }

    /// The kind of the cause; `None` for a late commit, which has none.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::NotCommitted(error) => Some(error.kind()),
            Self::Late(_) => None,
            Self::Unknown(unknown) => Some(unknown.cause.kind()),
        }
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCommitted(_) => f.write_str("nothing was committed"),
            Self::Late(commit) => write!(
                f,
                "committed {} late: it is durable, but readers of the stream may have passed it; restamp it for them",
                commit.data_path
            ),
            Self::Unknown(unknown) => unknown.fmt(f),
        }
    }
}

impl StdError for CommitError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::NotCommitted(error) => Some(error),
            Self::Late(_) => None,
            Self::Unknown(unknown) => Some(&unknown.cause),
        }
    }
}

impl From<Error> for CommitError {
    fn from(error: Error) -> Self {
        Self::NotCommitted(error)
    }
}

/// Why a write to several partitions did not commit all of them in time, and what is durable all the same.
///
/// Partitions that are in none of the lists were not committed and never will be by this write. Write those again, or
/// everything with the same token: partitions that did commit return their first commit then.
#[derive(Debug)]
#[non_exhaustive]
pub struct WriteError {
    /// What is committed in time, or restamped in time, in key order.
    pub committed: Vec<Commit>,
    /// What is committed, durable and in every snapshot, but late for the change stream, in key order. See
    /// [`CommitError::Late`].
    pub late: Vec<Commit>,
    /// What may be committed, in key order.
    pub unknown: Vec<Unknown>,
    /// The first failure that left a partition not committed. `None` where late or unknown commits are all that went
    /// wrong; an unknown one stops the partitions that had not landed, too.
    pub cause: Option<Error>,
}

impl WriteError {
    pub(super) fn nothing(cause: Error) -> Self {
        Self { committed: Vec::new(), late: Vec::new(), unknown: Vec::new(), cause: Some(cause) }
    }

    /// Whether every partition is durable: some are late, and that is all.
    #[must_use]
    pub fn is_late_only(&self) -> bool {
        self.cause.is_none() && self.unknown.is_empty()
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (committed, late, unknown) = (self.committed.len(), self.late.len(), self.unknown.len());
        if self.cause.is_some() && committed + late + unknown == 0 {
            return f.write_str("nothing was committed");
        }
        f.write_str(if self.cause.is_some() { "not all partitions were committed" } else { "not all went well" })?;
        write!(f, ": {committed} committed, {late} committed late, {unknown} with unknown outcome")
    }
}

impl StdError for WriteError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match (&self.cause, self.unknown.first()) {
            (Some(cause), _) => Some(cause),
            (None, Some(unknown)) => Some(&unknown.cause),
            (None, None) => None,
        }
    }
}

/// An error that may tell of late commits.
pub(super) trait Late {
    fn late(&self) -> usize;
}

impl Late for CommitError {
    fn late(&self) -> usize {
        usize::from(matches!(self, Self::Late(_)))
    }
}

impl Late for WriteError {
    fn late(&self) -> usize {
        self.late.len()
    }
}

impl Failed for Unknown {
    /// An error, even where its cause is that the runtime shut down: somebody has to look.
    fn outcome(&self) -> Outcome {
        Outcome::Error(self.cause.error_type())
    }
}

impl Failed for CommitError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::NotCommitted(error) => error.outcome(),
            Self::Late(_) => Outcome::Error(ErrorType::Other),
            Self::Unknown(unknown) => unknown.outcome(),
        }
    }
}

impl Failed for WriteError {
    fn outcome(&self) -> Outcome {
        match (&self.cause, self.unknown.first()) {
            (Some(cause), _) => cause.outcome(),
            (None, Some(unknown)) => unknown.outcome(),
            (None, None) => Outcome::Error(ErrorType::Other),
        }
    }
}
