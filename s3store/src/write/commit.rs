//! The result of a successful write.

use chrono::{DateTime, Utc};

use crate::error::{Error, Result};
use crate::format::{CommitMeta, Offset, PartitionKey, Prefix, Token};

/// A commit: one partition's records, durable and visible.
///
/// A retry with the same token returns the first commit, equal to the one that the first call returned. With the feature
/// `serde` a commit can be stored, and [restamped](crate::Dataset::restamp) later.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Commit {
    /// The bucket that contains `data_path` and `ref_path`.
    pub bucket: String,
    /// The partition, `name=value/name=value`.
    pub partition: String,
    /// The caller's token, or the library's own if the caller gave none.
    pub token: String,
    /// The commit's position in the change stream.
    pub offset: Offset,
    /// The key of the data file.
    pub data_path: String,
    /// The key of the ref: the same text as `offset`.
    pub ref_path: String,
    /// The insertion time of the records, in whole microseconds: the caller's, or the time when the write began. The
    /// file's insertion time column contains the same value.
    pub inserted_at: DateTime<Utc>,
    /// The number of records in the data file.
    pub record_count: u64,
    /// `true` if the call that returned it found it, `false` if that call made it.
    ///
    /// It is a property of the call, not of the commit. So commits are compared without it, and the feature `serde` does not
    /// store it: it is `false` in a commit that was deserialised.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub replayed: bool,
}

impl PartialEq for Commit {
    /// Compares all fields but `replayed`.
    fn eq(&self, other: &Self) -> bool {
        let Self { bucket, partition, token, offset, data_path, ref_path, inserted_at, record_count, replayed: _ } =
            self;
        (bucket, partition, token, offset) == (&other.bucket, &other.partition, &other.token, &other.offset)
            && (data_path, ref_path) == (&other.data_path, &other.ref_path)
            && (inserted_at, record_count) == (&other.inserted_at, &other.record_count)
    }
}

impl Eq for Commit {}

impl Commit {
    /// Makes the commit that a commit object's metadata describes, as one that was found.
    pub(crate) fn found(
        bucket: &str,
        prefix: &Prefix,
        partition: &PartitionKey,
        token: &Token,
        meta: &CommitMeta,
    ) -> Result<Self> {
        let ref_path = prefix.ref_key(meta.ref_micros, token, meta.attempt, partition)?;
        Ok(Self {
            bucket: bucket.to_owned(),
            partition: partition.as_str().to_owned(),
            token: token.as_str().to_owned(),
            offset: Offset::of(ref_path.clone()),
            data_path: prefix.data_key(partition, token, meta.attempt)?,
            ref_path,
            inserted_at: insertion_time(meta.inserted_at_micros)?,
            record_count: meta.record_count,
            replayed: true,
        })
    }
}

/// A commit, and its position in the change stream after any restamps.
///
/// Writes and writers with [`restamp_late`](crate::write::Write::restamp_late) return it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StampedCommit {
    /// The commit: the same on every retry.
    pub commit: Commit,
    /// The offset at which readers of the stream receive the records in time. It is the commit's own offset, or that of
    /// the new ref if the commit was late.
    pub stream_offset: Offset,
}

impl StampedCommit {
    /// Wraps a commit that was in time, so that its own offset counts.
    pub(super) fn in_time(commit: Commit) -> Self {
        Self { stream_offset: commit.offset.clone(), commit }
    }
}

/// Converts an insertion time from microseconds since 1970.
pub(super) fn insertion_time(micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| {
        Error::invalid_input(format!("an insertion time of {micros} microseconds since 1970 is out of range"))
    })
}
