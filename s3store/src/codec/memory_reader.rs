//! Reading files that are in memory.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::errors::ParquetError;

use super::bad_text;
use super::footer::footer_of;
use super::guard::catch_panics;
use super::limits::ColumnBudget;
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
        Ok(MemoryReader::new(plan, file))
    }
}

/// The batches of a file that is in memory, in order. The iterator ends after the first error.
///
/// It decodes one row group at a time, as reading by ranges does. A decoder of several row groups would take a list that
/// begins in the middle of a row as a part of the previous group's last row.
#[derive(Debug)]
pub(crate) struct MemoryReader {
    adapter: BatchAdapter,
    file: Arc<FileParts>,
    budgets: Vec<Arc<ColumnBudget>>,
    /// The batches of the row group before `next_group`, or `None` between two row groups.
    row_group: Option<ParquetRecordBatchReader>,
    next_group: usize,
    ended: bool,
}

impl MemoryReader {
    pub(super) fn new(plan: FilePlan, file: Bytes) -> Self {
        let file = Arc::new(FileParts::of_end(plan.file_size(), file));
        let budgets = row_groups::column_budgets(&plan);
        Self { adapter: BatchAdapter::new(plan), file, budgets, row_group: None, next_group: 0, ended: false }
    }

    /// Returns how the file is read.
    pub(crate) fn plan(&self) -> &FilePlan {
        self.adapter.plan()
    }

    /// Goes back to the first row.
    pub(crate) fn restart(&mut self) {
        self.adapter.restart();
        self.budgets = row_groups::column_budgets(self.adapter.plan());
        (self.row_group, self.next_group, self.ended) = (None, 0, false);
    }

    /// Returns the next batch, or `None` at the end.
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batches) = &mut self.row_group {
                let decoded = catch_panics(|| batches.next().transpose().map_err(ParquetError::from));
                let (plan, group) = (self.adapter.plan(), self.next_group.saturating_sub(1));
                match decoded.map_err(|error| bad_text::locate(error, plan, group..group + 1, &self.file))? {
                    Some(batch) => return self.adapter.adapt(&batch).map(Some),
                    None => self.row_group = None,
                }
            }
            let (plan, group) = (self.adapter.plan(), self.next_group);
            if group >= plan.metadata().num_row_groups() {
                return self.adapter.finish().map(|()| None);
            }
            let decoder = catch_panics(|| row_groups::decode(plan, group..group + 1, &self.file, &self.budgets))?;
            (self.row_group, self.next_group) = (Some(decoder), group + 1);
        }
    }
}

impl Iterator for MemoryReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
