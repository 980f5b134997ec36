//! Partitions that do not fit into the memory of a read give the same records, in the same order, as those that do.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{ParquetMetaDataReader, SortingColumn};
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use s3store::read::Read;
use s3store::testing::Operation;
use s3store::{ErrorKind, Record, Store};

use crate::integration::harness::{BUCKET, Virtual, at, draws};
use crate::integration::records::Event;

/// A record with an entity key whose version is a time, and with columns that older files lack or that are null.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Reading {
    #[record(entity)]
    part: String,
    #[record(entity)]
    sensor: String,
    #[record(version)]
    at: DateTime<Utc>,
    value: Option<f64>,
    tags: Vec<String>,
    #[record(default)]
    number: i64,
}

/// The same columns without a key.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Unkeyed {
    part: String,
    sensor: String,
    at: DateTime<Utc>,
    value: Option<f64>,
    tags: Vec<String>,
    #[record(default)]
    number: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Milli,
    Micro,
    Nano,
}

/// A file of another writer.
#[derive(Debug, Clone)]
struct ForeignFile {
    seed: u64,
    rows: usize,
    sensors: u64,
    /// How many rows in a hundred are out of order.
    disorder: u64,
    marked: bool,
    unit: Unit,
    has_number: bool,
    group_rows: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    sensor: String,
    /// In milliseconds, so that it is exact in each unit.
    at: i64,
    value: Option<f64>,
    tags: Vec<String>,
    number: i64,
}

impl ForeignFile {
    fn rows(&self) -> Vec<Row> {
        let mut draw = draws(self.seed);
        let mut rows: Vec<Row> = (0..self.rows)
            .map(|_| Row {
                sensor: format!("sensor {:03} with a name that is longer than a view", draw(self.sensors)),
                at: 1_773_748_800_000 + draw(40),
                value: (draw(4) > 0).then(|| draw(1_000) as f64 / 8.0),
                tags: (0..draw(3)).map(|tag| format!("tag {tag}")).collect(),
                number: if self.has_number { draw(1_000_000) } else { 0 },
            })
            .collect();
        rows.sort_by(|a, b| (&a.sensor, a.at).cmp(&(&b.sensor, b.at)));
        for row in 0..rows.len() {
            if (draw(100) as u64) < self.disorder {
                let other = usize::try_from(draw(self.rows as u64)).unwrap();
                rows.swap(row, other);
            }
        }
        rows
    }

    fn encode(&self, rows: &[Row]) -> Bytes {
        let text = |column: Vec<&str>| Arc::new(StringArray::from(column)) as ArrayRef;
        let times = rows.iter().map(|row| row.at);
        let at: ArrayRef = match self.unit {
            Unit::Milli => Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC")),
            Unit::Micro => {
                Arc::new(TimestampMicrosecondArray::from_iter_values(times.map(|at| at * 1_000)).with_timezone("UTC"))
            }
            Unit::Nano => Arc::new(
                TimestampNanosecondArray::from_iter_values(times.map(|at| at * 1_000_000)).with_timezone("UTC"),
            ),
        };
        let mut tags = ListBuilder::new(StringBuilder::new());
        for row in rows {
            row.tags.iter().for_each(|tag| tags.values().append_value(tag));
            tags.append(true);
        }
        let mut columns = vec![
            ("part", text(vec!["a"; rows.len()])),
            ("sensor", text(rows.iter().map(|row| row.sensor.as_str()).collect())),
            ("at", at),
            ("value", Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.value)))),
            ("tags", Arc::new(tags.finish())),
        ];
        if self.has_number {
            columns.push(("number", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.number)))));
        }
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let sorting = (0..3).map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: false });
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(self.group_rows))
            .set_data_page_row_count_limit(500)
            .set_write_batch_size(100)
            .set_sorting_columns(self.marked.then(|| sorting.collect()));
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap().into()
    }
}

fn files() -> impl Strategy<Value = Vec<ForeignFile>> {
    let unit = prop_oneof![3 => Just(Unit::Micro), 1 => Just(Unit::Milli), 1 => Just(Unit::Nano)];
    let file = (
        (any::<u64>(), 1usize..12_000, 1u64..400, prop_oneof![4 => Just(0u64), 1 => Just(1), 1 => Just(100)]),
        (any::<bool>(), unit, any::<bool>(), 700usize..9_000),
    );
    let file = file.prop_map(|((seed, rows, sensors, disorder), (marked, unit, has_number, group_rows))| ForeignFile {
        seed,
        rows,
        sensors,
        disorder,
        marked,
        unit,
        has_number,
        group_rows,
    });
    prop::collection::vec(file, 1..7)
}

