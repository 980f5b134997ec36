//! Times in markers and partition keys: rendered and parsed as Go's layouts do.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};

use crate::error::{Error, Result};

/// How a time is written: always in UTC, with fields of fixed width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeFormat(Vec<Item>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Literal(String),
    Field(Field),
    /// `.` and the nanoseconds without trailing zeros, or nothing where there are none.
    Nanos,
    /// `Z`; any offset is read.
    Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// What was read; parts that the format lacks stay as Go fills them.
struct Parts {
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
        items.push(Item::Zone);
        Self(items)
    }

    /// Go's `time.RFC3339Nano`: `2026-03-17T10:15:00.1Z`.
    pub(crate) fn rfc3339_nano() -> Self {
        let mut items = Self::date_time();
        items.extend([Item::Nanos, Item::Zone]);
        Self(items)
    }

    fn date_time() -> Vec<Item> {
        let literal = |text: &str| Item::Literal(text.to_owned());
        vec![
            Item::Field(Field::Year),
            literal("-"),
            Item::Field(Field::Month),
            literal("-"),
            Item::Field(Field::Day),
            literal("T"),
            Item::Field(Field::Hour),
            literal(":"),
            Item::Field(Field::Minute),
            literal(":"),
            Item::Field(Field::Second),
        ]
    }

    /// A format of `%Y`, `%m`, `%d`, `%H`, `%M`, `%S`, `%F` (`%Y-%m-%d`), `%T` (`%H:%M:%S`), `%%` and other text.
    ///
    /// # Errors
    /// `InvalidInput` for any other `%`.
    pub(crate) fn strftime(format: &str) -> Result<Self> {
        let mut items = Vec::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            let fields: &[(Field, &str)] = match c {
                '%' => match chars.next() {
                    Some('Y') => &[(Field::Year, "")],
                    Some('m') => &[(Field::Month, "")],
                    Some('d') => &[(Field::Day, "")],
                    Some('H') => &[(Field::Hour, "")],
                    Some('M') => &[(Field::Minute, "")],
                    Some('S') => &[(Field::Second, "")],
                    Some('F') => &[(Field::Year, "-"), (Field::Month, "-"), (Field::Day, "")],
                    Some('T') => &[(Field::Hour, ":"), (Field::Minute, ":"), (Field::Second, "")],
                    Some('%') => {
                        push_literal(&mut items, "%");
                        &[]
                    }
                    other => {
                        let found = other.map(String::from).unwrap_or_default();
                        return Err(Error::invalid_input(format!(
                            "time format {format:?}: `%{found}` is none of %Y %m %d %H %M %S %F %T %%"
                        )));
                    }
                },
                c => {
                    push_literal(&mut items, c.encode_utf8(&mut [0; 4]));
                    &[]
                }
            };
            for (field, after) in fields {
                items.push(Item::Field(*field));
                push_literal(&mut items, after);
            }
        }
        Ok(Self(items))
    }

    /// Renders a time; what the format has no part for is cut.
    ///
    /// # Errors
    /// `InvalidInput` for a year that four digits don't hold.
    pub(crate) fn render(&self, time: DateTime<Utc>) -> Result<String> {
        if !(0..=9999).contains(&time.year()) {
            return Err(Error::invalid_input(format!("the year of {time} does not fit four digits")));
        }
        let mut text = String::new();
        for item in &self.0 {
            match item {
                Item::Literal(literal) => text.push_str(literal),
                Item::Field(Field::Year) => push_number(&mut text, 4, time.year().unsigned_abs()),
                Item::Field(Field::Month) => push_number(&mut text, 2, time.month()),
                Item::Field(Field::Day) => push_number(&mut text, 2, time.day()),
                Item::Field(Field::Hour) => push_number(&mut text, 2, time.hour()),
                Item::Field(Field::Minute) => push_number(&mut text, 2, time.minute()),
                Item::Field(Field::Second) => push_number(&mut text, 2, time.second()),
                Item::Nanos => push_nanos(&mut text, time.timestamp_subsec_nanos()),
                Item::Zone => text.push('Z'),
            }
        }
        Ok(text)
    }

    /// Parses a time. Parts that the format lacks are filled as Go does: year 0, the first of the month, midnight, UTC.
    /// After the seconds a fraction may stand even where the format has none, as in Go.
    ///
    /// # Errors
    /// `InvalidData` for text of another format, and for a day that no month has.
    pub(crate) fn parse(&self, text: &str) -> Result<DateTime<Utc>> {
        let fault = || Error::invalid_data(format!("{text:?} is no time of the format {}", self.example()));
        let mut parts =
            Parts { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0, nanos: 0, offset: TimeDelta::zero() };
        let mut rest = text;
        for item in &self.0 {
            rest = parts.read(item, rest).ok_or_else(fault)?;
        }
        if !rest.is_empty() {
            return Err(fault());
        }
        parts.time().ok_or_else(fault)
    }

    /// The format, by an example.
    fn example(&self) -> String {
        let time = DateTime::from_timestamp(1_773_742_501, 100_000_000).unwrap_or_default();
        self.render(time).unwrap_or_default()
    }
}

impl Parts {
    fn read<'a>(&mut self, item: &Item, text: &'a str) -> Option<&'a str> {
        let rest = match item {
            Item::Literal(literal) => text.strip_prefix(literal.as_str())?,
            Item::Nanos => text,
            Item::Zone => {
                let (offset, rest) = read_zone(text)?;
                self.offset = offset;
                rest
            }
            Item::Field(field) => {
                let width = match field {
                    Field::Year => 4,
                    // Go takes an hour of one digit.
                    Field::Hour if !text.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => 1,
                    _ => 2,
                };
                let (value, rest) = read_number(text, width)?;
                match field {
                    Field::Year => self.year = i32::try_from(value).ok()?,
                    Field::Month => self.month = value,
                    Field::Day => self.day = value,
                    Field::Hour => self.hour = value,
                    Field::Minute => self.minute = value,
                    Field::Second => {
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

/// Reads `.` or `,` and digits, where there are any; digits beyond the nanoseconds are cut.
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
    // What Go takes.
    if hours > 24 || minutes > 60 {
        return None;
    }
    let offset = TimeDelta::minutes(i64::from(hours * 60 + minutes));
    Some((if east { offset } else { -offset }, rest))
}

fn push_literal(items: &mut Vec<Item>, text: &str) {
    match items.last_mut() {
        _ if text.is_empty() => {}
        Some(Item::Literal(literal)) => literal.push_str(text),
        _ => items.push(Item::Literal(text.to_owned())),
    }
}

fn push_number(text: &mut String, width: usize, number: u32) {
    // Writing to a String does not fail.
    let _ = write!(text, "{number:0width$}");
}

fn push_nanos(text: &mut String, nanos: u32) {
    // chrono counts a leap second beyond its last nanosecond.
    let nanos = nanos.min(999_999_999);
    if nanos > 0 {
        let digits = format!("{nanos:09}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
}
