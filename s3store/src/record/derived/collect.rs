//! Rows to columns.
//!
//! Each column has a small loop of its own over a few hundred rows at a time: the rows stay in the processor's cache
//! from one column to the next, and a record of 200 fields compiles in seconds, which one loop over all fields does
//! not.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::{ArrayRef, NullArray};

use super::in_row;
use crate::record::{ColumnType, Key, RowError};

/// How many rows are gone through before the next column's turn.
const ROWS: usize = 512;

/// Collects one column of records `R`. There is one call a column and some hundred rows, none a value.
pub trait Collect<R> {
    /// Adds up what the builder has to hold.
    fn measure(&mut self, rows: &[&R]);

    /// Gets ready for `rows` rows.
    fn start(&mut self, rows: usize);

    /// Appends rows, of which the first one is the `first` of all.
    ///
    /// # Errors
    /// A value that does not fit its column.
    fn append(&mut self, rows: &[&R], first: usize) -> Result<(), RowError>;

    /// The column's array.
    ///
    /// # Errors
    /// The values are no array.
    fn finish(self: Box<Self>) -> Result<ArrayRef, RowError>;
}

/// Makes what collects a column.
type MakeCollector<R> = fn() -> Box<dyn Collect<R>>;

/// What collects the columns that `make` makes them for: all, or those of a key.
pub fn collectors<R>(make: &[MakeCollector<R>], only: Option<&Key>) -> Vec<Box<dyn Collect<R>>> {
    let wanted = |place| only.is_none_or(|key| key.columns().any(|column| column == place));
    make.iter().enumerate().map(|(place, make)| if wanted(place) { make() } else { placeholder() }).collect()
}

/// The columns of `rows`.
///
/// # Errors
/// The first value that does not fit its column, by rows in steps of some hundred, then by columns.
pub fn encode_columns<'a, R: 'a>(
    rows: impl ExactSizeIterator<Item = &'a R> + Clone,
    mut columns: Vec<Box<dyn Collect<R>>>,
) -> Result<Vec<ArrayRef>, RowError> {
    let count = rows.len();
    let mut step = Vec::with_capacity(count.min(ROWS));
    each_step(rows.clone(), &mut step, |rows, _| {
        columns.iter_mut().for_each(|column| column.measure(rows));
        Ok(())
    })?;
    columns.iter_mut().for_each(|column| column.start(count));
    each_step(rows, &mut step, |rows, first| columns.iter_mut().try_for_each(|column| column.append(rows, first)))?;
    columns.into_iter().map(Collect::finish).collect()
}

/// Hands over `rows` in steps, with the number of each step's first row.
fn each_step<'a, R>(
    mut rows: impl ExactSizeIterator<Item = &'a R>,
    step: &mut Vec<&'a R>,
    mut take: impl FnMut(&[&'a R], usize) -> Result<(), RowError>,
) -> Result<(), RowError> {
    let mut first = 0;
    loop {
        step.clear();
        step.extend(rows.by_ref().take(ROWS));
        if step.is_empty() {
            return Ok(());
        }
        take(step, first)?;
        first += step.len();
    }
}

/// The column of a field.
struct FieldCollector<T: ColumnType<E>, E, F> {
    field: F,
    column: TypedCollector<T, E>,
}

/// What does not depend on the field, so that it is compiled once a type.
struct TypedCollector<T: ColumnType<E>, E> {
    name: &'static str,
    size: T::Size,
    /// Made by `start`.
    builder: Option<T::Builder>,
    encoding: PhantomData<fn() -> E>,
}

/// Collects the column `name` of what `field` gives.
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

/// A column that is filled in afterwards, or not wanted.
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
