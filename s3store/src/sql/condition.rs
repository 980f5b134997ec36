//! Conditions of SQL as conditions of a read.

use std::sync::Arc;

use arrow_array::Array;
use arrow_cast::cast;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal as LiteralExpr, NotExpr,
};

use crate::record::{ColumnNode, Comparison, Description, KeyPart, Literal, Predicate, Shape, Test};

/// The source of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// A column of the record, by its index.
    Record(usize),
    /// The text of a partition column in the key, by its index.
    Partition(usize),
    /// A part of the entry of the change stream that names the file.
    Entry(EntryPart),
}

/// A part of an entry of the change stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EntryPart {
    Offset,
    StampedAt,
    InsertedAt,
}

/// Conditions that must all be true.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Conditions {
    /// Conditions on the columns of the record.
    pub(super) rows: Vec<Predicate>,
    /// Conditions on the texts of partition columns.
    pub(super) partitions: Vec<Predicate>,
}

/// The conditions of an expression.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) conditions: Conditions,
    /// If true, the conditions hold for just the rows for which the expression is true. Otherwise they may hold for more.
    pub(super) is_exact: bool,
}

/// A condition, and whether it holds for no other rows.
type Part = (Predicate<Source>, bool);

impl Conditions {
    pub(super) fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.partitions.extend(other.partitions);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.partitions.is_empty()
    }
}

/// Converts an expression. `source_of` returns the source of a column by its index. Returns `None` if nothing of it can be
/// expressed.
pub(super) fn convert(
    expr: &Arc<dyn PhysicalExpr>,
    root: &Description,
    source_of: &dyn Fn(usize) -> Option<Source>,
) -> Option<Converted> {
    let converter = Converter { root, source_of };
    let (predicate, mut is_exact) = converter.predicate(expr)?;
    let mut conditions = Conditions::default();
    for part in predicate.conjuncts() {
        let rows = part.clone().map_columns(&mut |source| match source {
            Source::Record(column) => Ok(column),
            Source::Partition(_) | Source::Entry(_) => Err(()),
        });
        let partitions = part.map_columns(&mut |source| match source {
            Source::Partition(part) => Ok(part),
            Source::Record(_) | Source::Entry(_) => Err(()),
        });
        match (rows, partitions) {
            (Ok(rows), _) => conditions.rows.push(rows),
            (_, Ok(partitions)) => conditions.partitions.push(partitions),
            // It tests columns of both kinds.
            _ => is_exact = false,
        }
    }
    (!conditions.is_empty()).then_some(Converted { conditions, is_exact })
}

struct Converter<'a> {
    root: &'a Description,
    source_of: &'a dyn Fn(usize) -> Option<Source>,
}

