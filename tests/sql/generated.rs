//! Random datasets and random queries.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::Client;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use s3store::arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use s3store::arrow::datatypes::{Field, Schema};
use s3store::chrono::{DateTime, Utc};
use s3store::{Dataset, Record};

use super::costs::CONDITIONS;
use super::support::{Sessions, rows};
use crate::harness::at;

/// Returns a file with these rows (part, id, version, value) in their order, with or without the claim to be sorted.
pub fn file(rows: &[(String, i64, i64, i64)], marked: bool) -> Bytes {
    let parts: StringArray = rows.iter().map(|row| Some(row.0.as_str())).collect();
    let ids: Int64Array = rows.iter().map(|row| row.1).collect();
    let versions = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.2));
    let values: Int64Array = rows.iter().map(|row| row.3).collect();
    let versions = versions.with_timezone("UTC");
    encode(
        vec![
            ("part", Arc::new(parts)),
            ("id", Arc::new(ids)),
            ("version", Arc::new(versions)),
            ("value", Arc::new(values)),
        ],
        marked.then_some(3),
        7,
    )
}

/// Encodes columns with small row groups. `sorted_by` is the number of leading columns by which the file claims to be sorted.
fn encode(columns: Vec<(&str, ArrayRef)>, sorted_by: Option<i32>, group_rows: usize) -> Bytes {
    let field = |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), false);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, array)| array).collect()).unwrap();
    let sorting = sorted_by.map(|columns| {
        (0..columns).map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: false }).collect()
    });
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).set_sorting_columns(sorting).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day, client = customer))]
pub struct Cost {
    #[record(entity)]
    day: String,
    #[record(entity)]
    customer: String,
    #[record(entity)]
    sku: i32,
    #[record(version, timestamp = "us")]
    revised_at: DateTime<Utc>,
    net: Option<i64>,
}

/// How the rows of a write get into the bucket.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// As the library writes them.
    Written,
    /// In a file of another program: in the order of the rows, claiming to be sorted or not, with versions in milliseconds or
    /// narrow numbers.
    Foreign { marked: bool, millis: bool, narrow: bool },
}

#[derive(Debug, Clone)]
pub struct Write {
    rows: Vec<Cost>,
    form: Form,
}

pub fn write() -> impl Strategy<Value = Write> {
    let row = (0..4_u8, 0..3_usize, -2..4_i32, 0..5_i64, prop::option::of(-3..4_i64)).prop_map(
        |(day, customer, sku, version, net)| Cost {
            day: format!("2026-03-0{day}"),
            customer: ["abc", "x y", "ü"][customer].to_owned(),
            sku,
            revised_at: at(version * 1_000),
            net,
        },
    );
    let form = prop_oneof![
        2 => Just(Form::Written),
        3 => (any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(marked, millis, narrow)| Form::Foreign { marked, millis, narrow }),
    ];
    (prop::collection::vec(row, 1..40), form).prop_map(|(rows, form)| Write { rows, form })
}

/// Returns the rows of one partition as a file of another program. A missing number is -9, because the file has no nulls.
fn foreign(rows: &[Cost], marked: bool, millis: bool, narrow: bool) -> Bytes {
    let text =
        |of: fn(&Cost) -> &str| Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>()) as ArrayRef;
    let skus = rows.iter().map(|row| row.sku);
    let versions: ArrayRef = if millis {
        let versions = rows.iter().map(|row| row.revised_at.timestamp_millis());
        let versions = TimestampMillisecondArray::from_iter_values(versions);
        Arc::new(versions.with_timezone("UTC"))
    } else {
        let versions = rows.iter().map(|row| row.revised_at.timestamp_micros());
        let versions = TimestampMicrosecondArray::from_iter_values(versions);
        Arc::new(versions.with_timezone("UTC"))
    };
    let nets = rows.iter().map(|row| row.net.unwrap_or(-9));
    let nets: ArrayRef = match narrow {
        true => Arc::new(nets.map(|net| net as i32).collect::<Int32Array>()),
        false => Arc::new(nets.collect::<Int64Array>()),
    };
    encode(
        vec![
            ("day", text(|row| &row.day)),
            ("customer", text(|row| &row.customer)),
            ("sku", Arc::new(skus.collect::<Int32Array>())),
            ("revised_at", versions),
            ("net", nets),
        ],
        marked.then_some(4),
        5,
    )
}

/// Commits the rows. The client replaces files by those of another program.
pub async fn commit(client: &Client, dataset: &Dataset, write: &Write) {
    for commit in dataset.store::<Cost>().write(&write.rows).await.unwrap() {
        if let Form::Foreign { marked, millis, narrow } = write.form {
            let of_partition = |row: &&Cost| commit.partition == format!("day={}/client={}", row.day, row.customer);
            let rows: Vec<_> = write.rows.iter().filter(of_partition).cloned().collect();
            let put = client.put_object().bucket(dataset.bucket()).key(&commit.data_path);
            put.body(foreign(&rows, marked, millis, narrow).into()).send().await.unwrap();
        }
    }
}

