//! The records that were written and are not converted yet.

use std::collections::VecDeque;

#[cfg(feature = "arrow")]
use super::batch::BatchRows;

/// Records and the rows of batches, in the order in which they were written.
pub(super) struct Pending<T> {
    parts: VecDeque<Part<T>>,
    records: usize,
    /// The number of parts that are rows of batches.
    batches: usize,
    /// How many records were taken last. The next ones are likely as many.
    capacity: usize,
}

/// Records of one form, which are converted together.
pub(super) enum Part<T> {
    Records(Vec<T>),
    #[cfg(feature = "arrow")]
    Batch(BatchRows),
}

impl<T> Part<T> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Records(records) => records.len(),
            #[cfg(feature = "arrow")]
            Self::Batch(rows) => rows.len(),
        }
    }

    fn is_batch(&self) -> bool {
        !matches!(self, Self::Records(_))
    }

    /// Leaves the first `count` records. Returns those after them.
    fn split_off(&mut self, count: usize) -> Self {
        match self {
            Self::Records(records) => Self::Records(records.split_off(count)),
            #[cfg(feature = "arrow")]
            Self::Batch(rows) => Self::Batch(rows.split_off(count)),
        }
    }
}

impl<T> Pending<T> {
    pub(super) fn new() -> Self {
        Self { parts: VecDeque::new(), records: 0, batches: 0, capacity: 0 }
    }

    /// Returns the number of records.
    pub(super) fn len(&self) -> usize {
        self.records
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Returns whether there are rows of batches.
    pub(super) fn has_batch(&self) -> bool {
        self.batches > 0
    }

    /// Returns whether the next records are rows of a batch.
    pub(super) fn begins_with_batch(&self) -> bool {
        self.parts.front().is_some_and(Part::is_batch)
    }

    pub(super) fn push(&mut self, record: T) {
        self.records += 1;
        if let Some(Part::Records(records)) = self.parts.back_mut() {
            return records.push(record);
        }
        let mut records = Vec::with_capacity(self.capacity);
        records.push(record);
        self.parts.push_back(Part::Records(records));
    }

    #[cfg(feature = "arrow")]
    pub(super) fn push_batch(&mut self, rows: BatchRows) {
        if rows.len() > 0 {
            self.records += rows.len();
            self.batches += 1;
            self.parts.push_back(Part::Batch(rows));
        }
    }

    /// Puts records back that were taken, before all others.
    pub(super) fn put_back(&mut self, mut part: Part<T>) {
        if part.len() == 0 {
            return;
        }
        self.records += part.len();
        self.batches += usize::from(part.is_batch());
        if let (Part::Records(first), Some(Part::Records(records))) = (&mut part, self.parts.front_mut()) {
            first.append(records);
            self.parts.pop_front();
        }
        self.parts.push_front(part);
    }

    /// Takes the next records, at most `count`, which is not 0. Returns `None` if there is none.
    pub(super) fn take(&mut self, count: usize) -> Option<Part<T>> {
        let mut part = self.parts.pop_front()?;
        if part.len() > count {
            self.parts.push_front(part.split_off(count));
        } else {
            self.batches -= usize::from(part.is_batch());
        }
        self.records -= part.len();
        self.capacity = part.len();
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(part: Option<Part<u32>>) -> Vec<u32> {
        match part {
            Some(Part::Records(records)) => records,
            _ => Vec::new(),
        }
    }

    #[test]
    fn records_are_taken_in_order_and_can_be_put_back() {
        let mut pending = Pending::new();
        (0..10).for_each(|record| pending.push(record));
        assert_eq!(records(pending.take(4)), [0, 1, 2, 3]);
        pending.put_back(Part::Records(vec![2, 3]));
        pending.put_back(Part::Records(Vec::new()));
        pending.push(10);
        assert_eq!((pending.len(), pending.parts.len(), pending.has_batch()), (9, 1, false));
        assert_eq!(records(pending.take(100)), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert!(pending.is_empty() && pending.take(1).is_none());
    }
}
