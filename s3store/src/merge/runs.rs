//! Files cut into sorted runs, and the way through one.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBufferBuilder;
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;

use super::keys::{KeyEncoder, Keys, columns};
use super::{Keep, unmergeable};
use crate::codec::sort;
use crate::codec::steps::{Steps, compare};
use crate::error::Result;
use crate::record::Key;

/// More runs than this of one file cost more to merge than to sort.
const MAX_RUNS: usize = 8;

/// A part of a run: a batch, and the order of its rows if it is not their own.
#[derive(Debug)]
pub(super) struct Piece {
    batch: RecordBatch,
    order: Option<Vec<u32>>,
    /// The rows that the next one supersedes, if the batch is whole and all of its file is in order.
    superseded: Vec<usize>,
}

impl Piece {
    pub(super) fn is_in_order(&self) -> bool {
        self.order.is_none()
    }

    /// The rows that the row after them does not supersede, of a file that is one run.
    pub(super) fn latest(self) -> Result<RecordBatch> {
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

/// The runs of a file, in its order. Each batch is looked at when it comes, while the processor's caches have it.
pub(super) fn of_file(
    batches: impl Iterator<Item = Result<RecordBatch>>,
    key: &Key,
    keep: Keep,
) -> Result<Vec<Vec<Piece>>> {
    let mut all = Vec::new();
    let mut runs = Some(Natural { key, keep, runs: Vec::new(), before: None });
    for batch in batches {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        runs = match runs {
            Some(natural) => natural.and(&batch)?,
            None => None,
        };
        all.push(batch);
    }
    let Some(first) = all.first() else {
        return Ok(Vec::new());
    };
    if let Some(natural) = runs {
        return Ok(natural.runs);
    }
    let batch = concat_batches(&first.schema(), &all).map_err(unmergeable)?;
    let order = sort::permutation(&columns(&batch, key)?)?;
    Ok(vec![vec![Piece { batch, order: Some(order), superseded: Vec::new() }]])
}

/// Hands over the batches of a file that is alone as long as they are in order, less what is superseded: each when the
/// next one has come, while the processor's caches have it. Whether all were in order; if not, what was handed over is
/// of no use.
pub(crate) fn straight(
    batches: impl Iterator<Item = Result<RecordBatch>>,
    key: &Key,
    keep: Keep,
    mut take: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<bool> {
    let mut natural = Natural { key, keep, runs: Vec::new(), before: None };
    let mut hand_over = |piece: Piece| take(&piece.latest()?);
    for batch in batches {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        natural = match natural.and(&batch)? {
            Some(natural) if natural.runs.len() == 1 => natural,
            _ => return Ok(false),
        };
        // The next batch may supersede the last row.
        for run in &mut natural.runs {
            run.drain(..run.len().saturating_sub(1)).try_for_each(&mut hand_over)?;
        }
    }
    natural.runs.into_iter().flatten().try_for_each(hand_over)?;
    Ok(true)
}

/// The runs that the rows form as they stand.
struct Natural<'k> {
    key: &'k Key,
    keep: Keep,
    runs: Vec<Vec<Piece>>,
    /// The key's columns in the batch before.
    before: Option<Vec<ArrayRef>>,
}

impl Natural<'_> {
    /// With one more batch; `None` if those are too many runs.
    fn and(mut self, batch: &RecordBatch) -> Result<Option<Self>> {
        let keys = columns(batch, self.key)?;
        let Steps { descents, same_entity, same } = Steps::of(&keys, self.key.entity.len())?;
        let (mut superseded, alike) = match self.keep {
            Keep::All => (Vec::new(), usize::MAX),
            Keep::Latest => (same_entity, self.key.entity.len()),
            Keep::History => (same, keys.len()),
        };
        let mut starts_run = true;
        if let Some(before) = &self.before {
            let last = before.first().map_or(0, |key| key.len()).saturating_sub(1);
            let (ordering, equal) = compare(before, last, &keys, 0)?;
            starts_run = ordering.is_gt();
            if equal >= alike
                && let Some(piece) = self.runs.last_mut().and_then(|run| run.last_mut())
            {
                piece.superseded.push(last);
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
                run.push(Piece { batch: batch.slice(start, end - start), order: None, superseded });
            }
            (start, starts_run) = (end, true);
        }
        self.before = Some(keys);
        Ok(Some(self))
    }
}

/// A batch with its keys.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) batch: RecordBatch,
    pub(super) keys: Keys,
    order: Option<Vec<u32>>,
}

/// The way through a run. Only the batch that it stands in has its keys encoded.
#[derive(Debug)]
pub(super) struct Run {
    ahead: VecDeque<Piece>,
    current: Option<Arc<Encoded>>,
    at: usize,
    /// Where the current batch stands among those that the merged batch under way is taken from.
    pub(super) slot: Option<usize>,
}

impl Run {
    pub(super) fn start(pieces: Vec<Piece>, encoder: &mut KeyEncoder) -> Result<Self> {
        let mut run = Self { ahead: pieces.into(), current: None, at: 0, slot: None };
        run.load(encoder)?;
        Ok(run)
    }

    fn load(&mut self, encoder: &mut KeyEncoder) -> Result<()> {
        self.at = 0;
        self.slot = None;
        self.current = match self.ahead.pop_front() {
            None => None,
            Some(Piece { batch, order, .. }) => {
                let keys = encoder.encode(&batch)?;
                Some(Arc::new(Encoded { batch, keys, order }))
            }
        };
        Ok(())
    }

    /// The row that it stands at, and its batch.
    pub(super) fn row(&self) -> Option<(&Arc<Encoded>, usize)> {
        let current = self.current.as_ref()?;
        let row = match &current.order {
            None => self.at,
            Some(order) => *order.get(self.at)? as usize,
        };
        Some((current, row))
    }

    pub(super) fn advance(&mut self, encoder: &mut KeyEncoder) -> Result<()> {
        self.at += 1;
        match &self.current {
            Some(current) if self.at < current.batch.num_rows() => Ok(()),
            _ => self.load(encoder),
        }
    }

    /// Whether the run `a` has the lesser row, or the same one in an earlier place. A run at its end comes last.
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
