//! The types that fit a column.

mod bytes;
#[cfg(feature = "decimal")]
mod decimal;
mod items;
mod list;
mod map;
mod nulls;
mod number;
mod option;
mod own;
mod text;
mod time;
mod uuid;

pub use bytes::AsBytes;
pub(crate) use list::ItemRanges;
pub use list::{AsList, VecLayout};
pub(crate) use nulls::{NullMask, NullsBuilder};
pub(crate) use number::FixedWidthReader;
pub(crate) use text::{TextBuilder, TextReader};
pub use time::InsertionTime;

#[cfg(test)]
pub(crate) mod tests;

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use super::ValueError;

/// Returns the typed array behind `array`, or an error that names both types.
pub(crate) fn typed<'a, A: 'static>(array: &'a ArrayRef, expected: &DataType) -> Result<&'a A, ValueError> {
    array.as_any().downcast_ref::<A>().ok_or_else(|| mismatch(array, expected))
}

/// Returns the error for an array of another type than the field reads.
#[cold]
pub(crate) fn mismatch(array: &ArrayRef, expected: &dyn std::fmt::Display) -> ValueError {
    ValueError::new(format_args!("holds {}, the field reads {expected}", array.data_type()))
}

/// Converts Arrow's error about an array that it could not build.
#[cold]
pub(crate) fn invalid_array(error: arrow_schema::ArrowError) -> ValueError {
    ValueError::new(error)
}
