//! User types that are stored as another type, by [`AsColumn`] or [`ColumnWith`].
//!
//! Nothing is measured before building: that would convert every value twice.

use arrow_array::ArrayRef;

use super::AsList;
use super::items::stored_as;
use crate::record::{
    AsColumn, ColumnType, ColumnWith, KeyPart, Nullable, NullableRows, OwnedRows, Plain, Reachable, ValueError, With,
    WithOption,
};

/// The items that every type converted to `$column` has: those of [`stored_as`], and builders of unknown size.
macro_rules! converted_to {
    ($column:ty) => {
        stored_as!($column, Plain);

        type Size = ();

        // A conversion and its inverse may return another value.
        const LOSSY: bool = true;

        #[inline]
        fn measure(_: &Self, (): &mut ()) {}

        fn builder(rows: usize, (): &()) -> Self::Builder {
            <$column>::builder(rows, &Default::default())
        }
    };
}

/// Returns a converted value as a read returns it.
fn stored_column<C: ColumnType>(column: C) -> Result<C, ValueError> {
    Ok(C::stored(&column)?.unwrap_or(column))
}

// For a type without a column the compiler then reports that `ColumnType` is missing, not `AsColumn`.
#[diagnostic::do_not_recommend]
impl<T: AsColumn> ColumnType<Plain> for T {
    converted_to!(T::Column);

    type InVec = AsList;
    type InRows = OwnedRows<T>;
    type Order = <T::Column as ColumnType>::Order;

    const NULLABLE: bool = <T::Column as ColumnType>::NULLABLE;

    #[inline]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        T::Column::push(&value.to_column()?, builder)
    }

    fn stored(value: &Self) -> Result<Option<Self>, ValueError> {
        stored_column(value.to_column()?).and_then(T::from_column).map(Some)
    }

    fn key_part(value: &Self) -> Result<KeyPart, ValueError> {
        T::Column::key_part(&value.to_column()?)
    }

    fn equal_parts(value: &Self) -> Result<Vec<KeyPart>, ValueError> {
        T::Column::equal_parts(&value.to_column()?)
    }

    #[inline]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        T::Column::get(reader, row).and_then(T::from_column)
    }

    fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
        OwnedRows::hold::<Plain>(array, rows)
    }
}

impl<T, A: ColumnWith<T>> ColumnType<With<A>> for T {
    converted_to!(A::Column);

    type InVec = AsList<With<A>>;
    type InRows = OwnedRows<T>;
    type Order = <A::Column as ColumnType>::Order;

    const NULLABLE: bool = <A::Column as ColumnType>::NULLABLE;

    #[inline]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        A::Column::push(&A::to_column(value)?, builder)
    }

    fn stored(value: &Self) -> Result<Option<Self>, ValueError> {
        stored_column(A::to_column(value)?).and_then(A::from_column).map(Some)
    }

    fn key_part(value: &Self) -> Result<KeyPart, ValueError> {
        A::Column::key_part(&A::to_column(value)?)
    }

    fn equal_parts(value: &Self) -> Result<Vec<KeyPart>, ValueError> {
        A::Column::equal_parts(&A::to_column(value)?)
    }

    #[inline]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        A::Column::get(reader, row).and_then(A::from_column)
    }

    fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
        OwnedRows::hold::<With<A>>(array, rows)
    }
}

impl<T, A: ColumnWith<T>> ColumnType<WithOption<A>> for Option<T> {
    converted_to!(A::Column);

    type InVec = AsList<WithOption<A>>;
    type InRows = NullableRows<OwnedRows<T>>;
    type Order = Nullable<T, With<A>>;

    const NULLABLE: bool = {
        assert!(
            !<A::Column as ColumnType>::NULLABLE,
            "an `Option` of a nullable type does not fit a column: both kinds of `None` would be null"
        );
        true
    };

    #[inline]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        match value {
            Some(value) => A::Column::push(&A::to_column(value)?, builder),
            None => {
                A::Column::push_null(builder);
                Ok(())
            }
        }
    }

    fn stored(value: &Self) -> Result<Option<Self>, ValueError> {
        let Some(value) = value else { return Ok(None) };
        stored_column(A::to_column(value)?).and_then(A::from_column).map(|value| Some(Some(value)))
    }

    #[inline]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        if A::Column::is_null(reader, row) {
            return Ok(None);
        }
        A::Column::get(reader, row).and_then(A::from_column).map(Some)
    }

    fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
        NullableRows::hold::<T, With<A>>(array, rows)
    }
}
