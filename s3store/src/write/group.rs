//! Grouping records by partition.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::dataset::HivePartition;
use crate::error::{Error, Result};
use crate::format::PartitionKey;
use crate::record::{RootRecord, ValueError};

/// The records of one partition, in the order given, as references into the caller's slice.
#[derive(Debug)]
pub(super) struct Group<'a, T> {
    pub(super) key: PartitionKey,
    pub(super) rows: Rows<'a, T>,
}

/// A selection of the records of the caller's slice.
#[derive(Debug)]
pub(super) struct Rows<'a, T> {
    records: &'a [T],
    /// The number of the slice's first record, for messages.
    first: u64,
    /// The indexes of the selected records, in order; `None` if all are selected.
    picked: Option<Vec<usize>>,
}

impl<'a, T> Rows<'a, T> {
    pub(super) fn all(records: &'a [T]) -> Self {
        Self { records, first: 0, picked: None }
    }

    pub(super) fn len(&self) -> usize {
        self.picked.as_ref().map_or(self.records.len(), Vec::len)
    }

    /// Returns the same rows in another order. `order` contains positions in this selection.
    pub(super) fn ordered(&self, order: &[u32]) -> Self {
        let index = |&position: &u32| {
            let position = position as usize;
            self.picked.as_ref().map_or(position, |picked| picked[position])
        };
        Self { records: self.records, first: self.first, picked: Some(order.iter().map(index).collect()) }
    }

    /// Passes the rows of a range to one of two functions: to `slice` if they are adjacent in the caller's slice, which is
    /// faster, otherwise to `picked`.
    pub(super) fn with_range<R>(
        &self,
        range: std::ops::Range<usize>,
        slice: impl FnOnce(std::slice::Iter<'a, T>) -> R,
        picked: impl FnOnce(Picked<'_, 'a, T>) -> R,
    ) -> R {
        match &self.picked {
            None => slice(self.records[range].iter()),
            Some(indexes) => picked(Picked { records: self.records, indexes: indexes[range].iter() }),
        }
    }

    /// Returns the number of a row, for messages.
    pub(super) fn row_number(&self, position: usize) -> u64 {
        self.first.saturating_add(self.row_in_slice(position) as u64)
    }

    /// Returns the row's index in the caller's slice.
    fn row_in_slice(&self, position: usize) -> usize {
        self.picked.as_ref().and_then(|picked| picked.get(position).copied()).unwrap_or(position)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a T> {
        (0..self.len()).map(|position| self.get(position))
    }

    pub(super) fn get(&self, position: usize) -> &'a T {
        &self.records[self.row_in_slice(position)]
    }
}

/// An iterator over selected records.
pub(super) struct Picked<'r, 'a, T> {
    records: &'a [T],
    indexes: std::slice::Iter<'r, usize>,
}

impl<T> Clone for Picked<'_, '_, T> {
    fn clone(&self) -> Self {
        Self { records: self.records, indexes: self.indexes.clone() }
    }
}

impl<'a, T> Iterator for Picked<'_, 'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        self.indexes.next().map(|&index| &self.records[index])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.indexes.size_hint()
    }
}

impl<T> ExactSizeIterator for Picked<'_, '_, T> {}

impl<'a, T: RootRecord> Group<'a, T> {
    pub(super) fn partition(&self) -> HivePartition<&'a T> {
        HivePartition { partition: self.key.as_str().to_owned(), records: self.rows.iter().collect() }
    }
}

/// Groups records by their partition keys. Returns the groups in key order. `first` is the number of the first record, for
/// messages.
pub(super) fn group<T: RootRecord>(records: &[T], first: u64) -> Result<Vec<Group<'_, T>>> {
    let mut groups: Vec<(PartitionKey, Vec<usize>)> = Vec::new();
    let mut group_of_key: HashMap<String, usize> = HashMap::new();
    let mut key = String::new();
    // Adjacent records are often of one partition, so the last group is tried first.
    let mut last: Option<usize> = None;
    for (row, record) in records.iter().enumerate() {
        key.clear();
        let number = || first.saturating_add(row as u64);
        record.partition_key(&mut key).map_err(|error| unfit(number(), &error))?;
        let index = match last.filter(|&last| groups[last].0.as_str() == key) {
            Some(last) => last,
            None => match group_of_key.entry(key.clone()) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let legal = PartitionKey::parse(&key, &T::description().partition);
                    groups.push((legal.map_err(|error| error.context(format!("row {}", number())))?, Vec::new()));
                    *new.insert(groups.len() - 1)
                }
            },
        };
        groups[index].1.push(row);
        last = Some(index);
    }
    groups.sort_by(|(a, _), (b, _)| a.cmp(b));
    let all = groups.len() == 1;
    let rows = |picked: Vec<usize>| Rows { records, first, picked: (!all).then_some(picked) };
    Ok(groups.into_iter().map(|(key, picked)| Group { key, rows: rows(picked) }).collect())
}

/// Returns the partition of one record. Errors name the record's type, because its row is not known.
pub(super) fn partition_of<T: RootRecord>(record: &T) -> Result<PartitionKey> {
    let description = T::description();
    let mut key = String::new();
    let rendered = record.partition_key(&mut key).map_err(|error| Error::invalid_input(error.to_string()));
    let parsed = rendered.and_then(|()| PartitionKey::parse(&key, &description.partition));
    parsed.map_err(|error| error.context(format!("record {}", description.record)))
}

/// Makes the error for a value that does not fit its column. Its message names the row.
pub(super) fn unfit(row: u64, error: &ValueError) -> Error {
    Error::invalid_input(format!("row {row}, {error}"))
}
