//! The row groups of a file as sequences of rows, from the parts of the file that are in memory.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use bytes::buf::{Buf, Reader};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};

use super::BATCH_ROWS;
use super::decoded_types::int96_unit;
use super::limits::ColumnBudget;
use super::mapping::FilePlan;
use super::pages::CheckedPages;
use super::thrift::malformed;

/// The parts of a file that are in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct FileParts {
    parts: Vec<FilePart>,
    size: u64,
}

#[derive(Debug, Clone)]
struct FilePart {
    /// The row group that the part was fetched for. `None` for the end of the file.
    group: Option<usize>,
    /// The offset of the first byte.
    start: u64,
    bytes: Bytes,
}

impl FileParts {
    /// Returns the parts of a file of `size` bytes, of which the last are in memory.
    pub(super) fn of_end(size: u64, end: Bytes) -> Self {
        let start = size.saturating_sub(end.len() as u64);
        Self { parts: vec![FilePart { group: None, start, bytes: end }], size }
    }

    /// Adds bytes that were fetched for a row group.
    pub(super) fn push(&mut self, group: usize, start: u64, bytes: Bytes) {
        self.parts.push(FilePart { group: Some(group), start, bytes });
    }

    /// Drops the parts that were fetched for a row group.
    pub(super) fn drop_group(&mut self, group: usize) {
        self.parts.retain(|part| part.group != Some(group));
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

/// Returns the ranges of a row group's wanted column chunks that are not in memory.
pub(super) fn missing_ranges(plan: &FilePlan, group: usize, file: &FileParts) -> Result<Vec<Range<u64>>> {
    let Some(group) = plan.metadata().row_groups().get(group) else {
        return Ok(Vec::new());
    };
    let chunks = plan.mapping().leaves().iter().filter_map(|&leaf| group.columns().get(leaf));
    let ranges = chunks.map(|chunk| chunk_range(chunk, plan.file_size())).collect::<Result<Vec<_>>>()?;
    Ok(ranges.into_iter().filter(|range| file.bytes_from(range.start, range.end - range.start).is_none()).collect())
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
    let mut chunks = ColumnChunks { metadata, groups: group..group + 1, leaf, file: Arc::clone(file), budget };
    chunks.next().unwrap_or_else(|| Err(missing(leaf)))
}

/// Returns a decoder of some row groups of a file.
pub(super) fn decode(
    plan: &FilePlan,
    groups: Range<usize>,
    file: &Arc<FileParts>,
    budgets: &[Arc<ColumnBudget>],
) -> Result<ParquetRecordBatchReader> {
    let metadata = plan.metadata();
    let chosen = metadata.row_groups().get(groups.clone()).unwrap_or_default();
    let rows = chosen
        .iter()
        .try_fold(0usize, |rows, group| usize::try_from(group.num_rows()).ok().and_then(|more| rows.checked_add(more)));
    let rows = rows.ok_or_else(|| malformed(format_args!("the row counts in the footer are out of range")))?;
    let groups = SomeRowGroups { metadata, groups, file, budgets, rows };
    // The decoder allocates a whole batch up front, so a small file gets a small batch.
    let batch_rows = BATCH_ROWS.min(rows).max(1);
    ParquetRecordBatchReader::try_new_with_row_groups(plan.mapping().levels(), &groups, batch_rows, None)
}

struct SomeRowGroups<'f> {
    metadata: &'f Arc<ParquetMetaData>,
    groups: Range<usize>,
    file: &'f Arc<FileParts>,
    budgets: &'f [Arc<ColumnBudget>],
    /// The footer's row count.
    rows: usize,
}

impl RowGroups for SomeRowGroups<'_> {
    fn num_rows(&self) -> usize {
        self.rows
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        let budget = self.budgets.get(leaf).ok_or_else(|| missing(leaf))?;
        Ok(Box::new(ColumnChunks {
            metadata: Arc::clone(self.metadata),
            groups: self.groups.clone(),
            leaf,
            file: Arc::clone(self.file),
            budget: Arc::clone(budget),
        }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().get(self.groups.clone()).unwrap_or_default().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

/// The column chunks of one leaf, one per row group.
struct ColumnChunks {
    metadata: Arc<ParquetMetaData>,
    groups: Range<usize>,
    leaf: usize,
    file: Arc<FileParts>,
    budget: Arc<ColumnBudget>,
}

impl ColumnChunks {
    fn pages(&self, group: &RowGroupMetaData) -> Result<Box<dyn PageReader>> {
        let chunk = group.columns().get(self.leaf).ok_or_else(|| missing(self.leaf))?;
        chunk_range(chunk, self.file.len())?;
        let rows = usize::try_from(group.num_rows())?;
        let (file, budget) = (Arc::clone(&self.file), Arc::clone(&self.budget));
        Ok(Box::new(CheckedPages::new(file, chunk, rows, budget, int96_unit(&self.metadata))?))
    }
}

impl Iterator for ColumnChunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.groups.next()?;
        Some(self.pages(self.metadata.row_groups().get(group)?))
    }
}

impl PageIterator for ColumnChunks {}

fn missing(leaf: usize) -> ParquetError {
    malformed(format_args!("column {leaf} is missing in a row group"))
}
