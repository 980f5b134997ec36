//! The text of values in partition keys.

use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::format::{DelayedFormat, StrftimeItems};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use uuid::Uuid;

use super::{ColumnType, ValueError};
use crate::error::{Error, Result as CrateResult};
use crate::pattern::{Discrete, Ordered, PartitionFormat, Rendered, Text};

/// A type whose values can be part of a partition key.
///
/// The crate implements it for strings, integers, `bool`, dates, times and UUIDs; the derive of
/// [`ColumnType`](macro@crate::ColumnType) implements it for newtypes and for enums without fields.
///
/// # Example
/// ```
/// use s3store::column::PartitionValue;
/// use s3store::chrono::NaiveDate;
///
/// let mut key = String::from("day=");
/// NaiveDate::from_ymd_opt(2026, 3, 17).unwrap().render(&mut key)?;
/// assert_eq!(key, "day=2026-03-17");
/// # Ok::<(), s3store::column::ValueError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be rendered as part of a partition key",
    label = "can't be part of a partition key",
    note = "strings, integers, bool, dates, times in UTC, UUIDs and enums can; convert other types by a function, \
            `#[record(partition_by(name = function(field)))]`"
)]
pub trait PartitionValue {
    /// The kind of selections of this type: [`Text`] for strings, [`AsValue`] for other types.
    type Kind;

    /// If `true`, the text is that of the stored value in the form of the crate, so that it can be parsed again.
    #[doc(hidden)]
    const IS_STORED: bool = false;

    /// Appends the text of this value to `key`. The caller checks that the text is legal in a key.
    ///
    /// # Errors
    /// The value has no text, for instance a year of five digits.
    fn render(&self, key: &mut String) -> Result<(), ValueError>;

    /// Returns the value of a text, for a type that can hold every text. Selections convert it as a write does.
    #[doc(hidden)]
    #[must_use]
    fn from_text(_text: &str) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}

/// The kind of columns that are selected by values of `T`, rendered by [`PartitionValue`].
pub type AsValue<T> = Rendered<ByValue<T>, T>;

/// The format of [`AsValue`].
#[derive(Debug)]
pub struct ByValue<T>(PhantomData<fn() -> T>);

impl<T: PartitionValue> PartitionFormat for ByValue<T> {
    type Value = T;

    fn render(value: &T) -> CrateResult<String> {
        rendered(|text| value.render(text))
    }
}

/// A type whose texts in keys sort like its values.
pub trait OrderedValue: PartitionValue {}

impl OrderedValue for String {}
impl OrderedValue for Box<str> {}
impl OrderedValue for Arc<str> {}
impl OrderedValue for NaiveDate {}
impl OrderedValue for Uuid {}

#[diagnostic::do_not_recommend]
impl<T: OrderedValue> Ordered for ByValue<T> {}

impl PartitionValue for str {
    type Kind = Text;

    const IS_STORED: bool = true;

    #[inline]
    fn render(&self, key: &mut String) -> Result<(), ValueError> {
        key.push_str(self);
        Ok(())
    }
}

macro_rules! texts {
    ($($text:ty),*) => {$(
        impl PartitionValue for $text {
            type Kind = Text;

            const IS_STORED: bool = true;

            #[inline]
            fn render(&self, key: &mut String) -> Result<(), ValueError> {
                key.push_str(self);
                Ok(())
            }

            fn from_text(text: &str) -> Option<Self> {
                Some(text.to_owned().into())
            }
        }
    )*};
}

