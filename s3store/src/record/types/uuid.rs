//! UUIDs: 16 bytes, marked as a UUID in the file.

use arrow_array::ArrayRef;
use uuid::Uuid;

use super::AsList;
use super::bytes::{ByteArraysBuilder, ByteArraysReader};
use super::items::fixed_width;
use crate::record::{ColumnType, Plain, Reachable, Shape, Total, ValueError, ValueRows};

impl ColumnType<Plain> for Uuid {
    fixed_width!(ByteArraysBuilder<16>, ByteArraysReader<16>);

    type InVec = AsList;
    type InRows = ValueRows<Self>;
    type Order = Total;

    fn shape() -> Shape {
        Shape::Uuid
    }

    #[inline]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        builder.push(value.as_bytes());
        Ok(())
    }

    fn finish(builder: Self::Builder) -> Result<ArrayRef, ValueError> {
        builder.finish()
    }

    fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError> {
        ByteArraysReader::new(array)
    }

    #[inline]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        reader.value(row).map(Self::from_bytes)
    }

    fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
        ValueRows::hold::<Plain>(array, rows)
    }
}
