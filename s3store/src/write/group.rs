//! Records by partition.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::dataset::HivePartition;
use crate::error::{Error, Result};
use crate::format::PartitionKey;
use crate::record::{RootRecord, RowError};

/// One partition's records, in their given order, by reference into the caller's slice.
#[derive(Debug)]
pub(super) struct Group<'a, T> {
    pub(super) key: PartitionKey,
    pub(super) rows: Rows<'a, T>,
}

/// Some of a slice's records.
#[derive(Debug)]
pub(super) struct Rows<'a, T> {
    records: &'a [T],
    /// Which of them, in order; `None` for all.
    picked: Option<Vec<usize>>,
}

impl<'a, T> Rows<'a, T> {
    pub(super) fn all(records: &'a [T]) -> Self {
        Self { records, picked: None }
    }

    pub(super) fn len(&self) -> usize {
        self.picked.as_ref().map_or(self.records.len(), Vec::len)
    }

    /// The same rows in another order: `order` has positions among them.
    pub(super) fn ordered(&self, order: &[u32]) -> Self {
        let place = |&position: &u32| {
            let position = position as usize;
            self.picked.as_ref().map_or(position, |picked| picked[position])
        };
        Self { records: self.records, picked: Some(order.iter().map(place).collect()) }
    }

    /// Passes the rows of a range to one of two functions, whichever is the faster way to them.
    pub(super) fn with_range<R>(
        &self,
        range: std::ops::Range<usize>,
        slice: impl FnOnce(std::slice::Iter<'a, T>) -> R,
        picked: impl FnOnce(Picked<'_, 'a, T>) -> R,
    ) -> R {
        match &self.picked {
            None => slice(self.records[range].iter()),
            Some(places) => picked(Picked { records: self.records, places: places[range].iter() }),
        }
    }

    /// The row's place in the caller's slice.
    pub(super) fn place(&self, position: usize) -> usize {
        self.picked.as_ref().and_then(|picked| picked.get(position).copied()).unwrap_or(position)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a T> {
        (0..self.len()).map(|position| self.get(position))
    }

    pub(super) fn get(&self, position: usize) -> &'a T {
        &self.records[self.place(position)]
    }
}

/// Iterates over picked records.
pub(super) struct Picked<'r, 'a, T> {
    records: &'a [T],
    places: std::slice::Iter<'r, usize>,
}

impl<T> Clone for Picked<'_, '_, T> {
    fn clone(&self) -> Self {
        Self { records: self.records, places: self.places.clone() }
    }
}

impl<'a, T> Iterator for Picked<'_, 'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        self.places.next().map(|&place| &self.records[place])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.places.size_hint()
    }
}

impl<T> ExactSizeIterator for Picked<'_, '_, T> {}

impl<'a, T: RootRecord> Group<'a, T> {
    pub(super) fn partition(&self) -> HivePartition<&'a T> {
        HivePartition { partition: self.key.as_str().to_owned(), records: self.rows.iter().collect() }
    }
}

/// Groups records by their partition keys, in key order.
pub(super) fn group<T: RootRecord>(records: &[T]) -> Result<Vec<Group<'_, T>>> {
    let mut groups: Vec<(PartitionKey, Vec<usize>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut key = String::new();
    // Neighbours are often of one partition.
    let mut last: Option<usize> = None;
    for (row, record) in records.iter().enumerate() {
        key.clear();
        record.partition_key(&mut key).map_err(|error| unfit(error.at_row(row)))?;
        let place = match last.filter(|&last| groups[last].0.as_str() == key) {
            Some(last) => last,
            None => match places.entry(key.clone()) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let legal = PartitionKey::parse(&key, T::description().partition);
                    groups.push((legal.map_err(|error| error.context(format!("row {row}")))?, Vec::new()));
                    *new.insert(groups.len() - 1)
                }
            },
        };
        groups[place].1.push(row);
        last = Some(place);
    }
    groups.sort_by(|(a, _), (b, _)| a.cmp(b));
    let all = groups.len() == 1;
    let rows = |picked: Vec<usize>| Rows { records, picked: (!all).then_some(picked) };
    Ok(groups.into_iter().map(|(key, picked)| Group { key, rows: rows(picked) }).collect())
}

/// The error for a value that does not fit: row and column of the caller's slice.
pub(super) fn unfit(error: RowError) -> Error {
    Error::invalid_input(error.to_string())
}
