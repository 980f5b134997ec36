//! Ordered merge of sorted runs, with deduplication.
//!
//! A file that is in key order is one run. One that steps down a few times is cut there into several; one that steps
//! down more often is sorted first. Whether it does is found out, whatever its footer says. A single run passes
//! through, less what it repeats; several are merged by a tree of losers over encoded keys, from one batch of each
//! at a time.

mod keys;
mod runs;
#[cfg(any(feature = "arrow", test))]
mod slim;
mod tree;
mod types;

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;
use arrow_select::interleave::interleave_record_batch;

use crate::codec::BATCH_ROWS;
use crate::error::{Error, Result};
use crate::record::{Key, ReadLayout};
use keys::KeyEncoder;
use runs::{Piece, Run};
#[cfg(any(feature = "arrow", test))]
pub(crate) use slim::slim;
use tree::Tree;

/// Which of the records that share a key are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// One per entity, of the highest version; of those that tie, the later.
    Latest,
    /// One per entity and version, the later of those that tie.
    History,
    /// All.
    All,
}

/// Merges files, each given as its batches, into the order of the layout's key. Earlier files come first, which
/// settles ties. Without a key: all rows, in file and row order.
///
/// The batches have the types that [`FileReader`](crate::codec::FileReader) gives them; where files differ in the unit
/// of a time, what comes out has the finest.
pub(crate) fn merge(layout: &ReadLayout, files: Vec<Vec<RecordBatch>>, keep: Keep) -> Result<Merge> {
    let files = types::unified(files)?;
    let state = match &layout.key {
        None => State::Through { batches: files.into_iter().flatten().collect(), key: None },
        Some(key) => {
            let mut runs = Vec::new();
            for file in files {
                runs.extend(runs::of_file(file, key)?);
            }
            ordered(key, runs)?
        }
    };
    Ok(Merge { keep, state })
}

fn ordered(key: &Key, runs: Vec<Vec<Piece>>) -> Result<State> {
    let [run] = runs.as_slice() else {
        return Many::start(key, runs).map(Box::new).map(State::Many);
    };
    match run.iter().map(Piece::in_place).collect::<Option<VecDeque<_>>>() {
        Some(batches) => Ok(State::Through { batches, key: Some(key.clone()) }),
        None => Many::start(key, runs).map(Box::new).map(State::Many),
    }
}

/// The merged batches.
#[derive(Debug)]
pub(crate) struct Merge {
    keep: Keep,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Batches in order, of which only neighbours can be equal.
    Through {
        batches: VecDeque<RecordBatch>,
        key: Option<Key>,
    },
    Many(Box<Many>),
}

impl Iterator for Merge {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.state {
            State::Many(many) => many.next_batch(self.keep).transpose(),
            State::Through { batches, key } => loop {
                let batch = batches.pop_front()?;
                let kept = match key {
                    Some(key) => without_repeats(&batch, batches.front(), key, self.keep),
                    None => Ok(batch),
                };
                match kept {
                    Ok(batch) if batch.num_rows() == 0 => {}
                    kept => return Some(kept),
                }
            },
        }
    }
}

/// The rows that the row after them does not supersede, where that may be the first of the batch after.
fn without_repeats(batch: &RecordBatch, next: Option<&RecordBatch>, key: &Key, keep: Keep) -> Result<RecordBatch> {
    let columns = match keep {
        Keep::All => return Ok(batch.clone()),
        Keep::Latest => key.entity.len(),
        Keep::History => key.entity.len() + 1,
    };
    let mut same = runs::steps(batch, key, columns)?.equal.iter().collect::<Vec<_>>();
    same.push(match next {
        Some(next) => runs::step_between(batch, next, key, columns)?.equal.value(0),
        None => false,
    });
    if !same.contains(&true) {
        return Ok(batch.clone());
    }
    let kept = BooleanBuffer::collect_bool(same.len(), |row| !same.get(row).copied().unwrap_or_default());
    filter_record_batch(batch, &BooleanArray::new(kept, None)).map_err(unmergeable)
}

/// Several runs, merged.
#[derive(Debug)]
struct Many {
    encoder: KeyEncoder,
    runs: Vec<Run>,
    tree: Tree,
    /// What the rows of the batch under way are taken from.
    slots: Vec<Arc<runs::Encoded>>,
    /// The rows of the batch under way: slot and row.
    rows: Vec<(usize, usize)>,
    /// The row that is out next, unless the one after supersedes it.
    pending: Option<(usize, usize)>,
}

impl Many {
    fn start(key: &Key, runs: Vec<Vec<Piece>>) -> Result<Self> {
        let mut encoder = KeyEncoder::new(key);
        let runs = runs.into_iter().map(|pieces| Run::start(pieces, &mut encoder)).collect::<Result<Vec<_>>>()?;
        let tree = Tree::new(runs.len(), |a, b| Run::precedes(&runs, a, b));
        Ok(Self { encoder, runs, tree, slots: Vec::new(), rows: Vec::with_capacity(BATCH_ROWS), pending: None })
    }

    fn next_batch(&mut self, keep: Keep) -> Result<Option<RecordBatch>> {
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
                    Keep::History => self.slots[old_slot].keys.same(old_row, &encoded.keys, row),
                };
                if !superseded {
                    self.rows.push((old_slot, old_row));
                }
            }
            run.slot = Some(slot);
            run.advance(&mut self.encoder)?;
            self.tree.replay(|a, b| Run::precedes(&self.runs, a, b));
        }
        let finished = self.rows.len() < BATCH_ROWS;
        if finished {
            self.rows.extend(self.pending.take());
        }
        if self.rows.is_empty() {
            return Ok(None);
        }
        let batches: Vec<_> = self.slots.iter().map(|slot| &slot.batch).collect();
        let batch = interleave_record_batch(&batches, &self.rows).map_err(unmergeable)?;
        self.rows.clear();
        self.start_slots();
        Ok(Some(batch))
    }

    /// Lets go of what the finished batch was taken from, but for the pending row.
    fn start_slots(&mut self) {
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
    Error::invalid_data("the files' columns do not merge").with_source(error)
}

#[cfg(test)]
mod tests;
