//! Strings.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_schema::DataType;

use super::items::variable_width;
use super::{AsList, typed};
use crate::record::{BorrowingReader, ColumnType, KeyPart, Plain, Reachable, ReaderRows, Shape, TotalText, ValueError};

/// The greatest number of bytes or items in one array, since its offsets are `i32`.
pub(super) const MAX_OFFSET: usize = i32::MAX as usize;

/// Collects strings into a `Utf8` array.
#[derive(Debug)]
pub struct TextBuilder {
    values: StringBuilder,
    /// How many more bytes fit into the array.
    room: usize,
}

impl TextBuilder {
    /// Creates a builder with room for `rows` strings of `bytes` bytes in total.
    #[must_use]
    pub fn new(rows: usize, bytes: usize) -> Self {
        Self { values: StringBuilder::with_capacity(rows, bytes.min(MAX_OFFSET)), room: MAX_OFFSET }
    }

    /// Appends a string.
    ///
    /// # Errors
    /// All strings together would exceed 2 GiB.
    #[inline]
    pub fn push(&mut self, value: &str) -> Result<(), ValueError> {
        // Arrow panics when its offsets overflow.
        match self.room.checked_sub(value.len()) {
            Some(room) => self.room = room,
            None => return Err(too_large()),
        }
        self.values.append_value(value);
        Ok(())
    }

    /// Appends a null.
    #[inline]
    pub fn push_null(&mut self) {
        self.values.append_null();
    }

    /// Builds the array.
    #[must_use]
    pub fn finish(mut self) -> ArrayRef {
        Arc::new(self.values.finish())
    }
}

#[cold]
fn too_large() -> ValueError {
    ValueError::too_large("more than 2 GiB of strings at once")
}

/// Reads strings from a `Utf8View` array.
#[derive(Debug)]
pub struct TextReader {
    values: StringViewArray,
    has_nulls: bool,
}

impl TextReader {
    /// Creates a reader of `array`.
    ///
    /// # Errors
    /// The array has another type.
    pub fn new(array: &ArrayRef) -> Result<Self, ValueError> {
        let values = typed::<StringViewArray>(array, &DataType::Utf8View)?.clone();
        Ok(Self { has_nulls: values.null_count() > 0, values })
    }

    /// Returns `true` if the row is null.
    #[must_use]
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.has_nulls && row < self.values.len() && self.values.is_null(row)
    }

    /// Returns the string of a row.
    ///
    /// # Errors
    /// The row is null, or out of range.
    #[inline]
    pub fn value(&self, row: usize) -> Result<&str, ValueError> {
        if row >= self.values.len() {
            return Err(ValueError::no_row(row));
        }
        if self.is_null(row) {
            return Err(ValueError::null());
        }
        Ok(self.values.value(row))
    }
}

impl BorrowingReader for TextReader {
    type Value<'a> = &'a str;

    fn open(array: &ArrayRef) -> Result<Self, ValueError> {
        Self::new(array)
    }

    #[inline]
    fn get(&self, row: usize) -> Option<&str> {
        if row >= self.values.len() || self.is_null(row) { None } else { Some(self.values.value(row)) }
    }
}

macro_rules! strings {
    ($($string:ty),*) => {$(
        impl ColumnType<Plain> for $string {
            variable_width!(TextBuilder, TextReader);

            type InVec = AsList;
            type InRows = ReaderRows<TextReader>;
            type Order = TotalText;

            fn shape() -> Shape {
                Shape::Leaf(DataType::Utf8)
            }

            fn key_part(value: &Self) -> Result<KeyPart, ValueError> {
                Ok(KeyPart::Text((**value).into()))
            }

            #[inline]
            fn get(reader: &TextReader, row: usize) -> Result<Self, ValueError> {
                reader.value(row).map(|value| <$string>::from(value.to_owned()))
            }

            fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
                ReaderRows::hold(array, rows)
            }
        }
    )*};
}

strings!(String, Cow<'static, str>);
strings!(Box<str>, Arc<str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_beyond_the_limit_of_an_array_are_too_large() {
        let mut builder = TextBuilder { room: 5, ..TextBuilder::new(3, usize::MAX) };
        builder.push("abc").unwrap();
        let error = builder.push("def").unwrap_err();
        assert!(error.is_too_large());
        assert_eq!(error.to_string(), "more than 2 GiB of strings at once");
        builder.push("de").unwrap();
        assert!(builder.push("").is_ok() && builder.push("x").is_err());
        assert_eq!(builder.finish().len(), 3);
    }
}
