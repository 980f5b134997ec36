//! The row groups of a file that is in memory as a whole.

use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

/// All row groups of a file.
pub(super) struct Whole<'f> {
    pub(super) metadata: &'f Arc<ParquetMetaData>,
    pub(super) bytes: Arc<Bytes>,
    /// By the footer.
    pub(super) rows: usize,
}

impl RowGroups for Whole<'_> {
    fn num_rows(&self) -> usize {
        self.rows
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        let (metadata, bytes) = (Arc::clone(self.metadata), Arc::clone(&self.bytes));
        Ok(Box::new(Chunks { metadata, bytes, leaf, group: 0 }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

/// The pages of a leaf, from one row group after the other.
struct Chunks {
    metadata: Arc<ParquetMetaData>,
    bytes: Arc<Bytes>,
    leaf: usize,
    /// The next row group.
    group: usize,
}

impl Chunks {
    fn pages(&self, group: &RowGroupMetaData) -> Result<Box<dyn PageReader>> {
        let lacking = || ParquetError::General(format!("a row group lacks its column {}", self.leaf));
        let chunk = group.columns().get(self.leaf).ok_or_else(lacking)?;
        let rows = usize::try_from(group.num_rows())?;
        Ok(Box::new(SerializedPageReader::new(Arc::clone(&self.bytes), chunk, rows, None)?))
    }
}

impl Iterator for Chunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let pages = self.pages(self.metadata.row_groups().get(self.group)?);
        self.group += 1;
        Some(pages)
    }
}

impl PageIterator for Chunks {}
