//! Sets of rows as ranges.

use std::ops::Range;

use crate::record::RowSet;

/// Rows of a row group: ranges that ascend and do not touch each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct RowRanges(Vec<Range<usize>>);

impl RowRanges {
    /// Returns the first rows of a row group.
    pub(in super::super) fn first(rows: usize) -> Self {
        let mut ranges = Self::default();
        ranges.push(0..rows);
        ranges
    }

    /// Appends a range that starts at the end of the last one, or after it.
    pub(in super::super) fn push(&mut self, range: Range<usize>) {
        match self.0.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => self.0.push(range),
        }
    }

    /// Returns the ranges.
    pub(in super::super) fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// Returns the number of rows.
    pub(in super::super) fn rows(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    /// Returns whether some of the rows are in a range.
    pub(in super::super) fn overlaps(&self, range: &Range<usize>) -> bool {
        let next = self.0.partition_point(|rows| rows.end <= range.start);
        self.0.get(next).is_some_and(|rows| rows.start < range.end) && !range.is_empty()
    }

    /// Returns these rows and those in gaps of fewer than `least` rows, of a row group of `all` rows. No range has fewer rows
    /// either, unless the row group has.
    pub(in super::super) fn without_short_runs(&self, least: usize, all: usize) -> Self {
        let mut longer = Self::default();
        let mut done = 0;
        for range in &self.0 {
            if range.end <= done {
                continue;
            }
            let start = range.start.min(all.saturating_sub(least));
            let start = if start < done.saturating_add(least) { done } else { start };
            let continues = start == done && done > 0;
            let end = if continues { range.end } else { range.end.max(start.saturating_add(least)).min(all) };
            done = if all - end < least { all } else { end };
            longer.push(start..done);
        }
        longer
    }
}

impl RowSet for RowRanges {
    fn and(&self, other: &Self) -> Self {
        let mut both = Self::default();
        let (mut mine, mut others) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(a), Some(b)) = (mine.peek(), others.peek()) {
            both.push(a.start.max(b.start)..a.end.min(b.end));
            if a.end <= b.end {
                mine.next();
            } else {
                others.next();
            }
        }
        both
    }

    fn or(&self, other: &Self) -> Self {
        let mut all: Vec<_> = self.0.iter().chain(&other.0).cloned().collect();
        all.sort_unstable_by_key(|range| range.start);
        let mut either = Self::default();
        all.into_iter().for_each(|range| either.push(range));
        either
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows() -> impl Strategy<Value = Vec<bool>> {
        prop::collection::vec(any::<bool>(), 30)
    }

    fn ranges(rows: &[bool]) -> RowRanges {
        let mut ranges = RowRanges::default();
        rows.iter().enumerate().filter(|(_, wanted)| **wanted).for_each(|(row, _)| ranges.push(row..row + 1));
        ranges
    }

    proptest! {
        #[test]
        fn runs_without_short_ones_have_all_rows(rows in rows(), least in 1..8usize) {
            let (ranges, all) = (ranges(&rows), rows.len());
            let longer = ranges.without_short_runs(least, all);
            prop_assert_eq!(&longer.and(&ranges), &ranges);
            let mut end = 0;
            for (index, range) in longer.ranges().iter().enumerate() {
                prop_assert!(range.len() >= least, "{:?} of {:?}", longer, ranges);
                let gap = range.start - end;
                prop_assert!(gap >= least || index == 0 && gap == 0, "{:?} of {:?}", longer, ranges);
                end = range.end;
            }
            prop_assert!(end == all || all - end >= least || longer.ranges().is_empty(), "{:?}", longer);
            for (row, &wanted) in rows.iter().enumerate() {
                prop_assert_eq!(ranges.overlaps(&(row..row + 1)), wanted);
            }
        }

        #[test]
        fn the_sets_of_ranges_are_those_of_their_rows(a in rows(), b in rows()) {
            let zipped = |combine: fn(bool, bool) -> bool| {
                ranges(&a.iter().zip(&b).map(|(&a, &b)| combine(a, b)).collect::<Vec<_>>())
            };
            prop_assert_eq!(ranges(&a).and(&ranges(&b)), zipped(|a, b| a && b));
            prop_assert_eq!(ranges(&a).or(&ranges(&b)), zipped(|a, b| a || b));
        }
    }
}
