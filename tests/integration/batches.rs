//! The Arrow batches of a read have one schema, whichever programs wrote the files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, DictionaryArray, Int8Array, Int32Array, LargeStringArray, RecordBatch, StringArray,
    TimestampMillisecondArray, TimestampSecondArray,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{
    DataType, Field, Int8Type, Schema, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use s3store::chrono::{DateTime, NaiveTime, Utc};
use s3store::read::BatchStream;
use s3store::rust_decimal::Decimal;
use s3store::uuid::Uuid;
use s3store::{ColumnType, Dataset, ErrorKind, Offset, Record, RootRecord, Store};

use crate::integration::harness::{BUCKET, Virtual, at, sleep};

#[derive(Debug, Clone, Default, PartialEq, Eq, ColumnType)]
struct Address {
    street: String,
    zip: Option<i64>,
}

/// Some columns of the files of parquet-go, wider or with finer times, in another order. Files of other writers lack some.
#[derive(Debug, Clone, Default, PartialEq, Record)]
#[record(partition_by(period))]
pub(super) struct Row {
    #[record(default)]
    addr: Address,
    #[record(timestamp = "ns")]
    ts_us: DateTime<Utc>,
    #[record(timestamp = "us")]
    ts_ms: DateTime<Utc>,
    #[record(timestamp = "ns")]
    ts_ns: DateTime<Utc>,
    period: String,
    i8: i64,
    #[record(default)]
    u8: u32,
    #[record(default)]
    f32: f64,
    note: Option<String>,
    #[record(default)]
    bytes: Vec<u8>,
    #[record(default)]
    fixed: Vec<u8>,
    #[record(default)]
    id: Uuid,
    #[record(decimal(28, 9), default)]
    amount: Decimal,
    #[record(default)]
    tags_bare: Vec<String>,
    #[record(default)]
    tags_list: Vec<String>,
    #[record(default)]
    nums_bare: Vec<i64>,
    #[record(default)]
    attrs: BTreeMap<String, String>,
    #[record(default)]
    pub(super) dict_col: String,
    #[record(default)]
    enum_str: String,
    added: Option<DateTime<Utc>>,
    #[record(default)]
    added_list: Vec<Option<Address>>,
}

/// The same record before its columns were widened, with a finer and coarser times.
mod before {
    use super::{BTreeMap, DateTime, Decimal, Record, Utc};

    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(period))]
    pub(super) struct Row {
        pub(super) period: String,
        pub(super) i8: i16,
        pub(super) f32: f32,
        #[record(timestamp = "ms")]
        pub(super) ts_us: DateTime<Utc>,
        #[record(timestamp = "ns")]
        pub(super) ts_ms: DateTime<Utc>,
        #[record(timestamp = "ms")]
        pub(super) ts_ns: Option<DateTime<Utc>>,
        #[record(decimal(9, 2))]
        pub(super) amount: Decimal,
        pub(super) attrs: BTreeMap<String, String>,
    }
}

fn noon() -> DateTime<Utc> {
    at(1_773_748_800_123_000)
}

fn go_file(codec: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/go-files/parquet-go-{codec}.parquet"));
    std::fs::read(path).unwrap().into()
}

/// Writes a file with an embedded Arrow schema, as pyarrow does.
fn arrow_file(columns: Vec<(&str, ArrayRef)>) -> Bytes {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, array)| {
            let metadata = [("PARQUET:field_id".to_owned(), "7".to_owned()), ("note".to_owned(), "x".to_owned())];
            Field::new(*name, array.data_type().clone(), array.null_count() > 0).with_metadata(metadata.into())
        })
        .collect();
    let schema = Schema::new_with_metadata(fields, [("writer".to_owned(), "a test".to_owned())].into());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(schema), arrays).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

