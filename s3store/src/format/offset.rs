//! Places in the change stream.

use std::fmt;

/// A place in the change stream: the key of a ref, or of the moment before any.
///
/// Offsets are ordered as the stream is, and stay what they are: a record seen at one stays at it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(String);

impl Offset {
    /// An offset from a key that this library rendered or listed.
    pub(crate) fn of(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The offset as text, to be stored: a ref's key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
