//! Fields of projections, which read the columns of another record.

use arrow_array::ArrayRef;

use super::{in_row, open_reader};
use crate::record::{Column, ColumnType, RowError};

/// The type of a projection's field, where the record's field has the type `U`. Only `U` itself fits.
#[diagnostic::on_unimplemented(
    message = "the projection's field is `{Self}`, but the record's field is `{U}`",
    label = "make it `{U}`"
)]
pub trait FieldOf<U> {}

#[diagnostic::do_not_recommend]
impl<T> FieldOf<T> for T {}

/// A reader of a record's column, for a projection of the record.
pub struct ColumnReader<T: ColumnType<E>, E> {
    reader: T::Reader,
    name: &'static str,
}

impl<T: ColumnType<E>, E> ColumnReader<T, E> {
    /// Opens a reader of the record's `column`, which is at `index` in `columns`.
    ///
    /// # Errors
    /// `columns` has no such index, or the array has another type.
    pub(crate) fn open<R, U>(column: &Column<R, U, E>, columns: &[ArrayRef], index: usize) -> Result<Self, RowError> {
        let name = column.name();
        Ok(Self { reader: open_reader(T::reader, columns, index, name)?, name })
    }

    /// Returns the value of a row.
    ///
    /// # Errors
    /// The value is null, or not valid for the type `T`.
    #[inline]
    pub fn read(&self, row: usize) -> Result<T, RowError> {
        in_row(T::get(&self.reader, row), self.name, row)
    }
}

impl<T: ColumnType<E>, E> std::fmt::Debug for ColumnReader<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ColumnReader({})", self.name)
    }
}
