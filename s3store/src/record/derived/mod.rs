//! What derived code calls, so that there is little of it.

mod enums;
mod nested;
mod projection;

pub use enums::{EnumBuilder, EnumInteger, EnumReader, EnumText, enum_of};
pub use nested::{StructReader, Validity, struct_array};
pub use projection::Reading;

use arrow_array::ArrayRef;

use super::{ColumnNode, ColumnType, EntityColumn, RowError, ValueError, VersionColumn};

/// A field of a record: a column by name, whose errors say which column and row it was.
///
/// Every [`ColumnType`] is one. Derived code reaches a field's type through this trait alone, so that the compiler says
/// once what a type lacks.
pub trait Field<E>: ColumnType<E> {
    /// The column's description. `default` makes an array of one element.
    fn node(
        name: &'static str,
        aliases: &'static [&'static str],
        default: fn() -> Result<ArrayRef, ValueError>,
        default_for_nulls: bool,
    ) -> ColumnNode;

    /// An array of one element.
    ///
    /// # Errors
    /// The value does not fit its column.
    fn single(value: Self) -> Result<ArrayRef, ValueError>;

    /// See [`ColumnType::measure`].
    fn add(value: &Self, size: &mut Self::Size);

    /// See [`ColumnType::builder`].
    fn start(rows: usize, size: &Self::Size) -> Self::Builder;

    /// See [`ColumnType::push`].
    ///
    /// # Errors
    /// The value does not fit its column.
    fn append(value: &Self, builder: &mut Self::Builder, row: usize, name: &str) -> Result<(), RowError>;

    /// See [`ColumnType::finish`].
    ///
    /// # Errors
    /// The values are no array.
    fn end(builder: Self::Builder, name: &str) -> Result<ArrayRef, RowError>;

    /// A reader of the column at `index`.
    ///
    /// # Errors
    /// There is none, or it has another type.
    fn open(columns: &[ArrayRef], index: usize, name: &str) -> Result<Self::Reader, RowError>;

    /// The value of a row.
    ///
    /// # Errors
    /// It is a null, or none of this type.
    fn read(reader: &Self::Reader, row: usize, name: &str) -> Result<Self, RowError>;
}

impl<T: ColumnType<E>, E> Field<E> for T {
    fn node(
        name: &'static str,
        aliases: &'static [&'static str],
        default: fn() -> Result<ArrayRef, ValueError>,
        default_for_nulls: bool,
    ) -> ColumnNode {
        ColumnNode { aliases, default: Some(default), default_for_nulls, ..ColumnNode::of::<T, E>(name) }
    }

    fn single(value: Self) -> Result<ArrayRef, ValueError> {
        let mut builder = T::builder(1, &T::Size::default());
        T::push(&value, &mut builder)?;
        T::finish(builder)
    }

    #[inline]
    fn add(value: &Self, size: &mut Self::Size) {
        T::measure(value, size);
    }

    #[inline]
    fn start(rows: usize, size: &Self::Size) -> Self::Builder {
        T::builder(rows, size)
    }

    #[inline]
    fn append(value: &Self, builder: &mut Self::Builder, row: usize, name: &str) -> Result<(), RowError> {
        T::push(value, builder).map_err(|error| error.in_column(name).at_row(row))
    }

    fn end(builder: Self::Builder, name: &str) -> Result<ArrayRef, RowError> {
        T::finish(builder).map_err(|error| error.in_column(name).at_row(0))
    }

    fn open(columns: &[ArrayRef], index: usize, name: &str) -> Result<Self::Reader, RowError> {
        let column = columns.get(index).ok_or_else(|| ValueError::new("is not among the columns that were read"));
        column.and_then(|column| T::reader(column)).map_err(|error| error.in_column(name).at_row(0))
    }

    #[inline]
    fn read(reader: &Self::Reader, row: usize, name: &str) -> Result<Self, RowError> {
        T::get(reader, row).map_err(|error| error.in_column(name).at_row(row))
    }
}

/// What a field holds where a file has no column for it: its type's default.
#[diagnostic::on_unimplemented(
    message = "what does this field hold where a file has no column for it?",
    label = "has no `Default`",
    note = "older files may lack the column: say `#[record(default = …)]`, make it an `Option`, or implement `Default`"
)]
pub trait Missing: Sized {
    /// The default.
    fn missing() -> Self;
}

impl<T: Default> Missing for T {
    fn missing() -> Self {
        T::default()
    }
}

/// What a field holds that is not stored: its type's default.
#[diagnostic::on_unimplemented(
    message = "what does this field hold, which is not stored, when it is read?",
    label = "has no `Default`",
    note = "say `#[record(skip, default = …)]`, or implement `Default`"
)]
pub trait Skipped: Sized {
    /// The default.
    fn skipped() -> Self;
}

impl<T: Default> Skipped for T {
    fn skipped() -> Self {
        T::default()
    }
}

/// Compiles for what can identify an entity.
pub const fn entity<T: EntityColumn<E>, E>() {
    // Evaluated here, so that an `Option` in an `Option` is refused here too.
    let _ = T::NULLABLE;
}

/// Compiles for what can order versions.
pub const fn version<T: VersionColumn<E>, E>() {
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
