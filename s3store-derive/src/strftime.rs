//! Time formats: the parts of a time that they contain, and if their texts sort like the times.

use chrono::format::{Fixed, Item, Numeric, Pad, StrftimeItems};

use crate::types::TypeClass;

/// The formats of views that have a name, with their `strftime` format.
pub(crate) const NAMED_FORMATS: &[(&str, &str)] =
    &[("rfc3339", "%Y-%m-%dT%H:%M:%SZ"), ("rfc3339_nanos", "%Y-%m-%dT%H:%M:%S%.fZ")];

/// Returns the `strftime` format of a view's format, which may be a name.
pub(crate) fn as_strftime(format: &str) -> &str {
    NAMED_FORMATS.iter().find(|(name, _)| *name == format).map_or(format, |(_, strftime)| strftime)
}

/// The parts of a time that a format contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeParts {
    Date,
    TimeOfDay,
    Both,
}

impl TimeParts {
    /// Returns the parts that a view's format contains, or `None` if it contains none.
    pub(crate) fn of(format: &str) -> Option<Self> {
        let specifiers: Vec<_> = specifiers(as_strftime(format)).filter(|specifier| specifier != "%%").collect();
        let is_date = |specifier: &String| matches!(specifier.as_str(), "%Y" | "%m" | "%d" | "%F");
        match (specifiers.iter().any(is_date), specifiers.iter().all(is_date)) {
            _ if specifiers.is_empty() => None,
            (_, true) => Some(Self::Date),
            (false, _) => Some(Self::TimeOfDay),
            (true, false) => Some(Self::Both),
        }
    }
}

/// Returns each `%` with the letter that follows it.
pub(crate) fn specifiers(format: &str) -> impl Iterator<Item = String> {
    let mut letters = format.chars();
    std::iter::from_fn(move || {
        letters.by_ref().find(|letter| *letter == '%')?;
        Some(std::iter::once('%').chain(letters.next()).collect())
    })
}

/// Returns `true` if the bytes of the formatted texts sort like the times.
///
/// The specifiers must go from large units to small ones, with leading zeros and without a gap. The first is the year,
/// or the hour for a time of day.
pub(crate) fn keeps_order(format: &str, class: TypeClass) -> bool {
    let first = if class == TypeClass::Time { 3 } else { 0 };
    let mut rank = first;
    for item in StrftimeItems::new(format) {
        let (from, to) = match item {
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
        if rank != from {
            return false;
        }
        rank = to;
    }
    rank > first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_contains_parts_of_a_time() {
        for (format, expected) in [
            ("%Y-%m", Some(TimeParts::Date)),
            ("%F", Some(TimeParts::Date)),
            ("%H:%M", Some(TimeParts::TimeOfDay)),
            ("%T %%", Some(TimeParts::TimeOfDay)),
            ("%FT%H", Some(TimeParts::Both)),
            ("rfc3339", Some(TimeParts::Both)),
            ("rfc3339_nanos", Some(TimeParts::Both)),
            ("%%Y", None),
            ("", None),
        ] {
            assert_eq!(TimeParts::of(format), expected, "{format}");
        }
    }

    #[test]
    fn only_descending_units_keep_the_order() {
        for format in ["%Y", "%Y-%m", "%F", "%Y%jT%H", "%FT%T", "%FT%T%.3f"] {
            assert!(keeps_order(format, TypeClass::Utc), "{format}");
        }
        for format in ["%m-%Y", "%d", "%Y-%d", "%y", "%Y-%-m", "%b", "%+", "week", "%Y-%H", "%FT%T%.f", "%H:%M"] {
            assert!(!keeps_order(format, TypeClass::Utc), "{format}");
        }
        assert!(keeps_order("%H:%M", TypeClass::Time));
        assert!(!keeps_order("%M", TypeClass::Time));
    }
}
