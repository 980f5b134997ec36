//! Typed selections: the arguments of a derived builder's methods.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use super::Segment;
use crate::error::Result;
use crate::format::check_partition_value;

/// The selected values of one column. An illegal value is an error of the read that uses the selection.
#[derive(Debug, Clone)]
pub struct Selection(std::result::Result<Segment, String>);

/// A selection of values of a partition or view column: an exact value, [`prefix`], or a half-open range.
///
/// A range `from..to` selects the partitions that can contain values `v` with `from <= v < to`. The ranges `from..` and
/// `..to` have one end. A range with equal ends selects nothing. A partition that covers several values, such as a month,
/// is selected as a whole if the range contains one of them.
///
/// Keys are made from stored values, and so are selections: a value is converted as a write converts it. For example, a
/// time is truncated to the unit of its column. A range of times selects the partitions of all records whose times were in
/// the range when they were written. The texts of [`prefix`] and of ranges are compared with the text in keys as they are.
///
/// # Example
///
/// ```
/// # use s3store::pattern::prefix;
/// # use s3store::{Record, Result, Store};
/// # #[derive(Record)]
/// # #[record(partition_by(charge_period, customer))]
/// # struct Cost { charge_period: String, customer: String, net: f64 }
/// # async fn example(store: &Store<Cost>) -> Result<()> {
/// let exact = store.read(Cost::partitions().customer("abc")).await?;
/// let of_march = store.read(Cost::partitions().charge_period(prefix("2026-03-"))).await?;
/// let of_three_days = store.read(Cost::partitions().charge_period("2026-03-17".."2026-03-20")).await?;
/// let since = store.read(Cost::partitions().charge_period("2026-03-17"..)).await?;
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` selects no values of this column",
    label = "the column takes a `{Takes}`, or a range of them",
    note = "a column is selected by an exact value, by `prefix(\"…\")`, or by a half-open range `a..b`"
)]
// `Takes` is the type of the column's values. It exists for the compiler's message.
pub trait IntoSelection<Kind, Takes = ()> {
    /// Returns the selected values.
    fn into_selection(self) -> Selection;
}

/// The kind of a column whose values are strings. `C` converts an exact value to the one that the column stores.
#[derive(Debug)]
pub struct Text<C = Unchanged>(PhantomData<fn() -> C>);

/// A conversion of exact texts.
pub trait TextConversion {
    /// Returns the text in keys for the value `text`.
    ///
    /// # Errors
    /// The value does not fit the column.
    fn convert(text: &str) -> Result<String>;
}

/// The conversion of columns that store each text unchanged.
#[derive(Debug)]
pub enum Unchanged {}

impl TextConversion for Unchanged {
    fn convert(text: &str) -> Result<String> {
        Ok(text.to_owned())
    }
}

/// The kind of a column whose values are rendered as text by `R`.
#[derive(Debug)]
pub struct Rendered<R: PartitionFormat, V = <R as PartitionFormat>::Value>(PhantomData<fn() -> (R, V)>);

/// A rendering of a column's values as text.
pub trait PartitionFormat {
    /// The type of the values.
    type Value;

    /// Returns the text of a value in the partition key.
    ///
    /// # Errors
    /// The format can't express the value, for example a year with more than four digits.
    fn render(value: &Self::Value) -> Result<String>;
}

/// A [`PartitionFormat`] whose texts, compared as bytes, sort like the values. Only its columns can be selected by a range.
///
/// # Example
///
/// Days sort as text. For an integer, write `pad(field, 5)`, so that leading zeros make it sort as text, too.
///
/// ```
/// # use s3store::{Record, Result, Store};
/// #[derive(Record)]
/// #[record(partition_by(day = format(at, "%Y-%m-%d")))]
/// struct Reading {
///     at: chrono::DateTime<chrono::Utc>,
///     value: f64,
/// }
///
/// # async fn example(store: &Store<Reading>, from: chrono::DateTime<chrono::Utc>) -> Result<()> {
/// let since = store.read(Reading::partitions().day(from..)).await?;
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "this column can't be selected by a range",
    label = "a range needs a rendering that keeps the order of the values",
    note = "as text, `10` comes before `9`: ranges work on strings, ISO dates and zero-padded integers; select exact \
            values or `prefix(\"…\")` instead"
)]
pub trait Ordered: PartitionFormat {}

