//! Offsets: positions in the change stream.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use super::refs::split_micros;
use crate::error::{Error, Result};

/// The part of a key between a dataset's prefix and the name of a ref.
const FOLDER: &str = "/_ref/";

/// A position in the change stream: directly after one of its entries, or at the start.
///
/// Offsets compare in the order of the stream. They are stable: an entry that a reader saw at an offset stays there.
/// A consumer stores the offset up to which it has read, as text ([`as_str`](Offset::as_str) and
/// [`parse`](str::parse), or with the feature `serde`), and continues from there at any later time.
///
/// # Example
/// ```
/// use s3store::Offset;
///
/// let offset: Offset = "billing/_ref/1774051200000000".parse()?;
/// assert_eq!(offset.as_str(), "billing/_ref/1774051200000000");
/// assert!(Offset::START < offset);
/// # Ok::<(), s3store::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(String);

impl Offset {
    /// The start of the stream. Its text is empty.
    pub const START: Self = Self(String::new());

    /// Wraps a key that this library rendered or listed, without checking it.
    pub(crate) fn of(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// Returns the offset as text, to be stored. It is the key of a ref, or the beginning of one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the time of the offset: that of the writer's clock when it wrote the entry, or the time that the offset
    /// was created from. Returns `None` for the start, and for the position of a foreign object among the refs.
    #[must_use]
    pub fn instant(&self) -> Option<DateTime<Utc>> {
        let (_, name) = self.0.rsplit_once(FOLDER)?;
        split_micros(name).and_then(|(micros, _)| DateTime::from_timestamp_micros(micros))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Offset {
    type Err = Error;

    /// Parses the text that [`as_str`](Offset::as_str) returned. Calls that take an offset check its dataset.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the text is not an offset of any dataset.
    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() || text.split_once(FOLDER).is_some_and(|(prefix, _)| !prefix.is_empty()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::invalid_input(format!(
            "{text:?} is not an offset: expected `<prefix>{FOLDER}…`, or an empty text for the start"
        )))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Offset {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Offset {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_round_trip_through_text() {
        for text in ["", "p/_ref/0000000000000001", "a/b/_ref/1774051200000000-t;p=1.ref", "p/_ref/"] {
            assert_eq!(text.parse::<Offset>().unwrap().as_str(), text);
        }
        for text in ["p", "/_ref/0000000000000001", "p/data/x", " ", "_ref/0000000000000001"] {
            let error = text.parse::<Offset>().unwrap_err();
            assert!(error.to_string().contains("is not an offset"), "{text}: {error}");
        }
    }

    #[test]
    fn an_offset_has_the_time_of_its_ref() {
        let instant = |text: &str| text.parse::<Offset>().unwrap().instant().map(|time| time.timestamp_micros());
        assert_eq!(instant("p/_ref/0000000000000007"), Some(7));
        assert_eq!(instant("p/_ref/1774051200000000-t;p=1.ref"), Some(1_774_051_200_000_000));
        assert_eq!(instant("p/_ref/_ref/0000000000000007"), Some(7));
        assert_eq!(instant("p/_ref/x"), None);
        assert_eq!(instant(""), None);
        assert_eq!(Offset::START, Offset::default());
    }

    #[cfg(feature = "serde")]
    #[test]
    fn serde_writes_the_text() {
        let offset: Offset = "p/_ref/0000000000000007".parse().unwrap();
        let json = serde_json::to_string(&offset).unwrap();
        assert_eq!(json, "\"p/_ref/0000000000000007\"");
        assert_eq!(serde_json::from_str::<Offset>(&json).unwrap(), offset);
        assert!(serde_json::from_str::<Offset>("\"elsewhere\"").is_err());
    }
}