texts!(String, Box<str>, Arc<str>, Cow<'_, str>);

impl<T: PartitionValue + ?Sized> PartitionValue for &T {
    type Kind = T::Kind;

    const IS_STORED: bool = T::IS_STORED;

    #[inline]
    fn render(&self, key: &mut String) -> Result<(), ValueError> {
        T::render(self, key)
    }
}

macro_rules! displayed {
    ($($value:ty),*) => {$(
        impl PartitionValue for $value {
            type Kind = AsValue<Self>;

            const IS_STORED: bool = true;

            #[inline]
            fn render(&self, key: &mut String) -> Result<(), ValueError> {
                write(key, self)
            }
        }
    )*};
}

displayed!(bool, i8, i16, i32, i64, u8, u16, u32, u64, Uuid);

/// `2026-03-17`.
impl PartitionValue for NaiveDate {
    type Kind = AsValue<Self>;

    const IS_STORED: bool = true;

    fn render(&self, key: &mut String) -> Result<(), ValueError> {
        four_digits(self.year())?;
        write(key, &self.format("%Y-%m-%d"))
    }
}

/// RFC 3339 in UTC, as in Go: `2026-03-17T10:15:00Z`, with a fraction of as many digits as needed.
impl PartitionValue for DateTime<Utc> {
    type Kind = AsValue<Self>;

    const IS_STORED: bool = true;

    fn render(&self, key: &mut String) -> Result<(), ValueError> {
        self.naive_utc().render(key)?;
        key.push('Z');
        Ok(())
    }
}

/// `2026-03-17T10:15:00`, with a fraction of as many digits as needed.
impl PartitionValue for NaiveDateTime {
    type Kind = AsValue<Self>;

    const IS_STORED: bool = true;

    fn render(&self, key: &mut String) -> Result<(), ValueError> {
        four_digits(self.year())?;
        not_leap(self.nanosecond())?;
        write(key, &self.format("%Y-%m-%dT%H:%M:%S"))?;
        fraction(key, self.nanosecond())
    }
}

/// `10:15:00`, with a fraction of as many digits as needed.
impl PartitionValue for NaiveTime {
    type Kind = AsValue<Self>;

    const IS_STORED: bool = true;

    fn render(&self, key: &mut String) -> Result<(), ValueError> {
        not_leap(self.nanosecond())?;
        write(key, &self.format("%H:%M:%S"))?;
        fraction(key, self.nanosecond())
    }
}

/// A date or time that a format can render.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a date or time that a format can render",
    label = "expected DateTime<Utc>, NaiveDate, NaiveTime or NaiveDateTime"
)]
pub trait PartitionTime {
    /// Returns the year and the nanoseconds, which decide if the value can be rendered: the year must have four digits,
    /// and the value must not be a leap second.
    #[doc(hidden)]
    fn limits(&self) -> (i32, u32);
    /// Returns the parts of `time` that this type has.
    #[doc(hidden)]
    fn of_time(time: NaiveDateTime) -> Self
    where
        Self: Sized;
    /// Formats this value.
    #[doc(hidden)]
    fn in_format<'f>(&self, format: &'f str) -> DelayedFormat<StrftimeItems<'f>>;
}

macro_rules! times {
    ($($time:ty: $limits:expr, $of_time:expr;)*) => {$(
        impl PartitionTime for $time {
            fn limits(&self) -> (i32, u32) {
                let limits: fn(&Self) -> (i32, u32) = $limits;
                limits(self)
            }

            fn of_time(time: NaiveDateTime) -> Self {
                let of_time: fn(NaiveDateTime) -> Self = $of_time;
                of_time(time)
            }

            fn in_format<'f>(&self, format: &'f str) -> DelayedFormat<StrftimeItems<'f>> {
                self.format(format)
            }
        }
    )*};
}

times! {
    DateTime<Utc>: |time| (time.year(), time.nanosecond()), |time| time.and_utc();
    NaiveDateTime: |time| (time.year(), time.nanosecond()), |time| time;
    NaiveDate: |date| (date.year(), 0), |time| time.date();
    NaiveTime: |time| (0, time.nanosecond()), |time| time.time();
}

/// Appends a date or time in a format of chrono, for instance `%Y-%m`.
///
/// # Errors
/// The year does not have four digits, the value is a leap second, or the format needs parts that this type lacks.
pub fn push_time<T: PartitionTime>(value: &T, format: &str, key: &mut String) -> Result<(), ValueError> {
    let (year, nanos) = value.limits();
    four_digits(year)?;
    not_leap(nanos)?;
    write(key, &value.in_format(format))
}

/// Renders a date or time that a column with the encoding `E` stores in a format of chrono, for instance `%Y-%m`.
///
/// A value that the column can't store, such as the far end of a range, is rendered as it is.
///
/// # Errors
/// See [`push_time`].
pub fn format_time<T: PartitionTime + ColumnType<E>, E>(value: &T, format: &str) -> CrateResult<String> {
    let stored = T::stored(value).ok().flatten();
    rendered(|text| push_time(stored.as_ref().unwrap_or(value), format, text))
}

