//! What derived code calls, so that there is little of it.

mod collect;
mod enums;
mod nested;
mod projection;
mod view;

pub(crate) use collect::collector;
pub use collect::{Collect, collectors, encode_columns, placeholder};
pub use enums::{EnumBuilder, EnumInteger, EnumReader, EnumText, enum_from_integer};
pub use nested::{StructReader, Validity, struct_array};
pub use projection::ColumnReader;
pub use view::{ViewColumn, tuple_values};

use arrow_array::ArrayRef;

use super::{EntityColumn, RowError, ValueError, VersionColumn};

/// A reader of the column at `index`, by [`ColumnType::reader`](crate::ColumnType::reader).
///
/// # Errors
/// There is none, or it has another type.
pub fn open_reader<R>(
    reader: fn(&ArrayRef) -> Result<R, ValueError>,
    columns: &[ArrayRef],
    index: usize,
    name: &str,
) -> Result<R, RowError> {
    let column = columns.get(index).ok_or_else(|| ValueError::new("is not among the columns that were read"));
    in_row(column.and_then(reader), name, 0)
}

#[cold]
#[inline(never)]
fn place(error: ValueError, name: &str, row: usize) -> RowError {
    error.in_column(name).at_row(row)
}

/// What each function makes: a table of small functions compiles faster than one with all of it.
pub fn call_each<T>(make: &[fn() -> T]) -> Vec<T> {
    make.iter().map(|make| make()).collect()
}

/// The value of a row, by `ColumnType::get`, read by a function that is compiled once a type.
///
/// # Errors
/// It is a null, or none of its type.
#[inline(never)]
pub fn read_outlined<R, T>(
    get: impl Fn(&R, usize) -> Result<T, ValueError>,
    reader: &R,
    row: usize,
    name: &str,
) -> Result<T, RowError> {
    in_row(get(reader, row), name, row)
}

/// What `make` makes, in a function that is compiled by itself.
#[inline(never)]
pub fn outlined<T>(make: impl FnOnce() -> T) -> T {
    make()
}

/// Names the column and the row of an error.
///
/// # Errors
/// The one that is given.
#[inline]
pub fn in_row<T>(result: Result<T, ValueError>, name: &str, row: usize) -> Result<T, RowError> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => Err(place(error, name, row)),
    }
}

/// What a field holds where a file has no column for it: its type's default.
#[diagnostic::on_unimplemented(
    message = "what does this field hold where a file has no column for it?",
    label = "has no `Default`",
    note = "older files may lack the column: say `#[record(default = …)]`, make it an `Option`, or implement `Default`"
)]
pub trait ColumnDefault: Sized {
    /// The default.
    fn column_default() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> ColumnDefault for T {
    fn column_default() -> Self {
        T::default()
    }
}

/// What a field holds that is not stored: its type's default.
#[diagnostic::on_unimplemented(
    message = "what does this field hold, which is not stored, when it is read?",
    label = "has no `Default`",
    note = "say `#[record(skip, default = …)]`, or implement `Default`"
)]
pub trait SkippedDefault: Sized {
    /// The default.
    fn skipped_default() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> SkippedDefault for T {
    fn skipped_default() -> Self {
        T::default()
    }
}

/// Compiles for what can identify an entity.
pub const fn assert_entity<T: EntityColumn<E>, E>() {
    // Evaluated here, so that an `Option` in an `Option` is refused here too.
    let _ = T::NULLABLE;
}

/// Compiles for what can order versions.
pub const fn assert_version<T: VersionColumn<E>, E>() {
    let _ = T::NULLABLE;
}

/// Names the column of an error.
///
/// # Errors
/// The one that is given.
#[inline]
pub fn in_column<T>(result: Result<T, ValueError>, name: &str) -> Result<T, ValueError> {
    result.map_err(|error| error.in_column(name))
}
