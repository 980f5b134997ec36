//! Bytes, of any length (`Vec<u8>`, `Bytes`) and of a fixed length (`[u8; N]`).

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::{Array, ArrayRef, BinaryViewArray, FixedSizeBinaryArray};
use arrow_buffer::Buffer;
use arrow_schema::DataType;
use bytes::Bytes;

use super::items::{fixed_width, variable_width};
use super::text::MAX_OFFSET;
use super::{AsList, NullsBuilder, VecLayout, invalid_array, mismatch, typed};
use crate::record::{BorrowingReader, ColumnType, Plain, Reachable, ReaderRows, Shape, Total, ValueError};

/// Collects values of bytes into a `Binary` array.
#[derive(Debug)]
pub struct BytesBuilder {
    values: BinaryBuilder,
    /// How many more bytes fit into the array.
    room: usize,
}

impl BytesBuilder {
    fn new(rows: usize, bytes: usize) -> Self {
        Self { values: BinaryBuilder::with_capacity(rows, bytes.min(MAX_OFFSET)), room: MAX_OFFSET }
    }

    #[inline]
    fn push(&mut self, value: &[u8]) -> Result<(), ValueError> {
        // Arrow panics when its offsets overflow.
        match self.room.checked_sub(value.len()) {
            Some(room) => self.room = room,
            None => return Err(ValueError::too_large("more than 2 GiB of bytes at once")),
        }
        self.values.append_value(value);
        Ok(())
    }

    #[inline]
    fn push_null(&mut self) {
        self.values.append_null();
    }

    fn finish(mut self) -> ArrayRef {
        Arc::new(self.values.finish())
    }
}

/// Reads values of bytes from a `BinaryView` array.
#[derive(Debug)]
pub struct BytesReader {
    values: BinaryViewArray,
    has_nulls: bool,
}

impl BytesReader {
    pub(crate) fn new(array: &ArrayRef) -> Result<Self, ValueError> {
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

impl BorrowingReader for BytesReader {
    type Value<'a> = &'a [u8];

    fn open(array: &ArrayRef) -> Result<Self, ValueError> {
        Self::new(array)
    }

    #[inline]
    fn get(&self, row: usize) -> Option<&[u8]> {
        if row >= self.values.len() || self.is_null(row) { None } else { Some(self.values.value(row)) }
    }
}

/// The layout of `Vec<u8>`: bytes, not a list of numbers.
#[derive(Debug)]
pub enum AsBytes {}

impl VecLayout<u8, Plain> for AsBytes {
    type Column = Vec<u8>;

    #[inline]
    fn as_column(items: &Vec<u8>) -> &Vec<u8> {
        items
    }

    #[inline]
    fn from_column(items: Vec<u8>) -> Vec<u8> {
        items
    }
}

macro_rules! bytes {
    ($($bytes:ty as $encoding:ty: $copy:expr;)*) => {$(
        impl ColumnType<$encoding> for $bytes {
            variable_width!(BytesBuilder, BytesReader);

            type InVec = AsList<$encoding>;
            type InRows = ReaderRows<BytesReader>;
            type Order = Total;

            fn shape() -> Shape {
                Shape::Leaf(DataType::Binary)
            }

            #[inline]
            fn get(reader: &BytesReader, row: usize) -> Result<Self, ValueError> {
                reader.value(row).map($copy)
            }

            fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
                ReaderRows::hold(array, rows)
            }
        }
    )*};
}

bytes! {
    Vec<u8> as AsBytes: <[u8]>::to_vec;
    // Copied, because a slice of the array's buffer would keep the whole buffer alive.
    Bytes as Plain: Bytes::copy_from_slice;
}

/// Collects values of `N` bytes.
#[derive(Debug)]
pub struct ByteArraysBuilder<const N: usize> {
    values: Vec<u8>,
    rows: usize,
    nulls: NullsBuilder,
}

impl<const N: usize> ByteArraysBuilder<N> {
    pub(super) fn new(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows.saturating_mul(N)), rows: 0, nulls: NullsBuilder::default() }
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
        let width = fixed_size(N)?;
        let array =
            FixedSizeBinaryArray::try_new(width, Buffer::from_vec(self.values), nulls).map_err(invalid_array)?;
        Ok(Arc::new(array))
    }
}

/// Reads values of `N` bytes.
#[derive(Debug)]
pub struct ByteArraysReader<const N: usize> {
    values: FixedSizeBinaryArray,
    has_nulls: bool,
}

impl<const N: usize> ByteArraysReader<N> {
    pub(crate) fn new(array: &ArrayRef) -> Result<Self, ValueError> {
        let expected = DataType::FixedSizeBinary(fixed_size(N)?);
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

impl<const N: usize> BorrowingReader for ByteArraysReader<N> {
    type Value<'a> = &'a [u8; N];

    fn open(array: &ArrayRef) -> Result<Self, ValueError> {
        Self::new(array)
    }

    #[inline]
    fn get(&self, row: usize) -> Option<&[u8; N]> {
        if row >= self.values.len() || self.is_null(row) { None } else { self.values.value(row).try_into().ok() }
    }
}

fn fixed_size(bytes: usize) -> Result<i32, ValueError> {
    i32::try_from(bytes).map_err(ValueError::new)
}

impl<const N: usize> ColumnType<Plain> for [u8; N] {
    fixed_width!(ByteArraysBuilder<N>, ByteArraysReader<N>);

    type InVec = AsList;
    type InRows = ReaderRows<ByteArraysReader<N>>;
    type Order = Total;

    const NULLABLE: bool = {
        assert!(N > 0, "an array of no bytes does not fit a column");
        assert!(N <= MAX_OFFSET, "an array of more than 2 GiB does not fit a column");
        false
    };

    fn shape() -> Shape {
        // The assertions above make the conversion infallible.
        Shape::Leaf(DataType::FixedSizeBinary(i32::try_from(N).unwrap_or(i32::MAX)))
    }

    #[inline]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        builder.push(value);
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
        reader.value(row)
    }

    fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
        ReaderRows::hold(array, rows)
    }
}
