//! The machinery of columns: what a type needs to be one.

use std::marker::PhantomData;

use arrow_array::ArrayRef;

use super::derived::{Collect, ColumnReader, collector};
use super::{ColumnNode, Plain, RowError, Shape, ValueError, VecLayout};

/// A type that fits a column, under an encoding `E` that the field's attributes choose.
///
/// Implemented for the types listed in the crate's documentation. A type of your own gets it by
/// `#[derive(ColumnType)]` (nested structs, newtypes, unit enums) or by implementing [`AsColumn`].
///
/// An array is built in two passes over the rows, which is as fast as writing the buffers by hand: `measure` sums up
/// what the builder must reserve, then `push` appends. No item is a method: where this trait is imported, `vec.push(…)`
/// must stay what it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fit a column",
    label = "no column type",
    note = "give it one with `#[derive(s3store::ColumnType)]`, with `impl s3store::column::AsColumn`, or for this field alone \
            with `#[record(with = …)]`",
    note = "a Decimal needs its digits and places, `#[record(decimal(18, 6))]`; instead of usize and isize, which \
            differ between machines, use u64 and i64",
    note = "what says `timestamp` has a unit of time: DateTime<Utc>, NaiveDateTime, NaiveTime; what says `decimal` is a \
            Decimal"
)]
pub trait ColumnType<E = Plain>: Sized {
    /// What is summed up before building: bytes of strings, items of lists; `()` where the width is fixed.
    #[doc(hidden)]
    type Size: Default;
    /// Collects values.
    #[doc(hidden)]
    type Builder;
    /// Reads values: the typed arrays of a column.
    #[doc(hidden)]
    type Reader;
    /// How a `Vec` of this type is stored: [`AsList`](super::AsList), but for `u8`, whose `Vec` is bytes.
    #[doc(hidden)]
    type InVec: VecLayout<Self, E>;
    /// Whether the stored values have a total order: [`Total`](super::Total) or [`Unordered`](super::Unordered).
    #[doc(hidden)]
    type Order;
    /// Whether the column may hold nulls: true for `Option` alone.
    #[doc(hidden)]
    const NULLABLE: bool = false;

    /// The shape of the column.
    #[doc(hidden)]
    fn shape() -> Shape;
    /// Adds this value to `size`. A guess: a builder grows beyond it.
    #[doc(hidden)]
    fn measure(value: &Self, size: &mut Self::Size);
    /// A builder for `rows` values of `size` in all.
    #[doc(hidden)]
    fn builder(rows: usize, size: &Self::Size) -> Self::Builder;
    /// Appends this value. After an error the builder is of no further use.
    #[doc(hidden)]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError>;
    /// Appends a null.
    #[doc(hidden)]
    fn push_null(builder: &mut Self::Builder);
    /// The array, in the write type.
    #[doc(hidden)]
    fn finish(builder: Self::Builder) -> Result<ArrayRef, ValueError>;
    /// A reader of an array of the read type. A wrong type is an error, never a panic.
    ///
    /// Timestamps and times of day may come in any unit, so that nothing is lost of a file whose unit is finer than
    /// the field's: what casts a file's columns to the read type leaves a finer unit alone. Values keep every digit.
    #[doc(hidden)]
    fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError>;
    /// Whether the value of a row is null. The row is one of the array's.
    #[doc(hidden)]
    fn is_null(reader: &Self::Reader, row: usize) -> bool;
    /// The value of a row. A null is an error, but for `Option`.
    #[doc(hidden)]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError>;

    /// The value as it comes back when it is read, where storing it cuts something off: a time to its column's unit.
    #[doc(hidden)]
    #[inline]
    fn stored(_value: &Self) -> Option<Self> {
        None
    }

    /// Collects the column `name` of records, from the field that `field` gives.
    #[doc(hidden)]
    fn collector<R, F>(name: &'static str, field: F) -> Box<dyn Collect<R>>
    where
        Self: 'static,
        E: 'static,
        F: Fn(&R) -> &Self + 'static,
    {
        collector::<R, Self, E, F>(name, field)
    }

    /// [`collector`](Self::collector) for a record of many fields: compiled once for all fields of this type.
    #[doc(hidden)]
    #[inline(never)]
    fn collector_outlined<R: 'static>(name: &'static str, field: fn(&R) -> &Self) -> Box<dyn Collect<R>>
    where
        Self: 'static,
        E: 'static,
    {
        collector::<R, Self, E, _>(name, field)
    }

