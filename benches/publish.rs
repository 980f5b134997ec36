//! A dataset of many small files as a Delta table, on an S3 in this process. See `benches/publish.py`, which runs it.
//!
//! It writes the files, publishes them, prints a line of JSON, and keeps the S3 until its standard input ends.

use std::env;
use std::io::{Read as _, stdin};
use std::time::{Duration, Instant};

use s3store::testing::{ACCESS_KEY, REGION, S3, SECRET_KEY};
use s3store::{Dataset, Record};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BUCKET: &str = "bench";
const PREFIX: &str = "many";

/// The files of a write.
const PARTITIONS: u64 = 500;

#[derive(Debug, Clone, Record)]
#[record(partition_by(part))]
struct Small {
    #[record(entity)]
    part: String,
    #[record(entity)]
    id: i64,
    #[record(version)]
    version: i64,
    price: i64,
    text: String,
}

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
async fn main() {
    // Cargo adds an argument of its own.
    let files: u64 = env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(100_000);
    let s3 = S3::with_bucket(BUCKET);
    let listener = s3.listen("127.0.0.1:0").await.expect("a free port");
    let dataset = Dataset::init(s3.client(), BUCKET, PREFIX).await.expect("a new dataset").into_dataset();
    let store = dataset.store::<Small>();
    let began = Instant::now();
    for number in 0..files / PARTITIONS {
        let record = |partition: u64| {
            let id = i64::try_from(number * PARTITIONS + partition).expect("fewer files");
            let text = format!("text {id}");
            Small { part: format!("part-{partition:03}"), id, version: 1, price: 7, text }
        };
        store.write(&(0..PARTITIONS).map(record).collect::<Vec<_>>()).await.expect("commits");
    }
    let written = began.elapsed();
    let table = store.table();
    let timed = async || {
        let began = Instant::now();
        let published = table.publish_delta().await.expect("versions");
        (began.elapsed(), published)
    };
    let (first, published) = timed().await;
    assert_eq!(published.files, files / PARTITIONS * PARTITIONS);
    let (again, nothing) = timed().await;
    assert_eq!(nothing.files, 0);
    let size = |suffix: &str| -> usize {
        let keys = s3.keys(BUCKET).into_iter().filter(|key| key.contains("_delta_log") && key.ends_with(suffix));
        keys.filter_map(|key| s3.object(BUCKET, &key)).map(|object| object.body.len()).sum()
    };
    let seconds = |time: Duration| (time.as_secs_f64() * 100.0).round() / 100.0;
    println!(
        r#"{{"endpoint": "{}", "url": "s3://{BUCKET}/{PREFIX}", "files": {}, "id": {}, "written in seconds": {}, "published in seconds": {}, "published again in seconds": {}, "versions": {}, "versions in bytes": {}, "checkpoint in bytes": {}, "peak in MiB": {}, "keys": ["{ACCESS_KEY}", "{SECRET_KEY}", "{REGION}"]}}"#,
        listener.endpoint(),
        published.files,
        files / 2,
        seconds(written),
        seconds(first),
        seconds(again),
        published.versions,
        size(".json"),
        size(".parquet"),
        benches::peak_mib(),
    );
    let _ends = stdin().read_to_end(&mut Vec::new());
}
