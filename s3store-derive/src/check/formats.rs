//! Checks of time formats, by rendering sample times.

use std::fmt::Write;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use syn::LitStr;

use crate::ctxt::Ctxt;
use crate::types::TypeClass;

/// Checks that a format is valid `strftime`, and that it renders values of the class as legal values in keys.
///
/// `owner` is the owner of the values, for messages: `a partition`.
pub(super) fn check(cx: &Ctxt, format: &LitStr, class: TypeClass, owner: &str) {
    let text = format.value();
    if text.is_empty() {
        return cx.error(format, "the format must not be empty; an example is `\"%Y-%m\"`");
    }
    if StrftimeItems::new(&text).any(|item| matches!(item, Item::Error)) {
        return cx.error(format, "not a valid `strftime` format: each `%` must start a specifier such as `%Y`");
    }
    renders(cx, format, &text, class, owner);
}

/// Checks that `strftime` renders values of the class as legal values in keys, and reports errors at `format`.
pub(super) fn renders(cx: &Ctxt, format: &LitStr, strftime: &str, class: TypeClass, owner: &str) {
    let samples = [NaiveDateTime::default(), DateTime::from_timestamp_nanos(1_774_000_000_123_456_789).naive_utc()];
    for sample in samples {
        let Some(value) = render(strftime, class, sample) else {
            let message = format!("the format uses a part of a time that {} does not have", noun(class));
            return cx.error(format, message);
        };
        if value.is_empty() {
            return cx.error(format, "the format renders some times as an empty value");
        }
        if let Some(illegal) = ["/", ".."].into_iter().find(|illegal| value.contains(illegal)) {
            let message = format!("a value of {owner} must not contain `{illegal}`; the format renders {value:?}");
            return cx.error(format, message);
        }
    }
}

fn noun(class: TypeClass) -> &'static str {
    match class {
        TypeClass::Date => "a `NaiveDate`",
        TypeClass::Time => "a `NaiveTime`",
        _ => "a `NaiveDateTime`",
    }
}

/// Renders a sample as a value of the class. Returns `None` if the class lacks a part that the format uses.
fn render(strftime: &str, class: TypeClass, sample: NaiveDateTime) -> Option<String> {
    let (date, time): (NaiveDate, NaiveTime) = (sample.date(), sample.time());
    let mut text = String::new();
    let written = match class {
        TypeClass::Date => write!(text, "{}", date.format(strftime)),
        TypeClass::Time => write!(text, "{}", time.format(strftime)),
        TypeClass::DateTime => write!(text, "{}", sample.format(strftime)),
        _ => write!(text, "{}", sample.and_utc().format(strftime)),
    };
    written.ok().map(|()| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(format: &str, class: TypeClass) -> Vec<String> {
        let cx = Ctxt::default();
        check(&cx, &LitStr::new(format, proc_macro2::Span::call_site()), class, "a partition");
        cx.into_errors().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn valid_formats_pass() {
        for format in ["%Y-%m", "%F", "%Y%m%dT%H", "%+", "w%V"] {
            assert_eq!(errors(format, TypeClass::Utc), [""; 0], "{format}");
        }
        assert_eq!(errors("%Y", TypeClass::Date), [""; 0]);
        assert_eq!(errors("%H", TypeClass::Time), [""; 0]);
    }

    #[test]
    fn a_format_that_fails_for_some_value_is_rejected() {
        for (format, class) in [
            ("", TypeClass::Utc),
            ("%Q", TypeClass::Utc),
            ("%", TypeClass::Utc),
            ("%D", TypeClass::Utc),
            ("%Y/%m", TypeClass::Utc),
            ("%S.%.3f", TypeClass::Utc),
            ("%.f", TypeClass::Utc),
            ("%H", TypeClass::Date),
            ("%Y", TypeClass::Time),
            ("%z", TypeClass::DateTime),
        ] {
            assert_eq!(errors(format, class).len(), 1, "{format:?} of {class:?}");
        }
    }
}
