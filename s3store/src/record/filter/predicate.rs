//! A filter as a plain tree, for the layers that don't know the record's Rust type.

use std::cmp::Ordering;
use std::fmt;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_schema::DataType;

use crate::record::KeyPart;

/// A condition on the columns of a row. `C` names a column: by its index, or by its name.
///
/// A row's result is true, false or unknown, as in SQL. A comparison with a null is unknown. `And` is false if a part is,
/// `Or` is true if a part is, and `Not` of unknown is unknown. A row matches if the result is true.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Predicate<C = usize> {
    /// A test of one column.
    Test(C, Test),
    /// All of some conditions: the first, then the others.
    And(Box<Self>, Vec<Self>),
    /// One of some conditions at least: the first, then the others.
    Or(Box<Self>, Vec<Self>),
    /// The opposite of a condition.
    Not(Box<Self>),
}

/// A test of a column's value.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Test {
    /// A comparison with a value.
    Compare(Comparison, Literal),
    /// If the value is one of these, which ascend.
    In(Vec<Literal>),
    /// If a text starts with this one.
    StartsWith(Box<str>),
    /// If the value is null. It is never unknown.
    IsNull,
}

/// A comparison of a column's value, on the left, with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value that a column is compared with.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub enum Literal {
    /// A value with a total order.
    Part(KeyPart),
    /// A float. It compares as Rust's operators do.
    Float(#[cfg_attr(feature = "ballista", serde(with = "crate::record::wire::float_bits"))] f64),
}

/// The rows for which a predicate is true, and those for which it is false. It is unknown for all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truth<S> {
    pub(crate) is_true: S,
    pub(crate) is_false: S,
}

/// A function that returns the rows for which a test of a column is true, and those for which it is false.
type TestFn<'f, C, S, X> = &'f mut dyn FnMut(&C, &Test) -> Result<Truth<S>, X>;

/// A set of rows. A `bool` is a set of one row, or of rows that differ in nothing that matters.
pub(crate) trait RowSet {
    /// Returns the rows that both sets have.
    fn and(&self, other: &Self) -> Self;
    /// Returns the rows that one of the sets has.
    fn or(&self, other: &Self) -> Self;
}

impl RowSet for bool {
    fn and(&self, other: &Self) -> Self {
        *self && *other
    }

    fn or(&self, other: &Self) -> Self {
        *self || *other
    }
}

impl<S: RowSet> Truth<S> {
    fn and(self, other: &Self) -> Self {
        Self { is_true: self.is_true.and(&other.is_true), is_false: self.is_false.or(&other.is_false) }
    }

    fn or(self, other: &Self) -> Self {
        Self { is_true: self.is_true.or(&other.is_true), is_false: self.is_false.and(&other.is_false) }
    }

    fn not(self) -> Self {
        Self { is_true: self.is_false, is_false: self.is_true }
    }

    /// Adds the rows of another result.
    pub(crate) fn joined(self, other: &Self) -> Self {
        Self { is_true: self.is_true.or(&other.is_true), is_false: self.is_false.or(&other.is_false) }
    }
}

impl<C> Predicate<C> {
    /// Returns the condition that both are true.
    pub(crate) fn and(self, other: Self) -> Self {
        let (first, mut rest) = match self {
            Self::And(first, rest) => (first, rest),
            first => (Box::new(first), Vec::new()),
        };
        // Flat, however it was nested.
        match other {
            Self::And(next, more) => rest.extend(std::iter::once(*next).chain(more)),
            other => rest.push(other),
        }
        Self::And(first, rest)
    }

    /// Returns the condition that one of both is true at least.
    pub(crate) fn or(self, other: Self) -> Self {
        let (first, mut rest) = match self {
            Self::Or(first, rest) => (first, rest),
            first => (Box::new(first), Vec::new()),
        };
        match other {
            Self::Or(next, more) => rest.extend(std::iter::once(*next).chain(more)),
            other => rest.push(other),
        }
        Self::Or(first, rest)
    }

