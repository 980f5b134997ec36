//! Which rows of an array belong to the rows of a batch.

use arrow_array::{Array, ListArray, MapArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, OffsetBuffer};

use crate::record::ValueError;

/// The rows of an array that the rows of a batch refer to. Rows below a null, and items outside of the ranges of lists, have
/// arbitrary values and are never returned, so they are not checked.
#[derive(Debug, Clone)]
pub struct Reachable {
    /// `None` if all rows are reachable.
    rows: Option<BooleanBuffer>,
}

impl Reachable {
    /// Returns all rows, as those of a batch.
    #[must_use]
    pub(crate) fn all() -> Self {
        Self { rows: None }
    }

    /// Returns the rows that are not null in `array`.
    #[must_use]
    pub(super) fn without_nulls(&self, array: &dyn Array) -> Self {
        let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else { return self.clone() };
        let rows = match &self.rows {
            Some(rows) => rows & nulls.inner(),
            None => nulls.inner().clone(),
        };
        Self { rows: Some(rows) }
    }

    /// Returns an error if a row is null in `array`.
    pub(super) fn check_no_nulls(&self, array: &dyn Array) -> Result<(), ValueError> {
        let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else { return Ok(()) };
        match &self.rows {
            Some(rows) if (rows & &!nulls.inner()).count_set_bits() == 0 => Ok(()),
            _ => Err(ValueError::null()),
        }
    }

    /// Returns `true` if the row is reachable.
    #[inline]
    pub(super) fn contains(&self, row: usize) -> bool {
        match &self.rows {
            None => true,
            Some(rows) => row < rows.len() && rows.value(row),
        }
    }

    /// Returns the items of the reachable rows of lists.
    pub(super) fn items_of_lists(&self, lists: &ListArray) -> Self {
        self.items(lists.offsets(), lists.values().len())
    }

    /// Returns the entries of the reachable rows of maps.
    pub(super) fn entries_of_maps(&self, maps: &MapArray) -> Self {
        self.items(maps.offsets(), maps.entries().len())
    }

    /// `offsets` are the starts of the rows' items, and the end of the last ones. `count` is the number of all items.
    fn items(&self, offsets: &OffsetBuffer<i32>, count: usize) -> Self {
        let ends = (offsets.first().copied(), offsets.last().copied());
        if self.rows.is_none() && ends == (Some(0), i32::try_from(count).ok()) {
            return Self::all();
        }
        let mut items = BooleanBufferBuilder::new(count);
        for (row, bounds) in offsets.windows(2).enumerate() {
            // arrow-rs rejects arrays with negative or decreasing offsets.
            if let &[start, end] = bounds
                && self.contains(row)
            {
                items.append_n((start as usize).saturating_sub(items.len()), false);
                items.append_n((end as usize).saturating_sub(items.len()), true);
            }
        }
        items.append_n(count.saturating_sub(items.len()), false);
        Self { rows: Some(items.finish()) }
    }
}