/// A file with the types that pyarrow and pandas write: dictionaries, large text, other zones, seconds.
fn pyarrow_like() -> Bytes {
    let dictionary: DictionaryArray<Int8Type> = ["red", "blue", "red"].into_iter().collect();
    let large = || Arc::new(LargeStringArray::from(vec!["a", "ä", "longer than a view's inline bytes"]));
    arrow_file(vec![
        ("dict_col", Arc::new(dictionary)),
        ("enum_str", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
        ("period", large()),
        ("note", large()),
        ("i8", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        ("u8", Arc::new(arrow::array::UInt8Array::from(vec![1, 2, 255]))),
        ("ts_us", Arc::new(TimestampSecondArray::from(vec![1, 2, 3]).with_timezone("Europe/Berlin"))),
        ("ts_ms", Arc::new(TimestampMillisecondArray::from(vec![1, 2, 3]).with_timezone("+02:00"))),
        ("ts_ns", Arc::new(TimestampMillisecondArray::from(vec![1, 2, 3]).with_timezone("UTC"))),
        ("extra", Arc::new(Int8Array::from(vec![1, 2, 3]))),
    ])
}

/// Writes records and replaces their file by another program's.
async fn write_as<T: RootRecord + Clone>(world: &Virtual, store: &Store<T>, record: T, rows: usize, file: Bytes) {
    let commits = store.write(&vec![record; rows]).await.unwrap();
    world.s3.put_object(BUCKET, &commits[0].data_path, file);
}

/// Collects the batches of a read, and checks that all have the schema that the stream gave before the first.
async fn batches_of(mut batches: BatchStream) -> s3store::Result<RecordBatch> {
    let schema = batches.schema();
    let mut all = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        assert_eq!(batch.schema(), schema);
        batch.columns().iter().for_each(|column| column.to_data().validate_full().unwrap());
        all.push(batch);
    }
    assert_eq!(batches.schema(), schema);
    Ok(concat_batches(&schema, &all).unwrap())
}

pub(super) async fn mixed(world: &Virtual, periods: [&str; 7]) -> Dataset {
    let dataset = world.dataset().await;
    let row =
        |period: &str| Row { period: period.to_owned(), ts_us: noon(), ts_ms: noon(), ts_ns: noon(), ..Row::default() };
    let store = dataset.store::<Row>();
    store.write(&[row(periods[0])]).await.unwrap();
    for (codec, period) in ["snappy", "gzip", "zstd", "uncompressed"].into_iter().zip(&periods[1..]) {
        write_as(world, &store, row(period), 3, go_file(codec)).await;
    }
    write_as(world, &store, row(periods[5]), 3, pyarrow_like()).await;
    let old = before::Row {
        period: periods[6].to_owned(),
        i8: 7,
        f32: 0.5,
        ts_us: noon(),
        ts_ms: noon(),
        ts_ns: Some(noon()),
        amount: Decimal::new(1_234, 2),
        attrs: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
    };
    dataset.store::<before::Row>().write(&[old]).await.unwrap();
    dataset
}

#[tokio::test(start_paused = true)]
async fn files_of_all_writers_give_batches_of_one_schema() {
    let (one, several) = (["p"; 7], ["a", "b", "c", "d", "e", "f", "g"]);
    for periods in [one, several] {
        let world = Virtual::new();
        let dataset = mixed(&world, periods).await;
        let store = dataset.store::<Row>();
        let rows = store.read_all().await.unwrap();
        assert_eq!(rows.len(), 1 + 4 * 3 + 3 + 1);
        let batch = batches_of(store.read_all().batches()).await.unwrap();
        assert_eq!(batch.num_rows(), rows.len());
        let micros = batch.column(2).as_primitive::<TimestampMicrosecondType>();
        let nanos = batch.column(1).as_primitive::<TimestampNanosecondType>();
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(micros.value(index), row.ts_ms.timestamp_micros());
            assert_eq!(Some(nanos.value(index)), row.ts_us.timestamp_nanos_opt());
            assert_eq!(batch.column(17).as_string_view().value(index), row.dict_col);
        }
        // The other reads that have batches.
        let settled = world.settled().await;
        let store = settled.store::<Row>();
        let range = batches_of(store.read_range(..).batches()).await.unwrap();
        assert_eq!((range.num_rows(), range.schema()), (rows.len(), batch.schema()));
        let page = store.poll(&Offset::START).await.unwrap();
        let entries = batches_of(store.read_entries(&page.entries).batches()).await.unwrap();
        assert_eq!((entries.num_rows(), entries.schema()), (rows.len(), batch.schema()));
        let history = batches_of(store.read_all().history().batches()).await.unwrap();
        assert_eq!((history.num_rows(), history.schema()), (rows.len(), batch.schema()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_schema_is_known_without_a_batch_and_is_the_records_own() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Row>();
    let empty = batches_of(store.read_all().batches()).await.unwrap();
    assert_eq!(empty.num_rows(), 0);
    let schema = empty.schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let expected: Vec<_> = Row::description().columns.iter().map(|column| column.name.as_ref()).collect();
    assert_eq!(names, expected);
    assert!(schema.metadata().is_empty());
    let instant = |unit| DataType::Timestamp(unit, Some("UTC".into()));
    assert_eq!(*schema.field(1).data_type(), instant(TimeUnit::Nanosecond));
    assert_eq!(*schema.field(2).data_type(), instant(TimeUnit::Microsecond));
    assert_eq!(schema.fields().iter().filter(|field| field.is_nullable()).count(), 2, "{schema}");
}

/// A record whose times are in milliseconds, on every level.
#[derive(Debug, Clone, Default, PartialEq, Record)]
#[record(partition_by(p))]
struct Millis {
    p: String,
    #[record(timestamp = "ms")]
    at: Option<DateTime<Utc>>,
    #[record(timestamp = "ms")]
    list: Vec<DateTime<Utc>>,
    #[record(timestamp = "ms")]
    of_day: NaiveTime,
}

mod nanos {
    use super::{DateTime, NaiveTime, Record, Utc};

    #[derive(Debug, Clone, Default, PartialEq, Record)]
    #[record(partition_by(p))]
    pub(super) struct Millis {
        pub(super) p: String,
        #[record(timestamp = "ns")]
        pub(super) at: Option<DateTime<Utc>>,
        #[record(timestamp = "ns")]
        pub(super) list: Vec<DateTime<Utc>>,
        #[record(timestamp = "us")]
        pub(super) of_day: NaiveTime,
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_that_is_not_exact_in_the_columns_unit_is_an_error_that_says_where() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let fits = nanos::Millis { p: "x".into(), at: Some(noon()), list: vec![noon(); 3], of_day: noon().time() };
    let store = dataset.store::<Millis>();
    dataset.store::<nanos::Millis>().write(&[fits.clone(), fits.clone()]).await.unwrap();
    // A later file has a greater name.
    sleep(std::time::Duration::from_secs(1)).await;
    store.write(&[Millis { p: "x".into(), ..Millis::default() }]).await.unwrap();
    let batch = batches_of(store.read_all().batches()).await.unwrap();
    let times = batch.column(1).as_primitive::<TimestampMillisecondType>();
    assert_eq!(times.iter().collect::<Vec<_>>()[..2], [Some(noon().timestamp_millis()); 2]);
    assert_eq!(batch.column(3).data_type(), &DataType::Time32(TimeUnit::Millisecond));
    let list = batch.column(2).as_list::<i32>();
    assert_eq!(list.value(0).as_primitive::<TimestampMillisecondType>().value(2), noon().timestamp_millis());

    let finer = noon() + s3store::chrono::TimeDelta::microseconds(1);
    for (column, row) in [
        ("at", nanos::Millis { at: Some(finer), ..fits.clone() }),
        ("list", nanos::Millis { list: vec![noon(), finer], ..fits.clone() }),
        ("of_day", nanos::Millis { of_day: finer.time(), ..fits.clone() }),
    ] {
        let world = Virtual::new();
        let dataset = world.dataset().await;
        let (store, row) = (dataset.store::<Millis>(), nanos::Millis { p: "y".into(), ..row });
        let fits = nanos::Millis { p: "y".into(), ..fits.clone() };
        let commits = dataset.store::<nanos::Millis>().write(&[fits, row]).await.unwrap();
        store.write(&[Millis { p: "y".into(), ..Millis::default() }]).await.unwrap();
        let error = batches_of(store.read_all().batches()).await.unwrap_err();
        let message = error.to_string();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        for part in [&commits[0].data_path, "row 1", &format!("column {column}"), "timestamp = "] {
            assert!(message.contains(part), "{message}");
        }
        // Records have the whole time.
        assert_eq!(store.read_all().await.unwrap().len(), 3);
    }
}

/// A record that is deduplicated by times.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(p))]
struct Keyed {
    #[record(entity)]
    p: String,
    #[record(entity, timestamp = "ms")]
    at: DateTime<Utc>,
    #[record(version, timestamp = "us")]
    rev: DateTime<Utc>,
    count: i64,
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(projection_of = Keyed)]
struct Count {
    count: i64,
}

mod finer {
    use super::{DateTime, Record, Utc};

    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(p))]
    pub(super) struct Keyed {
        #[record(entity)]
        pub(super) p: String,
        #[record(entity, timestamp = "ns")]
        pub(super) at: DateTime<Utc>,
        #[record(version, timestamp = "ns")]
        pub(super) rev: DateTime<Utc>,
        pub(super) count: i32,
    }
}

#[tokio::test(start_paused = true)]
async fn key_columns_have_one_unit_too_and_a_projection_does_not_check_those_that_it_leaves_out() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let nano = s3store::chrono::TimeDelta::nanoseconds(1);
    let old = |count, rev| finer::Keyed { p: "x".into(), at: noon(), rev, count };
    dataset.store::<finer::Keyed>().write(&[old(1, noon())]).await.unwrap();
    let new = Keyed { p: "x".into(), at: noon() + s3store::chrono::TimeDelta::milliseconds(1), rev: noon(), count: 2 };
    dataset.store::<Keyed>().write(&[new]).await.unwrap();
    let batch = batches_of(dataset.store::<Keyed>().read_all().batches()).await.unwrap();
    assert_eq!(batch.num_rows(), 2);
    // A version that is finer than the column's unit counts when records are compared.
    dataset.store::<finer::Keyed>().write(&[old(3, noon() + nano), old(4, noon())]).await.unwrap();
    let counts = batches_of(dataset.store::<Count>().read_all().batches()).await.unwrap();
    let counts = cast(counts.column(0), &DataType::Utf8).unwrap();
    assert_eq!(counts.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["3", "2"]);
    let error = batches_of(dataset.store::<Keyed>().read_all().batches()).await.unwrap_err();
    assert!(error.to_string().contains("column rev"), "{error}");
}
