//! Reading files by byte ranges.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::errors::ParquetError;

use super::bad_text;
use super::guard::catch_panics;
use super::limits::ColumnBudget;
use super::mapping::{BatchAdapter, FilePlan};
use super::prune::{self, Span};
use super::row_groups::{self, FileParts, Needed};
use super::sizes::ReadSizes;
use super::steps::{Step, Steps};
#[cfg(any(test, feature = "testing"))]
use super::{Footer, FooterSearch};
use crate::error::{Error, Result};
use crate::record::ReadLayout;

/// A decoder of a file that is fetched by ranges. It performs no I/O: the caller fetches the ranges that
/// [`advance`](Self::advance) asks for and passes them to [`push`](Self::push).
///
/// It decodes one row group at a time, or a part of one. A decoder of several row groups would take a list that begins in the
/// middle of a row as a part of the previous group's last row.
#[derive(Debug)]
pub(crate) struct RangeReader {
    adapter: BatchAdapter,
    /// The end of the file, and the parts that were fetched.
    file: FileParts,
    budgets: Vec<Arc<ColumnBudget>>,
    steps: Steps,
    /// The batches of the current step, or `None` between two steps.
    batches: Option<ParquetRecordBatchReader>,
    /// The current step, or the next one between two steps.
    step: usize,
    /// If `true`, the parts of a step are kept when it ends.
    keeps_parts: bool,
}

/// The next thing that a [`RangeReader`] has or needs.
#[derive(Debug)]
pub(crate) enum RangeProgress {
    /// The decoder needs these byte ranges of the file to go on.
    Needs(StepRanges),
    Batch(RecordBatch),
    End,
}

/// The byte ranges that a step needs, a row group or a part of one, and that are not in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepRanges {
    pub(crate) step: usize,
    pub(crate) ranges: Vec<Range<u64>>,
}

impl RangeReader {
    /// `file` has the parts of the file that are in memory.
    pub(super) fn new(plan: FilePlan, file: FileParts, steps: Steps) -> Self {
        let budgets = row_groups::column_budgets(&plan);
        Self { adapter: BatchAdapter::new(plan), file, budgets, steps, batches: None, step: 0, keeps_parts: false }
    }

    /// Returns how the file is read.
    pub(crate) fn plan(&self) -> &FilePlan {
        self.adapter.plan()
    }

    /// Returns the least and the greatest value of some columns of the layout, by the file's statistics.
    pub(crate) fn spans(&self, layout: &ReadLayout, columns: &[usize]) -> Result<Vec<Option<Span>>> {
        prune::spans(self.plan(), layout, columns, self.file.end())
    }

