//! Functions and traits that derived views use.

use std::fmt::Display;

use crate::record::{PartitionValue, ValueError, ViewValue};

/// A type that can be a column of a view. It stands in for [`ViewValue`], so that the compiler reports one error for a type
/// and not one for each trait that the type lacks.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be rendered as text for a view's column",
    label = "can't be a column of a view",
    note = "a view's columns are strings, integers, bool, dates, times in UTC, UUIDs and enums without fields; convert \
            other types with a function: `#[view(with = function(field))]`"
)]
pub trait ViewColumn: Sized {
    /// The kind of the column in selections.
    type Kind;

    /// Appends the text of a value.
    ///
    /// # Errors
    /// The value can't be rendered.
    fn push(&self, text: &mut String) -> Result<(), ValueError>;

    /// Parses a value.
    ///
    /// # Errors
    /// The text is not a value of this type.
    fn parse(text: &str) -> Result<Self, ValueError>;
}

#[diagnostic::do_not_recommend]
impl<T: ViewValue> ViewColumn for T {
    type Kind = T::Kind;

    #[inline]
    fn push(&self, text: &mut String) -> Result<(), ValueError> {
        PartitionValue::render(self, text)
    }

    fn parse(text: &str) -> Result<Self, ValueError> {
        ViewValue::parse(text)
    }
}

/// A type that a view's function returns for a column of the type `T`.
#[diagnostic::on_unimplemented(
    message = "a view's function must return an `Option` of its column's type, or a `Result` of one",
    label = "expected `Option<{T}>` or `Result<Option<{T}>, E>`, found `{Self}`",
    note = "`None` puts no marker for the record; an error fails the write"
)]
pub trait ViewResult<T> {
    /// Returns the value, or `None` if the record has no marker.
    ///
    /// # Errors
    /// The function failed.
    fn into_value(self) -> Result<Option<T>, ValueError>;
}

impl<T> ViewResult<T> for Option<T> {
    #[inline]
    fn into_value(self) -> Result<Option<T>, ValueError> {
        Ok(self)
    }
}

impl<T, E: Display> ViewResult<T> for Result<Option<T>, E> {
    #[inline]
    fn into_value(self) -> Result<Option<T>, ValueError> {
        self.map_err(ValueError::new)
    }
}

/// Returns the values of a tuple, one per column.
///
/// # Errors
/// The number of values differs from the number of columns.
pub fn tuple_values<'v, const COLUMNS: usize>(values: &[&'v str]) -> Result<[&'v str; COLUMNS], ValueError> {
    values
        .try_into()
        .map_err(|_| ValueError::new(format_args!("{} values for a view of {COLUMNS} columns", values.len())))
}