/// A type in which each value has a next smaller one. A range needs it to find the last value before its end.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't end a range of partition values",
    label = "its next smaller value is not known",
    note = "a newtype can, if it wraps a type that can and implements `PartialOrd`"
)]
pub trait Discrete: PartialOrd + Sized {
    /// Returns the greatest smaller value, if there is one.
    fn before(&self) -> Option<Self>;
}

/// A bound on the ends of `a..=b`. No type implements it: it exists for its compiler message.
#[diagnostic::on_unimplemented(
    message = "a range of partition values is half-open",
    label = "write `a..b` instead of `a..=b`, with the first value that is not wanted as `b`",
    note = "values are compared as text, which has no last value before the next one"
)]
pub trait InclusiveEnd {}

/// The values that start with a string; see [`prefix`].
#[derive(Debug, Clone)]
pub struct ValuePrefix<Kind> {
    text: String,
    kind: PhantomData<fn() -> Kind>,
}

/// Selects the values whose text in the partition key starts with `text`.
///
/// # Example
///
/// ```
/// # use s3store::pattern::prefix;
/// # use s3store::{Record, Result, Store};
/// # #[derive(Record)]
/// # #[record(partition_by(charge_period))]
/// # struct Cost { charge_period: String, net: f64 }
/// # async fn example(store: &Store<Cost>) -> Result<()> {
/// let of_march = store.read(Cost::partitions().charge_period(prefix("2026-03-"))).await?;
/// # Ok(()) }
/// ```
#[must_use]
pub fn prefix<Kind>(text: impl Into<String>) -> ValuePrefix<Kind> {
    ValuePrefix { text: text.into(), kind: PhantomData }
}

impl<Kind, Takes> IntoSelection<Kind, Takes> for ValuePrefix<Kind> {
    fn into_selection(self) -> Selection {
        Selection(check_part("prefix", &self.text).map(|()| Segment::Prefix(self.text)))
    }
}

impl<C: TextConversion, T: AsRef<str> + ?Sized, Takes> IntoSelection<Text<C>, Takes> for &T {
    fn into_selection(self) -> Selection {
        Selection::exact(C::convert(self.as_ref()))
    }
}

macro_rules! owned_text {
    ($($text:ty),*) => {$(
        impl<C: TextConversion, Takes> IntoSelection<Text<C>, Takes> for $text {
            fn into_selection(self) -> Selection {
                Selection::exact(C::convert(&self))
            }
        }
    )*};
}

