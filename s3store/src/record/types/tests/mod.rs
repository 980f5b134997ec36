//! Every type through its arrays and back.

#[cfg(feature = "decimal")]
mod decimals;
mod lists;
mod own;
mod scalars;
mod times;

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, NullArray, new_null_array};
use arrow_cast::cast;
use arrow_schema::DataType;

use crate::record::{ColumnNode, ColumnType, Reachable, RowColumn, ValueError};

/// The array of some values.
pub(crate) fn written<T: ColumnType<E>, E>(values: &[T]) -> Result<ArrayRef, ValueError> {
    let mut size = T::Size::default();
    for value in values {
        T::measure(value, &mut size);
    }
    let mut builder = T::builder(values.len(), &size);
    for value in values {
        T::push(value, &mut builder)?;
    }
    let array = T::finish(builder)?;
    assert_eq!(*array.data_type(), ColumnNode::of::<T, E>("column").write_type());
    assert_eq!(array.len(), values.len());
    Ok(array)
}

/// The same array as it comes out of a file.
pub(crate) fn as_read<T: ColumnType<E>, E>(array: &ArrayRef) -> ArrayRef {
    cast(array, &ColumnNode::of::<T, E>("column").read_type()).unwrap()
}

/// Returns the values of an array that was read from a file.
pub(crate) fn read<T: ColumnType<E>, E>(array: &ArrayRef) -> Result<Vec<T>, ValueError> {
    let reader = T::reader(array)?;
    (0..array.len()).map(|row| T::get(&reader, row)).collect()
}

/// Values into arrays and back.
pub(crate) fn round_trip<T: ColumnType<E>, E>(values: &[T]) -> Vec<T> {
    read::<T, E>(&as_read::<T, E>(&written::<T, E>(values).unwrap())).unwrap()
}

/// Asserts that values round-trip, as [`assert_values_round_trip`] does, and that rows that borrow have the same values.
pub(crate) fn assert_round_trip<T, E>(values: &[T])
where
    T: ColumnType<E, InRows: 'static> + PartialEq + Debug,
    for<'a> <T::InRows as RowColumn>::Value<'a>: Debug,
{
    assert_values_round_trip::<T, E>(values);
    let array = as_read::<T, E>(&written::<T, E>(values).unwrap());
    for first in 0..values.len().min(3) {
        let array = array.slice(first, values.len() - first);
        let values = read::<T, E>(&array).unwrap();
        let texts: Vec<_> = values.iter().map(|value| format!("{value:?}")).collect();
        assert_eq!(rows::<T, E>(&array).unwrap(), texts);
    }
    let column = T::hold(&array, &Reachable::all()).unwrap();
    assert!(column.get(values.len()).is_none() && column.get(usize::MAX).is_none());
}

/// Returns the texts of the rows of an array that was read from a file.
pub(crate) fn rows<T, E>(array: &ArrayRef) -> Result<Vec<String>, ValueError>
where
    T: ColumnType<E, InRows: 'static>,
    for<'a> <T::InRows as RowColumn>::Value<'a>: Debug,
{
    let column = T::hold(array, &Reachable::all())?;
    Ok((0..array.len()).map(|row| format!("{:?}", column.get(row).unwrap())).collect())
}

/// Asserts that values round-trip, also in a slice of an array, with and without measured sizes.
pub(crate) fn assert_values_round_trip<T: ColumnType<E> + PartialEq + Debug, E>(values: &[T]) {
    assert_eq!(round_trip::<T, E>(values), values);
    if values.len() > 1 {
        let array = as_read::<T, E>(&written::<T, E>(values).unwrap());
        assert_eq!(read::<T, E>(&array.slice(1, values.len() - 1)).unwrap(), &values[1..]);
    }
    let mut unmeasured = T::builder(0, &T::Size::default());
    for value in values {
        T::push(value, &mut unmeasured).unwrap();
    }
    assert_eq!(T::finish(unmeasured).unwrap().to_data(), written::<T, E>(values).unwrap().to_data());
}

/// Asserts that the reader refuses an array of another type, and a null.
pub(crate) fn assert_refusals<T: ColumnType<E> + Debug, E>() {
    let nothing: ArrayRef = Arc::new(NullArray::new(1));
    let error = T::reader(&nothing).map(drop).unwrap_err().to_string();
    assert!(error.contains("holds Null"), "{error}");
    let other: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    if ColumnNode::of::<T, E>("column").read_type() != DataType::Int64 {
        assert!(T::reader(&other).map(drop).unwrap_err().to_string().contains("holds Int64"));
    }
    assert!(T::hold(&nothing, &Reachable::all()).map(drop).is_err());
    let null = new_null_array(&ColumnNode::of::<T, E>("column").read_type(), 1);
    let reader = T::reader(&null).unwrap();
    assert!(T::is_null(&reader, 0));
    let error = T::get(&reader, 0).unwrap_err().to_string();
    assert_eq!(error, "null, and the field is neither an Option nor has a default");
    assert_eq!(T::hold(&null, &Reachable::all()).map(drop).unwrap_err().to_string(), error);
    assert!(!T::is_null(&reader, 1));
    assert!(T::get(&reader, 1).is_err());
    assert!(T::get(&reader, usize::MAX).is_err());
}

fn error_of<T: ColumnType<E>, E>(value: T) -> String {
    written::<T, E>(&[value]).unwrap_err().to_string()
}
