//! What `#[derive(View)]` implements: tuples of values made of records, as text and back.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use uuid::Uuid;

use super::derived::EnumText;
use super::{PartitionValue, RootRecord, RowError, ValueError};
use crate::format::TimeFormat;
use crate::pattern::IntoPatterns;

/// A materialized view of a record: one marker on S3 for each distinct tuple of its fields' values.
///
/// Derived by `#[derive(View)]`, never implemented by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no view",
    note = "a view is a struct with named fields, `#[derive(s3store::View)]` and `#[view(of = …, name = \"…\")]`"
)]
pub trait View: Sized + Send + 'static {
    /// The record that the view is made of.
    type Record: RootRecord;

    /// A builder of patterns over the view's columns, with a method per column.
    type Patterns: IntoPatterns;

    /// The view's name, as it stands in keys.
    const NAME: &'static str;

    /// The view's columns, as they stand in keys, in order.
    const COLUMNS: &'static [&'static str];

    /// Selects every tuple; each method of the builder narrows one column.
    fn patterns() -> Self::Patterns;

    /// The names of the record's columns that the values are made of, each once.
    #[doc(hidden)]
    fn source_columns() -> Vec<&'static str>;

    /// Makes `tuple` that of a record, whatever it held before. False where the record has none.
    #[doc(hidden)]
    fn tuple(record: &Self::Record, tuple: &mut Tuple) -> Result<bool, ValueError>;

    /// Hands over the tuples of the rows of a batch that has the [`source_columns`](Self::source_columns) as columns, in order, with
    /// their read types.
    #[doc(hidden)]
    fn tuples(columns: &[ArrayRef], rows: Range<usize>, take: &mut dyn FnMut(&Tuple)) -> Result<(), RowError>;

    /// The value that a tuple stands for. There are as many values as columns.
    #[doc(hidden)]
    fn from_tuple(values: &[&str]) -> Result<Self, ValueError>;
}

/// The values of one tuple as text, one after the other.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    text: String,
    /// Where each value ends.
    ends: Vec<usize>,
}

impl Tuple {
    /// Without values, to be filled again.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Appends a value, which `render` writes to the end of a text.
    ///
    /// # Errors
    /// A value that has no text; `column` is named.
    pub fn push(
        &mut self,
        column: &str,
        render: impl FnOnce(&mut String) -> Result<(), ValueError>,
    ) -> Result<(), ValueError> {
        render(&mut self.text).map_err(|error| error.in_column(column))?;
        self.ends.push(self.text.len());
        Ok(())
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| self.text.get(start..end).unwrap_or_default())
    }
}

/// A type whose values can stand in a view's column: as text, and back.
pub trait ViewValue: PartitionValue + Sized {
    /// The value back from its text.
    ///
    /// # Errors
    /// Text that is none of this type's.
    fn parse(text: &str) -> Result<Self, ValueError>;
}

macro_rules! texts {
    ($($text:ty),*) => {$(
        impl ViewValue for $text {
            fn parse(text: &str) -> Result<Self, ValueError> {
                Ok(text.into())
            }
        }
    )*};
}

texts!(String, Box<str>, Arc<str>);

macro_rules! parsed {
    ($($value:ty: $what:literal),*) => {$(
        impl ViewValue for $value {
            fn parse(text: &str) -> Result<Self, ValueError> {
                text.parse().map_err(|_| no(text, $what))
            }
        }
    )*};
}

parsed!(
    bool: "bool",
    i8: "i8",
    i16: "i16",
    i32: "i32",
    i64: "i64",
    u8: "u8",
    u16: "u16",
    u32: "u32",
    u64: "u64",
    Uuid: "UUID"
);

impl ViewValue for DateTime<Utc> {
    fn parse(text: &str) -> Result<Self, ValueError> {
        TimeFormat::rfc3339_nano().parse(text).map_err(|_| no(text, "time by RFC 3339"))
    }
}

impl ViewValue for NaiveDateTime {
    fn parse(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(|_| no(text, "date and time"))
    }
}

