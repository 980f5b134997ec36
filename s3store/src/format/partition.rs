//! The key of a partition, and the values in it.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::{Error, Result};

/// The bytes that are escaped in a ref's name: all except alphanumeric ones and these, which Go does not escape either.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b':')
    .remove(b'=')
    .remove(b'@');

/// The key of a partition: segments `name=value`, joined by `/`. Keys compare by their bytes, the order of reads.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartitionKey(String);

impl PartitionKey {
    /// Parses a key that has exactly these names, in this order, and legal values.
    ///
    /// # Errors
    /// `InvalidInput`, with the key and the column or the expected shape.
    pub(crate) fn parse(text: &str, names: &[impl AsRef<str>]) -> Result<Self> {
        let fault = |what: String| Error::invalid_input(format!("partition key {text:?}: {what}"));
        let mut segments = text.split('/');
        for name in names.iter().map(AsRef::as_ref) {
            let value = segments.next().and_then(|segment| segment.strip_prefix(name)?.strip_prefix('='));
            let value = value.ok_or_else(|| fault(format!("expected `{}`", shape(names))))?;
            check_partition_value(value)
                .map_err(|error| error.context(format!("partition key {text:?}, column {name:?}")))?;
        }
        match segments.next() {
            Some(_) => Err(fault(format!("expected `{}`, and no '/' in a value", shape(names)))),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Returns whether a key has exactly these names, in this order. Its values may be of any shape.
    pub(crate) fn has_names(text: &str, names: &[impl AsRef<str>]) -> bool {
        let mut segments = text.split('/');
        let named = |segment: &str, name: &str| {
            segment.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).is_some_and(|value| !value.is_empty())
        };
        names.iter().all(|name| segments.next().is_some_and(|segment| named(segment, name.as_ref())))
            && segments.next().is_none()
    }

    /// Returns whether every segment of a key is `name=value`, whatever the names. Keys of a dataset that is nested in
    /// another one are not: they have a folder of their own after the nested prefix.
    pub(crate) fn is_well_formed(text: &str) -> bool {
        text.split('/')
            .all(|segment| segment.split_once('=').is_some_and(|(name, value)| !name.is_empty() && !value.is_empty()))
    }

    /// Returns whether a key is that of a partition with other names than these.
    pub(crate) fn has_other_names(text: &str, names: &[impl AsRef<str>]) -> bool {
        Self::is_well_formed(text) && !Self::has_names(text, names)
    }

    /// Takes a key from an object's name without checking it: its segments may have any shape.
    pub(crate) fn found(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Renders the key as part of a ref's name.
    pub(super) fn escape(&self) -> impl fmt::Display {
        utf8_percent_encode(&self.0, ESCAPED)
    }

    /// Parses the key from a ref's name. Returns `None` for a `%` without two hex digits, and for invalid UTF-8.
    pub(super) fn unescape(text: &str) -> Option<Self> {
        let hex = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit());
        if text.is_empty() || !text.split('%').skip(1).all(hex) {
            return None;
        }
        Some(Self(percent_decode_str(text).decode_utf8().ok()?.into_owned()))
    }
}

/// Checks a value of a partition or a view: it must not be empty, nor contain `/` or `..`.
pub(crate) fn check_partition_value(value: &str) -> Result<()> {
    let what = match value {
        "" => "is empty",
        value if value.contains('/') => "contains '/', which separates the columns",
        value if value.contains("..") => "contains \"..\", which patterns use for ranges",
        _ => return Ok(()),
    };
    Err(Error::invalid_input(format!("value {value:?} {what}")))
}

fn shape(names: &[impl AsRef<str>]) -> String {
    names.iter().map(|name| format!("{}=…", name.as_ref())).collect::<Vec<_>>().join("/")
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartitionKey({:?})", self.0)
    }
}
