//! Which rows of an array are null. Arrays without nulls pay nothing for it.

use arrow_array::Array;
use arrow_buffer::{BooleanBufferBuilder, NullBuffer};

/// Collects which rows of an array are null. Allocates only when it meets the first null.
#[derive(Debug, Default)]
pub(crate) struct NullsBuilder {
    valid: Option<BooleanBufferBuilder>,
}

impl NullsBuilder {
    /// Marks `row` as null. Rows must be marked in ascending order; a row that is never marked is not null.
    #[inline]
    pub(crate) fn push_null(&mut self, row: usize) {
        let valid = self.valid.get_or_insert_with(|| BooleanBufferBuilder::new(row + 1));
        let unmarked = row.saturating_sub(valid.len());
        valid.append_n(unmarked, true);
        valid.append(false);
    }

    /// Returns the nulls of an array of `rows` rows, or `None` if there are none.
    #[must_use]
    pub(crate) fn finish(self, rows: usize) -> Option<NullBuffer> {
        let mut valid = self.valid?;
        valid.append_n(rows.saturating_sub(valid.len()), true);
        Some(NullBuffer::new(valid.finish()))
    }
}

/// The nulls of an array that is read.
#[derive(Debug, Clone)]
pub(crate) struct NullMask {
    /// `None` if no row is null, which makes [`is_null`](Self::is_null) one comparison.
    nulls: Option<NullBuffer>,
}

impl NullMask {
    /// Takes the nulls of `array`.
    #[must_use]
    pub(crate) fn of(array: &dyn Array) -> Self {
        Self { nulls: array.nulls().filter(|nulls| nulls.null_count() > 0).cloned() }
    }

    /// Returns `true` if the row is null. A row beyond the end of the array is not.
    #[must_use]
    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match &self.nulls {
            None => false,
            Some(nulls) => row < nulls.len() && nulls.is_null(row),
        }
    }
}
