//! Entities and versions as values.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::{
    Comparison, Description, Literal, Predicate, ReadLayout, Record, RootRecord, Test, ValueError, per_second,
};
use crate::error::{Error, Result};
use crate::pattern::{Pattern, Segment};

/// A record with an entity and a version. Implemented by `#[derive(Record)]` for structs with the attributes `entity` and
/// `version`.
///
/// # Example
/// ```
/// use s3store::chrono::{DateTime, Utc};
/// use s3store::{Keyed, Record};
///
/// #[derive(Record)]
/// #[record(partition_by(customer))]
/// struct Invoice {
///     #[record(entity)]
///     customer: String,
///     #[record(entity)]
///     number: u32,
///     #[record(version)]
///     changed_at: DateTime<Utc>,
///     cents: i64,
/// }
///
/// # fn main() -> s3store::Result<()> {
/// let invoice = |number, cents| Invoice { customer: "abc".to_owned(), number, changed_at: DateTime::UNIX_EPOCH, cents };
/// assert_eq!(invoice(1, 500).entity()?, invoice(1, 700).entity()?);
/// assert!(invoice(1, 500).entity()? < invoice(2, 500).entity()?);
/// assert_eq!(invoice(1, 500).entity()?, Invoice::entity_of("abc", 1_u32)?);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no entity",
    note = "mark the fields that identify one `#[record(entity)]`, and the field that orders its versions `#[record(version)]`"
)]
pub trait Keyed: RootRecord {
    /// Returns what identifies the record.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if a value does not fit its column. A record that was read never
    /// fails, except if an enum's variant `other` has lost the value.
    fn entity(&self) -> Result<Entity<Self>>;

    /// Returns what orders the record among those of its entity.
    ///
    /// # Errors
    /// Those of [`entity`](Self::entity). If the version is the insertion time, only a record that was read has one.
    fn version(&self) -> Result<Version<Self>>;

    /// Returns whether the record says that its entity is deleted, by its field with the attribute `deleted`.
    fn is_deleted(&self) -> bool {
        false
    }
}

/// A type for the field marked `deleted`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't mark deleted entities",
    label = "neither a `bool` nor an `Option` of a time",
    note = "use a `bool`, or an `Option` of a `DateTime<Utc>`, `NaiveDateTime` or `NaiveDate`"
)]
pub trait DeletionMark {
    /// Returns whether the value says that the entity is deleted.
    fn is_deleted(&self) -> bool;
}

impl DeletionMark for bool {
    fn is_deleted(&self) -> bool {
        *self
    }
}

impl DeletionMark for Option<DateTime<Utc>> {
    fn is_deleted(&self) -> bool {
        self.is_some()
    }
}

impl DeletionMark for Option<NaiveDateTime> {
    fn is_deleted(&self) -> bool {
        self.is_some()
    }
}

impl DeletionMark for Option<NaiveDate> {
    fn is_deleted(&self) -> bool {
        self.is_some()
    }
}

/// The identity of a record of type `T`: the values of its entity columns.
///
/// A time has all digits of the record's field, as in the file that the record was read from. So compare records that were
/// read: of a record before its write, a field with the attribute `truncate` may have more digits than are stored.
///
/// It is equal for two records if reads take them for versions of one entity, and is ordered as reads order entities. Its
/// text can be parsed again, and is how the feature `serde` stores it, also as the key of a map in JSON.
pub struct Entity<T> {
    parts: Box<[KeyPart]>,
    /// The partition key. A column that the entity does not determine has only its name.
    partition: Box<str>,
    record: PhantomData<fn() -> T>,
}

/// The position of a record among those of its entity: the value of the version column of `T`.
pub struct Version<T> {
    part: KeyPart,
    record: PhantomData<fn() -> T>,
}

/// A value of a column that identifies entities or orders versions, in a form whose order is that of the stored values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub enum KeyPart {
    /// A number: also `bool`, a date in days since 1970, a time in nanoseconds, and a decimal without its point.
    Int(i128),
    /// A text.
    Text(Box<str>),
    /// Bytes, such as those of a UUID.
    Bytes(Box<[u8]>),
}

impl<T> Entity<T> {
    /// Makes an entity of its values and its partition key. For the derive.
    #[doc(hidden)]
    #[must_use]
    pub fn new(parts: Vec<KeyPart>, partition: String) -> Self {
        Self { parts: parts.into(), partition: partition.into(), record: PhantomData }
    }
}

