//! Ordered merge of sorted runs, with deduplication.
//!
//! A file in key order is one run. A file that is out of order in a few places is split there into several runs; one with
//! more such places is sorted. The rows decide this, not the footer, because a footer's sort mark may be wrong.
//!
//! A single run passes through without encoded keys, minus superseded rows. [`stream_single_file`] does the same while the
//! file is still being decoded. Several runs are merged by a loser tree over encoded keys ([`RunMerge`]). A [`Merge`] has
//! all rows in memory. A [`StreamingMerge`] asks for the batches of its runs one by one.
//!
//! If only the latest record of each entity is kept, those that mark a deleted entity are left out at the end, and so are
//! rows that the filter of the read drops.

mod final_rows;
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
use crate::cpu;
use crate::error::{Error, Result};
use crate::record::{Key, ReadLayout};
use final_rows::FinalRows;
use keys::KeyEncoder;
use loser_tree::LoserTree;
pub(crate) use runs::{Border, stream_single_file};
use runs::{EncodedBatch, RunCursor, RunPart};
pub(crate) use slim::{compact, slim};

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

/// The decoded rows of one file, split into sorted runs. Without a key they are one run.
#[derive(Debug)]
pub(crate) struct FileRuns {
    schema: SchemaRef,
    runs: Vec<Vec<RunPart>>,
}

impl FileRuns {
    /// Decodes all rows of a file.
    pub(crate) fn decode<S: BatchSource>(layout: &ReadLayout, file: S, keep: Keep) -> Result<Self> {
        let schema = file.schema();
        let runs = match &layout.key {
            Some(key) => runs::split_into_runs(file, key, keep)?,
            None => vec![file.map(|batch| batch.map(RunPart::in_order)).collect::<Result<_>>()?],
        };
        Ok(Self { schema, runs })
    }

    /// Decodes all rows of a file that was divided into sections: side by side, on all threads for CPU work.
    pub(crate) fn decode_sections<S: BatchSource>(layout: &ReadLayout, sections: Vec<S>, keep: Keep) -> Result<Self> {
        let schema = sections.first().map(BatchSource::schema);
        let schema = schema.ok_or_else(|| Error::internal("a file has no section"))?;
        let decoded = cpu::each(sections, |section| Self::decode(layout, section, keep));
        let decoded = decoded.into_iter().collect::<Result<Vec<_>>>()?;
        let sections = decoded.into_iter().map(|section| section.runs);
        let runs = match &layout.key {
            Some(key) => runs::join_sections(sections, key, keep)?,
            None => vec![sections.flatten().flatten().collect()],
        };
        Ok(Self { schema, runs })
    }
}

/// Returns whether the last row of a batch remains in the result, if no later row takes its place.
pub(crate) fn keeps_last_row(layout: &ReadLayout, batch: &RecordBatch, keep: Keep) -> Result<bool> {
    let last = batch.slice(batch.num_rows().saturating_sub(1), 1.min(batch.num_rows()));
    Ok(FinalRows::of(layout, keep).select(last)?.num_rows() > 0)
}

/// Returns the rows of a batch that remain in the result of a record without a key.
pub(crate) fn remaining_rows(layout: &ReadLayout, batch: RecordBatch) -> Result<RecordBatch> {
    FinalRows::of(layout, Keep::All).select(batch)
}

/// Merges files into the order of the layout's key. Rows that tie keep the order of their files.
///
/// Without a key, returns all rows in file and row order, and decodes each file only when the one before it has ended.
///
/// If files differ in the unit of a time column, the merged batches have the finest unit, except those with a time that is
/// out of its range: they keep their file's unit. Times of any unit compare as instants.
pub(crate) fn merge<S: BatchSource>(layout: &ReadLayout, files: Vec<S>, keep: Keep) -> Result<Merge> {
    if layout.key.is_none() {
        let common = common_schema(files.iter().map(BatchSource::schema));
        let state = State::Files(Box::new(files.into_iter().flatten()));
        return Ok(Merge { final_rows: FinalRows::of(layout, keep), common, state });
    }
    let files = files.into_iter().map(|file| FileRuns::decode(layout, file, keep)).collect::<Result<_>>()?;
    merge_runs(layout, files, keep)
}

