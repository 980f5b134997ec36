//! Ordered merge of sorted runs, with deduplication.
//!
//! A file that is in key order is one run. One that steps down a few times is cut there into several; one that steps
//! down more often is sorted first. Whether it does is found out, whatever its footer says. A single run passes
//! through, less what it repeats, and [`straight`] hands it over while it is read; several are merged by a tree of losers
//! over encoded keys, from one batch of each at a time.

mod keys;
mod runs;
#[cfg(any(feature = "arrow", test))]
mod slim;
mod tree;
mod types;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::interleave::interleave_record_batch;

use crate::codec::{BATCH_ROWS, FileReader};
use crate::error::{Error, Result};
use crate::record::{Key, ReadLayout};
use keys::KeyEncoder;
pub(crate) use runs::straight;
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

/// A file's batches, all of one schema, which is known before.
pub(crate) trait Source: Iterator<Item = Result<RecordBatch>> + Send + 'static {
    fn schema(&self) -> SchemaRef;
}

impl Source for FileReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.plan().schema())
    }
}

/// Merges files into the order of the layout's key. Earlier files come first, which settles ties. Without a key: all
/// rows, in file and row order, each file read when its turn comes.
///
/// The batches have the types that [`FileReader`] gives them; where files differ in the unit
/// of a time, what comes out has the finest.
pub(crate) fn merge<S: Source>(layout: &ReadLayout, files: Vec<S>, keep: Keep) -> Result<Merge> {
    let common = types::common(files.iter().map(Source::schema));
    let unified = |file: S| {
        let common = common.clone();
        file.map(move |batch| match &common {
            Some(schema) => types::cast_batch(batch?, schema),
            None => batch,
        })
    };
    let files = files.into_iter().map(unified);
    let Some(key) = &layout.key else {
        return Ok(Merge { keep, state: State::Files(Box::new(files.collect::<Vec<_>>().into_iter().flatten())) });
    };
    let mut runs = Vec::new();
    for file in files {
        runs.extend(runs::of_file(file, key, keep)?);
    }
    let state = match runs.pop() {
        Some(run) if runs.is_empty() && run.iter().all(Piece::is_in_order) => State::One(run.into()),
        last => State::Many(Box::new(Many::start(key, runs.into_iter().chain(last).collect())?)),
    };
    Ok(Merge { keep, state })
}

/// The merged batches.
#[derive(Debug)]
pub(crate) struct Merge {
    keep: Keep,
    state: State,
}

enum State {
    /// Without a key.
    Files(Box<dyn Iterator<Item = Result<RecordBatch>> + Send>),
    /// One run, of which only neighbours can be equal.
    One(VecDeque<Piece>),
    Many(Box<Many>),
}

impl Merge {
    /// Whether files are still being read.
    pub(crate) fn is_reading(&self) -> bool {
        matches!(self.state, State::Files(_))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Files(_) => "Files",
            Self::One(_) => "One",
            Self::Many(_) => "Many",
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
                State::One(pieces) => pieces.pop_front()?.latest(),
                State::Many(many) => many.next_batch(self.keep).transpose()?,
            };
            match batch {
                Ok(batch) if batch.num_rows() == 0 => {}
                batch => return Some(batch),
            }
        }
    }
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
