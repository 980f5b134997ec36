//! Fields that are taken from another record.

use arrow_array::ArrayRef;

use super::{in_row, open_reader};
use crate::record::{Column, ColumnType, RowError};

/// Reads a column of a record, for a projection of it.
pub struct ColumnReader<T: ColumnType<E>, E> {
    reader: T::Reader,
    name: &'static str,
}

impl<T: ColumnType<E>, E> ColumnReader<T, E> {
    /// Of the column at `index`, which is the record's `column`.
    ///
    /// # Errors
    /// There is none, or it has another type.
    pub fn open<R>(column: &Column<R, T, E>, columns: &[ArrayRef], index: usize) -> Result<Self, RowError> {
        let name = column.name();
        Ok(Self { reader: open_reader(T::reader, columns, index, name)?, name })
    }

    /// The value of a row.
    ///
    /// # Errors
    /// It is a null, or none of this type.
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
