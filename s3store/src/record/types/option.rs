//! Values that may be missing.

use arrow_array::ArrayRef;

use super::AsList;
use crate::record::{ColumnType, ElementEncoding, Shape, Unordered, ValueError};

impl<T: ColumnType<E>, E: ElementEncoding> ColumnType<E> for Option<T> {
    type Size = T::Size;
    type Builder = T::Builder;
    type Reader = T::Reader;
    type InVec = AsList;
    type Order = Unordered;

    const NULLABLE: bool = {
        assert!(!T::NULLABLE, "a column can't tell the two Options of an Option apart");
        true
    };

    fn shape() -> Shape {
        T::shape()
    }

    #[inline]
    fn measure(value: &Self, size: &mut T::Size) {
        if let Some(value) = value {
            T::measure(value, size);
        }
    }

    fn builder(rows: usize, size: &T::Size) -> T::Builder {
        T::builder(rows, size)
    }

    fn stored(value: &Self) -> Option<Self> {
        T::stored(value.as_ref()?).map(Some)
    }

    #[inline]
    fn push(value: &Self, builder: &mut T::Builder) -> Result<(), ValueError> {
        match value {
            Some(value) => T::push(value, builder),
            None => {
                T::push_null(builder);
                Ok(())
            }
        }
    }

    #[inline]
    fn push_null(builder: &mut T::Builder) {
        T::push_null(builder);
    }

    fn finish(builder: T::Builder) -> Result<ArrayRef, ValueError> {
        T::finish(builder)
    }

    fn reader(array: &ArrayRef) -> Result<T::Reader, ValueError> {
        T::reader(array)
    }

    #[inline]
    fn is_null(reader: &T::Reader, row: usize) -> bool {
        T::is_null(reader, row)
    }

    #[inline]
    fn get(reader: &T::Reader, row: usize) -> Result<Self, ValueError> {
        if T::is_null(reader, row) { Ok(None) } else { T::get(reader, row).map(Some) }
    }
}
