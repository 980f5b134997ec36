//! A view's columns that a format makes of dates and times.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::partition::{fraction, rendered};
use super::{PartitionTime, ValueError, push_time};
use crate::error::Result as CrateResult;
use crate::format::TimeFormat;
use crate::pattern::{PartitionFormat, Rendered, Text};

/// What a column of a view that is made by a format can be in the view's struct: the text itself, or a time in which
/// parts that the format lacks are filled as Go fills them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a format makes",
    label = "neither String nor DateTime<Utc>, NaiveDateTime, NaiveDate",
    note = "a formatted column is text: take a String, or the time itself"
)]
pub trait Formatted: Sized {
    /// What selects values of the column, which `F` renders.
    type Kind<F: PartitionFormat<Value = Self>>;

    /// The value as text in a format.
    ///
    /// # Errors
    /// A value that has no text in it.
    fn push_in(&self, format: &str, text: &mut String) -> Result<(), ValueError>;

    /// The value as text in a format, for a selection.
    ///
    /// # Errors
    /// A value that has no text in it.
    fn text_in(&self, format: &str) -> CrateResult<String> {
        rendered(|text| self.push_in(format, text))
    }

    /// The value back from its text in a format.
    ///
    /// # Errors
    /// Text that does not fit the format.
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
/// Go's `time.RFC3339Nano`: a fraction of as many digits as it needs.
const RFC_3339_NANOS: &str = "rfc3339_nanos";

/// Appends a time in a format: `rfc3339`, `rfc3339_nanos`, or one of chrono's, `%Y-%m`.
///
/// # Errors
/// A year that has not four digits, a leap second, or a format that this type lacks the parts for.
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

/// A date or time that has what a format asks for: [`DateParts`], [`TimeParts`] or [`DateTimeParts`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` lacks parts of a time that the format asks for",
    label = "has no date, or no time of day",
    note = "years, months and days are those of a DateTime<Utc>, NaiveDateTime or NaiveDate; hours, minutes and seconds \
            those of a DateTime<Utc>, NaiveDateTime or NaiveTime"
)]
pub trait HasParts<Parts>: PartitionTime {}

/// A format asks for years, months, days.
#[derive(Debug)]
pub enum DateParts {}
/// A format asks for hours, minutes, seconds.
#[derive(Debug)]
pub enum TimeParts {}
/// A format asks for parts of the date and of the time.
#[derive(Debug)]
pub enum DateTimeParts {}

impl HasParts<DateParts> for NaiveDate {}
impl HasParts<TimeParts> for NaiveTime {}
impl<Parts> HasParts<Parts> for NaiveDateTime {}
impl<Parts> HasParts<Parts> for DateTime<Utc> {}

/// Appends a record's value in a format of these parts.
///
/// # Errors
/// A value that has no text in the format.
pub fn push_parts<Parts, T: HasParts<Parts>>(value: &T, format: &str, text: &mut String) -> Result<(), ValueError> {
    push_formatted(value, format, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatted_times_are_filled_as_go_fills_them() {
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

    /// What a view makes of times, and reads back, is what Go prints and parses.
    #[test]
    fn formatted_times_are_those_of_go() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/data/wire-vectors.json")).unwrap();
        let cases = vectors["marker_times"].as_array().unwrap();
        assert!(cases.len() > 50);
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
                assert_eq!(time(nanos).text_in(format).unwrap(), text, "{format}");
                if format == RFC_3339_NANOS {
                    // The default of a view's column.
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
