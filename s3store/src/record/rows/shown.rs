//! `Debug` of the fields of rows.

use std::fmt::{self, Debug};
use std::ops::Deref;

/// A field of a row that is printed.
///
/// A row always implements `Debug`, also if a field's type does not. `(&Shown(field)).shown()` calls the method of
/// [`ShownAsItIs`] if the type does, and otherwise that of [`ShownAsHidden`], which needs one more reference. A bound for each
/// field would be ambiguous: different types of fields have the same borrowed form.
pub struct Shown<'a, T>(pub &'a T);

/// Prints a struct with these fields.
///
/// # Errors
/// The formatter failed.
pub fn fmt_row(f: &mut fmt::Formatter<'_>, name: &str, fields: &[(&str, &dyn Debug)]) -> fmt::Result {
    let mut row = f.debug_struct(name);
    for (field, value) in fields {
        row.field(field, value);
    }
    row.finish()
}

/// Prints a field whose type implements `Debug`.
pub trait ShownAsItIs<'a> {
    /// Returns the field.
    fn shown(&self) -> &'a dyn Debug;
}

impl<'a, T: Debug> ShownAsItIs<'a> for Shown<'a, T> {
    fn shown(&self) -> &'a dyn Debug {
        self.0
    }
}

/// Prints `_` for a field whose type does not implement `Debug`.
pub trait ShownAsHidden<'a> {
    /// Returns a value that prints as `_`.
    fn shown(&self) -> &'a dyn Debug;
}

impl<'a, T> ShownAsHidden<'a> for &Shown<'a, T> {
    fn shown(&self) -> &'a dyn Debug {
        &Hidden
    }
}

struct Hidden;

impl Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

/// The row of a struct that its derive reports as wrong. It has the struct's fields, so that no use of it is a further error.
pub struct WholeRow<'a, T>(&'a T);

impl<T> Clone for WholeRow<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for WholeRow<'_, T> {}

impl<T> Debug for WholeRow<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hidden.fmt(f)
    }
}

impl<T> Deref for WholeRow<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}
