//! Time formats, tried out while the record compiles.

use std::fmt::Write;

use chrono::format::{Fixed, Item, Numeric, Pad, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use syn::LitStr;

use crate::ctxt::Ctxt;
use crate::types::Look;

/// Checks that values of a type that looks like `look` come out of `format` as legal values in keys. `whose` says for
/// messages what they are values of: `a partition's`.
pub(super) fn check(cx: &Ctxt, format: &LitStr, look: Look, whose: &str) {
    let text = format.value();
    if text.is_empty() {
        return cx.error(format, "an empty format gives an empty value; for example `\"%Y-%m\"`");
    }
    if StrftimeItems::new(&text).any(|item| matches!(item, Item::Error)) {
        return cx.error(format, "no format: after each `%` comes a letter that chrono's `strftime` knows, like `%Y`");
    }
    fits(cx, format, &text, look, whose);
}

/// [`check`] of a format that parses, at `format`.
pub(super) fn fits(cx: &Ctxt, format: &LitStr, text: &str, look: Look, whose: &str) {
    let samples = [NaiveDateTime::default(), DateTime::from_timestamp_nanos(1_774_000_000_123_456_789).naive_utc()];
    for sample in samples {
        let Some(value) = render(text, look, sample) else {
            return cx.error(format, format!("the format asks for what {} has not", owner(look)));
        };
        if value.is_empty() {
            return cx.error(format, "the format gives an empty value for some times");
        }
        if let Some(illegal) = ["/", ".."].into_iter().find(|illegal| value.contains(illegal)) {
            let message = format!("the format gives {value:?}, and {whose} value holds no `{illegal}`");
            return cx.error(format, message);
        }
    }
}

/// Whether the texts of `format`, byte by byte, are ordered as the times are: year, month, day, hour and so on, each
/// with its leading zeros, with nothing between left out. A time of day begins with the hour.
pub(crate) fn keeps_order(format: &str, look: Look) -> bool {
    let first = if look == Look::Time { 3 } else { 0 };
    let mut rank = first;
    for item in StrftimeItems::new(format) {
        let next = match item {
            Item::Literal(_) | Item::Space(_) => continue,
            Item::Numeric(Numeric::Year, Pad::Zero) => (0, 1),
            Item::Numeric(Numeric::Month, Pad::Zero) => (1, 2),
            Item::Numeric(Numeric::Day, Pad::Zero) => (2, 3),
            Item::Numeric(Numeric::Ordinal, Pad::Zero) => (1, 3),
            Item::Numeric(Numeric::Hour, Pad::Zero) => (3, 4),
            Item::Numeric(Numeric::Minute, Pad::Zero) => (4, 5),
            Item::Numeric(Numeric::Second, Pad::Zero) => (5, 6),
            Item::Numeric(Numeric::Nanosecond, Pad::Zero)
            | Item::Fixed(Fixed::Nanosecond3 | Fixed::Nanosecond6 | Fixed::Nanosecond9) => (6, 7),
            _ => return false,
        };
        if rank != next.0 {
            return false;
        }
        rank = next.1;
    }
    rank > first
}

fn owner(look: Look) -> &'static str {
    match look {
        Look::Date => "a `NaiveDate`",
        Look::Time => "a `NaiveTime`",
        _ => "a `NaiveDateTime`",
    }
}

fn render(format: &str, look: Look, sample: NaiveDateTime) -> Option<String> {
    let (date, time): (NaiveDate, NaiveTime) = (sample.date(), sample.time());
    let mut text = String::new();
    let written = match look {
        Look::Date => write!(text, "{}", date.format(format)),
        Look::Time => write!(text, "{}", time.format(format)),
        Look::DateAndTime => write!(text, "{}", sample.format(format)),
        _ => write!(text, "{}", sample.and_utc().format(format)),
    };
    written.ok().map(|()| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(format: &str, look: Look) -> Vec<String> {
        let cx = Ctxt::default();
        check(&cx, &LitStr::new(format, proc_macro2::Span::call_site()), look, "a partition's");
        cx.into_errors().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn good_formats_pass() {
        for format in ["%Y-%m", "%F", "%Y%m%dT%H", "%+", "w%V"] {
            assert_eq!(errors(format, Look::Utc), [""; 0], "{format}");
        }
        assert_eq!(errors("%Y", Look::Date), [""; 0]);
        assert_eq!(errors("%H", Look::Time), [""; 0]);
    }

    #[test]
    fn only_falling_units_keep_the_order() {
        for format in ["%Y", "%Y-%m", "%F", "%Y%jT%H", "%FT%T", "%FT%T%.3f"] {
            assert!(keeps_order(format, Look::Utc), "{format}");
        }
        for format in ["%m-%Y", "%d", "%Y-%d", "%y", "%Y-%-m", "%b", "%+", "week", "%Y-%H", "%FT%T%.f", "%H:%M"] {
            assert!(!keeps_order(format, Look::Utc), "{format}");
        }
        assert!(keeps_order("%H:%M", Look::Time));
        assert!(!keeps_order("%M", Look::Time));
    }

    #[test]
    fn a_format_that_fails_for_some_value_is_refused() {
        for (format, look) in [
            ("", Look::Utc),
            ("%Q", Look::Utc),
            ("%", Look::Utc),
            ("%D", Look::Utc),
            ("%Y/%m", Look::Utc),
            ("%S.%.3f", Look::Utc),
            ("%.f", Look::Utc),
            ("%H", Look::Date),
            ("%Y", Look::Time),
            ("%z", Look::DateAndTime),
        ] {
            assert_eq!(errors(format, look).len(), 1, "{format:?} of {look:?}");
        }
    }
}
