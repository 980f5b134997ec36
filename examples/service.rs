//! A service to start your own from: it writes orders and follows them, exports its metrics, logs, and stops cleanly.
//!
//! `cargo run --example service --features telemetry` runs on an S3 inside the process; `curl 127.0.0.1:9464/metrics`
//! shows what Prometheus sees, and `s3store/dashboards` has a dashboard and alerts for it. With arguments, `service
//! ENDPOINT BUCKET STATE-FILE`, it runs on that S3, with the credentials in `AWS_ACCESS_KEY_ID` and
//! `AWS_SECRET_ACCESS_KEY`, and keeps its place in the stream in that file. What the environment sets besides is in
//! `telemetry.rs`. Stop it with ctrl-c or SIGTERM.

mod telemetry;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, io};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use s3store::chrono::{DateTime, Utc};
use s3store::testing::S3;
use s3store::{Clock, Dataset, ErrorKind, Offset, Record, Store};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use telemetry::Telemetry;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

const PREFIX: &str = "orders";

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day = format(placed_at, "%Y-%m-%d"), shop))]
struct Order {
    #[record(entity, timestamp = "ms")]
    placed_at: DateTime<Utc>,
    #[record(entity)]
    shop: String,
    #[record(entity)]
    number: u64,
    #[record(version)]
    version: u32,
    cents: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    // First, so that the dataset finds the provider of its metrics.
    let telemetry = Telemetry::start().await?;
    let served = serve().await;
    // Last, so that what happened while the rest stopped is exported too.
    if let Err(error) = telemetry.shutdown().await {
        tracing::warn!(%error, "the last metrics did not reach the collector");
    }
    served
}

/// Runs until a signal, or until one of its parts fails.
async fn serve() -> Result<()> {
    let (client, bucket, place) = connect()?;
    // Harmless to repeat; once is enough, wherever you deploy from.
    let dataset = Dataset::init(client, bucket, PREFIX).await?.into_dataset();
    tracing::info!(bucket = dataset.bucket(), prefix = dataset.prefix(), "the dataset is open");

    let (stop, stopping) = watch::channel(false);
    let mut parts = JoinSet::new();
    parts.spawn(produce(dataset.store(), stopping.clone()));
    parts.spawn(consume(dataset.store(), place, stopping));
    let failed = tokio::select! {
        // By itself a part ends only when it has failed; then the others are stopped too.
        part = parts.join_next() => part,
        signal = asked_to_stop() => {
            tracing::info!("{} received, stopping", signal?);
            None
        }
    };

    // No new work; what is begun comes to its end.
    stop.send_replace(true);
    let mut ended = parts.join_all().await;
    // Refs and commits that nobody waits for any more would be cut off with the runtime.
    dataset.drain().await;
    tracing::info!("stopped");
    ended.extend(failed.transpose()?);
    ended.into_iter().collect()
}

/// Writes an order for each of some shops, every second.
async fn produce(store: Store<Order>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    // The token names the work. Yours comes from outside, say a job's name, so that it survives a restart.
    let run = Clock::machine().now();
    for number in 1.. {
        let order =
            |shop: &str| Order { placed_at: run, shop: shop.to_owned(), number, version: 1, cents: 100 * number };
        let orders = ["harbour", "market", "station"].map(order);
        let token = format!("orders-{}-{number}", run.timestamp_millis());
        // With the same token until it is done: what was committed in an earlier try is found, not written twice.
        while let Err(error) = store.write(&orders).token(&token).restamp_late(3).await {
            if error.cause.as_ref().is_some_and(|cause| cause.kind() == ErrorKind::InvalidInput) {
                return Err(error.into());
            }
            tracing::warn!(%error, token, "a write did not complete, trying again");
            if stopped(&mut stopping, Duration::from_secs(1)).await {
                return Ok(());
            }
        }
        if stopped(&mut stopping, Duration::from_secs(1)).await {
            break;
        }
    }
    Ok(())
}

/// Follows the change stream, page by page.
async fn consume(store: Store<Order>, place: Place, mut stopping: watch::Receiver<bool>) -> Result<()> {
    let mut pages = store.follow(&place.load()?).records();
    let mut cents = 0;
    loop {
        // Between two pages it can be stopped; within one it can't.
        let page = tokio::select! {
            page = pages.next_page() => page?,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        cents += page.records.iter().map(|order| order.cents).sum::<u64>();
        tracing::debug!(records = page.records.len(), cents, "a page");
        // After its records are dealt with: a crash before this line brings the page again.
        place.save(&page.next)?;
    }
    tracing::info!(cents, "followed");
    Ok(())
}

/// Where the consumer's place in the stream is kept. Best is beside what you make of the records, in one transaction.
struct Place(Option<PathBuf>);

impl Place {
    fn load(&self) -> Result<Offset> {
        let Some(path) = &self.0 else { return Ok(Offset::START) };
        match fs::read_to_string(path) {
            Ok(text) => Ok(text.parse()?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Offset::START),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the file as a whole: a crash leaves the old one or the new one.
    fn save(&self, offset: &Offset) -> Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        let new = path.with_extension("new");
        fs::write(&new, offset.as_str())?;
        Ok(fs::rename(new, path)?)
    }
}

/// The client, the bucket, and the consumer's place. In a service of yours: `Client::new(&aws_config::load_from_env().await)`.
fn connect() -> Result<(Client, String, Place)> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [endpoint, bucket, state] = arguments.as_slice() else {
        return Ok((S3::with_bucket("shops").client(), "shops".to_owned(), Place(None)));
    };
    let http = aws_smithy_http_client::Builder::new().build_http();
    let (key, secret) = (env::var("AWS_ACCESS_KEY_ID")?, env::var("AWS_SECRET_ACCESS_KEY")?);
    let credentials = Credentials::new(key, secret, None, None, "environment");
    let config = S3::new().config_without_http_client(endpoint).http_client(http).credentials_provider(credentials);
    Ok((Client::from_conf(config.build()), bucket.clone(), Place(Some(state.into()))))
}

/// The name of the signal that came.
async fn asked_to_stop() -> io::Result<&'static str> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    })
}

/// Waits, but not when it is time to stop: whether it is.
#[expect(clippy::disallowed_methods, reason = "the service has a rhythm of its own")]
async fn stopped(stopping: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    tokio::time::timeout(pause, stopping.wait_for(|stop| *stop)).await.is_ok()
}
