//! View columns that contain a formatted date or time.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::partition::{fraction, rendered};
use super::{Column, ColumnType, PartitionTime, ValueError, push_time};
use crate::error::Result as CrateResult;
use crate::format::TimeFormat;
use crate::pattern::{PartitionFormat, Rendered, Text};

/// A type that a view's struct can have for a formatted column: the text itself, or a date or time. Parts that the format
/// lacks get the values that Go's `time.Parse` uses.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't hold a formatted column",
    label = "neither String nor DateTime<Utc>, NaiveDateTime, NaiveDate",
    note = "a formatted column is text: take a String, or the time itself"
)]
pub trait Formatted: Sized {
    /// The kind of the column in selections, with values rendered by `F`.
    type Kind<F: PartitionFormat<Value = Self>>;

    /// Appends the value in the given format.
    ///
    /// # Errors
    /// The format can't express the value.
    fn push_in(&self, format: &str, text: &mut String) -> Result<(), ValueError>;

    /// Returns the point in time, if the type has a time of day.
    fn time(&self) -> Option<NaiveDateTime> {
        None
    }

    /// Returns the value in the given format, for a selection. It is converted as the record's column `column` stores it. A
    /// value that the column can't store, such as the far end of a range, is rendered as it is.
    ///
    /// # Errors
    /// The format can't express the value.
    fn text_in<R, T, E>(&self, column: &Column<R, T, E>, format: &str) -> CrateResult<String>
    where
        T: PartitionTime + ColumnType<E>,
    {
        let stored = self.time().and_then(|time| column.stored_value(&T::of_time(time)).ok().flatten());
        rendered(|text| match &stored {
            Some(stored) => push_formatted(stored, format, text),
            None => self.push_in(format, text),
        })
    }

    /// Parses a value in the given format.
    ///
    /// # Errors
    /// The text does not match the format.
    fn parse_in(text: &str, format: &str) -> Result<Self, ValueError>;
}

impl Formatted for String {
    type Kind<F: PartitionFormat<Value = Self>> = Text;

    fn push_in(&self, _format: &str, text: &mut String) -> Result<(), ValueError> {
        text.push_str(self);
        Ok(())
    }

    fn parse_in(text: &str, _format: &str) -> Result<Self, ValueError> {
        Ok(text.to_owned())
    }
}

impl Formatted for DateTime<Utc> {
    type Kind<F: PartitionFormat<Value = Self>> = Rendered<F>;

    fn time(&self) -> Option<NaiveDateTime> {
        Some(self.naive_utc())
    }

    fn push_in(&self, format: &str, text: &mut String) -> Result<(), ValueError> {
        push_formatted(self, format, text)
    }

    fn parse_in(text: &str, format: &str) -> Result<Self, ValueError> {
        let format = match format {
            RFC_3339 => TimeFormat::rfc3339(),
            RFC_3339_NANOS => TimeFormat::rfc3339_nano(),
            format => TimeFormat::strftime(format).map_err(ValueError::new)?,
        };
        format.parse(text).map_err(ValueError::new)
    }
}

impl Formatted for NaiveDateTime {
    type Kind<F: PartitionFormat<Value = Self>> = Rendered<F>;

    fn time(&self) -> Option<NaiveDateTime> {
        Some(*self)
    }

    fn push_in(&self, format: &str, text: &mut String) -> Result<(), ValueError> {
        push_formatted(self, format, text)
    }

    fn parse_in(text: &str, format: &str) -> Result<Self, ValueError> {
        DateTime::<Utc>::parse_in(text, format).map(|time| time.naive_utc())
    }
}

impl Formatted for NaiveDate {
    type Kind<F: PartitionFormat<Value = Self>> = Rendered<F>;

    fn push_in(&self, format: &str, text: &mut String) -> Result<(), ValueError> {
        push_formatted(self, format, text)
    }

    fn parse_in(text: &str, format: &str) -> Result<Self, ValueError> {
        DateTime::<Utc>::parse_in(text, format).map(|time| time.date_naive())
    }
}

/// Go's `time.RFC3339`: whole seconds.
const RFC_3339: &str = "rfc3339";
/// Go's `time.RFC3339Nano`: a fraction without trailing zeros.
const RFC_3339_NANOS: &str = "rfc3339_nanos";

/// Appends a time in the format `rfc3339`, `rfc3339_nanos`, or a chrono format such as `%Y-%m`.
///
/// # Errors
/// The year does not have four digits, the time is a leap second, or the type lacks a part that the format needs.
fn push_formatted<T: PartitionTime>(value: &T, format: &str, text: &mut String) -> Result<(), ValueError> {
    match format {
        RFC_3339 => push_time(value, "%Y-%m-%dT%H:%M:%SZ", text),
        RFC_3339_NANOS => {
            let (_, nanos) = value.limits();
            push_time(value, "%Y-%m-%dT%H:%M:%S", text)?;
            fraction(text, nanos)?;
            text.push('Z');
            Ok(())
        }
        format => push_time(value, format, text),
    }
}