/// Commits the files in one partition, in this order, and returns their rows.
async fn commit(world: &Virtual, files: &[ForeignFile]) -> Vec<Vec<Row>> {
    let store = world.dataset().await.store::<Reading>();
    let mut all = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let any = Reading {
            part: "a".to_owned(),
            sensor: String::new(),
            at: at(0),
            value: None,
            tags: Vec::new(),
            number: 0,
        };
        // Files are read in the order of their names.
        let commits = store.write(&[any]).token(format!("{number:03}")).await.unwrap();
        let rows = file.rows();
        world.s3.put_object(BUCKET, &commits[0].data_path, file.encode(&rows));
        all.push(rows);
    }
    all
}

fn row_of(sensor: &str, at: DateTime<Utc>, value: Option<f64>, tags: &[String], number: i64) -> Row {
    Row { sensor: sensor.to_owned(), at: at.timestamp_millis(), value, tags: tags.to_vec(), number }
}

fn rows_of(readings: &[Reading]) -> Vec<Row> {
    readings.iter().map(|row| row_of(&row.sensor, row.at, row.value, &row.tags, row.number)).collect()
}

/// Sorts the rows of all files, and keeps the last of each key.
fn model<K: Ord>(files: &[Vec<Row>], key: impl Fn(&Row) -> K) -> Vec<Row> {
    let mut rows = files.concat();
    rows.sort_by(|a, b| (&a.sensor, a.at).cmp(&(&b.sensor, b.at)));
    rows.into_iter().map(|row| (key(&row), row)).collect::<BTreeMap<_, _>>().into_values().collect()
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test);
}

