//! The types that a filter compares, and the values that it compares them with.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::predicate::Literal;
use crate::record::column::array_of;
use crate::record::{ColumnType, Nullable, Partial, Plain, Total, TotalText, ValueError};

/// A type of a field whose column can be compared with values.
pub trait Comparable<E = Plain>: ColumnType<E> {
    /// The type of the values: that of the field, or what is in its `Option`.
    type Value;
    /// The encoding of the values.
    type Encoding;
}

impl<E, T: ColumnType<E>> Comparable<E> for T
where
    T::Order: ComparedAs<T, E>,
{
    type Value = <T::Order as ComparedAs<T, E>>::Value;
    type Encoding = <T::Order as ComparedAs<T, E>>::Encoding;
}

/// The order of columns that can be compared with values. Exists for its compiler message.
#[diagnostic::on_unimplemented(
    message = "the values of this column can't be compared",
    label = "a list, a map or a struct",
    note = "a filter can only test such a column with `is_null` and `is_not_null`"
)]
pub trait ComparedAs<T, E> {
    /// See [`Comparable::Value`].
    type Value;
    /// See [`Comparable::Encoding`].
    type Encoding;
}

impl<T, E> ComparedAs<T, E> for Total {
    type Value = T;
    type Encoding = E;
}

impl<T, E> ComparedAs<T, E> for TotalText {
    type Value = T;
    type Encoding = E;
}

impl<T, E> ComparedAs<T, E> for Partial {
    type Value = T;
    type Encoding = E;
}

impl<T, E, V: ColumnType<F, Order: ComparedOrder>, F> ComparedAs<T, E> for Nullable<V, F> {
    type Value = V;
    type Encoding = F;
}

/// The order of values that are never null and can be compared.
#[diagnostic::on_unimplemented(
    message = "the values of this column can't be compared",
    label = "a list, a map or a struct",
    note = "a filter can only test such a column with `is_null` and `is_not_null`"
)]
pub trait ComparedOrder {
    /// Returns the value in the form that the core compares.
    ///
    /// # Errors
    /// The value does not fit its column.
    #[doc(hidden)]
    fn literal_of<V: ColumnType<E>, E>(value: &V) -> Result<Literal, ValueError> {
        V::key_part(value).map(Literal::Part)
    }

    /// Returns all stored values that are read as this value.
    ///
    /// # Errors
    /// The value does not fit its column.
    #[doc(hidden)]
    fn literals_of<V: ColumnType<E>, E>(value: &V) -> Result<Vec<Literal>, ValueError> {
        Ok(V::equal_parts(value)?.into_iter().map(Literal::Part).collect())
    }
}

impl ComparedOrder for Total {}
impl ComparedOrder for TotalText {}

impl ComparedOrder for Partial {
    fn literal_of<V: ColumnType<E>, E>(value: &V) -> Result<Literal, ValueError> {
        let array = array_of::<V, E>(value)?;
        Literal::of_row(&array, 0).ok_or_else(|| ValueError::new("can't be compared"))
    }

    fn literals_of<V: ColumnType<E>, E>(value: &V) -> Result<Vec<Literal>, ValueError> {
        Self::literal_of::<V, E>(value).map(|literal| vec![literal])
    }
}

/// A type of a field whose column is stored as text.
pub trait TextColumn<E = Plain>: ColumnType<E> {}

impl<E, T: ColumnType<E>> TextColumn<E> for T where T::Order: TextOrder {}

/// The order of columns that are stored as text. Exists for its compiler message.
#[diagnostic::on_unimplemented(
    message = "this column is not a text",
    label = "`starts_with` is only for texts",
    note = "an enum is compared with its variants"
)]
pub trait TextOrder {}

impl TextOrder for TotalText {}
impl<V: ColumnType<E, Order: TextOrder>, E> TextOrder for Nullable<V, E> {}

/// A value that a column of the values `V` can be compared with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be compared with this column",
    label = "the column takes a `{V}`",
    note = "a text column also takes a `&str`, a column of bytes a `&[u8]`; the column of an `Option` takes what is in it"
)]
pub trait Operand<V, E = Plain>: Sized {
    /// Returns the value in the form that the core compares.
    ///
    /// # Errors
    /// The value does not fit the column.
    #[doc(hidden)]
    fn literal(self) -> Result<Literal, ValueError>;

    /// Returns all stored values that are read as this value.
    ///
    /// # Errors
    /// The value does not fit the column.
    #[doc(hidden)]
    fn literals(self) -> Result<Vec<Literal>, ValueError>;
}

impl<V: ColumnType<E, Order: ComparedOrder>, E> Operand<V, E> for V {
    fn literal(self) -> Result<Literal, ValueError> {
        <V::Order as ComparedOrder>::literal_of::<V, E>(&self)
    }

    fn literals(self) -> Result<Vec<Literal>, ValueError> {
        <V::Order as ComparedOrder>::literals_of::<V, E>(&self)
    }
}

impl<V: ColumnType<E, Order: ComparedOrder>, E> Operand<V, E> for &V {
    fn literal(self) -> Result<Literal, ValueError> {
        <V::Order as ComparedOrder>::literal_of::<V, E>(self)
    }

    fn literals(self) -> Result<Vec<Literal>, ValueError> {
        <V::Order as ComparedOrder>::literals_of::<V, E>(self)
    }
}

/// Implements [`Operand`] for borrowed forms of a type.
macro_rules! borrowed {
    ($($(const $n:ident)? $borrowed:ty => $owned:ty: $convert:expr;)*) => {$(
        impl<E, $(const $n: usize)?> Operand<$owned, E> for $borrowed
        where
            $owned: ColumnType<E, Order: ComparedOrder>,
        {
            fn literal(self) -> Result<Literal, ValueError> {
                Operand::<$owned, E>::literal($convert(self))
            }

            fn literals(self) -> Result<Vec<Literal>, ValueError> {
                Operand::<$owned, E>::literals($convert(self))
            }
        }
    )*};
}

borrowed! {
    &str => String: String::from;
    &str => Box<str>: Box::<str>::from;
    &str => Arc<str>: Arc::<str>::from;
    &str => Cow<'static, str>: |text: &str| Cow::<'static, str>::Owned(text.to_owned());
    &[u8] => Vec<u8>: <[u8]>::to_vec;
    &[u8] => Bytes: Bytes::copy_from_slice;
    const N &[u8; N] => Vec<u8>: <[u8]>::to_vec;
    const N &[u8; N] => Bytes: |bytes: &[u8; N]| Bytes::copy_from_slice(bytes);
}