impl<T: Keyed> Entity<T> {
    /// Returns the pattern of the partitions that the entity can be in.
    ///
    /// # Errors
    /// `InvalidInput` if a value can't be part of a key.
    pub(crate) fn partition_pattern(&self) -> Result<Pattern> {
        let description = T::description();
        if !is_partition(&self.partition, description) {
            return Err(Error::invalid_input(format!("{self}: the entity's partition key is not valid")));
        }
        let segment =
            |(segment, name): (&str, &Cow<'_, str>)| match segment.strip_prefix(name.as_ref())?.strip_prefix('=') {
                Some(value) => Some(Segment::Exact(value.to_owned())),
                // The entity does not determine the value.
                None => Some(Segment::Prefix(String::new())),
            };
        let segments = self.partition.split('/').zip(description.partition.iter()).filter_map(segment).collect();
        Ok(Pattern::new(segments))
    }
}

impl<T> Entity<T> {
    /// Returns the condition that a row of the layout belongs to the entity. Returns `None` if the layout has no entity.
    pub(crate) fn predicate(&self, layout: &ReadLayout) -> Option<Predicate> {
        let columns = layout.key.iter().flat_map(|key| &key.entity);
        let equals = |(&column, part): (&usize, &KeyPart)| {
            Predicate::Test(column, Test::Compare(Comparison::Equal, Literal::Part(part.clone())))
        };
        Predicate::all(columns.zip(&self.parts).map(equals))
    }
}

impl<T> Version<T> {
    /// Makes a version of its value. For the derive.
    #[doc(hidden)]
    #[must_use]
    pub fn new(part: KeyPart) -> Self {
        Self { part, record: PhantomData }
    }
}

impl KeyPart {
    /// Returns the only value of an array of the write type.
    ///
    /// # Errors
    /// The array has no value, or one that has no order.
    pub(super) fn of_single(array: &ArrayRef) -> Result<Self, ValueError> {
        Self::of_row(array, 0).ok_or_else(|| ValueError::new("has no order, so it can't be part of a key"))
    }

    /// Returns the value of a row. `None` if it is null, or of a type that has no order.
    pub(crate) fn of_row(array: &dyn Array, row: usize) -> Option<Self> {
        fn int<T>(array: &dyn Array, row: usize) -> Option<KeyPart>
        where
            T: ArrowPrimitiveType<Native: Into<i128>>,
        {
            number::<T>(array, row).map(KeyPart::Int)
        }
        if row >= array.len() || array.is_null(row) {
            return None;
        }
        match array.data_type() {
            DataType::Boolean => Some(Self::Int(array.as_boolean_opt()?.value(row).into())),
            DataType::Int8 => int::<Int8Type>(array, row),
            DataType::Int16 => int::<Int16Type>(array, row),
            DataType::Int32 => int::<Int32Type>(array, row),
            DataType::Int64 => int::<Int64Type>(array, row),
            DataType::UInt8 => int::<UInt8Type>(array, row),
            DataType::UInt16 => int::<UInt16Type>(array, row),
            DataType::UInt32 => int::<UInt32Type>(array, row),
            DataType::UInt64 => int::<UInt64Type>(array, row),
            DataType::Date32 => int::<Date32Type>(array, row),
            DataType::Decimal128(..) => int::<Decimal128Type>(array, row),
            DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => {
                let nanos = per_second(TimeUnit::Nanosecond) / per_second(*unit);
                ticks(array, *unit, row)?.checked_mul(nanos.into()).map(Self::Int)
            }
            DataType::Utf8 => Some(Self::Text(array.as_string_opt::<i32>()?.value(row).into())),
            DataType::Utf8View => Some(Self::Text(array.as_string_view_opt()?.value(row).into())),
            DataType::Binary => Some(Self::Bytes(array.as_binary_opt::<i32>()?.value(row).into())),
            DataType::BinaryView => Some(Self::Bytes(array.as_binary_view_opt()?.value(row).into())),
            DataType::FixedSizeBinary(_) => Some(Self::Bytes(array.as_fixed_size_binary_opt()?.value(row).into())),
            _ => None,
        }
    }

