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
    /// A name that this library doesn't know. Opening a dataset with it fails. [`Consistency::unchecked`] sends a level that
    /// this library doesn't know.
    Unknown(String),
    /// A level that is sent unchanged, made by [`Consistency::unchecked`].
    Unchecked(String),
}

impl Consistency {
    /// Returns a level that is sent unchanged, whether this library knows it or not. Opening the dataset logs a warning.
    #[must_use]
    pub fn unchecked(level: impl Into<String>) -> Self {
        Self::Unchecked(level.into())
    }

    /// Returns the header's value, or `None` if no header is sent.
    pub(crate) fn header(&self) -> Option<&str> {
        Some(match self {
            Self::StrongGlobal => "strong-global",
            Self::StrongSite => "strong-site",
            Self::All => "all",
            Self::ReadAfterNewWrite => "read-after-new-write",
            Self::Available => "available",
            Self::BucketDefault => return None,
            Self::Unknown(level) | Self::Unchecked(level) => level,
        })
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.header().unwrap_or("the bucket's default"))
    }
}

impl From<&str> for Consistency {
    /// Converts a level's name. The empty string becomes the default, [`Consistency::StrongGlobal`], as in the Go library. A
    /// name that this library doesn't know becomes [`Consistency::Unknown`], with which a dataset does not open.
    fn from(level: &str) -> Self {
        match level {
            "" | "strong-global" => Self::StrongGlobal,
            "strong-site" => Self::StrongSite,
            "all" => Self::All,
            "read-after-new-write" => Self::ReadAfterNewWrite,
            "available" => Self::Available,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchecked_level_is_sent_unchanged() {
        assert_eq!(Consistency::unchecked("tomorrow").header(), Some("tomorrow"));
        assert_eq!(Consistency::unchecked("all").header(), Some("all"));
    }

    #[test]
    fn names_round_trip() {
        for name in ["strong-global", "strong-site", "all", "read-after-new-write", "available", "tomorrow"] {
            assert_eq!(Consistency::from(name).header(), Some(name));
        }
        assert_eq!(Consistency::from(""), Consistency::StrongGlobal);
        assert_eq!(Consistency::from("tomorrow"), Consistency::Unknown("tomorrow".to_owned()));
    }
}
