//! The types that fit a column.

mod bytes;
#[cfg(feature = "decimal")]
mod decimal;
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
pub use list::{AsList, VecLayout};
pub(crate) use nulls::{NullMask, Nulls};
pub(crate) use text::{TextBuilder, TextReader};
pub use time::InsertionTime;

#[cfg(test)]
mod tests;

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use super::ValueError;

/// The typed array behind an array, or an error that names both types.
pub(crate) fn typed<'a, A: 'static>(array: &'a ArrayRef, expected: &DataType) -> Result<&'a A, ValueError> {
    array.as_any().downcast_ref::<A>().ok_or_else(|| mismatch(array, expected))
}

/// The array has another type than the field reads.
#[cold]
pub(crate) fn mismatch(array: &ArrayRef, expected: &dyn std::fmt::Display) -> ValueError {
    ValueError::new(format_args!("holds {}, the field reads {expected}", array.data_type()))
}

/// What Arrow itself refuses to build.
#[cold]
pub(crate) fn refused(error: arrow_schema::ArrowError) -> ValueError {
    ValueError::new(error)
}
