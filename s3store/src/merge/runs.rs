//! Splitting files into sorted runs, and iterating over a run.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBufferBuilder;
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;

use super::final_rows::FinalRows;
use super::keys::{EncodedKeys, KeyEncoder, key_columns};
use super::{Keep, unmergeable};
use crate::codec::neighbours::{Neighbours, compare_rows};
use crate::codec::sort;
use crate::error::Result;
use crate::record::{Key, ReadLayout};

/// The most runs to split a file into. Sorting the file costs less than merging more runs.
const MAX_RUNS: usize = 8;

/// A batch of a run.
#[derive(Debug)]
pub(super) struct RunPart {
    batch: RecordBatch,
    /// The rows in key order, or `None` if the batch is sorted.
    order: Option<Vec<u32>>,
    /// The rows that the row after them supersedes. Only complete if the file is one run.
    superseded: Vec<usize>,
}

impl RunPart {
    /// Returns a part whose rows are in order, with none superseded that is known.
    pub(super) fn in_order(batch: RecordBatch) -> Self {
        Self { batch, order: None, superseded: Vec::new() }
    }

    pub(super) fn is_in_order(&self) -> bool {
        self.order.is_none()
    }

    /// Returns the batch without superseded rows. Only correct if the file is one run.
    pub(super) fn without_superseded(self) -> Result<RecordBatch> {
        let Self { batch, superseded, .. } = self;
        if superseded.is_empty() {
            return Ok(batch);
        }
        let mut kept = BooleanBufferBuilder::new(batch.num_rows());
        kept.append_n(batch.num_rows(), true);
        superseded.into_iter().for_each(|row| kept.set_bit(row, false));
        filter_record_batch(&batch, &BooleanArray::new(kept.finish(), None)).map_err(unmergeable)
    }
}

/// Decodes a file and splits it into runs, in file order. Each batch is compared right after it was decoded, while it is
/// in the processor's caches.
pub(super) fn split_into_runs(
    batches: impl Iterator<Item = Result<RecordBatch>>,
    key: &Key,
    keep: Keep,
) -> Result<Vec<Vec<RunPart>>> {
    let mut all = Vec::new();
    let mut builder = Some(RunBuilder::new(key, keep));
    for batch in batches {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        builder = match builder {
            Some(builder) => builder.push(&batch)?,
            None => None,
        };
        all.push(batch);
    }
    let Some(first) = all.first() else {
        return Ok(Vec::new());
    };
    if let Some(builder) = builder {
        return Ok(builder.runs);
    }
    let batch = concat_batches(&first.schema(), &all).map_err(unmergeable)?;
    let order = sort::permutation(&key_columns(&batch, key)?)?;
    Ok(vec![vec![RunPart { batch, order: Some(order), superseded: Vec::new() }]])
}

/// Joins the runs of a file's sections, which follow one another, where the next section goes on in order.
pub(super) fn join_sections(
    sections: impl IntoIterator<Item = Vec<Vec<RunPart>>>,
    key: &Key,
    keep: Keep,
) -> Result<Vec<Vec<RunPart>>> {
    let mut joined: Vec<Vec<RunPart>> = Vec::new();
    for section in sections {
        let mut runs = section.into_iter();
        let Some(first) = runs.next() else { continue };
        match (joined.last_mut(), first.first()) {
            (Some(run), Some(next)) => match continues(run, next, key, keep)? {
                true => run.extend(first),
                false => joined.push(first),
            },
            _ => joined.push(first),
        }
        joined.extend(runs);
    }
    Ok(joined)
}

/// Returns whether a part continues a run in order. Marks the run's last row if the part's first one takes its place.
fn continues(run: &mut [RunPart], next: &RunPart, key: &Key, keep: Keep) -> Result<bool> {
    let last = run.last_mut().filter(|last| last.is_in_order() && next.is_in_order());
    let Some(last) = last else { return Ok(false) };
    let border = Border::between(&last.batch, &next.batch, key, keep)?;
    if border == Border::Superseded {
        last.superseded.push(last.batch.num_rows() - 1);
    }
    Ok(border != Border::OutOfOrder)
}

/// How the first row of a batch follows the last row of the batch before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Border {
    /// It comes before that row.
    OutOfOrder,
    /// It comes after that row, which is kept.
    InOrder,
    /// It takes that row's place.
    Superseded,
}

impl Border {
    /// Compares two batches that have rows.
    pub(crate) fn between(before: &RecordBatch, after: &RecordBatch, key: &Key, keep: Keep) -> Result<Self> {
        Self::of_keys(&key_columns(before, key)?, &key_columns(after, key)?, key, keep)
    }

    /// Compares batches by their key columns.
    fn of_keys(before: &[ArrayRef], after: &[ArrayRef], key: &Key, keep: Keep) -> Result<Self> {
        let (ordering, equal) = compare_rows(before, last_row(before), after, 0)?;
        Ok(match ordering {
            ordering if ordering.is_gt() => Self::OutOfOrder,
            _ if equal >= keep.equal_columns(key) => Self::Superseded,
            _ => Self::InOrder,
        })
    }
}

fn last_row(keys: &[ArrayRef]) -> usize {
    keys.first().map_or(0, |key| key.len()).saturating_sub(1)
}

impl Keep {
    /// Returns in how many leading key columns a row equals the one that takes its place.
    fn equal_columns(self, key: &Key) -> usize {
        match self {
            Self::All => usize::MAX,
            Self::Latest => key.entity.len(),
            Self::History => key.entity.len() + 1,
        }
    }
}

