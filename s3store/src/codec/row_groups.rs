//! The row groups of a file as sequences of rows, from the parts of the file that are in memory.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use bytes::buf::{Buf, Reader};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups, RowSelection};
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};

use super::BATCH_ROWS;
use super::decoded_types::int96_unit;
use super::limits::ColumnBudget;
use super::mapping::FilePlan;
use super::pages::CheckedPages;
use super::prune::{Locations, PageIndex};
use super::steps::Step;
use super::thrift::malformed;

/// The parts of a file that are in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct FileParts {
    parts: Vec<FilePart>,
    size: u64,
}

#[derive(Debug, Clone)]
struct FilePart {
    needed: Needed,
    /// The offset of the first byte.
    start: u64,
    bytes: Bytes,
}

/// How long a part of a file is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needed {
    /// Until the file ends.
    Always,
    /// Until this step ends.
    InStep(usize),
    /// Until the steps of this row group end.
    InGroup(usize),
}

impl FileParts {
    /// Returns the parts of a file of `size` bytes, of which the last are in memory.
    pub(super) fn of_end(size: u64, end: Bytes) -> Self {
        let start = size.saturating_sub(end.len() as u64);
        Self { parts: vec![FilePart { needed: Needed::Always, start, bytes: end }], size }
    }

    /// Adds bytes of the file.
    pub(super) fn push(&mut self, needed: Needed, start: u64, bytes: Bytes) {
        self.parts.push(FilePart { needed, start, bytes });
    }

    /// Returns whether a part begins at `start` and is needed as long as given.
    pub(super) fn has(&self, needed: Needed, start: u64) -> bool {
        self.parts.iter().any(|part| part.needed == needed && part.start == start)
    }

    /// Drops the parts that are not needed any longer.
    pub(super) fn drop_needed(&mut self, needed: Needed) {
        self.parts.retain(|part| part.needed != needed);
    }

    /// Returns the parts that remain when those with this need are dropped.
    pub(super) fn without(&self, needed: Needed) -> Self {
        let mut rest = self.clone();
        rest.drop_needed(needed);
        rest
    }

    /// Returns the last bytes of the file, with the footer.
    pub(super) fn end(&self) -> &Bytes {
        static EMPTY: Bytes = Bytes::new();
        self.parts.first().map_or(&EMPTY, |part| &part.bytes)
    }

    /// Returns the size of the parts that were added to the end of the file, in bytes.
    pub(super) fn added_bytes(&self) -> u64 {
        self.parts.iter().skip(1).map(|part| part.bytes.len() as u64).sum()
    }

    /// Returns the size of all parts, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }

    /// Returns the bytes from `start` to the end of a part that has at least `length` bytes from there.
    pub(super) fn bytes_from(&self, start: u64, length: u64) -> Option<Bytes> {
        self.parts.iter().find_map(|part| {
            let skipped = usize::try_from(start.checked_sub(part.start)?).ok()?;
            let rest = part.bytes.len().checked_sub(skipped)? as u64;
            (rest >= length).then(|| part.bytes.slice(skipped..))
        })
    }
}

impl Length for FileParts {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for FileParts {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        // A part that ends here is as good as none.
        self.bytes_from(start, 1).map(Buf::reader).ok_or_else(outside)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.bytes_from(start, length as u64).map(|bytes| bytes.slice(..length)).ok_or_else(outside)
    }
}

fn outside() -> ParquetError {
    malformed(format_args!("a column chunk lies outside of the file"))
}

/// Returns the range of a column chunk.
///
/// # Errors
/// If the range does not lie in a file of `size` bytes.
pub(super) fn chunk_range(chunk: &ColumnChunkMetaData, size: u64) -> Result<Range<u64>> {
    let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    let range = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
    let range = range.and_then(|(start, length)| Some(start..start.checked_add(length)?));
    range.filter(|range| range.end <= size).ok_or_else(|| {
        let column = chunk.column_path().string();
        malformed(format_args!("column {column}: the column chunk lies outside of the file"))
    })
}

/// Returns the ranges that a step needs and that are not in memory: of column chunks, or of their pages.
pub(super) fn missing_ranges(
    plan: &FilePlan,
    step: &Step,
    index: Option<&PageIndex>,
    file: &FileParts,
) -> Result<Vec<Range<u64>>> {
    let Some(group) = plan.metadata().row_groups().get(step.group) else {
        return Ok(Vec::new());
    };
    let mut ranges = Vec::new();
    for &leaf in plan.mapping().leaves() {
        let Some(chunk) = group.columns().get(leaf) else { continue };
        match locations(step, index, leaf).zip(step.rows.as_deref()) {
            Some((locations, rows)) => ranges.extend(locations.ranges_of(rows)),
            None => ranges.push(chunk_range(chunk, plan.file_size())?),
        }
    }
    ranges.retain(|range| file.bytes_from(range.start, range.end - range.start).is_none());
    Ok(ranges)
}

