//! Reading files that are in memory.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::errors::ParquetError;

use super::bad_text;
use super::footer::footer_of;
use super::guard::catch_panics;
use super::mapping::{BatchAdapter, FilePlan, Mapping};
use super::row_groups::{self, FileParts};
use crate::error::Result;
use crate::record::ReadLayout;

/// Opens files that are in memory, all for one layout.
///
/// Most files of a dataset have the same schema, and mapping a schema to the layout takes an eighth of the time to read
/// a small file. The opener reuses the mapping of the file before if the schemas are equal.
#[derive(Debug)]
pub(crate) struct Opener {
    layout: ReadLayout,
    last_mapping: Mutex<Option<Arc<Mapping>>>,
}

impl Opener {
    /// Returns an opener without a known mapping.
    pub(crate) fn new(layout: ReadLayout) -> Self {
        Self { layout, last_mapping: Mutex::new(None) }
    }

    /// Returns the layout that files are read for.
    pub(crate) fn layout(&self) -> &ReadLayout {
        &self.layout
    }

    /// Parses a file's footer and returns a reader at its first row.
    pub(crate) fn open(&self, file: Bytes) -> Result<MemoryReader> {
        let known = self.last_mapping.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let plan = FilePlan::new(footer_of(&file)?, &self.layout, known)?;
        *self.last_mapping.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(plan.mapping()));
        MemoryReader::new(plan, file)
    }
}

/// The batches of a file that is in memory, in order. The iterator ends after the first error.
#[derive(Debug)]
pub(crate) struct MemoryReader {
    adapter: BatchAdapter,
    file: Arc<FileParts>,
    /// The decoder, or `None` at the end.
    decoder: Option<ParquetRecordBatchReader>,
}

impl MemoryReader {
    pub(super) fn new(plan: FilePlan, file: Bytes) -> Result<Self> {
        let file = Arc::new(FileParts::of_end(plan.file_size(), file));
        let decoder = Some(decoder(&plan, &file)?);
        Ok(Self { adapter: BatchAdapter::new(plan), file, decoder })
    }

    /// Returns how the file is read.
    pub(crate) fn plan(&self) -> &FilePlan {
        self.adapter.plan()
    }

    /// Goes back to the first row.
    pub(crate) fn restart(&mut self) -> Result<()> {
        if self.adapter.is_at_start() {
            return Ok(());
        }
        self.decoder = Some(decoder(self.adapter.plan(), &self.file)?);
        self.adapter.restart();
        Ok(())
    }
}

impl Iterator for MemoryReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let decoder = self.decoder.as_mut()?;
        let decoded = catch_panics(|| decoder.next().transpose().map_err(ParquetError::from));
        let next = match decoded {
            Ok(Some(batch)) => Some(self.adapter.adapt(&batch)),
            Ok(None) => self.adapter.finish().err().map(Err),
            Err(error) => {
                let plan = self.adapter.plan();
                Some(Err(bad_text::locate(error, plan, 0..plan.metadata().num_row_groups(), &self.file)))
            }
        };
        if !matches!(next, Some(Ok(_))) {
            self.decoder = None;
        }
        next
    }
}

fn decoder(plan: &FilePlan, file: &Arc<FileParts>) -> Result<ParquetRecordBatchReader> {
    let groups = 0..plan.metadata().num_row_groups();
    catch_panics(|| row_groups::decode(plan, groups, file, &row_groups::column_budgets(plan)))
}