/// Merges decoded files as [`merge`] does.
pub(crate) fn merge_runs(layout: &ReadLayout, files: Vec<FileRuns>, keep: Keep) -> Result<Merge> {
    Merge::new(layout, files, keep, FinalRows::of(layout, keep))
}

/// Merges decoded files as [`merge`] does, and keeps the records that mark deleted entities. For parts of a partition: the
/// mark still has to supersede records of the other parts.
pub(crate) fn merge_part(layout: &ReadLayout, files: Vec<FileRuns>, keep: Keep) -> Result<Merge> {
    Merge::new(layout, files, keep, FinalRows::all())
}

/// Returns the schema with the finest units, if the schemas of files differ.
fn common_schema(schemas: impl IntoIterator<Item = SchemaRef>) -> Option<SchemaRef> {
    let schemas: Vec<SchemaRef> = schemas.into_iter().collect();
    let differ = schemas.windows(2).any(|pair| pair[0] != pair[1]);
    if differ { time_units::common_schema(schemas) } else { None }
}

/// The merged batches.
#[derive(Debug)]
pub(crate) struct Merge {
    final_rows: FinalRows,
    /// The schema with the finest units, if the files' schemas differ.
    common: Option<SchemaRef>,
    state: State,
}

enum State {
    /// Without a key: the batches of files that are still being decoded, one after the other.
    Files(Box<dyn Iterator<Item = Result<RecordBatch>> + Send>),
    /// A single run. Without a key, all batches.
    InOrder(VecDeque<RunPart>),
    Runs(Box<RunMerge>),
}

impl Merge {
    fn new(layout: &ReadLayout, files: Vec<FileRuns>, keep: Keep, final_rows: FinalRows) -> Result<Self> {
        let common = common_schema(files.iter().map(|file| Arc::clone(&file.schema)));
        let mut runs: Vec<Vec<RunPart>> = files.into_iter().flat_map(|file| file.runs).collect();
        let state = match &layout.key {
            None => State::InOrder(runs.into_iter().flatten().collect()),
            Some(_) if runs.len() <= 1 && runs.iter().flatten().all(RunPart::is_in_order) => {
                State::InOrder(runs.pop().unwrap_or_default().into())
            }
            Some(key) => State::Runs(Box::new(RunMerge::of_runs(key, keep, common.clone(), runs))),
        };
        Ok(Self { final_rows, common, state })
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Files(_) => "Files",
            Self::InOrder(_) => "InOrder",
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
                State::InOrder(parts) => parts.pop_front()?.without_superseded(),
                State::Runs(runs) => match runs.advance() {
                    Ok(MergeProgress::Batch(batch)) => Ok(batch),
                    Ok(MergeProgress::End) => return None,
                    Ok(MergeProgress::Needs(run)) => Err(Error::internal(format!("run {run} of a merge has no end"))),
                    Err(error) => Err(error),
                },
            };
            match batch.and_then(|batch| self.final_rows.select(batch)) {
                Ok(batch) if batch.num_rows() == 0 => {}
                batch => return Some(batch.map(|batch| time_units::unified(batch, self.common.as_ref()))),
            }
        }
    }
}

/// A merge of runs that are not in memory as a whole.
///
/// The caller adds the batches of the runs when [`advance`](Self::advance) asks for them. Rows that tie keep the order of
/// their runs.
#[derive(Debug)]
pub(crate) struct StreamingMerge {
    final_rows: FinalRows,
    common: Option<SchemaRef>,
    runs: StreamedRuns,
}

#[derive(Debug)]
enum StreamedRuns {
    ByKey(Box<RunMerge>),
    InTurn(RunsInTurn),
}

/// Runs without a key, which are returned one after the other.
#[derive(Debug)]
struct RunsInTurn {
    /// The batches of each run, and whether it has ended.
    runs: Vec<(VecDeque<RecordBatch>, bool)>,
    current: usize,
}

impl RunsInTurn {
    fn advance(&mut self) -> MergeProgress {
        loop {
            let Some((batches, has_ended)) = self.runs.get_mut(self.current) else { return MergeProgress::End };
            match batches.pop_front() {
                Some(batch) => return MergeProgress::Batch(batch),
                None if *has_ended => self.current += 1,
                None => return MergeProgress::Needs(self.current),
            }
        }
    }
}

