//! Strings.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_schema::DataType;

use super::{AsList, typed};
use crate::record::{ColumnType, Plain, Shape, Total, ValueError};

/// The most bytes that one array of strings, bytes or items holds: its offsets are `i32`.
pub(super) const MAX_OFFSET: usize = i32::MAX as usize;

/// Collects strings.
#[derive(Debug)]
pub struct TextBuilder {
    values: StringBuilder,
    /// How many bytes more fit.
    room: usize,
}

impl TextBuilder {
    /// For `rows` strings of `bytes` bytes in all.
    #[must_use]
    pub fn new(rows: usize, bytes: usize) -> Self {
        Self { values: StringBuilder::with_capacity(rows, bytes.min(MAX_OFFSET)), room: MAX_OFFSET }
    }

    /// Appends a string.
    ///
    /// # Errors
    /// The strings are more than 2 GiB in all.
    #[inline]
    pub fn push(&mut self, value: &str) -> Result<(), ValueError> {
        // What is checked here, Arrow would panic on.
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

    /// The array, `Utf8`.
    #[must_use]
    pub fn finish(mut self) -> ArrayRef {
        Arc::new(self.values.finish())
    }
}

#[cold]
fn too_large() -> ValueError {
    ValueError::too_large("more than 2 GiB of strings at once")
}

/// Reads strings.
#[derive(Debug)]
pub struct TextReader {
    values: StringViewArray,
    has_nulls: bool,
}

impl TextReader {
    /// Of an array of `Utf8View`.
    ///
    /// # Errors
    /// The array has another type.
    pub fn new(array: &ArrayRef) -> Result<Self, ValueError> {
        let values = typed::<StringViewArray>(array, &DataType::Utf8View)?.clone();
        Ok(Self { has_nulls: values.null_count() > 0, values })
    }

    /// Whether the row is null.
    #[must_use]
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.has_nulls && row < self.values.len() && self.values.is_null(row)
    }

    /// The string of a row.
    ///
    /// # Errors
    /// It is null.
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

macro_rules! strings {
    ($($string:ty),*) => {$(
        impl ColumnType<Plain> for $string {
            type Size = usize;
            type Builder = TextBuilder;
            type Reader = TextReader;
            type InVec = AsList;
            type Order = Total;

            fn shape() -> Shape {
                Shape::Leaf(DataType::Utf8)
            }

            #[inline]
            fn measure(value: &Self, size: &mut usize) {
                *size = size.saturating_add(value.len());
            }

            fn builder(rows: usize, size: &usize) -> TextBuilder {
                TextBuilder::new(rows, *size)
            }

            #[inline]
            fn push(value: &Self, builder: &mut TextBuilder) -> Result<(), ValueError> {
                builder.push(value)
            }

            #[inline]
            fn push_null(builder: &mut TextBuilder) {
                builder.push_null();
            }

            fn finish(builder: TextBuilder) -> Result<ArrayRef, ValueError> {
                Ok(builder.finish())
            }

            fn reader(array: &ArrayRef) -> Result<TextReader, ValueError> {
                TextReader::new(array)
            }

            #[inline]
            fn is_null(reader: &TextReader, row: usize) -> bool {
                reader.is_null(row)
            }

            #[inline]
            fn get(reader: &TextReader, row: usize) -> Result<Self, ValueError> {
                reader.value(row).map(|value| <$string>::from(value.to_owned()))
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
    fn more_than_an_array_holds_asks_for_fewer_rows() {
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
