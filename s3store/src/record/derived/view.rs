//! Functions and traits that derived views use.

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

/// Returns the values of a tuple, one per column.
///
/// # Errors
/// The number of values differs from the number of columns.
pub fn tuple_values<'v, const COLUMNS: usize>(values: &[&'v str]) -> Result<[&'v str; COLUMNS], ValueError> {
    values
        .try_into()
        .map_err(|_| ValueError::new(format_args!("{} values for a view of {COLUMNS} columns", values.len())))
}
