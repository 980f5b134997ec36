//! The `Consistency-Control` header of NetApp StorageGRID. Other servers ignore it.

use std::fmt;

/// The consistency level that every request of a dataset asks for.
///
/// NetApp StorageGRID defines the header `Consistency-Control`. AWS S3, MinIO, Ceph and SeaweedFS are consistent without
/// it and ignore it. All requests of a dataset send the same level, because StorageGRID requires one level for writes and
/// reads. See NetApp's "Consistency controls" and the Go library's `ConsistencyLevel`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Consistency {
    /// `strong-global`: read-after-write and list-after-write at every site. The default.
    #[default]
    StrongGlobal,
    /// `strong-site`: the same guarantees within one site. Sufficient if all readers and writers use that site.
    StrongSite,
    /// `all`: every storage node acknowledges a write.
    All,
    /// `read-after-new-write`: LIST is eventually consistent. Too weak for the guarantees of this library.
    ReadAfterNewWrite,
    /// `available`: any replica may answer. Too weak for the guarantees of this library.
    Available,
    /// No header is sent; the bucket's own level applies.
    BucketDefault,
    /// A level that this library doesn't know, sent unchanged. Opening the dataset logs a warning.
    Other(String),
}

impl Consistency {
    /// Returns the header's value, or `None` if no header is sent.
    pub(crate) fn header(&self) -> Option<&str> {
        Some(match self {
            Self::StrongGlobal => "strong-global",
            Self::StrongSite => "strong-site",
            Self::All => "all",
            Self::ReadAfterNewWrite => "read-after-new-write",
            Self::Available => "available",
            Self::BucketDefault => return None,
            Self::Other(level) => level,
        })
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.header().unwrap_or("the bucket's default"))
    }
}

impl From<&str> for Consistency {
    /// Converts a level's name. The empty string becomes [`Consistency::BucketDefault`], and an unknown name
    /// [`Consistency::Other`].
    fn from(level: &str) -> Self {
        match level {
            "" => Self::BucketDefault,
            "strong-global" => Self::StrongGlobal,
            "strong-site" => Self::StrongSite,
            "all" => Self::All,
            "read-after-new-write" => Self::ReadAfterNewWrite,
            "available" => Self::Available,
            other => Self::Other(other.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["strong-global", "strong-site", "all", "read-after-new-write", "available", "tomorrow"] {
            assert_eq!(Consistency::from(name).header(), Some(name));
        }
        assert_eq!(Consistency::from("").header(), None);
        assert_eq!(Consistency::from("tomorrow"), Consistency::Other("tomorrow".to_owned()));
    }
}
