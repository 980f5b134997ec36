//! Items that several implementations of [`ColumnType`](crate::record::ColumnType) have in common.
//!
//! Each macro expands to associated items inside such an implementation, which then adds only what differs.

/// The items of a type that is stored as another column type: `$column` under the encoding `$encoding`.
///
/// The implementation adds `Size`, `InVec`, `Order`, `measure`, `builder`, `push` and `get`.
macro_rules! stored_as {
    ($column:ty, $encoding:ty) => {
        type Builder = <$column as $crate::record::ColumnType<$encoding>>::Builder;
        type Reader = <$column as $crate::record::ColumnType<$encoding>>::Reader;

        fn shape() -> $crate::record::Shape {
            <$column as $crate::record::ColumnType<$encoding>>::shape()
        }

        fn values() -> Vec<String> {
            <$column as $crate::record::ColumnType<$encoding>>::values()
        }

        #[inline]
        fn push_null(builder: &mut Self::Builder) {
            <$column as $crate::record::ColumnType<$encoding>>::push_null(builder);
        }

        fn finish(builder: Self::Builder) -> Result<::arrow_array::ArrayRef, $crate::record::ValueError> {
            <$column as $crate::record::ColumnType<$encoding>>::finish(builder)
        }

        fn reader(array: &::arrow_array::ArrayRef) -> Result<Self::Reader, $crate::record::ValueError> {
            <$column as $crate::record::ColumnType<$encoding>>::reader(array)
        }

        #[inline]
        fn is_null(reader: &Self::Reader, row: usize) -> bool {
            <$column as $crate::record::ColumnType<$encoding>>::is_null(reader, row)
        }
    };
}

/// The items of a type whose values all have the same width, so that nothing is measured before building.
///
/// The implementation adds `InVec`, `Order`, `shape`, `push`, `finish`, `reader` and `get`.
macro_rules! fixed_width {
    ($builder:ty, $reader:ty) => {
        type Size = ();
        type Builder = $builder;
        type Reader = $reader;

        #[inline]
        fn measure(_: &Self, (): &mut ()) {}

        fn builder(rows: usize, (): &()) -> Self::Builder {
            <$builder>::new(rows)
        }

        #[inline]
        fn push_null(builder: &mut Self::Builder) {
            builder.push_null();
        }

        #[inline]
        fn is_null(reader: &Self::Reader, row: usize) -> bool {
            reader.is_null(row)
        }
    };
}

/// The items of strings and bytes, whose lengths are summed up before building.
///
/// The implementation adds `InVec`, `Order`, `shape` and `get`.
macro_rules! variable_width {
    ($builder:ty, $reader:ty) => {
        type Size = usize;
        type Builder = $builder;
        type Reader = $reader;

        #[inline]
        fn measure(value: &Self, size: &mut usize) {
            *size = size.saturating_add(value.len());
        }

        fn builder(rows: usize, size: &usize) -> Self::Builder {
            <$builder>::new(rows, *size)
        }

        #[inline]
        fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), $crate::record::ValueError> {
            builder.push(value)
        }

        #[inline]
        fn push_null(builder: &mut Self::Builder) {
            builder.push_null();
        }

        fn finish(builder: Self::Builder) -> Result<::arrow_array::ArrayRef, $crate::record::ValueError> {
            Ok(builder.finish())
        }

        fn reader(array: &::arrow_array::ArrayRef) -> Result<Self::Reader, $crate::record::ValueError> {
            <$reader>::new(array)
        }

        #[inline]
        fn is_null(reader: &Self::Reader, row: usize) -> bool {
            reader.is_null(row)
        }
    };
}

pub(super) use {fixed_width, stored_as, variable_width};