impl Converter<'_> {
    fn predicate(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<Part> {
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            return match binary.op() {
                Operator::And => match (self.predicate(binary.left()), self.predicate(binary.right())) {
                    (Some((one, exact)), Some((other, other_exact))) => Some((one.and(other), exact && other_exact)),
                    (Some((one, _)), None) | (None, Some((one, _))) => Some((one, false)),
                    (None, None) => None,
                },
                Operator::Or => {
                    let (one, exact) = self.predicate(binary.left())?;
                    let (other, other_exact) = self.predicate(binary.right())?;
                    Some((one.or(other), exact && other_exact))
                }
                operator => self.comparison(binary, *operator),
            };
        }
        if let Some(not) = expr.downcast_ref::<NotExpr>() {
            return match self.predicate(not.arg())? {
                (inner, true) => Some((inner.not(), true)),
                // It holds for too many rows, so its opposite would for too few.
                (_, false) => None,
            };
        }
        if let Some(is_null) = expr.downcast_ref::<IsNullExpr>() {
            return Some((Predicate::Test(self.column(is_null.arg())?.0, Test::IsNull), true));
        }
        if let Some(is_not_null) = expr.downcast_ref::<IsNotNullExpr>() {
            return Some((Predicate::Test(self.column(is_not_null.arg())?.0, Test::IsNull).not(), true));
        }
        if let Some(list) = expr.downcast_ref::<InListExpr>() {
            return self.in_list(list);
        }
        if let Some(like) = expr.downcast_ref::<LikeExpr>() {
            return self.like(like);
        }
        // A column that is a condition itself.
        let (source, kind) = self.column(expr)?;
        let is_true = || Test::Compare(Comparison::Equal, Literal::Part(KeyPart::Int(1)));
        kind.is_bool().then(|| (Predicate::Test(source, is_true()), true))
    }

    fn comparison(&self, binary: &BinaryExpr, operator: Operator) -> Option<Part> {
        let (column, value, operator) = match (self.column(binary.left()), self.column(binary.right())) {
            (Some(column), None) => (column, binary.right(), operator),
            (None, Some(column)) => (column, binary.left(), operator.swap()?),
            _ => return None,
        };
        let (source, kind) = column;
        let value = kind.literal(literal(value)?)?;
        let test = |comparison| Predicate::Test(source, Test::Compare(comparison, value.clone()));
        if let Literal::Float(number) = &value {
            // SQL has an order of all floats. Reads compare as Rust does, where NaN is in none and 0 equals -0: the opposite
            // of the opposite comparison holds for all rows that SQL returns.
            let at_least = match operator {
                _ if number.is_nan() => return None,
                Operator::Eq => test(Comparison::Equal),
                Operator::Gt | Operator::GtEq => test(Comparison::Less).not(),
                Operator::Lt | Operator::LtEq => test(Comparison::Greater).not(),
                _ => return None,
            };
            return Some((at_least, false));
        }
        let predicate = match operator {
            Operator::Eq => test(Comparison::Equal),
            Operator::NotEq => test(Comparison::Equal).not(),
            Operator::Lt => test(Comparison::Less),
            Operator::LtEq => test(Comparison::LessOrEqual),
            Operator::Gt => test(Comparison::Greater),
            Operator::GtEq => test(Comparison::GreaterOrEqual),
            _ => return None,
        };
        Some((predicate, true))
    }

    fn in_list(&self, list: &InListExpr) -> Option<Part> {
        let (source, kind) = self.column(list.expr())?;
        // A null among the values makes the result unknown for all others.
        let values = list.list().iter().map(|value| kind.literal(literal(value)?)).collect::<Option<Vec<_>>>()?;
        let is_exact = !values.iter().any(|value| matches!(value, Literal::Float(_)));
        if values.iter().any(Literal::is_nan) || list.negated() && !is_exact {
            return None;
        }
        let test = Predicate::Test(source, Test::is_in(values));
        Some((if list.negated() { test.not() } else { test }, is_exact))
    }

    /// Converts a pattern that is a start of texts, such as `abc%`.
    fn like(&self, like: &LikeExpr) -> Option<Part> {
        let (source, kind) = self.column(like.expr())?;
        let Literal::Part(KeyPart::Text(pattern)) = Kind::Text.literal(literal(like.pattern())?)? else { return None };
        let start = pattern.strip_suffix('%')?;
        if like.case_insensitive() || !kind.is_text() || start.contains(['%', '_', '\\']) {
            return None;
        }
        let test = Predicate::Test(source, Test::StartsWith(start.into()));
        Some((if like.negated() { test.not() } else { test }, true))
    }

    fn column(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<(Source, Kind<'_>)> {
        let source = (self.source_of)(expr.downcast_ref::<Column>()?.index())?;
        let kind = match source {
            Source::Record(column) => Kind::Column(self.root.columns.get(column)?),
            Source::Partition(_) => Kind::Text,
            Source::Entry(_) => return None,
        };
        Some((source, kind))
    }
}

/// The values of a column.
enum Kind<'a> {
    /// Those of a column of the record.
    Column(&'a ColumnNode),
    Text,
}

impl Kind<'_> {
    fn is_bool(&self) -> bool {
        matches!(self, Self::Column(ColumnNode { shape: Shape::Leaf(arrow_schema::DataType::Boolean), .. }))
    }

    fn is_text(&self) -> bool {
        matches!(self, Self::Text | Self::Column(ColumnNode { shape: Shape::Leaf(arrow_schema::DataType::Utf8), .. }))
    }

    /// Returns a value in the form of filters. Returns `None` for a null, and for one that is none of the column's values.
    fn literal(&self, value: &ScalarValue) -> Option<Literal> {
        let wanted = match self {
            Self::Column(node) if matches!(node.shape, Shape::Leaf(_) | Shape::Uuid) => node.read_type(),
            Self::Column(_) => return None,
            Self::Text => arrow_schema::DataType::Utf8View,
        };
        let array = value.to_array().ok()?;
        let converted = if *array.data_type() == wanted { Arc::clone(&array) } else { cast(&array, &wanted).ok()? };
        // A cast may round.
        let is_same = || cast(&converted, array.data_type()).is_ok_and(|back| *back == *array);
        (!converted.is_null(0) && (*array.data_type() == wanted || is_same())).then_some(())?;
        Literal::of_row(&converted, 0)
    }
}

fn literal(expr: &Arc<dyn PhysicalExpr>) -> Option<&ScalarValue> {
    expr.downcast_ref::<LiteralExpr>().map(LiteralExpr::value)
}
