//! The in-memory S3 on a socket, with a dataset in it, for DuckDB, pyarrow and other programs that speak S3.
//!
//! Run it with `cargo run --example serve [address]`, and stop it with Ctrl-C. All objects are in memory and are lost
//! then.

// Less than the default of 128: programs nest futures of their own around those of the library.
#![recursion_limit = "100"]

use std::error::Error;

use s3store::chrono::{DateTime, TimeDelta, Utc};
use s3store::testing::{ACCESS_KEY, REGION, S3, SECRET_KEY};
use s3store::{Dataset, Record};

const BUCKET: &str = "warehouse";

#[derive(Debug, Clone, Record)]
#[record(partition_by(day = format(measured_at, "%Y-%m-%d")))]
struct Reading {
    sensor: String,
    #[record(timestamp = "ms")]
    measured_at: DateTime<Utc>,
    celsius: Option<f64>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let s3 = S3::with_bucket(BUCKET);
    let listener = s3.listen(&address).await?;

    let dataset = Dataset::init(s3.client(), BUCKET, "readings").await?.into_dataset();
    let start: DateTime<Utc> = "2026-03-17T00:00:00Z".parse()?;
    let readings: Vec<Reading> = (0..72_u32)
        .map(|hour| Reading {
            sensor: format!("roof-{}", hour % 2),
            measured_at: start + TimeDelta::hours(hour.into()),
            celsius: (hour % 10 != 0).then(|| 8.0 + f64::from(hour % 24) / 2.0),
        })
        .collect();
    let commits = dataset.store::<Reading>().write(&readings).await?;

    println!("endpoint {}, key {ACCESS_KEY}, secret {SECRET_KEY}, region {REGION}", listener.endpoint());
    for commit in commits {
        println!("s3://{BUCKET}/{}: {} records", commit.data_path, commit.record_count);
    }
    std::future::pending().await
}
