//! Refs: the change stream's entries under `<prefix>/_ref/`, and the offsets between them.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::data::split_attempt;
use super::{AttemptId, PartitionKey, Prefix, Token, check_key_length};
use crate::error::{Error, Result};

const SUFFIX: &str = ".ref";
const DIGITS: usize = 16;
const MAX_MICROS: i64 = 9_999_999_999_999_999;

/// The name of a ref, parsed: `<micros>-<token>-<attempt>;<escaped partition>.ref`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefName {
    /// The writer's clock immediately before the ref was put, in Unix microseconds.
    pub(crate) micros: i64,
    /// The write's token; it may be one that a caller can't use.
    pub(crate) token: Token,
    /// The attempt that the ref stands for.
    pub(crate) attempt: AttemptId,
    /// The partition; its segments may be of any shape.
    pub(crate) partition: PartitionKey,
}

impl RefName {
    /// Parses the last part of a ref's key; `None` for a name of another shape. The suffix may be missing, as in Go.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (header, partition) = name.strip_suffix(SUFFIX).unwrap_or(name).split_once(';')?;
        let (micros, rest) = split_micros(header)?;
        let (token, attempt) = split_attempt(rest.strip_prefix('-')?)?;
        let partition = PartitionKey::unescape(partition)?;
        Some(Self { micros, token: Token::found(token), attempt, partition })
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { micros, token, attempt, partition } = self;
        write!(f, "{micros:0DIGITS$}-{token}-{attempt};{}{SUFFIX}", partition.escape())
    }
}

/// Splits the microseconds off a header: exactly 16 digits.
pub(super) fn split_micros(text: &str) -> Option<(i64, &str)> {
    let (digits, rest) = text.split_at_checked(DIGITS)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, rest))
}

impl Prefix {
    /// The root of all refs: `<prefix>/_ref/`.
    pub(crate) fn ref_prefix(&self) -> String {
        format!("{self}/_ref/")
    }

    /// The key of an attempt's ref.
    ///
    /// # Errors
    /// `InvalidInput` if the key would be longer than S3 allows, and for a time that 16 digits don't hold.
    pub(crate) fn ref_key(
        &self,
        micros: i64,
        token: &Token,
        attempt: AttemptId,
        partition: &PartitionKey,
    ) -> Result<String> {
        if !(0..=MAX_MICROS).contains(&micros) {
            return Err(Error::invalid_input(format!(
                "the clock says {micros} microseconds since 1970, which no ref can hold: correct it"
            )));
        }
        let name = RefName { micros, token: token.clone(), attempt, partition: partition.clone() };
        let key = format!("{self}/_ref/{name}");
        check_key_length(&key).map(|()| key)
    }

    /// Parses the key of a ref; `None` for a name of another shape.
    pub(crate) fn parse_ref_key(&self, key: &str) -> Option<RefName> {
        let name = self.strip(key)?.strip_prefix("/_ref/")?;
        // A token holds no `/`, and a partition's are escaped.
        (!name.contains('/')).then(|| RefName::parse(name))?
    }

    /// The offset of an instant, in Unix microseconds: below every ref from then on, above every ref before. An instant
    /// outside of what refs can hold is moved to their first or last.
    pub(crate) fn offset_at(&self, micros: i64) -> String {
        format!("{self}/_ref/{:0DIGITS$}", micros.clamp(0, MAX_MICROS))
    }

    /// The offset that a stream reader does not pass: refs above it may still be overtaken by one that sorts before.
    pub(crate) fn ref_cutoff(&self, now: DateTime<Utc>, settle_window: Duration) -> String {
        let settled = chrono::Duration::from_std(settle_window).ok().and_then(|window| now.checked_sub_signed(window));
        self.offset_at(settled.map_or(0, |settled| settled.timestamp_micros()))
    }

    /// Refuses an offset of another dataset. The empty offset is the beginning.
    ///
    /// # Errors
    /// `InvalidInput`, naming both.
    pub(crate) fn check_offset(&self, offset: &str) -> Result<()> {
        let root = self.ref_prefix();
        if offset.is_empty() || offset.starts_with(&root) {
            return Ok(());
        }
        Err(Error::invalid_input(format!(
            "offset {offset:?} is not one of this dataset, whose offsets begin with {root:?}"
        )))
    }

    /// The instant of an offset or of a ref's key, in Unix microseconds; `None` where it begins with none.
    pub(crate) fn offset_micros(&self, offset: &str) -> Option<i64> {
        split_micros(self.strip(offset)?.strip_prefix("/_ref/")?).map(|(micros, _)| micros)
    }
}
