//! The decisions of a scan, as values: how each file is fetched, and how a partition is merged. Performs no I/O.

use std::fmt;

use super::files::{FileSize, StoredFile};
use super::row_sizes::RowSizes;
use crate::codec::ReadSizes;

/// The largest file that is fetched with one GET although only some of its columns are needed.
///
/// Reading by ranges takes two requests one after the other: one for the footer, one for the columns. In the time of the
/// second, a connection transfers about as much as this.
const WHOLE_FILE_BYTES: u64 = 512 << 10;

/// The memory that is reserved for a footer before its size is known.
const FOOTER_BYTES: u64 = 64 << 10;

/// How many steps the memory holds at least, if they are not smaller than [`LEAST_STEP_BYTES`].
const STEPS_IN_MEMORY: u64 = 16;

/// The bounds of [`ScanMemory::step_bytes`]. Below, requests take longer than transfers. Above, more would save none.
const LEAST_STEP_BYTES: u64 = 256 << 10;
const MOST_STEP_BYTES: u64 = 8 << 20;

/// The memory that a scan may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScanMemory {
    /// For files, and footers, that are downloaded and wait to be decoded.
    pub(crate) downloads: u64,
    /// For the rest: column chunks, decoded rows, merges, and rows that wait for the consumer.
    pub(crate) decoding: u64,
    /// A partition of at most this size is held, whatever the limit.
    pub(crate) always_held: u64,
}

impl ScanMemory {
    /// Divides a limit.
    pub(crate) fn of_limit(bytes: u64, always_held: u64) -> Self {
        let downloads = bytes / 4;
        Self { downloads, decoding: bytes - downloads, always_held }
    }

    /// Returns how many bytes of a file are fetched and decoded at a time while it is merged. A row group that takes more is
    /// divided between its pages.
    pub(super) fn step_bytes(self) -> u64 {
        (self.decoding / STEPS_IN_MEMORY).clamp(LEAST_STEP_BYTES, MOST_STEP_BYTES)
    }
}

/// How a file is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// With one GET.
    Whole,
    /// The footer first, then the column chunks that are needed.
    ByRanges {
        /// The size of the file in bytes.
        size: u64,
    },
}

impl Fetch {
    /// Decides for the files of a partition. `estimated` is their size in bytes, `reads_parts` says whether parts of files
    /// may not be needed.
    fn of_file(file: &StoredFile, estimated: u64, reads_parts: bool, memory: ScanMemory) -> Self {
        match file.size {
            // The footer is found from the end, and only a listing says where that is.
            FileSize::Rows(_) => Self::Whole,
            FileSize::Bytes(size) if reads_parts && size > WHOLE_FILE_BYTES => Self::ByRanges { size },
            FileSize::Bytes(size) if estimated > memory.downloads && size > WHOLE_FILE_BYTES => Self::ByRanges { size },
            FileSize::Bytes(_) => Self::Whole,
        }
    }

    /// Returns the memory that is reserved before the file is fetched. `estimated` is the file's size in bytes.
    pub(crate) fn memory(self, estimated: u64) -> u64 {
        match self {
            Self::Whole => estimated,
            Self::ByRanges { size } => size.min(FOOTER_BYTES),
        }
    }
}

/// Decides how each file of a partition is fetched. Returns that and the file's size in bytes, which may be an estimate.
pub(super) fn fetches(
    files: &[StoredFile],
    sizes: &RowSizes,
    reads_parts: bool,
    memory: ScanMemory,
) -> Vec<(Fetch, u64)> {
    let estimated: Vec<u64> = files.iter().map(|file| sizes.size_of(file)).collect();
    let total = estimated.iter().fold(0, |sum: u64, &size| sum.saturating_add(size));
    let fetches = files.iter().map(|file| Fetch::of_file(file, total, reads_parts, memory));
    fetches.zip(estimated).collect()
}

/// How the rows of a partition are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergeMode {
    /// All files are decoded side by side, and then merged in memory.
    Held,
    /// Each file is decoded while it is merged, and holds a row group, or a few pages of one.
    Streamed,
}

/// How a partition is read, once the footers of its files are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionPlan {
    pub(crate) mode: MergeMode,
    /// The memory to reserve.
    pub(crate) memory: u64,
}

impl PartitionPlan {
    pub(crate) fn new(files: &[ReadSizes], memory: ScanMemory) -> Self {
        // The merged rows replace the decoded ones, but not at once.
        let of_file =
            |file: &ReadSizes| file.fetched.saturating_add(file.indexes).saturating_add(file.decoded.saturating_mul(2));
        let held = files.iter().map(of_file).fold(0, u64::saturating_add);
        if held <= memory.decoding.max(memory.always_held) {
            return Self { mode: MergeMode::Held, memory: held };
        }
        Self { mode: MergeMode::Streamed, memory: memory.decoding }
    }
}

impl fmt::Display for PartitionPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            MergeMode::Held => "held in memory",
            MergeMode::Streamed => "streamed",
        };
        write!(f, "{mode}, {} KiB", self.memory.div_ceil(1 << 10))
    }
}

/// Returns the memory that a run takes while it is merged.
pub(crate) fn run_memory(file: &ReadSizes) -> u64 {
    // One step is decoded while the next is fetched. A batch is decoded, another waits, and rows are taken from a third.
    let batches = file.batch.saturating_mul(3);
    file.largest_step.saturating_mul(2).saturating_add(file.pages).saturating_add(file.indexes).saturating_add(batches)
}
