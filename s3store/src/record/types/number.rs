//! `bool`, integers and floats.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, BooleanBufferBuilder, ScalarBuffer};
use arrow_schema::DataType;

use super::items::fixed_width;
use super::{AsBytes, AsList, NullMask, NullsBuilder, invalid_array, mismatch, typed};
use crate::record::{ColumnType, NumberRows, Partial, Plain, Reachable, Shape, Total, ValueError, ValueRows};

/// Collects values of a fixed width.
#[derive(Debug)]
pub struct FixedWidthBuilder<N> {
    values: Vec<N>,
    nulls: NullsBuilder,
}

impl<N: ArrowNativeType> FixedWidthBuilder<N> {
    /// Creates the builder of a column that has `value` in each of `rows` rows.
    pub(super) fn repeated(value: N, rows: usize) -> Self {
        Self { values: vec![value; rows], nulls: NullsBuilder::default() }
    }

    pub(super) fn new(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), nulls: NullsBuilder::default() }
    }

    #[inline]
    pub(super) fn push(&mut self, value: N) {
        self.values.push(value);
    }

    #[inline]
    pub(super) fn push_null(&mut self) {
        self.nulls.push_null(self.values.len());
        self.values.push(N::default());
    }

    /// Builds the array. `data_type` is the type of `P`, with its time zone or its digits.
    pub(super) fn finish<P: ArrowPrimitiveType<Native = N>>(
        self,
        data_type: &DataType,
    ) -> Result<ArrayRef, ValueError> {
        let nulls = self.nulls.finish(self.values.len());
        let array = PrimitiveArray::<P>::try_new(ScalarBuffer::from(self.values), nulls).map_err(invalid_array)?;
        if PrimitiveArray::<P>::is_compatible(data_type) {
            Ok(Arc::new(array.with_data_type(data_type.clone())))
        } else {
            Err(mismatch(&(Arc::new(array) as ArrayRef), data_type))
        }
    }
}

impl FixedWidthBuilder<i64> {
    /// Converts the values to 32 bits.
    pub(super) fn narrowed(self) -> Result<FixedWidthBuilder<i32>, ValueError> {
        let values = self.values.into_iter().map(i32::try_from).collect::<Result<_, _>>().map_err(ValueError::new)?;
        Ok(FixedWidthBuilder { values, nulls: self.nulls })
    }
}

/// Reads values of a fixed width.
#[derive(Debug)]
pub struct FixedWidthReader<N: ArrowNativeType> {
    values: ScalarBuffer<N>,
    nulls: NullMask,
}

impl FixedWidthReader<i64> {
    /// Reads values of 32 bits as 64 bits.
    pub(super) fn widened<P: ArrowPrimitiveType<Native = i32>>(array: &PrimitiveArray<P>) -> Self {
        Self {
            values: array.values().iter().copied().map(i64::from).collect::<Vec<_>>().into(),
            nulls: NullMask::of(array),
        }
    }
}

impl<N: ArrowNativeType> FixedWidthReader<N> {
    pub(super) fn new<P: ArrowPrimitiveType<Native = N>>(array: &PrimitiveArray<P>) -> Self {
        Self { values: array.values().clone(), nulls: NullMask::of(array) }
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_null(row)
    }

    #[inline]
    pub(super) fn value(&self, row: usize) -> Result<N, ValueError> {
        if self.nulls.is_null(row) {
            return Err(ValueError::null());
        }
        self.values.get(row).copied().ok_or_else(|| ValueError::no_row(row))
    }

    /// Returns the value of a row, or `None` if it is null or there is no such row.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<N> {
        if self.nulls.is_null(row) { None } else { self.values.get(row).copied() }
    }

    /// Returns the values of some rows, which must not be null.
    #[inline]
    pub(crate) fn slice(&self, rows: std::ops::Range<usize>) -> Option<&[N]> {
        self.values.get(rows)
    }
}

macro_rules! numbers {
    ($($number:ty as $arrow:ty: $data_type:expr, $layout:ty, $order:ty;)*) => {$(
        impl ColumnType<Plain> for $number {
            fixed_width!(FixedWidthBuilder<$number>, FixedWidthReader<$number>);

            type InVec = $layout;
            type InRows = NumberRows<$number>;
            type Order = $order;

            fn shape() -> Shape {
                Shape::Leaf($data_type)
            }

            #[inline]
            fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
                builder.push(*value);
                Ok(())
            }

            fn finish(builder: Self::Builder) -> Result<ArrayRef, ValueError> {
                builder.finish::<$arrow>(&$data_type)
            }

            fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError> {
                typed::<PrimitiveArray<$arrow>>(array, &$data_type).map(FixedWidthReader::new)
            }

            #[inline]
            fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
                reader.value(row)
            }

            fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
                NumberRows::hold(array, rows)
            }
        }
    )*};
}

numbers! {
    i8 as Int8Type: DataType::Int8, AsList, Total;
    i16 as Int16Type: DataType::Int16, AsList, Total;
    i32 as Int32Type: DataType::Int32, AsList, Total;
    i64 as Int64Type: DataType::Int64, AsList, Total;
    u8 as UInt8Type: DataType::UInt8, AsBytes, Total;
    u16 as UInt16Type: DataType::UInt16, AsList, Total;
    u32 as UInt32Type: DataType::UInt32, AsList, Total;
    u64 as UInt64Type: DataType::UInt64, AsList, Total;
    f32 as Float32Type: DataType::Float32, AsList, Partial;
    f64 as Float64Type: DataType::Float64, AsList, Partial;
}

/// Collects bools.
#[derive(Debug)]
pub struct BoolBuilder {
    values: BooleanBufferBuilder,
    nulls: NullsBuilder,
}

impl BoolBuilder {
    fn new(rows: usize) -> Self {
        Self { values: BooleanBufferBuilder::new(rows), nulls: NullsBuilder::default() }
    }

    #[inline]
    fn push_null(&mut self) {
        self.nulls.push_null(self.values.len());
        self.values.append(false);
    }
}

/// Reads bools.
#[derive(Debug)]
pub struct BoolReader {
    values: BooleanBuffer,
    nulls: NullMask,
}

impl BoolReader {
    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.nulls.is_null(row)
    }
}

impl ColumnType<Plain> for bool {
    fixed_width!(BoolBuilder, BoolReader);

    type InVec = AsList;
    type InRows = ValueRows<Self>;
    type Order = Total;

    fn shape() -> Shape {
        Shape::Leaf(DataType::Boolean)
    }

    #[inline]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        builder.values.append(*value);
        Ok(())
    }

    fn finish(mut builder: Self::Builder) -> Result<ArrayRef, ValueError> {
        let nulls = builder.nulls.finish(builder.values.len());
        Ok(Arc::new(BooleanArray::new(builder.values.finish(), nulls)))
    }

    fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError> {
        let array = typed::<BooleanArray>(array, &DataType::Boolean)?;
        Ok(BoolReader { values: array.values().clone(), nulls: NullMask::of(array) })
    }

    #[inline]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        if reader.nulls.is_null(row) {
            return Err(ValueError::null());
        }
        if row >= reader.values.len() {
            return Err(ValueError::no_row(row));
        }
        Ok(reader.values.value(row))
    }

    fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
        ValueRows::hold::<Plain>(array, rows)
    }
}
