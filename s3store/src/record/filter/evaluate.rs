//! The rows of a batch that a predicate keeps.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Int64Array, RecordBatch,
    Scalar, StringViewArray, UInt64Array,
};
use arrow_buffer::BooleanBuffer;
use arrow_cast::cast;
use arrow_ord::cmp;
use arrow_schema::{ArrowError, DataType, TimeUnit};
use arrow_select::filter::filter_record_batch;

use super::predicate::{Comparison, Literal, Predicate, RowSet, Test, Truth};
use crate::error::{Error, Result};
use crate::record::{KeyPart, per_second};

impl RowSet for BooleanBuffer {
    fn and(&self, other: &Self) -> Self {
        self & other
    }

    fn or(&self, other: &Self) -> Self {
        self | other
    }
}

impl Predicate {
    /// Returns which rows of a batch match. The columns are those of the batch.
    pub(crate) fn matching(&self, batch: &RecordBatch) -> Result<BooleanBuffer> {
        let truth = self.truth(&mut |&column, test| {
            let array = batch.columns().get(column);
            let array = array.ok_or_else(|| Error::internal("a batch lacks the column of a filter"))?;
            test.of_rows(array).map_err(|error| Error::internal("a filter can't be evaluated").with_source(error))
        })?;
        Ok(truth.is_true)
    }

    /// Returns the rows of a batch that match.
    pub(crate) fn keep_matching(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let matching = self.matching(&batch)?;
        match matching.count_set_bits() {
            0 => Ok(batch.slice(0, 0)),
            rows if rows == batch.num_rows() => Ok(batch),
            _ => filter_record_batch(&batch, &BooleanArray::new(matching, None))
                .map_err(|error| Error::internal("the rows of a filter can't be copied").with_source(error)),
        }
    }
}

impl Test {
    /// Returns for which rows of a column the test is true, and for which it is false.
    fn of_rows(&self, array: &ArrayRef) -> Result<Truth<BooleanBuffer>, ArrowError> {
        let given = array.nulls().map(|nulls| nulls.inner().clone());
        let given = given.unwrap_or_else(|| BooleanBuffer::new_set(array.len()));
        let holds = match self {
            Self::IsNull => return Ok(Truth { is_true: !&given, is_false: given }),
            Self::Compare(comparison, literal) => compare(array, *comparison, literal)?,
            Self::In(values) => self.has_value(array, values)?,
            Self::StartsWith(start) => {
                let texts = array.as_string_view_opt().ok_or_else(|| incomparable(array))?;
                BooleanBuffer::collect_bool(array.len(), |row| texts.value(row).starts_with(&**start))
            }
        };
        Ok(Truth { is_true: &holds & &given, is_false: &!&holds & &given })
    }

    /// Returns which rows have one of the values, which are those of this test. The result for nulls is any.
    fn has_value(&self, array: &ArrayRef, values: &[Literal]) -> Result<BooleanBuffer, ArrowError> {
        /// Up to so many values, a comparison with each is faster than a search per row.
        const FEW: usize = 8;

        let rows = array.len();
        if values.len() <= FEW {
            let none = BooleanBuffer::new_unset(rows);
            return values
                .iter()
                .try_fold(none, |found, value| Ok(&found | &compare(array, Comparison::Equal, value)?));
        }
        let has = |bytes: &[u8]| values.binary_search_by(|value| value.bytes().cmp(&Some(bytes))).is_ok();
        Ok(match array.data_type() {
            DataType::Utf8View => {
                let texts = array.as_string_view();
                BooleanBuffer::collect_bool(rows, |row| has(texts.value(row).as_bytes()))
            }
            DataType::BinaryView => {
                let bytes = array.as_binary_view();
                BooleanBuffer::collect_bool(rows, |row| has(bytes.value(row)))
            }
            _ => BooleanBuffer::collect_bool(rows, |row| {
                self.of_value(Literal::of_row(array, row).as_ref()).unwrap_or_default()
            }),
        })
    }
}

/// Returns for which rows a comparison is true. The result for nulls is any.
fn compare(array: &ArrayRef, comparison: Comparison, literal: &Literal) -> Result<BooleanBuffer, ArrowError> {
    let operand = match literal {
        Literal::Float(value) => return compare_floats(array, comparison, *value),
        Literal::Part(KeyPart::Int(value)) => match bound(array.data_type(), comparison, *value)? {
            Bound::AllRows => return Ok(BooleanBuffer::new_set(array.len())),
            Bound::NoRow => return Ok(BooleanBuffer::new_unset(array.len())),
            Bound::Value(value) => integer(value, array.data_type())?,
        },
        Literal::Part(KeyPart::Text(text)) => Arc::new(StringViewArray::from_iter_values([text])) as ArrayRef,
        Literal::Part(KeyPart::Bytes(bytes)) if matches!(array.data_type(), DataType::FixedSizeBinary(_)) => {
            Arc::new(FixedSizeBinaryArray::try_from_iter([bytes].into_iter())?)
        }
        Literal::Part(KeyPart::Bytes(bytes)) => Arc::new(BinaryViewArray::from_iter_values([bytes])),
    };
    let operand = Scalar::new(operand);
    let result = match comparison {
        Comparison::Equal => cmp::eq(array, &operand),
        Comparison::Less => cmp::lt(array, &operand),
        Comparison::LessOrEqual => cmp::lt_eq(array, &operand),
        Comparison::Greater => cmp::gt(array, &operand),
        Comparison::GreaterOrEqual => cmp::gt_eq(array, &operand),
    };
    Ok(result?.values().clone())
}

