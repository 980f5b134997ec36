//! The traits that make a type fit a column, and the constants that stand for a record's columns.

use std::borrow::Cow;
use std::marker::PhantomData;

use arrow_array::ArrayRef;
use arrow_cast::cast;

use super::derived::{Collect, ColumnReader, FieldOf, collector};
use super::types::invalid_array;
use super::{
    ColumnNode, DefaultValue, KeyPart, Plain, Reachable, RowColumn, RowError, Shape, ValueError, VecLayout, hold_column,
};

/// A type that fits a column under the encoding `E`, which the attributes of a field select.
///
/// The crate implements it for the types that its documentation lists. For your own type, derive it with
/// `#[derive(ColumnType)]` (nested structs, newtypes, enums without fields), or implement [`AsColumn`].
///
/// # Example
/// ```
/// use s3store::{ColumnType, Record};
///
/// #[derive(Debug, Clone, PartialEq, Default, ColumnType)]
/// struct Sku(String);
///
/// #[derive(Debug, Clone, PartialEq, Record)]
/// #[record(partition_by(sku))]
/// struct Sale {
///     sku: Sku,
///     tags: Vec<String>,
///     discount: Option<f64>,
/// }
/// ```
// An array is built in two passes over the rows: `measure` adds up what the builder must reserve, then `push` appends.
// No item takes `self`, so that importing this trait never changes the meaning of `vec.push(…)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fit a column",
    label = "not a column type",
    note = "derive `s3store::ColumnType` for it, implement `s3store::column::AsColumn`, or convert only this field with \
            `#[record(with = …)]`",
    note = "a Decimal needs its digits and decimal places, `#[record(decimal(18, 6))]`; use u64 and i64 instead of usize \
            and isize, whose size depends on the machine",
    note = "the attribute `timestamp` is for DateTime<Utc>, NaiveDateTime and NaiveTime, `decimal` for Decimal"
)]
pub trait ColumnType<E = Plain>: Sized {
    /// The measure of many values, for instance the bytes of all strings; `()` for values of fixed width.
    #[doc(hidden)]
    type Size: Default;
    /// Collects values into an array.
    #[doc(hidden)]
    type Builder;
    /// Reads values from the arrays of a column.
    #[doc(hidden)]
    type Reader;
    /// The layout of a `Vec` of this type: [`AsBytes`](super::AsBytes) for `u8`, [`AsList`](super::AsList) for others.
    #[doc(hidden)]
    type InVec: VecLayout<Self, E>;
    /// The column in [`Rows`](crate::read::Rows), whose values borrow.
    #[doc(hidden)]
    type InRows: RowColumn;
    /// The order of the stored values: [`Total`](super::Total), [`TotalText`](super::TotalText),
    /// [`Partial`](super::Partial), [`Nullable`](super::Nullable) or [`Unordered`](super::Unordered).
    #[doc(hidden)]
    type Order;
    /// If `true`, the column may contain nulls.
    #[doc(hidden)]
    const NULLABLE: bool = false;
    /// If `true`, a read may return another value than was written. See [`stored`](Self::stored).
    #[doc(hidden)]
    const LOSSY: bool = false;

    /// Returns the shape of the column.
    #[doc(hidden)]
    fn shape() -> Shape;
    /// Returns the texts of all values that an enum has. Empty for types with any values.
    #[doc(hidden)]
    fn values() -> Vec<String> {
        Vec::new()
    }
    /// Adds this value to `size`, an estimate beyond which a builder grows.
    #[doc(hidden)]
    fn measure(value: &Self, size: &mut Self::Size);
    /// Creates a builder for `rows` values, which together measure `size`.
    #[doc(hidden)]
    fn builder(rows: usize, size: &Self::Size) -> Self::Builder;
    /// Appends this value. After an error the builder must not be used.
    #[doc(hidden)]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError>;
    /// Appends a null.
    #[doc(hidden)]
    fn push_null(builder: &mut Self::Builder);
    /// Builds the array, in the write type.
    #[doc(hidden)]
    fn finish(builder: Self::Builder) -> Result<ArrayRef, ValueError>;
    /// Creates a reader of an array of the read type. A wrong type is an error, never a panic.
    ///
    /// Timestamps and times of day may have any unit: if the unit of a file is finer than that of the field, the array
    /// keeps it, so that no digit is lost.
    #[doc(hidden)]
    fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError>;
    /// Returns `true` if the value of a row is null.
    #[doc(hidden)]
    fn is_null(reader: &Self::Reader, row: usize) -> bool;
    /// Returns the value of a row. A null is an error unless the type is nullable.
    #[doc(hidden)]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError>;
    /// Takes an array of the read type for [`Rows`](crate::read::Rows), and checks the values of `rows`.
    #[doc(hidden)]
    fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError>;

