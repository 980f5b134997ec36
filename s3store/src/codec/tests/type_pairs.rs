//! All pairs of column types: the type of a file, and the type that a record wants.
//!
//! A pair gives equal values, or an error. The schema of a dataset calls a pair readable exactly if the file opens.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Float32Array, Float64Array,
    Int32Array, Int64Array, StringArray, StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_cast::cast;
use arrow_schema::{DataType, Fields, TimeUnit};

use super::super::{Compression, Encoder};
use super::{column, description, list, map, node, read};
use crate::record::{ColumnNode, Shape};
use crate::schema::{Schema, SchemaType};

/// A column type with values, among them extreme ones.
struct Sample {
    node: ColumnNode,
    values: ArrayRef,
}

fn integers(data_type: &DataType, extremes: [i128; 2]) -> Sample {
    let texts: Vec<_> = extremes.into_iter().chain([0, 7]).map(|value| value.to_string()).collect();
    let values = cast(&StringArray::from(texts), data_type).unwrap();
    assert_eq!(values.null_count(), 0);
    Sample { node: column("c", data_type.clone()), values }
}

fn ticks(data_type: &DataType, ticks: &[i64]) -> Sample {
    let ticks: ArrayRef = match data_type {
        DataType::Time32(_) | DataType::Date32 => {
            Arc::new(ticks.iter().map(|&tick| i32::try_from(tick).unwrap()).collect::<Int32Array>())
        }
        _ => Arc::new(Int64Array::from(ticks.to_vec())),
    };
    Sample { node: column("c", data_type.clone()), values: cast(&ticks, data_type).unwrap() }
}

fn decimals(precision: u8, scale: i8, values: &[i128]) -> Sample {
    let values = Decimal128Array::from(values.to_vec()).with_precision_and_scale(precision, scale).unwrap();
    Sample { node: column("c", DataType::Decimal128(precision, scale)), values: Arc::new(values) }
}

fn leaves() -> Vec<Sample> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond};
    let sample = |data_type: DataType, values: ArrayRef| Sample { node: column("c", data_type), values };
    let sixteen = |byte: u8| [byte; 16];
    let fixed = FixedSizeBinaryArray::try_from_iter([sixteen(0), sixteen(0xff), sixteen(7)].iter()).unwrap();
    let mut samples = vec![
        sample(DataType::Boolean, Arc::new(BooleanArray::from(vec![true, false]))),
        integers(&DataType::Int8, [i8::MIN.into(), i8::MAX.into()]),
        integers(&DataType::Int16, [i16::MIN.into(), i16::MAX.into()]),
        integers(&DataType::Int32, [i32::MIN.into(), i32::MAX.into()]),
        integers(&DataType::Int64, [i64::MIN.into(), i64::MAX.into()]),
        integers(&DataType::UInt8, [0, u8::MAX.into()]),
        integers(&DataType::UInt16, [1, u16::MAX.into()]),
        integers(&DataType::UInt32, [1, u32::MAX.into()]),
        integers(&DataType::UInt64, [1, u64::MAX.into()]),
        sample(DataType::Float32, Arc::new(Float32Array::from(vec![0.1, -1.5, 16_777_216.0, f32::MAX]))),
        sample(DataType::Float64, Arc::new(Float64Array::from(vec![0.1, -1.5, 9_007_199_254_740_993.0, f64::MAX]))),
        sample(DataType::Utf8, Arc::new(StringArray::from(vec!["", "42", "ü", "2026-03-17"]))),
        sample(DataType::Binary, Arc::new(BinaryArray::from(vec![&b""[..], b"42", &[0xff; 16], b"a"]))),
        sample(DataType::FixedSizeBinary(16), Arc::new(fixed.clone())),
        Sample {
            node: column("c", DataType::FixedSizeBinary(4)),
            values: Arc::new(FixedSizeBinaryArray::try_from_iter([[1; 4], [0xff; 4]].iter()).unwrap()),
        },
        Sample { node: node("c", Shape::Uuid), values: Arc::new(fixed) },
        ticks(&DataType::Date32, &[0, -719_162, 2_932_896]),
        ticks(&DataType::Time32(Millisecond), &[0, 86_399_999]),
        ticks(&DataType::Time64(Microsecond), &[0, 1, 86_399_999_999]),
        ticks(&DataType::Time64(Nanosecond), &[0, 1, 86_399_999_999_999]),
        decimals(9, 2, &[0, 1, -999_999_999]),
        decimals(18, 6, &[0, 1, 999_999_999_999_999_999]),
        decimals(38, 0, &[0, -7, 10_i128.pow(37)]),
        decimals(38, 38, &[0, 10_i128.pow(37)]),
    ];
    for zone in [None, Some("UTC".into())] {
        for (unit, per_second) in [(Millisecond, 1_000), (Microsecond, 1_000_000), (Nanosecond, 1_000_000_000)] {
            // The last one is in the year 9999, where the unit allows it.
            let late = if unit == Nanosecond { i64::MAX } else { 253_402_300_799 * per_second };
            samples
                .push(ticks(&DataType::Timestamp(unit, zone.clone()), &[0, -1, 1_700_000_000 * per_second + 1, late]));
        }
    }
    samples
}

