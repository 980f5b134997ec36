//! Files written by parquet-go: every column type and every codec, read as a record with 35 fields.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use s3store::chrono::{DateTime, NaiveDate, Utc};
use s3store::rust_decimal::Decimal;
use s3store::testing::read_file;
use s3store::uuid::Uuid;
use s3store::{ColumnType, Record};
use serde_json::Value;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ColumnType)]
#[column(repr = "i8")]
enum State {
    #[default]
    Unset = 0,
    Open = 1,
    Closed = 2,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, ColumnType)]
struct Address {
    street: String,
    zip: Option<i32>,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(period))]
struct Row {
    period: String,
    customer: String,
    b: bool,
    i8: i8,
    i16: i16,
    i32: i32,
    i64: i64,
    u8: u8,
    u16: u16,
    u32: u32,
    u64: u64,
    f32: f32,
    f64: f64,
    note: Option<String>,
    note_ptr: Option<String>,
    opt_i: Option<i64>,
    bytes: Vec<u8>,
    fixed: [u8; 4],
    id: Uuid,
    #[record(decimal(9, 2))]
    amount_s: Decimal,
    #[record(decimal(18, 6))]
    amount: Decimal,
    #[record(timestamp = "ns")]
    ts_ns: DateTime<Utc>,
    #[record(timestamp = "us")]
    ts_us: DateTime<Utc>,
    #[record(timestamp = "ms")]
    ts_ms: DateTime<Utc>,
    day: NaiveDate,
    tags_bare: Vec<String>,
    tags_list: Vec<String>,
    nums_bare: Vec<i64>,
    attrs: BTreeMap<String, String>,
    addr: Address,
    addr_ptr: Option<Address>,
    dict_col: String,
    delta_col: i64,
    enum_str: String,
    json_col: String,
}

/// Parses a row from the JSON next to the files. It has 64-bit integers as text and bytes as hex.
fn row(json: &Value) -> Row {
    let text = |name: &str| json[name].as_str().unwrap_or_else(|| panic!("{name} is not text")).to_owned();
    let integer_text = |name: &str| text(name).parse::<i64>().unwrap();
    let integer = |name: &str| json[name].as_i64().unwrap_or_else(|| panic!("{name} is not an integer"));
    let texts = |name: &str| -> Vec<String> {
        json[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let address = |json: &Value| Address {
        street: json["street"].as_str().unwrap().to_owned(),
        zip: json["zip"].as_i64().map(|zip| i32::try_from(zip).unwrap()),
        state: match json["state"].as_i64().unwrap() {
            0 => State::Unset,
            1 => State::Open,
            2 => State::Closed,
            other => panic!("state {other}"),
        },
    };
    let hex = |name: &str| -> Vec<u8> {
        let text = text(name);
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    Row {
        period: text("period"),
        customer: text("customer"),
        b: json["b"].as_bool().unwrap(),
        i8: integer("i8").try_into().unwrap(),
        i16: integer("i16").try_into().unwrap(),
        i32: integer("i32").try_into().unwrap(),
        i64: integer_text("i64"),
        u8: integer("u8").try_into().unwrap(),
        u16: integer("u16").try_into().unwrap(),
        u32: integer("u32").try_into().unwrap(),
        u64: text("u64").parse().unwrap(),
        f32: json["f32"].as_f64().unwrap() as f32,
        f64: json["f64"].as_f64().unwrap(),
        note: Some(text("note")),
        note_ptr: json["note_ptr"].as_str().map(str::to_owned),
        opt_i: json["opt_i"].as_i64(),
        bytes: hex("bytes_hex"),
        fixed: hex("fixed_hex").try_into().unwrap(),
        id: text("id").parse().unwrap(),
        amount_s: Decimal::new(integer("amount_s_unscaled"), 2),
        amount: Decimal::new(integer_text("amount_unscaled"), 6),
        ts_ns: DateTime::from_timestamp_nanos(integer_text("ts_ns_nanos")),
        ts_us: DateTime::from_timestamp_micros(integer_text("ts_us_micros")).unwrap(),
        ts_ms: DateTime::from_timestamp_millis(integer_text("ts_ms_millis")).unwrap(),
        day: NaiveDate::default() + s3store::chrono::TimeDelta::days(integer("day")),
        tags_bare: texts("tags_bare"),
        tags_list: texts("tags_list"),
        nums_bare: json["nums_bare"].as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect(),
        attrs: json["attrs"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
        addr: address(&json["addr"]),
        addr_ptr: Some(&json["addr_ptr"]).filter(|json| !json.is_null()).map(address),
        dict_col: text("dict_col"),
        delta_col: integer("delta_col"),
        enum_str: text("enum_str"),
        json_col: text("json_col"),
    }
}

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/go-files").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_column_of_every_codec_is_read_exactly() {
    let rows: Vec<Value> = serde_json::from_slice(&data("parquet-go-rows.json")).unwrap();
    let expected: Vec<Row> = rows.iter().map(row).collect();
    assert_eq!(expected.len(), 3);
    assert_eq!(<Row as Record>::description().columns.len(), 35);
    for codec in ["uncompressed", "snappy", "gzip", "zstd"] {
        let file = Bytes::from(data(&format!("parquet-go-{codec}.parquet")));
        let found: Vec<Row> = read_file(file).unwrap();
        assert_eq!(found, expected, "{codec}");
    }
}