/// A date or time with the parts that a format needs: [`DateParts`], [`TimeParts`] or [`DateTimeParts`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` lacks parts of a time that the format needs",
    label = "has no date, or no time of day",
    note = "years, months and days need a DateTime<Utc>, NaiveDateTime or NaiveDate; hours, minutes and seconds need a \
            DateTime<Utc>, NaiveDateTime or NaiveTime"
)]
pub trait HasParts<Parts>: PartitionTime {}

/// Years, months and days.
#[derive(Debug)]
pub enum DateParts {}
/// Hours, minutes and seconds.
#[derive(Debug)]
pub enum TimeParts {}
/// Parts of a date and of a time of day.
#[derive(Debug)]
pub enum DateTimeParts {}

impl HasParts<DateParts> for NaiveDate {}
impl HasParts<TimeParts> for NaiveTime {}
impl<Parts> HasParts<Parts> for NaiveDateTime {}
impl<Parts> HasParts<Parts> for DateTime<Utc> {}

/// Appends a record's value in a format that needs `Parts`.
///
/// # Errors
/// The format can't express the value.
pub fn push_parts<Parts, T: HasParts<Parts>>(value: &T, format: &str, text: &mut String) -> Result<(), ValueError> {
    push_formatted(value, format, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parts_of_a_time_are_filled_like_in_go() {
        let time: DateTime<Utc> = "2026-03-17T10:15:01.100Z".parse().unwrap();
        let text = |format: &str| {
            let mut text = String::new();
            push_formatted(&time, format, &mut text).map(|()| text)
        };
        assert_eq!(text("rfc3339").unwrap(), "2026-03-17T10:15:01Z");
        assert_eq!(text("rfc3339_nanos").unwrap(), "2026-03-17T10:15:01.1Z");
        assert_eq!(text("%Y-%m").unwrap(), "2026-03");
        let month = DateTime::<Utc>::parse_in("2026-03", "%Y-%m").unwrap();
        assert_eq!(month.to_rfc3339(), "2026-03-01T00:00:00+00:00");
        assert_eq!(NaiveDate::parse_in("2026-03", "%Y-%m").unwrap(), month.date_naive());
        assert_eq!(String::parse_in("2026-03", "%Y-%m").unwrap(), "2026-03");
        let shifted = DateTime::<Utc>::parse_in("2026-03-17T12:15:01+02:00", "rfc3339").unwrap();
        assert_eq!(shifted.to_rfc3339(), "2026-03-17T10:15:01+00:00");
        assert!(DateTime::<Utc>::parse_in("2026", "%Y-%m").is_err());
    }
}

#[cfg(test)]
mod vector_tests {
    use serde_json::Value;

    use super::*;
    use crate::record::{Nano, Timestamp, Truncate};

    /// Views render and parse times exactly like Go.
    #[test]
    fn formatted_times_match_those_of_go() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/data/wire-vectors.json")).unwrap();
        let cases = vectors["marker_times"].as_array().unwrap();
        assert!(cases.len() > 50);
        let column = Column::<DateTime<Utc>, _, Timestamp<Nano, Truncate>>::new("at", |at| at);
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let format = match case["format"].as_str().unwrap() {
                "rfc3339" => RFC_3339,
                "rfc3339_nano" => RFC_3339_NANOS,
                "month" => "%Y-%m",
                "day" => "%F",
                "hour" => "%Y-%m-%dT%H",
                "compact" => "%Y%m%d",
                other => panic!("{other}"),
            };
            let time = |nanos: &Value| DateTime::from_timestamp_nanos(nanos.as_str().unwrap().parse().unwrap());
            if let nanos @ Value::String(_) = &case["nanos"]
                && case["parse_only"] != true
            {
                assert_eq!(time(nanos).text_in(&column, format).unwrap(), text, "{format}");
                if format == RFC_3339_NANOS {
                    // This is also the default format of a view's column.
                    let mut plain = String::new();
                    crate::record::PartitionValue::render(&time(nanos), &mut plain).unwrap();
                    assert_eq!(plain, text);
                }
            }
            let parsed = DateTime::<Utc>::parse_in(text, format);
            assert_eq!(parsed.is_ok(), case["ok"] == true, "{format} {text}");
            assert_eq!(parsed.ok(), Some(&case["parsed_nanos"]).filter(|nanos| nanos.is_string()).map(time));
        }
    }
}