type Key = (String, String, i32, DateTime<Utc>);

/// Returns every version, and of equal ones the last, as the writes bring them.
fn history(writes: &[Write]) -> BTreeMap<Key, Option<i64>> {
    let mut rows = BTreeMap::new();
    for Write { rows: written, form } in writes {
        for row in written {
            let net = if let Form::Foreign { .. } = form { Some(row.net.unwrap_or(-9)) } else { row.net };
            rows.insert((row.day.clone(), row.customer.clone(), row.sku, row.revised_at), net);
        }
    }
    rows
}

/// Conditions that fit the record, beside those of the other tests.
fn condition() -> impl Strategy<Value = String> {
    let usable = |condition: &&&str| {
        [
            "revised_at",
            "gross",
            "status",
            "id =",
            "note",
            "blob",
            "count",
            "address",
            "tags",
            "gone",
            "small",
            "NaN",
            "DATE",
        ]
        .iter()
        .all(|column| !condition.contains(column))
    };
    let fixed: Vec<String> = CONDITIONS.iter().filter(usable).map(|condition| (*condition).to_owned()).collect();
    let leaf = prop_oneof![
        2 => prop::sample::select(fixed),
        1 => (0..6).prop_map(|sku| format!("sku = {}", sku - 2)),
        1 => (0..5).prop_map(|day| format!("day < '2026-03-0{day}'")),
        1 => (-4..5).prop_map(|net| format!("net >= {net}")),
        1 => (0..6).prop_map(|version| format!("revised_at <= to_timestamp_millis({version})")),
        1 => Just("net IS NULL".to_owned()),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} AND {other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} OR {other})")),
            inner.prop_map(|inner| format!("NOT ({inner})")),
        ]
    })
}

pub fn query() -> impl Strategy<Value = String> {
    let table = || prop::sample::select(vec!["t", "t_latest"]);
    let columns = prop::sample::select(vec![
        "*",
        "sku, client",
        "count(*)",
        "net",
        "day, client, sku, revised_at, net",
        "max(net), min(revised_at), count(DISTINCT client)",
    ]);
    let order = "ORDER BY day, client, sku, revised_at, net";
    prop_oneof![
        4 => (columns, table(), condition()).prop_map(|(columns, table, condition)| {
            format!("SELECT {columns} FROM {table} WHERE {condition}")
        }),
        1 => (table(), condition()).prop_map(|(table, condition)| {
            format!("SELECT day, client, sum(net), count(*) FROM {table} WHERE {condition} GROUP BY day, client")
        }),
        2 => (table(), condition(), 1..9).prop_map(move |(table, condition, limit)| {
            format!("SELECT * FROM {table} WHERE {condition} {order} LIMIT {limit}")
        }),
        1 => (table(), condition(), 1..9).prop_map(move |(table, condition, limit)| {
            format!("SELECT * FROM {table} WHERE {condition} ORDER BY sku DESC, day, client, revised_at, net LIMIT {limit}")
        }),
        2 => (table(), table(), condition()).prop_map(|(one, other, condition)| {
            format!(
                "SELECT a.net, b.net, b.day FROM {one} a JOIN (SELECT * FROM {other} WHERE {condition}) b \
                 ON a.day = b.day AND a.sku = b.sku AND a.client = b.customer"
            )
        }),
        1 => (table(), condition()).prop_map(|(table, condition)| {
            format!("SELECT sku FROM t_latest WHERE net IN (SELECT net FROM {table} WHERE {condition})")
        }),
    ]
}

/// Checks that both tables have the rows that the writes bring.
pub async fn check_model(sessions: &Sessions, writes: &[Write]) {
    let model = history(writes);
    let shown = |(day, customer, sku, version): &Key, net: &Option<i64>| {
        let net = net.map_or_else(|| "null".to_owned(), |net| net.to_string());
        format!("{day}|{customer}|{sku}|{}|{net}", version.timestamp_micros())
    };
    let select = |table: &str| {
        format!(
            "SELECT day, client, sku, arrow_cast(revised_at, 'Timestamp(Microsecond, None)')::bigint, net FROM {table} \
                 ORDER BY 1, 2, 3, 4"
        )
    };
    let expected: Vec<_> = model.iter().map(|(key, net)| shown(key, net)).collect();
    assert_eq!(rows(&sessions.ours, &select("t")).await.unwrap(), expected);
    let mut latest = BTreeMap::new();
    for (key, net) in &model {
        latest.insert((&key.0, &key.1, key.2), shown(key, net));
    }
    let expected: Vec<_> = latest.into_values().collect();
    assert_eq!(rows(&sessions.ours, &select("t_latest")).await.unwrap(), expected);
}
