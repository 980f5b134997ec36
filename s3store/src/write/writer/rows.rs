//! The rows of a partition in the order of its file, from memory and from local files.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::concat::{concat, concat_batches};
use arrow_select::interleave::interleave_record_batch;

use crate::codec::BATCH_ROWS;
use crate::codec::sort::{self, OrderCheck};
use crate::error::{Error, Result};
use crate::merge::{Keep, MergeProgress, StreamingMerge};
use crate::record::Key;
use crate::spill::{SpillDirectory, SpillReader, SpillWriter, SpilledRun, merge_groups};

/// The size of a batch of joined rows after which it takes no more. It is reached by rows of more than 4 KiB.
const JOINED_BYTES: usize = 32 << 20;

/// Batches of a partition in the order of its key. Rows that tie keep their order.
pub(super) struct SortedRows {
    batches: Vec<RecordBatch>,
    /// The number of rows before each batch.
    starts: Vec<usize>,
    /// The rows in order, by their number. `None` if they are in order.
    order: Option<Vec<u32>>,
    /// The next row, and the number of all rows.
    next: usize,
    rows: usize,
    /// The rows of a returned batch.
    batch_rows: usize,
}

impl SortedRows {
    /// Sorts batches that all have rows. Without a key, it returns the rows as they are.
    pub(super) fn new(batches: Vec<RecordBatch>, key: Option<&Key>, batch_rows: usize) -> Result<Self> {
        let order = match key {
            Some(key) if !is_sorted(&batches, key)? => Some(order(&batches, key)?),
            _ => None,
        };
        let (mut rows, mut starts) = (0, Vec::with_capacity(batches.len()));
        for batch in &batches {
            starts.push(rows);
            rows += batch.num_rows();
        }
        Ok(Self { batches, starts, order, next: 0, rows, batch_rows: batch_rows.max(1) })
    }

    /// Returns the batch of a row, and its place in there.
    fn place(&self, row: usize) -> (usize, usize) {
        let batch = self.starts.partition_point(|&start| start <= row).saturating_sub(1);
        (batch, row - self.starts.get(batch).copied().unwrap_or_default())
    }

    /// Returns rows that are in order.
    fn slices(&self, mut row: usize, end: usize) -> Result<RecordBatch, ArrowError> {
        let mut slices = Vec::new();
        while row < end {
            let (batch, place) = self.place(row);
            let Some(batch) = self.batches.get(batch) else { break };
            let length = (batch.num_rows() - place).min(end - row).max(1);
            slices.push(batch.slice(place, length));
            row += length;
        }
        match slices.as_slice() {
            [whole] if whole.num_rows() == self.batch_rows => Ok(whole.clone()),
            [first, ..] => concat_batches(&first.schema(), &slices),
            [] => Err(ArrowError::InvalidArgumentError("no such rows".to_owned())),
        }
    }
}

impl Iterator for SortedRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.next;
        let end = self.rows.min(start.saturating_add(self.batch_rows));
        if start == end {
            return None;
        }
        self.next = end;
        let batch = match &self.order {
            None => self.slices(start, end),
            Some(order) => {
                let places: Vec<_> = order[start..end].iter().map(|&row| self.place(row as usize)).collect();
                interleave_record_batch(&self.batches.iter().collect::<Vec<_>>(), &places)
            }
        };
        Some(batch.map_err(unjoinable))
    }
}

fn is_sorted(batches: &[RecordBatch], key: &Key) -> Result<bool> {
    let mut check = OrderCheck::new(key.clone());
    for batch in batches {
        if !check.continues(batch.columns())? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn order(batches: &[RecordBatch], key: &Key) -> Result<Vec<u32>> {
    let column = |column: usize| -> Result<ArrayRef> {
        let arrays: Vec<_> = batches.iter().filter_map(|batch| batch.columns().get(column)).collect();
        match arrays.as_slice() {
            [array] => Ok(Arc::clone(array)),
            arrays => concat(&arrays.iter().map(|array| array.as_ref()).collect::<Vec<_>>()).map_err(|error| {
                Error::invalid_input("the key columns of a partition are too large").with_source(error)
            }),
        }
    };
    sort::permutation(&key.columns().map(column).collect::<Result<Vec<_>>>()?)
}

/// Sorted runs that are merged while they are read. Without a key, they are returned one after the other.
struct MergedRows {
    merge: StreamingMerge,
    runs: Vec<RunRows>,
}

enum RunRows {
    Spilled(SpillReader),
    InMemory(SortedRows),
}

impl RunRows {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self {
            Self::Spilled(reader) => reader.next(),
            Self::InMemory(rows) => rows.next().transpose(),
        }
    }
}

impl MergedRows {
    /// Merges spilled runs, and then rows that are in memory: of rows that tie, those of earlier runs come first.
    fn new(runs: &[SpilledRun], last: Option<SortedRows>, key: Option<&Key>) -> Self {
        let in_memory = last.iter().filter_map(|rows| rows.batches.first()).map(RecordBatch::schema);
        let schemas: Vec<_> = runs.iter().map(SpilledRun::schema).chain(in_memory).collect();
        let runs = runs.iter().map(|run| RunRows::Spilled(run.read()));
        let runs = runs.chain(last.map(RunRows::InMemory)).take(schemas.len()).collect();
        Self { merge: StreamingMerge::of_part(key, &schemas, Keep::All), runs }
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match self.merge.advance()? {
                MergeProgress::Batch(batch) => return Ok(Some(batch)),
                MergeProgress::End => return Ok(None),
                MergeProgress::Needs(number) => {
                    let run = self.runs.get_mut(number);
                    match run.map_or(Ok(None), RunRows::next)? {
                        Some(batch) => self.merge.push(number, batch),
                        None => self.merge.end(number),
                    }
                }
            }
        }
    }
}

