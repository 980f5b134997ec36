//! The id of one write attempt.

use std::fmt;

use uuid::Uuid;

/// The id of one write attempt: a UUIDv7, shown as 32 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AttemptId([u8; 16]);

impl AttemptId {
    /// The length of the text, in bytes.
    pub(crate) const TEXT_LEN: usize = 32;

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Parses exactly 32 lowercase hex digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != Self::TEXT_LEN || !text.bytes().all(hex) {
            return None;
        }
        Uuid::try_parse(text).ok().map(Self::from)
    }
}

impl From<Uuid> for AttemptId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid.into_bytes())
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(Uuid::from_bytes(self.0).as_simple(), f)
    }
}

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttemptId({self})")
    }
}
