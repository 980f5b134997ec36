//! The key prefix that a dataset lives under.

use std::fmt;

use super::{AttemptId, MAX_KEY_LEN, check_key_length};
use crate::error::{Error, Result};

/// The length of the shortest ref without the prefix: `/_ref/<micros>-<token>-<attempt>;<partition>.ref`.
const SHORTEST_REF: usize = "/_ref/-0123456789012345-;a=b.ref".len() + 2 * AttemptId::TEXT_LEN;

/// The number of digits in the key of a schema.
const SCHEMA_DIGITS: usize = 6;

/// The end of the key of a dataset's commit timeout.
const COMMIT_TIMEOUT: &str = "/_config/commit-timeout";

/// The key prefix of a dataset. Its methods render and parse all keys of the dataset.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Prefix(String);

impl Prefix {
    /// Checks a prefix. It is not empty, has no part `.` or `..`, and contains no control characters. It is short enough
    /// that the shortest ref fits into a key.
    ///
    /// It may begin or end with `/` and have empty parts, because the Go library accepts such prefixes. They are kept as
    /// they are: the keys of `a/` begin with `a//`.
    ///
    /// # Errors
    /// `InvalidInput`, with the rule that the prefix breaks.
    pub(crate) fn new(prefix: impl Into<String>) -> Result<Self> {
        let prefix = prefix.into();
        let what = if prefix.is_empty() {
            "is empty: a dataset needs its own prefix"
        } else if prefix.split('/').any(|part| matches!(part, "." | "..")) {
            "has a part \".\" or \"..\", which some HTTP software resolves"
        } else if prefix.contains(char::is_control) {
            "contains a control character"
        } else if prefix.len() > MAX_KEY_LEN - SHORTEST_REF {
            "is too long: the keys below it would exceed 1024 bytes"
        } else {
            return Ok(Self(prefix));
        };
        Err(Error::invalid_input(format!("prefix {prefix:?} {what}")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the start that the keys of this prefix share with those of prefixes beside it: up to the last `/`.
    pub(crate) fn parent(&self) -> &str {
        self.0.rfind('/').and_then(|slash| self.0.get(..=slash)).unwrap_or_default()
    }

    /// Returns the prefix of the dataset whose commit timeout has this key, or `None` if it is another key.
    pub(crate) fn of_commit_timeout_key(key: &str) -> Option<&str> {
        key.strip_suffix(COMMIT_TIMEOUT).filter(|prefix| !prefix.is_empty())
    }

    /// Returns the key of the commit timeout. [`commit_timeout`](super::commit_timeout) parses its body.
    pub(crate) fn commit_timeout_key(&self) -> String {
        format!("{self}{COMMIT_TIMEOUT}")
    }

    /// Returns the key of the maximum clock skew. [`max_clock_skew`](super::max_clock_skew) parses its body.
    pub(crate) fn max_clock_skew_key(&self) -> String {
        format!("{self}/_config/max-clock-skew")
    }

    /// Returns the folder of the dataset's schemas: `<prefix>/_config/schema/`.
    pub(crate) fn schema_prefix(&self) -> String {
        format!("{self}/_config/schema/")
    }

    /// Returns the key of the schema with this number.
    pub(crate) fn schema_key(&self, number: u32) -> String {
        format!("{self}/_config/schema/{number:0SCHEMA_DIGITS$}.json")
    }

    /// Returns the number of the schema with this key, or `None` if it is the key of another object.
    pub(crate) fn schema_number(&self, key: &str) -> Option<u32> {
        let digits = self.strip(key)?.strip_prefix("/_config/schema/")?.strip_suffix(".json")?;
        let is_number = digits.len() >= SCHEMA_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok())?
    }

    /// Returns the key that an object of this dataset has in a copy under another prefix.
    ///
    /// # Errors
    /// `InvalidInput` if the key would be longer than S3 allows, or if it belongs to another dataset.
    pub(crate) fn moved(&self, key: &str, to: &Self) -> Result<String> {
        let Some(rest) = self.strip(key).filter(|rest| rest.starts_with('/')) else {
            return Err(Error::invalid_input(format!("key {key:?} does not belong to the prefix {:?}", self.0)));
        };
        let moved = format!("{to}{rest}");
        check_key_length(&moved).map(|()| moved)
    }

    /// Returns the kind of object that a key, or the beginning of a key, belongs to. It appears in tracing spans.
    pub(crate) fn object_kind(&self, key: &str) -> &'static str {
        let Some(rest) = self.strip(key) else { return "other" };
        match rest.split('/').nth(1) {
            Some("_config") => "config",
            Some("_ref") => "ref",
            Some("_matview") => "marker",
            Some("_delta_log") => "delta_log",
            Some("data") if rest.ends_with(".commit") => "commit",
            Some("data") => "data",
            _ => "other",
        }
    }

    /// Returns the rest of a key after the prefix, or `None` for a key of another dataset.
    pub(super) fn strip<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(self.0.as_str())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({:?})", self.0)
    }
}
