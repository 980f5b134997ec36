//! Bytes: of any length, and of one length.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::{Array, ArrayRef, BinaryViewArray, FixedSizeBinaryArray};
use arrow_buffer::Buffer;
use arrow_schema::DataType;
use bytes::Bytes;

use super::text::MAX_OFFSET;
use super::{AsList, Nulls, VecLayout, mismatch, refused, typed};
use crate::record::{ColumnType, Plain, Shape, Total, ValueError};

/// Collects bytes.
#[derive(Debug)]
pub struct BytesBuilder {
    values: BinaryBuilder,
    /// How many bytes more fit.
    room: usize,
}

impl BytesBuilder {
    fn new(rows: usize, bytes: usize) -> Self {
        Self { values: BinaryBuilder::with_capacity(rows, bytes.min(MAX_OFFSET)), room: MAX_OFFSET }
    }

    #[inline]
    fn push(&mut self, value: &[u8]) -> Result<(), ValueError> {
        // What is checked here, Arrow would panic on.
        match self.room.checked_sub(value.len()) {
            Some(room) => self.room = room,
            None => return Err(ValueError::too_large("more than 2 GiB of bytes at once")),
        }
        self.values.append_value(value);
        Ok(())
    }
}

/// Reads bytes.
#[derive(Debug)]
pub struct BytesReader {
    values: BinaryViewArray,
    has_nulls: bool,
}

impl BytesReader {
    fn new(array: &ArrayRef) -> Result<Self, ValueError> {
        let values = typed::<BinaryViewArray>(array, &DataType::BinaryView)?.clone();
        Ok(Self { has_nulls: values.null_count() > 0, values })
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.has_nulls && row < self.values.len() && self.values.is_null(row)
    }

    #[inline]
    fn value(&self, row: usize) -> Result<&[u8], ValueError> {
        if row >= self.values.len() {
            return Err(ValueError::no_row(row));
        }
        if self.is_null(row) {
            return Err(ValueError::null());
        }
        Ok(self.values.value(row))
    }
}

/// How a `Vec<u8>` is stored: as bytes, not as a list of numbers.
#[derive(Debug)]
pub enum AsBytes {}

impl VecLayout<u8, Plain> for AsBytes {
    type Size = usize;
    type Builder = BytesBuilder;
    type Reader = BytesReader;
    type Order = Total;

    fn shape() -> Shape {
        Shape::Leaf(DataType::Binary)
    }

    #[inline]
    fn measure(items: &[u8], size: &mut usize) {
        *size = size.saturating_add(items.len());
    }

    fn builder(rows: usize, size: &usize) -> BytesBuilder {
        BytesBuilder::new(rows, *size)
    }

    #[inline]
    fn push(items: &[u8], builder: &mut BytesBuilder) -> Result<(), ValueError> {
        builder.push(items)
    }

    #[inline]
    fn push_null(builder: &mut BytesBuilder) {
        builder.values.append_null();
    }

    fn finish(mut builder: BytesBuilder) -> Result<ArrayRef, ValueError> {
        Ok(Arc::new(builder.values.finish()))
    }

    fn reader(array: &ArrayRef) -> Result<BytesReader, ValueError> {
        BytesReader::new(array)
    }

    #[inline]
    fn is_null(reader: &BytesReader, row: usize) -> bool {
        reader.is_null(row)
    }

    #[inline]
    fn get(reader: &BytesReader, row: usize) -> Result<Vec<u8>, ValueError> {
        reader.value(row).map(<[u8]>::to_vec)
    }
}

impl ColumnType<Plain> for Bytes {
    type Size = usize;
    type Builder = BytesBuilder;
    type Reader = BytesReader;
    type InVec = AsList;
    type Order = Total;

    fn shape() -> Shape {
        Shape::Leaf(DataType::Binary)
    }

    #[inline]
    fn measure(value: &Self, size: &mut usize) {
        *size = size.saturating_add(value.len());
    }

    fn builder(rows: usize, size: &usize) -> BytesBuilder {
        BytesBuilder::new(rows, *size)
    }

    #[inline]
    fn push(value: &Self, builder: &mut BytesBuilder) -> Result<(), ValueError> {
        builder.push(value)
    }

    #[inline]
    fn push_null(builder: &mut BytesBuilder) {
        builder.values.append_null();
    }

    fn finish(mut builder: BytesBuilder) -> Result<ArrayRef, ValueError> {
        Ok(Arc::new(builder.values.finish()))
    }

