//! bool, integers and floats.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, BooleanBufferBuilder, ScalarBuffer};
use arrow_schema::DataType;

use super::{AsBytes, AsList, NullMask, Nulls, mismatch, refused, typed};
use crate::record::{ColumnType, Plain, Shape, Total, Unordered, ValueError};

/// Collects values of a fixed width.
#[derive(Debug)]
pub struct Fixed<N> {
    values: Vec<N>,
    nulls: Nulls,
}

impl<N: ArrowNativeType> Fixed<N> {
    pub(super) fn repeated(value: N, rows: usize) -> Self {
        Self { values: vec![value; rows], nulls: Nulls::default() }
    }

    pub(super) fn new(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), nulls: Nulls::default() }
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

    /// The array. Its type refines that of `P` by a time zone, or digits.
    pub(super) fn finish<P: ArrowPrimitiveType<Native = N>>(
        self,
        data_type: &DataType,
    ) -> Result<ArrayRef, ValueError> {
        let nulls = self.nulls.finish(self.values.len());
        let array = PrimitiveArray::<P>::try_new(ScalarBuffer::from(self.values), nulls).map_err(refused)?;
        if PrimitiveArray::<P>::is_compatible(data_type) {
            Ok(Arc::new(array.with_data_type(data_type.clone())))
        } else {
            Err(mismatch(&(Arc::new(array) as ArrayRef), data_type))
        }
    }
}

impl Fixed<i64> {
    /// The same in 32 bits.
    pub(super) fn narrowed(self) -> Result<Fixed<i32>, ValueError> {
        let values = self.values.into_iter().map(i32::try_from).collect::<Result<_, _>>().map_err(ValueError::new)?;
        Ok(Fixed { values, nulls: self.nulls })
    }
}

/// Reads values of a fixed width.
#[derive(Debug)]
pub struct FixedReader<N: ArrowNativeType> {
    values: ScalarBuffer<N>,
    nulls: NullMask,
}

impl FixedReader<i64> {
    pub(super) fn widened<P: ArrowPrimitiveType<Native = i32>>(array: &PrimitiveArray<P>) -> Self {
        Self {
            values: array.values().iter().copied().map(i64::from).collect::<Vec<_>>().into(),
            nulls: NullMask::of(array),
        }
    }
}

impl<N: ArrowNativeType> FixedReader<N> {
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
}

macro_rules! numbers {
    ($($number:ty as $arrow:ty: $data_type:expr, $layout:ty, $order:ty;)*) => {$(
        impl ColumnType<Plain> for $number {
            type Size = ();
            type Builder = Fixed<$number>;
            type Reader = FixedReader<$number>;
            type InVec = $layout;
            type Order = $order;

            fn shape() -> Shape {
                Shape::Leaf($data_type)
            }

            #[inline]
            fn measure(_: &Self, (): &mut ()) {}

            fn builder(rows: usize, (): &()) -> Fixed<$number> {
                Fixed::new(rows)
            }

            #[inline]
            fn push(value: &Self, builder: &mut Fixed<$number>) -> Result<(), ValueError> {
                builder.push(*value);
                Ok(())
            }

            #[inline]
            fn push_null(builder: &mut Fixed<$number>) {
                builder.push_null();
            }

            fn finish(builder: Fixed<$number>) -> Result<ArrayRef, ValueError> {
                builder.finish::<$arrow>(&$data_type)
            }

            fn reader(array: &ArrayRef) -> Result<FixedReader<$number>, ValueError> {
                typed::<PrimitiveArray<$arrow>>(array, &$data_type).map(FixedReader::new)
            }

            #[inline]
            fn is_null(reader: &FixedReader<$number>, row: usize) -> bool {
                reader.is_null(row)
            }

            #[inline]
            fn get(reader: &FixedReader<$number>, row: usize) -> Result<Self, ValueError> {
                reader.value(row)
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
    f32 as Float32Type: DataType::Float32, AsList, Unordered;
    f64 as Float64Type: DataType::Float64, AsList, Unordered;
}

/// Collects bools.
#[derive(Debug)]
pub struct Bools {
    values: BooleanBufferBuilder,
    nulls: Nulls,
}

/// Reads bools.
#[derive(Debug)]
pub struct BoolReader {
    values: BooleanBuffer,
    nulls: NullMask,
}

impl ColumnType<Plain> for bool {
    type Size = ();
    type Builder = Bools;
    type Reader = BoolReader;
    type InVec = AsList;
    type Order = Total;

    fn shape() -> Shape {
        Shape::Leaf(DataType::Boolean)
    }

    #[inline]
    fn measure(_: &Self, (): &mut ()) {}

    fn builder(rows: usize, (): &()) -> Bools {
        Bools { values: BooleanBufferBuilder::new(rows), nulls: Nulls::default() }
    }

    #[inline]
    fn push(value: &Self, builder: &mut Bools) -> Result<(), ValueError> {
        builder.values.append(*value);
        Ok(())
    }

    #[inline]
    fn push_null(builder: &mut Bools) {
        builder.nulls.push_null(builder.values.len());
        builder.values.append(false);
    }

    fn finish(mut builder: Bools) -> Result<ArrayRef, ValueError> {
        let nulls = builder.nulls.finish(builder.values.len());
        Ok(Arc::new(BooleanArray::new(builder.values.finish(), nulls)))
    }

    fn reader(array: &ArrayRef) -> Result<BoolReader, ValueError> {
        let array = typed::<BooleanArray>(array, &DataType::Boolean)?;
        Ok(BoolReader { values: array.values().clone(), nulls: NullMask::of(array) })
    }

    #[inline]
    fn is_null(reader: &BoolReader, row: usize) -> bool {
        reader.nulls.is_null(row)
    }

    #[inline]
    fn get(reader: &BoolReader, row: usize) -> Result<Self, ValueError> {
        if reader.nulls.is_null(row) {
            return Err(ValueError::null());
        }
        if row >= reader.values.len() {
            return Err(ValueError::no_row(row));
        }
        Ok(reader.values.value(row))
    }
}
