//! Types of the user's own, stored as another type.

use arrow_array::ArrayRef;

use super::AsList;
use crate::record::{AsColumn, ColumnType, ColumnWith, Plain, Shape, Unordered, ValueError, With, WithOption};

// Nothing is summed up before building: that would convert every value twice.

// A type without any column lacks `ColumnType`, not `AsColumn`: so says the compiler then.
#[diagnostic::do_not_recommend]
impl<T: AsColumn> ColumnType<Plain> for T {
    type Size = ();
    type Builder = <T::Column as ColumnType>::Builder;
    type Reader = <T::Column as ColumnType>::Reader;
    type InVec = AsList;
    type Order = <T::Column as ColumnType>::Order;

    const NULLABLE: bool = <T::Column as ColumnType>::NULLABLE;

    fn shape() -> Shape {
        T::Column::shape()
    }

    #[inline]
    fn measure(_: &Self, (): &mut ()) {}

    fn builder(rows: usize, (): &()) -> Self::Builder {
        T::Column::builder(rows, &Default::default())
    }

    #[inline]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        T::Column::push(&value.to_column()?, builder)
    }

    #[inline]
    fn push_null(builder: &mut Self::Builder) {
        T::Column::push_null(builder);
    }

    fn finish(builder: Self::Builder) -> Result<ArrayRef, ValueError> {
        T::Column::finish(builder)
    }

    fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError> {
        T::Column::reader(array)
    }

    #[inline]
    fn is_null(reader: &Self::Reader, row: usize) -> bool {
        T::Column::is_null(reader, row)
    }

    #[inline]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        T::Column::get(reader, row).and_then(T::from_column)
    }
}

impl<T, A: ColumnWith<T>> ColumnType<With<A>> for T {
    type Size = ();
    type Builder = <A::Column as ColumnType>::Builder;
    type Reader = <A::Column as ColumnType>::Reader;
    type InVec = AsList;
    type Order = <A::Column as ColumnType>::Order;

    const NULLABLE: bool = <A::Column as ColumnType>::NULLABLE;

    fn shape() -> Shape {
        A::Column::shape()
    }

    #[inline]
    fn measure(_: &Self, (): &mut ()) {}

    fn builder(rows: usize, (): &()) -> Self::Builder {
        A::Column::builder(rows, &Default::default())
    }

    #[inline]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        A::Column::push(&A::to_column(value)?, builder)
    }

    #[inline]
    fn push_null(builder: &mut Self::Builder) {
        A::Column::push_null(builder);
    }

    fn finish(builder: Self::Builder) -> Result<ArrayRef, ValueError> {
        A::Column::finish(builder)
    }

    fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError> {
        A::Column::reader(array)
    }

    #[inline]
    fn is_null(reader: &Self::Reader, row: usize) -> bool {
        A::Column::is_null(reader, row)
    }

    #[inline]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        A::Column::get(reader, row).and_then(A::from_column)
    }
}

impl<T, A: ColumnWith<T>> ColumnType<WithOption<A>> for Option<T> {
    type Size = ();
    type Builder = <A::Column as ColumnType>::Builder;
    type Reader = <A::Column as ColumnType>::Reader;
    type InVec = AsList;
    type Order = Unordered;

    const NULLABLE: bool = {
        assert!(!<A::Column as ColumnType>::NULLABLE, "a column can't tell the two Options of an Option apart");
        true
    };

    fn shape() -> Shape {
        A::Column::shape()
    }

    #[inline]
    fn measure(_: &Self, (): &mut ()) {}

    fn builder(rows: usize, (): &()) -> Self::Builder {
        A::Column::builder(rows, &Default::default())
    }

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

    #[inline]
    fn push_null(builder: &mut Self::Builder) {
        A::Column::push_null(builder);
    }

    fn finish(builder: Self::Builder) -> Result<ArrayRef, ValueError> {
        A::Column::finish(builder)
    }

    fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError> {
        A::Column::reader(array)
    }

    #[inline]
    fn is_null(reader: &Self::Reader, row: usize) -> bool {
        A::Column::is_null(reader, row)
    }

    #[inline]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        if A::Column::is_null(reader, row) {
            return Ok(None);
        }
        A::Column::get(reader, row).and_then(A::from_column).map(Some)
    }
}
