//! The statistics of a file in a Delta log.
//!
//! Readers skip files by them, so a value is left out where readers differ in how they understand it: those of floats,
//! unsigned integers, bytes and long decimals.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta};
use serde_json::{Map, Value, json};

use super::merged::fields;
use crate::codec::{ColumnStatistics, Footer};
use crate::error::Result;

/// The most characters of a text. Readers expect no longer ones.
const TEXT_CHARACTERS: usize = 32;

/// The most digits of a decimal that is exact as a number of JSON.
const DECIMAL_DIGITS: u8 = 15;

/// An end of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Least,
    Greatest,
}

/// Returns the statistics of a file as JSON, for the columns of a table with this schema, whose types the file's fit.
pub(super) fn statistics(footer: &Footer, table: &Value) -> Result<String> {
    let columns = footer.statistics()?;
    let is_published = |column: &&ColumnStatistics| fields(table).any(|field| field["name"] == column.name);
    Ok(of_columns(footer.rows()?, columns.iter().filter(is_published)).to_string())
}

fn of_columns<'a>(rows: u64, columns: impl Iterator<Item = &'a ColumnStatistics>) -> Value {
    let (mut least, mut greatest, mut nulls) = (Map::new(), Map::new(), Map::new());
    for column in columns {
        let add = |values: &mut Map<String, Value>, array: &Option<ArrayRef>, end| {
            if let Some(value) = array.as_ref().and_then(|array| value(array, end)) {
                values.insert(column.name.clone(), value);
            }
        };
        add(&mut least, &column.least, End::Least);
        add(&mut greatest, &column.greatest, End::Greatest);
        if let Some(count) = column.nulls {
            nulls.insert(column.name.clone(), count.into());
        }
    }
    json!({"numRecords": rows, "minValues": least, "maxValues": greatest, "nullCount": nulls})
}

/// Returns the only value of an array in the form of its type. A bound may be moved outwards.
fn value(array: &ArrayRef, end: End) -> Option<Value> {
    Some(match array.data_type() {
        DataType::Int8 => array.as_primitive_opt::<Int8Type>()?.value(0).into(),
        DataType::Int16 => array.as_primitive_opt::<Int16Type>()?.value(0).into(),
        DataType::Int32 => array.as_primitive_opt::<Int32Type>()?.value(0).into(),
        DataType::Int64 => array.as_primitive_opt::<Int64Type>()?.value(0).into(),
        DataType::Date32 => {
            let date = NaiveDate::from_epoch_days(array.as_primitive_opt::<Date32Type>()?.value(0))?;
            (0..=9_999).contains(&date.year()).then(|| date.to_string().into())?
        }
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            let millis = array.as_primitive_opt::<TimestampMillisecondType>()?.value(0);
            time(millis.checked_mul(1_000)?, zone.is_some(), end)?
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            time(array.as_primitive_opt::<TimestampMicrosecondType>()?.value(0), zone.is_some(), end)?
        }
        DataType::Decimal128(precision, 0..) if *precision <= DECIMAL_DIGITS => {
            let text = ArrayFormatter::try_new(array.as_ref(), &FormatOptions::default()).ok()?.value(0).to_string();
            array.as_primitive_opt::<Decimal128Type>()?;
            serde_json::from_str(&text).ok()?
        }
        DataType::Utf8 => text(array.as_string_opt::<i32>()?.value(0), end)?,
        DataType::Utf8View => text(array.as_string_view_opt()?.value(0), end)?,
        _ => return None,
    })
}

/// Returns a text. The start of a long one is less than it; nothing short is known to be greater.
fn text(text: &str, end: End) -> Option<Value> {
    match text.char_indices().nth(TEXT_CHARACTERS) {
        None => Some(text.into()),
        Some((cut, _)) if end == End::Least => text.get(..cut).map(Value::from),
        Some(_) => None,
    }
}

/// Returns a time in milliseconds, cut off or rounded up.
fn time(micros: i64, has_zone: bool, end: End) -> Option<Value> {
    let cut = DateTime::from_timestamp_millis(micros.div_euclid(1_000))?;
    let is_cut = micros.rem_euclid(1_000) > 0;
    let rounded =
        if is_cut && end == End::Greatest { cut.checked_add_signed(TimeDelta::milliseconds(1))? } else { cut };
    let zone = if has_zone { "Z" } else { "" };
    (0..=9_999).contains(&rounded.year()).then(|| format!("{}{zone}", rounded.format("%Y-%m-%dT%H:%M:%S%.3f")).into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray, UInt32Array,
    };

    use super::*;

    fn both(array: impl Array + 'static) -> [Option<Value>; 2] {
        let array: ArrayRef = Arc::new(array);
        [End::Least, End::Greatest].map(|end| value(&array, end))
    }

    #[test]
    fn values_have_the_form_of_their_type() {
        assert_eq!(both(Int64Array::from(vec![-7])), [Some(json!(-7)), Some(json!(-7))]);
        assert_eq!(both(Date32Array::from(vec![20_000]))[0], Some(json!("2024-10-04")));
        let cents = Decimal128Array::from(vec![-1_205]).with_precision_and_scale(9, 2).unwrap();
        assert_eq!(both(cents)[1], Some(json!(-12.05)));
        let long = Decimal128Array::from(vec![1]).with_precision_and_scale(16, 2).unwrap();
        assert_eq!(both(long), [None, None]);
        assert_eq!(both(UInt32Array::from(vec![1])), [None, None]);
        assert_eq!(both(Float64Array::from(vec![1.0])), [None, None]);
    }

    #[test]
    fn bounds_are_only_moved_outwards() {
        let micros = |micros| TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC");
        let [least, greatest] = both(micros(1_001));
        assert_eq!(least, Some(json!("1970-01-01T00:00:00.001Z")));
        assert_eq!(greatest, Some(json!("1970-01-01T00:00:00.002Z")));
        assert_eq!(both(micros(-1))[0], Some(json!("1969-12-31T23:59:59.999Z")));
        assert_eq!(both(micros(-1))[1], Some(json!("1970-01-01T00:00:00.000Z")));
        assert_eq!(
            both(micros(2_000)),
            [Some(json!("1970-01-01T00:00:00.002Z")), Some(json!("1970-01-01T00:00:00.002Z"))]
        );
        let local = TimestampMicrosecondArray::from(vec![0]);
        assert_eq!(both(local)[0], Some(json!("1970-01-01T00:00:00.000")));
        assert_eq!(both(micros(i64::MAX)), [None, None]);
        assert_eq!(
            both(StringArray::from(vec!["ü".repeat(32)])),
            [Some(json!("ü".repeat(32))), Some(json!("ü".repeat(32)))]
        );
        assert_eq!(both(StringArray::from(vec!["ü".repeat(33)])), [Some(json!("ü".repeat(32))), None]);
    }
}
