//! The key prefix that a dataset lives under.

use std::fmt;

use super::{AttemptId, MAX_KEY_LEN};
use crate::error::{Error, Result};

/// What the shortest ref needs beside the prefix: `/_ref/<micros>-<token>-<attempt>;<partition>.ref`.
const SHORTEST_REF: usize = "/_ref/-0123456789012345-;a=b.ref".len() + 2 * AttemptId::TEXT_LEN;

/// The key prefix of a dataset. All its keys are rendered and parsed by methods of this type.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Prefix(String);

impl Prefix {
    /// A prefix: not empty, made of parts joined by single `/`, none of them `.` or `..`, without control characters,
    /// and short enough for keys to fit.
    ///
    /// # Errors
    /// `InvalidInput`, saying what to change.
    pub(crate) fn new(prefix: impl Into<String>) -> Result<Self> {
        let prefix = prefix.into();
        let what = if prefix.is_empty() {
            "is empty: a dataset needs a prefix of its own"
        } else if prefix.starts_with('/') || prefix.ends_with('/') {
            "begins or ends with '/': leave it out"
        } else if prefix.contains("//") {
            "holds \"//\""
        } else if prefix.split('/').any(|part| matches!(part, "." | "..")) {
            "has a part \".\" or \"..\", which some HTTP software resolves"
        } else if prefix.contains(char::is_control) {
            "holds a control character"
        } else if prefix.len() > MAX_KEY_LEN - SHORTEST_REF {
            "is too long: no key would fit"
        } else {
            return Ok(Self(prefix));
        };
        Err(Error::invalid_input(format!("prefix {prefix:?} {what}")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of the dataset's commit timeout; see [`commit_timeout`](super::commit_timeout) for its body.
    pub(crate) fn commit_timeout_key(&self) -> String {
        format!("{self}/_config/commit-timeout")
    }

    /// The key of the dataset's greatest clock skew; see [`max_clock_skew`](super::max_clock_skew) for its body.
    pub(crate) fn max_clock_skew_key(&self) -> String {
        format!("{self}/_config/max-clock-skew")
    }

    /// What kind of object lies under a key, or under what begins like it.
    pub(crate) fn object_kind(&self, key: &str) -> &'static str {
        let Some(rest) = self.strip(key) else { return "other" };
        match rest.split('/').nth(1) {
            Some("_config") => "config",
            Some("_ref") => "ref",
            Some("_matview") => "marker",
            Some("data") if rest.ends_with(".commit") => "commit",
            Some("data") => "data",
            _ => "other",
        }
    }

    /// What follows the prefix in a key of this dataset.
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
