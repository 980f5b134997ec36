//! Serde's traits for enums, with the values of their columns.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::enums::{EnumInteger, EnumText, enum_from_integer, enum_integer, enum_text};

/// Serializes the text that the column of a value has.
///
/// # Errors
/// The value is the unit variant that stands for other texts.
pub fn serialize_enum_text<T: EnumText, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(enum_text(value).map_err(S::Error::custom)?)
}

/// Deserializes a value from a text, as it is read from a column.
///
/// # Errors
/// The text is not one of the enum's.
pub fn deserialize_enum_text<'de, T: EnumText, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Text<T>(PhantomData<T>);

    impl<T: EnumText> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a value of {}", T::NAME)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            T::of(text).ok_or_else(|| E::unknown_variant(text, T::VALUES))
        }
    }

    deserializer.deserialize_str(Text(PhantomData))
}

/// Serializes the integer that the column of a value has.
///
/// # Errors
/// The value is the unit variant that stands for other integers.
pub fn serialize_enum_integer<T, S>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: EnumInteger<Integer: Serialize>,
    S: Serializer,
{
    enum_integer(value).map_err(S::Error::custom)?.serialize(serializer)
}

/// Deserializes a value from an integer, as it is read from a column.
///
/// # Errors
/// The enum has no value with this integer.
pub fn deserialize_enum_integer<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: EnumInteger<Integer: Deserialize<'de>>,
    D: Deserializer<'de>,
{
    enum_from_integer(T::Integer::deserialize(deserializer)?).map_err(D::Error::custom)
}
