//! Lossless casts of a leaf column from the file's type to the type that a reader wants.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date64Type, Decimal128Type, Decimal256Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Decimal128Array, FixedSizeBinaryArray, Int64Array, StringViewArray, new_null_array,
};
use arrow_buffer::{ScalarBuffer, i256};
use arrow_cast::{CastOptions, cast, cast_with_options};
use arrow_schema::{ArrowError, DataType, TimeUnit};

use crate::record::{RowError, TimeUnits, ValueError, per_second};

/// The Parquet annotation of a leaf column, as far as its Arrow type does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Annotation {
    /// None that matters for a cast.
    Plain,
    /// The names of an enum's values.
    Enum,
    /// Text that the decoder does not check for valid UTF-8.
    UncheckedText,
}

/// The cast of a leaf column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LeafCast {
    /// Keeps the values.
    Keep,
    /// Keeps the values, and fails if one is not UTF-8.
    CheckText,
    /// Casts to a type that holds every value of the file's type.
    Widen(DataType),
    /// Casts to a type that may be too narrow, and fails for values that do not fit.
    Checked(DataType),
    /// Casts to a time with a unit that is `factor` times finer, and fails for times out of its range. The time zone is
    /// ignored: stored instants are UTC.
    FinerTime { factor: i64, to: DataType },
    /// Casts to a time with a unit that is `factor` times coarser, and fails for times that are not exact in it.
    CoarserTime { factor: i64, to: DataType },
    /// Casts to a decimal of another precision or scale, and fails for values that would be rounded or cut.
    Decimal { from: i8, precision: u8, scale: i8 },
    /// Casts to bytes of one length, and fails for other lengths.
    FixedLength(i32),
    /// Gives a type to a column that has only nulls and no type.
    Nulls(DataType),
}

impl LeafCast {
    /// Returns the cast from `file` to `wanted` and the resulting type. That is `wanted`, except that `units` may keep the
    /// file's unit of a time. Returns `None` if the types are not convertible.
    pub(super) fn plan(
        file: &DataType,
        annotation: Annotation,
        wanted: &DataType,
        units: TimeUnits,
    ) -> Option<(Self, DataType)> {
        use DataType::{
            Binary, BinaryView, Boolean, Date32, Date64, Decimal128, Decimal256, FixedSizeBinary, Null, Time32, Time64,
            Timestamp, Utf8, Utf8View,
        };
        let wanted = match wanted {
            Utf8 => &Utf8View,
            Binary => &BinaryView,
            other => other,
        };
        let to = |cast: Self| Some((cast, wanted.clone()));
        match (file, wanted) {
            (Null, _) => to(Self::Nulls(wanted.clone())),
            (Utf8View, Utf8View) if annotation == Annotation::UncheckedText => to(Self::CheckText),
            (BinaryView, Utf8View) if annotation == Annotation::Enum => to(Self::Checked(Utf8View)),
            (Boolean, Boolean) | (Utf8View, Utf8View) | (BinaryView, BinaryView) | (Date32, Date32) => to(Self::Keep),
            (FixedSizeBinary(a), FixedSizeBinary(b)) => (a == b).then(|| (Self::Keep, wanted.clone())),
            (FixedSizeBinary(_), BinaryView) => to(Self::Widen(BinaryView)),
            (BinaryView, FixedSizeBinary(length)) => to(Self::FixedLength(*length)),
            (Date64, Date32) => to(Self::Checked(Date32)),
            (Timestamp(have, _), Timestamp(want, zone)) => {
                let unit = units.unit(*have, *want);
                let to = Timestamp(unit, zone.clone());
                Some((if *file == to { Self::Keep } else { Self::time(*have, unit, &to) }, to))
            }
            (Time32(have) | Time64(have), Time32(want) | Time64(want)) => {
                let unit = units.unit(*have, *want);
                let to = time_of_day(unit);
                Some((if *file == to { Self::Keep } else { Self::time(*have, unit, &to) }, to))
            }
            (Decimal128(p, s) | Decimal256(p, s), Decimal128(precision, scale)) => {
                let same = matches!(file, Decimal128(..)) && p == precision && s == scale;
                let cast = Self::Decimal { from: *s, precision: *precision, scale: *scale };
                to(if same { Self::Keep } else { cast })
            }
            (file, wanted) if file == wanted && file.is_numeric() => to(Self::Keep),
            (file, wanted) if holds_all(wanted, file) => to(Self::Widen(wanted.clone())),
            _ => None,
        }
    }

