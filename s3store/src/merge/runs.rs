//! Files cut into sorted runs, and the way through one.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;

use super::keys::{KeyEncoder, Keys, columns};
use super::unmergeable;
use crate::codec::sort::{self, Steps};
use crate::error::Result;
use crate::record::Key;

/// More runs than this of one file cost more to merge than to sort.
const MAX_RUNS: usize = 8;

/// A part of a run: a batch, and the order of its rows if it is not their own.
#[derive(Debug)]
pub(super) struct Piece {
    batch: RecordBatch,
    order: Option<Vec<u32>>,
}

impl Piece {
    /// The batch, if its rows are in order.
    pub(super) fn in_place(&self) -> Option<RecordBatch> {
        self.order.is_none().then(|| self.batch.clone())
    }
}

/// The runs of a file, in its order.
pub(super) fn of_file(batches: Vec<RecordBatch>, key: &Key) -> Result<Vec<Vec<Piece>>> {
    let batches: Vec<_> = batches.into_iter().filter(|batch| batch.num_rows() > 0).collect();
    let Some(first) = batches.first() else {
        return Ok(Vec::new());
    };
    if let Some(runs) = natural(&batches, key)? {
        return Ok(runs);
    }
    let batch = concat_batches(&first.schema(), &batches).map_err(unmergeable)?;
    let order = sort::permutation(&columns(&batch, key, usize::MAX)?)?;
    Ok(vec![vec![Piece { batch, order }]])
}

/// The runs that the rows form as they stand; `None` if those are too many.
fn natural(batches: &[RecordBatch], key: &Key) -> Result<Option<Vec<Vec<Piece>>>> {
    let mut runs = vec![Vec::new()];
    let mut before: Option<&RecordBatch> = None;
    for batch in batches {
        let descends = match before {
            Some(before) => step_between(before, batch, key, usize::MAX)?.descents().next().is_some(),
            None => false,
        };
        if descends {
            runs.push(Vec::new());
        }
        let mut start = 0;
        let ends = steps(batch, key, usize::MAX)?;
        for end in ends.descents().map(|step| step + 1).chain([batch.num_rows()]) {
            if start > 0 {
                runs.push(Vec::new());
            }
            if runs.len() > MAX_RUNS {
                return Ok(None);
            }
            if let Some(run) = runs.last_mut() {
                run.push(Piece { batch: batch.slice(start, end - start), order: None });
            }
            start = end;
        }
        before = Some(batch);
    }
    Ok(Some(runs))
}

/// The steps between a batch's rows, by the first `count` columns of the key.
pub(super) fn steps(batch: &RecordBatch, key: &Key, count: usize) -> Result<Steps> {
    Steps::within(&columns(batch, key, count)?, 0..batch.num_rows())
}

/// The step from the last row of a batch to the first of the next.
pub(super) fn step_between(batch: &RecordBatch, next: &RecordBatch, key: &Key, count: usize) -> Result<Steps> {
    let last = batch.slice(batch.num_rows().saturating_sub(1), 1);
    Steps::between(&columns(&last, key, count)?, &columns(&next.slice(0, 1), key, count)?)
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
            Some(Piece { batch, order }) => {
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
