//! Lists.

use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};

use super::text::MAX_OFFSET;
use super::{NullMask, Nulls, mismatch, refused};
use crate::record::{ColumnNode, ColumnType, ElementEncoding, Shape, Unordered, ValueError};

/// How a `Vec<T>` is stored: what [`ColumnType`] says, for a slice. The element type chooses.
pub trait VecLayout<T, E> {
    /// See [`ColumnType::Size`].
    #[doc(hidden)]
    type Size: Default;
    /// See [`ColumnType::Builder`].
    #[doc(hidden)]
    type Builder;
    /// See [`ColumnType::Reader`].
    #[doc(hidden)]
    type Reader;
    /// See [`ColumnType::Order`].
    #[doc(hidden)]
    type Order;

    /// See [`ColumnType::shape`].
    #[doc(hidden)]
    fn shape() -> Shape;
    /// See [`ColumnType::measure`].
    #[doc(hidden)]
    fn measure(items: &[T], size: &mut Self::Size);
    /// See [`ColumnType::builder`].
    #[doc(hidden)]
    fn builder(rows: usize, size: &Self::Size) -> Self::Builder;
    /// See [`ColumnType::push`].
    #[doc(hidden)]
    fn push(items: &[T], builder: &mut Self::Builder) -> Result<(), ValueError>;
    /// See [`ColumnType::push_null`].
    #[doc(hidden)]
    fn push_null(builder: &mut Self::Builder);
    /// See [`ColumnType::finish`].
    #[doc(hidden)]
    fn finish(builder: Self::Builder) -> Result<ArrayRef, ValueError>;
    /// See [`ColumnType::reader`].
    #[doc(hidden)]
    fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError>;
    /// See [`ColumnType::is_null`].
    #[doc(hidden)]
    fn is_null(reader: &Self::Reader, row: usize) -> bool;
    /// See [`ColumnType::get`].
    #[doc(hidden)]
    fn get(reader: &Self::Reader, row: usize) -> Result<Vec<T>, ValueError>;
}

impl<T: ColumnType<E>, E: ElementEncoding> ColumnType<E> for Vec<T> {
    type Size = <T::InVec as VecLayout<T, E>>::Size;
    type Builder = <T::InVec as VecLayout<T, E>>::Builder;
    type Reader = <T::InVec as VecLayout<T, E>>::Reader;
    type InVec = AsList;
    type Order = <T::InVec as VecLayout<T, E>>::Order;

    fn shape() -> Shape {
        <T::InVec as VecLayout<T, E>>::shape()
    }

    #[inline]
    fn measure(value: &Self, size: &mut Self::Size) {
        <T::InVec as VecLayout<T, E>>::measure(value, size);
    }

    fn builder(rows: usize, size: &Self::Size) -> Self::Builder {
        <T::InVec as VecLayout<T, E>>::builder(rows, size)
    }

    #[inline]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        <T::InVec as VecLayout<T, E>>::push(value, builder)
    }

    #[inline]
    fn push_null(builder: &mut Self::Builder) {
        <T::InVec as VecLayout<T, E>>::push_null(builder);
    }

    fn finish(builder: Self::Builder) -> Result<ArrayRef, ValueError> {
        <T::InVec as VecLayout<T, E>>::finish(builder)
    }

    fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError> {
        <T::InVec as VecLayout<T, E>>::reader(array)
    }

    #[inline]
    fn is_null(reader: &Self::Reader, row: usize) -> bool {
        <T::InVec as VecLayout<T, E>>::is_null(reader, row)
    }

    #[inline]
    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        <T::InVec as VecLayout<T, E>>::get(reader, row)
    }
}

/// How a `Vec` of most types is stored: as a list, its items in a column below.
#[derive(Debug)]
pub enum AsList {}

/// What lists and maps sum up before building: their items, and what the items sum up.
#[derive(Debug, Default)]
pub struct ListSize<S> {
    pub(super) items: usize,
    pub(super) inner: S,
}

/// Where each row of a list or map ends among the items.
#[derive(Debug)]
pub(super) struct Offsets {
    ends: Vec<i32>,
    nulls: Nulls,
}

impl Offsets {
    pub(super) fn new(rows: usize) -> Self {
        let mut ends = Vec::with_capacity(rows.saturating_add(1));
        ends.push(0);
        Self { ends, nulls: Nulls::default() }
    }

    /// Checks and appends a row of `items` items.
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

/// The items of a row of a list or map that is read.
#[derive(Debug)]
pub(super) struct Spans {
    offsets: OffsetBuffer<i32>,
    nulls: NullMask,
}

impl Spans {
    pub(super) fn new(offsets: &OffsetBuffer<i32>, array: &dyn arrow_array::Array) -> Self {
        Self { offsets: offsets.clone(), nulls: NullMask::of(array) }
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_null(row)
    }

    #[inline]
    pub(super) fn items(&self, row: usize) -> Result<std::ops::Range<usize>, ValueError> {
        if self.is_null(row) {
            return Err(ValueError::null());
        }
        match self.offsets.get(row..).and_then(|rest| rest.first_chunk::<2>()) {
            // Offsets are never negative: arrow-rs refuses such arrays.
            Some(&[start, end]) => Ok(start as usize..end as usize),
            None => Err(ValueError::no_row(row)),
        }
    }
}

/// Collects lists.
#[derive(Debug)]
pub struct ListBuilder<B> {
    offsets: Offsets,
    items: B,
}

/// Reads lists.
#[derive(Debug)]
pub struct ListReader<R> {
    spans: Spans,
    items: R,
}

impl<T: ColumnType<E>, E> VecLayout<T, E> for AsList {
    type Size = ListSize<T::Size>;
    type Builder = ListBuilder<T::Builder>;
    type Reader = ListReader<T::Reader>;
    type Order = Unordered;

    fn shape() -> Shape {
        Shape::List(Box::new(element::<T, E>()))
    }

    #[inline]
    fn measure(items: &[T], size: &mut Self::Size) {
        size.items = size.items.saturating_add(items.len());
        for item in items {
            T::measure(item, &mut size.inner);
        }
    }

    fn builder(rows: usize, size: &Self::Size) -> Self::Builder {
        ListBuilder { offsets: Offsets::new(rows), items: T::builder(size.items.min(MAX_OFFSET), &size.inner) }
    }

    #[inline]
    fn push(items: &[T], builder: &mut Self::Builder) -> Result<(), ValueError> {
        builder.offsets.push(items.len())?;
        for item in items {
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
        let list = ListArray::try_new(element::<T, E>().write_field(), offsets, items, nulls).map_err(refused)?;
        Ok(Arc::new(list))
    }

    fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError> {
        let Some(list) = array.as_any().downcast_ref::<ListArray>() else {
            return Err(mismatch(array, &"a list"));
        };
        let items = T::reader(list.values()).map_err(|error| error.in_column("element"))?;
        Ok(ListReader { spans: Spans::new(list.offsets(), list), items })
    }

    #[inline]
    fn is_null(reader: &Self::Reader, row: usize) -> bool {
        reader.spans.is_null(row)
    }

    #[inline]
    fn get(reader: &Self::Reader, row: usize) -> Result<Vec<T>, ValueError> {
        let span = reader.spans.items(row)?;
        let mut items = Vec::with_capacity(span.len());
        for item in span {
            items.push(T::get(&reader.items, item).map_err(|error| error.in_column("element"))?);
        }
        Ok(items)
    }
}

fn element<T: ColumnType<E>, E>() -> ColumnNode {
    ColumnNode::of::<T, E>("element")
}
