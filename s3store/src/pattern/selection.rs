//! Typed selections: what the methods of a derived builder take.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use super::Segment;
use crate::error::Result;
use crate::format::check_partition_value;

/// The values of one column that a builder selects. Opaque; an illegal value is kept until the read.
#[derive(Debug, Clone)]
pub struct Selection(std::result::Result<Segment, String>);

/// What selects values of a column of this `Kind`, a partition's or a view's: an exact value, [`prefix`], or a half-open
/// range.
///
/// A range `from..to` selects the partitions that hold values `v` with `from <= v < to`; `from..` and `..to` leave an end
/// open. Equal ends select nothing. A partition by month, say, that holds a value of the range is selected as a whole.
#[diagnostic::on_unimplemented(
    message = "`{Self}` selects no values of this column",
    label = "not a value of this column, nor a range of them",
    note = "a column is selected by an exact value, by `prefix(\"…\")`, or by a half-open range `a..b`"
)]
pub trait IntoSelection<Kind> {
    /// The selected values.
    fn into_selection(self) -> Selection;
}

/// The kind of a column whose values are strings.
#[derive(Debug)]
pub enum Text {}

/// The kind of a column whose values are rendered by `R`.
#[derive(Debug)]
pub struct Rendered<R: PartitionFormat, V = <R as PartitionFormat>::Value>(PhantomData<fn() -> (R, V)>);

/// How the values of a column become text.
pub trait PartitionFormat {
    /// What is rendered.
    type Value;

    /// The text of a value, as it stands in the partition key.
    ///
    /// # Errors
    /// A value that has no text, for instance a year that the format has no room for.
    fn render(value: &Self::Value) -> Result<String>;
}

/// A [`PartitionFormat`] whose texts, byte by byte, are ordered as its values are.
#[diagnostic::on_unimplemented(
    message = "this column can't be selected by a range",
    label = "a range needs a rendering that keeps the order of the values",
    note = "as text, `10` comes before `9`: ranges work on strings, ISO dates and zero-padded integers; select exact \
            values or `prefix(\"…\")` instead"
)]
pub trait Ordered: PartitionFormat {}

/// Values each of which has a next smaller one, so that a range knows its last.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't end a range of partition values",
    label = "its next smaller value is not known"
)]
pub trait Discrete: PartialOrd + Sized {
    /// The greatest value that is smaller.
    fn before(&self) -> Option<Self>;
}

/// What `a..=b` would need of its ends. Nothing has it, so that the compiler can say why.
#[diagnostic::on_unimplemented(
    message = "a range of partition values is half-open",
    label = "write `a..b` instead of `a..=b`, with the first value that is not wanted as `b`",
    note = "values are compared as text, which has no last value before the next one"
)]
pub trait InclusiveEnd {}

/// Values that start with a text, see [`prefix`].
#[derive(Debug, Clone)]
pub struct ValuePrefix<Kind> {
    text: String,
    kind: PhantomData<fn() -> Kind>,
}

/// Selects the values that start with `text`, as they are rendered: `prefix("2026-03-")`.
///
/// ```ignore
/// store.read(Cost::partitions().charge_period(prefix("2026-03-"))).await?
/// ```
#[must_use]
pub fn prefix<Kind>(text: impl Into<String>) -> ValuePrefix<Kind> {
    ValuePrefix { text: text.into(), kind: PhantomData }
}

impl<Kind> IntoSelection<Kind> for ValuePrefix<Kind> {
    fn into_selection(self) -> Selection {
        Selection(check_part("prefix", &self.text).map(|()| Segment::Prefix(self.text)))
    }
}

impl<T: AsRef<str> + ?Sized> IntoSelection<Text> for &T {
    fn into_selection(self) -> Selection {
        Selection::exact(Ok(self.as_ref().to_owned()))
    }
}

macro_rules! owned_text {
    ($($text:ty),*) => {$(
        impl IntoSelection<Text> for $text {
            fn into_selection(self) -> Selection {
                Selection::exact(Ok(self.into()))
            }
        }
    )*};
}

