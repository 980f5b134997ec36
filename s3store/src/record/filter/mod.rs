//! Filters of reads: typed at the edge by the constants of a record's columns, and a plain [`Predicate`] below it.

mod evaluate;
mod operand;
mod partition;
mod predicate;
#[cfg(feature = "datafusion")]
mod selection;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Not, Range};

pub use self::operand::{Comparable, ComparedAs, ComparedOrder, Operand, TextColumn, TextOrder};
pub use self::predicate::Literal;
pub(crate) use self::predicate::{Comparison, Predicate, RowSet, Test, Truth};
#[cfg(feature = "datafusion")]
pub(crate) use self::selection::partition_patterns;
use super::{Column, Description, ValueError};
use crate::error::{Error, Result};

/// A condition on the columns of the record `R`, for [`Read::filter`](crate::read::Read::filter).
///
/// The methods of [`Column`](crate::column::Column) make one. [`and`](Self::and), [`or`](Self::or) and [`not`](Self::not)
/// combine them.
///
/// # Nulls
/// As in SQL, a comparison with a null is neither true nor false, but unknown, and a filter keeps a record only if the
/// condition is true. So neither `c.size.eq(5)` nor `c.size.ne(5)` keeps a record without a size, and neither does
/// `c.size.eq(5).not()`. Use `c.size.ne(5).or(c.size.is_null())`.
///
/// # Example
/// ```
/// use s3store::Record;
/// use s3store::read::Filter;
///
/// #[derive(Record)]
/// #[record(partition_by(day))]
/// struct Sale {
///     day: String,
///     sku: String,
///     size: Option<u32>,
/// }
///
/// fn is_large() -> Filter<Sale> {
///     Sale::COLUMNS.size.ge(100).or(Sale::COLUMNS.size.is_null())
/// }
///
/// # async fn example(store: s3store::Store<Sale>) -> s3store::Result<()> {
/// let sales = store.read_all().filter(|c| c.sku.starts_with("X-").and(is_large())).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a filter does nothing until a read uses it"]
pub struct Filter<R> {
    /// With the names of columns. An error is about the first value that does not fit its column.
    predicate: std::result::Result<Predicate<&'static str>, ValueError>,
    record: PhantomData<fn() -> R>,
}

impl<R> Filter<R> {
    fn of(predicate: std::result::Result<Predicate<&'static str>, ValueError>) -> Self {
        Self { predicate, record: PhantomData }
    }

    fn combined(
        self,
        other: Self,
        combine: impl Fn(Predicate<&'static str>, Predicate<&'static str>) -> Predicate<&'static str>,
    ) -> Self {
        Self::of(match (self.predicate, other.predicate) {
            (Ok(first), Ok(second)) => Ok(combine(first, second)),
            (Err(error), _) | (_, Err(error)) => Err(error),
        })
    }

    /// Returns the condition that both conditions are true.
    pub fn and(self, other: Self) -> Self {
        self.combined(other, Predicate::and)
    }

    /// Returns the condition that at least one of both conditions is true.
    pub fn or(self, other: Self) -> Self {
        self.combined(other, Predicate::or)
    }

    /// Returns the opposite condition. The opposite of unknown is unknown: see [nulls](Self#nulls).
    #[expect(clippy::should_implement_trait, reason = "it does, and callers need not import the trait")]
    pub fn not(self) -> Self {
        Self::of(self.predicate.map(Predicate::not))
    }

    /// Returns the condition on the columns of `root`, which is the description of `R`.
    ///
    /// # Errors
    /// `InvalidInput` if a value does not fit its column.
    pub(crate) fn resolve(self, root: &Description) -> Result<Predicate> {
        let predicate = self.predicate.map_err(|error| Error::invalid_input(format!("filter: {error}")))?;
        predicate.map_columns(&mut |name| {
            let index = root.columns.iter().position(|column| column.name == name);
            index.ok_or_else(|| Error::internal(format!("the record {} lacks its column {name}", root.record)))
        })
    }
}

impl<R> Not for Filter<R> {
    type Output = Self;

    fn not(self) -> Self {
        self.not()
    }
}

impl<R> Clone for Filter<R> {
    fn clone(&self) -> Self {
        let copied = |error: &ValueError| ValueError::new(error);
        Self::of(self.predicate.as_ref().map(Clone::clone).map_err(copied))
    }
}

impl<R> fmt::Debug for Filter<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.predicate {
            Ok(predicate) => write!(f, "Filter({predicate})"),
            Err(error) => write!(f, "Filter({error})"),
        }
    }
}

