//! `Option`: columns that may hold nulls.

use arrow_array::ArrayRef;

use super::AsList;
use super::items::stored_as;
use crate::record::{ColumnType, ElementEncoding, Nullable, NullableRows, Reachable, ValueError};

impl<T: ColumnType<E>, E: ElementEncoding> ColumnType<E> for Option<T> {
    stored_as!(T, E);

    type Size = T::Size;
    type InVec = AsList<E>;
    type InRows = NullableRows<T::InRows>;
    type Order = Nullable<T, E>;

    const NULLABLE: bool = {
        assert!(
            !T::NULLABLE,
            "an `Option` of a nullable type does not fit a column: both kinds of `None` would be null"
        );
        true
    };

    #[inline]
    fn measure(value: &Self, size: &mut T::Size) {
        if let Some(value) = value {
            T::measure(value, size);
        }
    }

    fn builder(rows: usize, size: &T::Size) -> T::Builder {
        T::builder(rows, size)
    }

    const LOSSY: bool = T::LOSSY;

    fn stored(value: &Self) -> Result<Option<Self>, ValueError> {
        value.as_ref().map_or(Ok(None), |value| T::stored(value).map(|stored| stored.map(Some)))
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
    fn get(reader: &T::Reader, row: usize) -> Result<Self, ValueError> {
        if T::is_null(reader, row) { Ok(None) } else { T::get(reader, row).map(Some) }
    }

    fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
        NullableRows::hold::<T, E>(array, rows)
    }
}
