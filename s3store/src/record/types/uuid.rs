//! UUIDs.

use arrow_array::ArrayRef;
use uuid::Uuid;

use super::AsList;
use super::bytes::{ArraysBuilder, ArraysReader};
use crate::record::{ColumnType, Plain, Shape, Total, ValueError};

impl ColumnType<Plain> for Uuid {
    type Size = ();
    type Builder = ArraysBuilder<16>;
    type Reader = ArraysReader<16>;
    type InVec = AsList;
    type Order = Total;

    fn shape() -> Shape {
        Shape::Uuid
    }

    #[inline]
    fn measure(_: &Self, (): &mut ()) {}

    fn builder(rows: usize, (): &()) -> ArraysBuilder<16> {
        ArraysBuilder::new(rows)
    }

    #[inline]
    fn push(value: &Self, builder: &mut ArraysBuilder<16>) -> Result<(), ValueError> {
        builder.push(value.as_bytes());
        Ok(())
    }

    #[inline]
    fn push_null(builder: &mut ArraysBuilder<16>) {
        builder.push_null();
    }

    fn finish(builder: ArraysBuilder<16>) -> Result<ArrayRef, ValueError> {
        builder.finish()
    }

    fn reader(array: &ArrayRef) -> Result<ArraysReader<16>, ValueError> {
        ArraysReader::new(array)
    }

    #[inline]
    fn is_null(reader: &ArraysReader<16>, row: usize) -> bool {
        reader.is_null(row)
    }

    #[inline]
    fn get(reader: &ArraysReader<16>, row: usize) -> Result<Self, ValueError> {
        reader.value(row).map(Self::from_bytes)
    }
}
