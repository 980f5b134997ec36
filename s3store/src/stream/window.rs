//! Windows of time.

use std::ops::{Range, RangeFrom, RangeFull, RangeTo};

use chrono::{DateTime, TimeZone};

use crate::clock::micros_from;

/// A half-open window of time over the instants when refs were stamped, in whole microseconds: for ends that are known
/// when the program runs. Otherwise write a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
}

/// What tells a window of time: `since..until`, `since..`, `..until` or `..`, of chrono's [`DateTime`] in any zone.
/// `since` belongs to it, `until` does not.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no window of time",
    label = "expected `since..until`, `since..`, `..until` or `..` of `DateTime`s",
    note = "windows are half-open: in place of `a..=b`, write `a..` and the instant after `b`"
)]
pub trait IntoWindow: sealed::Sealed {
    #[doc(hidden)]
    fn into_window(self) -> Window;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! windows {
    ($(($range:ty, $this:ident => $since:expr, $until:expr)),*) => {$(
        impl<Z: TimeZone> sealed::Sealed for $range {}

        impl<Z: TimeZone> IntoWindow for $range {
            fn into_window(self) -> Window {
                let $this = self;
                Window { since: $since, until: $until }
            }
        }
    )*};
}

windows!(
    (Range<DateTime<Z>>, range => Some(micros_from(&range.start)), Some(micros_from(&range.end))),
    (RangeFrom<DateTime<Z>>, range => Some(micros_from(&range.start)), None),
    (RangeTo<DateTime<Z>>, range => None, Some(micros_from(&range.end)))
);

impl Window {
    /// From `since` up to before `until`; `None` for an open end.
    #[must_use]
    pub fn new<Z: TimeZone>(since: Option<DateTime<Z>>, until: Option<DateTime<Z>>) -> Self {
        Self { since: since.as_ref().map(micros_from), until: until.as_ref().map(micros_from) }
    }
}

impl sealed::Sealed for Window {}

impl IntoWindow for Window {
    fn into_window(self) -> Window {
        self
    }
}

impl sealed::Sealed for RangeFull {}

impl IntoWindow for RangeFull {
    fn into_window(self) -> Window {
        Window::default()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{FixedOffset, Utc};

    use super::*;

    #[test]
    fn instants_between_two_microseconds_are_rounded_up() {
        let at = |nanos: i64| DateTime::<Utc>::from_timestamp_nanos(nanos);
        let micros: Vec<_> = [0, 1, 999, 1_000, 1_001, -1, -1_000, -1_001].map(|n| micros_from(&at(n))).into();
        assert_eq!(micros, [0, 1, 1, 1, 2, 0, -1, -1]);
    }

    #[test]
    fn any_zone_and_open_ends() {
        let zone = FixedOffset::east_opt(3_600).unwrap();
        let since = DateTime::<Utc>::from_timestamp_micros(5).unwrap();
        let until = since.with_timezone(&zone);
        assert_eq!((since..).into_window(), Window { since: Some(5), until: None });
        assert_eq!((..until).into_window(), Window { since: None, until: Some(5) });
        assert_eq!((since..since).into_window(), Window { since: Some(5), until: Some(5) });
        assert_eq!((..).into_window(), Window::default());
        assert_eq!(Window::new(Some(since), None).into_window(), (since..).into_window());
    }
}
