//! The report of an examination, and its findings.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::error::{Error, Result};
use crate::write::Commit;

/// The result of [`Dataset::doctor`](crate::Dataset::doctor).
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The findings: first malformed refs, then findings by partition and token, then those about the Delta log, then unfinished
    /// uploads, then those from the files' footers.
    pub findings: Vec<Finding>,
    /// The number of refs whose time is in the window.
    pub refs: u64,
    /// The number of commits in the window.
    pub commits: u64,
    /// The number of data files that landed in the window.
    pub files: u64,
    /// The number of unfinished multipart uploads of data files, with those that are under way or that began after the
    /// window. An error if they could not be listed, because the server does not support it, refuses it or did not answer:
    /// then the findings have no [`UnfinishedUpload`](Finding::UnfinishedUpload), and nothing else is missing.
    pub uploads: Result<u64>,
    /// The place of the Delta log in the change stream: it has the commits before this time that were not late. It stays where it
    /// is while there are no commits. `None` if the dataset is [not published](crate::publish). It is an
    /// error if another program keeps the log, or S3 refused to show it: then the findings have none about the log.
    pub published_until: Result<Option<DateTime<Utc>>>,
}

/// A difference from the objects that a write in time leaves behind.
///
/// Snapshots contain all committed records and nothing else, except those whose data file does not exist.
#[derive(Debug)]
#[non_exhaustive]
pub enum Finding {
    /// Readers of the change stream may have passed the commit's offset. By S3's times its ref or the commit object landed,
    /// or may have landed, after the commit timeout, and no later ref was in time.
    /// [`restamp`](crate::Dataset::restamp) repairs it.
    Late {
        /// The commit.
        commit: Commit,
        /// S3's time of the ref, or `None` if the ref is before the window or S3 reports no time.
        ref_landed: Option<DateTime<Utc>>,
        /// S3's time of the commit.
        commit_landed: Option<DateTime<Utc>>,
    },
    /// The commit has no ref, so readers of the change stream do not receive it.
    /// [`restamp`](crate::Dataset::restamp) repairs it.
    CommitWithoutRef {
        /// The commit.
        commit: Commit,
    },
    /// The data file of a commit does not exist. Its records are lost, unless the file was deleted on purpose.
    CommitWithoutFile {
        /// The commit.
        commit: Commit,
    },
    /// A data file has another number of records than its commit states.
    RowCount {
        /// The commit.
        commit: Commit,
        /// The number of rows in the file's footer.
        in_file: u64,
    },
    /// A commit's metadata, a data file's footer, or the Delta log is not readable.
    Unreadable {
        /// The object's key, or that of the log's folder.
        path: String,
        /// The reason.
        error: Error,
    },
    /// A ref whose attempt was never committed: the write failed after it, or its process died. Readers skip it.
    RefWithoutCommit {
        /// The ref's key.
        ref_path: String,
    },
    /// A data file whose attempt was never committed: the write failed after it, or its process died. Readers skip it.
    /// [`prune`](crate::Dataset::prune) deletes it.
    FileWithoutCommit {
        /// The file's key.
        data_path: String,
    },
    /// A multipart upload of a data file that was started before the window's end and at least 24 hours ago, and that was
    /// neither completed nor aborted: its process died. Readers don't see it, but its parts are stored and paid for.
    ///
    /// The library does not end it. Do that with `aws s3api abort-multipart-upload --bucket <bucket> --key <data_path>
    /// --upload-id <upload_id>`, or let the bucket's lifecycle rule `AbortIncompleteMultipartUpload` do it. If its write is
    /// in progress nevertheless, that write fails.
    UnfinishedUpload {
        /// The key that the file would have.
        data_path: String,
        /// The upload's id.
        upload_id: String,
        /// S3's time of the start, or `None` if S3 reports no time.
        started: Option<DateTime<Utc>>,
    },
    /// An object among the refs whose name is not a ref's name. Readers skip it.
    MalformedRef {
        /// The object's key.
        path: String,
    },
    /// The Delta log lacks a commit that later calls of [`publish_delta`](crate::table::Table::publish_delta) pass, because it
    /// is before their place in the change stream: it was late. A call with
    /// [`reconcile`](crate::publish::PublishDelta::reconcile) adds it.
    Unpublished {
        /// The commit.
        commit: Commit,
    },
    /// The Delta log has a file that is not committed. Engines that read the Delta table show its records; the library does
    /// not. Somebody else wrote to the log, or deleted the commit. Whether a token's commit is of this file is only examined
    /// for commits in the window.
    PublishedWithoutCommit {
        /// The file's key.
        data_path: String,
    },
    /// The Delta log has a file that does not exist. Engines that read the Delta table fail.
    PublishedWithoutFile {
        /// The file's key.
        data_path: String,
    },
}

impl Finding {
    /// Returns the commit if [`restamp`](crate::Dataset::restamp) repairs the finding.
    #[must_use]
    pub fn to_restamp(&self) -> Option<&Commit> {
        match self {
            Self::Late { commit, .. } | Self::CommitWithoutRef { commit } => Some(commit),
            _ => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late { commit, ref_landed, commit_landed } => {
                write!(f, "late: {} was stamped at {}", commit.data_path, Instant(commit.offset.instant()))?;
                write!(f, ", its ref landed at {}, its commit at {}", Instant(*ref_landed), Instant(*commit_landed))
            }
            Self::CommitWithoutRef { commit } => write!(f, "commit without ref: {}", commit.data_path),
            Self::CommitWithoutFile { commit } => write!(f, "commit without file: {}", commit.data_path),
            Self::RowCount { commit, in_file } => {
                write!(f, "{} has {in_file} rows, its commit states {}", commit.data_path, commit.record_count)
            }
            Self::Unreadable { path, error } => write!(f, "unreadable: {path}: {error}"),
            Self::RefWithoutCommit { ref_path } => write!(f, "ref without commit: {ref_path}"),
            Self::FileWithoutCommit { data_path } => write!(f, "file without commit: {data_path}"),
            Self::UnfinishedUpload { data_path, upload_id, started } => {
                write!(f, "unfinished upload: {data_path}, started at {}, upload id {upload_id}", Instant(*started))
            }
            Self::MalformedRef { path } => write!(f, "malformed ref: {path}"),
            Self::Unpublished { commit } => write!(f, "not in the delta log: {}", commit.data_path),
            Self::PublishedWithoutCommit { data_path } => {
                write!(f, "in the delta log, but not committed: {data_path}")
            }
            Self::PublishedWithoutFile { data_path } => write!(f, "in the delta log, but missing: {data_path}"),
        }
    }
}

struct Instant(Option<DateTime<Utc>>);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => time.fmt(f),
            None => f.write_str("an unknown time"),
        }
    }
}
