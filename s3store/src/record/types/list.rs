//! Lists: `Vec` of every type that fits a column, except `Vec<u8>`.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};

use super::items::stored_as;
use super::text::MAX_OFFSET;
use super::{NullMask, NullsBuilder, invalid_array, mismatch};
use crate::record::{
    ColumnNode, ColumnType, ElementEncoding, ListRows, Plain, Reachable, Shape, Unordered, ValueError,
};

/// The storage of a `Vec<T>`, as a list or as bytes. The element type chooses it by [`ColumnType::InVec`].
///
/// A layout is an encoding under which `Vec<T>` is a column type. It exists because `Vec<u8>` is stored as bytes and
/// every other `Vec` as a list, and Rust has no specialization. Both functions return their argument.
pub trait VecLayout<T, E>: Sized {
    /// The type `Vec<T>`, known to the compiler as a column type.
    #[doc(hidden)]
    type Column: ColumnType<Self>;

    /// Returns `items` itself.
    #[doc(hidden)]
    #[expect(clippy::ptr_arg, reason = "the column type is the `Vec` itself")]
    fn as_column(items: &Vec<T>) -> &Self::Column;

    /// Returns `items` itself.
    #[doc(hidden)]
    fn from_column(items: Self::Column) -> Vec<T>;
}

type VecColumn<T, E> = <<T as ColumnType<E>>::InVec as VecLayout<T, E>>::Column;

impl<T: ColumnType<E>, E: ElementEncoding> ColumnType<E> for Vec<T> {
    stored_as!(VecColumn<T, E>, T::InVec);

    type Size = <VecColumn<T, E> as ColumnType<T::InVec>>::Size;
    type InVec = AsList<E>;
    type InRows = <VecColumn<T, E> as ColumnType<T::InVec>>::InRows;
    type Order = <VecColumn<T, E> as ColumnType<T::InVec>>::Order;

    const LOSSY: bool = T::LOSSY;

    #[inline]
    fn measure(value: &Self, size: &mut Self::Size) {
        VecColumn::<T, E>::measure(T::InVec::as_column(value), size);
    }

    fn builder(rows: usize, size: &Self::Size) -> Self::Builder {
        VecColumn::<T, E>::builder(rows, size)
    }

    #[inline]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        VecColumn::<T, E>::push(T::InVec::as_column(value), builder)
    }

    #[inline]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        VecColumn::<T, E>::get(reader, row).map(T::InVec::from_column)
    }

    fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
        VecColumn::<T, E>::hold(array, rows)
    }
}

/// The layout of most `Vec`s: a list, whose elements are stored under the encoding `E`.
#[derive(Debug)]
pub struct AsList<E = Plain>(PhantomData<E>);

impl<T: ColumnType<E>, E> VecLayout<T, E> for AsList<E> {
    type Column = Vec<T>;

    #[inline]
    fn as_column(items: &Vec<T>) -> &Vec<T> {
        items
    }

    #[inline]
    fn from_column(items: Vec<T>) -> Vec<T> {
        items
    }
}

/// Collects lists.
#[derive(Debug)]
pub struct ListBuilder<B> {
    offsets: OffsetsBuilder,
    items: B,
}

/// Reads lists.
#[derive(Debug)]
pub struct ListReader<R> {
    ranges: ItemRanges,
    items: R,
}

impl<T: ColumnType<E>, E> ColumnType<AsList<E>> for Vec<T> {
    type Size = ListSize<T::Size>;
    type Builder = ListBuilder<T::Builder>;
    type Reader = ListReader<T::Reader>;
    type InVec = AsList<AsList<E>>;
    type InRows = ListRows<T::InRows>;
    type Order = Unordered;

    const LOSSY: bool = T::LOSSY;

    fn shape() -> Shape {
        Shape::List(Box::new(element::<T, E>()))
    }

    #[inline]
    fn measure(value: &Self, size: &mut Self::Size) {
        size.items = size.items.saturating_add(value.len());
        for item in value {
            T::measure(item, &mut size.inner);
        }
    }

    fn builder(rows: usize, size: &Self::Size) -> Self::Builder {
        ListBuilder { offsets: OffsetsBuilder::new(rows), items: T::builder(size.items.min(MAX_OFFSET), &size.inner) }
    }

