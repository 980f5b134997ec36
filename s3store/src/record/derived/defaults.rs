//! The values of fields that a file has no column for.

/// A type whose default a field takes if a file has no column for it.
#[diagnostic::on_unimplemented(
    message = "the value of this field is not defined for files that do not have its column",
    label = "does not implement `Default`",
    note = "older files may lack the column: add `#[record(default = …)]`, make the field an `Option`, or implement \
            `Default`"
)]
pub trait ColumnDefault: Sized {
    /// Returns the default.
    fn column_default() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> ColumnDefault for T {
    fn column_default() -> Self {
        T::default()
    }
}

/// A type whose default a skipped field takes when a record is read.
#[diagnostic::on_unimplemented(
    message = "the value of this skipped field is not defined when a record is read",
    label = "does not implement `Default`",
    note = "add `#[record(skip, default = …)]`, or implement `Default`"
)]
pub trait SkippedDefault: Sized {
    /// Returns the default.
    fn skipped_default() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> SkippedDefault for T {
    fn skipped_default() -> Self {
        T::default()
    }
}
