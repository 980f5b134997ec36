//! The compression of data files.

/// The compression of data files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Fast to write and to read.
    #[default]
    Snappy,
    /// Smaller files than Snappy, but slower to write.
    Zstd,
    /// Needed only for readers that support neither Snappy nor Zstandard.
    Gzip,
    /// Not compressed: the least CPU time and the most bytes to transfer.
    Uncompressed,
}
