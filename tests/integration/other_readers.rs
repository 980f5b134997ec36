//! A dataset as other Parquet readers see it. `.ci/check-readers.py` runs the guide's recipes on it.

use std::collections::BTreeMap;
use std::path::Path;

use s3store::chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use s3store::rust_decimal::Decimal;
use s3store::uuid::Uuid;
use s3store::{ColumnType, Offset, Record};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, put, sleep};

/// Values of which readers of Hive partitions change some.
const PARTS: [&str; 11] =
    ["plain", "12", "007", "a%25b", "a%2Fb", "__HIVE_DEFAULT_PARTITION__", "a b", "x=y", "what?", "true", "2026-03-17"];

#[derive(Debug, Clone, Record)]
#[record(partition_by(part))]
struct Row {
    part: String,
    id: i64,
    note: String,
}

/// A listing of `data/` contains files of failed attempts and empty objects beside the committed files.
///
/// `S3STORE_WRITE_DATASET=folder` puts the objects, with a Delta log, into a folder, and the rows and paths of the committed files into
/// `expected.json` there.
#[tokio::test(start_paused = true)]
async fn a_listing_also_shows_uncommitted_files() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Row>();
    let rows = |note: &str| -> Vec<Row> {
        PARTS.iter().zip(1..).map(|(part, id)| Row { part: (*part).to_owned(), id, note: note.to_owned() }).collect()
    };
    store.write(&rows("committed")).await.unwrap();
    store.write_partition("part=plain", &rows("with a token")[..1]).token("job-1").await.unwrap();
    world.s3.inject(put(".commit").fail(403, "AccessDenied"));
    store.write_partition("part=plain", &rows("uncommitted")[..1]).await.unwrap_err();
    sleep(std::time::Duration::from_secs(60)).await;

    let entries = store.poll(&Offset::START).await.unwrap().entries;
    let rows = store.read_all().await.unwrap();
    assert_eq!((entries.len(), rows.len()), (PARTS.len() + 1, PARTS.len() + 1));
    assert_eq!(world.keys_with(".parquet").len(), entries.len() + 1);
    assert!(world.s3.object(BUCKET, &world.keys_with(".commit")[0]).unwrap().body.is_empty());

    let published = store.table().publish_delta().await.unwrap();
    assert_eq!((published.files, published.unpublishable.len()), (entries.len() as u64, 0));

    let Some(folder) = std::env::var_os("S3STORE_WRITE_DATASET") else { return };
    let folder = Path::new(&folder);
    dump(&world, folder);
    let files: Vec<_> = entries.iter().map(|entry| &entry.data_path[PREFIX.len() + 1..]).collect();
    let rows: Vec<_> = rows.iter().map(|row| (&row.part, row.id, &row.note)).collect();
    let expected = serde_json::json!({ "files": files, "rows": rows });
    std::fs::write(folder.join("expected.json"), expected.to_string()).unwrap();
}

/// Puts the objects of a dataset into a folder.
fn dump(world: &Virtual, folder: &Path) {
    for key in world.s3.keys(BUCKET) {
        let path = folder.join(key.strip_prefix(PREFIX).unwrap().trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &world.s3.object(BUCKET, &key).unwrap().body).unwrap();
    }
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
        tiny: i8::try_from(sign * (id + 100)).unwrap(),
        small: i16::try_from(sign * (id + 30_000)).unwrap(),
        number: (id % 5 > 0).then(|| i32::try_from(sign * (id + 2_000_000_000)).unwrap()),
        utiny: u8::try_from(255 - id).unwrap(),
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
    /// Returns the columns of the Delta table, as `.ci/check-readers.py` compares them.
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

/// `S3STORE_WRITE_TYPES=folder` puts the objects, with a Delta log, into a folder, and the rows into `expected.json` there.
#[tokio::test(start_paused = true)]
async fn a_delta_table_has_columns_of_each_type() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Typed>();
    let rows: Vec<Typed> = (0..20).map(typed).collect();
    for rows in rows.chunks(7) {
        store.write(rows).await.unwrap();
    }
    sleep(std::time::Duration::from_secs(60)).await;
    let published = store.table().publish_delta().await.unwrap();
    let left_out: Vec<_> = published.left_out.iter().map(|left| left.path.as_str()).collect();
    assert_eq!((published.files, left_out), (9, vec!["at_ns", "clock"]));
    let Some(folder) = std::env::var_os("S3STORE_WRITE_TYPES") else { return };
    let folder = Path::new(&folder);
    dump(&world, folder);
    let expected: Vec<_> = rows.iter().map(Typed::expected).collect();
    std::fs::write(folder.join("expected.json"), serde_json::to_vec(&expected).unwrap()).unwrap();
}