impl StreamingMerge {
    /// Returns a merge of runs with these schemas, which are all runs of a partition. Without a key, the runs are returned
    /// one after the other.
    pub(crate) fn new(layout: &ReadLayout, schemas: &[SchemaRef], keep: Keep) -> Self {
        Self::with(layout.key.as_ref(), schemas, keep, FinalRows::of(layout, keep))
    }

    /// Returns a merge of some runs of a partition: see [`merge_part`].
    pub(crate) fn of_part(key: Option<&Key>, schemas: &[SchemaRef], keep: Keep) -> Self {
        Self::with(key, schemas, keep, FinalRows::all())
    }

    fn with(key: Option<&Key>, schemas: &[SchemaRef], keep: Keep, final_rows: FinalRows) -> Self {
        let common = common_schema(schemas.iter().cloned());
        let runs = match key {
            Some(key) => StreamedRuns::ByKey(Box::new(RunMerge::new(key, keep, common.clone(), schemas.len()))),
            None => {
                let runs = schemas.iter().map(|_| (VecDeque::new(), false)).collect();
                StreamedRuns::InTurn(RunsInTurn { runs, current: 0 })
            }
        };
        Self { final_rows, common, runs }
    }

    /// Returns whether a run is needed only when the one before it has ended.
    pub(crate) fn takes_runs_in_turn(&self) -> bool {
        matches!(self.runs, StreamedRuns::InTurn(_))
    }

    /// Adds the next batch of a run, in the order of the key.
    pub(crate) fn push(&mut self, run: usize, batch: RecordBatch) {
        match &mut self.runs {
            StreamedRuns::ByKey(runs) => runs.push(run, RunPart::in_order(batch)),
            StreamedRuns::InTurn(RunsInTurn { runs, .. }) => {
                if let Some((batches, _)) = runs.get_mut(run) {
                    batches.push_back(batch);
                }
            }
        }
    }

    /// Ends a run.
    pub(crate) fn end(&mut self, run: usize) {
        match &mut self.runs {
            StreamedRuns::ByKey(runs) => runs.end(run),
            StreamedRuns::InTurn(RunsInTurn { runs, .. }) => {
                if let Some((_, has_ended)) = runs.get_mut(run) {
                    *has_ended = true;
                }
            }
        }
    }

    /// Returns the next merged batch, or the run whose next batch or end is needed.
    pub(crate) fn advance(&mut self) -> Result<MergeProgress> {
        loop {
            let progress = match &mut self.runs {
                StreamedRuns::ByKey(runs) => runs.advance()?,
                StreamedRuns::InTurn(runs) => runs.advance(),
            };
            let batch = match progress {
                MergeProgress::Batch(batch) => self.final_rows.select(batch)?,
                progress => return Ok(progress),
            };
            if batch.num_rows() > 0 {
                return Ok(MergeProgress::Batch(time_units::unified(batch, self.common.as_ref())));
            }
        }
    }
}

/// The next thing that a merge of runs has or needs.
#[derive(Debug)]
pub(crate) enum MergeProgress {
    Batch(RecordBatch),
    /// The next batch of this run, or its end, is needed.
    Needs(usize),
    End,
}

/// Why a merge stopped taking rows for an output batch.
enum Filled {
    /// The batch is full, or it would keep too many input batches in memory.
    Enough,
    /// The next batch of this run is not known.
    Starved(usize),
    /// All runs have ended.
    End,
}

/// The merge of several runs.
#[derive(Debug)]
struct RunMerge {
    keep: Keep,
    encoder: KeyEncoder,
    runs: Vec<RunCursor>,
    /// `None` until the first batch of each run is known.
    tree: Option<LoserTree>,
    /// The run whose next batch was not known when its last row was taken.
    starved: Option<usize>,
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
    fn new(key: &Key, keep: Keep, common: Option<SchemaRef>, runs: usize) -> Self {
        Self {
            keep,
            encoder: KeyEncoder::new(key, common.is_some()),
            runs: (0..runs).map(|_| RunCursor::default()).collect(),
            tree: None,
            starved: None,
            slots: Vec::new(),
            rows: Vec::with_capacity(BATCH_ROWS),
            pending: None,
            common,
            ready: VecDeque::new(),
        }
    }