    /// Returns the value as a read returns it, if that may differ: a time is truncated to the column's unit, a decimal has
    /// the column's decimal places, a conversion may normalize. Partition keys and views are made from this value.
    #[doc(hidden)]
    #[inline]
    fn stored(value: &Self) -> Result<Option<Self>, ValueError> {
        if Self::LOSSY { written_and_read::<Self, E>(value).map(Some) } else { Ok(None) }
    }

    /// Returns the value as a part of a key, whose order is that of the stored values. A time keeps all its digits, because
    /// a file may have more than the column's unit.
    #[doc(hidden)]
    fn key_part(value: &Self) -> Result<KeyPart, ValueError> {
        KeyPart::of_single(&array_of::<Self, E>(value)?)
    }

    /// Returns the parts of a key that are read as this value. An enum's variant may also have the texts of older files.
    #[doc(hidden)]
    fn equal_parts(value: &Self) -> Result<Vec<KeyPart>, ValueError> {
        Self::key_part(value).map(|part| vec![part])
    }

    /// Creates the collector of the column `name`, whose values `field` takes from records.
    #[doc(hidden)]
    fn collector<R, F>(name: &'static str, field: F) -> Box<dyn Collect<R>>
    where
        Self: 'static,
        E: 'static,
        F: Fn(&R) -> &Self + 'static,
    {
        collector::<R, Self, E, F>(name, field)
    }

    /// Creates a [`collector`](Self::collector) that is compiled once per type, for records with many fields.
    #[doc(hidden)]
    #[inline(never)]
    fn collector_outlined<R: 'static>(name: &'static str, field: fn(&R) -> &Self) -> Box<dyn Collect<R>>
    where
        Self: 'static,
        E: 'static,
    {
        collector::<R, Self, E, _>(name, field)
    }

    /// Builds an array of one element.
    #[doc(hidden)]
    #[inline(never)]
    fn single(value: Self) -> Result<ArrayRef, ValueError> {
        array_of::<Self, E>(&value)
    }

    /// Describes a column of this type. `default` builds an array of one element, if the field has the attribute.
    #[doc(hidden)]
    #[inline(never)]
    fn node(
        name: &'static str,
        aliases: &'static [&'static str],
        default: Option<fn() -> Result<ArrayRef, ValueError>>,
    ) -> ColumnNode {
        let aliases = aliases.iter().copied().map(Cow::Borrowed).collect();
        let default = default.map(DefaultValue::Made);
        ColumnNode { aliases, default, ..ColumnNode::of::<Self, E>(name) }
    }
}

/// Builds an array of one element.
pub(super) fn array_of<T: ColumnType<E>, E>(value: &T) -> Result<ArrayRef, ValueError> {
    let mut builder = T::builder(1, &T::Size::default());
    T::push(value, &mut builder)?;
    T::finish(builder)
}

/// Returns what a read returns for a value that was written.
fn written_and_read<T: ColumnType<E>, E>(value: &T) -> Result<T, ValueError> {
    let array = cast(&array_of::<T, E>(value)?, &ColumnNode::of::<T, E>("").read_type()).map_err(invalid_array)?;
    T::get(&T::reader(&array)?, 0)
}

/// A type of your own that is stored as another type.
///
/// Implement it if the derive of [`ColumnType`](macro@crate::ColumnType) does not fit, for instance to check or convert
/// values. The type can be an entity or version field if `Column` can. For types of other crates see [`ColumnWith`].
///
/// # Example
/// ```
/// use s3store::Record;
/// use s3store::column::{AsColumn, ValueError};
///
/// #[derive(Debug, Clone, PartialEq, Default)]
/// struct Money {
///     cents: i64,
/// }
///
/// impl AsColumn for Money {
///     type Column = i64;
///
///     fn to_column(&self) -> Result<i64, ValueError> {
///         Ok(self.cents)
///     }
///
///     fn from_column(cents: i64) -> Result<Self, ValueError> {
///         Ok(Money { cents })
///     }
/// }
///
/// #[derive(Debug, Clone, PartialEq, Record)]
/// #[record(partition_by(day))]
/// struct Sale {
///     day: String,
///     price: Money,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be stored in a column",
    label = "neither a column type nor converted to one",
    note = "derive `s3store::ColumnType` or implement `s3store::column::AsColumn` for a type of your crate"
)]
pub trait AsColumn: Sized {
    /// The type that is stored.
    type Column: ColumnType;

    /// Converts a value for storing.
    ///
    /// # Errors
    /// The value can't be stored. The write then fails before anything is sent.
    fn to_column(&self) -> Result<Self::Column, ValueError>;

