//! The traits behind `#[derive(View)]`: tuples of values, rendered as text and parsed back.

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

/// A materialized view of a record, which keeps one marker on S3 for each distinct tuple of its fields.
///
/// Derived by `#[derive(View)]`, never implemented by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a view",
    note = "a view is a struct with named fields, `#[derive(s3store::View)]` and `#[view(of = …, name = \"…\")]`"
)]
pub trait View: Sized + Send + 'static {
    /// The record whose values the view contains.
    type Record: RootRecord;

    /// A builder of patterns over the view's columns, with a method per column.
    type Patterns: IntoPatterns;

    /// The view's name in keys.
    const NAME: &'static str;

    /// The names of the view's columns in keys, in order.
    const COLUMNS: &'static [&'static str];

    /// Returns a builder that selects every tuple. Each of its methods narrows one column.
    fn patterns() -> Self::Patterns;

    /// Returns the names of the record's columns that the view needs, each once.
    #[doc(hidden)]
    fn source_columns() -> Vec<&'static str>;

    /// Replaces `tuple` by that of a record. Returns `false` if the record has none.
    #[doc(hidden)]
    fn tuple(record: &Self::Record, tuple: &mut Tuple) -> Result<bool, ValueError>;

    /// Calls `take` with the tuple of each row of a batch. `columns` are the
    /// [`source_columns`](Self::source_columns), in order and with their read types.
    #[doc(hidden)]
    fn tuples(columns: &[ArrayRef], rows: Range<usize>, take: &mut dyn FnMut(&Tuple)) -> Result<(), RowError>;

    /// Parses the values of a tuple, one per column.
    #[doc(hidden)]
    fn from_tuple(values: &[&str]) -> Result<Self, ValueError>;
}

/// The values of one tuple as text, in one buffer that is reused from tuple to tuple.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    text: String,
    /// The end of each value in `text`.
    ends: Vec<usize>,
}

impl Tuple {
    /// Removes all values.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Appends a value, which `render` appends to a text.
    ///
    /// # Errors
    /// The error of `render`, with the column.
    pub fn push(
        &mut self,
        column: &str,
        render: impl FnOnce(&mut String) -> Result<(), ValueError>,
    ) -> Result<(), ValueError> {
        render(&mut self.text).map_err(|error| error.in_column(column))?;
        self.ends.push(self.text.len());
        Ok(())
    }

    /// Returns the values.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| self.text.get(start..end).unwrap_or_default())
    }
}

/// A type whose values can be a column of a view: they are rendered as text by [`PartitionValue`] and parsed back.
///
/// The crate implements it for strings, integers, `bool`, dates, times and UUIDs; the derive of
/// [`ColumnType`](macro@crate::ColumnType) implements it for newtypes and for enums without fields.
///
/// # Example
/// ```
/// use s3store::column::ViewValue;
///
/// assert_eq!(u16::parse("443")?, 443);
/// assert!(u16::parse("https").is_err());
/// # Ok::<(), s3store::column::ValueError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be parsed from the text of a view's column",
    label = "not a view value",
    note = "derive `s3store::ColumnType` for a newtype or an enum without fields, or implement `s3store::column::ViewValue`"
)]
pub trait ViewValue: PartitionValue + Sized {
    /// Parses a value.
    ///
    /// # Errors
    /// The text is not a value of this type.
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
        TimeFormat::rfc3339_nano().parse(text).map_err(|_| no(text, "RFC 3339 time"))
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

/// Parses an enum from its text. The derived [`ViewValue`] of an enum calls it.
///
/// # Errors
/// The text is not a value of the enum.
pub fn parse_enum<T: EnumText>(text: &str) -> Result<T, ValueError> {
    T::of(text).ok_or_else(|| no(text, T::NAME))
}

fn no(text: &str, what: &str) -> ValueError {
    ValueError::new(format_args!("{text:?} is not a valid {what}"))
}

/// The parts of a view that a writer of the record `R` needs.
pub struct ViewWriter<R> {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [&'static str],
    pub(crate) tuple: fn(&R, &mut Tuple) -> Result<bool, ValueError>,
}

impl<R: RootRecord> ViewWriter<R> {
    /// Creates the writer of the view `V`.
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

/// Returns `true` if all names differ. The derive of a record asserts it for its views at compile time.
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
    fn values_round_trip_through_their_text() {
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
            (u8::parse("256").map(drop), "\"256\" is not a valid u8"),
            (bool::parse("TRUE").map(drop), "\"TRUE\" is not a valid bool"),
            (NaiveDate::parse("2026-02-30").map(drop), "\"2026-02-30\" is not a valid date"),
            (DateTime::<Utc>::parse("noon").map(drop), "\"noon\" is not a valid RFC 3339 time"),
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