/// An unsigned integer, which can be padded with zeros.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be padded with zeros",
    label = "expected u8, u16, u32 or u64",
    note = "the text of negative numbers does not sort by value"
)]
pub trait Unsigned: Copy + Display {}

impl Unsigned for u8 {}
impl Unsigned for u16 {}
impl Unsigned for u32 {}
impl Unsigned for u64 {}

/// Appends an integer, padded with zeros to `width` digits.
///
/// # Errors
/// The integer has more digits.
pub fn push_padded<T: Unsigned>(value: &T, width: usize, key: &mut String) -> Result<(), ValueError> {
    let start = key.len();
    key.write_fmt(format_args!("{value:0width$}")).map_err(ValueError::new)?;
    if key.len() - start > width {
        return Err(ValueError::new(format_args!("{value} has more than {width} digits")));
    }
    Ok(())
}

/// Renders an integer that a column with the encoding `E` stores, padded with zeros to `width` digits.
///
/// # Errors
/// The integer does not fit the column. See also [`push_padded`].
pub fn pad<T: Unsigned + ColumnType<E>, E>(value: &T, width: usize) -> CrateResult<String> {
    rendered(|text| push_padded(T::stored(value)?.as_ref().unwrap_or(value), width, text))
}

/// Adds the partition column to an error.
///
/// # Errors
/// The error of `result`.
pub fn in_partition(result: Result<(), ValueError>, name: &str) -> Result<(), ValueError> {
    result.map_err(|error| ValueError::new(format_args!("partition column {name}: {error}")))
}

macro_rules! discrete_integers {
    ($($integer:ty),*) => {$(
        impl Discrete for $integer {
            fn before(&self) -> Option<Self> {
                self.checked_sub(1)
            }
        }
    )*};
}

discrete_integers!(u8, u16, u32, u64);

macro_rules! discrete_texts {
    ($($text:ty),*) => {$(
        /// Each text is its own text in keys, so no range needs the text before its end.
        impl Discrete for $text {
            fn before(&self) -> Option<Self> {
                None
            }
        }
    )*};
}

discrete_texts!(String, Box<str>, Arc<str>);

impl Discrete for Uuid {
    fn before(&self) -> Option<Self> {
        self.as_u128().checked_sub(1).map(Self::from_u128)
    }
}

impl Discrete for NaiveDate {
    fn before(&self) -> Option<Self> {
        self.pred_opt()
    }
}

impl Discrete for DateTime<Utc> {
    fn before(&self) -> Option<Self> {
        self.checked_sub_signed(TimeDelta::nanoseconds(1))
    }
}

impl Discrete for NaiveDateTime {
    fn before(&self) -> Option<Self> {
        self.checked_sub_signed(TimeDelta::nanoseconds(1))
    }
}

impl Discrete for NaiveTime {
    fn before(&self) -> Option<Self> {
        let (before, days) = self.overflowing_sub_signed(TimeDelta::nanoseconds(1));
        (days == 0).then_some(before)
    }
}

pub(super) fn rendered(render: impl FnOnce(&mut String) -> Result<(), ValueError>) -> CrateResult<String> {
    let mut text = String::new();
    render(&mut text).map_err(|error| Error::invalid_input(error.to_string()))?;
    Ok(text)
}

/// Appends a value. `Display` of a date fails if the format needs parts that the date lacks.
fn write(key: &mut String, value: &impl Display) -> Result<(), ValueError> {
    write!(key, "{value}").map_err(|_| ValueError::new("the format does not suit this type of date or time"))
}

pub(super) fn fraction(key: &mut String, nanos: u32) -> Result<(), ValueError> {
    if nanos > 0 {
        write!(key, ".{nanos:09}").map_err(ValueError::new)?;
        key.truncate(key.trim_end_matches('0').len());
    }
    Ok(())
}

fn four_digits(year: i32) -> Result<(), ValueError> {
    match year {
        0..=9999 => Ok(()),
        _ => Err(ValueError::new(format_args!("the year {year} does not have four digits"))),
    }
}

fn not_leap(nanos: u32) -> Result<(), ValueError> {
    if nanos < 1_000_000_000 { Ok(()) } else { Err(ValueError::new("a leap second can't be rendered")) }
}

#[cfg(test)]
mod tests;
