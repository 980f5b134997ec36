//! Reads files that pyarrow wrote (`tests/data/make_pyarrow_files.py`), with other orders, units, widths and names.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Value, json};

use super::{column, data_file, layout, list, map, micros, node, open, rows};
use crate::error::{ErrorKind, Result};
use crate::record::{ColumnNode, Key, Shape};

fn read(name: &str, columns: Vec<ColumnNode>) -> Result<Vec<Value>> {
    super::read(data_file(&format!("pyarrow-files/{name}.parquet")), columns).map(|batch| rows(&batch))
}

fn refusal(name: &str, column: ColumnNode) -> String {
    let error = read(name, vec![column]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    error.to_string()
}

#[test]
fn text_is_read_from_all_types_and_in_another_order() {
    let columns = vec![
        column("plain", DataType::Utf8),
        column("dictionary", DataType::Utf8),
        column("large", DataType::Utf8),
        column("view", DataType::Utf8).null(),
        column("large_bytes", DataType::Binary),
        column("fixed_as_bytes", DataType::Binary),
        column("bytes_as_fixed", DataType::FixedSizeBinary(4)),
    ];
    let rows = read("text", columns).unwrap();
    let first = json!({
        "plain": "a", "dictionary": "red", "large": "ä", "view": "v",
        "large_bytes": "00ff", "fixed_as_bytes": "31323334", "bytes_as_fixed": "31323334",
    });
    assert_eq!(rows[0], first);
    assert_eq!(rows[2]["large"], "longer than the twelve bytes that a view holds");
    assert_eq!(rows[2]["view"], Value::Null);
    assert_eq!(rows[2]["dictionary"], "red");
}

#[test]
fn bytes_of_another_length_are_refused() {
    assert_eq!(
        refusal("text", column("bytes_as_fixed", DataType::FixedSizeBinary(5))),
        "row 0, column bytes_as_fixed: 4 bytes, but the column holds 5"
    );
}

#[test]
fn times_of_any_unit_keep_their_digits() {
    let local = |unit| DataType::Timestamp(unit, None);
    for (unit, per_second) in [("s", 1_000i64), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)] {
        // pyarrow writes seconds as milliseconds.
        let ticks: [i64; 3] = if unit == "s" {
            [1_773_742_500_000, -1_000, 0]
        } else {
            [1_773_742_500 * per_second + per_second / 8, -1, 0]
        };
        let columns = vec![
            column("utc", micros()),
            column("zoned", micros()),
            column("local", micros()),
            column("utc", local(TimeUnit::Microsecond)),
            column("local", local(TimeUnit::Nanosecond)),
        ];
        let batch = super::read(data_file(&format!("pyarrow-files/units-{unit}.parquet")), columns).unwrap();
        let micro_or_finer = per_second.max(1_000_000);
        for (index, wanted) in [micro_or_finer; 4].into_iter().chain([1_000_000_000]).enumerate() {
            for (row, tick) in ticks.into_iter().enumerate() {
                let expected = json!((tick * (wanted / per_second)).to_string());
                assert_eq!(super::value(batch.column(index), row), expected, "column {index} in {unit}");
            }
        }
    }
}

/// Reads a column of a file in its declared unit.
fn in_declared_unit(name: &str, wanted: ColumnNode) -> Result<Vec<Value>> {
    let layout = layout(vec![wanted], None).in_declared_units();
    let reader = open(data_file(&format!("pyarrow-files/{name}.parquet")), &layout)?;
    assert_eq!(reader.plan().schema(), layout.own_schema());
    reader.map(|batch| Ok(rows(&batch?))).collect::<Result<Vec<_>>>().map(|batches| batches.concat())
}

#[test]
fn times_in_declared_units_have_one_type_and_are_exact() {
    let instant = |unit| DataType::Timestamp(unit, Some("UTC".into()));
    for (file, nanos) in [("s", -1_000_000_000), ("ms", -1_000_000), ("us", -1_000), ("ns", -1)] {
        let rows = in_declared_unit(&format!("units-{file}"), column("utc", instant(TimeUnit::Nanosecond))).unwrap();
        assert_eq!(rows[1]["utc"], json!(nanos.to_string()), "{file}");
        for (unit, per_unit) in [(TimeUnit::Millisecond, 1_000_000), (TimeUnit::Microsecond, 1_000)] {
            let rows = in_declared_unit(&format!("units-{file}"), column("zoned", instant(unit)));
            match rows {
                Ok(rows) => assert_eq!(rows[1]["zoned"], json!((nanos / per_unit).to_string()), "{file}"),
                Err(error) => {
                    assert!(nanos % per_unit != 0, "{error}");
                    let message = error.to_string();
                    assert!(message.starts_with("row 1, column zoned: the value -1 (Timestamp("), "{message}");
                    assert!(message.contains(&format!("timestamp = \"{file}\"")), "{message}");
                }
            }
        }
    }
    for (file, finest) in
        [("time_ms", 86_399_999_000_000i64), ("time_us", 86_399_999_999_000), ("time_ns", 86_399_999_999_999)]
    {
        let time = |unit| column(file, DataType::Time64(unit));
        let rows = in_declared_unit("times", time(TimeUnit::Nanosecond)).unwrap();
        assert_eq!(rows[0][file], json!(finest.to_string()));
        let micros = in_declared_unit("times", time(TimeUnit::Microsecond));
        assert_eq!(micros.is_ok(), finest % 1_000 == 0, "{file}: {micros:?}");
    }
    let millis = in_declared_unit("times", column("time_ms", DataType::Time32(TimeUnit::Millisecond))).unwrap();
    assert_eq!(millis[0]["time_ms"], 86_399_999);
    // Seconds can't hold the last millisecond of a day. The null beside it is valid.
    assert!(in_declared_unit("times", column("time_ms", DataType::Time32(TimeUnit::Second))).is_err());
}

