//! Reads files that parquet-go wrote, with all their columns.

use arrow_schema::{DataType, TimeUnit};
use serde_json::{Value, json};

use super::{column, data, data_file, layout, list, map, node, open, read, rows};
use crate::record::{ColumnNode, Key, Shape};

/// The schema of batches does not depend on the file.
#[test]
fn columns_in_declared_units_have_the_layouts_types() {
    let layout = layout(columns(), None).in_declared_units();
    for codec in CODECS {
        let reader = open(data_file(&format!("go-files/parquet-go-{codec}.parquet")), &layout).unwrap();
        assert_eq!(reader.plan().schema(), layout.own_schema());
        assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 3);
    }
}

const CODECS: [&str; 4] = ["snappy", "zstd", "gzip", "uncompressed"];

fn instant(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("UTC".into()))
}

fn address() -> Shape {
    Shape::Struct(vec![
        column("street", DataType::Utf8),
        column("zip", DataType::Int32).null(),
        column("state", DataType::Int8),
    ])
}

fn columns() -> Vec<ColumnNode> {
    vec![
        column("period", DataType::Utf8),
        column("customer", DataType::Utf8),
        column("b", DataType::Boolean),
        column("i8", DataType::Int8),
        column("i16", DataType::Int16),
        column("i32", DataType::Int32),
        column("i64", DataType::Int64),
        column("u8", DataType::UInt8),
        column("u16", DataType::UInt16),
        column("u32", DataType::UInt32),
        column("u64", DataType::UInt64),
        column("f32", DataType::Float32),
        column("f64", DataType::Float64),
        column("note", DataType::Utf8).null(),
        column("note_ptr", DataType::Utf8).null(),
        column("opt_i", DataType::Int64).null(),
        column("bytes", DataType::Binary),
        column("fixed", DataType::FixedSizeBinary(4)),
        column("id", DataType::FixedSizeBinary(16)),
        column("amount_s", DataType::Decimal128(9, 2)),
        column("amount", DataType::Decimal128(18, 6)),
        column("ts_ns", instant(TimeUnit::Nanosecond)),
        column("ts_us", instant(TimeUnit::Microsecond)),
        column("ts_ms", instant(TimeUnit::Millisecond)),
        column("day", DataType::Date32),
        list("tags_bare", Shape::Leaf(DataType::Utf8)),
        list("tags_list", Shape::Leaf(DataType::Utf8)),
        list("nums_bare", Shape::Leaf(DataType::Int64)),
        map("attrs", Shape::Leaf(DataType::Utf8)),
        node("addr", address()),
        node("addr_ptr", address()).null(),
        column("dict_col", DataType::Utf8),
        column("delta_col", DataType::Int64),
        column("enum_str", DataType::Utf8),
        column("json_col", DataType::Utf8),
    ]
}

/// Returns the rows from the JSON file next to the Parquet files.
fn expected() -> Vec<Value> {
    let text = std::fs::read_to_string(data("go-files/parquet-go-rows.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Converts a decoded row to the names and forms of the JSON file.
fn like_json(row: &Value) -> Value {
    let mut out = serde_json::Map::new();
    for (name, value) in row.as_object().unwrap() {
        let number = || json!(value.as_str().unwrap().parse::<i64>().unwrap());
        let (name, value) = match name.as_str() {
            "bytes" => ("bytes_hex", value.clone()),
            "fixed" => ("fixed_hex", value.clone()),
            "amount" => ("amount_unscaled", value.clone()),
            "amount_s" => ("amount_s_unscaled", number()),
            "ts_ns" => ("ts_ns_nanos", value.clone()),
            "ts_us" => ("ts_us_micros", value.clone()),
            "ts_ms" => ("ts_ms_millis", value.clone()),
            "delta_col" | "opt_i" if !value.is_null() => (name.as_str(), number()),
            "nums_bare" => {
                let numbers = value.as_array().unwrap().iter().map(|item| item.as_str().unwrap().parse::<i64>());
                ("nums_bare", numbers.map(Result::unwrap).collect())
            }
            "id" => {
                let hex = value.as_str().unwrap();
                let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
                ("id", parts.join("-").into())
            }
            // Go wrote the empty text as null; the JSON file has an empty string.
            "note" if value.is_null() => ("note", "".into()),
            name => (name, value.clone()),
        };
        out.insert(name.to_owned(), value);
    }
    Value::Object(out)
}

/// Converts numbers to floats, because `serde_json` distinguishes `0` from `0.0`.
fn numbers_as_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(numbers_as_floats).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, numbers_as_floats(value))).collect(),
        other => other,
    }
}

#[test]
fn every_column_of_every_codec_reads_exactly() {
    assert_eq!(columns().len(), 35);
    for codec in CODECS {
        let batch = read(data_file(&format!("go-files/parquet-go-{codec}.parquet")), columns()).unwrap();
        let rows: Vec<_> = rows(&batch).iter().map(like_json).map(numbers_as_floats).collect();
        let expected: Vec<_> = expected().into_iter().map(numbers_as_floats).collect();
        assert_eq!(rows.len(), expected.len());
        for (row, expected) in rows.iter().zip(&expected) {
            for (name, value) in expected.as_object().unwrap() {
                assert_eq!(&row[name], value, "{name} in {codec}");
            }
            assert_eq!(row.as_object().unwrap().len(), expected.as_object().unwrap().len());
        }
    }
}

#[test]
fn files_of_go_are_not_marked_as_sorted() {
    let layout = layout(columns(), Some(Key { entity: vec![0, 1], version: 22 }));
    let reader = open(data_file("go-files/parquet-go-snappy.parquet"), &layout).unwrap();
    assert!(!reader.plan().is_marked_sorted(&layout));
    assert_eq!(reader.rows(), 3);
}

#[test]
fn a_single_field_of_a_struct_is_read() {
    let street = Shape::Struct(vec![column("street", DataType::Utf8)]);
    let none = Shape::Struct(vec![column("no_such", DataType::Utf8).null()]);
    let columns = vec![node("addr_ptr", street).null(), node("addr", none)];
    let batch = read(data_file("go-files/parquet-go-snappy.parquet"), columns).unwrap();
    let rows = rows(&batch);
    assert_eq!(rows[0], json!({"addr_ptr": {"street": "Side 2"}, "addr": {"no_such": null}}));
    assert_eq!(rows[1], json!({"addr_ptr": null, "addr": {"no_such": null}}));
}