    /// Returns the cast of a time from one unit to another.
    fn time(from: TimeUnit, unit: TimeUnit, to: &DataType) -> Self {
        let to = to.clone();
        match (per_second(from), per_second(unit)) {
            (have, want) if have <= want => Self::FinerTime { factor: want / have, to },
            (have, want) => Self::CoarserTime { factor: have / want, to },
        }
    }

    /// Casts the values of `array`.
    pub(super) fn apply(&self, array: &ArrayRef) -> Result<ArrayRef, RowError> {
        match self {
            Self::Keep => Ok(Arc::clone(array)),
            Self::CheckText => check_text(array),
            Self::Widen(to) => cast(array, to).map_err(|error| ValueError::new(error).at_row(0)),
            Self::Checked(to) => cast_checked(array, to),
            Self::FinerTime { factor: 1, to } => time_of_ticks(&ticks_of(array)?, to),
            Self::FinerTime { factor, to } => {
                cast_time(array, to, |tick| tick.checked_mul(*factor), || format!("does not fit {to}"))
            }
            Self::CoarserTime { factor, to } => {
                let exact = |tick: i64| (tick % factor == 0).then_some(tick / factor);
                cast_time(array, to, exact, || not_exact(array.data_type(), to))
            }
            Self::Decimal { from, precision, scale } => cast_decimal(array, *from, *precision, *scale),
            Self::FixedLength(length) => cast_fixed_length(array, *length),
            Self::Nulls(to) => Ok(new_null_array(to, array.len())),
        }
    }
}

/// Returns whether a column of a file, decoded as the type `file`, can be read as the type `wanted`.
pub(crate) fn is_convertible(file: &DataType, wanted: &DataType) -> bool {
    LeafCast::plan(file, Annotation::Plain, wanted, TimeUnits::Finest).is_some()
}

fn time_of_day(unit: TimeUnit) -> DataType {
    match unit {
        TimeUnit::Second | TimeUnit::Millisecond => DataType::Time32(unit),
        TimeUnit::Microsecond | TimeUnit::Nanosecond => DataType::Time64(unit),
    }
}

