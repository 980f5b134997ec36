//! The rows of a file that are read, in the steps in which they are fetched and decoded.

use std::ops::Range;
use std::sync::Arc;

use parquet::errors::Result as ParquetResult;

use super::guard::catch_panics;
use super::mapping::FilePlan;
use super::prune::{Blooms, Locations, PageIndex, PageIndexSearch, RowRanges, groups_that_can_match};
use super::row_groups::{FileParts, chunk_range, missing_ranges};
use crate::error::Result;
use crate::record::{Predicate, ReadLayout, RowSet};

/// How many bytes a file's rows must take for a search of its page index or Bloom filters to be worth a further request. In
/// the time of a request, a connection transfers about as much as this.
const WORTH_A_REQUEST: u64 = 512 << 10;

/// How many times smaller than the rows that it may exclude an index must be to be fetched.
const INDEX_SHARE: u64 = 8;

/// The fewest rows that are selected or skipped at a time. For shorter ones, the decoder reads skipped pages as well.
const LEAST_ROWS: usize = 64;

/// The rows of a file that are read.
#[derive(Debug)]
pub(super) struct Steps {
    steps: Vec<Step>,
    index: Option<Arc<PageIndex>>,
    /// The ranges of the file that may exclude more rows, if that is worth a request.
    lacking: Vec<Range<u64>>,
}

/// Rows that are fetched and decoded together.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) group: usize,
    /// The rows of the row group. `None` for all.
    pub(super) rows: Option<Arc<RowRanges>>,
}

impl Steps {
    /// Returns the steps to read all rows: one for each row group.
    pub(super) fn all(plan: &FilePlan) -> Self {
        let groups = 0..plan.metadata().num_row_groups();
        Self { steps: groups.map(|group| Step { group, rows: None }).collect(), index: None, lacking: Vec::new() }
    }

    /// Returns the steps to read the rows that can match a predicate, as far as the parts of the file that are in memory show
    /// it. The columns of the predicate are those of the layout.
    pub(super) fn matching(
        plan: &FilePlan,
        layout: &ReadLayout,
        predicate: &Predicate,
        file: &FileParts,
    ) -> Result<Self> {
        let blooms = Blooms::new(plan, layout, predicate, file);
        let groups = groups_that_can_match(plan, layout, predicate, file.end(), &blooms)?;
        let groups = groups.iter().enumerate().filter(|(_, can_match)| **can_match).map(|(group, _)| group);
        let mut found =
            Self { steps: groups.map(|group| Step { group, rows: None }).collect(), index: None, lacking: Vec::new() };
        let missing = found.missing_bytes(plan, file)?;
        let is_worth = |ranges: &[Range<u64>]| missing >= WORTH_A_REQUEST && bytes_of(ranges) <= missing / INDEX_SHARE;
        let lacking: Vec<Range<u64>> = blooms
            .lacking()
            .iter()
            .filter(|(group, _)| found.has_group(*group))
            .map(|(_, range)| range.clone())
            .collect();
        if !lacking.is_empty() && is_worth(&lacking) {
            // First alone, because they may exclude the whole file.
            found.lacking = lacking;
            return Ok(found);
        }
        if found.steps.is_empty() {
            return Ok(found);
        }
        match PageIndex::search(plan, file) {
            PageIndexSearch::Found(index) => {
                found.narrow(&index, plan, layout, predicate)?;
                found.index = Some(Arc::new(index));
            }
            PageIndexSearch::Elsewhere(range) if is_worth(std::slice::from_ref(&range)) => found.lacking = vec![range],
            PageIndexSearch::Elsewhere(_) | PageIndexSearch::Missing => {}
        }
        Ok(found)
    }

    /// Leaves out the rows that can't match.
    fn narrow(&mut self, index: &PageIndex, plan: &FilePlan, layout: &ReadLayout, predicate: &Predicate) -> Result<()> {
        let mut narrowed = Vec::with_capacity(self.steps.len());
        for Step { group, .. } in self.steps.drain(..) {
            let all = plan.rows_of(group);
            let rows = index.rows_that_can_match(plan, layout, predicate, group)?.without_short_runs(LEAST_ROWS, all);
            if rows.rows() == all {
                narrowed.push(Step { group, rows: None });
            } else if rows.rows() > 0 {
                narrowed.push(Step { group, rows: Some(Arc::new(rows)) });
            }
        }
        self.steps = narrowed;
        Ok(())
    }

    /// Returns the ranges of the file that should be fetched before its rows, because they may exclude many of them. Open the
    /// file again with these parts.
    pub(super) fn lacking(&self) -> &[Range<u64>] {
        &self.lacking
    }

    /// Returns the range of the page index, if it is not in memory and a step needs more than `bytes` bytes.
    pub(super) fn lacks_index(&self, plan: &FilePlan, file: &FileParts, bytes: u64) -> Result<Option<Range<u64>>> {
        if self.index.is_some() {
            return Ok(None);
        }
        let largest = self.largest(plan, file)?;
        if largest <= bytes {
            return Ok(None);
        }
        let range = PageIndex::range(plan).filter(|range| PageIndex::lies_elsewhere(range, file));
        Ok(range.filter(|range| bytes_of(std::slice::from_ref(range)) <= largest / INDEX_SHARE))
    }