/// Returns the places of a leaf's pages, if a step reads some rows only.
fn locations(step: &Step, index: Option<&PageIndex>, leaf: usize) -> Option<Locations> {
    step.rows.as_ref()?;
    index?.locations(step.group, leaf)
}

/// Returns the ranges of the dictionaries that all steps of a row group need.
pub(super) fn dictionaries(plan: &FilePlan, group: usize, index: Option<&PageIndex>) -> Vec<Range<u64>> {
    let leaves = plan.mapping().leaves().iter();
    leaves.filter_map(|&leaf| index?.locations(group, leaf)?.dictionary()).collect()
}

/// The decoded sizes of the columns of a file so far, by leaf.
pub(super) fn column_budgets(plan: &FilePlan) -> Vec<Arc<ColumnBudget>> {
    let leaves = plan.metadata().file_metadata().schema_descr().num_columns();
    ColumnBudget::of_columns(leaves, plan.file_size())
}

/// Returns the pages of one column chunk.
pub(super) fn pages(plan: &FilePlan, group: usize, leaf: usize, file: &Arc<FileParts>) -> Result<Box<dyn PageReader>> {
    let budget = ColumnBudget::of_columns(1, plan.file_size()).pop().ok_or_else(|| missing(leaf))?;
    let metadata = Arc::clone(plan.metadata());
    let mut chunk = ColumnChunk { metadata, group: Some(group), leaf, file: Arc::clone(file), locations: None, budget };
    chunk.next().unwrap_or_else(|| Err(missing(leaf)))
}

/// Returns a decoder of the rows of a step.
pub(super) fn decode(
    plan: &FilePlan,
    step: &Step,
    index: Option<&PageIndex>,
    file: &Arc<FileParts>,
    budgets: &[Arc<ColumnBudget>],
) -> Result<ParquetRecordBatchReader> {
    let metadata = plan.metadata();
    let rows = metadata.row_groups().get(step.group).map_or(0, |group| group.num_rows());
    let rows =
        usize::try_from(rows).map_err(|_| malformed(format_args!("the row counts in the footer are out of range")))?;
    let group = OneRowGroup { metadata, step, index, file, budgets, rows };
    let selection =
        step.rows.as_ref().map(|wanted| RowSelection::from_consecutive_ranges(wanted.ranges().iter().cloned(), rows));
    // The decoder allocates a whole batch up front, so a small file gets a small batch.
    let batch_rows = BATCH_ROWS.min(step.rows(plan)).max(1);
    ParquetRecordBatchReader::try_new_with_row_groups(plan.mapping().levels(), &group, batch_rows, selection)
}

struct OneRowGroup<'f> {
    metadata: &'f Arc<ParquetMetaData>,
    step: &'f Step,
    index: Option<&'f PageIndex>,
    file: &'f Arc<FileParts>,
    budgets: &'f [Arc<ColumnBudget>],
    /// The footer's row count.
    rows: usize,
}

impl RowGroups for OneRowGroup<'_> {
    fn num_rows(&self) -> usize {
        self.rows
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        let budget = self.budgets.get(leaf).ok_or_else(|| missing(leaf))?;
        Ok(Box::new(ColumnChunk {
            metadata: Arc::clone(self.metadata),
            group: Some(self.step.group),
            leaf,
            file: Arc::clone(self.file),
            locations: locations(self.step, self.index, leaf),
            budget: Arc::clone(budget),
        }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().get(self.step.group).into_iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

/// The column chunk of one leaf in a row group.
struct ColumnChunk {
    metadata: Arc<ParquetMetaData>,
    /// The row group, until its pages were returned.
    group: Option<usize>,
    leaf: usize,
    file: Arc<FileParts>,
    /// The places of the pages, if some of them are not in memory.
    locations: Option<Locations>,
    budget: Arc<ColumnBudget>,
}

impl ColumnChunk {
    fn pages(&self, group: &RowGroupMetaData) -> Result<Box<dyn PageReader>> {
        let chunk = group.columns().get(self.leaf).ok_or_else(|| missing(self.leaf))?;
        chunk_range(chunk, self.file.len())?;
        let rows = usize::try_from(group.num_rows())?;
        let (file, budget, int96) = (Arc::clone(&self.file), Arc::clone(&self.budget), int96_unit(&self.metadata));
        Ok(Box::new(CheckedPages::new(file, chunk, rows, self.locations.as_ref(), budget, int96)?))
    }
}

impl Iterator for ColumnChunk {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.group.take()?;
        Some(self.pages(self.metadata.row_groups().get(group)?))
    }
}

impl PageIterator for ColumnChunk {}

fn missing(leaf: usize) -> ParquetError {
    malformed(format_args!("column {leaf} is missing in a row group"))
}