#[test]
fn days_and_times_of_day_are_read() {
    let columns = vec![
        column("date64", DataType::Date32),
        column("time_ms", DataType::Time64(TimeUnit::Microsecond)),
        column("time_us", DataType::Time64(TimeUnit::Microsecond)),
        column("time_ns", DataType::Time64(TimeUnit::Microsecond)),
    ];
    let rows = read("times", columns).unwrap();
    let first = json!({
        "date64": 20_529, "time_ms": "86399999000", "time_us": "86399999999", "time_ns": "86399999999999",
    });
    assert_eq!(rows[0], first);
    assert_eq!(rows[1]["date64"], -1);
}

#[test]
fn a_time_outside_the_wanted_units_range_is_refused() {
    let at = column("at", DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())));
    let message = refusal("far", at);
    assert!(message.starts_with("row 0, column at: the value 253402214400000 "), "{message}");
}

#[test]
fn int96_is_read_in_nanoseconds() {
    let batch = super::read(super::data_file("pyarrow-files/int96.parquet"), vec![column("at", micros())]).unwrap();
    let nanos = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    assert_eq!((batch.num_rows() > 0, batch.schema().field(0).data_type()), (true, &nanos));
}

#[test]
fn only_narrower_numbers_are_converted() {
    use DataType::{Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    let integers = [("i8", Int8), ("i16", Int16), ("i32", Int32), ("i64", Int64)];
    let unsigned = [("u8", UInt8), ("u16", UInt16), ("u32", UInt32), ("u64", UInt64)];
    let floats = [("f32", Float32), ("f64", Float64)];
    let all: Vec<_> = integers.into_iter().chain(unsigned).chain(floats).collect();
    let widens = |from: &str, to: &str| {
        let (kind, bits) = from.split_at(1);
        let (to_kind, to_bits) = to.split_at(1);
        let (bits, to_bits): (u32, u32) = (bits.parse().unwrap(), to_bits.parse().unwrap());
        match (kind, to_kind) {
            (a, b) if a == b => bits <= to_bits,
            ("u", "i") => bits < to_bits,
            ("u" | "i", "f") => bits <= to_bits / 2,
            _ => false,
        }
    };
    for (from, from_type) in &all {
        let own = read("numbers", vec![column(from, from_type.clone())]).unwrap();
        for (to, to_type) in &all {
            let result = read("numbers", vec![column(from, to_type.clone())]);
            assert_eq!(result.is_ok(), widens(from, to), "{from} to {to}: {result:?}");
            match result {
                Ok(rows) => {
                    let number = |value: &Value| match &value[from] {
                        Value::String(text) => text.parse::<f64>().unwrap(),
                        number => number.as_f64().unwrap(),
                    };
                    assert_eq!(number(&rows[0]), number(&own[0]), "{from} to {to}");
                    assert_eq!(number(&rows[1]), number(&own[1]), "{from} to {to}");
                }
                Err(error) => {
                    let types = format!("column {from}: the file has {from_type}, but the record wants {to_type}");
                    assert_eq!(error.to_string(), types);
                }
            }
        }
    }
}

#[test]
fn decimals_of_any_width_are_read_without_loss() {
    let wanted = |name| column(name, DataType::Decimal128(18, 6)).null();
    let columns = ["p5s2", "p18s6", "p30s2", "p38s10", "p76s6"].map(wanted);
    let rows = read("decimals", columns.to_vec()).unwrap();
    let first = json!({
        "p5s2": "123450000", "p18s6": "999999999999999999", "p30s2": "12340000", "p38s10": "1234567", "p76s6": "1234567",
    });
    assert_eq!(rows[0], first);
    assert_eq!(rows[1]["p76s6"], "-1234567");
    assert_eq!(rows[2]["p5s2"], Value::Null);
    let rows = read("decimals-integers", columns[..2].to_vec()).unwrap();
    assert_eq!(rows[0], json!({"p5s2": "123450000", "p18s6": "999999999999999999"}));
    for name in ["rounds", "cut"] {
        let message = format!("row 1, column {name}: the value does not fit decimal(18, 6)");
        assert_eq!(refusal("decimals", wanted(name)), message);
    }
}

#[test]
fn nested_columns_are_converted_at_every_level() {
    let point = || {
        let fields =
            vec![column("x", DataType::Int64), column("missing", DataType::Utf8).null(), column("z", DataType::Int8)];
        Shape::Struct(fields)
    };
    let integers = || Shape::List(Box::new(column("element", DataType::Int32)));
    let columns = vec![
        node("point", point()).null(),
        list("points", point()),
        node("large_list", Shape::List(Box::new(column("element", DataType::Utf8).null()))).null(),
        list("fixed_list", Shape::Leaf(DataType::Int64)),
        list("lists", integers()),
        map("map", Shape::Leaf(DataType::Int64)),
        map("map_of_points", point()).null(),
    ];
    let rows = read("nested", columns).unwrap();
    let first = json!({"x": "1", "missing": null, "z": 3});
    let second = json!({"x": "4", "missing": null, "z": 6});
    let expected = [
        json!({
            "point": first, "points": [first, second], "large_list": ["a", null], "fixed_list": ["1", "2"],
            "lists": [[1], [2, 3]], "map": {"k": "1", "l": "2"}, "map_of_points": {"p": first},
        }),
        json!({
            "point": null, "points": [], "large_list": [], "fixed_list": ["3", "4"],
            "lists": [[]], "map": {}, "map_of_points": null,
        }),
        json!({
            "point": second, "points": [first], "large_list": null, "fixed_list": ["5", "6"],
            "lists": [], "map": {"": "3"}, "map_of_points": {},
        }),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn nulls_need_an_option_or_a_default() {
    let seven = || Ok(Arc::new(Int64Array::from(vec![7])) as ArrayRef);
    let text = || Ok(Arc::new(StringArray::from(vec!["a default that is not inline"])) as ArrayRef);
    let refused = "a null, but the field is not an Option and has no default";
    let count = column("count", DataType::Int64);
    assert_eq!(refusal("nulls", count.clone()), format!("row 1, column count: {refused}"));
    assert_eq!(
        refusal("nulls", list("tags", Shape::Leaf(DataType::Utf8))),
        format!("row 0, column tags.element: {refused}")
    );
    let columns = vec![
        count.defaulted(seven),
        column("empty", DataType::Utf8).null(),
        column("absent", DataType::Utf8).defaulted(text),
        column("absent_too", DataType::Utf8).null(),
        column("renamed", DataType::Int64).null().aliased(&["no_such", "count"]),
    ];
    let rows = read("nulls", columns).unwrap();
    let row = |count: &str, renamed: Value| {
        json!({
            "count": count, "empty": null, "absent": "a default that is not inline", "absent_too": null,
            "renamed": renamed,
        })
    };
    assert_eq!(rows, [row("1", json!("1")), row("7", Value::Null), row("3", json!("3"))]);
    assert_eq!(
        refusal("nulls", column("absent", DataType::Utf8)),
        "column absent: missing in the file; no value is made up for it: add `alias = \"…\"` to the field if the file has \
         the column by another name, or `default = …` with the value for files that lack it, or make the field an `Option`"
    );
}

#[test]
fn a_file_without_any_wanted_column_still_has_its_rows() {
    let rows = read("nulls", vec![column("absent", DataType::Int64).null()]).unwrap();
    assert_eq!(rows, vec![json!({"absent": null}); 3]);
}

#[test]
fn a_mismatch_names_both_types() {
    assert_eq!(
        refusal("text", column("plain", DataType::Int64)),
        "column plain: the file has Utf8, but the record wants Int64"
    );
    let message = refusal("nested", node("point", Shape::Struct(vec![column("x", DataType::Utf8).null()])).null());
    assert_eq!(message, "column point.x: the file has Int16, but the record wants Utf8");
    let message = refusal("nested", column("fixed_list", DataType::Int64));
    assert!(message.starts_with("column fixed_list: the file has List("), "{message}");
    assert!(message.ends_with(", but the record wants Int64"), "{message}");
    let message = refusal("numbers", list("i64", Shape::Leaf(DataType::Int64)));
    assert!(message.starts_with("column i64: the file has Int64, but the record wants List("), "{message}");
}

#[test]
fn a_file_is_marked_as_sorted_only_by_the_full_key() {
    let columns = || vec![column("name", DataType::Utf8), column("version", DataType::Int64)];
    for name in ["sorted", "sorted-unchained", "sorted-liar"] {
        let file = data_file(&format!("pyarrow-files/{name}.parquet"));
        let sorted = |key| {
            let layout = layout(columns(), key);
            open(file.clone(), &layout).unwrap().plan().is_marked_sorted(&layout)
        };
        assert!(sorted(Some(Key { entity: vec![0], version: 1 })), "{name}");
        assert!(!sorted(Some(Key { entity: vec![1], version: 0 })), "{name}");
        assert!(!sorted(None), "{name}");
    }
}