/// Returns a list, a map and a struct of each of a few types.
fn nested() -> Vec<Sample> {
    let inner = || {
        leaves().into_iter().filter(|sample| {
            matches!(sample.node.shape, Shape::Leaf(DataType::Int32 | DataType::Int64 | DataType::Utf8))
        })
    };
    let offsets = |count: usize| OffsetBuffer::from_lengths(std::iter::repeat_n(1, count));
    let of_list = |Sample { node: inner, values }: Sample| {
        let node = list("c", inner.shape);
        let DataType::List(field) = node.write_type() else { unreachable!() };
        let values = arrow_array::ListArray::new(field, offsets(values.len()), values, None::<NullBuffer>);
        Sample { node, values: Arc::new(values) }
    };
    let of_map = |Sample { node: inner, values }: Sample| {
        let node = map("c", inner.shape);
        let DataType::Map(entries, _) = node.write_type() else { unreachable!() };
        let DataType::Struct(fields) = entries.data_type() else { unreachable!() };
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["k"; values.len()]));
        let count = values.len();
        let pairs = StructArray::new(fields.clone(), vec![keys, values], None);
        let values = arrow_array::MapArray::new(Arc::clone(&entries), offsets(count), pairs, None, false);
        Sample { node, values: Arc::new(values) }
    };
    let of_struct = |Sample { node: inner, values }: Sample| {
        let field = ColumnNode { name: "f".into(), ..inner };
        let fields = Fields::from(vec![field.write_field()]);
        let values = StructArray::new(fields, vec![values], None);
        Sample { node: node("c", Shape::Struct(vec![field])), values: Arc::new(values) }
    };
    inner().map(of_list).chain(inner().map(of_map)).chain(inner().map(of_struct)).collect()
}

/// Returns the value of a row in a form that is equal for equal values of different types.
fn canonical(array: &ArrayRef, row: usize) -> String {
    let nanos = |unit: TimeUnit| match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    let tick = |array: &ArrayRef| {
        let ticks = match array.data_type() {
            DataType::Time32(_) => cast(&cast(array, &DataType::Int32).unwrap(), &DataType::Int64).unwrap(),
            _ => cast(array, &DataType::Int64).unwrap(),
        };
        i128::from(ticks.as_primitive::<Int64Type>().value(row))
    };
    let hex = |bytes: &[u8]| format!("bytes {bytes:02x?}");
    assert!(array.is_valid(row));
    match array.data_type() {
        DataType::Utf8 | DataType::Utf8View => {
            format!("text {}", cast(array, &DataType::Utf8View).unwrap().as_string_view().value(row))
        }
        DataType::Binary | DataType::BinaryView => {
            hex(cast(array, &DataType::BinaryView).unwrap().as_binary_view().value(row))
        }
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row)),
        DataType::Boolean => format!("bool {}", array.as_boolean().value(row)),
        DataType::Date32 => format!("date {}", cast(array, &DataType::Utf8).unwrap().as_string::<i32>().value(row)),
        DataType::Timestamp(unit, _) => format!("instant {}", tick(array) * nanos(*unit)),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("time {}", tick(array) * nanos(*unit)),
        DataType::Decimal128(_, scale) => {
            let (mut value, mut scale) = (array.as_primitive::<Decimal128Type>().value(row), *scale);
            while scale > 0 && value % 10 == 0 {
                (value, scale) = (value / 10, scale - 1);
            }
            format!("decimal {value} {scale}")
        }
        DataType::Float32 | DataType::Float64 => {
            let values = cast(array, &DataType::Float64).unwrap();
            let value = values.as_primitive::<arrow_array::types::Float64Type>().value(row);
            if value.fract() == 0.0 && value.abs() < 1e15 {
                format!("number {value}")
            } else {
                format!("number {value:?}")
            }
        }
        DataType::List(_) => canonical(array.as_list::<i32>().values(), row),
        DataType::Map(..) => canonical(array.as_map().values(), row),
        DataType::Struct(_) => canonical(array.as_struct().column(0), row),
        _ => format!("number {}", cast(array, &DataType::Utf8).unwrap().as_string::<i32>().value(row)),
    }
}

