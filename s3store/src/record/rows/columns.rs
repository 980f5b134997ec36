//! The columns of single values, nulls and structs.

use std::fmt;
use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::ArrowNativeType;

use super::{List, Reachable, RowColumn, RowStruct};
use crate::record::derived::StructReader;
use crate::record::types::{FixedWidthReader, NullMask};
use crate::record::{ColumnType, ValueError};

/// A column of integers or floats.
#[derive(Debug)]
pub struct NumberRows<N: ArrowNativeType>(FixedWidthReader<N>);

impl<N: ArrowNativeType + ColumnType<Reader = FixedWidthReader<N>>> NumberRows<N> {
    pub(crate) fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self, ValueError> {
        rows.check_no_nulls(array)?;
        N::reader(array).map(Self)
    }
}

impl<N: ArrowNativeType> RowColumn for NumberRows<N> {
    type Value<'a> = N;
    type Items<'a> = &'a [N];

    #[inline]
    fn get(&self, row: usize) -> Option<N> {
        self.0.get(row)
    }

    fn items(&self, rows: Range<usize>) -> Option<&[N]> {
        self.0.slice(rows)
    }
}

/// A reader whose values borrow from its array.
pub trait BorrowingReader: Sized {
    /// A value.
    type Value<'a>: Copy
    where
        Self: 'a;

    /// Creates a reader of an array.
    ///
    /// # Errors
    /// The array has another type.
    fn open(array: &ArrayRef) -> Result<Self, ValueError>;

    /// Returns the value of a row, or `None` if it is null or there is no such row.
    fn get(&self, row: usize) -> Option<Self::Value<'_>>;
}

/// A column of values that borrow from its array: strings or bytes.
#[derive(Debug)]
pub struct ReaderRows<R>(R);

impl<R: BorrowingReader> ReaderRows<R> {
    pub(crate) fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self, ValueError> {
        rows.check_no_nulls(array)?;
        R::open(array).map(Self)
    }
}

impl<R: BorrowingReader> RowColumn for ReaderRows<R> {
    type Value<'a>
        = R::Value<'a>
    where
        Self: 'a;
    type Items<'a>
        = List<'a, Self>
    where
        Self: 'a;

    #[inline]
    fn get(&self, row: usize) -> Option<R::Value<'_>> {
        self.0.get(row)
    }

    fn items(&self, rows: Range<usize>) -> Option<List<'_, Self>> {
        Some(List::new(self, rows))
    }
}

/// A column of small values that the file stores in another form, such as dates. All are converted when the batch is made.
#[derive(Debug)]
pub struct ValueRows<T> {
    /// One value for each row. Rows without a value have an arbitrary one.
    values: Vec<T>,
    nulls: NullMask,
}

impl<T: Copy + Default> ValueRows<T> {
    pub(crate) fn hold<E>(array: &ArrayRef, rows: &Reachable) -> Result<Self, ValueError>
    where
        T: ColumnType<E>,
    {
        let reader = T::reader(array)?;
        let value = |row| if rows.contains(row) { T::get(&reader, row) } else { Ok(T::default()) };
        let values = (0..array.len()).map(value).collect::<Result<_, _>>()?;
        Ok(Self { values, nulls: NullMask::of(array) })
    }
}

impl<T: Copy> RowColumn for ValueRows<T> {
    type Value<'a>
        = T
    where
        Self: 'a;
    type Items<'a>
        = &'a [T]
    where
        Self: 'a;

    #[inline]
    fn get(&self, row: usize) -> Option<T> {
        if self.nulls.is_null(row) { None } else { self.values.get(row).copied() }
    }

    fn items(&self, rows: Range<usize>) -> Option<&[T]> {
        self.values.get(rows)
    }
}

/// A column of values that have no borrowed form. All are decoded when the batch is made.
pub struct OwnedRows<T> {
    /// `None` for rows without a value.
    values: Vec<Option<T>>,
}

impl<T> OwnedRows<T> {
    /// Decodes the values of an array.
    ///
    /// # Errors
    /// A value is null or not valid, or the array has another type.
    pub fn hold<E>(array: &ArrayRef, rows: &Reachable) -> Result<Self, ValueError>
    where
        T: ColumnType<E>,
    {
        let reader = T::reader(array)?;
        let value = |row| if rows.contains(row) { T::get(&reader, row).map(Some) } else { Ok(None) };
        Ok(Self { values: (0..array.len()).map(value).collect::<Result<_, _>>()? })
    }
}

impl<T> RowColumn for OwnedRows<T> {
    type Value<'a>
        = &'a T
    where
        Self: 'a;
    type Items<'a>
        = List<'a, Self>
    where
        Self: 'a;

    #[inline]
    fn get(&self, row: usize) -> Option<&T> {
        self.values.get(row)?.as_ref()
    }

    fn items(&self, rows: Range<usize>) -> Option<List<'_, Self>> {
        Some(List::new(self, rows))
    }
}

impl<T> fmt::Debug for OwnedRows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedRows").field("rows", &self.values.len()).finish_non_exhaustive()
    }
}

/// A column that may contain nulls.
#[derive(Debug)]
pub struct NullableRows<C> {
    column: C,
    rows: usize,
}

impl<C> NullableRows<C> {
    /// Takes a column of `Option<T>`.
    pub(crate) fn hold<T, E>(array: &ArrayRef, rows: &Reachable) -> Result<Self, ValueError>
    where
        T: ColumnType<E, InRows = C>,
    {
        Ok(Self { column: T::hold(array, &rows.without_nulls(array))?, rows: array.len() })
    }
}

impl<C: RowColumn> RowColumn for NullableRows<C> {
    type Value<'a>
        = Option<C::Value<'a>>
    where
        Self: 'a;
    type Items<'a>
        = List<'a, Self>
    where
        Self: 'a;

    #[inline]
    fn get(&self, row: usize) -> Option<Option<C::Value<'_>>> {
        (row < self.rows).then(|| self.column.get(row))
    }

    fn items(&self, rows: Range<usize>) -> Option<List<'_, Self>> {
        Some(List::new(self, rows))
    }
}

/// A column of nested structs.
pub struct StructRows<S: RowStruct> {
    columns: S::Held,
    nulls: NullMask,
}

impl<S: RowStruct> StructRows<S> {
    /// Takes a column of structs and checks the values of their fields.
    ///
    /// # Errors
    /// A value is null or not valid, or the array has another type.
    pub fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self, ValueError> {
        rows.check_no_nulls(array)?;
        let (children, nulls) = StructReader::new(array)?.into_parts();
        Ok(Self { columns: S::hold(&children, rows)?, nulls })
    }
}

impl<S: RowStruct> RowColumn for StructRows<S> {
    type Value<'a>
        = S::Row<'a>
    where
        Self: 'a;
    type Items<'a>
        = List<'a, Self>
    where
        Self: 'a;

    #[inline]
    fn get(&self, row: usize) -> Option<S::Row<'_>> {
        if self.nulls.is_null(row) { None } else { S::row(&self.columns, row) }
    }

    fn items(&self, rows: Range<usize>) -> Option<List<'_, Self>> {
        Some(List::new(self, rows))
    }
}

impl<S: RowStruct> fmt::Debug for StructRows<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StructRows").finish_non_exhaustive()
    }
}