    /// Returns the opposite condition.
    pub(crate) fn not(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Returns the condition that all are true. Returns `None` without a condition.
    pub(crate) fn all(conditions: impl IntoIterator<Item = Self>) -> Option<Self> {
        conditions.into_iter().reduce(Self::and)
    }

    /// Returns the conditions that must all be true.
    pub(crate) fn conjuncts(self) -> Vec<Self> {
        match self {
            Self::And(first, rest) => std::iter::once(*first).chain(rest).flat_map(Self::conjuncts).collect(),
            other => vec![other],
        }
    }

    /// Returns the same condition on other columns.
    pub(crate) fn map_columns<D, X>(self, map: &mut dyn FnMut(C) -> Result<D, X>) -> Result<Predicate<D>, X> {
        let many = |parts: Vec<Self>, map: &mut dyn FnMut(C) -> Result<D, X>| {
            parts.into_iter().map(|part| part.map_columns(map)).collect::<Result<Vec<_>, X>>()
        };
        Ok(match self {
            Self::Test(column, test) => Predicate::Test(map(column)?, test),
            Self::And(first, rest) => Predicate::And(Box::new(first.map_columns(map)?), many(rest, map)?),
            Self::Or(first, rest) => Predicate::Or(Box::new(first.map_columns(map)?), many(rest, map)?),
            Self::Not(inner) => Predicate::Not(Box::new(inner.map_columns(map)?)),
        })
    }

    /// Calls a function for the column of each test.
    fn for_each_test(&self, visit: &mut dyn FnMut(&C, &Test)) {
        match self {
            Self::Test(column, test) => visit(column, test),
            Self::And(first, rest) | Self::Or(first, rest) => {
                first.for_each_test(visit);
                rest.iter().for_each(|part| part.for_each_test(visit));
            }
            Self::Not(inner) => inner.for_each_test(visit),
        }
    }

    /// Returns the columns of all tests, each once.
    pub(crate) fn columns(&self) -> Vec<C>
    where
        C: Copy + Ord,
    {
        let mut columns = Vec::new();
        self.for_each_test(&mut |&column, _| columns.push(column));
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Returns whether a column has a test that is accepted.
    pub(crate) fn has_test(&self, of: &C, accepts: impl Fn(&Test) -> bool) -> bool
    where
        C: PartialEq,
    {
        let mut has = false;
        self.for_each_test(&mut |column, test| has |= column == of && accepts(test));
        has
    }

    /// Returns whether each test is of a column that is accepted.
    pub(crate) fn uses_only(&self, accepts: impl Fn(&C) -> bool) -> bool {
        let mut only = true;
        self.for_each_test(&mut |column, _| only &= accepts(column));
        only
    }

    /// Returns the rows for which the condition is true, and those for which it is false. `test` returns them for a test.
    pub(crate) fn truth<S: RowSet, X>(&self, test: TestFn<'_, C, S, X>) -> Result<Truth<S>, X> {
        match self {
            Self::Test(column, tested) => test(column, tested),
            Self::And(first, rest) => {
                rest.iter().try_fold(first.truth(test)?, |all, part| Ok(all.and(&part.truth(test)?)))
            }
            Self::Or(first, rest) => {
                rest.iter().try_fold(first.truth(test)?, |all, part| Ok(all.or(&part.truth(test)?)))
            }
            Self::Not(inner) => Ok(inner.truth(test)?.not()),
        }
    }
}

impl Test {
    /// Makes the test that a value is one of some values.
    pub(crate) fn is_in(mut values: Vec<Literal>) -> Self {
        // NaN equals no value.
        values.retain(|value| !value.is_nan());
        values.sort_by(Literal::sort_order);
        values.dedup();
        match values.pop() {
            Some(only) if values.is_empty() => Self::Compare(Comparison::Equal, only),
            last => {
                values.extend(last);
                Self::In(values)
            }
        }
    }

    /// Returns the result for a value, or for a null. `None` if it is unknown.
    pub(crate) fn of_value(&self, value: Option<&Literal>) -> Option<bool> {
        if let Self::IsNull = self {
            return Some(value.is_none());
        }
        let value = value?;
        Some(match self {
            Self::Compare(comparison, literal) => {
                value.compare(literal).is_some_and(|ordering| comparison.holds(ordering))
            }
            Self::In(values) => values.binary_search_by(|one| one.sort_order(value)).is_ok(),
            Self::StartsWith(start) => value.bytes().is_some_and(|bytes| bytes.starts_with(start.as_bytes())),
            Self::IsNull => false,
        })
    }
}

impl Comparison {
    /// Returns whether the comparison is true for a value that has this order to the other.
    pub(crate) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl Literal {
    /// Returns the value of a row. `None` if it is null, or can't be compared.
    pub(crate) fn of_row(array: &dyn Array, row: usize) -> Option<Self> {
        let float = |value: f64| Some(Self::Float(value));
        match array.data_type() {
            _ if row >= array.len() || array.is_null(row) => None,
            DataType::Float32 => float(array.as_primitive_opt::<Float32Type>()?.value(row).into()),
            DataType::Float64 => float(array.as_primitive_opt::<Float64Type>()?.value(row)),
            _ => KeyPart::of_row(array, row).map(Self::Part),
        }
    }

    /// Compares two values of one column. Returns `None` if one is NaN, or if the values are of different kinds.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Float(mine), Self::Float(other)) => mine.partial_cmp(other),
            (Self::Part(KeyPart::Int(mine)), Self::Part(KeyPart::Int(other))) => Some(mine.cmp(other)),
            _ => Some(self.bytes()?.cmp(other.bytes()?)),
        }
    }

    /// Compares values for sorting: as [`compare`](Self::compare), and NaN last.
    fn sort_order(&self, other: &Self) -> Ordering {
        self.compare(other).unwrap_or_else(|| self.is_nan().cmp(&other.is_nan()))
    }

    /// Returns whether the value is NaN.
    pub(crate) fn is_nan(&self) -> bool {
        matches!(self, Self::Float(value) if value.is_nan())
    }

    /// Returns the bytes of a text, or of bytes.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Part(KeyPart::Text(text)) => Some(text.as_bytes()),
            Self::Part(KeyPart::Bytes(bytes)) => Some(bytes),
            Self::Part(KeyPart::Int(_)) | Self::Float(_) => None,
        }
    }
}