/// Conditions for [`Read::filter`](crate::read::Read::filter).
///
/// A column is compared with values of its field's type, by value or by reference. A text column also takes a `&str`, and
/// a column of bytes a `&[u8]`. The column of an `Option` takes what is in it; a null matches none of these conditions.
///
/// The stored values are compared:
///
/// - Texts, bytes and UUIDs are ordered by their bytes.
/// - An enum that is stored as text is ordered by its texts, not by its variants. The texts in `alias` are equal to that of
///   their variant.
/// - Times are compared as instants, with all digits that a file has. A value is not truncated to the unit of the column, so
///   a time with more digits than the column stores equals none.
/// - Floats are compared as Rust compares them: NaN is neither less than, equal to nor greater than another value, so only
///   [`ne`](Self::ne) keeps it; `-0.0` equals `0.0`.
/// - A type that is converted (`AsColumn`, `with`) compares as the type that it is stored as.
///
/// Lists, maps and structs can only be tested for nulls.
///
/// # Errors
/// A value that does not fit the column, for example a decimal with too many places, makes the read fail with
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) before it sends a request.
impl<R, T, E> Column<R, T, E> {
    /// Returns the condition that the value equals another one.
    pub fn eq<V>(self, value: V) -> Filter<R>
    where
        T: Comparable<E>,
        V: Operand<T::Value, T::Encoding>,
    {
        self.test(value.literals().map(Test::is_in))
    }

    /// Returns the condition that the value differs from another one. A null does not: see [nulls](Filter#nulls).
    pub fn ne<V>(self, value: V) -> Filter<R>
    where
        T: Comparable<E>,
        V: Operand<T::Value, T::Encoding>,
    {
        self.eq(value).not()
    }

    /// Returns the condition that the value is less than another one.
    pub fn lt<V>(self, value: V) -> Filter<R>
    where
        T: Comparable<E>,
        V: Operand<T::Value, T::Encoding>,
    {
        self.compared(Comparison::Less, value)
    }

    /// Returns the condition that the value is less than or equal to another one.
    pub fn le<V>(self, value: V) -> Filter<R>
    where
        T: Comparable<E>,
        V: Operand<T::Value, T::Encoding>,
    {
        self.compared(Comparison::LessOrEqual, value)
    }

    /// Returns the condition that the value is greater than another one.
    pub fn gt<V>(self, value: V) -> Filter<R>
    where
        T: Comparable<E>,
        V: Operand<T::Value, T::Encoding>,
    {
        self.compared(Comparison::Greater, value)
    }

    /// Returns the condition that the value is greater than or equal to another one.
    pub fn ge<V>(self, value: V) -> Filter<R>
    where
        T: Comparable<E>,
        V: Operand<T::Value, T::Encoding>,
    {
        self.compared(Comparison::GreaterOrEqual, value)
    }

    /// Returns the condition that the value lies in a half-open range: `start <= value` and `value < end`.
    ///
    /// A range whose end is not greater than its start contains no value.
    pub fn in_range<V>(self, range: Range<V>) -> Filter<R>
    where
        T: Comparable<E>,
        V: Operand<T::Value, T::Encoding>,
    {
        self.ge(range.start).and(self.lt(range.end))
    }

    /// Returns the condition that the value equals one of others. Without others it is never true.
    pub fn is_in<V>(self, values: impl IntoIterator<Item = V>) -> Filter<R>
    where
        T: Comparable<E>,
        V: Operand<T::Value, T::Encoding>,
    {
        let literals = values.into_iter().map(Operand::literals).collect::<std::result::Result<Vec<_>, _>>();
        self.test(literals.map(|literals| Test::is_in(literals.into_iter().flatten().collect())))
    }

    /// Returns the condition that the text starts with another one.
    pub fn starts_with(self, start: impl Into<String>) -> Filter<R>
    where
        T: TextColumn<E>,
    {
        self.test(Ok(Test::StartsWith(start.into().into())))
    }

    /// Returns the condition that the value is null. It is true or false for each record.
    pub fn is_null(self) -> Filter<R> {
        self.test(Ok(Test::IsNull))
    }

    /// Returns the condition that the value is not null. It is true or false for each record.
    pub fn is_not_null(self) -> Filter<R> {
        self.is_null().not()
    }

    fn compared<V>(self, comparison: Comparison, value: V) -> Filter<R>
    where
        T: Comparable<E>,
        V: Operand<T::Value, T::Encoding>,
    {
        self.test(value.literal().map(|literal| Test::Compare(comparison, literal)))
    }

    fn test(self, test: std::result::Result<Test, ValueError>) -> Filter<R> {
        let name = self.name();
        Filter::of(test.map(|test| Predicate::Test(name, test)).map_err(|error| error.in_column(name)))
    }
}
