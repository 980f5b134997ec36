//! Reading files that are in memory.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use bytes::Bytes;

use super::footer::{Footer, footer_of};
use super::mapping::{FilePlan, Mapping};
use super::prune;
use super::range_reader::{RangeProgress, RangeReader};
use crate::error::{Error, Result};
use crate::record::ReadLayout;

/// Opens files for one layout.
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

    /// Parses the footer of a file that is in memory and returns a reader at its first row.
    pub(crate) fn open(&self, file: Bytes) -> Result<MemoryReader> {
        let plan = self.plan(|known| FilePlan::new(footer_of(&file)?, &self.layout, known))?;
        let wanted = self.wanted(&plan, &file)?;
        Ok(MemoryReader::of_ranges(RangeReader::new(plan, file, wanted)))
    }

    /// Returns a reader at the first row of a file whose footer was fetched.
    pub(crate) fn open_by_ranges(&self, footer: Footer) -> Result<RangeReader> {
        let (parsed, file_end) = footer.into_parts();
        let plan = self.plan(|known| FilePlan::new(parsed, &self.layout, known))?;
        let wanted = self.wanted(&plan, &file_end)?;
        Ok(RangeReader::new(plan, file_end, wanted))
    }

    /// Returns which row groups can have a row that the layout's filter keeps. Returns `None` without a filter.
    fn wanted(&self, plan: &FilePlan, file_end: &Bytes) -> Result<Option<Vec<bool>>> {
        let filter = self.layout.filter.below.as_deref();
        filter.map(|filter| prune::groups_that_can_match(plan, &self.layout, filter, file_end)).transpose()
    }

    /// Plans the reading of a file with the known mapping, and remembers the file's.
    fn plan(&self, plan: impl FnOnce(Option<Arc<Mapping>>) -> Result<FilePlan>) -> Result<FilePlan> {
        let known = self.last_mapping.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let plan = plan(known)?;
        *self.last_mapping.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(plan.mapping()));
        Ok(plan)
    }
}

/// The batches of a file of which all needed parts are in memory, in order. The iterator ends after the first error.
#[derive(Debug)]
pub(crate) struct MemoryReader {
    reader: RangeReader,
    ended: bool,
}

impl MemoryReader {
    #[cfg(test)]
    pub(super) fn new(plan: FilePlan, file: Bytes) -> Self {
        Self::of_ranges(RangeReader::new(plan, file, None))
    }

    /// Returns the batches of a file whose row groups were all fetched.
    pub(crate) fn of_ranges(reader: RangeReader) -> Self {
        Self { reader: reader.keeping_parts(), ended: false }
    }

    /// Returns how the file is read.
    pub(crate) fn plan(&self) -> &FilePlan {
        self.reader.plan()
    }

    /// Goes back to the first row.
    pub(crate) fn restart(&mut self) {
        self.reader.restart();
        self.ended = false;
    }
}

impl Iterator for MemoryReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = match self.reader.advance() {
            Ok(RangeProgress::Batch(batch)) => return Some(Ok(batch)),
            Ok(RangeProgress::End) => None,
            Ok(RangeProgress::Needs(_)) => Some(Err(Error::invalid_data("a column chunk lies outside of the file"))),
            Err(error) => Some(Err(error)),
        };
        self.ended = true;
        next
    }
}
