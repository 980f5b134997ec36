//! Data files that do not decode.

use std::fmt;
use std::sync::Arc;

use super::files::{FileSize, StoredFile};
use crate::error::Error;
use crate::format::Offset;

/// A data file that a read of the change stream left out because it does not decode.
///
/// None of its records were returned. Its entry is still among the entries of the page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SkippedFile {
    /// The offset of the entry that names the file; the first one, if several entries of the read do.
    pub offset: Offset,
    /// The partition, as `name=value/name=value`.
    pub partition: String,
    /// The key of the data file.
    pub data_path: String,
    /// The number of records in the file, by its commit.
    pub record_count: u64,
    /// The message of the error: the key, the offset, the row and column where they are known, and the reason.
    pub reason: String,
}

impl SkippedFile {
    pub(super) fn new(partition: &str, file: StoredFile, error: &Error) -> Self {
        let record_count = match file.size {
            FileSize::Rows(rows) => rows,
            FileSize::Bytes(_) => 0,
        };
        Self {
            offset: file.offset.unwrap_or_default(),
            partition: partition.to_owned(),
            data_path: file.key,
            record_count,
            reason: error.to_string(),
        }
    }
}

impl fmt::Display for SkippedFile {
    /// Writes the reason, which names the file and its offset.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The handling of a data file that does not decode.
#[derive(Clone)]
pub(crate) enum UndecodableFile {
    /// The read fails.
    Fail,
    /// The read leaves the file out and reports it.
    Skip(Arc<dyn Fn(SkippedFile) + Send + Sync>),
}
