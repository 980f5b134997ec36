//! The bodies of the timing configuration: durations in Go's notation.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// Go's `time.Duration`: a signed number of nanoseconds, parsed and printed as Go does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GoDuration(pub(super) i64);

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000 * MICRO;
const SECOND: u64 = 1_000 * MILLI;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The greatest magnitude of a duration, and of each of its parts: 2^63.
const LIMIT: u64 = 1 << 63;

/// The smallest commit timeout.
const LEAST_COMMIT_TIMEOUT: Duration = Duration::from_millis(1);

impl GoDuration {
    /// Parses what Go's `time.ParseDuration` accepts, for instance `1h2m3.5s`. White space around it is ignored.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        if rest.is_empty() {
            return None;
        }
        let mut total = 0u64;
        while !rest.is_empty() {
            let (part, after) = parse_part(rest)?;
            total = total.checked_add(part).filter(|total| *total <= LIMIT)?;
            rest = after;
        }
        if negative { 0i64.checked_sub_unsigned(total) } else { i64::try_from(total).ok() }.map(Self)
    }

    /// Converts to a duration without a sign.
    ///
    /// # Errors
    /// `Config` if the duration is negative.
    fn to_std(self) -> Result<Duration> {
        let nanos = u64::try_from(self.0).map_err(|_| Error::new(ErrorKind::Config, format!("{self} is negative")))?;
        Ok(Duration::from_nanos(nanos))
    }
}

impl TryFrom<Duration> for GoDuration {
    type Error = Error;

    fn try_from(duration: Duration) -> Result<Self> {
        i64::try_from(duration.as_nanos())
            .map(Self)
            .map_err(|_| Error::invalid_input(format!("{duration:?} is too long: the maximum is 292 years")))
    }
}

/// Parses one `<digits>[.<digits>]<unit>`. Returns its nanoseconds, and the rest of the text.
fn parse_part(text: &str) -> Option<(u64, &str)> {
    let (digits, rest) = split_digits(text);
    let mut whole = 0u64;
    for digit in digits.bytes() {
        whole = whole.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|whole| *whole <= LIMIT)?;
    }
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    if digits.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(end)?;
    let unit = match unit {
        "ns" => 1,
        // The micro sign and the Greek letter mu.
        "us" | "\u{b5}s" | "\u{3bc}s" => MICRO,
        "ms" => MILLI,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    };
    let whole = whole.checked_mul(unit).filter(|whole| *whole <= LIMIT)?;
    let nanos = whole.checked_add(fraction_nanos(fraction, unit)).filter(|nanos| *nanos <= LIMIT)?;
    Some((nanos, rest))
}

/// Returns the nanoseconds of a fraction of `unit`, rounded down. As in Go, digits that do not fit 63 bits are ignored.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go computes in float64; the result is below one unit"
)]
fn fraction_nanos(digits: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0u64, 1.0f64);
    for digit in digits.bytes() {
        if value > (LIMIT - 1) / 10 {
            break;
        }
        let next = value * 10 + u64::from(digit - b'0');
        if next > LIMIT {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Renders as Go prints: `1h0m0s`, `1m30s`, `1.5s`, `500ms`, `0s`.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let small = [(MICRO, "ns", 1), (MILLI, "µs", MICRO), (SECOND, "ms", MILLI)];
        if nanos == 0 {
            return f.write_str("0s");
        }
        if let Some((_, name, unit)) = small.into_iter().find(|(below, ..)| nanos < *below) {
            return write_fraction(f, nanos, unit, name);
        }
        let (hours, minutes) = (nanos / HOUR, nanos % HOUR / MINUTE);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if nanos >= MINUTE {
            write!(f, "{minutes}m")?;
        }
        write_fraction(f, nanos % MINUTE, SECOND, "s")
    }
}

/// Writes `nanos` in `unit`, a power of ten, without trailing zeros.
fn write_fraction(f: &mut fmt::Formatter<'_>, nanos: u64, unit: u64, name: &str) -> fmt::Result {
    write!(f, "{}", nanos / unit)?;
    let width = unit.ilog10() as usize;
    let rest = nanos % unit;
    if rest > 0 {
        let digits = format!("{rest:0width$}");
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    f.write_str(name)
}

/// Parses the body of `_config/commit-timeout`: at least 1 ms.
///
/// # Errors
/// `Config`, with the body. The caller adds the object's key, and how to initialise the dataset.
pub(crate) fn commit_timeout(body: &str) -> Result<Duration> {
    let timeout = parse_body(body)?.to_std()?;
    if timeout < LEAST_COMMIT_TIMEOUT {
        return Err(Error::new(
            ErrorKind::Config,
            format!("a commit timeout of {:?} is too short: the minimum is 1ms", body.trim()),
        ));
    }
    Ok(timeout)
}

/// Parses the body of `_config/max-clock-skew`: at least 0.
///
/// # Errors
/// `Config`, with the body. The caller adds the object's key, and how to initialise the dataset.
pub(crate) fn max_clock_skew(body: &str) -> Result<Duration> {
    parse_body(body)?.to_std()
}

fn parse_body(body: &str) -> Result<GoDuration> {
    GoDuration::parse(body).ok_or_else(|| {
        Error::new(ErrorKind::Config, format!("{body:?} is not a duration: expected text such as \"15s\" or \"1m30s\""))
    })
}
