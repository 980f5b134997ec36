//! The values of fields that a file has no column for.

/// A type whose default a field marked `default` takes if a file has no column for it.
#[diagnostic::on_unimplemented(
    message = "`default` needs a value for this field, because its type has none",
    label = "does not implement `Default`",
    note = "add the value, `#[record(default = …)]`, or implement `Default`"
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
