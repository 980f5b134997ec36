//! Columns of lists, and the lists in their rows.

use std::fmt;
use std::ops::Range;

use arrow_array::{ArrayRef, ListArray};

use super::{Indexed, Iter, Reachable, RowColumn};
use crate::record::types::{ItemRanges, mismatch};
use crate::record::{ColumnType, ValueError};

/// A list in a row of [`Rows`](crate::read::Rows), which borrows its items from the batch.
///
/// Lists of numbers, `bool`s, dates and times, `Decimal`s and `Uuid`s are slices instead.
///
/// # Example
/// ```
/// # #[derive(s3store::Record)]
/// # #[record(partition_by(day))]
/// # struct Sale { day: String, tags: Vec<String> }
/// fn is_gift(sale: s3store::read::Row<'_, Sale>) -> bool {
///     sale.tags.len() > 1 && sale.tags.iter().any(|tag| tag == "gift")
/// }
/// ```
pub struct List<'a, C> {
    column: &'a C,
    start: usize,
    end: usize,
}

impl<'a, C: RowColumn> List<'a, C> {
    pub(super) fn new(column: &'a C, rows: Range<usize>) -> Self {
        Self { column, start: rows.start, end: rows.end }
    }

    /// Returns the number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Returns `true` if there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns an item.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<C::Value<'a>> {
        if index < self.len() { self.column.get(self.start.checked_add(index)?) } else { None }
    }

    /// Iterates over the items in order.
    #[must_use]
    pub fn iter(&self) -> Iter<Self> {
        Iter::new(*self, self.len())
    }
}

impl<'a, C: RowColumn> Indexed for List<'a, C> {
    type Item = C::Value<'a>;

    #[inline]
    fn at(&self, index: usize) -> Option<C::Value<'a>> {
        self.get(index)
    }
}

impl<'a, C: RowColumn> IntoIterator for List<'a, C> {
    type Item = C::Value<'a>;
    type IntoIter = Iter<Self>;

    fn into_iter(self) -> Iter<Self> {
        self.iter()
    }
}

impl<C> Clone for List<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for List<'_, C> {}

impl<'a, C: RowColumn> fmt::Debug for List<'a, C>
where
    C::Value<'a>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

/// A column of lists. `C` is the column of all their items.
#[derive(Debug)]
pub struct ListRows<C> {
    ranges: ItemRanges,
    items: C,
}

impl<C> ListRows<C> {
    /// Takes a column of `Vec<T>`.
    pub(crate) fn hold<T, E>(array: &ArrayRef, rows: &Reachable) -> Result<Self, ValueError>
    where
        T: ColumnType<E, InRows = C>,
    {
        let Some(lists) = array.as_any().downcast_ref::<ListArray>() else {
            return Err(mismatch(array, &"a list"));
        };
        rows.check_no_nulls(lists)?;
        let items = T::hold(lists.values(), &rows.items_of_lists(lists))?;
        Ok(Self { ranges: ItemRanges::new(lists.offsets(), lists), items })
    }
}

impl<C: RowColumn> RowColumn for ListRows<C> {
    type Value<'a>
        = C::Items<'a>
    where
        Self: 'a;
    type Items<'a>
        = List<'a, Self>
    where
        Self: 'a;

    #[inline]
    fn get(&self, row: usize) -> Option<C::Items<'_>> {
        self.items.items(self.ranges.get(row)?)
    }

    fn items(&self, rows: Range<usize>) -> Option<List<'_, Self>> {
        Some(List::new(self, rows))
    }
}