owned_text!(String, Box<str>, Cow<'_, str>);

impl<C, Takes> IntoSelection<Text<C>, Takes> for RangeFull {
    fn into_selection(self) -> Selection {
        Selection(Ok(Segment::Any))
    }
}

impl<C, S: AsRef<str>, Takes> IntoSelection<Text<C>, Takes> for Range<S> {
    fn into_selection(self) -> Selection {
        Selection::range(Some(text(&self.start)), Some(text(&self.end)))
    }
}

impl<C, S: AsRef<str>, Takes> IntoSelection<Text<C>, Takes> for RangeFrom<S> {
    fn into_selection(self) -> Selection {
        Selection::range(Some(text(&self.start)), None)
    }
}

impl<C, S: AsRef<str>, Takes> IntoSelection<Text<C>, Takes> for RangeTo<S> {
    fn into_selection(self) -> Selection {
        Selection::range(None, Some(text(&self.end)))
    }
}

impl<R: PartitionFormat<Value = V>, V, Takes> IntoSelection<Rendered<R, V>, Takes> for V {
    fn into_selection(self) -> Selection {
        Selection::exact(R::render(&self))
    }
}

impl<R: PartitionFormat<Value = V>, V, Takes> IntoSelection<Rendered<R, V>, Takes> for &V {
    fn into_selection(self) -> Selection {
        Selection::exact(R::render(self))
    }
}

impl<R: Ordered + PartitionFormat<Value = V>, V: Discrete, Takes> IntoSelection<Rendered<R, V>, Takes> for Range<V> {
    fn into_selection(self) -> Selection {
        if self.start > self.end {
            return Selection(Err("the range is reversed: its end comes before its start".to_owned()));
        }
        let end = if self.start == self.end { R::render(&self.end) } else { end_before::<R>(&self.end) };
        Selection::range(Some(R::render(&self.start)), Some(end))
    }
}

impl<R: Ordered + PartitionFormat<Value = V>, V, Takes> IntoSelection<Rendered<R, V>, Takes> for RangeFrom<V> {
    fn into_selection(self) -> Selection {
        Selection::range(Some(R::render(&self.start)), None)
    }
}

impl<R: Ordered + PartitionFormat<Value = V>, V: Discrete, Takes> IntoSelection<Rendered<R, V>, Takes> for RangeTo<V> {
    fn into_selection(self) -> Selection {
        Selection::range(None, Some(end_before::<R>(&self.end)))
    }
}

// No type implements `InclusiveEnd`, so the following implementations never apply. They make the compiler print its
// message. With the bound on the range itself, the compiler would print the message of `IntoSelection` instead.
impl<C, S: InclusiveEnd, Takes> IntoSelection<Text<C>, Takes> for RangeInclusive<S> {
    fn into_selection(self) -> Selection {
        Selection::inclusive()
    }
}

impl<C, S: InclusiveEnd, Takes> IntoSelection<Text<C>, Takes> for RangeToInclusive<S> {
    fn into_selection(self) -> Selection {
        Selection::inclusive()
    }
}

impl<R: PartitionFormat<Value = V>, V: InclusiveEnd, Takes> IntoSelection<Rendered<R, V>, Takes> for RangeInclusive<V> {
    fn into_selection(self) -> Selection {
        Selection::inclusive()
    }
}

impl<R: PartitionFormat<Value = V>, V: InclusiveEnd, Takes> IntoSelection<Rendered<R, V>, Takes>
    for RangeToInclusive<V>
{
    fn into_selection(self) -> Selection {
        Selection::inclusive()
    }
}

impl Selection {
    pub(super) fn into_segment(self) -> std::result::Result<Segment, String> {
        self.0
    }

    fn exact(text: Result<String>) -> Self {
        Self(text.and_then(|text| check_partition_value(&text).map(|()| Segment::Exact(text))).map_err(message))
    }

    fn range(from: Option<Result<String>>, to: Option<Result<String>>) -> Self {
        Self(Self::bounds(from, to))
    }

    fn bounds(from: Option<Result<String>>, to: Option<Result<String>>) -> std::result::Result<Segment, String> {
        let (from, to) = (from.transpose().map_err(message)?, to.transpose().map_err(message)?);
        for end in [&from, &to].into_iter().flatten() {
            check_part("end of a range", end)?;
        }
        if let (Some(from), Some(to)) = (&from, &to)
            && from > to
        {
            return Err(format!("the range is reversed: as text, {from:?} comes after {to:?}"));
        }
        Ok(Segment::Range { from, to })
    }

    fn inclusive() -> Self {
        Self(Err("a range of partition values is half-open".to_owned()))
    }
}

/// Returns the exclusive upper bound for the texts of values below `end`. If a rendering has one text for many values,
/// the text of `end` itself can belong to the range: with `%Y-%m`, the last value before 20 March has the same text as
/// 20 March.
fn end_before<R: PartitionFormat<Value: Discrete>>(end: &R::Value) -> Result<String> {
    let mut text = R::render(end)?;
    if end.before().is_some_and(|last| R::render(&last).is_ok_and(|last| last == text)) {
        // Appending NUL gives the next greater text.
        text.push('\0');
    }
    Ok(text)
}

fn text(text: &impl AsRef<str>) -> Result<String> {
    Ok(text.as_ref().to_owned())
}

fn message(error: crate::Error) -> String {
    error.to_string()
}

/// Checks a part of a value. Unlike a value it may be empty, but it can't contain what no value contains.
fn check_part(part: &str, text: &str) -> std::result::Result<(), String> {
    match ["/", ".."].into_iter().find(|illegal| text.contains(illegal)) {
        Some(illegal) => Err(format!("the {part} {text:?} contains {illegal:?}, which no partition value does")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
