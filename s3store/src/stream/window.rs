//! Windows of time.

use std::ops::{Range, RangeFrom, RangeFull, RangeTo};

use chrono::{DateTime, TimeZone};

use crate::clock::micros_from;

/// A half-open window of time, compared with the instants at which refs were stamped, in whole microseconds.
///
/// Use it if the program decides at run time which ends are open; otherwise write a range, such as `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Inclusive, in microseconds since the epoch.
    pub(crate) start: Option<i64>,
    /// Exclusive, in microseconds since the epoch.
    pub(crate) end: Option<i64>,
}

/// A window of time: `start..end`, `start..`, `..end` or `..` of chrono's [`DateTime`] in any zone, or a [`Window`].
///
/// The window includes `start` and excludes `end`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a window of time",
    label = "expected `start..end`, `start..`, `..end` or `..` of `DateTime`s",
    note = "windows are half-open: in place of `a..=b`, write `a..` and the instant after `b`"
)]
pub trait IntoWindow: sealed::Sealed {
    #[doc(hidden)]
    fn into_window(self) -> Window;
}

mod sealed {
    pub trait Sealed {}
}

impl Window {
    /// Creates a window from `start` (inclusive) to `end` (exclusive). `None` leaves that end open.
    #[must_use]
    pub fn new<Z: TimeZone>(start: Option<DateTime<Z>>, end: Option<DateTime<Z>>) -> Self {
        Self { start: start.as_ref().map(micros_from), end: end.as_ref().map(micros_from) }
    }
}

impl sealed::Sealed for Window {}

impl IntoWindow for Window {
    fn into_window(self) -> Window {
        self
    }
}

impl<Z: TimeZone> sealed::Sealed for Range<DateTime<Z>> {}

impl<Z: TimeZone> IntoWindow for Range<DateTime<Z>> {
    fn into_window(self) -> Window {
        Window::new(Some(self.start), Some(self.end))
    }
}

impl<Z: TimeZone> sealed::Sealed for RangeFrom<DateTime<Z>> {}

impl<Z: TimeZone> IntoWindow for RangeFrom<DateTime<Z>> {
    fn into_window(self) -> Window {
        Window::new(Some(self.start), None)
    }
}

impl<Z: TimeZone> sealed::Sealed for RangeTo<DateTime<Z>> {}

impl<Z: TimeZone> IntoWindow for RangeTo<DateTime<Z>> {
    fn into_window(self) -> Window {
        Window::new(None, Some(self.end))
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
    fn windows_accept_any_zone_and_open_ends() {
        let zone = FixedOffset::east_opt(3_600).unwrap();
        let start = DateTime::<Utc>::from_timestamp_micros(5).unwrap();
        let end = start.with_timezone(&zone);
        assert_eq!((start..).into_window(), Window { start: Some(5), end: None });
        assert_eq!((..end).into_window(), Window { start: None, end: Some(5) });
        assert_eq!((start..start).into_window(), Window { start: Some(5), end: Some(5) });
        assert_eq!((..).into_window(), Window::default());
        assert_eq!(Window::new(Some(start), None).into_window(), (start..).into_window());
    }
}
