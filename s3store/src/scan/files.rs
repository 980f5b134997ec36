//! The files that a scan reads.

use crate::format::Offset;
use crate::s3::ObjectVersion;

/// A data file in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct StoredFile {
    pub(crate) key: String,
    pub(crate) size: FileSize,
    /// The version that was listed.
    pub(crate) version: Option<ObjectVersion>,
    /// The offset of the entry that names the file, if it was found by the change stream.
    pub(crate) offset: Option<Offset>,
}

impl StoredFile {
    /// Returns the file's name in errors: its key and its offset.
    pub(crate) fn label(&self) -> String {
        match &self.offset {
            Some(offset) => format!("{} (offset {offset})", self.key),
            None => self.key.clone(),
        }
    }
}

/// The size of a data file before it is fetched, exact or estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum FileSize {
    /// The size in bytes, from a listing.
    Bytes(u64),
    /// The row count, from a commit. The file was not listed.
    Rows(u64),
}

impl FileSize {
    /// Returns the size in bytes, if it is known.
    pub(crate) fn bytes(self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Rows(_) => None,
        }
    }
}

/// A partition's files, in key order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct PartitionFiles {
    pub(crate) key: String,
    pub(crate) files: Vec<StoredFile>,
}
