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
#[cfg(any(test, feature = "testing"))]
use super::{Footer, FooterSearch};
use crate::error::{Error, Result};
#[cfg(any(test, feature = "testing"))]
use crate::record::ReadLayout;

/// A decoder of a file that is fetched by ranges. It performs no I/O: the caller fetches the ranges that
/// [`advance`](Self::advance) asks for and passes them to [`push`](Self::push).
#[derive(Debug)]
pub(crate) struct RangeReader {
    adapter: BatchAdapter,
    /// The end of the file, and what was fetched for the current row group.
    file: FileParts,
    budgets: Vec<Arc<ColumnBudget>>,
    /// The batches of the current row group, or `None` between two row groups.
    row_group: Option<ParquetRecordBatchReader>,
    next_group: usize,
    /// Which row groups are read; `None` for all.
    wanted: Option<Vec<bool>>,
}

/// The next thing that a [`RangeReader`] has or needs.
#[derive(Debug)]
pub(crate) enum RangeProgress {
    /// The decoder needs these byte ranges of the file to go on.
    Needs(Vec<Range<u64>>),
    Batch(RecordBatch),
    End,
}

impl RangeReader {
    /// `file_end` are the last bytes of the file, which are already in memory. `wanted` says which row groups are read.
    pub(super) fn new(plan: FilePlan, file_end: Bytes, wanted: Option<Vec<bool>>) -> Result<Self> {
        let file = FileParts::of_end(plan.file_size(), file_end);
        let budgets = row_groups::column_budgets(&plan);
        Ok(Self { adapter: BatchAdapter::new(plan), file, budgets, row_group: None, next_group: 0, wanted })
    }

    /// Returns the schema of the batches.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(self.adapter.plan().schema())
    }

    /// Decodes the next batch, or returns the byte ranges that it needs. Drop the reader after an error.
    pub(crate) fn advance(&mut self) -> Result<RangeProgress> {
        loop {
            if let Some(batches) = &mut self.row_group {
                let decoded = catch_panics(|| batches.next().transpose().map_err(ParquetError::from));
                let (plan, group) = (self.adapter.plan(), self.next_group);
                let located = |error| bad_text::locate(error, plan, group..group + 1, &Arc::new(self.file.clone()));
                match decoded.map_err(located)? {
                    Some(batch) => return self.adapter.adapt(&batch).map(RangeProgress::Batch),
                    None => self.row_group = None,
                }
                self.file.keep_first();
                self.next_group += 1;
            }
            let (plan, group) = (self.adapter.plan(), self.next_group);
            if group >= plan.metadata().num_row_groups() {
                return self.adapter.finish().map(|()| RangeProgress::End);
            }
            if self.wanted.as_ref().is_some_and(|wanted| wanted.get(group) == Some(&false)) {
                self.adapter.skip_group(group);
                self.next_group += 1;
                continue;
            }
            let needs = catch_panics(|| row_groups::missing_ranges(plan, group, &self.file))?;
            if !needs.is_empty() {
                return Ok(RangeProgress::Needs(needs));
            }
            let file = Arc::new(self.file.clone());
            let decoder = catch_panics(|| row_groups::decode(plan, group..group + 1, &file, &self.budgets))?;
            self.row_group = Some(decoder);
        }
    }

    /// Takes the bytes of ranges that [`advance`](Self::advance) asked for.
    ///
    /// # Errors
    /// `InvalidData` if a range has a different number of bytes.
    pub(crate) fn push(&mut self, ranges: Vec<Range<u64>>, bytes: Vec<Bytes>) -> Result<()> {
        for (range, bytes) in ranges.into_iter().zip(bytes) {
            let (wanted, found) = (range.end.saturating_sub(range.start), bytes.len() as u64);
            if found != wanted {
                let start = range.start;
                return Err(Error::invalid_data(format!("{found} bytes from {start} were read instead of {wanted}")));
            }
            self.file.push(range.start, bytes);
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
            RangeProgress::Needs(ranges) => {
                let bodies =
                    ranges.iter().map(|range| part(range.clone()).ok_or_else(outside)).collect::<Result<_>>()?;
                reader.push(ranges, bodies)?;
            }
        }
    }
}