    /// Returns a merge of runs that are in memory.
    fn of_runs(key: &Key, keep: Keep, common: Option<SchemaRef>, runs: Vec<Vec<RunPart>>) -> Self {
        let mut merge = Self::new(key, keep, common, runs.len());
        for (run, parts) in runs.into_iter().enumerate() {
            parts.into_iter().for_each(|part| merge.push(run, part));
            merge.end(run);
        }
        merge
    }

    fn push(&mut self, run: usize, part: RunPart) {
        if let Some(run) = self.runs.get_mut(run) {
            run.push(part);
        }
    }

    fn end(&mut self, run: usize) {
        if let Some(run) = self.runs.get_mut(run) {
            run.end();
        }
    }

    fn advance(&mut self) -> Result<MergeProgress> {
        if let Some(batch) = self.ready.pop_front() {
            return Ok(MergeProgress::Batch(batch));
        }
        let mut tree = match self.tree.take() {
            Some(tree) => tree,
            None => {
                for (index, run) in self.runs.iter_mut().enumerate() {
                    if !run.load(&mut self.encoder)? {
                        return Ok(MergeProgress::Needs(index));
                    }
                }
                LoserTree::new(self.runs.len(), |a, b| RunCursor::precedes(&self.runs, a, b))
            }
        };
        if let Some(starved) = self.starved.take() {
            let loaded = self.runs.get_mut(starved).map_or(Ok(true), |run| run.load(&mut self.encoder))?;
            if !loaded {
                (self.tree, self.starved) = (Some(tree), Some(starved));
                return Ok(MergeProgress::Needs(starved));
            }
            tree.replay(|a, b| RunCursor::precedes(&self.runs, a, b));
        }
        let filled = loop {
            match self.fill(&mut tree)? {
                // All of these rows are superseded.
                Filled::Enough if self.rows.is_empty() => self.reset_slots(),
                filled => break filled,
            }
        };
        self.tree = Some(tree);
        match filled {
            Filled::Enough => {}
            Filled::Starved(run) => {
                self.starved = Some(run);
                return Ok(MergeProgress::Needs(run));
            }
            Filled::End => self.rows.extend(self.pending.take()),
        }
        if self.rows.is_empty() {
            return Ok(MergeProgress::End);
        }
        let batches: Vec<_> = self.slots.iter().map(|slot| &slot.batch).collect();
        self.ready = time_units::interleave(&batches, &self.rows, self.common.as_ref()).map_err(unmergeable)?;
        self.rows.clear();
        self.reset_slots();
        Ok(self.ready.pop_front().map_or(MergeProgress::End, MergeProgress::Batch))
    }

    /// Takes rows for the next output batch.
    fn fill(&mut self, tree: &mut LoserTree) -> Result<Filled> {
        // Where most rows are superseded, an output batch would otherwise keep the input batches of a whole partition.
        let most_slots = 2 * self.runs.len() + 16;
        while self.rows.len() < BATCH_ROWS && self.slots.len() < most_slots {
            let winner = tree.winner();
            let Some(run) = self.runs.get_mut(winner) else {
                return Ok(Filled::End);
            };
            let Some((encoded, row)) = run.row() else {
                return Ok(Filled::End);
            };
            let slot = run.slot.unwrap_or(self.slots.len());
            if slot == self.slots.len() {
                self.slots.push(Arc::clone(encoded));
            }
            if let Some((old_slot, old_row)) = self.pending.replace((slot, row)) {
                let superseded = match self.keep {
                    Keep::All => false,
                    Keep::Latest => self.slots[old_slot].keys.same_entity(old_row, &encoded.keys, row),
                    Keep::History => self.slots[old_slot].keys.same_key(old_row, &encoded.keys, row),
                };
                if !superseded {
                    self.rows.push((old_slot, old_row));
                }
            }
            run.slot = Some(slot);
            if !run.advance(&mut self.encoder)? {
                return Ok(Filled::Starved(winner));
            }
            tree.replay(|a, b| RunCursor::precedes(&self.runs, a, b));
        }
        Ok(Filled::Enough)
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
