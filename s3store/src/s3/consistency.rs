//! The `Consistency-Control` header of NetApp StorageGRID. Other servers ignore it.

use std::fmt;

/// The consistency level that every request of a dataset asks for.
///
/// NetApp StorageGRID defines the header `Consistency-Control`; AWS S3, MinIO, Ceph and SeaweedFS ignore it and are
/// consistent by themselves. All requests of a dataset carry one level, since StorageGRID wants the same for writing and
/// reading. Source: NetApp, "Consistency controls", and the Go library's `ConsistencyLevel`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Consistency {
    /// `strong-global`: read-after-write and list-after-write at every site. The default.
    #[default]
    StrongGlobal,
    /// `strong-site`: the same within one site. Enough where all readers and writers share it.
    StrongSite,
    /// `all`: every storage node acknowledges.
    All,
    /// `read-after-new-write`: what LIST answers is eventual. Too weak for what this library promises.
    ReadAfterNewWrite,
    /// `available`: any replica may answer. Too weak for what this library promises.
    Available,
    /// No header: the bucket's own level.
    BucketDefault,
    /// A level that this library doesn't know, sent as it is. Opening the dataset logs a warning.
    Other(String),
}

impl Consistency {
    /// The header's value; `None` sends no header.
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
    /// Known names become their level, any other name [`Consistency::Other`], the empty text no header.
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