/// Compares floats as Rust's operators do. Arrow's kernels would order NaN and negative zero.
fn compare_floats(array: &ArrayRef, comparison: Comparison, literal: f64) -> Result<BooleanBuffer, ArrowError> {
    fn rows(rows: usize, comparison: Comparison, literal: f64, value: impl Fn(usize) -> f64) -> BooleanBuffer {
        match comparison {
            Comparison::Equal => BooleanBuffer::collect_bool(rows, |row| value(row) == literal),
            Comparison::Less => BooleanBuffer::collect_bool(rows, |row| value(row) < literal),
            Comparison::LessOrEqual => BooleanBuffer::collect_bool(rows, |row| value(row) <= literal),
            Comparison::Greater => BooleanBuffer::collect_bool(rows, |row| value(row) > literal),
            Comparison::GreaterOrEqual => BooleanBuffer::collect_bool(rows, |row| value(row) >= literal),
        }
    }
    if let Some(floats) = array.as_primitive_opt::<Float32Type>() {
        return Ok(rows(array.len(), comparison, literal, |row| floats.value(row).into()));
    }
    let floats = array.as_primitive_opt::<Float64Type>().ok_or_else(|| incomparable(array))?;
    Ok(rows(array.len(), comparison, literal, |row| floats.value(row)))
}

/// The operand of a comparison with the values of an array.
#[derive(Debug, PartialEq)]
enum Bound {
    /// The comparison is true for each value.
    AllRows,
    /// The comparison is true for no value.
    NoRow,
    Value(i128),
}

/// Returns the operand for an array of numbers, which may count times in a coarser unit than `value` does.
fn bound(data_type: &DataType, comparison: Comparison, value: i128) -> Result<Bound, ArrowError> {
    let (least, greatest, nanos) = match data_type {
        DataType::Boolean => (0, 1, 1),
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into(), 1),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into(), 1),
        DataType::Int32 | DataType::Date32 => (i32::MIN.into(), i32::MAX.into(), 1),
        DataType::Int64 => (i64::MIN.into(), i64::MAX.into(), 1),
        DataType::UInt8 => (0, u8::MAX.into(), 1),
        DataType::UInt16 => (0, u16::MAX.into(), 1),
        DataType::UInt32 => (0, u32::MAX.into(), 1),
        DataType::UInt64 => (0, u64::MAX.into(), 1),
        DataType::Decimal128(..) => (i128::MIN, i128::MAX, 1),
        DataType::Timestamp(unit, _) | DataType::Time64(unit) => (i64::MIN.into(), i64::MAX.into(), nanos_in(*unit)),
        DataType::Time32(unit) => (i32::MIN.into(), i32::MAX.into(), nanos_in(*unit)),
        other => return Err(ArrowError::NotYetImplemented(format!("a comparison of {other} with a number"))),
    };
    let (below, rest) = (value.div_euclid(nanos), value.rem_euclid(nanos));
    let ticks = match comparison {
        Comparison::Equal if rest != 0 => return Ok(Bound::NoRow),
        Comparison::Equal | Comparison::LessOrEqual | Comparison::Greater => below,
        Comparison::Less | Comparison::GreaterOrEqual => below + i128::from(rest != 0),
    };
    Ok(match comparison {
        _ if (least..=greatest).contains(&ticks) => Bound::Value(ticks),
        Comparison::Less | Comparison::LessOrEqual if ticks > greatest => Bound::AllRows,
        Comparison::Greater | Comparison::GreaterOrEqual if ticks < least => Bound::AllRows,
        _ => Bound::NoRow,
    })
}

fn nanos_in(unit: TimeUnit) -> i128 {
    (per_second(TimeUnit::Nanosecond) / per_second(unit)).into()
}

/// Returns an array of one number, which fits the type.
fn integer(value: i128, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let misfit = |_| ArrowError::CastError(format!("{value} does not fit {data_type}"));
    let array: ArrayRef = match data_type {
        DataType::Decimal128(precision, scale) => {
            Arc::new(Decimal128Array::from(vec![value]).with_data_type(DataType::Decimal128(*precision, *scale)))
        }
        DataType::Boolean => Arc::new(BooleanArray::from(vec![value != 0])),
        DataType::UInt64 => Arc::new(UInt64Array::from(vec![u64::try_from(value).map_err(misfit)?])),
        _ => Arc::new(Int64Array::from(vec![i64::try_from(value).map_err(misfit)?])),
    };
    match data_type {
        DataType::Time32(_) | DataType::Date32 => cast(&cast(&array, &DataType::Int32)?, data_type),
        _ => cast(&array, data_type),
    }
}

fn incomparable(array: &ArrayRef) -> ArrowError {
    ArrowError::NotYetImplemented(format!("this test of values of the type {}", array.data_type()))
}
