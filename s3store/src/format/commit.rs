//! The user metadata of a commit.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};

use super::AttemptId;
use super::refs::MAX_MICROS;
use crate::error::{Error, Result};

const ATTEMPT: &str = "attemptid";
const REF_MICROS: &str = "refmicrots";
const INSERTED_AT: &str = "insertedat";
const ROW_COUNT: &str = "rowcount";
/// The Go library ignores further fields, and writes none.
const CONTENT: &str = "contentdigest";

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
    /// The digest of the records. `None` if the commit has none, or one of another version.
    pub(crate) content: Option<ContentDigest>,
}

/// The digest of a file's records, and of the columns that it covers.
///
/// Only digests of the same columns can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ContentDigest {
    pub(crate) columns: u64,
    pub(crate) records: u128,
}

impl ContentDigest {
    /// The version of the digests. It changes if equal records get another digest.
    const VERSION: &str = "1";

    fn parse(text: &str) -> Option<Self> {
        let hex = |text: &str, digits: usize| {
            let legal = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            legal.then(|| u128::from_str_radix(text, 16).ok()).flatten()
        };
        let (columns, records) = text.strip_prefix(Self::VERSION)?.strip_prefix('-')?.split_once('-')?;
        Some(Self { columns: hex(columns, 16)?.try_into().ok()?, records: hex(records, 32)? })
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}-{:032x}", Self::VERSION, self.columns, self.records)
    }
}

impl CommitMeta {
    /// Renders the user metadata, as pairs of a name (without `x-amz-meta-`) and a value.
    pub(crate) fn to_metadata(self) -> Vec<(&'static str, String)> {
        let mut metadata = vec![
            (ATTEMPT, self.attempt.to_string()),
            (REF_MICROS, self.ref_micros.to_string()),
            (INSERTED_AT, self.inserted_at_micros.to_string()),
            (ROW_COUNT, self.record_count.to_string()),
        ];
        metadata.extend(self.content.map(|content| (CONTENT, content.to_string())));
        metadata
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
            // A digest that can't be read can't be compared. The commit counts nevertheless.
            content: metadata.get(CONTENT).and_then(|text| ContentDigest::parse(text)),
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
