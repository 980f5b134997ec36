//! What a derived view calls.

use crate::record::{PartitionValue, ValueError, ViewValue};

/// A [`ViewValue`] by one trait, so that what a type lacks is said once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no text for a view's column",
    label = "can't be a column of a view",
    note = "a view's columns are strings, integers, bool, dates, times in UTC, UUIDs and enums without fields; others by \
            a function, `#[view(with = function(field))]`"
)]
pub trait ViewColumn: Sized {
    /// What selects values of the column.
    type Kind;

    /// Appends the text of a value.
    ///
    /// # Errors
    /// A value that has no text.
    fn push(&self, text: &mut String) -> Result<(), ValueError>;

    /// The value back from its text.
    ///
    /// # Errors
    /// Text that is none of this type's.
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

/// The values of a tuple, one per column.
///
/// # Errors
/// There are more or fewer.
pub fn tuple_values<'v, const COLUMNS: usize>(values: &[&'v str]) -> Result<[&'v str; COLUMNS], ValueError> {
    values
        .try_into()
        .map_err(|_| ValueError::new(format_args!("{} values for a view of {COLUMNS} columns", values.len())))
}