    #[inline]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        builder.offsets.push(value.len())?;
        for item in value {
            T::push(item, &mut builder.items).map_err(|error| error.in_column("element"))?;
        }
        Ok(())
    }

    #[inline]
    fn push_null(builder: &mut Self::Builder) {
        builder.offsets.push_null();
    }

    fn finish(builder: Self::Builder) -> Result<ArrayRef, ValueError> {
        let items = T::finish(builder.items)?;
        let (offsets, nulls) = builder.offsets.finish();
        let list = ListArray::try_new(element::<T, E>().write_field(), offsets, items, nulls).map_err(invalid_array)?;
        Ok(Arc::new(list))
    }

    fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError> {
        let Some(list) = array.as_any().downcast_ref::<ListArray>() else {
            return Err(mismatch(array, &"a list"));
        };
        let items = T::reader(list.values()).map_err(|error| error.in_column("element"))?;
        Ok(ListReader { ranges: ItemRanges::new(list.offsets(), list), items })
    }

    #[inline]
    fn is_null(reader: &Self::Reader, row: usize) -> bool {
        reader.ranges.is_null(row)
    }

    #[inline]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        let range = reader.ranges.items(row)?;
        let mut items = Vec::with_capacity(range.len());
        for item in range {
            items.push(T::get(&reader.items, item).map_err(|error| error.in_column("element"))?);
        }
        Ok(items)
    }

    fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
        ListRows::hold::<T, E>(array, rows)
    }
}

fn element<T: ColumnType<E>, E>() -> ColumnNode {
    ColumnNode::of::<T, E>("element")
}

/// The measure of lists and maps: the number of their items, and the measure of the items.
#[derive(Debug, Default)]
pub struct ListSize<S> {
    pub(super) items: usize,
    pub(super) inner: S,
}

/// Collects the offsets of lists or maps: the index among all items at which each row ends.
#[derive(Debug)]
pub(super) struct OffsetsBuilder {
    ends: Vec<i32>,
    nulls: NullsBuilder,
}

impl OffsetsBuilder {
    pub(super) fn new(rows: usize) -> Self {
        let mut ends = Vec::with_capacity(rows.saturating_add(1));
        ends.push(0);
        Self { ends, nulls: NullsBuilder::default() }
    }

    /// Appends a row of `items` items, unless the 32-bit offsets would overflow.
    #[inline]
    pub(super) fn push(&mut self, items: usize) -> Result<(), ValueError> {
        let end = i32::try_from(items).ok().and_then(|items| self.end().checked_add(items));
        self.ends.push(end.ok_or_else(|| ValueError::too_large("more than 2,147,483,647 items at once"))?);
        Ok(())
    }

    #[inline]
    pub(super) fn push_null(&mut self) {
        self.nulls.push_null(self.ends.len() - 1);
        self.ends.push(self.end());
    }

    pub(super) fn finish(self) -> (OffsetBuffer<i32>, Option<arrow_buffer::NullBuffer>) {
        let nulls = self.nulls.finish(self.ends.len() - 1);
        (OffsetBuffer::new(ScalarBuffer::from(self.ends)), nulls)
    }

    fn end(&self) -> i32 {
        self.ends.last().copied().unwrap_or(0)
    }
}

/// The offsets of lists or maps that are read.
#[derive(Debug)]
pub(crate) struct ItemRanges {
    offsets: OffsetBuffer<i32>,
    nulls: NullMask,
}

impl ItemRanges {
    pub(crate) fn new(offsets: &OffsetBuffer<i32>, array: &dyn arrow_array::Array) -> Self {
        Self { offsets: offsets.clone(), nulls: NullMask::of(array) }
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_null(row)
    }

    /// Returns the range of a row's items.
    #[inline]
    pub(super) fn items(&self, row: usize) -> Result<std::ops::Range<usize>, ValueError> {
        if self.is_null(row) {
            return Err(ValueError::null());
        }
        match self.offsets.get(row..).and_then(|rest| rest.first_chunk::<2>()) {
            // arrow-rs rejects arrays with negative offsets.
            Some(&[start, end]) => Ok(start as usize..end as usize),
            None => Err(ValueError::no_row(row)),
        }
    }

    /// Returns the range of a row's items, or `None` if it is null or there is no such row.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<std::ops::Range<usize>> {
        let &[start, end] = self.offsets.get(row..)?.first_chunk::<2>()?;
        if self.is_null(row) { None } else { Some(start as usize..end as usize) }
    }
}