impl Iterator for MergedRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// All rows of a partition, in the order of its file, in batches of [`BATCH_ROWS`] or of [`JOINED_BYTES`].
pub(super) struct PartitionRows {
    rows: Box<dyn Iterator<Item = Result<RecordBatch>> + Send>,
    /// The rows of the next batch.
    held: Vec<RecordBatch>,
    has_ended: bool,
}

impl PartitionRows {
    /// Returns the rows of sorted runs, and of batches that are in memory.
    pub(super) fn new(runs: &[SpilledRun], batches: Vec<RecordBatch>, key: Option<&Key>) -> Result<Self> {
        let in_memory = SortedRows::new(batches, key, BATCH_ROWS)?;
        let rows: Box<dyn Iterator<Item = _> + Send> = match runs {
            [] => Box::new(in_memory),
            runs => Box::new(MergedRows::new(runs, Some(in_memory).filter(|rows| rows.rows > 0), key)),
        };
        Ok(Self { rows, held: Vec::new(), has_ended: false })
    }

    /// Returns the next batch, or `None` at the end.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let is_full = |held: &[RecordBatch]| {
            let (rows, bytes) = held
                .iter()
                .fold((0, 0), |(rows, bytes), batch| (rows + batch.num_rows(), bytes + batch.get_array_memory_size()));
            rows >= BATCH_ROWS || bytes >= JOINED_BYTES
        };
        while !self.has_ended && !is_full(&self.held) {
            match self.rows.next().transpose()? {
                Some(batch) => self.held.push(batch),
                None => self.has_ended = true,
            }
        }
        let joined = match self.held.as_slice() {
            [] => return Ok(None),
            [one] => one.clone(),
            [first, ..] => concat_batches(&first.schema(), &self.held).map_err(unjoinable)?,
        };
        self.held.clear();
        if joined.num_rows() > BATCH_ROWS {
            self.held.push(joined.slice(BATCH_ROWS, joined.num_rows() - BATCH_ROWS));
            return Ok(Some(joined.slice(0, BATCH_ROWS)));
        }
        Ok(Some(joined))
    }
}

/// Writes the rows of sorted batches as a run, in batches that a merge of many runs can hold.
pub(super) fn spill(
    writer: &mut SpillWriter,
    rows: impl Iterator<Item = Result<RecordBatch>>,
    batch_rows: usize,
) -> Result<()> {
    let batch_rows = batch_rows.max(1);
    for batch in rows {
        let batch = batch?;
        for start in (0..batch.num_rows()).step_by(batch_rows) {
            writer.write(&batch.slice(start, batch_rows.min(batch.num_rows() - start)))?;
        }
    }
    writer.end_run()
}

/// Merges neighbouring runs until a merge of all of them fits the memory. Without a key any number fits, because they are
/// read one after the other.
pub(super) fn reduce(
    mut runs: Vec<SpilledRun>,
    key: Option<&Key>,
    memory: u64,
    batch_rows: usize,
    directory: &SpillDirectory,
) -> Result<Vec<SpilledRun>> {
    while key.is_some() {
        let groups = merge_groups(&runs.iter().map(SpilledRun::memory).collect::<Vec<_>>(), memory);
        if groups.len() <= 1 {
            break;
        }
        let (mut writer, mut start) = (SpillWriter::new(directory.clone()), 0);
        let mut ranges = Vec::with_capacity(groups.len());
        for group in groups {
            ranges.push(start..start + group);
            if group > 1 {
                spill(&mut writer, MergedRows::new(&runs[start..start + group], None, key), batch_rows)?;
            }
            start += group;
        }
        let mut merged = writer.finish()?.into_iter();
        let reduced = |range: std::ops::Range<usize>| match range.len() {
            1 => runs.get(range.start).cloned(),
            _ => merged.next(),
        };
        runs = ranges.into_iter().filter_map(reduced).collect();
    }
    Ok(runs)
}

pub(super) fn unjoinable(error: ArrowError) -> Error {
    Error::invalid_input("can't join the columns of records").with_source(error)
}
