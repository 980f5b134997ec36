//! The limits of a writer, and the division of its memory.

use std::time::Duration;

use crate::codec::ROW_GROUP_BYTES;
use crate::spill::SpillDirectory;

/// The default of [`WriterBuilder::memory_bytes`](super::WriterBuilder::memory_bytes).
const MEMORY_BYTES: u64 = 256 << 20;

/// The default of the size of parts.
const PART_BYTES: usize = 16 << 20;

/// The least memory. With less, runs would be too many and too short.
const LEAST_MEMORY: u64 = 1 << 20;

/// When a writer flushes, and the memory that it uses.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    memory: u64,
    pub(super) flush_records: Option<u64>,
    pub(super) flush_bytes: Option<u64>,
    pub(super) flush_age: Option<Duration>,
    pub(super) spill: SpillDirectory,
    /// The size of the first parts of a file, and of the largest file that is put as one object.
    pub(super) part_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let spill = SpillDirectory::default();
        Self {
            memory: MEMORY_BYTES,
            flush_records: None,
            flush_bytes: None,
            flush_age: None,
            spill,
            part_bytes: PART_BYTES,
        }
    }
}

impl Limits {
    pub(super) fn set_memory(&mut self, bytes: u64) {
        self.memory = bytes.max(LEAST_MEMORY);
    }

    /// Returns how many bytes of records are held as columns. To sort them takes as much again.
    pub(super) fn buffer_bytes(&self) -> u64 {
        self.memory / 4
    }

    /// Returns the memory of the files that are being encoded, with their merges.
    pub(super) fn encoding_bytes(&self) -> u64 {
        self.memory / 2
    }

    /// Returns the memory of one merge of runs.
    pub(super) fn merge_bytes(&self) -> u64 {
        self.memory / 4
    }

    /// Returns the encoded size at which a row group ends: as in other writes, or less if there is little memory.
    pub(super) fn group_bytes(&self) -> usize {
        usize::try_from(self.memory / 4).unwrap_or(usize::MAX).min(ROW_GROUP_BYTES)
    }

    /// Returns the size of a batch in a local file. A merge holds a few batches of each run.
    pub(super) fn spilled_batch_bytes(&self) -> u64 {
        (self.memory / 2_048).clamp(8 << 10, 128 << 10)
    }

    /// Returns the size of the records that are converted together. Up to three such chunks are part of a flush by size.
    pub(super) fn chunk_bytes(&self) -> u64 {
        self.flush_bytes.map_or(u64::MAX, |bytes| bytes / 16).min(self.memory / 64)
    }

    pub(super) fn may_spill(&self) -> bool {
        !matches!(self.spill, SpillDirectory::Forbidden)
    }
}