    /// Makes a time of whole seconds and nanoseconds.
    pub(super) fn of_time(seconds: i64, nanos: u32) -> Self {
        Self::Int(i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(text) = text.strip_prefix('\'') {
            return Some(Self::Text(percent_decode_str(text).decode_utf8().ok()?.into()));
        }
        if let Some(hex) = text.strip_prefix('x') {
            let digits = hex.as_bytes().chunks(2).map(|pair| {
                let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
                u8::from_str_radix(pair, 16).ok()
            });
            return Some(Self::Bytes(digits.collect::<Option<_>>()?));
        }
        text.parse().ok().map(Self::Int)
    }
}

/// Returns the number in a row. `None` if the array has another type.
fn number<T>(array: &dyn Array, row: usize) -> Option<i128>
where
    T: ArrowPrimitiveType<Native: Into<i128>>,
{
    Some(array.as_primitive_opt::<T>()?.value(row).into())
}

/// Returns the count of a time in its unit. `None` if the array has another type.
fn ticks(array: &dyn Array, unit: TimeUnit, row: usize) -> Option<i128> {
    match (array.data_type(), unit) {
        (DataType::Timestamp(..), TimeUnit::Second) => number::<TimestampSecondType>(array, row),
        (DataType::Timestamp(..), TimeUnit::Millisecond) => number::<TimestampMillisecondType>(array, row),
        (DataType::Timestamp(..), TimeUnit::Microsecond) => number::<TimestampMicrosecondType>(array, row),
        (DataType::Timestamp(..), TimeUnit::Nanosecond) => number::<TimestampNanosecondType>(array, row),
        (_, TimeUnit::Second) => number::<Time32SecondType>(array, row),
        (_, TimeUnit::Millisecond) => number::<Time32MillisecondType>(array, row),
        (_, TimeUnit::Microsecond) => number::<Time64MicrosecondType>(array, row),
        (_, TimeUnit::Nanosecond) => number::<Time64NanosecondType>(array, row),
    }
}

/// The characters that are escaped in a text. Those that are not ASCII are escaped, too.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'/').add(b'@').add(b'%').add(b' ').add(b'"');

impl fmt::Display for KeyPart {
    /// Writes a number in digits, a text after `'`, with escapes, and bytes after `x`, in hex.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Text(text) => write!(f, "'{}", utf8_percent_encode(text, ESCAPED)),
            Self::Bytes(bytes) => {
                f.write_char('x')?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl<T> fmt::Display for Entity<T> {
    /// Writes the values of the entity, and the partition: `'abc/1@customer=abc`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                f.write_char('/')?;
            }
            part.fmt(f)?;
        }
        write!(f, "@{}", self.partition)
    }
}

impl<T> fmt::Display for Version<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.part.fmt(f)
    }
}

impl<T: Keyed> FromStr for Entity<T> {
    type Err = Error;

    /// Parses the text of an entity.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if it is not the text of an entity of `T`.
    fn from_str(text: &str) -> Result<Self> {
        let description = T::description();
        let parsed = || {
            let (parts, partition) = text.split_once('@')?;
            let parts: Vec<_> = parts.split('/').map(KeyPart::parse).collect::<Option<_>>()?;
            let columns = description.key.as_ref()?.entity.len();
            (parts.len() == columns && is_partition(partition, description))
                .then(|| Self::new(parts, partition.to_owned()))
        };
        parsed().ok_or_else(|| not_one(text, "an entity", description))
    }
}

impl<T: Keyed> FromStr for Version<T> {
    type Err = Error;

    /// Parses the text of a version.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if it is not the text of a version.
    fn from_str(text: &str) -> Result<Self> {
        KeyPart::parse(text).map(Self::new).ok_or_else(|| not_one(text, "a version", T::description()))
    }
}

/// Returns `true` for the partition key of an entity of the record.
fn is_partition(text: &str, description: &Description) -> bool {
    let names = &description.partition;
    let is_of = |(segment, name): (&str, &Cow<'_, str>)| {
        segment
            .strip_prefix(name.as_ref())
            .is_some_and(|rest| rest.is_empty() || rest.len() > 1 && rest.starts_with('='))
    };
    text.split('/').count() == names.len() && text.split('/').zip(names.iter()).all(is_of)
}

fn not_one(text: &str, noun: &str, description: &Description) -> Error {
    Error::invalid_input(format!("{text:?} is not the text of {noun} of the record {}", description.record))
}

// The derives of the standard library would require the traits of `T` too.

impl<T> Clone for Entity<T> {
    fn clone(&self) -> Self {
        Self { parts: self.parts.clone(), partition: self.partition.clone(), record: PhantomData }
    }
}

impl<T> Clone for Version<T> {
    fn clone(&self) -> Self {
        Self::new(self.part.clone())
    }
}

/// Implements comparisons and `Hash` by one field.
macro_rules! compared_by {
    ($name:ident, $field:ident) => {
        impl<T> PartialEq for $name<T> {
            fn eq(&self, other: &Self) -> bool {
                self.$field == other.$field
            }
        }

        impl<T> Eq for $name<T> {}

        impl<T> PartialOrd for $name<T> {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl<T> Ord for $name<T> {
            fn cmp(&self, other: &Self) -> Ordering {
                self.$field.cmp(&other.$field)
            }
        }

        impl<T> Hash for $name<T> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.$field.hash(state);
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        #[cfg(feature = "serde")]
        impl<T> serde::Serialize for $name<T> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de, T: Keyed> serde::Deserialize<'de> for $name<T> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

compared_by!(Entity, parts);
compared_by!(Version, part);

/// Makes the error of a value that can't be part of a key.
#[cold]
#[doc(hidden)]
pub fn key_error<T: Record>(error: &ValueError) -> Error {
    Error::invalid_input(format!("record {}: {error}", T::description().record))
}
