//! Files written by parquet-go: every column type and every codec, read as a record with 35 fields.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use parquet::basic::Repetition;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::TypePtr;
use s3store::chrono::{DateTime, NaiveDate, Utc};
use s3store::rust_decimal::Decimal;
use s3store::testing::{Files, read_file};
use s3store::uuid::Uuid;
use s3store::{ColumnType, Compression, ErrorKind, Record};
use serde_json::Value;

use crate::integration::harness::Server;

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

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Point {
    x: i64,
    #[column(bare_list)]
    labels: Vec<String>,
}

/// The lists of [`Row`] in the form of untagged Go slices.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(period))]
struct Bare {
    period: String,
    #[record(bare_list)]
    tags_bare: Vec<String>,
    tags_list: Vec<String>,
    #[record(bare_list)]
    nums_bare: Vec<i64>,
    #[record(bare_list, timestamp = "ms")]
    times: Vec<DateTime<Utc>>,
    #[record(bare_list, decimal(9, 2))]
    prices: Vec<Decimal>,
    #[record(bare_list)]
    ids: Vec<Uuid>,
    #[record(bare_list)]
    points: Vec<Point>,
    point: Option<Point>,
    nested: Vec<Option<Point>>,
    by_name: BTreeMap<String, Point>,
}

/// The same columns with the other form of every list.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(period))]
struct Listed {
    period: String,
    tags_bare: Vec<String>,
    #[record(bare_list)]
    tags_list: Vec<String>,
    nums_bare: Vec<i64>,
}

fn bare(n: usize) -> Bare {
    let point = |x: usize| Point { x: x as i64, labels: (0..x % 3).map(|label| format!("l{label}")).collect() };
    let times = |n| DateTime::from_timestamp_millis(n as i64).unwrap();
    Bare {
        period: "p".into(),
        tags_bare: (0..n % 4).map(|tag| format!("t{tag}")).collect(),
        tags_list: (0..n % 3).map(|tag| format!("u{tag}")).collect(),
        nums_bare: (0..n % 5).map(|number| number as i64).collect(),
        times: (0..n % 2).map(times).collect(),
        prices: (0..n % 3).map(|price| Decimal::new(price as i64, 2)).collect(),
        ids: (0..n % 2).map(|id| Uuid::from_u128(id as u128)).collect(),
        points: (0..n % 4).map(point).collect(),
        point: n.is_multiple_of(2).then(|| point(n)),
        nested: (0..n % 3).map(|x| (x != 1).then(|| point(x))).collect(),
        by_name: (0..n % 2).map(|x| (x.to_string(), point(n))).collect(),
    }
}

fn root_columns(file: Bytes) -> BTreeMap<String, TypePtr> {
    let reader = SerializedFileReader::new(file).unwrap();
    let root = reader.metadata().file_metadata().schema_descr().root_schema().clone();
    root.get_fields().iter().map(|field| (field.name().to_owned(), field.clone())).collect()
}

#[test]
fn bare_lists_have_the_schema_of_untagged_go_slices() {
    let go = root_columns(data("parquet-go-snappy.parquet").into());
    let rows: Vec<Bare> = (0..40).map(bare).collect();
    let files = Files::<Bare>::new(Compression::Snappy).unwrap();
    let file = files.encode(&rows, DateTime::UNIX_EPOCH).unwrap();
    let ours = root_columns(file.clone());
    assert_eq!(ours["tags_bare"], go["tags_bare"]);
    // Go annotates integers of 64 bits, which is optional.
    let form = |column: &TypePtr| (column.get_basic_info().repetition(), column.get_physical_type());
    assert_eq!(form(&ours["nums_bare"]), form(&go["nums_bare"]));
    for column in ["times", "prices", "ids", "points"] {
        assert_eq!(ours[column].get_basic_info().repetition(), Repetition::REPEATED, "{column}");
    }
    assert_ne!(ours["tags_list"].get_basic_info().repetition(), Repetition::REPEATED);
    assert_eq!(files.decode(file).unwrap(), rows);
    // More rows than a batch, so that lists go over its end.
    let rows: Vec<Bare> = (0..20_000).map(bare).collect();
    assert_eq!(files.decode(files.encode(&rows, DateTime::UNIX_EPOCH).unwrap()).unwrap(), rows);
}

#[tokio::test]
async fn both_forms_of_lists_are_read_in_one_dataset() {
    let dataset = Server::start().await.dataset().await;
    let rows: Vec<Bare> = (0..10).map(bare).collect();
    dataset.store().write(&rows).await.unwrap();
    let listed = |row: &Bare| Listed {
        period: row.period.clone(),
        tags_bare: row.tags_bare.clone(),
        tags_list: row.tags_list.clone(),
        nums_bare: row.nums_bare.clone(),
    };
    let expected: Vec<Listed> = rows.iter().map(listed).collect();
    let store = dataset.store::<Listed>();
    assert_eq!(store.read_all().await.unwrap(), expected);
    store.write(&expected).await.unwrap();
    let both = [expected.clone(), expected].concat();
    assert_eq!(store.read_all().await.unwrap(), both);
}

/// `bare_list` on types that the macro does not know.
type Maybe = Option<Vec<i64>>;

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(period))]
struct Unfit {
    period: String,
    #[record(bare_list)]
    maybe: Maybe,
}

#[test]
fn a_bare_list_of_a_type_that_does_not_fit_is_refused() {
    let error = Files::<Unfit>::new(Compression::Snappy).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("maybe") && error.to_string().contains("bare_list"), "{error}");
}
