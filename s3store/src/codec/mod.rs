//! Record batches to Parquet bytes, and back.
//!
//! Writing is the plain half: [`Encoder`] holds everything that is the same for each file of a record type, and
//! [`sort::permutation`] says in which order rows belong. Reading adapts: a plan ([`FileReader::plan`]) matches a
//! file's columns to what the reader wants, by name, and decides once how each is brought to its type; [`FileReader`]
//! applies that to batches.

mod adapt;
mod cast;
mod encode;
mod file;
mod guard;
mod packed;
mod plan;
mod ranks;
pub(crate) mod sort;
pub(crate) mod steps;
mod whole;

pub(crate) use encode::{Encoder, File};
#[cfg(test)]
use file::open;
pub(crate) use file::{FileReader, Footer, Opener, Step, Tail};

/// Rows of a batch, when reading and when writing. Larger ones leave the processor's caches and cost a tenth.
pub(crate) const BATCH_ROWS: usize = 8_192;

/// How data files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Fast to write and to read.
    #[default]
    Snappy,
    /// Smaller than Snappy, and slower to write.
    Zstd,
    /// For readers that know nothing newer.
    Gzip,
    /// None: the least work for a processor, the most for the network.
    Uncompressed,
}

#[cfg(test)]
mod tests;
