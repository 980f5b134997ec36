//! Refs, the entries of the change stream under `<prefix>/_ref/`, and offsets, the positions between them.

use std::fmt;
use std::time::Duration;

use super::data::split_attempt;
use super::{AttemptId, PartitionKey, Prefix, Token, check_key_length};
use crate::error::{Error, Result};

const SUFFIX: &str = ".ref";
const DIGITS: usize = 16;
/// The largest time that fits the digits of a ref.
pub(super) const MAX_MICROS: i64 = 9_999_999_999_999_999;

/// The name of a ref: `<micros>-<token>-<attempt>;<escaped partition>.ref`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefName {
    /// The time of the writer's clock immediately before it put the ref, in Unix microseconds.
    pub(crate) micros: i64,
    /// The write's token, not checked.
    pub(crate) token: Token,
    /// The attempt that wrote the ref.
    pub(crate) attempt: AttemptId,
    /// The partition's key, not checked.
    pub(crate) partition: PartitionKey,
}

impl RefName {
    /// Parses the last part of a ref's key, or returns `None`. As in Go, the suffix may be missing.
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

/// Splits off the microseconds, which have exactly 16 digits.
pub(super) fn split_micros(text: &str) -> Option<(i64, &str)> {
    let (digits, rest) = text.split_at_checked(DIGITS)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, rest))
}

impl Prefix {
    /// Returns the folder of all refs: `<prefix>/_ref/`.
    pub(crate) fn ref_prefix(&self) -> String {
        format!("{self}/_ref/")
    }

    /// Renders the key of an attempt's ref.
    ///
    /// # Errors
    /// `InvalidInput` if the key is longer than S3 allows, or if the time does not fit 16 digits.
    pub(crate) fn ref_key(
        &self,
        micros: i64,
        token: &Token,
        attempt: AttemptId,
        partition: &PartitionKey,
    ) -> Result<String> {
        if !(0..=MAX_MICROS).contains(&micros) {
            return Err(Error::invalid_input(format!(
                "the clock is at {micros} microseconds since 1970, which does not fit a ref: correct the clock"
            )));
        }
        let name = RefName { micros, token: token.clone(), attempt, partition: partition.clone() };
        let key = format!("{self}/_ref/{name}");
        check_key_length(&key).map(|()| key)
    }

    /// Parses the key of a ref, or returns `None`.
    pub(crate) fn parse_ref_key(&self, key: &str) -> Option<RefName> {
        let name = self.strip(key)?.strip_prefix("/_ref/")?;
        // A token contains no `/`, and those of a partition are escaped.
        (!name.contains('/')).then(|| RefName::parse(name))?
    }

    /// Returns the offset of a time in Unix microseconds: after every earlier ref, before every ref of that time or
    /// later. A time that does not fit a ref is clamped.
    pub(crate) fn offset_at(&self, micros: i64) -> String {
        format!("{self}/_ref/{:0DIGITS$}", micros.clamp(0, MAX_MICROS))
    }

    /// Returns the offset at which a stream reader stops: after it, a ref that sorts earlier may still arrive.
    pub(crate) fn ref_cutoff(&self, now_micros: i64, settle_window: Duration) -> String {
        let window = i64::try_from(settle_window.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX);
        self.offset_at(now_micros.saturating_sub(window))
    }

    /// Checks that an offset belongs to this dataset. The empty offset is the start of every stream.
    ///
    /// # Errors
    /// `InvalidInput`, with the offset and the expected prefix.
    pub(crate) fn check_offset(&self, offset: &str) -> Result<()> {
        let root = self.ref_prefix();
        if offset.is_empty() || offset.starts_with(&root) {
            return Ok(());
        }
        Err(Error::invalid_input(format!(
            "offset {offset:?} belongs to another dataset: offsets of this one begin with {root:?}"
        )))
    }

    /// Returns the time of an offset or a ref's key, in Unix microseconds, or `None` if it has none.
    pub(crate) fn offset_micros(&self, offset: &str) -> Option<i64> {
        split_micros(self.strip(offset)?.strip_prefix("/_ref/")?).map(|(micros, _)| micros)
    }
}
