//! The user metadata of a commit.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};

use super::AttemptId;
use super::refs::MAX_MICROS;
use crate::error::{Error, Result};

const ATTEMPT: &str = "attemptid";
const REF_MICROS: &str = "refmicrots";
const INSERTED_AT: &str = "insertedat";
const ROW_COUNT: &str = "rowcount";

/// The fields of a commit, which are stored in its user metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CommitMeta {
    /// The attempt that the commit makes visible.
    pub(crate) attempt: AttemptId,
    /// The microseconds of the attempt's ref.
    pub(crate) ref_micros: i64,
    /// The write's insertion time, in Unix microseconds.
    pub(crate) inserted_at_micros: i64,
    /// The number of records in the data file.
    pub(crate) record_count: u64,
}

impl CommitMeta {
    /// Renders the user metadata, as pairs of a name (without `x-amz-meta-`) and a value.
    pub(crate) fn to_metadata(self) -> [(&'static str, String); 4] {
        [
            (ATTEMPT, self.attempt.to_string()),
            (REF_MICROS, self.ref_micros.to_string()),
            (INSERTED_AT, self.inserted_at_micros.to_string()),
            (ROW_COUNT, self.record_count.to_string()),
        ]
    }

    /// Parses the user metadata.
    ///
    /// # Errors
    /// `InvalidData` if a field is missing, does not parse, or is out of range. The caller adds the object's key.
    pub(crate) fn from_metadata(metadata: &HashMap<String, String>) -> Result<Self> {
        let field = |name: &str| {
            let missing = || Error::invalid_data(format!("the commit's metadata have no {name:?}"));
            metadata.get(name).map(String::as_str).ok_or_else(missing)
        };
        let attempt = field(ATTEMPT)?;
        Ok(Self {
            attempt: AttemptId::parse(attempt)
                .ok_or_else(|| unreadable(ATTEMPT, attempt, "32 lowercase hex digits"))?,
            ref_micros: integer(REF_MICROS, field(REF_MICROS)?, 0..=MAX_MICROS)?,
            inserted_at_micros: integer(INSERTED_AT, field(INSERTED_AT)?, times())?,
            // As in Go, a number of records has 63 bits.
            record_count: integer(ROW_COUNT, field(ROW_COUNT)?, 0..=i64::MAX)?.unsigned_abs(),
        })
    }
}

/// Returns the microseconds that a time can have.
fn times() -> RangeInclusive<i64> {
    DateTime::<Utc>::MIN_UTC.timestamp_micros()..=DateTime::<Utc>::MAX_UTC.timestamp_micros()
}

fn integer(name: &str, text: &str, range: RangeInclusive<i64>) -> Result<i64> {
    let value = text.parse().ok().filter(|value| range.contains(value));
    let expected = || format!("a decimal integer from {} to {}", range.start(), range.end());
    value.ok_or_else(|| unreadable(name, text, &expected()))
}

fn unreadable(name: &str, text: &str, expected: &str) -> Error {
    Error::invalid_data(format!("the commit's metadata {name:?} is {text:?}, expected {expected}"))
}
