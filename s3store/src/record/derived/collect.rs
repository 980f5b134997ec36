//! Conversion of rows to columns.
//!
//! Each column has its own small loop over a chunk of [`ROWS`] rows. The chunk stays in the processor's cache from one
//! column to the next. A record of 200 fields compiles in seconds this way; one loop over all fields takes much longer.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::{ArrayRef, NullArray};

use super::in_row;
use crate::record::{ColumnType, Key, RowError};

/// The number of rows in a chunk.
const ROWS: usize = 512;

/// A collector of one column of the records `R`. Its methods are called once per column and chunk, not once per value.
pub trait Collect<R> {
    /// Adds the sizes of the rows' values, so that the builder can allocate once.
    fn measure(&mut self, rows: &[&R]);

    /// Creates the builder, for `rows` rows of the measured size.
    fn start(&mut self, rows: usize);

    /// Appends rows. `first` is the number of the first one, for error messages.
    ///
    /// # Errors
    /// A value does not fit its column.
    fn append(&mut self, rows: &[&R], first: usize) -> Result<(), RowError>;

    /// Returns the column's array.
    ///
    /// # Errors
    /// The values don't form a valid array.
    fn finish(self: Box<Self>) -> Result<ArrayRef, RowError>;
}

/// Creates the collector of a column.
type NewCollector<R> = fn() -> Box<dyn Collect<R>>;

/// Returns one collector per column. With `only`, columns outside that key get a placeholder.
pub fn collectors<R>(new: &[NewCollector<R>], only: Option<&Key>) -> Vec<Box<dyn Collect<R>>> {
    let wanted = |index| only.is_none_or(|key| key.columns().any(|column| column == index));
    new.iter().enumerate().map(|(index, new)| if wanted(index) { new() } else { placeholder() }).collect()
}

/// Encodes `rows` as columns.
///
/// # Errors
/// A value does not fit its column. Of several, the error names the first one in the order of chunks, then columns.
pub fn encode_columns<'a, R: 'a>(
    rows: impl ExactSizeIterator<Item = &'a R> + Clone,
    mut columns: Vec<Box<dyn Collect<R>>>,
) -> Result<Vec<ArrayRef>, RowError> {
    let count = rows.len();
    let mut chunk = Vec::with_capacity(count.min(ROWS));
    each_chunk(rows.clone(), &mut chunk, |rows, _| {
        columns.iter_mut().for_each(|column| column.measure(rows));
        Ok(())
    })?;
    columns.iter_mut().for_each(|column| column.start(count));
    each_chunk(rows, &mut chunk, |rows, first| columns.iter_mut().try_for_each(|column| column.append(rows, first)))?;
    columns.into_iter().map(Collect::finish).collect()
}

/// Calls `consume` for each chunk of `rows`, with the number of the chunk's first row. `chunk` is the buffer.
fn each_chunk<'a, R>(
    mut rows: impl ExactSizeIterator<Item = &'a R>,
    chunk: &mut Vec<&'a R>,
    mut consume: impl FnMut(&[&'a R], usize) -> Result<(), RowError>,
) -> Result<(), RowError> {
    let mut first = 0;
    loop {
        chunk.clear();
        chunk.extend(rows.by_ref().take(ROWS));
        if chunk.is_empty() {
            return Ok(());
        }
        consume(chunk, first)?;
        first += chunk.len();
    }
}

/// The collector of a field's column.
struct FieldCollector<T: ColumnType<E>, E, F> {
    field: F,
    column: TypedCollector<T, E>,
}

/// The part of a collector that depends only on the type, so that it is compiled once per type and not per field.
struct TypedCollector<T: ColumnType<E>, E> {
    name: &'static str,
    size: T::Size,
    /// `None` before [`start`](Self::start).
    builder: Option<T::Builder>,
    encoding: PhantomData<fn() -> E>,
}

/// Returns a collector of the column `name`, whose values `field` returns.
pub(crate) fn collector<R, T, E, F>(name: &'static str, field: F) -> Box<dyn Collect<R>>
where
    T: ColumnType<E> + 'static,
    E: 'static,
    F: Fn(&R) -> &T + 'static,
{
    let column = TypedCollector { name, size: T::Size::default(), builder: None, encoding: PhantomData };
    Box::new(FieldCollector::<T, E, F> { field, column })
}

impl<R, T: ColumnType<E>, E, F: Fn(&R) -> &T> Collect<R> for FieldCollector<T, E, F> {
    fn measure(&mut self, rows: &[&R]) {
        for row in rows {
            T::measure((self.field)(row), &mut self.column.size);
        }
    }

    fn start(&mut self, rows: usize) {
        self.column.start(rows);
    }

    fn append(&mut self, rows: &[&R], first: usize) -> Result<(), RowError> {
        let Some(builder) = &mut self.column.builder else { return Ok(()) };
        for (index, row) in rows.iter().enumerate() {
            in_row(T::push((self.field)(row), builder), self.column.name, first + index)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<ArrayRef, RowError> {
        self.column.finish()
    }
}

impl<T: ColumnType<E>, E> TypedCollector<T, E> {
    #[inline(never)]
    fn start(&mut self, rows: usize) {
        self.builder = Some(T::builder(rows, &self.size));
    }

    #[inline(never)]
    fn finish(self) -> Result<ArrayRef, RowError> {
        let builder = self.builder.unwrap_or_else(|| T::builder(0, &self.size));
        in_row(T::finish(builder), self.name, 0)
    }
}

/// Returns a collector that ignores all rows, for a column that is filled in later or not needed.
#[must_use]
pub fn placeholder<R>() -> Box<dyn Collect<R>> {
    Box::new(Placeholder)
}

struct Placeholder;

impl<R> Collect<R> for Placeholder {
    fn measure(&mut self, _: &[&R]) {}

    fn start(&mut self, _: usize) {}

    fn append(&mut self, _: &[&R], _: usize) -> Result<(), RowError> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<ArrayRef, RowError> {
        Ok(Arc::new(NullArray::new(0)))
    }
}
