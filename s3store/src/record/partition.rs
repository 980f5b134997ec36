//! Values as they stand in partition keys.

use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::format::{DelayedFormat, StrftimeItems};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use uuid::Uuid;

use super::ValueError;
use crate::error::{Error, Result as CrateResult};
use crate::pattern::{Discrete, Ordered, PartitionFormat, Rendered, Text};

/// A type whose values can be part of a partition key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no text for a partition",
    label = "can't be part of a partition key",
    note = "a partition is made of strings, integers, bool, dates, times in UTC, UUIDs and enums; of others by a \
            function, `#[record(partition_by(name = function(field)))]`"
)]
pub trait PartitionValue {
    /// What selects values of this type: [`Text`], or [`AsValue`] of the type.
    type Kind;

    /// Appends the text of this value. It is not checked here that a partition may have it.
    ///
    /// # Errors
    /// A value that has no text.
    fn render(&self, key: &mut String) -> Result<(), ValueError>;
}

/// Values are selected by themselves, as [`PartitionValue`] renders them.
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

impl Ordered for ByValue<NaiveDate> {}
impl Ordered for ByValue<Uuid> {}

macro_rules! texts {
    ($($text:ty),*) => {$(
        impl PartitionValue for $text {
            type Kind = Text;

            #[inline]
            fn render(&self, key: &mut String) -> Result<(), ValueError> {
                key.push_str(self);
                Ok(())
            }
        }
    )*};
}

texts!(str, String, Box<str>, Arc<str>, Cow<'_, str>);

impl<T: PartitionValue + ?Sized> PartitionValue for &T {
    type Kind = T::Kind;

    #[inline]
    fn render(&self, key: &mut String) -> Result<(), ValueError> {
        T::render(self, key)
    }
}

macro_rules! displayed {
    ($($value:ty),*) => {$(
        impl PartitionValue for $value {
            type Kind = AsValue<Self>;

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

    fn render(&self, key: &mut String) -> Result<(), ValueError> {
        four_digits(self.year())?;
        write(key, &self.format("%Y-%m-%d"))
    }
}

/// RFC 3339 in UTC, as Go has it: `2026-03-17T10:15:00Z`; with a fraction of as many digits as it needs.
impl PartitionValue for DateTime<Utc> {
    type Kind = AsValue<Self>;

    fn render(&self, key: &mut String) -> Result<(), ValueError> {
        self.naive_utc().render(key)?;
        key.push('Z');
        Ok(())
    }
}

/// `2026-03-17T10:15:00`, with a fraction of as many digits as it needs.
impl PartitionValue for NaiveDateTime {
    type Kind = AsValue<Self>;

    fn render(&self, key: &mut String) -> Result<(), ValueError> {
        four_digits(self.year())?;
        not_leap(self.nanosecond())?;
        write(key, &self.format("%Y-%m-%dT%H:%M:%S"))?;
        fraction(key, self.nanosecond())
    }
}

/// `10:15:00`, with a fraction of as many digits as it needs.
impl PartitionValue for NaiveTime {
    type Kind = AsValue<Self>;

    fn render(&self, key: &mut String) -> Result<(), ValueError> {
        not_leap(self.nanosecond())?;
        write(key, &self.format("%H:%M:%S"))?;
        fraction(key, self.nanosecond())
    }
}

/// A date or time, which a format renders.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no date or time that a format could render",
    label = "neither DateTime<Utc> nor NaiveDate, NaiveTime, NaiveDateTime"
)]
pub trait PartitionTime {
    /// The year, which must have four digits to keep the order, and the nanoseconds, which may be a leap second's.
    #[doc(hidden)]
    fn limits(&self) -> (i32, u32);
    /// This value in a format.
    #[doc(hidden)]
    fn in_format<'f>(&self, format: &'f str) -> DelayedFormat<StrftimeItems<'f>>;
}

macro_rules! times {
    ($($time:ty: $limits:expr;)*) => {$(
        impl PartitionTime for $time {
            fn limits(&self) -> (i32, u32) {
                let limits: fn(&Self) -> (i32, u32) = $limits;
                limits(self)
            }

            fn in_format<'f>(&self, format: &'f str) -> DelayedFormat<StrftimeItems<'f>> {
                self.format(format)
            }
        }
    )*};
}

times! {
    DateTime<Utc>: |time| (time.year(), time.nanosecond());
    NaiveDateTime: |time| (time.year(), time.nanosecond());
    NaiveDate: |date| (date.year(), 0);
    NaiveTime: |time| (0, time.nanosecond());
}

/// Appends a date or time in a format of chrono's, `%Y-%m`.
///
/// # Errors
/// A year that has not four digits, a leap second, or a format that this type lacks the parts for.
pub fn push_time<T: PartitionTime>(value: &T, format: &str, key: &mut String) -> Result<(), ValueError> {
    let (year, nanos) = value.limits();
    four_digits(year)?;
    not_leap(nanos)?;
    write(key, &value.in_format(format))
}

/// A date or time in a format of chrono's, `%Y-%m`.
///
/// # Errors
/// See [`push_time`].
pub fn format_time<T: PartitionTime>(value: &T, format: &str) -> CrateResult<String> {
    rendered(|text| push_time(value, format, text))
}

/// An integer without a sign, which zeros can pad.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be padded with zeros",
    label = "not one of u8, u16, u32, u64",
    note = "negative numbers, as text, are not in order"
)]
pub trait Unsigned: Copy + Display {}

impl Unsigned for u8 {}
impl Unsigned for u16 {}
impl Unsigned for u32 {}
impl Unsigned for u64 {}

/// Appends an integer with `width` digits.
///
/// # Errors
/// It has more digits.
pub fn push_padded<T: Unsigned>(value: &T, width: usize, key: &mut String) -> Result<(), ValueError> {
    let start = key.len();
    key.write_fmt(format_args!("{value:0width$}")).map_err(ValueError::new)?;
    if key.len() - start > width {
        return Err(ValueError::new(format_args!("{value} has more than {width} digits")));
    }
    Ok(())
}

/// An integer with `width` digits.
///
/// # Errors
/// See [`push_padded`].
pub fn pad<T: Unsigned>(value: &T, width: usize) -> CrateResult<String> {
    rendered(|text| push_padded(value, width, text))
}

/// Names the partition column of an error.
///
/// # Errors
/// The one that is given.
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

/// `Display` of a date fails, where a format asks for parts that it lacks.
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
    if nanos < 1_000_000_000 { Ok(()) } else { Err(ValueError::new("a leap second has no text of its own")) }
}

#[cfg(test)]
mod tests;
