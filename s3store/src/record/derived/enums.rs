//! Enums without fields, stored as text or as integers.

use std::fmt::Display;

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use crate::record::types::{TextBuilder, TextReader};
use crate::record::{KeyPart, Shape, ValueError};

/// An enum that is stored as text.
pub trait EnumText: Sized {
    /// The enum's name, for error messages.
    const NAME: &'static str;
    /// The texts of all values, as written.
    const VALUES: &'static [&'static str];

    /// Returns the text of this value. Returns `None` for the unit variant that stands for other texts, which has no text.
    fn text(&self) -> Option<&str>;

    /// Returns the value of a text, which may also be one that older files have.
    fn of(text: &str) -> Option<Self>;
}

/// Returns the text of a value.
///
/// # Errors
/// The value is the unit variant that stands for other texts.
#[inline]
pub fn enum_text<T: EnumText>(value: &T) -> Result<&str, ValueError> {
    value.text().ok_or_else(|| unknown(T::NAME, "String"))
}

/// Returns all texts that are read as a value. `texts` are those of the variants that have several, the written one first.
///
/// # Errors
/// The value is the unit variant that stands for other texts.
pub fn enum_parts<T: EnumText>(value: &T, texts: &[&[&str]]) -> Result<Vec<KeyPart>, ValueError> {
    let text = enum_text(value)?;
    let all = texts.iter().find(|texts| texts.first() == Some(&text)).copied();
    Ok(all.unwrap_or(&[text]).iter().map(|&text| KeyPart::Text(text.into())).collect())
}

/// Returns the error for writing the unit variant that stands for other values.
#[cold]
fn unknown(name: &str, holder: &str) -> ValueError {
    ValueError::new(format_args!(
        "the {name} marked `other` stands for values that this program does not know, so it can't be written; to write \
         them back, let the variant hold the value, `Other({holder})`"
    ))
}

/// A builder of a text column from enum values.
#[derive(Debug)]
pub struct EnumBuilder(TextBuilder);

impl EnumBuilder {
    /// Returns a builder with capacity for `rows` values of `bytes` bytes in total.
    #[must_use]
    pub fn new(rows: usize, bytes: usize) -> Self {
        Self(TextBuilder::new(rows, bytes))
    }

    /// Returns the shape of the column.
    #[must_use]
    pub fn shape() -> Shape {
        Shape::Leaf(DataType::Utf8)
    }

    /// Appends a value.
    ///
    /// # Errors
    /// The value has no text, or the texts exceed 2 GiB in total.
    #[inline]
    pub fn push(&mut self, value: &impl EnumText) -> Result<(), ValueError> {
        self.0.push(enum_text(value)?)
    }

    /// Appends a null.
    #[inline]
    pub fn push_null(&mut self) {
        self.0.push_null();
    }

    /// Returns the array.
    ///
    /// # Errors
    /// None. Derived code expects a `Result`.
    pub fn finish(self) -> Result<ArrayRef, ValueError> {
        Ok(self.0.finish())
    }
}

/// A reader of enum values from a text column.
#[derive(Debug)]
pub struct EnumReader(TextReader);

impl EnumReader {
    /// Returns a reader of an array of strings.
    ///
    /// # Errors
    /// The array has another type.
    pub fn new(array: &ArrayRef) -> Result<Self, ValueError> {
        TextReader::new(array).map(Self)
    }

    /// Returns whether the row is null.
    #[must_use]
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    /// Returns the value of a row.
    ///
    /// # Errors
    /// The row is null, or its text is not one of the enum's.
    #[inline]
    pub fn value<T: EnumText>(&self, row: usize) -> Result<T, ValueError> {
        let text = self.0.value(row)?;
        T::of(text).ok_or_else(|| {
            ValueError::new(format_args!(
                "{text:?} is not a value of {}; its values are {}",
                T::NAME,
                T::VALUES.join(", ")
            ))
        })
    }
}

/// Returns the texts of an enum's values.
pub fn texts<T: Display>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// An enum that is stored as an integer.
pub trait EnumInteger: Sized {
    /// The enum's name, for error messages.
    const NAME: &'static str;
    /// The integer type of the column.
    type Integer: Copy + Display;
    /// The name of [`Integer`](Self::Integer), for messages.
    const INTEGER: &'static str;

    /// Returns the integer of this value. Returns `None` for the unit variant that stands for other integers, which has
    /// no integer.
    fn integer(&self) -> Option<Self::Integer>;

    /// Returns the value of an integer.
    fn of(integer: Self::Integer) -> Option<Self>;
}

/// Returns the integer of a value.
///
/// # Errors
/// The value is the unit variant that stands for other integers.
#[inline]
pub fn enum_integer<T: EnumInteger>(value: &T) -> Result<T::Integer, ValueError> {
    value.integer().ok_or_else(|| unknown(T::NAME, T::INTEGER))
}

/// Returns the value of an integer.
///
/// # Errors
/// The enum has no value with this integer.
#[inline]
pub fn enum_from_integer<T: EnumInteger>(integer: T::Integer) -> Result<T, ValueError> {
    T::of(integer).ok_or_else(|| ValueError::new(format_args!("{integer} is not a value of {}", T::NAME)))
}
