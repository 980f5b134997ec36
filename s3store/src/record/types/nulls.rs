//! Which rows are null: nothing to do for a column without any.

use arrow_array::Array;
use arrow_buffer::{BooleanBufferBuilder, NullBuffer};

/// Collects which rows of an array are null. Costs nothing until the first null.
#[derive(Debug, Default)]
pub(crate) struct Nulls {
    valid: Option<BooleanBufferBuilder>,
}

impl Nulls {
    /// Marks `row` as null. Rows come in order; those that are never marked hold values.
    #[inline]
    pub(crate) fn push_null(&mut self, row: usize) {
        let valid = self.valid.get_or_insert_with(|| BooleanBufferBuilder::new(row + 1));
        let since = row.saturating_sub(valid.len());
        valid.append_n(since, true);
        valid.append(false);
    }

    /// The nulls of an array of `rows` rows; `None` if there are none.
    #[must_use]
    pub(crate) fn finish(self, rows: usize) -> Option<NullBuffer> {
        let mut valid = self.valid?;
        valid.append_n(rows.saturating_sub(valid.len()), true);
        Some(NullBuffer::new(valid.finish()))
    }
}

/// Says which rows of an array that is read are null.
#[derive(Debug, Clone)]
pub(crate) struct NullMask {
    /// `None` if no row is.
    nulls: Option<NullBuffer>,
}

impl NullMask {
    /// Of an array.
    #[must_use]
    pub(crate) fn of(array: &dyn Array) -> Self {
        Self { nulls: array.nulls().filter(|nulls| nulls.null_count() > 0).cloned() }
    }

    /// Whether the row is null. A row beyond the end is none.
    #[must_use]
    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match &self.nulls {
            None => false,
            Some(nulls) => row < nulls.len() && nulls.is_null(row),
        }
    }
}