    /// Returns the schema of the batches.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(self.adapter.plan().schema())
    }

    /// Divides the rows among `count` readers at most. Each has the parts of the file that are in memory.
    pub(super) fn divided(&self, count: usize) -> Vec<Self> {
        let plan = self.plan();
        let reader = |steps| Self {
            adapter: BatchAdapter::new(plan.clone()),
            file: self.file.clone(),
            budgets: self.budgets.clone(),
            steps,
            batches: None,
            step: 0,
            keeps_parts: self.keeps_parts,
        };
        self.steps.divided(plan, count).into_iter().map(reader).collect()
    }

    /// Keeps the parts of row groups until the reader is dropped, so that it can [`restart`](Self::restart).
    pub(super) fn keeping_parts(self) -> Self {
        Self { keeps_parts: true, ..self }
    }

    /// Goes back to the first row. Parts that were dropped must be fetched again.
    pub(super) fn restart(&mut self) {
        self.adapter.restart();
        self.budgets = row_groups::column_budgets(self.adapter.plan());
        (self.batches, self.step) = (None, 0);
    }

    /// Divides row groups that take more than `bytes` bytes into parts that are fetched one after the other. Does nothing if
    /// the page index is not in memory.
    pub(crate) fn split(&mut self, bytes: u64) -> Result<()> {
        self.steps.split(self.adapter.plan(), &self.file, bytes)
    }

    /// Returns the ranges of the file that may exclude many rows, and should be fetched first. Add them to the
    /// [footer](super::Footer::add), and open the file again.
    pub(crate) fn lacking(&self) -> &[Range<u64>] {
        self.steps.lacking()
    }

    /// Returns the range of the page index, if a row group takes more than `bytes` bytes, and can't be split because the index
    /// is not in memory.
    pub(crate) fn lacking_to_split(&self, bytes: u64) -> Result<Option<Range<u64>>> {
        self.steps.lacks_index(self.adapter.plan(), &self.file, bytes)
    }

    /// Decodes the next batch, or returns the byte ranges that it needs. Drop the reader after an error.
    pub(crate) fn advance(&mut self) -> Result<RangeProgress> {
        loop {
            let current = self.steps.get(self.step).cloned();
            if let (Some(batches), Some(step)) = (&mut self.batches, &current) {
                let decoded = catch_panics(|| batches.next().transpose().map_err(ParquetError::from));
                let (plan, group) = (self.adapter.plan(), step.group);
                let located = |error| bad_text::locate(error, plan, group..group + 1, &Arc::new(self.file.clone()));
                match decoded.map_err(located)? {
                    Some(batch) => match self.adapter.adapt(&batch)? {
                        // The filter dropped all rows.
                        batch if batch.num_rows() == 0 => continue,
                        batch => return Ok(RangeProgress::Batch(batch)),
                    },
                    None => self.end_step(group),
                }
                continue;
            }
            let plan = self.adapter.plan();
            let Some(step) = current else {
                return self.adapter.finish(self.steps.rows(plan)).map(|()| RangeProgress::End);
            };
            let ranges = catch_panics(|| self.steps.missing(plan, &step, &self.file))?;
            if !ranges.is_empty() {
                return Ok(RangeProgress::Needs(StepRanges { step: self.step, ranges }));
            }
            let file = Arc::new(self.file.clone());
            let decoder = catch_panics(|| row_groups::decode(plan, &step, self.steps.index(), &file, &self.budgets))?;
            self.batches = Some(decoder);
            self.adapter.begin(step);
        }
    }

    fn end_step(&mut self, group: usize) {
        self.batches = None;
        if !self.keeps_parts {
            self.file.drop_needed(Needed::InStep(self.step));
            if self.steps.get(self.step + 1).is_none_or(|next| next.group != group) {
                self.file.drop_needed(Needed::InGroup(group));
            }
        }
        self.step += 1;
    }

    /// Returns the ranges that the next step lacks when the current one has ended. Returns `None` if no step follows, or if it
    /// lacks none.
    pub(crate) fn next_needs(&self) -> Result<Option<StepRanges>> {
        let next = if self.batches.is_some() { self.step + 1 } else { self.step };
        let Some(step) = self.steps.get(next) else { return Ok(None) };
        if next == self.step || self.keeps_parts {
            return self.needs_of(next, step, &self.file);
        }
        // A page at the border of two steps is in both of them.
        self.needs_of(next, step, &self.file.without(Needed::InStep(self.step)))
    }

    /// Returns the ranges that all steps need.
    pub(crate) fn all_needs(&self) -> Result<Vec<StepRanges>> {
        let steps = self.steps.iter().enumerate();
        steps.filter_map(|(index, step)| self.needs_of(index, step, &self.file).transpose()).collect()
    }

    fn needs_of(&self, index: usize, step: &Step, file: &FileParts) -> Result<Option<StepRanges>> {
        let ranges = catch_panics(|| self.steps.missing(self.plan(), step, file))?;
        Ok((!ranges.is_empty()).then_some(StepRanges { step: index, ranges }))
    }

    /// Returns the memory that reading the file takes.
    pub(crate) fn sizes(&self) -> Result<ReadSizes> {
        let mut sizes = ReadSizes { indexes: self.file.added_bytes(), ..ReadSizes::default() };
        for step in self.steps.iter() {
            sizes.add(self.plan(), step, self.steps.bytes_of_step(self.plan(), step, &self.file)?);
        }
        Ok(sizes)
    }

    /// Returns the number of row groups that are read, and that of the others.
    pub(crate) fn row_groups(&self) -> (usize, usize) {
        let read = self.steps.groups();
        (read, self.plan().metadata().num_row_groups().saturating_sub(read))
    }

    /// Returns the number of rows that are decoded, before a filter drops some of them.
    pub(crate) fn rows(&self) -> usize {
        self.steps.rows(self.plan())
    }

    /// Takes the bytes of a step's ranges.
    ///
    /// # Errors
    /// `InvalidData` if a range has a different number of bytes.
    pub(crate) fn push(&mut self, needs: StepRanges, bytes: Vec<Bytes>) -> Result<()> {
        let StepRanges { step, ranges } = needs;
        for (range, bytes) in ranges.into_iter().zip(bytes) {
            let (wanted, found) = (range.end.saturating_sub(range.start), bytes.len() as u64);
            if found != wanted {
                let start = range.start;
                return Err(Error::invalid_data(format!("{found} bytes from {start} were read instead of {wanted}")));
            }
            self.keep_dictionaries(step, &range, &bytes);
            self.file.push(Needed::InStep(step), range.start, bytes);
        }
        Ok(())
    }

    /// Keeps copies of the dictionaries in some bytes of a step, if a later step of the row group needs them.
    fn keep_dictionaries(&mut self, step: usize, range: &Range<u64>, bytes: &Bytes) {
        let (this, next) = (self.steps.get(step), self.steps.get(step + 1));
        let Some((this, _)) = this.zip(next).filter(|(this, next)| this.group == next.group) else { return };
        let group = this.group;
        for dictionary in row_groups::dictionaries(self.adapter.plan(), group, self.steps.index()) {
            let start = dictionary.start.checked_sub(range.start).and_then(|start| usize::try_from(start).ok());
            let end = dictionary.end.checked_sub(range.start).and_then(|end| usize::try_from(end).ok());
            let part = start.zip(end).and_then(|(start, end)| bytes.get(start..end));
            if let Some(part) = part.filter(|_| !self.file.has(Needed::InGroup(group), dictionary.start)) {
                self.file.push(Needed::InGroup(group), dictionary.start, Bytes::copy_from_slice(part));
            }
        }
    }
}