    /// Divides each step that needs more than `bytes` bytes into steps of about as many, between pages. Does nothing without a
    /// page index in memory.
    pub(super) fn split(&mut self, plan: &FilePlan, file: &FileParts, bytes: u64) -> Result<()> {
        let bytes = bytes.max(1);
        if self.largest(plan, file)? <= bytes {
            return Ok(());
        }
        if self.index.is_none() {
            let PageIndexSearch::Found(index) = PageIndex::search(plan, file) else { return Ok(()) };
            self.index = Some(Arc::new(index));
        }
        let Some(index) = self.index.clone() else { return Ok(()) };
        let mut split = Vec::with_capacity(self.steps.len());
        for step in std::mem::take(&mut self.steps) {
            let missing = self.bytes_of_step(plan, &step, file)?;
            if missing <= bytes {
                split.push(step);
                continue;
            }
            let all = RowRanges::first(plan.rows_of(step.group));
            let rows = step.rows.as_deref().unwrap_or(&all);
            for part in parts(plan, &index, step.group, missing.div_ceil(bytes)) {
                let mut window = RowRanges::default();
                window.push(part);
                let rows = window.and(rows);
                if rows.rows() > 0 {
                    split.push(Step { group: step.group, rows: Some(Arc::new(rows)) });
                }
            }
        }
        self.steps = split;
        Ok(())
    }

    /// Divides the steps into `count` parts at most, of about as many rows.
    pub(super) fn divided(&self, plan: &FilePlan, count: usize) -> Vec<Self> {
        let (all, mut before) = (self.rows(plan).max(1) as u128, 0u128);
        let mut parts: Vec<(u128, Self)> = Vec::new();
        for step in &self.steps {
            let rows = step.rows(plan) as u128;
            // The part that has the step's middle row.
            let part = (before + rows / 2) * count.max(1) as u128 / all;
            before += rows;
            match parts.last_mut() {
                Some((last, steps)) if *last == part => steps.steps.push(step.clone()),
                _ => {
                    let steps = Self { steps: vec![step.clone()], index: self.index.clone(), lacking: Vec::new() };
                    parts.push((part, steps));
                }
            }
        }
        parts.into_iter().map(|(_, steps)| steps).collect()
    }

    /// Returns the ranges that a step needs and that are not in memory.
    pub(super) fn missing(&self, plan: &FilePlan, step: &Step, file: &FileParts) -> ParquetResult<Vec<Range<u64>>> {
        missing_ranges(plan, step, self.index.as_deref(), file)
    }

    /// Returns the number of bytes that a step needs and that are not in memory.
    pub(super) fn bytes_of_step(&self, plan: &FilePlan, step: &Step, file: &FileParts) -> Result<u64> {
        Ok(bytes_of(&catch_panics(|| self.missing(plan, step, file))?))
    }

    /// Returns the number of bytes that all steps need and that are not in memory.
    fn missing_bytes(&self, plan: &FilePlan, file: &FileParts) -> Result<u64> {
        let mut sizes = self.steps.iter().map(|step| self.bytes_of_step(plan, step, file));
        sizes.try_fold(0u64, |sum, size| Ok(sum.saturating_add(size?)))
    }

    /// Returns the number of such bytes of the step that has the most.
    fn largest(&self, plan: &FilePlan, file: &FileParts) -> Result<u64> {
        let mut sizes = self.steps.iter().map(|step| self.bytes_of_step(plan, step, file));
        sizes.try_fold(0u64, |largest, size| Ok(largest.max(size?)))
    }

    fn has_group(&self, group: usize) -> bool {
        self.steps.iter().any(|step| step.group == group)
    }

    pub(super) fn index(&self) -> Option<&PageIndex> {
        self.index.as_deref()
    }

    pub(super) fn get(&self, step: usize) -> Option<&Step> {
        self.steps.get(step)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Step> {
        self.steps.iter()
    }

    /// Returns the number of row groups that are read.
    pub(super) fn groups(&self) -> usize {
        let mut groups: Vec<_> = self.steps.iter().map(|step| step.group).collect();
        groups.dedup();
        groups.len()
    }

    /// Returns the number of rows that are read.
    pub(super) fn rows(&self, plan: &FilePlan) -> usize {
        self.steps.iter().map(|step| step.rows(plan)).fold(0, usize::saturating_add)
    }
}

impl Step {
    /// Returns the number of rows.
    pub(super) fn rows(&self, plan: &FilePlan) -> usize {
        self.rows.as_ref().map_or_else(|| plan.rows_of(self.group), |rows| rows.rows())
    }

    /// Returns the number in the row group of the row with this number among those that are read.
    pub(super) fn row(&self, index: usize) -> usize {
        let Some(rows) = &self.rows else { return index };
        let mut left = index;
        for range in rows.ranges() {
            if left < range.len() {
                return range.start + left;
            }
            left -= range.len();
        }
        index
    }
}

/// Divides the rows of a row group into `count` parts at most, between pages of the column that takes the most bytes.
fn parts(plan: &FilePlan, index: &PageIndex, group: usize, count: u64) -> Vec<Range<usize>> {
    let rows = plan.rows_of(group);
    let size = |leaf: usize| {
        let chunk = plan.metadata().row_groups().get(group)?.columns().get(leaf)?;
        chunk_range(chunk, plan.file_size()).ok().map(|range| range.end - range.start)
    };
    let largest = plan.mapping().leaves().iter().copied().max_by_key(|&leaf| size(leaf));
    let pages = largest.and_then(|leaf| index.locations(group, leaf));
    let least = usize::try_from((rows as u64).div_ceil(count)).unwrap_or(rows).max(LEAST_ROWS);
    let (mut parts, mut start) = (Vec::new(), 0);
    for (_, page) in pages.iter().flat_map(Locations::pages) {
        if page.end - start >= least && rows - page.end >= LEAST_ROWS {
            parts.push(start..page.end);
            start = page.end;
        }
    }
    parts.push(start..rows);
    parts
}

fn bytes_of(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().fold(0, |sum, range| sum.saturating_add(range.end.saturating_sub(range.start)))
}
