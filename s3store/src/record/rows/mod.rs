//! Rows that borrow from the columns of a batch.
//!
//! A batch is checked once, when its columns become [`RowColumn`]s. Its rows are then made without errors and allocations.
//! Types without a borrowed form are decoded for the whole batch at that time.

mod columns;
mod iter;
mod list;
mod map;
mod reachable;
mod shown;

use std::marker::PhantomData;
use std::ops::Range;

use arrow_array::ArrayRef;

pub(crate) use self::columns::{BorrowingReader, NullableRows, NumberRows, ReaderRows, ValueRows};
pub use self::columns::{OwnedRows, StructRows};
pub(crate) use self::iter::Indexed;
pub use self::iter::Iter;
pub use self::list::List;
pub(crate) use self::list::ListRows;
pub use self::map::Map;
pub(crate) use self::map::MapRows;
pub use self::reachable::Reachable;
pub use self::shown::{Shown, ShownAsHidden, ShownAsItIs, WholeRow, fmt_row};
use super::{ColumnType, ValueError};

/// A column of [`Rows`](crate::read::Rows), which makes the values of its rows: `&str` for strings.
///
/// The column types of this crate and the derives choose it. You don't implement it.
pub trait RowColumn: Sized {
    /// The value of a row.
    type Value<'a>: Copy
    where
        Self: 'a;
    /// Neighbouring values, as the items of a list: a slice or a [`List`].
    type Items<'a>: Copy
    where
        Self: 'a;

    /// Returns the value of a row. Returns `None` if it is null, or there is no such row.
    #[doc(hidden)]
    fn get(&self, row: usize) -> Option<Self::Value<'_>>;

    /// Returns the values of some rows, which are not null. Returns `None` if there are no such rows.
    #[doc(hidden)]
    fn items(&self, rows: Range<usize>) -> Option<Self::Items<'_>>;
}

/// A struct whose rows borrow from columns: a record or a nested struct. The derives implement it.
///
/// Code that is generic over records needs `T: Record + RowStruct<Held: Send>` to read [`Rows<T>`](crate::read::Rows).
#[diagnostic::on_unimplemented(message = "`{Self}` is neither a record nor a nested struct, so it has no rows")]
pub trait RowStruct {
    /// The columns of the fields of a batch.
    type Held;
    /// A row, which has the struct's fields in borrowed form.
    type Row<'a>: Copy + std::fmt::Debug
    where
        Self: 'a;

    /// Takes the arrays of the fields and checks their values.
    ///
    /// # Errors
    /// A value is null or not valid, or an array is missing or has another type.
    #[doc(hidden)]
    fn hold(arrays: &[ArrayRef], rows: &Reachable) -> Result<Self::Held, ValueError>;

    /// Returns a row. Returns `None` if there is no such row.
    #[doc(hidden)]
    fn row(columns: &Self::Held, row: usize) -> Option<Self::Row<'_>>;
}

/// The form that a record stores a field in, for projections, which don't know the attributes of their record's fields. `FIELD`
/// is the hash of the field's name. Implemented for [`Record::Columns`](super::Record::Columns).
#[diagnostic::on_unimplemented(
    message = "the record has no column for this field of the projection",
    label = "not a column of the record"
)]
pub trait FieldForm<const FIELD: u64> {
    /// [`Encoded`], [`Converted`] or [`ConvertedOption`].
    type Form;
}

/// The form of a field with the encoding `E`, which is not a conversion.
#[derive(Debug)]
pub struct Encoded<E>(PhantomData<E>);

/// The form of a field that is converted, by [`With`](super::With). It does not name the conversion, which may be private.
#[derive(Debug)]
pub enum Converted {}

/// The form of a field whose value in an `Option` is converted, by [`WithOption`](super::WithOption).
#[derive(Debug)]
pub enum ConvertedOption {}

/// The column of a projection's field whose record stores it in the form `F`: that of the record's field.
pub trait InForm<F> {
    /// The column.
    type InRows: RowColumn;
}

impl<T: ColumnType<E>, E> InForm<Encoded<E>> for T {
    type InRows = T::InRows;
}

impl<T> InForm<Converted> for T {
    type InRows = OwnedRows<T>;
}

impl<T> InForm<ConvertedOption> for Option<T> {
    type InRows = NullableRows<OwnedRows<T>>;
}

/// Takes the array of a field by `hold`, which is [`ColumnType::hold`].
///
/// # Errors
/// A value is null or not valid, or the array is missing or has another type.
pub fn hold_column<C>(
    hold: fn(&ArrayRef, &Reachable) -> Result<C, ValueError>,
    arrays: &[ArrayRef],
    index: usize,
    rows: &Reachable,
) -> Result<C, ValueError> {
    let array = arrays.get(index).ok_or_else(|| ValueError::new("a column is not among those that were read"))?;
    hold(array, rows)
}

#[cfg(test)]
mod tests;
