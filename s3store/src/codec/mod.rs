//! Record batches to Parquet bytes, and back.
//!
//! Writing: an [`Encoder`] holds the schemas and options that all files of a record type share, and a [`FileWriter`]
//! encodes one file. [`sort::permutation`] computes the order of the rows.
//!
//! Reading: a [`FilePlan`](mapping::FilePlan) matches a file's columns to the wanted ones by name, and decides once how
//! each is converted. A [`MemoryReader`] decodes a file that is in memory. A [`RangeReader`] decodes one that is fetched
//! by byte ranges.
//!
//! Nothing here performs I/O or knows an async runtime.

mod adapt;
mod bad_text;
mod bare_list;
mod cast;
mod checks;
mod compression;
mod decoded_types;
mod delta;
mod digest;
mod encode;
mod footer;
mod footer_scan;
mod guard;
mod levels;
mod limits;
mod mapping;
mod memory_reader;
pub(crate) mod neighbours;
mod packed;
mod pages;
mod plain;
mod plan;
mod prune;
mod range_reader;
mod ranks;
mod row_groups;
mod sizes;
pub(crate) mod sort;
mod statistics;
mod steps;
mod thrift;

pub(crate) use cast::is_convertible;
pub use compression::Compression;
pub(crate) use digest::{ContentHasher, Fast, HashFunction, Secure};
pub(crate) use encode::{Encoder, FileWriter, ROW_GROUP_BYTES};
pub(crate) use footer::{Footer, FooterSearch};
#[cfg(feature = "arrow")]
pub(crate) use mapping::Mapping;
pub(crate) use memory_reader::{MemoryReader, Opener};
pub(crate) use plain::{PlainReader, PlainWriter};
pub(crate) use prune::Span;
#[cfg(any(test, feature = "testing"))]
pub(crate) use range_reader::decode_by_ranges;
pub(crate) use range_reader::{RangeProgress, RangeReader, StepRanges};
pub(crate) use sizes::ReadSizes;
pub(crate) use statistics::ColumnStatistics;

/// Rows per batch, for reading and for writing. Larger batches do not fit the processor's caches and cost a tenth more
/// time.
pub(crate) const BATCH_ROWS: usize = 8_192;

#[cfg(test)]
mod tests;
