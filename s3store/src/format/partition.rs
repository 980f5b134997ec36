//! The names, the values and the key of a partition.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::{Error, Result};

/// What is escaped in a ref's name: every byte but these and the alphanumeric ones.
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

/// The key of a partition: `name=value` segments joined by `/`. Ordered by its bytes, as partitions are read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartitionKey(String);

impl PartitionKey {
    /// Renders a key.
    ///
    /// # Errors
    /// `InvalidInput` for an illegal value. The names are taken to be [validated](validate_names).
    #[cfg(test)]
    pub(crate) fn render<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self> {
        let mut key = String::new();
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.as_ref());
            check_partition_value(value).map_err(|error| error.context(format!("partition column {name:?}")))?;
            if !key.is_empty() {
                key.push('/');
            }
            key.extend([name, "=", value]);
        }
        Ok(Self(key))
    }

    /// Parses a key with exactly these names, in this order, and legal values.
    ///
    /// # Errors
    /// `InvalidInput`, naming the segment.
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

    /// A key as it stands in an object's name; its segments may be of any shape.
    pub(crate) fn found(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The (name, value) of each segment, split at its first `=`; the name is empty where there is none.
    #[cfg(test)]
    pub(crate) fn segments(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split('/').map(|segment| segment.split_once('=').unwrap_or(("", segment)))
    }

    /// The key as it stands in a ref's name.
    pub(super) fn escape(&self) -> impl fmt::Display {
        utf8_percent_encode(&self.0, ESCAPED)
    }

    /// The key from a ref's name. A `%` without two hex digits is refused, and what is no UTF-8 is, too.
    pub(super) fn unescape(text: &str) -> Option<Self> {
        let hex = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit());
        if text.is_empty() || !text.split('%').skip(1).all(hex) {
            return None;
        }
        Some(Self(percent_decode_str(text).decode_utf8().ok()?.into_owned()))
    }
}

/// Refuses a value that can't stand in a partition key or a marker: empty, or with `/` or `..`.
pub(crate) fn check_partition_value(value: &str) -> Result<()> {
    let what = match value {
        "" => "is empty",
        value if value.contains('/') => "holds '/', which separates the columns",
        value if value.contains("..") => "holds \"..\", which patterns use for ranges",
        _ => return Ok(()),
    };
    Err(Error::invalid_input(format!("value {value:?} {what}")))
}

/// Refuses a list of partition names (or of a view's columns) that can't stand in keys.
///
/// # Errors
/// `InvalidInput` for an empty list, an empty name, one with `=` or `/`, and one that comes twice.
#[cfg(test)]
pub(crate) fn validate_names(names: &[impl AsRef<str>]) -> Result<()> {
    if names.is_empty() {
        return Err(Error::invalid_input("at least one partition column is needed"));
    }
    for (at, name) in names.iter().map(AsRef::as_ref).enumerate() {
        let what = if name.is_empty() {
            "is empty"
        } else if name.contains(['=', '/']) {
            "holds '=' or '/', which separate names and values in a key"
        } else if names.iter().take(at).any(|other| other.as_ref() == name) {
            "is there twice"
        } else {
            continue;
        };
        return Err(Error::invalid_input(format!("partition column {} ({name:?}) {what}", at + 1)));
    }
    Ok(())
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