/// Returns the read with each amount of memory: none, little, and enough to hold everything.
fn with_memory<T: Record>(read: impl Fn() -> Read<T>) -> [(&'static str, Read<T>); 3] {
    [
        ("no memory", read().hold_at_most(0).read_ahead_bytes(0)),
        ("1 MiB", read().hold_at_most(0).read_ahead_bytes(1 << 20)),
        ("held", read()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_memory_gives_the_records_of_the_model(files in files()) {
        run(async {
            let world = Virtual::new();
            let rows = commit(&world, &files).await;
            let store = world.dataset().await.store::<Reading>();
            let latest = model(&rows, |row| row.sensor.clone());
            for (memory, read) in with_memory(|| store.read_all()) {
                assert!(rows_of(&read.await.unwrap()) == latest, "latest, {memory}");
            }
            let history = model(&rows, |row| (row.sensor.clone(), row.at));
            for (memory, read) in with_memory(|| store.read_all().history()) {
                assert!(rows_of(&read.await.unwrap()) == history, "history, {memory}");
            }
            let unkeyed: Store<Unkeyed> = world.dataset().await.store();
            for (memory, read) in with_memory(|| unkeyed.read_all()) {
                let read: Vec<Row> = read
                    .await
                    .unwrap()
                    .iter()
                    .map(|row| row_of(&row.sensor, row.at, row.value, &row.tags, row.number))
                    .collect();
                assert!(read == rows.concat(), "without a key, {memory}");
            }
        });
    }
}

fn sorted(rows: usize) -> ForeignFile {
    ForeignFile {
        seed: 1,
        rows,
        sensors: 5_000,
        disorder: 0,
        marked: true,
        unit: Unit::Micro,
        has_number: true,
        group_rows: 8_192,
    }
}

#[tokio::test(start_paused = true)]
async fn sorted_files_that_fit_row_group_by_row_group_need_no_local_file() {
    let world = Virtual::new();
    let files: Vec<_> = (0..4).map(|seed| ForeignFile { seed, ..sorted(40_000) }).collect();
    let rows = commit(&world, &files).await;
    let store = world.dataset().await.store::<Reading>();
    let read = store.read_all().hold_at_most(0).read_ahead_bytes(64 << 20).without_spilling();
    assert!(rows_of(&read.await.unwrap()) == model(&rows, |row| row.sensor.clone()));
}

/// A row group of a few MiB is fetched a few pages at a time.
#[tokio::test(start_paused = true)]
async fn a_large_row_group_is_held_in_parts() {
    let world = Virtual::new();
    let file = |seed| ForeignFile { seed, sensors: 1_000_000, group_rows: 1_000_000, ..sorted(120_000) };
    let rows = commit(&world, &[file(1), file(2)]).await;
    let store = world.dataset().await.store::<Reading>();
    let read = |mib: u64| store.read_all().hold_at_most(0).read_ahead_bytes(mib << 20);
    let expected = model(&rows, |row| row.sensor.clone());
    let mut requests = Vec::new();
    for mib in [4, 16] {
        world.s3.clear_requests();
        let read = read(mib).without_spilling().await;
        assert!(rows_of(&read.unwrap()) == expected, "{mib} MiB");
        requests.push(world.count(Operation::Get));
    }
    // With less memory, in smaller parts. Each is of several columns.
    assert!(requests[0] > requests[1] && requests[1] > 10, "{requests:?}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_lies_about_its_order_is_sorted() {
    let world = Virtual::new();
    let liar = ForeignFile { disorder: 1, ..sorted(40_000) };
    let rows = commit(&world, &[sorted(20_000), liar]).await;
    let store = world.dataset().await.store::<Reading>();
    let read = || store.read_all().hold_at_most(0).read_ahead_bytes(8 << 20);
    assert!(rows_of(&read().await.unwrap()) == model(&rows, |row| row.sensor.clone()));
    let error = read().without_spilling().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let message = error.to_string();
    assert!(
        message.starts_with("partition part=a: ") && message.contains("set a larger read_ahead_bytes"),
        "{message}"
    );
    let error = read().spill_directory("/does/not/exist").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("create a file in /does/not/exist"), "{error}");
}

/// A projection of one narrow column.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(projection_of = Unkeyed)]
struct Time {
    at: DateTime<Utc>,
}

#[tokio::test(start_paused = true)]
async fn a_projection_of_large_files_fetches_only_its_columns() {
    let world = Virtual::new();
    let files: Vec<_> = (0..3).map(|seed| ForeignFile { seed, ..sorted(120_000) }).collect();
    let rows = commit(&world, &files).await;
    let (mut wanted, mut all) = (0, 0);
    for (file, rows) in files.iter().zip(&rows) {
        let body = file.encode(rows);
        all += body.len() as u64;
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&body).unwrap();
        let chunks =
            metadata.row_groups().iter().map(|group| u64::try_from(group.column(2).compressed_size()).unwrap());
        // The footer is looked for in the last 32 KiB.
        wanted += chunks.sum::<u64>() + (32 << 10);
    }
    let store = world.dataset().await.store::<Time>();
    world.s3.clear_requests();
    let read: Vec<i64> = store.read_all().await.unwrap().iter().map(|row| row.at.timestamp_millis()).collect();
    assert!(read == rows.concat().iter().map(|row| row.at).collect::<Vec<_>>());
    let fetched = world.ranged_bytes();
    assert!(fetched * 10 <= wanted * 11 && fetched < all / 4, "{fetched} instead of {wanted}, of {all}");
}

#[tokio::test]
async fn partitions_are_read_in_order_by_any_number_of_threads() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let events = dataset.store::<Event>();
    for _ in 0..2 {
        events.write(&Event::in_partitions(40, 50)).await.unwrap();
    }
    let expected = events.read_all().await.unwrap();
    assert_eq!(expected.len(), 4_000);
    for tasks in [1, 2, 16] {
        for partitions in [0, 1, 100] {
            let read =
                events.read_all().max_decode_tasks(NonZero::new(tasks).unwrap()).read_ahead_partitions(partitions);
            assert_eq!(read.await.unwrap(), expected, "{tasks} tasks, {partitions} partitions");
        }
    }
}

/// A record with a key and a mark for deleted entities.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Member {
    #[record(entity)]
    part: String,
    #[record(entity)]
    id: i64,
    #[record(version)]
    version: i64,
    note: String,
    #[record(deleted)]
    gone: bool,
}

/// A projection that leaves out the key.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(projection_of = Member)]
struct Note {
    note: String,
}

async fn members(world: &Virtual) -> Store<Member> {
    let store = world.dataset().await.store::<Member>();
    let member = |part: usize, id: i64, version: i64| Member {
        part: format!("p{part:02}"),
        id,
        version,
        note: "n".repeat(200),
        gone: version == 2 && id % 5 == 0,
    };
    for version in 1..=2 {
        let ids = if version == 1 { 0..100 } else { 50..150 };
        let all: Vec<_> = (0..12)
            .flat_map(|part| ids.clone().map(move |id| (part, id)))
            .map(|(part, id)| member(part, id, version))
            .collect();
        store.write(&all).await.unwrap();
    }
    store
}