/// Returns whether the type `wide` represents every number of the type `narrow`.
fn holds_all(wide: &DataType, narrow: &DataType) -> bool {
    use DataType::{Float16, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    match wide {
        Int16 => matches!(narrow, Int8 | UInt8),
        Int32 => matches!(narrow, Int8 | Int16 | UInt8 | UInt16),
        Int64 => matches!(narrow, Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32),
        UInt16 => matches!(narrow, UInt8),
        UInt32 => matches!(narrow, UInt8 | UInt16),
        UInt64 => matches!(narrow, UInt8 | UInt16 | UInt32),
        Float32 => matches!(narrow, Float16 | Int8 | Int16 | UInt8 | UInt16),
        Float64 => matches!(narrow, Float16 | Float32 | Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32),
        _ => false,
    }
}

/// Casts to a type that may be too narrow. Arrow turns values that do not fit into nulls; the first of these is the error.
fn cast_checked(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, RowError> {
    let out = cast_with_options(array, to, &CastOptions { safe: true, ..CastOptions::default() })
        .map_err(|error| ValueError::new(error).at_row(0))?;
    // Arrow would truncate a Date64 that is not a whole day.
    let truncated = match array.data_type() {
        DataType::Date64 => {
            let days = array.as_primitive::<Date64Type>();
            (0..days.len()).find(|&row| days.is_valid(row) && days.value(row).rem_euclid(86_400_000) != 0)
        }
        _ => None,
    };
    match truncated.or_else(|| first_new_null(array, &out)) {
        Some(row) => Err(ValueError::new(format!("the value does not fit {to}")).at_row(row)),
        None => Ok(out),
    }
}

/// Returns the first row that is null in `to` but not in `from`.
fn first_new_null(from: &dyn Array, to: &dyn Array) -> Option<usize> {
    let differs = to.null_count() != from.null_count();
    differs.then(|| (0..to.len()).find(|&row| to.is_null(row) && from.is_valid(row))).flatten()
}

/// Casts the times of `array` to another unit, by a function of their ticks. The first time that has none, or that `to`
/// can't hold, is the error, for the reason that `refused` gives.
fn cast_time(
    array: &ArrayRef,
    to: &DataType,
    convert: impl Fn(i64) -> Option<i64>,
    refused: impl Fn() -> String,
) -> Result<ArrayRef, RowError> {
    let ticks = ticks_of(array)?;
    let times = time_of_ticks(&ticks.unary_opt(convert), to)?;
    match first_new_null(&ticks, &times) {
        Some(row) => {
            let value = format!("the value {} ({}) {}", ticks.value(row), array.data_type(), refused());
            Err(ValueError::new(value).at_row(row))
        }
        None => Ok(times),
    }
}

/// Returns the counts of units in an array of times. Casting by way of integers ignores time zones.
fn ticks_of(times: &ArrayRef) -> Result<Int64Array, RowError> {
    let integers = match times.data_type() {
        DataType::Time32(_) => cast(times, &DataType::Int32).and_then(|ticks| cast(&ticks, &DataType::Int64)),
        _ => cast(times, &DataType::Int64),
    };
    let integers = integers.map_err(|error| ValueError::new(error).at_row(0))?;
    Ok(integers.as_primitive::<Int64Type>().clone())
}

/// Returns times from counts of their units. Those that the type can't hold become nulls.
fn time_of_ticks(ticks: &Int64Array, to: &DataType) -> Result<ArrayRef, RowError> {
    let times = match to {
        DataType::Time32(_) => cast(ticks, &DataType::Int32).and_then(|ticks| cast(&ticks, to)),
        _ => cast(ticks, to),
    };
    times.map_err(|error| ValueError::new(error).at_row(0))
}

fn not_exact(from: &DataType, to: &DataType) -> String {
    let unit = match from {
        DataType::Timestamp(TimeUnit::Nanosecond, _) | DataType::Time64(TimeUnit::Nanosecond) => "ns",
        _ => "us",
    };
    format!("is not exact in {to}, the column's type; declare the field with timestamp = \"{unit}\", or read records")
}

fn check_text(array: &ArrayRef) -> Result<ArrayRef, RowError> {
    let bytes = array.as_string_view().clone().to_binary_view();
    let bad = (0..bytes.len()).find(|&row| bytes.is_valid(row) && std::str::from_utf8(bytes.value(row)).is_err());
    if let Some(row) = bad {
        return Err(ValueError::new("the text is not UTF-8").at_row(row));
    }
    let text: Result<StringViewArray, ArrowError> = bytes.to_string_view();
    text.map(|text| Arc::new(text) as ArrayRef).map_err(|error| ValueError::new(error).at_row(0))
}

fn cast_fixed_length(array: &ArrayRef, length: i32) -> Result<ArrayRef, RowError> {
    let bytes = array.as_binary_view();
    let wanted = usize::try_from(length).unwrap_or_default();
    let bad = (0..bytes.len()).find(|&row| bytes.is_valid(row) && bytes.value(row).len() != wanted);
    if let Some(row) = bad {
        let found = bytes.value(row).len();
        return Err(ValueError::new(format!("{found} bytes, but the column holds {length}")).at_row(row));
    }
    FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes.iter(), length)
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| ValueError::new(error).at_row(0))
}

fn cast_decimal(array: &ArrayRef, from: i8, precision: u8, scale: i8) -> Result<ArrayRef, RowError> {
    let shift = i32::from(scale) - i32::from(from);
    let limit = 10i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX);
    let value = |row: usize| -> Option<i128> {
        let value = match array.data_type() {
            DataType::Decimal256(..) => array.as_primitive::<Decimal256Type>().value(row),
            _ => i256::from_i128(array.as_primitive::<Decimal128Type>().value(row)),
        };
        rescaled(value, shift)?.to_i128().filter(|value| value.unsigned_abs() < limit.unsigned_abs())
    };
    let mut values = vec![0; array.len()];
    for (row, slot) in values.iter_mut().enumerate() {
        if array.is_valid(row) {
            let error = || ValueError::new(format!("the value does not fit decimal({precision}, {scale})"));
            *slot = value(row).ok_or_else(|| error().at_row(row))?;
        }
    }
    Decimal128Array::try_new(ScalarBuffer::from(values), array.nulls().cloned())
        .and_then(|array| array.with_precision_and_scale(precision, scale))
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| ValueError::new(error).at_row(0))
}

/// Returns `value` × 10^`shift` if that is an integer.
fn rescaled(value: i256, shift: i32) -> Option<i256> {
    let factor = i256::from_i128(10).checked_pow(shift.unsigned_abs());
    match (shift >= 0, factor) {
        (_, None) => (value == i256::ZERO).then_some(value),
        (true, Some(factor)) => value.checked_mul(factor),
        (false, Some(factor)) => {
            (value.checked_rem(factor)? == i256::ZERO).then(|| value.checked_div(factor)).flatten()
        }
    }
}
