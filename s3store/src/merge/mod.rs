//! Ordered merge of sorted runs, with deduplication.
//!
//! A file in key order is one run. A file that is out of order in a few places is split there into several runs; one with
//! more such places is sorted. The rows decide this, not the footer, because a footer's sort mark may be wrong.
//!
//! A single run passes through without encoded keys, minus superseded rows. [`stream_single_file`] does the same while the
//! file is still being decoded. Several runs are merged by a loser tree over encoded keys, one batch of each in memory at
//! a time.
//!
//! If only the latest record of each entity is kept, those that mark a deleted entity are left out at the end.

mod deleted;
mod keys;
mod loser_tree;
mod runs;
mod slim;
mod time_units;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};

use crate::codec::{BATCH_ROWS, MemoryReader};
use crate::error::{Error, Result};
use crate::record::{Key, ReadLayout};
use deleted::Deleted;
use keys::KeyEncoder;
use loser_tree::LoserTree;
pub(crate) use runs::stream_single_file;
use runs::{EncodedBatch, RunCursor, RunPart};
pub(crate) use slim::slim;

/// Which rows with equal keys are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// One row per entity: the one with the highest version. The last of several with that version is kept.
    Latest,
    /// One row per entity and version: the last of several.
    History,
    /// All rows.
    All,
}

/// The batches of one file.
pub(crate) trait BatchSource: Iterator<Item = Result<RecordBatch>> + Send + 'static {
    /// Returns the schema of all batches.
    fn schema(&self) -> SchemaRef;
}

impl BatchSource for MemoryReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.plan().schema())
    }
}

/// Merges files into the order of the layout's key. Rows that tie keep the order of their files.
///
/// Without a key, returns all rows in file and row order, and decodes each file only when the one before it has ended.
///
/// If files differ in the unit of a time column, the merged batches have the finest unit, except those with a time that is
/// out of its range: they keep their file's unit. Times of any unit compare as instants.
pub(crate) fn merge<S: BatchSource>(layout: &ReadLayout, files: Vec<S>, keep: Keep) -> Result<Merge> {
    let schemas: Vec<SchemaRef> = files.iter().map(BatchSource::schema).collect();
    let differ = schemas.windows(2).any(|pair| pair[0] != pair[1]);
    let common = if differ { time_units::common_schema(schemas) } else { None };
    let deleted = Deleted::of(layout, keep);
    let Some(key) = &layout.key else {
        return Ok(Merge { keep, deleted, common, state: State::Files(Box::new(files.into_iter().flatten())) });
    };
    let mut runs = Vec::new();
    for file in files {
        runs.extend(runs::split_into_runs(file, key, keep)?);
    }
    let state = match runs.pop() {
        Some(run) if runs.is_empty() && run.iter().all(RunPart::is_in_order) => State::SingleRun(run.into()),
        last => State::Runs(Box::new(RunMerge::start(key, common.clone(), runs.into_iter().chain(last).collect())?)),
    };
    Ok(Merge { keep, deleted, common, state })
}

/// The merged batches.
#[derive(Debug)]
pub(crate) struct Merge {
    keep: Keep,
    deleted: Deleted,
    /// The schema with the finest units, if the files' schemas differ.
    common: Option<SchemaRef>,
    state: State,
}

enum State {
    /// The batches of the files one after the other, if there is no key.
    Files(Box<dyn Iterator<Item = Result<RecordBatch>> + Send>),
    SingleRun(VecDeque<RunPart>),
    Runs(Box<RunMerge>),
}

impl Merge {
    /// Returns whether files are still being decoded. With a key, all files are decoded before the first batch is
    /// returned, because the last row of a file may be the least.
    pub(crate) fn is_decoding(&self) -> bool {
        matches!(self.state, State::Files(_))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Files(_) => "Files",
            Self::SingleRun(_) => "SingleRun",
            Self::Runs(_) => "Runs",
        };
        f.write_str(name)
    }
}