/// The size of the parts of [`decode_by_ranges`].
#[cfg(any(test, feature = "testing"))]
const PART_BYTES: u64 = 1 << 10;

/// Decodes a file that is in memory by the ranges that the reader asks for, in parts of row groups if it has a page index. Returns
/// the number of rows.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn decode_by_ranges(file: &Bytes, layout: &ReadLayout) -> Result<usize> {
    let size = file.len() as u64;
    let mut fetched = 1_000.min(size);
    let part = |range: Range<u64>| {
        let ends = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        ends.filter(|&(start, end)| start <= end && end <= file.len()).map(|(start, end)| file.slice(start..end))
    };
    let outside = || Error::internal("the reader asks for bytes outside of the file");
    let footer = loop {
        match Footer::parse(part(size - fetched..size).ok_or_else(outside)?, size)? {
            FooterSearch::Found(footer) => break footer,
            FooterSearch::Incomplete { bytes } if bytes > fetched && bytes <= size => fetched = bytes,
            FooterSearch::Incomplete { .. } => return Err(Error::invalid_data("the footer is larger than the file")),
        }
    };
    let mut footer = footer;
    if let Some(index) = footer.clone().read(layout)?.lacking_to_split(PART_BYTES)? {
        footer.add(index.start, part(index).ok_or_else(outside)?);
    }
    let (mut reader, mut rows) = (footer.read(layout)?, 0);
    reader.split(PART_BYTES)?;
    loop {
        match reader.advance()? {
            RangeProgress::Batch(batch) => rows += batch.num_rows(),
            RangeProgress::End => return Ok(rows),
            RangeProgress::Needs(needs) => {
                let bodies =
                    needs.ranges.iter().map(|range| part(range.clone()).ok_or_else(outside)).collect::<Result<_>>()?;
                reader.push(needs, bodies)?;
            }
        }
    }
}
