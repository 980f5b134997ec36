//! What an examination finds.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::write::Commit;

/// What [`Dataset::doctor`](crate::Dataset::doctor) found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The findings: objects that are no refs, then by partition and token, then what the files' footers tell.
    pub findings: Vec<Finding>,
    /// How many refs were stamped in the window.
    pub refs: u64,
    /// How many commits belong to the window.
    pub commits: u64,
    /// How many data files landed in the window.
    pub files: u64,
}

/// Something that is not as a write in time leaves it. Whatever was found, snapshots are right: what is committed is in
/// them, and nothing else is.
#[derive(Debug)]
#[non_exhaustive]
pub enum Finding {
    /// Readers of the change stream may have passed the commit's place: its ref or the commit itself landed, as S3's
    /// times tell, or may have landed, past the commit timeout, and no later ref of it was in time.
    /// [`restamp`](crate::Dataset::restamp) brings it back.
    Late {
        /// The commit.
        commit: Commit,
        /// S3's time of the ref; `None` where it was stamped before the window or S3 tells none.
        ref_landed: Option<DateTime<Utc>>,
        /// S3's time of the commit.
        commit_landed: Option<DateTime<Utc>>,
    },
    /// The commit has no ref: readers of the change stream can't see it.
    /// [`restamp`](crate::Dataset::restamp) brings it back.
    CommitWithoutRef {
        /// The commit.
        commit: Commit,
    },
    /// The data file of a commit is gone: its records are lost, unless somebody pruned it on purpose.
    CommitWithoutFile {
        /// The commit.
        commit: Commit,
    },
    /// A data file and its commit disagree about how many records there are.
    RowCount {
        /// The commit.
        commit: Commit,
        /// The rows that the file's footer tells.
        in_file: u64,
    },
    /// A commit's metadata, or a data file's footer, can't be read.
    Unreadable {
        /// The object's key.
        path: String,
        /// Why.
        error: Error,
    },
    /// A ref whose attempt was never committed: a write failed after it, or lost its process. Readers pass it over.
    RefWithoutCommit {
        /// The ref's key.
        ref_path: String,
    },
    /// A data file whose attempt was never committed: a write failed after it, or lost its process. Readers don't see
    /// it; it may be deleted once no write of its time can be under way.
    FileWithoutCommit {
        /// The file's key.
        data_path: String,
    },
    /// An object among the refs whose name is none of a ref. Readers pass it over.
    MalformedRef {
        /// The object's key.
        path: String,
    },
}

impl Finding {
    /// The commit, for [`restamp`](crate::Dataset::restamp), of what it brings back.
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
                write!(f, "{} has {in_file} rows, its commit says {}", commit.data_path, commit.record_count)
            }
            Self::Unreadable { path, error } => write!(f, "unreadable: {path}: {error}"),
            Self::RefWithoutCommit { ref_path } => write!(f, "ref without commit: {ref_path}"),
            Self::FileWithoutCommit { data_path } => write!(f, "file without commit: {data_path}"),
            Self::MalformedRef { path } => write!(f, "no ref: {path}"),
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
