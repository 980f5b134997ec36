//! Columns of maps, and the maps in their rows.

use std::fmt;
use std::ops::Range;

use arrow_array::{Array, ArrayRef, MapArray, StringViewArray, UInt32Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use arrow_select::take::take;

use super::{Indexed, Iter, List, Reachable, ReaderRows, RowColumn};
use crate::record::types::{ItemRanges, TextReader, invalid_array, mismatch, typed};
use crate::record::{ColumnType, ValueError};

/// A map in a row of [`Rows`](crate::read::Rows), which borrows its entries from the batch.
///
/// The entries are in the order of their keys. If a file has a key twice in one map, the last entry counts.
///
/// # Example
/// ```
/// # use std::collections::BTreeMap;
/// # #[derive(s3store::Record)]
/// # #[record(partition_by(day))]
/// # struct Sale { day: String, labels: BTreeMap<String, i64> }
/// fn priority(sale: s3store::read::Row<'_, Sale>) -> i64 {
///     sale.labels.get("priority").unwrap_or(0)
/// }
/// ```
pub struct Map<'a, C> {
    column: &'a MapRows<C>,
    start: usize,
    end: usize,
}

impl<'a, C: RowColumn> Map<'a, C> {
    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Returns `true` if there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<C::Value<'a>> {
        let (mut start, mut end) = (self.start, self.end);
        while start < end {
            let middle = start + (end - start) / 2;
            match self.column.keys.get(middle)?.cmp(key) {
                std::cmp::Ordering::Less => start = middle + 1,
                std::cmp::Ordering::Equal => return self.column.values.get(middle),
                std::cmp::Ordering::Greater => end = middle,
            }
        }
        None
    }

    /// Iterates over the entries in the order of their keys.
    #[must_use]
    pub fn iter(&self) -> Iter<Self> {
        Iter::new(*self, self.len())
    }
}

impl<'a, C: RowColumn> Indexed for Map<'a, C> {
    type Item = (&'a str, C::Value<'a>);

    #[inline]
    fn at(&self, index: usize) -> Option<Self::Item> {
        let item = self.start.checked_add(index)?;
        Some((self.column.keys.get(item)?, self.column.values.get(item)?))
    }
}

impl<'a, C: RowColumn> IntoIterator for Map<'a, C> {
    type Item = (&'a str, C::Value<'a>);
    type IntoIter = Iter<Self>;

    fn into_iter(self) -> Iter<Self> {
        self.iter()
    }
}

impl<C> Clone for Map<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Map<'_, C> {}

impl<'a, C: RowColumn> fmt::Debug for Map<'a, C>
where
    C::Value<'a>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(*self).finish()
    }
}

/// The keys of the maps in a column.
type Keys = ReaderRows<TextReader>;

/// A column of maps. `C` is the column of all their values.
#[derive(Debug)]
pub struct MapRows<C> {
    ranges: ItemRanges,
    /// Ascending in each map, without duplicates.
    keys: Keys,
    values: C,
}

impl<C> MapRows<C> {
    /// Takes a column of maps to `V`.
    pub(crate) fn hold<V, E>(array: &ArrayRef, rows: &Reachable) -> Result<Self, ValueError>
    where
        V: ColumnType<E, InRows = C>,
    {
        let Some(maps) = array.as_any().downcast_ref::<MapArray>() else {
            return Err(mismatch(array, &"a map"));
        };
        rows.check_no_nulls(maps)?;
        let entries = rows.entries_of_maps(maps);
        let (keys, values) = (Keys::hold(maps.keys(), &entries)?, V::hold(maps.values(), &entries)?);
        let ranges = ItemRanges::new(maps.offsets(), maps);
        if is_ascending(&keys, &ranges, maps.len(), rows) {
            return Ok(Self { ranges, keys, values });
        }
        // All values were checked above, also those that another entry of the same key replaces.
        let (lengths, order) = ascending(maps, &ranges, rows)?;
        let keys = Keys::hold(&take(maps.keys(), &order, None).map_err(invalid_array)?, &Reachable::all())?;
        let values = V::hold(&take(maps.values(), &order, None).map_err(invalid_array)?, &Reachable::all())?;
        Ok(Self { ranges: ItemRanges::new(&OffsetBuffer::from_lengths(lengths), maps), keys, values })
    }
}

impl<C: RowColumn> RowColumn for MapRows<C> {
    type Value<'a>
        = Map<'a, C>
    where
        Self: 'a;
    type Items<'a>
        = List<'a, Self>
    where
        Self: 'a;

    #[inline]
    fn get(&self, row: usize) -> Option<Map<'_, C>> {
        let Range { start, end } = self.ranges.get(row)?;
        Some(Map { column: self, start, end })
    }

    fn items(&self, rows: Range<usize>) -> Option<List<'_, Self>> {
        Some(List::new(self, rows))
    }
}

/// Returns `true` if the keys of each map are in ascending order, without duplicates.
fn is_ascending(keys: &Keys, ranges: &ItemRanges, maps: usize, rows: &Reachable) -> bool {
    (0..maps).filter(|&row| rows.contains(row)).all(|row| {
        let range = ranges.get(row).unwrap_or_default();
        range.clone().skip(1).zip(range).all(|(item, before)| keys.get(before) < keys.get(item))
    })
}

/// Returns the number of different keys in each map, and the entries of all maps in the order of the keys in their map.
fn ascending(maps: &MapArray, ranges: &ItemRanges, rows: &Reachable) -> Result<(Vec<usize>, UInt32Array), ValueError> {
    let keys = typed::<StringViewArray>(maps.keys(), &DataType::Utf8View)?;
    let (mut lengths, mut order) = (Vec::with_capacity(maps.len()), Vec::new());
    for row in 0..maps.len() {
        let range = if rows.contains(row) { ranges.get(row).unwrap_or_default() } else { 0..0 };
        let mut items: Vec<usize> = range.collect();
        // Stable, so the last entry of a key remains the last one.
        items.sort_by_key(|&item| keys.value(item));
        items.reverse();
        items.dedup_by_key(|item| keys.value(*item));
        items.reverse();
        lengths.push(items.len());
        // arrow-rs has 32-bit offsets in maps.
        order.extend(items.into_iter().map(|item| item as u32));
    }
    Ok((lengths, UInt32Array::from(order)))
}