impl<C: fmt::Display> fmt::Display for Predicate<C> {
    /// Writes the condition, for example `sku = "a" and not (net >= 5)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut joined = |word: &str, first: &Self, rest: &[Self]| {
            first.fmt_part(f)?;
            rest.iter().try_for_each(|part| {
                write!(f, " {word} ")?;
                part.fmt_part(f)
            })
        };
        match self {
            Self::Test(column, test) => match test {
                Test::Compare(comparison, value) => write!(f, "{column} {comparison} {value}"),
                Test::In(values) => {
                    write!(f, "{column} in (")?;
                    for (index, value) in values.iter().enumerate() {
                        write!(f, "{}{value}", if index > 0 { ", " } else { "" })?;
                    }
                    f.write_str(")")
                }
                Test::StartsWith(start) => write!(f, "{column} starts with {start:?}"),
                Test::IsNull => write!(f, "{column} is null"),
            },
            Self::And(first, rest) => joined("and", first, rest),
            Self::Or(first, rest) => joined("or", first, rest),
            Self::Not(inner) => write!(f, "not ({inner})"),
        }
    }
}

impl<C: fmt::Display> Predicate<C> {
    /// Writes a part of a longer condition.
    fn fmt_part(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(..) | Self::Or(..) => write!(f, "({self})"),
            Self::Test(..) | Self::Not(_) => write!(f, "{self}"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

impl fmt::Display for Literal {
    /// Writes a number in digits, a text in quotes, and bytes in hex. A time is a number of nanoseconds since 1970.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(KeyPart::Text(text)) => write!(f, "{text:?}"),
            Self::Part(part) => part.fmt(f),
            Self::Float(value) => value.fmt(f),
        }
    }
}
