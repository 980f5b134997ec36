//! Selections of columns whose stored values differ from those of records.
//!
//! Keys are made from stored values, so the values of a selection are converted as a write converts those of a record. A
//! time with nanoseconds then selects the partition of the milliseconds that a column stores.

use std::marker::PhantomData;

use super::{ByValue, ColumnType, PartitionValue, ValueError};
use crate::error::{Error, Result as CrateResult};
use crate::pattern::{Ordered, PartitionFormat, Rendered, Text, TextConversion};

/// A column, as far as selections of its values, of type `V`, need it.
pub trait StoredColumn<V> {
    /// Returns the value as a read returns it, if that may differ.
    ///
    /// # Errors
    /// The value does not fit the column.
    fn stored(value: &V) -> Result<Option<V>, ValueError>;
}

/// The column of a field with the encoding `E`.
#[derive(Debug)]
pub struct FieldColumn<E>(PhantomData<fn() -> E>);

impl<T: ColumnType<E>, E> StoredColumn<T> for FieldColumn<E> {
    fn stored(value: &T) -> Result<Option<T>, ValueError> {
        T::stored(value)
    }
}

/// The format `F` for values that the column `C` stores.
#[derive(Debug)]
pub struct AsStored<C, F>(PhantomData<fn() -> (C, F)>);

impl<C: StoredColumn<F::Value>, F: PartitionFormat> PartitionFormat for AsStored<C, F> {
    type Value = F::Value;

    fn render(value: &F::Value) -> CrateResult<String> {
        let stored = C::stored(value).map_err(|error| Error::invalid_input(error.to_string()))?;
        F::render(stored.as_ref().unwrap_or(value))
    }
}

// Conversions that the crate makes keep the order of values. One that a user writes should, if its column is selected by
// ranges.
impl<C: StoredColumn<F::Value>, F: Ordered> Ordered for AsStored<C, F> {}

impl<C: StoredColumn<V>, V: PartitionValue> TextConversion for AsStored<C, ByValue<V>> {
    fn convert(text: &str) -> CrateResult<String> {
        match V::from_text(text) {
            Some(value) => Self::render(&value),
            None => Ok(text.to_owned()),
        }
    }
}

/// A kind of selections, and the corresponding kind for values of type `V` in the column `C`.
pub trait SelectionKind<C, V> {
    /// The kind that converts values as the column stores them.
    type Kind;
}

impl<C, V> SelectionKind<C, V> for Text {
    type Kind = Text<AsStored<C, ByValue<V>>>;
}

impl<C: StoredColumn<V>, F: PartitionFormat<Value = V>, V> SelectionKind<C, V> for Rendered<F, V> {
    type Kind = Rendered<AsStored<C, F>, V>;
}