/// Passes the batches of the only file of a partition to `take`, without superseded rows and deleted entities.
///
/// Returns `false` if rows are out of order, or the layout has no key; the caller must then discard all batches. Each batch is passed on once the
/// next one is decoded, because that one's first row may supersede the last row.
pub(crate) fn stream_single_file(
    batches: impl Iterator<Item = Result<RecordBatch>>,
    layout: &ReadLayout,
    keep: Keep,
    mut take: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<bool> {
    let Some(key) = &layout.key else { return Ok(false) };
    let final_rows = FinalRows::of(layout, keep);
    let mut builder = RunBuilder::new(key, keep);
    let mut pass_on = |part: RunPart| take(&final_rows.select(part.without_superseded()?)?);
    for batch in batches {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        builder = match builder.push(&batch)? {
            Some(builder) if builder.runs.len() == 1 => builder,
            _ => return Ok(false),
        };
        for run in &mut builder.runs {
            run.drain(..run.len().saturating_sub(1)).try_for_each(&mut pass_on)?;
        }
    }
    builder.runs.into_iter().flatten().try_for_each(pass_on)?;
    Ok(true)
}

/// Splits a file into the runs that its rows form, batch by batch.
struct RunBuilder<'k> {
    key: &'k Key,
    keep: Keep,
    runs: Vec<Vec<RunPart>>,
    /// The key columns of the batch before.
    keys_before: Option<Vec<ArrayRef>>,
}

impl<'k> RunBuilder<'k> {
    fn new(key: &'k Key, keep: Keep) -> Self {
        Self { key, keep, runs: Vec::new(), keys_before: None }
    }

    /// Adds a batch. Returns `None` if the file has more than [`MAX_RUNS`] runs.
    fn push(mut self, batch: &RecordBatch) -> Result<Option<Self>> {
        let keys = key_columns(batch, self.key)?;
        let Neighbours { descents, same_entity, same_key } = Neighbours::compare(&keys, self.key.entity.len())?;
        let mut superseded = match self.keep {
            Keep::All => Vec::new(),
            Keep::Latest => same_entity,
            Keep::History => same_key,
        };
        let mut starts_run = true;
        if let Some(before) = &self.keys_before {
            let border = Border::of_keys(before, &keys, self.key, self.keep)?;
            starts_run = border == Border::OutOfOrder;
            if border == Border::Superseded
                && let Some(part) = self.runs.last_mut().and_then(|run| run.last_mut())
            {
                part.superseded.push(last_row(before));
            }
        }
        let mut start = 0;
        for end in descents.into_iter().map(|row| row + 1).chain([batch.num_rows()]) {
            if starts_run {
                self.runs.push(Vec::new());
            }
            if self.runs.len() > MAX_RUNS {
                return Ok(None);
            }
            if let Some(run) = self.runs.last_mut() {
                let superseded = std::mem::take(&mut superseded);
                run.push(RunPart { batch: batch.slice(start, end - start), order: None, superseded });
            }
            (start, starts_run) = (end, true);
        }
        self.keys_before = Some(keys);
        Ok(Some(self))
    }
}

/// A batch of a run with its encoded keys.
#[derive(Debug)]
pub(super) struct EncodedBatch {
    pub(super) batch: RecordBatch,
    pub(super) keys: EncodedKeys,
    order: Option<Vec<u32>>,
}

/// A position in a run. Keys are encoded only for the current batch.
#[derive(Debug, Default)]
pub(super) struct RunCursor {
    ahead: VecDeque<RunPart>,
    /// If `true`, no part follows those in `ahead`.
    ended: bool,
    /// The current batch. `None` at the end of the run, and while the next batch is not known.
    current: Option<Arc<EncodedBatch>>,
    /// The position in the current batch, in key order.
    position: usize,
    /// The current batch's index among the merge's input batches, once a row was taken from it.
    pub(super) slot: Option<usize>,
}

impl RunCursor {
    /// Adds the next part of the run.
    pub(super) fn push(&mut self, part: RunPart) {
        if part.batch.num_rows() > 0 {
            self.ahead.push_back(part);
        }
    }

    /// Ends the run after the parts so far.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Moves to the next batch if there is no current one. Returns `false` if it is not known yet whether there is one.
    pub(super) fn load(&mut self, encoder: &mut KeyEncoder) -> Result<bool> {
        if self.current.is_some() {
            return Ok(true);
        }
        let Some(RunPart { batch, order, .. }) = self.ahead.pop_front() else { return Ok(self.ended) };
        (self.position, self.slot) = (0, None);
        let keys = encoder.encode(&batch)?;
        self.current = Some(Arc::new(EncodedBatch { batch, keys, order }));
        Ok(true)
    }

    /// Returns the current batch and the current row's number in it, or `None` at the end of the run.
    pub(super) fn row(&self) -> Option<(&Arc<EncodedBatch>, usize)> {
        let current = self.current.as_ref()?;
        let row = match &current.order {
            None => self.position,
            Some(order) => *order.get(self.position)? as usize,
        };
        Some((current, row))
    }

    /// Moves to the next row. Returns `false` if it is not known yet whether there is one: see [`load`](Self::load).
    pub(super) fn advance(&mut self, encoder: &mut KeyEncoder) -> Result<bool> {
        self.position += 1;
        match &self.current {
            Some(current) if self.position < current.batch.num_rows() => Ok(true),
            _ => {
                (self.current, self.slot) = (None, None);
                self.load(encoder)
            }
        }
    }

    /// Returns whether the current row of run `a` comes before that of run `b`. Ties are broken by the runs' indices. A run
    /// at its end comes last.
    pub(super) fn precedes(runs: &[Self], a: usize, b: usize) -> bool {
        match (runs.get(a).and_then(Self::row), runs.get(b).and_then(Self::row)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some((first, row)), Some((second, other_row))) => {
                first.keys.cmp(row, &second.keys, other_row).then(a.cmp(&b)).is_lt()
            }
        }
    }
}