    fn reader(array: &ArrayRef) -> Result<BytesReader, ValueError> {
        BytesReader::new(array)
    }

    #[inline]
    fn is_null(reader: &BytesReader, row: usize) -> bool {
        reader.is_null(row)
    }

    // A copy: a part of the array's buffer would keep the whole buffer alive.
    #[inline]
    fn get(reader: &BytesReader, row: usize) -> Result<Self, ValueError> {
        reader.value(row).map(Self::copy_from_slice)
    }
}

/// Collects values of `N` bytes.
#[derive(Debug)]
pub struct ArraysBuilder<const N: usize> {
    values: Vec<u8>,
    rows: usize,
    nulls: Nulls,
}

impl<const N: usize> ArraysBuilder<N> {
    pub(super) fn new(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows.saturating_mul(N)), rows: 0, nulls: Nulls::default() }
    }

    #[inline]
    pub(super) fn push(&mut self, value: &[u8; N]) {
        self.values.extend_from_slice(value);
        self.rows += 1;
    }

    #[inline]
    pub(super) fn push_null(&mut self) {
        self.nulls.push_null(self.rows);
        self.push(&[0; N]);
    }

    pub(super) fn finish(self) -> Result<ArrayRef, ValueError> {
        let nulls = self.nulls.finish(self.rows);
        let width = fixed_width(N)?;
        let array = FixedSizeBinaryArray::try_new(width, Buffer::from_vec(self.values), nulls).map_err(refused)?;
        Ok(Arc::new(array))
    }
}

/// Reads values of `N` bytes.
#[derive(Debug)]
pub struct ArraysReader<const N: usize> {
    values: FixedSizeBinaryArray,
    has_nulls: bool,
}

impl<const N: usize> ArraysReader<N> {
    pub(super) fn new(array: &ArrayRef) -> Result<Self, ValueError> {
        let expected = DataType::FixedSizeBinary(fixed_width(N)?);
        if *array.data_type() != expected {
            return Err(mismatch(array, &expected));
        }
        let values = typed::<FixedSizeBinaryArray>(array, &expected)?.clone();
        Ok(Self { has_nulls: values.null_count() > 0, values })
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.has_nulls && row < self.values.len() && self.values.is_null(row)
    }

    #[inline]
    pub(super) fn value(&self, row: usize) -> Result<[u8; N], ValueError> {
        if row >= self.values.len() {
            return Err(ValueError::no_row(row));
        }
        if self.is_null(row) {
            return Err(ValueError::null());
        }
        self.values.value(row).try_into().map_err(ValueError::new)
    }
}

fn fixed_width(bytes: usize) -> Result<i32, ValueError> {
    i32::try_from(bytes).map_err(ValueError::new)
}

impl<const N: usize> ColumnType<Plain> for [u8; N] {
    type Size = ();
    type Builder = ArraysBuilder<N>;
    type Reader = ArraysReader<N>;
    type InVec = AsList;
    type Order = Total;

    const NULLABLE: bool = {
        assert!(N > 0, "an array of no bytes does not fit a column");
        assert!(N <= MAX_OFFSET, "an array of more than 2 GiB does not fit a column");
        false
    };

    fn shape() -> Shape {
        // The assertions above hold, or this type's constants don't compile.
        Shape::Leaf(DataType::FixedSizeBinary(i32::try_from(N).unwrap_or(i32::MAX)))
    }

    #[inline]
    fn measure(_: &Self, (): &mut ()) {}

    fn builder(rows: usize, (): &()) -> ArraysBuilder<N> {
        ArraysBuilder::new(rows)
    }

    #[inline]
    fn push(value: &Self, builder: &mut ArraysBuilder<N>) -> Result<(), ValueError> {
        builder.push(value);
        Ok(())
    }

    #[inline]
    fn push_null(builder: &mut ArraysBuilder<N>) {
        builder.push_null();
    }

    fn finish(builder: ArraysBuilder<N>) -> Result<ArrayRef, ValueError> {
        builder.finish()
    }

    fn reader(array: &ArrayRef) -> Result<ArraysReader<N>, ValueError> {
        ArraysReader::new(array)
    }

    #[inline]
    fn is_null(reader: &ArraysReader<N>, row: usize) -> bool {
        reader.is_null(row)
    }

    #[inline]
    fn get(reader: &ArraysReader<N>, row: usize) -> Result<Self, ValueError> {
        reader.value(row)
    }
}