owned_text!(String, Box<str>, Cow<'_, str>);

impl IntoSelection<Text> for RangeFull {
    fn into_selection(self) -> Selection {
        Selection(Ok(Segment::Any))
    }
}

impl<S: AsRef<str>> IntoSelection<Text> for Range<S> {
    fn into_selection(self) -> Selection {
        Selection::range(Some(text(&self.start)), Some(text(&self.end)))
    }
}

impl<S: AsRef<str>> IntoSelection<Text> for RangeFrom<S> {
    fn into_selection(self) -> Selection {
        Selection::range(Some(text(&self.start)), None)
    }
}

impl<S: AsRef<str>> IntoSelection<Text> for RangeTo<S> {
    fn into_selection(self) -> Selection {
        Selection::range(None, Some(text(&self.end)))
    }
}

impl<R: PartitionFormat<Value = V>, V> IntoSelection<Rendered<R, V>> for V {
    fn into_selection(self) -> Selection {
        Selection::exact(R::render(&self))
    }
}

impl<R: PartitionFormat<Value = V>, V> IntoSelection<Rendered<R, V>> for &V {
    fn into_selection(self) -> Selection {
        Selection::exact(R::render(self))
    }
}

impl<R: Ordered + PartitionFormat<Value = V>, V: Discrete> IntoSelection<Rendered<R, V>> for Range<V> {
    fn into_selection(self) -> Selection {
        if self.start > self.end {
            return Selection(Err("the range is reversed: its end comes before its start".to_owned()));
        }
        let end = if self.start == self.end { R::render(&self.end) } else { end_before::<R>(&self.end) };
        Selection::range(Some(R::render(&self.start)), Some(end))
    }
}

impl<R: Ordered + PartitionFormat<Value = V>, V> IntoSelection<Rendered<R, V>> for RangeFrom<V> {
    fn into_selection(self) -> Selection {
        Selection::range(Some(R::render(&self.start)), None)
    }
}

impl<R: Ordered + PartitionFormat<Value = V>, V: Discrete> IntoSelection<Rendered<R, V>> for RangeTo<V> {
    fn into_selection(self) -> Selection {
        Selection::range(None, Some(end_before::<R>(&self.end)))
    }
}

// Nothing is an `InclusiveEnd`: these implementations never apply, and carry the compiler's message. The bound is not
// on the range itself, or the compiler would print `IntoSelection`'s message instead.
impl<S: InclusiveEnd> IntoSelection<Text> for RangeInclusive<S> {
    fn into_selection(self) -> Selection {
        Selection::inclusive()
    }
}

impl<S: InclusiveEnd> IntoSelection<Text> for RangeToInclusive<S> {
    fn into_selection(self) -> Selection {
        Selection::inclusive()
    }
}

impl<R: PartitionFormat<Value = V>, V: InclusiveEnd> IntoSelection<Rendered<R, V>> for RangeInclusive<V> {
    fn into_selection(self) -> Selection {
        Selection::inclusive()
    }
}

impl<R: PartitionFormat<Value = V>, V: InclusiveEnd> IntoSelection<Rendered<R, V>> for RangeToInclusive<V> {
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

/// Where the texts of the values below `end` end. A rendering may be one text for many values: the last value below the
/// 20th of March has, by `%Y-%m`, the text of the 20th of March, which then belongs to the range.
fn end_before<R: PartitionFormat<Value: Discrete>>(end: &R::Value) -> Result<String> {
    let mut text = R::render(end)?;
    if end.before().is_some_and(|last| R::render(&last).is_ok_and(|last| last == text)) {
        // The smallest text that is greater.
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

/// A part of a value may be empty, but holds nothing that no value holds.
fn check_part(what: &str, text: &str) -> std::result::Result<(), String> {
    match ["/", ".."].into_iter().find(|illegal| text.contains(illegal)) {
        Some(illegal) => Err(format!("the {what} {text:?} contains {illegal:?}, which no partition value does")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
