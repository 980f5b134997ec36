//! Functions that derived code calls, so that the code itself stays short and compiles fast.

use arrow_array::ArrayRef;

use crate::record::{EntityColumn, RowError, ValueError, VersionColumn};

/// Opens a reader of the column at `index`. `reader` is [`ColumnType::reader`](crate::ColumnType::reader).
///
/// # Errors
/// The column is missing or has another type.
pub fn open_reader<R>(
    reader: fn(&ArrayRef) -> Result<R, ValueError>,
    columns: &[ArrayRef],
    index: usize,
    name: &str,
) -> Result<R, RowError> {
    let column = columns.get(index).ok_or_else(|| ValueError::new("is not among the columns that were read"));
    in_row(column.and_then(reader), name, 0)
}

/// Reads the value of a row by `get`, in a function that is compiled once per type and not once per field.
///
/// # Errors
/// The error of `get`, with column and row.
#[inline(never)]
pub fn read_outlined<R, T>(
    get: impl Fn(&R, usize) -> Result<T, ValueError>,
    reader: &R,
    row: usize,
    name: &str,
) -> Result<T, RowError> {
    in_row(get(reader, row), name, row)
}

/// Calls `f` in a separate function, because rustc is slow to compile one large function.
#[inline(never)]
pub fn outlined<T>(f: impl FnOnce() -> T) -> T {
    f()
}

/// Calls each function of a table. A table of small functions compiles faster than one large function.
pub fn call_each<T>(functions: &[fn() -> T]) -> Vec<T> {
    functions.iter().map(|function| function()).collect()
}

/// Adds the column and the row to an error.
///
/// # Errors
/// The error of `result`.
#[inline]
pub fn in_row<T>(result: Result<T, ValueError>, name: &str, row: usize) -> Result<T, RowError> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => Err(locate(error, name, row)),
    }
}

#[cold]
#[inline(never)]
fn locate(error: ValueError, name: &str, row: usize) -> RowError {
    error.in_column(name).at_row(row)
}

/// Adds the column to an error.
///
/// # Errors
/// The error of `result`.
#[inline]
pub fn in_column<T>(result: Result<T, ValueError>, name: &str) -> Result<T, ValueError> {
    result.map_err(|error| error.in_column(name))
}

/// Compiles only if `T` can identify an entity.
pub const fn assert_entity<T: EntityColumn<E>, E>() {
    // Evaluates the assertions of the constant, for instance that an `Option` does not contain an `Option`.
    let _ = T::NULLABLE;
}

/// Compiles only if `T` can order versions.
pub const fn assert_version<T: VersionColumn<E>, E>() {
    let _ = T::NULLABLE;
}