fn file_of(sample: &Sample) -> bytes::Bytes {
    let described = description(vec![sample.node.clone()], None);
    let encoder = Arc::new(Encoder::new(&described, Compression::Snappy).unwrap());
    let mut file = encoder.file(sample.values.len()).unwrap();
    file.write(&[Arc::clone(&sample.values)]).unwrap();
    file.finish().unwrap()
}

fn schema_type(node: &ColumnNode) -> SchemaType {
    let described = description(vec![node.clone()], None);
    Schema::described(&described, &described, Vec::new()).columns[0].data_type.clone()
}

/// Returns whether the schema calls a pair readable. It compares the fields of structs one by one; here they have one.
fn reads(wanted: &SchemaType, file: &SchemaType) -> bool {
    match (wanted, file) {
        (SchemaType::Struct(wanted), SchemaType::Struct(file)) => wanted[0].data_type.reads(&file[0].data_type),
        _ => wanted.reads(file),
    }
}

#[test]
fn every_pair_of_types_gives_equal_values_or_an_error() {
    let samples: Vec<Sample> = leaves().into_iter().chain(nested()).collect();
    let (mut equal, mut refused, mut partly) = (0, 0, 0);
    for file in &samples {
        let rows: Vec<_> = (0..file.values.len()).map(|row| canonical(&file.values, row)).collect();
        let whole = file_of(file);
        // A single row each, so that a value that does not fit does not hide the others.
        let one_by_one: Vec<_> = (0..file.values.len())
            .map(|row| file_of(&Sample { node: file.node.clone(), values: file.values.slice(row, 1) }))
            .collect();
        for wanted in &samples {
            let (from, to) = (schema_type(&file.node), schema_type(&wanted.node));
            let pair = format!("{from} read as {to}");
            let is_readable = reads(&to, &from);
            match read(whole.clone(), vec![wanted.node.clone()]) {
                Ok(batch) => {
                    let values = batch.column(0);
                    let read: Vec<_> = (0..values.len()).map(|row| canonical(values, row)).collect();
                    assert_eq!(read, rows, "{pair}");
                    assert!(is_readable, "{pair}: the schema refuses it");
                    equal += 1;
                }
                Err(error) => {
                    let error = error.to_string();
                    let names_both = error.contains("the file has") && error.contains("but the record wants");
                    assert!(error.contains("column c"), "{pair}: {error}");
                    assert_eq!(is_readable, !names_both, "{pair}: {error}");
                    if !is_readable {
                        refused += 1;
                        continue;
                    }
                    partly += 1;
                    assert!(error.contains("row "), "{pair}: {error}");
                    for (single, expected) in one_by_one.iter().zip(&rows) {
                        if let Ok(batch) = read(single.clone(), vec![wanted.node.clone()]) {
                            assert_eq!(canonical(batch.column(0), 0), *expected, "{pair}");
                        }
                    }
                }
            }
        }
    }
    println!("{equal} pairs give equal values, {partly} for those that fit, {refused} are refused");
    assert_eq!(equal + refused + partly, samples.len() * samples.len());
    assert!(equal > 80 && partly > 10 && refused > 800, "{equal} {partly} {refused}");
}
