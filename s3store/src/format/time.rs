//! Times in markers and partition keys, rendered and parsed as Go's layouts do.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};

use crate::error::{Error, Result};

/// The format of a time: always in UTC, with fields of fixed width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeFormat(Vec<FormatItem>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum FormatItem {
    Literal(String),
    TimeField(TimeField),
    /// `.` and the nanoseconds without trailing zeros, or nothing if they are zero.
    Nanos,
    /// The zone: rendered as `Z`, parsed as `Z` or any offset.
    Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeField {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// The parts of a time that have been parsed. Parts that are not in the format keep Go's defaults.
struct ParsedTime {
    year: i32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    offset: TimeDelta,
}

impl TimeFormat {
    /// Go's `time.RFC3339`: whole seconds, `2026-03-17T10:15:00Z`.
    pub(crate) fn rfc3339() -> Self {
        let mut items = Self::date_time();
        items.push(FormatItem::Zone);
        Self(items)
    }

    /// Go's `time.RFC3339Nano`: `2026-03-17T10:15:00.1Z`.
    pub(crate) fn rfc3339_nano() -> Self {
        let mut items = Self::date_time();
        items.extend([FormatItem::Nanos, FormatItem::Zone]);
        Self(items)
    }

    fn date_time() -> Vec<FormatItem> {
        let literal = |text: &str| FormatItem::Literal(text.to_owned());
        vec![
            FormatItem::TimeField(TimeField::Year),
            literal("-"),
            FormatItem::TimeField(TimeField::Month),
            literal("-"),
            FormatItem::TimeField(TimeField::Day),
            literal("T"),
            FormatItem::TimeField(TimeField::Hour),
            literal(":"),
            FormatItem::TimeField(TimeField::Minute),
            literal(":"),
            FormatItem::TimeField(TimeField::Second),
        ]
    }

    /// Parses a format of `%Y`, `%m`, `%d`, `%H`, `%M`, `%S`, `%F` (`%Y-%m-%d`), `%T` (`%H:%M:%S`), `%%` and literal
    /// text.
    ///
    /// # Errors
    /// `InvalidInput` for any other `%`.
    pub(crate) fn strftime(format: &str) -> Result<Self> {
        let mut items = Vec::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            let fields: &[(TimeField, &str)] = match c {
                '%' => match chars.next() {
                    Some('Y') => &[(TimeField::Year, "")],
                    Some('m') => &[(TimeField::Month, "")],
                    Some('d') => &[(TimeField::Day, "")],
                    Some('H') => &[(TimeField::Hour, "")],
                    Some('M') => &[(TimeField::Minute, "")],
                    Some('S') => &[(TimeField::Second, "")],
                    Some('F') => &[(TimeField::Year, "-"), (TimeField::Month, "-"), (TimeField::Day, "")],
                    Some('T') => &[(TimeField::Hour, ":"), (TimeField::Minute, ":"), (TimeField::Second, "")],
                    Some('%') => {
                        push_literal(&mut items, "%");
                        &[]
                    }
                    other => {
                        let found = other.map(String::from).unwrap_or_default();
                        return Err(Error::invalid_input(format!(
                            "time format {format:?}: `%{found}` is not one of %Y %m %d %H %M %S %F %T %%"
                        )));
                    }
                },
                c => {
                    push_literal(&mut items, c.encode_utf8(&mut [0; 4]));
                    &[]
                }
            };
            for (field, after) in fields {
                items.push(FormatItem::TimeField(*field));
                push_literal(&mut items, after);
            }
        }
        Ok(Self(items))
    }

    /// Renders a time. Parts that are not in the format are dropped.
    ///
    /// # Errors
    /// `InvalidInput` if the year does not have four digits.
    pub(crate) fn render(&self, time: DateTime<Utc>) -> Result<String> {
        if !(0..=9999).contains(&time.year()) {
            return Err(Error::invalid_input(format!("the year of {time} does not fit four digits")));
        }
        let mut text = String::new();
        for item in &self.0 {
            match item {
                FormatItem::Literal(literal) => text.push_str(literal),
                FormatItem::TimeField(TimeField::Year) => push_number(&mut text, 4, time.year().unsigned_abs()),
                FormatItem::TimeField(TimeField::Month) => push_number(&mut text, 2, time.month()),
                FormatItem::TimeField(TimeField::Day) => push_number(&mut text, 2, time.day()),
                FormatItem::TimeField(TimeField::Hour) => push_number(&mut text, 2, time.hour()),
                FormatItem::TimeField(TimeField::Minute) => push_number(&mut text, 2, time.minute()),
                FormatItem::TimeField(TimeField::Second) => push_number(&mut text, 2, time.second()),
                FormatItem::Nanos => push_nanos(&mut text, time.timestamp_subsec_nanos()),
                FormatItem::Zone => text.push('Z'),
            }
        }
        Ok(text)
    }

    /// Parses a time. As in Go, parts that are not in the format default to year 0, January 1st, midnight, UTC, and
    /// seconds may have a fraction even if the format has none.
    ///
    /// # Errors
    /// `InvalidData` if the text does not match the format, or is not a valid date.
    pub(crate) fn parse(&self, text: &str) -> Result<DateTime<Utc>> {
        let fault = || Error::invalid_data(format!("{text:?} is not a time in the format of {}", self.example()));
        let mut parts = ParsedTime {
            year: 0,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            nanos: 0,
            offset: TimeDelta::zero(),
        };
        let mut rest = text;
        for item in &self.0 {
            rest = parts.read(item, rest).ok_or_else(fault)?;
        }
        if !rest.is_empty() {
            return Err(fault());
        }
        parts.time().ok_or_else(fault)
    }

    /// Returns an example of the format, for messages.
    fn example(&self) -> String {
        let time = DateTime::from_timestamp(1_773_742_501, 100_000_000).unwrap_or_default();
        self.render(time).unwrap_or_default()
    }
}

