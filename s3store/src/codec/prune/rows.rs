//! Sets of rows as ranges.

use std::ops::Range;

use crate::record::RowSet;

/// Rows of a row group: ranges that ascend and do not touch each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RowRanges(Vec<Range<usize>>);

impl RowRanges {
    /// Returns the first rows of a row group.
    pub(super) fn first(rows: usize) -> Self {
        let mut ranges = Self::default();
        ranges.push(0..rows);
        ranges
    }

    /// Appends a range that starts at the end of the last one, or after it.
    pub(super) fn push(&mut self, range: Range<usize>) {
        match self.0.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => self.0.push(range),
        }
    }

    /// Returns the ranges.
    pub(super) fn into_ranges(self) -> Vec<Range<usize>> {
        self.0
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
        fn the_sets_of_ranges_are_those_of_their_rows(a in rows(), b in rows()) {
            let zipped = |combine: fn(bool, bool) -> bool| {
                ranges(&a.iter().zip(&b).map(|(&a, &b)| combine(a, b)).collect::<Vec<_>>())
            };
            prop_assert_eq!(ranges(&a).and(&ranges(&b)), zipped(|a, b| a && b));
            prop_assert_eq!(ranges(&a).or(&ranges(&b)), zipped(|a, b| a || b));
        }
    }
}
