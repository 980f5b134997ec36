//! The records that a writer holds, by partition.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;

use super::convert::ConvertedPartition;
use super::rows::{SortedRows, spill, unjoinable};
use crate::codec::BATCH_ROWS;
use crate::error::Result;
use crate::format::PartitionKey;
use crate::record::Key;
use crate::spill::{SpillDirectory, SpillWriter, SpilledRun};

/// How many small batches of a partition are joined.
const JOINED_BATCHES: usize = 16;

/// The rows from which a batch is not small.
const SMALL_ROWS: usize = BATCH_ROWS / JOINED_BATCHES;

/// Records as columns, by partition, in memory and in local files.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) partitions: BTreeMap<PartitionKey, Buffer>,
    /// The size of all batches in memory.
    pub(super) in_memory: u64,
    pub(super) size: Size,
}

/// The records of one partition.
#[derive(Default)]
pub(super) struct Buffer {
    /// Sorted runs in local files, in the order in which the records were written.
    pub(super) runs: Vec<SpilledRun>,
    /// The records after them.
    pub(super) batches: Vec<RecordBatch>,
    /// The size of the batches.
    in_memory: u64,
    pub(super) size: Size,
    /// The keys of the views' markers.
    pub(super) markers: BTreeSet<String>,
}

/// The records in memory of a partition, to be written to a local file.
pub(super) struct Spill {
    partition: PartitionKey,
    batches: Vec<RecordBatch>,
    size: Size,
}

/// A number of records, and their size as columns.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Size {
    /// Returns how many rows have about this many bytes, at most those of a batch.
    pub(super) fn rows_of(self, bytes: u64) -> usize {
        let rows = u128::from(bytes) * u128::from(self.records) / u128::from(self.bytes.max(1));
        usize::try_from(rows).unwrap_or(usize::MAX).clamp(1, BATCH_ROWS)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

impl Buffers {
    /// Adds records. Returns their size.
    pub(super) fn add(&mut self, partition: ConvertedPartition) -> Result<Size> {
        let ConvertedPartition { key, batches, markers } = partition;
        let buffer = self.partitions.entry(key).or_default();
        let (before, mut added) = (buffer.in_memory, Size::default());
        buffer.markers.extend(markers);
        for batch in batches {
            let size = Size { records: batch.num_rows() as u64, bytes: batch.get_array_memory_size() as u64 };
            added.add(size);
            buffer.push(batch)?;
        }
        buffer.size.add(added);
        self.size.add(added);
        self.in_memory = self.in_memory - before + buffer.in_memory;
        Ok(added)
    }

    /// Returns the largest partitions, which together have at least half of the bytes in memory.
    pub(super) fn largest(&self) -> Vec<Spill> {
        let mut partitions: Vec<_> = self.partitions.iter().filter(|(_, buffer)| !buffer.batches.is_empty()).collect();
        partitions.sort_by_key(|(_, buffer)| std::cmp::Reverse(buffer.in_memory));
        let mut rest = self.in_memory / 2;
        let mut largest = Vec::new();
        for (key, buffer) in partitions {
            if rest == 0 {
                break;
            }
            rest = rest.saturating_sub(buffer.in_memory);
            largest.push(Spill { partition: key.clone(), batches: buffer.batches.clone(), size: buffer.size });
        }
        largest
    }

    /// Replaces the records in memory of some partitions by runs of them.
    pub(super) fn spilled(&mut self, runs: Vec<(PartitionKey, SpilledRun)>) {
        for (key, run) in runs {
            let Some(buffer) = self.partitions.get_mut(&key) else { continue };
            self.in_memory = self.in_memory.saturating_sub(std::mem::take(&mut buffer.in_memory));
            buffer.batches.clear();
            buffer.runs.push(run);
        }
    }
}

impl Buffer {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let size = |batch: &RecordBatch| batch.get_array_memory_size() as u64;
        self.in_memory += size(&batch);
        self.batches.push(batch);
        // Many small batches would take more memory than their rows. Each row is copied a few times at most.
        let start = self.batches.len().saturating_sub(JOINED_BATCHES);
        let last = &self.batches[start..];
        if let [first, ..] = last
            && last.len() == JOINED_BATCHES
            && last.iter().all(|batch| batch.num_rows() < SMALL_ROWS)
        {
            let joined = concat_batches(&first.schema(), last).map_err(unjoinable)?;
            let before: u64 = last.iter().map(size).sum();
            self.in_memory = (self.in_memory + size(&joined)).saturating_sub(before);
            self.batches.truncate(start);
            self.batches.push(joined);
        }
        Ok(())
    }
}

/// Writes the records in memory of partitions to one local file, as a sorted run each. `batch_bytes` is the size of the
/// batches in the file.
pub(super) fn spill_partitions(
    partitions: Vec<Spill>,
    key: Option<&Key>,
    directory: SpillDirectory,
    batch_bytes: u64,
) -> Result<Vec<(PartitionKey, SpilledRun)>> {
    let mut writer = SpillWriter::new(directory);
    let mut keys = Vec::with_capacity(partitions.len());
    for Spill { partition, batches, size } in partitions {
        spill(&mut writer, SortedRows::new(batches, key, BATCH_ROWS)?, size.rows_of(batch_bytes))?;
        keys.push(partition);
    }
    Ok(keys.into_iter().zip(writer.finish()?).collect())
}
