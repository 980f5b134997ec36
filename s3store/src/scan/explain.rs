//! The plan of a scan, found without fetching rows.

use std::fmt;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::Scan;
use super::fetch::{coalesce, footer, open_file};
use super::files::{PartitionFiles, StoredFile};
use super::plan::{self, Fetch, ScanMemory};
use super::row_sizes::RowSizes;
use crate::cpu;
use crate::error::Result;

/// A partition of a [`ReadPlan`](crate::read::ReadPlan).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedPartition {
    /// The partition key, `day=2026-03-17/sku=SKU-1`.
    pub partition: String,
    /// The committed files, in the order of their keys.
    pub files: Vec<PlannedFile>,
}

/// A file of a [`PlannedPartition`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedFile {
    /// The key of the file in the bucket.
    pub data_path: String,
    /// The size in bytes. `None` if the file was found by a commit, which has no size.
    pub size: Option<u64>,
    /// The parts of the file that the read fetches.
    pub access: FileAccess,
}

/// The parts of a file that a read fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileAccess {
    /// The whole file, with one GET.
    Whole,
    /// The footer, and then some of the column chunks.
    Parts {
        /// The number of bytes after the footer, the page index and the Bloom filters.
        bytes: u64,
        /// The number of GETs for these bytes.
        requests: usize,
        /// The number of row groups that are read.
        row_groups: usize,
        /// The number of row groups in which no row can match the filter, by their statistics or Bloom filters.
        excluded_row_groups: usize,
        /// The number of rows that are decoded: those of the pages that can match.
        rows: usize,
    },
}

impl Scan {
    /// Returns how a partition would be read. Fetches the footers of the files that would be read by ranges.
    pub(crate) async fn explain(&self, partition: PartitionFiles) -> Result<PlannedPartition> {
        let PartitionFiles { key, files } = partition;
        let memory = ScanMemory::of_limit(self.limits.bytes, self.limits.always_held);
        let fetches = plan::fetches(&files, &RowSizes::new(), self.reads_parts, memory);
        let planned = files.into_iter().zip(fetches).map(|(file, (fetch, _))| self.explain_file(file, fetch));
        let planned = stream::iter(planned).buffered(self.dataset.client().permits());
        let files = planned.try_filter_map(|file| std::future::ready(Ok(file))).try_collect().await?;
        Ok(PlannedPartition { partition: key, files })
    }

    /// Returns `None` if the file is missing and would be skipped.
    async fn explain_file(&self, file: StoredFile, fetch: Fetch) -> Result<Option<PlannedFile>> {
        let access = match fetch {
            Fetch::Whole => FileAccess::Whole,
            Fetch::ByRanges { size } => {
                let Some(footer) = footer(&self.dataset, &file, size, &self.tally).await? else {
                    return self.missing.allow(&file).map(|()| None);
                };
                let opener = Arc::clone(&self.opener);
                let open = move |footer| opener.open_by_ranges(footer);
                let opened = open_file(&self.dataset, &file, footer, open, &self.tally).await?;
                let Some((_, reader)) = opened else { return self.missing.allow(&file).map(|()| None) };
                let access = cpu::run(self.dataset.clock(), move || {
                    let groups = reader.all_needs()?.into_iter().map(|needs| coalesce(needs.ranges));
                    let (mut bytes, mut requests) = (0u64, 0);
                    for range in groups.flatten() {
                        bytes = bytes.saturating_add(range.end.saturating_sub(range.start));
                        requests += 1;
                    }
                    let (row_groups, excluded_row_groups) = reader.row_groups();
                    let rows = reader.rows();
                    Ok(FileAccess::Parts { bytes, requests, row_groups, excluded_row_groups, rows })
                });
                access.await.map_err(|error| error.context(file.label()))?
            }
        };
        Ok(Some(PlannedFile { size: file.size.bytes(), data_path: file.key, access }))
    }
}

impl PlannedFile {
    /// Returns the number of bytes that the read fetches, without a footer. `None` if the size of the file is not known.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        match self.access {
            FileAccess::Whole => self.size,
            FileAccess::Parts { bytes, .. } => Some(bytes),
        }
    }
}

impl fmt::Display for PlannedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { data_path, size, access } = self;
        write!(f, "{data_path}: ")?;
        match (access, size) {
            (FileAccess::Whole, Some(size)) => write!(f, "whole, bytes: {size}"),
            (FileAccess::Whole, None) => f.write_str("whole, of unknown size"),
            (FileAccess::Parts { bytes, requests, row_groups, excluded_row_groups, rows }, size) => {
                let all = row_groups + excluded_row_groups;
                write!(f, "row groups: {row_groups} of {all}, rows: {rows}, bytes: {bytes}")?;
                if let Some(size) = size {
                    write!(f, " of {size}")?;
                }
                write!(f, ", GETs after the footer: {requests}")
            }
        }
    }
}