impl Iterator for Merge {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let batch = match &mut self.state {
                State::Files(batches) => batches.next()?,
                State::SingleRun(parts) => parts.pop_front()?.without_superseded(),
                State::Runs(runs) => runs.next_batch(self.keep).transpose()?,
            };
            match batch.and_then(|batch| self.deleted.without(batch)) {
                Ok(batch) if batch.num_rows() == 0 => {}
                batch => return Some(batch.map(|batch| time_units::unified(batch, self.common.as_ref()))),
            }
        }
    }
}

/// The merge of several runs.
#[derive(Debug)]
struct RunMerge {
    encoder: KeyEncoder,
    runs: Vec<RunCursor>,
    tree: LoserTree,
    /// The input batches that the next output batch takes rows from.
    slots: Vec<Arc<EncodedBatch>>,
    /// The rows of the next output batch, each as a slot and a row in it.
    rows: Vec<(usize, usize)>,
    /// The last row taken from a run. It is part of the output unless the next row supersedes it.
    pending: Option<(usize, usize)>,
    /// The schema with the finest units, if the files' schemas differ.
    common: Option<SchemaRef>,
    /// Output batches that were not returned yet.
    ready: VecDeque<RecordBatch>,
}

impl RunMerge {
    fn start(key: &Key, common: Option<SchemaRef>, runs: Vec<Vec<RunPart>>) -> Result<Self> {
        let mut encoder = KeyEncoder::new(key, common.is_some());
        let runs = runs.into_iter().map(|parts| RunCursor::start(parts, &mut encoder)).collect::<Result<Vec<_>>>()?;
        let tree = LoserTree::new(runs.len(), |a, b| RunCursor::precedes(&runs, a, b));
        let rows = Vec::with_capacity(BATCH_ROWS);
        Ok(Self { encoder, runs, tree, slots: Vec::new(), rows, pending: None, common, ready: VecDeque::new() })
    }

    fn next_batch(&mut self, keep: Keep) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.ready.pop_front() {
            return Ok(Some(batch));
        }
        while self.rows.len() < BATCH_ROWS {
            let winner = self.tree.winner();
            let Some(run) = self.runs.get_mut(winner) else {
                break;
            };
            let Some((encoded, row)) = run.row() else {
                break;
            };
            let slot = run.slot.unwrap_or(self.slots.len());
            if slot == self.slots.len() {
                self.slots.push(Arc::clone(encoded));
            }
            if let Some((old_slot, old_row)) = self.pending.replace((slot, row)) {
                let superseded = match keep {
                    Keep::All => false,
                    Keep::Latest => self.slots[old_slot].keys.same_entity(old_row, &encoded.keys, row),
                    Keep::History => self.slots[old_slot].keys.same_key(old_row, &encoded.keys, row),
                };
                if !superseded {
                    self.rows.push((old_slot, old_row));
                }
            }
            run.slot = Some(slot);
            run.advance(&mut self.encoder)?;
            self.tree.replay(|a, b| RunCursor::precedes(&self.runs, a, b));
        }
        let finished = self.rows.len() < BATCH_ROWS;
        if finished {
            self.rows.extend(self.pending.take());
        }
        if self.rows.is_empty() {
            return Ok(None);
        }
        let batches: Vec<_> = self.slots.iter().map(|slot| &slot.batch).collect();
        self.ready = time_units::interleave(&batches, &self.rows, self.common.as_ref()).map_err(unmergeable)?;
        self.rows.clear();
        self.reset_slots();
        Ok(self.ready.pop_front())
    }

    /// Drops the input batches of the finished output batch, except the pending row's.
    fn reset_slots(&mut self) {
        self.runs.iter_mut().for_each(|run| run.slot = None);
        match self.pending.take() {
            Some((slot, row)) => {
                self.slots.swap(0, slot);
                self.slots.truncate(1);
                self.pending = Some((0, row));
            }
            None => self.slots.clear(),
        }
    }
}

fn unmergeable(error: ArrowError) -> Error {
    Error::invalid_data("can't merge the files' columns").with_source(error)
}

#[cfg(test)]
mod tests;
