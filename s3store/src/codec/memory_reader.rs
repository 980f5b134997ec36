//! Reading files that are in memory.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use bytes::Bytes;

use super::footer::{Footer, footer_of};
use super::mapping::{FilePlan, Mapping};
use super::range_reader::{RangeProgress, RangeReader};
use super::row_groups::FileParts;
use super::steps::Steps;
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
        let reader = self.reader(plan, FileParts::of_end(file.len() as u64, file))?;
        Ok(MemoryReader::of_ranges(reader))
    }

    /// Returns a reader at the first row of a file whose footer was fetched.
    pub(crate) fn open_by_ranges(&self, footer: Footer) -> Result<RangeReader> {
        let (parsed, parts) = footer.into_parts();
        let plan = self.plan(|known| FilePlan::new(parsed, &self.layout, known))?;
        self.reader(plan, parts)
    }

    /// Returns a reader of the rows that the layout's filter may keep.
    fn reader(&self, plan: FilePlan, parts: FileParts) -> Result<RangeReader> {
        let steps = match self.layout.filter.below.as_deref() {
            Some(filter) => Steps::matching(&plan, &self.layout, filter, &parts)?,
            None => Steps::all(&plan),
        };
        Ok(RangeReader::new(plan, parts, steps))
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
        let (steps, parts) = (Steps::all(&plan), FileParts::of_end(file.len() as u64, file));
        Self::of_ranges(RangeReader::new(plan, parts, steps))
    }

    /// Returns the batches of a file whose row groups were all fetched.
    pub(crate) fn of_ranges(reader: RangeReader) -> Self {
        Self { reader: reader.keeping_parts(), ended: false }
    }

    /// Returns how the file is read.
    pub(crate) fn plan(&self) -> &FilePlan {
        self.reader.plan()
    }

    /// Divides the rows among `count` readers at most, at the ends of row groups. None of the rows may have been read.
    pub(crate) fn divided(&self, count: usize) -> Vec<Self> {
        self.reader.divided(count).into_iter().map(|reader| Self { reader, ended: false }).collect()
    }

    /// Returns the number of rows that are decoded, before a filter drops some of them.
    pub(crate) fn rows(&self) -> usize {
        self.reader.rows()
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