    /// Converts a stored value back.
    ///
    /// # Errors
    /// The stored value is not valid. The read then fails with an error that names file, column and row.
    fn from_column(column: Self::Column) -> Result<Self, ValueError>;
}

/// A conversion of the foreign type `T`, for fields marked `#[record(with = path)]`. `path` names the type that
/// implements this trait.
///
/// # Example
/// ```
/// use std::net::Ipv4Addr;
///
/// use s3store::Record;
/// use s3store::column::{ColumnWith, ValueError};
///
/// struct AsNumber;
///
/// impl ColumnWith<Ipv4Addr> for AsNumber {
///     type Column = u32;
///
///     fn to_column(address: &Ipv4Addr) -> Result<u32, ValueError> {
///         Ok(address.to_bits())
///     }
///
///     fn from_column(bits: u32) -> Result<Ipv4Addr, ValueError> {
///         Ok(Ipv4Addr::from_bits(bits))
///     }
/// }
///
/// #[derive(Debug, Clone, PartialEq, Record)]
/// #[record(partition_by(day))]
/// struct Request {
///     day: String,
///     #[record(with = AsNumber, default = Ipv4Addr::UNSPECIFIED)]
///     client: Ipv4Addr,
/// }
/// ```
pub trait ColumnWith<T> {
    /// The type that is stored.
    type Column: ColumnType;

    /// Converts a value for storing.
    ///
    /// # Errors
    /// The value can't be stored. The write then fails before anything is sent.
    fn to_column(value: &T) -> Result<Self::Column, ValueError>;

    /// Converts a stored value back.
    ///
    /// # Errors
    /// The stored value is not valid. The read then fails with an error that names file, column and row.
    fn from_column(column: Self::Column) -> Result<T, ValueError>;
}

/// A column of a record, as a constant: `<Cost as Record>::COLUMNS.sku`.
///
/// The derives of projections and views refer to these constants, so that the compiler checks their fields.
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

    /// Creates the column of the field marked `inserted_at`.
    #[doc(hidden)]
    #[must_use]
    pub const fn inserted_at(name: &'static str, field: fn(&R) -> &T) -> Self {
        Self { set_by_write: true, ..Self::new(name, field) }
    }

    /// Returns `true` if the write sets this column and ignores the field of the record.
    #[doc(hidden)]
    #[must_use]
    pub const fn is_set_by_write(&self) -> bool {
        self.set_by_write
    }

    /// Returns the field of a record as a read returns it, if that may differ.
    ///
    /// # Errors
    /// The value does not fit the column.
    #[doc(hidden)]
    pub fn stored(&self, record: &R) -> Result<Option<T>, ValueError>
    where
        T: ColumnType<E>,
    {
        self.stored_value(self.of(record))
    }

    /// Returns a value as a read returns it, if that may differ.
    ///
    /// # Errors
    /// The value does not fit the column.
    #[doc(hidden)]
    pub fn stored_value(&self, value: &T) -> Result<Option<T>, ValueError>
    where
        T: ColumnType<E>,
    {
        T::stored(value).map_err(|error| error.in_column(self.name))
    }

    /// Returns the field of a record.
    #[doc(hidden)]
    #[must_use]
    pub fn of<'r>(&self, record: &'r R) -> &'r T {
        (self.field)(record)
    }

    /// Opens a reader of this column, which is at `index` in `columns` and has the read type.
    ///
    /// # Errors
    /// The column is missing, or has another type.
    #[doc(hidden)]
    pub fn reader(&self, columns: &[ArrayRef], index: usize) -> Result<ColumnReader<T, E>, RowError>
    where
        T: ColumnType<E>,
    {
        ColumnReader::open(self, columns, index)
    }

    /// Opens a reader of this column for a projection's field of type `F`, which must be the column's.
    ///
    /// # Errors
    /// The column is missing, or has another type.
    // A method of the column, so that the compiler knows its type before it compares the field's.
    #[doc(hidden)]
    pub fn reader_as<F>(&self, columns: &[ArrayRef], index: usize) -> Result<ColumnReader<F, E>, RowError>
    where
        F: FieldOf<T> + ColumnType<E>,
    {
        ColumnReader::open(self, columns, index)
    }

    /// Takes the array of this column for the rows of a projection, whose field has the type `F`.
    ///
    /// # Errors
    /// A value is null or not valid, or the array is missing or has another type.
    #[doc(hidden)]
    pub fn hold_as<F>(&self, arrays: &[ArrayRef], index: usize, rows: &Reachable) -> Result<F::InRows, ValueError>
    where
        F: ColumnType<E>,
    {
        hold_column(F::hold, arrays, index, rows)
    }

    /// Returns the column's name in the files.
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
