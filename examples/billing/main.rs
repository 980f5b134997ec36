//! A billing pipeline: several meters write usage concurrently, a consumer keeps exact totals, and the record changes
//! while old and new programs run side by side.
//!
//! Run it with `cargo run --example billing`. It needs nothing else: it starts an S3 on a socket. The consumer is a
//! process of its own, which is killed at random and restarted. In the end its totals must be those that were written,
//! and the views must contain exactly the tuples of the records. Then each of four changes of the record is rolled out
//! readers first and writers first, and the example prints what works and what is refused.

mod rollout;
mod totals;
mod usage;

use std::collections::BTreeSet;
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use aws_sdk_s3::Client;
use rust_decimal::Decimal;
use s3store::testing::S3;
use s3store::write::RetryPolicy;
use s3store::{Dataset, rust_decimal};

use crate::totals::{Totals, consume};
use crate::usage::{CustomerKinds, SkuPeriods, Usage};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

const BUCKET: &str = "warehouse";
const PREFIX: &str = "billing";

/// Each meter writes this many batches.
const BATCHES: u32 = 25;

/// The number of meters that write at the same time.
const METERS: u32 = 4;

/// How often the consumer is killed.
const KILLS: u32 = 5;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [endpoint, path] = arguments.as_slice() {
        return consume(&Dataset::open(client(endpoint), BUCKET, PREFIX).await?, Path::new(path)).await;
    }
    let s3 = S3::with_bucket(BUCKET);
    let listener = s3.listen("127.0.0.1:0").await?;
    // A short commit timeout, so that refs settle quickly in this demonstration. Keep the default in production.
    let init = Dataset::init(s3.client(), BUCKET, PREFIX).commit_timeout(Duration::from_secs(2));
    let dataset = init.await?.into_dataset();
    meter_and_bill(&dataset, &listener.endpoint()).await?;
    rollout::all(&s3).await
}

/// Runs the meters, and the consumer as a process that is killed again and again.
async fn meter_and_bill(dataset: &Dataset, endpoint: &str) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("s3store-billing-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let checkpoint = folder.join("totals.json");
    let start =
        || -> Result<Child> { Ok(Command::new(std::env::current_exe()?).arg(endpoint).arg(&checkpoint).spawn()?) };

    let meters: Vec<_> = (0..METERS).map(|meter| tokio::spawn(run_meter(dataset.clone(), meter))).collect();
    for kill in 0..KILLS {
        let mut consumer = start()?;
        pause(300 + random(kill) % 900).await;
        consumer.kill()?;
        consumer.wait()?;
    }
    let mut written: Vec<Usage> = Vec::new();
    for meter in meters {
        written.extend(meter.await??);
    }
    let expected = totals::of(&written);
    println!("{METERS} meters wrote {} records with retries; the consumer was killed {KILLS} times", written.len());

    let mut consumer = start()?;
    let mut seen = Totals::default();
    for _ in 0..200 {
        seen = Totals::load(&checkpoint)?;
        if seen.by_customer == expected {
            break;
        }
        pause(100).await;
    }
    consumer.kill()?;
    consumer.wait()?;
    std::fs::remove_dir_all(folder)?;
    for (customer, total) in &seen.by_customer {
        println!("  {customer}: {total} EUR");
    }
    if seen.by_customer != expected {
        return Err(format!("the consumer's totals are not those that were written: {expected:?}").into());
    }
    check_views(dataset, &written).await?;
    check_snapshot(dataset, &expected).await
}

/// Writes the batches of one meter. Some are written twice, as a meter does that crashed before it noted its success.
async fn run_meter(dataset: Dataset, meter: u32) -> Result<Vec<Usage>> {
    let store = dataset.store::<Usage>();
    let mut written = Vec::new();
    for batch in 0..BATCHES {
        let records = usage::batch(meter, batch);
        let token = format!("meter-{meter}-batch-{batch}");
        for _ in 0..=(batch % 3 / 2) {
            store.write(&records).token(&token).retry(RetryPolicy::default()).await?;
        }
        written.extend(records);
        pause(40).await;
    }
    Ok(written)
}

/// Compares both views with the tuples of the records.
async fn check_views(dataset: &Dataset, written: &[Usage]) -> Result<()> {
    let skus: BTreeSet<_> = dataset.view::<SkuPeriods>().lookup("*").await?.into_iter().collect();
    let kinds: BTreeSet<_> = dataset.view::<CustomerKinds>().lookup("*").await?.into_iter().collect();
    println!("the views have {} and {} tuples", skus.len(), kinds.len());
    let expected_skus: BTreeSet<_> = written.iter().map(SkuPeriods::of).collect();
    let expected_kinds: BTreeSet<_> = written.iter().map(CustomerKinds::of).collect();
    if (skus, kinds) != (expected_skus, expected_kinds) {
        return Err("the views are not complete".into());
    }
    Ok(())
}

/// Sums up the latest version of each usage in a snapshot.
async fn check_snapshot(dataset: &Dataset, expected: &std::collections::BTreeMap<String, Decimal>) -> Result<()> {
    let latest = dataset.store::<Usage>().read_all().await?;
    if totals::of(&latest) != *expected {
        return Err("the snapshot has other totals than the stream".into());
    }
    println!("a snapshot of {} usages has the same totals", latest.len());
    Ok(())
}

/// Returns a client for the S3 of the parent process. A real program uses
/// `Client::new(&aws_config::load_from_env().await)`.
fn client(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = S3::new().config_without_http_client(endpoint).http_client(http);
    Client::from_conf(config.build())
}

/// Returns a number that differs from run to run.
fn random(seed: u32) -> u64 {
    RandomState::new().hash_one(seed)
}

#[expect(clippy::disallowed_methods, reason = "the demonstration waits for other processes")]
async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