#[tokio::test(start_paused = true)]
async fn a_count_is_the_number_of_records_that_the_read_returns() {
    let world = Virtual::new();
    let store = members(&world).await;
    let notes = store.dataset().store::<Note>();
    let events = Virtual::new().dataset().await.store::<Event>();
    events.write(&Event::in_partitions(5, 700)).await.unwrap();
    events.write(&Event::in_partitions(5, 11)).token("t").await.unwrap();
    for pattern in ["*", "part=p0*", "part=p03", "part=none"] {
        let read = store.read(pattern).await.unwrap().len() as u64;
        assert_eq!(store.read(pattern).count().await.unwrap(), read, "{pattern}");
        assert_eq!(notes.read(pattern).count().await.unwrap(), read, "{pattern}");
        let history = store.read(pattern).history().await.unwrap().len() as u64;
        assert_eq!(store.read(pattern).history().count().await.unwrap(), history, "{pattern}");
        assert!(read == 0 || read < history);
    }
    assert_eq!(store.read_all().count().await.unwrap(), 12 * 130);
    assert_eq!(events.read_all().count().await.unwrap(), 5 * 711);
    assert_eq!(events.read("part=p03").limit(40).count().await.unwrap(), 40);
    assert_eq!(store.read("part=p03").limit(40).count().await.unwrap(), 40);
}

#[tokio::test(start_paused = true)]
async fn counting_without_a_key_fetches_the_ends_of_files() {
    let world = Virtual::new();
    let rows = commit(&world, &[sorted(120_000)]).await;
    let store = world.dataset().await.store::<Unkeyed>();
    world.s3.clear_requests();
    assert_eq!(store.read_all().count().await.unwrap(), rows[0].len() as u64);
    let fetched = world.ranged_bytes();
    assert!((1..80 << 10).contains(&fetched), "{fetched}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_returns_the_first_records_and_stops_the_requests() {
    let world = Virtual::new();
    let store = members(&world).await;
    let all = store.read_all().await.unwrap();
    let per_partition = all.len() / 12;
    for limit in [0, 1, per_partition - 1, per_partition, per_partition + 1, all.len() - 1, all.len(), all.len() + 1] {
        let expected = &all[..limit.min(all.len())];
        let limited = || store.read_all().limit(limit as u64);
        assert_eq!(limited().await.unwrap(), expected, "{limit}");
        let mut records = Vec::new();
        let mut stream = limited().stream();
        while let Some(record) = stream.try_next().await.unwrap() {
            records.push(record);
        }
        assert_eq!(records, expected, "{limit}");
        let mut partitions = limited().partitions();
        let mut records = Vec::new();
        while let Some(partition) = partitions.try_next().await.unwrap() {
            records.extend(partition.records);
        }
        assert_eq!(records, expected, "{limit}");
        let mut batches = limited().batches();
        let mut rows = 0;
        while let Some(batch) = batches.try_next().await.unwrap() {
            rows += batch.num_rows();
        }
        assert_eq!(rows, expected.len(), "{limit}");
    }
    world.s3.clear_requests();
    assert_eq!(store.read_all().limit(0).await.unwrap(), []);
    assert_eq!(world.s3.requests().len(), 0);
    store.read_all().limit(1).await.unwrap();
    let sent = world.count(Operation::Get);
    assert!((2..=8).contains(&sent), "{sent} of 24");
}

#[tokio::test(start_paused = true)]
async fn requests_overlap_as_far_as_the_permits_allow() {
    const PARTITIONS: usize = 1_417;
    const FILES: usize = 3;
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    for _ in 0..FILES {
        store.write(&Event::in_partitions(PARTITIONS, 1)).await.unwrap();
    }
    let each = Duration::from_millis(20);
    world.slow_down(each);
    let (read, took) = world.timed(store.read_all()).await;
    assert_eq!(read.unwrap().len(), PARTITIONS * FILES);
    // Two keys for each file, 1,000 in a page.
    let lists = (2 * PARTITIONS * FILES).div_ceil(1_000);
    let gets = (PARTITIONS * FILES).div_ceil(32);
    let least = each * u32::try_from(lists + gets).unwrap();
    assert!(took <= least * 11 / 10, "{took:?}, at least {least:?}");
}
