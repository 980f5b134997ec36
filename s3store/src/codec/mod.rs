//! Record batches to Parquet bytes, and back.
//!
//! Writing is the plain half: [`Encoder`] holds everything that is the same for each file of a record type, and
//! [`sort::permutation`] says in which order rows belong. Reading adapts: [`FilePlan`] matches a file's columns to what
//! the reader wants, by name, and decides once how each is brought to its type; [`FileReader`] applies that to batches.

mod adapt;
mod cast;
mod encode;
mod file;
mod guard;
mod plan;
pub(crate) mod sort;

pub(crate) use encode::Encoder;
pub(crate) use file::{FilePlan, FileReader, open};

/// Rows of a batch, when reading and when writing. Larger ones leave the processor's caches and cost a tenth.
pub(crate) const BATCH_ROWS: usize = 8_192;

/// How data files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Fast, and half the size of nothing at all.
    #[default]
    Snappy,
    /// Smaller than Snappy, and slower to write.
    Zstd,
    /// For readers that know nothing newer.
    Gzip,
    /// None: the fastest to read where the network is faster than a processor.
    Uncompressed,
}

#[cfg(test)]
mod tests;
