//! The streaming writer takes Arrow batches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, DictionaryArray, Int32Array, Int64Array, LargeListArray, RecordBatch,
    StringArray, StructArray, TimestampMicrosecondArray, UInt32Array, UnionArray,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::{CastOptions, cast_with_options, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit, UnionFields};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use proptest::prelude::*;
use s3store::rust_decimal::Decimal;
use s3store::testing::{Fault, Operation};
use s3store::write::Writer;
use s3store::{ColumnType, Commit, ErrorKind, Record, RootRecord, Store, WriteError};
use uuid::Uuid;

use crate::integration::harness::{BUCKET, Server, Virtual, at, draws, put, sleep};
use crate::integration::records::{Event, Parts, Wide};

#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
#[column(rename_all = "lowercase")]
enum Channel {
    Web,
    Shop,
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
#[column(repr = "i16")]
enum State {
    Open = -1,
    Closed = 2,
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Inner {
    zip: Option<i64>,
    #[column(timestamp = "ms")]
    at: NaiveDateTime,
    codes: Vec<Option<String>>,
}

/// A record with columns of every kind.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part, day = format(at, "%Y-%m-%d")))]
struct Reading {
    #[record(entity)]
    part: String,
    #[record(entity, timestamp = "ms", truncate)]
    at: DateTime<Utc>,
    #[record(version)]
    version: i64,
    naive: NaiveDateTime,
    time: NaiveTime,
    date: NaiveDate,
    #[record(timestamp = "ns")]
    nanos: Option<DateTime<Utc>>,
    #[record(decimal(18, 6))]
    price: Decimal,
    channel: Channel,
    state: Option<State>,
    id: Uuid,
    small: i16,
    count: u32,
    ratio: f32,
    flag: bool,
    bytes: Vec<u8>,
    #[record(alias = "remark")]
    note: Option<String>,
    tags: Vec<String>,
    numbers: Option<Vec<Option<i64>>>,
    attrs: BTreeMap<String, Option<i64>>,
    inner: Inner,
    inners: Vec<Option<Inner>>,
    #[record(inserted_at)]
    inserted_at: Option<DateTime<Utc>>,
}

impl Reading {
    fn random(seed: u64, rows: usize) -> Vec<Self> {
        let mut draw = draws(seed);
        let row = |_| {
            let mut some = |most: u64| draw(most);
            let base = 1_773_748_800_000_000_000 + some(3) * 86_400_000_000_000;
            let instant = DateTime::from_timestamp_nanos(base + some(1 << 31));
            let text = |n: i64| if n % 3 == 0 { format!("text {n}") } else { format!("a longer text, number {n}") };
            let mut inner = || Inner {
                zip: (some(2) > 0).then(|| some(100_000)),
                at: instant.naive_utc(),
                codes: (0..some(3)).map(|_| (some(3) > 0).then(|| text(some(9)))).collect(),
            };
            let (one, many) = (inner(), vec![Some(inner()), None, Some(inner())]);
            Self {
                part: format!("p{}", some(3)),
                at: instant,
                version: some(4),
                naive: instant.naive_utc(),
                time: instant.time(),
                date: instant.date_naive(),
                nanos: (some(2) > 0).then_some(instant),
                price: Decimal::new(some(1 << 30) - (1 << 29), 4),
                channel: if some(2) > 0 { Channel::Web } else { Channel::Shop },
                state: [None, Some(State::Open), Some(State::Closed)][some(3) as usize],
                id: Uuid::from_u128(some(1 << 31) as u128),
                small: some(1 << 16).wrapping_sub(1 << 15) as i16,
                count: some(1 << 17) as u32,
                ratio: some(1_000) as f32 / 8.0,
                flag: some(2) > 0,
                bytes: (0..some(20)).map(|_| some(256) as u8).collect(),
                note: (some(2) > 0).then(|| text(some(50))),
                tags: (0..some(4)).map(|_| text(some(5))).collect(),
                numbers: (some(3) > 0).then(|| (0..some(3)).map(|n| (n > 0).then(|| some(9))).collect()),
                attrs: (0..some(3)).map(|n| (format!("key {n}"), (some(2) > 0).then(|| some(9)))).collect(),
                inner: one,
                inners: many[..some(4) as usize].to_vec(),
                inserted_at: None,
            }
        };
        (0..rows).map(row).collect()
    }
}

/// Returns the same values in another type that a file may have, or the array itself.
fn in_another_type(array: &ArrayRef, draw: &mut impl FnMut(u64) -> i64) -> ArrayRef {
    use DataType::{
        Binary, BinaryView, Date32, Date64, Decimal128, Decimal256, Dictionary, Int16, Int32, Int64, LargeBinary,
        LargeList, LargeListView, LargeUtf8, List, ListView, RunEndEncoded, Time64, Timestamp, UInt16, UInt32, Utf8,
        Utf8View,
    };
    use TimeUnit::{Microsecond, Nanosecond};
    let types = match array.data_type() {
        Utf8View => {
            let (ends, values) = (Field::new("run_ends", Int32, false), Field::new("values", Utf8, true));
            let runs = RunEndEncoded(Arc::new(ends), Arc::new(values));
            vec![Utf8, LargeUtf8, Dictionary(Box::new(Int32), Box::new(Utf8)), runs]
        }
        BinaryView => vec![Binary, LargeBinary],
        Timestamp(unit, zone) => {
            let other = zone.as_ref().map(|_| "Europe/Berlin".into());
            vec![Timestamp(*unit.max(&Microsecond), zone.clone()), Timestamp(Nanosecond, other)]
        }
        Time64(_) => vec![Time64(Nanosecond)],
        Date32 => vec![Date64],
        Decimal128(..) => vec![Decimal128(20, 8), Decimal256(20, 6), Decimal256(50, 7)],
        Int64 => vec![Int32, Dictionary(Box::new(Int16), Box::new(Int64))],
        UInt32 => vec![UInt16],
        List(field) => {
            let text = Arc::new(field.as_ref().clone().with_data_type(LargeUtf8));
            let other = if *field.data_type() == Utf8View { List(text) } else { LargeListView(Arc::clone(field)) };
            vec![LargeList(Arc::clone(field)), ListView(Arc::clone(field)), other]
        }
        _ => vec![],
    };
    let Some(wanted) = types.get(draw(types.len() as u64 + 1) as usize) else { return Arc::clone(array) };
    // Some values do not fit.
    cast_with_options(array, wanted, &CastOptions { safe: false, ..CastOptions::default() })
        .unwrap_or_else(|_| Arc::clone(array))
}

/// Returns the same batch with columns in another order, in other types, and without the insertion time.
fn in_another_form(batch: &RecordBatch, seed: u64) -> RecordBatch {
    let mut draw = draws(seed);
    let names = batch.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let mut columns: Vec<(String, ArrayRef)> = names
        .into_iter()
        .zip(batch.columns())
        .filter(|(name, _)| name != "inserted_at" || seed.is_multiple_of(2))
        .map(|(name, array)| {
            let name = if name == "note" && seed.is_multiple_of(3) { "remark".to_owned() } else { name };
            (name, in_another_type(array, &mut draw))
        })
        .collect();
    for index in (1..columns.len()).rev() {
        columns.swap(index, draw(index as u64 + 1) as usize);
    }
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Returns all records, and the same as a batch, in a random order.
async fn rows_and_batch<T: RootRecord + Clone>(store: &Store<T>, seed: u64) -> (Vec<T>, RecordBatch) {
    let rows: Vec<T> = store.read_all().history().await.unwrap();
    let stream = store.read_all().history().batches();
    let schema = stream.schema();
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    let mut draw = draws(seed ^ 0x5eed);
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    for index in (1..order.len()).rev() {
        order.swap(index, draw(index as u64 + 1) as usize);
    }
    let batch = concat_batches(&schema, &batches).unwrap();
    let batch = take_record_batch(&batch, &UInt32Array::from(order.clone())).unwrap();
    (order.iter().map(|&row| rows[row as usize].clone()).collect(), batch)
}

fn bodies(world: &Virtual) -> BTreeMap<String, Vec<Bytes>> {
    let mut bodies = BTreeMap::<_, Vec<_>>::new();
    for key in world.keys_with(".parquet") {
        let partition = key.rsplit_once('/').unwrap().0.to_owned();
        bodies.entry(partition).or_default().push(world.s3.object(BUCKET, &key).unwrap().body);
    }
    bodies
}

/// Divides a number of rows at random places.
fn pieces(rows: usize, most: u64, seed: u64) -> Vec<(usize, usize)> {
    let (mut draw, mut start, mut pieces) = (draws(seed), 0, Vec::new());
    while start < rows {
        let length = (draw(most) as usize).min(rows - start);
        pieces.push((start, length));
        start += length;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_batch_makes_the_files_of_its_records(
        (seed, rows, most, mixed) in (any::<u64>(), 0_usize..1_500, 2_u64..2_000, any::<bool>())
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (source, one, other) = (Virtual::new(), Virtual::new(), Virtual::new());
            let source = source.dataset().await.store::<Reading>();
            source.write(&Reading::random(seed, rows)).await.unwrap();
            let (records, batch) = rows_and_batch(&source, seed).await;
            // Without copies of the same version.
            let rows = records.len();
            let store = one.dataset().await.store::<Reading>();
            let mut writer = store.writer().inserted_at(at(7)).start().unwrap();
            let mut forms = [in_another_form(&batch, seed), batch];
            for (number, (start, length)) in pieces(rows, most, seed).into_iter().enumerate() {
                if mixed && number % 3 == 2 {
                    writer.write_all(records[start..start + length].to_vec()).await.unwrap();
                } else {
                    writer.write_batch(&forms[0].slice(start, length)).await.unwrap();
                }
                forms.rotate_left(1);
            }
            prop_assert_eq!(writer.uncommitted(), rows as u64);
            let commits = writer.flush().await.unwrap();
            prop_assert_eq!(commits.iter().map(|commit| commit.record_count).sum::<u64>(), rows as u64);
            let plain = other.dataset().await.store::<Reading>();
            plain.write(&records).inserted_at(at(7)).await.unwrap();
            prop_assert_eq!(store.read_all().history().await.unwrap(), plain.read_all().history().await.unwrap());
            prop_assert!(bodies(&one) == bodies(&other), "other bytes");
            Ok(())
        })?;
    }
}

/// Returns a batch of events.
fn events(parts: &[Option<&str>], first: i64) -> RecordBatch {
    let ids: Int64Array = (first..).take(parts.len()).collect();
    let columns: [(_, ArrayRef); 2] = [("id", Arc::new(ids)), ("part", Arc::new(StringArray::from(parts.to_vec())))];
    RecordBatch::try_from_iter(columns).unwrap()
}

async fn ids(store: &Store<Event>) -> Vec<i64> {
    store.read_all().await.unwrap().into_iter().map(|event| event.id).collect()
}

#[tokio::test(start_paused = true)]
async fn records_and_batches_keep_their_order() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>().add_view::<Parts>().unwrap();
    let mut writer = store.writer().start().unwrap();
    let mut next = 0;
    for length in [3, 0, 1, 500, 70, 64, 2] {
        writer.write(Event::new("a", next)).await.unwrap();
        writer.write_batch(&events(&vec![Some("a"); length], next + 1)).await.unwrap();
        next += 1 + length as i64;
    }
    writer.write(Event::new("b", next)).await.unwrap();
    writer.flush().await.unwrap();
    assert_eq!(ids(&store).await, (0..=next).collect::<Vec<_>>());
    let view = store.dataset().view::<Parts>();
    assert_eq!(view.lookup("part=*").await.unwrap().len(), 2);
}

/// Writes a batch that does not fit, and returns the error's message.
async fn refused<T: RootRecord>(store: &Store<T>, columns: Vec<(&str, ArrayRef)>) -> String {
    let mut writer = store.writer().start().unwrap();
    let error = writer.write_batch(&RecordBatch::try_from_iter(columns).unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), writer.uncommitted()), (ErrorKind::InvalidInput, 0), "{error}");
    assert_eq!(writer.flush().await.unwrap().len(), 0);
    error.to_string()
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Place {
    town: String,
    zip: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Visit {
    part: String,
    id: i64,
    #[record(default = 7)]
    weight: i32,
    note: Option<String>,
    #[record(default = Place { town: "?".to_owned(), zip: None })]
    place: Place,
    #[record(default)]
    stops: Vec<Place>,
}

#[tokio::test(start_paused = true)]
async fn unknown_missing_and_unreadable_columns_are_refused_by_name() {
    let store = Virtual::new().dataset().await.store::<Visit>();
    let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
    let number = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let place = |fields: &[&str]| -> ArrayRef {
        let fields = fields.iter().map(|name| (Arc::new(Field::new(*name, DataType::Utf8, true)), text("x")));
        Arc::new(StructArray::from(fields.collect::<Vec<_>>()))
    };
    let list = |array: ArrayRef| -> ArrayRef {
        let field = Arc::new(Field::new("item", array.data_type().clone(), true));
        let offsets = OffsetBuffer::from_lengths([1]);
        Arc::new(LargeListArray::try_new(field, offsets, array, None).unwrap())
    };
    let message = refused(&store, vec![("part", text("a")), ("ID", number()), ("id", number()), ("extra", number())]);
    let message = message.await;
    assert!(message.contains(r#"the record lacks the columns "ID", "extra""#), "{message}");
    let message = refused(&store, vec![("part", text("a")), ("id", number()), ("place", place(&["town", "street"]))]);
    assert!(message.await.contains(r#"lacks the columns "place.street""#));
    let stops = list(place(&["town", "planet"]));
    let message = refused(&store, vec![("part", text("a")), ("id", number()), ("stops", stops)]).await;
    assert!(message.contains(r#"lacks the columns "stops.element.planet""#), "{message}");

    let message = refused(&store, vec![("part", text("a"))]).await;
    assert!(message.contains("column id: missing"), "{message}");
    let message = refused(&store, vec![("id", number())]).await;
    assert!(message.contains("column part: missing") && message.contains("part of the partition"), "{message}");
    let message = refused(&store, vec![("part", text("a")), ("id", text("1"))]).await;
    assert!(message.contains("column id: the file has Utf8, but the record wants Int64"), "{message}");
    let message = refused(&store, vec![("part", text("a")), ("id", number()), ("weight", number())]).await;
    assert!(message.contains("column weight"), "{message}");
    let fields = UnionFields::from_fields([Field::new("a", DataType::Int32, false)]);
    let values = vec![Arc::new(Int32Array::from(vec![1])) as ArrayRef];
    let union = UnionArray::try_new(fields, ScalarBuffer::from(vec![0_i8]), None, values).unwrap();
    let message = refused(&store, vec![("part", text("a")), ("id", Arc::new(union))]).await;
    assert!(message.contains("column id: files can't contain Union"), "{message}");

    // A batch may lack the columns that a file may lack.
    let mut writer = store.writer().start().unwrap();
    let batch = RecordBatch::try_from_iter([("id", number()), ("part", text("a")), ("stops", list(place(&["town"])))]);
    writer.write_batch(&batch.unwrap()).await.unwrap();
    writer.flush().await.unwrap();
    let x = Place { town: "x".to_owned(), zip: None };
    let unknown = Place { town: "?".to_owned(), zip: None };
    let visit = Visit { part: "a".to_owned(), id: 1, weight: 7, note: None, place: unknown, stops: vec![x] };
    assert_eq!(store.read_all().await.unwrap(), [visit]);
}

/// A record that refuses many values.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Strict {
    part: String,
    id: i64,
    #[record(decimal(4, 2))]
    price: Decimal,
    #[record(timestamp = "ms", exact)]
    at: DateTime<Utc>,
}

/// Flushes until nothing is left. Returns the number of records that were committed.
async fn flush_all<T: RootRecord>(writer: &mut Writer<T>, errors: &mut Vec<WriteError>) -> u64 {
    let mut commits = Vec::new();
    while writer.uncommitted() > 0 {
        match writer.flush().await {
            Ok(more) => commits.extend(more),
            Err(error) => errors.push(error),
        }
    }
    commits.iter().map(|commit| commit.record_count).sum()
}

#[tokio::test(start_paused = true)]
async fn a_row_that_does_not_fit_is_named_and_left_out() {
    let rows = 1_000;
    // Null, empty, too large, or not exact.
    let bad: [(usize, &str); 9] = [
        (0, "null"),
        (1, "partition"),
        (63, "price"),
        (64, "at"),
        (65, "null"),
        (400, "at"),
        (401, "partition"),
        (402, "price"),
        (999, "null"),
    ];
    let is_bad = |row: usize, reason: &str| bad.contains(&(row, reason));
    let part = |row| match row {
        row if is_bad(row, "null") => None,
        row if is_bad(row, "partition") => Some(""),
        row => Some(if row % 2 == 0 { "a" } else { "b" }),
    };
    let price = |row| if is_bad(row, "price") { 1_000_000 } else { row as i128 };
    let time = |row| if is_bad(row, "at") { 1_001 } else { 1_000 * row as i64 };
    let prices = Decimal128Array::from_iter_values((0..rows).map(price)).with_precision_and_scale(10, 2).unwrap();
    let times = TimestampMicrosecondArray::from_iter_values((0..rows).map(time)).with_timezone("UTC");
    let columns: [(_, ArrayRef); 4] = [
        ("part", Arc::new((0..rows).map(part).collect::<StringArray>())),
        ("id", Arc::new(Int64Array::from_iter_values(0..rows as i64))),
        ("price", Arc::new(prices)),
        ("at", Arc::new(times)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    for most in [2, 100, 5_000] {
        let store = Virtual::new().dataset().await.store::<Strict>();
        let (mut writer, mut errors) = (store.writer().start().unwrap(), Vec::new());
        for (start, length) in pieces(rows, most, 3) {
            if let Err(error) = writer.write_batch(&batch.slice(start, length)).await {
                errors.push(error);
            }
        }
        let committed = flush_all(&mut writer, &mut errors).await;
        assert_eq!((committed, errors.len()), (991, bad.len()), "{most}: {errors:?}");
        for (error, (row, reason)) in errors.iter().zip(bad) {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let message = error.to_string();
            assert!(message.contains(&format!("row {row}")) && message.contains(reason), "{reason}: {message}");
        }
        let mut ids: Vec<_> = store.read_all().await.unwrap().into_iter().map(|row| row.id as usize).collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq((0..rows).filter(|row| bad.iter().all(|(bad, _)| bad != row))));
    }
}

/// Runs a writer over the records, as batches of this many rows.
async fn run(store: &Store<Event>, token: &str, records: &[Event], rows: usize) -> Result<Vec<Commit>, WriteError> {
    let mut writer = store.writer().token(token).flush_records(10).start().unwrap();
    let mut commits = Vec::new();
    for chunk in records.chunks(rows) {
        let parts: Vec<_> = chunk.iter().map(|event| Some(event.part.as_str())).collect();
        commits.extend(writer.write_batch(&events(&parts, chunk[0].id)).await?);
    }
    commits.extend(writer.flush().await?);
    Ok(commits)
}

#[tokio::test(start_paused = true)]
async fn the_flushes_of_a_run_do_not_depend_on_its_batches() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let records: Vec<_> = (0..47).map(|id| Event::new(if id % 3 == 0 { "a" } else { "b" }, id)).collect();
    let mut writer = store.writer().token("load").flush_records(10).start().unwrap();
    let mut first = writer.write_all(records.clone()).await.unwrap();
    first.extend(writer.flush().await.unwrap());
    assert_eq!(first.len(), 10);
    for rows in [1, 3, 10, 17, 25, 100] {
        world.s3.clear_requests();
        let again = run(&store, "load", &records, rows).await.unwrap();
        assert_eq!(again, first, "{rows}");
        assert!(again.iter().all(|commit| commit.replayed), "{rows}");
        assert_eq!(world.counts(), [0, 10, 0, 0]);
    }
    assert_eq!(ids(&store).await.len(), 47);
    let mut other = records;
    other[20].part = "a".to_owned();
    assert_eq!(run(&store, "load", &other, 17).await.unwrap_err().kind(), ErrorKind::TokenReused);
}

#[tokio::test(start_paused = true)]
async fn without_a_token_limits_do_not_divide_a_batch() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let batch = |first: i64, rows: usize| events(&vec![Some("a"); rows], first);
    let counts = |commits: Vec<Commit>| commits.iter().map(|commit| commit.record_count).collect::<Vec<_>>();

    let (mut writer, mut flushed) = (store.writer().flush_records(1_000).start().unwrap(), Vec::new());
    for number in 0..10 {
        let commits = counts(writer.write_batch(&batch(number * 300, 300)).await.unwrap());
        assert_eq!(commits.is_empty(), writer.uncommitted() > 0, "{number}");
        flushed.extend(commits);
    }
    assert_eq!(flushed, [1_200, 1_200]);
    flushed.extend(counts(writer.write_batch(&batch(3_000, 5_000)).await.unwrap()));
    assert_eq!(flushed, [1_200, 1_200, 5_600]);

    let (mut writer, mut flushed) = (store.writer().flush_bytes(200_000).start().unwrap(), Vec::new());
    for number in 0..20 {
        flushed.extend(counts(writer.write_batch(&batch(number * 5_000, 5_000)).await.unwrap()));
    }
    assert!(flushed.len() > 2 && flushed.iter().all(|count| count % 5_000 == 0), "{flushed:?}");
    let rest = counts(writer.flush().await.unwrap());
    assert_eq!(flushed.iter().chain(&rest).sum::<u64>(), 100_000);

    let mut writer = store.writer().flush_age(Duration::from_secs(10)).start().unwrap();
    assert!(writer.write_batch(&batch(0, 3)).await.unwrap().is_empty());
    sleep(Duration::from_secs(11)).await;
    assert_eq!(counts(writer.write_batch(&batch(3, 2)).await.unwrap()), [5]);
}

/// Returns a batch of rows of which each has this many bytes.
async fn wide(rows: i64, bytes: usize) -> RecordBatch {
    let source = Virtual::new().dataset().await.store::<Wide>();
    source.write(&Wide::random("a", rows, bytes)).await.unwrap();
    rows_and_batch(&source, 1).await.1
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_the_memory_goes_to_local_files_or_is_flushed_in_parts() {
    let batch = wide(4_000, 2_000).await;
    let read = async |store: &Store<Wide>| {
        let rows = store.read_all().await.unwrap();
        let blobs = batch.column_by_name("blob").unwrap().as_binary_view();
        assert!(rows.iter().map(|row| row.blob.as_slice()).eq(blobs.iter().map(Option::unwrap)));
    };
    // In local files.
    let store = Virtual::new().dataset().await.store::<Wide>();
    let mut writer = store.writer().memory_bytes(1 << 20).start().unwrap();
    assert_eq!(writer.write_batch(&batch).await.unwrap(), []);
    assert_eq!(writer.flush().await.unwrap().len(), 1);
    read(&store).await;

    // Without any.
    let store = Virtual::new().dataset().await.store::<Wide>();
    let mut writer = store.writer().memory_bytes(1 << 20).without_spilling().start().unwrap();
    let commits = writer.write_batch(&batch).await.unwrap();
    assert!(commits.len() > 5, "{}", commits.len());
    assert_eq!(commits.iter().map(|commit| commit.record_count).sum::<u64>(), 4_000);
    assert_eq!(writer.uncommitted(), 0);
    read(&store).await;

    // With none that can be written: the limit holds, and nothing is lost.
    let store = Virtual::new().dataset().await.store::<Wide>();
    let mut writer = store.writer().memory_bytes(1 << 20).spill_directory("/does/not/exist").start().unwrap();
    let error = writer.write_batch(&batch).await.unwrap_err();
    assert_eq!((error.kind(), writer.uncommitted()), (ErrorKind::Unavailable, 4_000), "{error}");
    let commits = writer.flush().await.unwrap();
    assert_eq!(commits.iter().map(|commit| commit.record_count).sum::<u64>(), 4_000);
    read(&store).await;

    // A flush does the same for rows that wait.
    let store = Virtual::new().dataset().await.store::<Wide>();
    let mut writer = store.writer().memory_bytes(1 << 20).without_spilling().start().unwrap();
    drop(writer.write_batch(&batch));
    assert_eq!(writer.uncommitted(), 4_000);
    let commits = writer.flush().await.unwrap();
    assert!(commits.len() > 5, "{}", commits.len());
    read(&store).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_write_is_dropped_anywhere_is_written_once() {
    let mut dropped = 0;
    for seed in 0..30_u64 {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        let (builder, mut draw) = (store.writer(), draws(seed));
        let builder = if seed % 3 == 0 { builder.token("t") } else { builder };
        let mut writer = builder.flush_records(50).start().unwrap();
        world.s3.inject(Fault::on(Operation::Put).always().delay_answer(Duration::from_millis(100)));
        world.s3.inject(put(".commit").skip(draw(5) as usize).times(5).fail(503, "SlowDown"));
        for (start, length) in pieces(400, 120, seed) {
            let batch = events(&vec![Some("a"); length], start as i64);
            let write = writer.write_batch(&batch);
            match draw(3) {
                0 => drop(write),
                1 => drop(write.await),
                _ => tokio::select! {
                    _ = write => {}
                    () = sleep(Duration::from_millis(draw(500) as u64)) => dropped += 1,
                },
            }
        }
        flush_all(&mut writer, &mut Vec::new()).await;
        assert_eq!(ids(&store).await, (0..400).collect::<Vec<_>>(), "{seed}");
    }
    assert!(dropped > 10, "{dropped}");
}

/// The threads for CPU work are used with a real clock only.
#[tokio::test]
async fn a_batch_whose_conversion_is_dropped_is_written_once() {
    let server = Server::start().await;
    let store = server.dataset().await.store::<Event>();
    let mut writer = store.writer().start().unwrap();
    let (mut next, mut pending) = (0, 0);
    for length in [500, 3, 2_000, 1, 700] {
        let batch = events(&vec![Some("a"); length], next);
        pending += usize::from(writer.write_batch(&batch).now_or_never().is_none());
        next += length as i64;
        assert_eq!(writer.uncommitted(), next as u64);
    }
    assert!(pending > 0);
    writer.flush().await.unwrap();
    assert_eq!(ids(&store).await, (0..next).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_batches_is_flushed_by_age_while_it_has_none() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let slow = stream::iter(0..4).then(|number| async move {
        sleep(Duration::from_secs(if number == 2 { 3_600 } else { 1 })).await;
        events(&[Some("a"); 5], number * 5)
    });
    let mut slow = Box::pin(slow);
    let mut writer = store.writer().flush_age(Duration::from_secs(60)).start().unwrap();
    let commits = writer.write_batches_from(&mut slow).await.unwrap().unwrap();
    assert_eq!(commits[0].record_count, 10);
    assert!(writer.write_batches_from(&mut slow).await.unwrap().is_none());
    assert_eq!(writer.flush().await.unwrap()[0].record_count, 10);
    assert_eq!(ids(&store).await, (0..20).collect::<Vec<_>>());

    // A batch that does not fit is left out, and the next one is written.
    let other = RecordBatch::new_empty(Arc::new(Schema::new(vec![Field::new("x", DataType::Int32, true)])));
    let mut batches = stream::iter([other, events(&[Some("b")], 20)]);
    writer.write_batches_from(&mut batches).await.unwrap_err();
    assert!(writer.write_batches_from(&mut batches).await.unwrap().is_none());
    assert_eq!(writer.uncommitted(), 1);
    writer.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn slices_of_a_batch_with_a_dictionary_have_their_own_rows() {
    let store = Virtual::new().dataset().await.store::<Event>();
    let part = |row: usize| ["a", "b", "c"][row % 3];
    // One conversion takes fewer rows.
    let rows = 10_000;
    let dictionary: DictionaryArray<Int32Type> = (0..rows).map(part).collect();
    let columns: [(_, ArrayRef); 2] =
        [("id", Arc::new(Int64Array::from_iter_values(0..rows as i64))), ("part", Arc::new(dictionary))];
    let mut writer = store.writer().start().unwrap();
    writer.write_batch(&RecordBatch::try_from_iter(columns).unwrap()).await.unwrap();
    assert_eq!(writer.flush().await.unwrap().len(), 3);
    let read = store.read_all().await.unwrap();
    assert!(read.len() == rows && read.iter().all(|row| row.part == part(row.id as usize)));
}