impl ViewValue for NaiveDate {
    fn parse(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(|_| no(text, "date"))
    }
}

impl ViewValue for NaiveTime {
    fn parse(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(|_| no(text, "time of day"))
    }
}

/// An enum back from its text: what its derived [`ViewValue`] calls.
///
/// # Errors
/// Text that is none of the enum's.
pub fn parse_enum<T: EnumText>(text: &str) -> Result<T, ValueError> {
    T::of(text).ok_or_else(|| no(text, T::NAME))
}

fn no(text: &str, what: &str) -> ValueError {
    ValueError::new(format_args!("{text:?} is no {what}"))
}

/// A view of a record `R`, as its writer needs it.
pub struct ViewWriter<R> {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [&'static str],
    pub(crate) tuple: fn(&R, &mut Tuple) -> Result<bool, ValueError>,
}

impl<R: RootRecord> ViewWriter<R> {
    /// Of the view `V`.
    #[must_use]
    pub fn of<V: View<Record = R>>() -> Self {
        Self { name: V::NAME, columns: V::COLUMNS, tuple: V::tuple }
    }
}

impl<R> Clone for ViewWriter<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for ViewWriter<R> {}

impl<R> fmt::Debug for ViewWriter<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ViewWriter({})", self.name)
    }
}

/// Whether no two of these names are the same: asserted when a record with views compiles.
#[must_use]
pub const fn all_distinct(names: &[&str]) -> bool {
    let mut a = 0;
    while a < names.len() {
        let mut b = a + 1;
        while b < names.len() {
            if same(names[a].as_bytes(), names[b].as_bytes()) {
                return false;
            }
            b += 1;
        }
        a += 1;
    }
    true
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back<T: ViewValue>(value: &T) -> T {
        let mut tuple = Tuple::default();
        tuple.push("c", |text| value.render(text)).unwrap();
        let texts: Vec<&str> = tuple.values().collect();
        T::parse(texts[0]).unwrap()
    }

    #[test]
    fn values_come_back_from_their_text() {
        assert_eq!(back(&"ü=1".to_owned()), "ü=1");
        assert_eq!(back(&i64::MIN), i64::MIN);
        assert_eq!(back(&u64::MAX), u64::MAX);
        assert!(back(&true));
        let uuid = Uuid::from_u128(7);
        assert_eq!(back(&uuid), uuid);
        let date = NaiveDate::from_ymd_opt(2026, 3, 17).unwrap();
        assert_eq!(back(&date), date);
        for nanos in [0, 1, 120_000_000, 999_999_999] {
            let time = date.and_hms_nano_opt(10, 15, 1, nanos).unwrap();
            assert_eq!(back(&time), time);
            assert_eq!(back(&time.and_utc()), time.and_utc());
            assert_eq!(back(&time.time()), time.time());
        }
        for (error, what) in [
            (u8::parse("256").map(drop), "\"256\" is no u8"),
            (bool::parse("TRUE").map(drop), "\"TRUE\" is no bool"),
            (NaiveDate::parse("2026-02-30").map(drop), "\"2026-02-30\" is no date"),
            (DateTime::<Utc>::parse("noon").map(drop), "\"noon\" is no time by RFC 3339"),
        ] {
            assert_eq!(error.unwrap_err().to_string(), what);
        }
    }

    #[test]
    fn a_tuple_keeps_its_values_apart() {
        let mut tuple = Tuple::default();
        for value in ["", "ab", ""] {
            tuple.push("c", |text| value.render(text)).unwrap();
        }
        assert_eq!(tuple.values().collect::<Vec<_>>(), ["", "ab", ""]);
        tuple.clear();
        assert_eq!(tuple.values().count(), 0);
        let error = tuple.push("c", |_| Err(ValueError::new("no text"))).unwrap_err();
        assert_eq!(error.to_string(), "column c: no text");
    }

    #[test]
    fn names_are_compared_when_a_record_compiles() {
        const { assert!(all_distinct(&["a", "b", "ab"])) };
        const { assert!(!all_distinct(&["a", "b", "a"])) };
        assert!(all_distinct(&[]));
    }
}
