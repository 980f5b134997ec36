//! Enums without fields: as text, or as an integer.

use std::fmt::Display;

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use crate::record::types::{TextBuilder, TextReader};
use crate::record::{Shape, ValueError};

/// An enum that is stored as text.
pub trait EnumText: Sized {
    /// The enum's name, for messages.
    const NAME: &'static str;
    /// The texts that are written.
    const VALUES: &'static [&'static str];

    /// The text of this value.
    fn text(&self) -> &'static str;

    /// The value of a text, which may also be one that older files have.
    fn of(text: &str) -> Option<Self>;
}

/// Collects values of enums as text.
#[derive(Debug)]
pub struct EnumBuilder(TextBuilder);

impl EnumBuilder {
    /// For `rows` values of `bytes` bytes in all.
    #[must_use]
    pub fn new(rows: usize, bytes: usize) -> Self {
        Self(TextBuilder::new(rows, bytes))
    }

    /// The shape of the column.
    #[must_use]
    pub fn shape() -> Shape {
        Shape::Leaf(DataType::Utf8)
    }

    /// Appends a value.
    ///
    /// # Errors
    /// The texts are more than 2 GiB in all.
    #[inline]
    pub fn push(&mut self, value: &impl EnumText) -> Result<(), ValueError> {
        self.0.push(value.text())
    }

    /// Appends a null.
    #[inline]
    pub fn push_null(&mut self) {
        self.0.push_null();
    }

    /// The array.
    ///
    /// # Errors
    /// None; the caller's shape.
    pub fn finish(self) -> Result<ArrayRef, ValueError> {
        Ok(self.0.finish())
    }
}

/// Reads values of enums from text.
#[derive(Debug)]
pub struct EnumReader(TextReader);

impl EnumReader {
    /// Of an array of strings.
    ///
    /// # Errors
    /// The array has another type.
    pub fn new(array: &ArrayRef) -> Result<Self, ValueError> {
        TextReader::new(array).map(Self)
    }

    /// Whether the row is null.
    #[must_use]
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    /// The value of a row.
    ///
    /// # Errors
    /// It is null, or no text of this enum.
    #[inline]
    pub fn value<T: EnumText>(&self, row: usize) -> Result<T, ValueError> {
        let text = self.0.value(row)?;
        T::of(text).ok_or_else(|| {
            ValueError::new(format_args!("{text:?} is no {}; its values are {}", T::NAME, T::VALUES.join(", ")))
        })
    }
}

/// An enum that is stored as an integer.
pub trait EnumInteger: Sized {
    /// The enum's name, for messages.
    const NAME: &'static str;
    /// What it is stored as.
    type Integer: Copy + Display;

    /// The integer of this value.
    fn integer(&self) -> Self::Integer;

    /// The value of an integer.
    fn of(integer: Self::Integer) -> Option<Self>;
}

/// The value of an integer.
///
/// # Errors
/// There is none.
#[inline]
pub fn enum_from_integer<T: EnumInteger>(integer: T::Integer) -> Result<T, ValueError> {
    T::of(integer).ok_or_else(|| ValueError::new(format_args!("{integer} is no {}", T::NAME)))
}