    /// An array of one element.
    #[doc(hidden)]
    #[inline(never)]
    fn single(value: Self) -> Result<ArrayRef, ValueError> {
        let mut builder = Self::builder(1, &Self::Size::default());
        Self::push(&value, &mut builder)?;
        Self::finish(builder)
    }

    /// A column of this type. `default` makes an array of one element.
    #[doc(hidden)]
    #[inline(never)]
    fn node(
        name: &'static str,
        aliases: &'static [&'static str],
        default: fn() -> Result<ArrayRef, ValueError>,
        default_for_nulls: bool,
    ) -> ColumnNode {
        ColumnNode { aliases, default: Some(default), default_for_nulls, ..ColumnNode::of::<Self, E>(name) }
    }
}

/// A type of your own, stored as another type.
///
/// ```ignore
/// impl AsColumn for Money {
///     type Column = i64;
///
///     fn to_column(&self) -> Result<i64, ValueError> { Ok(self.cents) }
///
///     fn from_column(cents: i64) -> Result<Self, ValueError> { Ok(Money { cents }) }
/// }
/// ```
pub trait AsColumn: Sized {
    /// The type that is stored.
    type Column: ColumnType;

    /// The stored value.
    ///
    /// # Errors
    /// A value that can't be stored; the write is refused and nothing of it is sent.
    fn to_column(&self) -> Result<Self::Column, ValueError>;

    /// The value back from what is stored.
    ///
    /// # Errors
    /// A stored value that is none of this type; the read fails and names file, column and row.
    fn from_column(column: Self::Column) -> Result<Self, ValueError>;
}

/// How a foreign type `T` is stored, for `#[record(with = path)]`, where `path` names the type that implements this.
pub trait ColumnWith<T> {
    /// The type that is stored.
    type Column: ColumnType;

    /// The stored value.
    ///
    /// # Errors
    /// A value that can't be stored; the write is refused and nothing of it is sent.
    fn to_column(value: &T) -> Result<Self::Column, ValueError>;

    /// The value back from what is stored.
    ///
    /// # Errors
    /// A stored value that is none of this type; the read fails and names file, column and row.
    fn from_column(column: Self::Column) -> Result<T, ValueError>;
}

/// A column of a record, as a constant: `<Cost as Record>::COLUMNS.sku`.
///
/// Other derives name these constants, so that the compiler itself checks a projection's or a view's fields.
pub struct Column<R, T, E = Plain> {
    name: &'static str,
    field: fn(&R) -> &T,
    set_by_write: bool,
    encoding: PhantomData<fn() -> E>,
}

impl<R, T, E> Column<R, T, E> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, field: fn(&R) -> &T) -> Self {
        Self { name, field, set_by_write: false, encoding: PhantomData }
    }

    /// Of the field marked `inserted_at`.
    #[doc(hidden)]
    #[must_use]
    pub const fn inserted_at(name: &'static str, field: fn(&R) -> &T) -> Self {
        Self { set_by_write: true, ..Self::new(name, field) }
    }

    /// Whether what is in the field of a record is ignored, and the write sets it.
    #[doc(hidden)]
    #[must_use]
    pub const fn is_set_by_write(&self) -> bool {
        self.set_by_write
    }

    /// The field of a record as it comes back when it is read, where that differs.
    #[doc(hidden)]
    #[must_use]
    pub fn stored(&self, record: &R) -> Option<T>
    where
        T: ColumnType<E>,
    {
        T::stored(self.of(record))
    }

    /// The field of a record.
    #[doc(hidden)]
    #[must_use]
    pub fn of<'r>(&self, record: &'r R) -> &'r T {
        (self.field)(record)
    }

    /// Reads the column at `index` of some of the record's, with the read type.
    ///
    /// # Errors
    /// There is none, or it has another type.
    #[doc(hidden)]
    pub fn reader(&self, columns: &[ArrayRef], index: usize) -> Result<ColumnReader<T, E>, RowError>
    where
        T: ColumnType<E>,
    {
        ColumnReader::open(self, columns, index)
    }

    /// The column's name in the files.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<R, T, E> Clone for Column<R, T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, T, E> Copy for Column<R, T, E> {}

impl<R, T, E> std::fmt::Debug for Column<R, T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Column({})", self.name)
    }
}