impl ParsedTime {
    fn read<'a>(&mut self, item: &FormatItem, text: &'a str) -> Option<&'a str> {
        let rest = match item {
            FormatItem::Literal(literal) => text.strip_prefix(literal.as_str())?,
            FormatItem::Nanos => text,
            FormatItem::Zone => {
                let (offset, rest) = read_zone(text)?;
                self.offset = offset;
                rest
            }
            FormatItem::TimeField(field) => {
                let width = match field {
                    TimeField::Year => 4,
                    // Go accepts an hour of one digit.
                    TimeField::Hour if !text.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => 1,
                    _ => 2,
                };
                let (value, rest) = read_number(text, width)?;
                match field {
                    TimeField::Year => self.year = i32::try_from(value).ok()?,
                    TimeField::Month => self.month = value,
                    TimeField::Day => self.day = value,
                    TimeField::Hour => self.hour = value,
                    TimeField::Minute => self.minute = value,
                    TimeField::Second => {
                        self.second = value;
                        let (nanos, rest) = read_fraction(rest);
                        self.nanos = nanos;
                        return Some(rest);
                    }
                }
                rest
            }
        };
        Some(rest)
    }

    fn time(&self) -> Option<DateTime<Utc>> {
        let day = NaiveDate::from_ymd_opt(self.year, self.month, self.day)?;
        let time = day.and_hms_nano_opt(self.hour, self.minute, self.second, self.nanos)?;
        time.and_utc().checked_sub_signed(self.offset)
    }
}

/// Reads exactly `width` digits.
fn read_number(text: &str, width: usize) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(width)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, rest))
}

/// Reads `.` or `,` and digits, if present. Digits beyond nanoseconds are ignored.
fn read_fraction(text: &str) -> (u32, &str) {
    let Some(after) = text.strip_prefix(['.', ',']) else { return (0, text) };
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    let Some((digits, rest)) = after.split_at_checked(end).filter(|(digits, _)| !digits.is_empty()) else {
        return (0, text);
    };
    let nine = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
    (nine.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0')), rest)
}

/// Reads `Z` or `±hh:mm`.
fn read_zone(text: &str) -> Option<(TimeDelta, &str)> {
    if let Some(rest) = text.strip_prefix('Z') {
        return Some((TimeDelta::zero(), rest));
    }
    let east = text.starts_with('+');
    let (hours, rest) = read_number(text.strip_prefix(['+', '-'])?, 2)?;
    let (minutes, rest) = read_number(rest.strip_prefix(':')?, 2)?;
    // Go accepts these limits too.
    if hours > 24 || minutes > 60 {
        return None;
    }
    let offset = TimeDelta::minutes(i64::from(hours * 60 + minutes));
    Some((if east { offset } else { -offset }, rest))
}

fn push_literal(items: &mut Vec<FormatItem>, text: &str) {
    match items.last_mut() {
        _ if text.is_empty() => {}
        Some(FormatItem::Literal(literal)) => literal.push_str(text),
        _ => items.push(FormatItem::Literal(text.to_owned())),
    }
}

fn push_number(text: &mut String, width: usize, number: u32) {
    // Writing to a `String` does not fail.
    let _ = write!(text, "{number:0width$}");
}

fn push_nanos(text: &mut String, nanos: u32) {
    // chrono represents a leap second by 10^9 nanoseconds and more.
    let nanos = nanos.min(999_999_999);
    if nanos > 0 {
        let digits = format!("{nanos:09}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
}
