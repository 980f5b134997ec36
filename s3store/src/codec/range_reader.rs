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
use super::row_groups::{self, FileParts};
use super::sizes::ReadSizes;
#[cfg(any(test, feature = "testing"))]
use super::{Footer, FooterSearch};
use crate::error::{Error, Result};
#[cfg(any(test, feature = "testing"))]
use crate::record::ReadLayout;

/// A decoder of a file that is fetched by ranges. It performs no I/O: the caller fetches the ranges that
/// [`advance`](Self::advance) asks for and passes them to [`push`](Self::push).
///
/// It decodes one row group at a time. A decoder of several row groups would take a list that begins in the middle of a row
/// as a part of the previous group's last row.
#[derive(Debug)]
pub(crate) struct RangeReader {
    adapter: BatchAdapter,
    /// The end of the file, and the parts that were fetched for row groups.
    file: FileParts,
    budgets: Vec<Arc<ColumnBudget>>,
    /// The batches of the current row group, or `None` between two row groups.
    row_group: Option<ParquetRecordBatchReader>,
    /// The current row group, or the next one between two row groups.
    group: usize,
    /// Which row groups are read; `None` for all.
    wanted: Option<Vec<bool>>,
    /// If `true`, the parts of a row group are kept when it ends.
    keeps_parts: bool,
}

/// The next thing that a [`RangeReader`] has or needs.
#[derive(Debug)]
pub(crate) enum RangeProgress {
    /// The decoder needs these byte ranges of the file to go on.
    Needs(GroupRanges),
    Batch(RecordBatch),
    End,
}

/// The byte ranges of a row group that are not in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupRanges {
    pub(crate) group: usize,
    pub(crate) ranges: Vec<Range<u64>>,
}

impl RangeReader {
    /// `file_end` are the last bytes of the file, which are already in memory. `wanted` says which row groups are read.
    pub(super) fn new(plan: FilePlan, file_end: Bytes, wanted: Option<Vec<bool>>) -> Self {
        let file = FileParts::of_end(plan.file_size(), file_end);
        let budgets = row_groups::column_budgets(&plan);
        Self { adapter: BatchAdapter::new(plan), file, budgets, row_group: None, group: 0, wanted, keeps_parts: false }
    }

    /// Returns how the file is read.
    pub(crate) fn plan(&self) -> &FilePlan {
        self.adapter.plan()
    }

    /// Returns the schema of the batches.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(self.adapter.plan().schema())
    }

    /// Keeps the parts of row groups until the reader is dropped, so that it can [`restart`](Self::restart).
    pub(super) fn keeping_parts(self) -> Self {
        Self { keeps_parts: true, ..self }
    }

    /// Goes back to the first row. Parts that were dropped must be fetched again.
    pub(super) fn restart(&mut self) {
        self.adapter.restart();
        self.budgets = row_groups::column_budgets(self.adapter.plan());
        (self.row_group, self.group) = (None, 0);
    }

    /// Decodes the next batch, or returns the byte ranges that it needs. Drop the reader after an error.
    pub(crate) fn advance(&mut self) -> Result<RangeProgress> {
        loop {
            if let Some(batches) = &mut self.row_group {
                let decoded = catch_panics(|| batches.next().transpose().map_err(ParquetError::from));
                let (plan, group) = (self.adapter.plan(), self.group);
                let located = |error| bad_text::locate(error, plan, group..group + 1, &Arc::new(self.file.clone()));
                match decoded.map_err(located)? {
                    Some(batch) => match self.adapter.adapt(&batch)? {
                        // The filter dropped all rows.
                        batch if batch.num_rows() == 0 => continue,
                        batch => return Ok(RangeProgress::Batch(batch)),
                    },
                    None => self.row_group = None,
                }
                if !self.keeps_parts {
                    self.file.drop_group(group);
                }
                self.group += 1;
            }
            let (plan, group) = (self.adapter.plan(), self.group);
            if group >= plan.metadata().num_row_groups() {
                return self.adapter.finish().map(|()| RangeProgress::End);
            }
            if !self.is_wanted(group) {
                self.adapter.skip_group(group);
                self.group += 1;
                continue;
            }
            let ranges = catch_panics(|| row_groups::missing_ranges(plan, group, &self.file))?;
            if !ranges.is_empty() {
                return Ok(RangeProgress::Needs(GroupRanges { group, ranges }));
            }
            let file = Arc::new(self.file.clone());
            let decoder = catch_panics(|| row_groups::decode(plan, group..group + 1, &file, &self.budgets))?;
            self.row_group = Some(decoder);
        }
    }

    /// Returns the ranges that the row group after the current one needs. Returns `None` if there is no such row group, or
    /// if all of them are in memory.
    pub(crate) fn next_needs(&self) -> Result<Option<GroupRanges>> {
        let first = if self.row_group.is_some() { self.group + 1 } else { self.group };
        let mut groups = first..self.plan().metadata().num_row_groups();
        let Some(group) = groups.find(|&group| self.is_wanted(group)) else { return Ok(None) };
        let ranges = catch_panics(|| row_groups::missing_ranges(self.plan(), group, &self.file))?;
        Ok((!ranges.is_empty()).then_some(GroupRanges { group, ranges }))
    }

    /// Returns the ranges that all row groups need.
    pub(crate) fn all_needs(&self) -> Result<Vec<GroupRanges>> {
        let groups = (0..self.plan().metadata().num_row_groups()).filter(|&group| self.is_wanted(group));
        let needs = |group| {
            let ranges = catch_panics(|| row_groups::missing_ranges(self.plan(), group, &self.file))?;
            Ok((!ranges.is_empty()).then_some(GroupRanges { group, ranges }))
        };
        groups.map(needs).filter_map(Result::transpose).collect()
    }

    /// Returns the memory that reading the file takes.
    pub(crate) fn sizes(&self) -> Result<ReadSizes> {
        let needs = self.all_needs()?;
        let missing = |group: usize| {
            let ranges = needs.iter().filter(|needs| needs.group == group).flat_map(|needs| &needs.ranges);
            let bytes = ranges.fold(0, |sum: u64, range| sum.saturating_add(range.end - range.start));
            self.is_wanted(group).then_some(bytes)
        };
        Ok(ReadSizes::new(self.plan(), missing))
    }

    /// Returns the number of row groups that are read, and that of the others.
    pub(crate) fn row_groups(&self) -> (usize, usize) {
        let all = self.plan().metadata().num_row_groups();
        let read = (0..all).filter(|&group| self.is_wanted(group)).count();
        (read, all - read)
    }

    fn is_wanted(&self, group: usize) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.get(group) != Some(&false))
    }

    /// Takes the bytes of a row group's ranges.
    ///
    /// # Errors
    /// `InvalidData` if a range has a different number of bytes.
    pub(crate) fn push(&mut self, needs: GroupRanges, bytes: Vec<Bytes>) -> Result<()> {
        let GroupRanges { group, ranges } = needs;
        for (range, bytes) in ranges.into_iter().zip(bytes) {
            let (wanted, found) = (range.end.saturating_sub(range.start), bytes.len() as u64);
            if found != wanted {
                let start = range.start;
                return Err(Error::invalid_data(format!("{found} bytes from {start} were read instead of {wanted}")));
            }
            self.file.push(group, range.start, bytes);
        }
        Ok(())
    }
}

/// Decodes a file that is in memory by the ranges that the reader asks for. Returns the number of rows.
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
    let (mut reader, mut rows) = (footer.read(layout)?, 0);
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
