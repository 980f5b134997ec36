//! The row groups of a file that is in memory, as one sequence of rows.

use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

/// All row groups of a file.
pub(super) struct AllRowGroups<'f> {
    pub(super) metadata: &'f Arc<ParquetMetaData>,
    pub(super) file: Arc<Bytes>,
    /// The footer's row count.
    pub(super) rows: usize,
}

impl RowGroups for AllRowGroups<'_> {
    fn num_rows(&self) -> usize {
        self.rows
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        let (metadata, file) = (Arc::clone(self.metadata), Arc::clone(&self.file));
        Ok(Box::new(ColumnChunks { metadata, file, leaf, next_group: 0 }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

/// The column chunks of one leaf, one per row group.
struct ColumnChunks {
    metadata: Arc<ParquetMetaData>,
    file: Arc<Bytes>,
    leaf: usize,
    next_group: usize,
}

impl ColumnChunks {
    fn pages(&self, group: &RowGroupMetaData) -> Result<Box<dyn PageReader>> {
        let missing = || ParquetError::General(format!("column {} is missing in a row group", self.leaf));
        let chunk = group.columns().get(self.leaf).ok_or_else(missing)?;
        let rows = usize::try_from(group.num_rows())?;
        Ok(Box::new(SerializedPageReader::new(Arc::clone(&self.file), chunk, rows, None)?))
    }
}

impl Iterator for ColumnChunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let pages = self.pages(self.metadata.row_groups().get(self.next_group)?);
        self.next_group += 1;
        Some(pages)
    }
}

impl PageIterator for ColumnChunks {}
