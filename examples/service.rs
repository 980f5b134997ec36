//! A template for a service: it writes and follows orders, exports metrics, logs, and shuts down cleanly.
//!
//! Run it with `cargo run --example service --features telemetry`. It then uses an S3 in this process. `curl
//! 127.0.0.1:9464/metrics` shows what Prometheus scrapes, and `s3store/dashboards` has a dashboard and alerts. Stop it
//! with Ctrl-C or SIGTERM.
//!
//! With the arguments `ENDPOINT BUCKET STATE-FILE` it uses that server, with the credentials in `AWS_ACCESS_KEY_ID` and
//! `AWS_SECRET_ACCESS_KEY`, and stores its position in the change stream in the file. `telemetry.rs` lists further
//! environment variables.

mod telemetry;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, io};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use s3store::chrono::{DateTime, SubsecRound, Utc};
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
    // First, because the dataset takes its meter provider when it is opened.
    let telemetry = Telemetry::start().await?;
    let served = serve().await;
    // Last, so that the metrics of the shutdown are exported too.
    if let Err(error) = telemetry.shutdown().await {
        tracing::warn!(%error, "the last metrics did not reach the collector");
    }
    served
}

/// Runs until a signal arrives or a task fails.
async fn serve() -> Result<()> {
    let (client, bucket, position) = connect()?;
    // A deployment needs to initialise a dataset once. Repeating it is harmless.
    let dataset = Dataset::init(client, bucket, PREFIX).await?.into_dataset();
    tracing::info!(bucket = dataset.bucket(), prefix = dataset.prefix(), "dataset opened");

    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(produce(dataset.store(), stopping.clone()));
    tasks.spawn(consume(dataset.store(), position, stopping));
    let failed = tokio::select! {
        // A task ends only if it fails. The others are then stopped as well.
        ended = tasks.join_next() => ended,
        signal = stop_signal() => {
            tracing::info!("{} received, stopping", signal?);
            None
        }
    };

    // Start no new work, but finish the work in progress.
    stop.send_replace(true);
    let mut ended = tasks.join_all().await;
    // Waits for commits in progress that no task waits for. The end of the runtime would interrupt them.
    dataset.drain().await;
    tracing::info!("stopped");
    ended.extend(failed.transpose()?);
    ended.into_iter().collect()
}

/// Writes an order for each shop, every second.
async fn produce(store: Store<Order>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    // The token identifies a piece of work. A real service uses one that survives a restart, such as the name of a job.
    // It is cut to milliseconds, the unit of its column: times in an entity are exact.
    let run = Clock::machine().now().trunc_subsecs(3);
    for number in 1.. {
        let order =
            |shop: &str| Order { placed_at: run, shop: shop.to_owned(), number, version: 1, cents: 100 * number };
        let orders = ["harbour", "market", "station"].map(order);
        let token = format!("orders-{}-{number}", run.timestamp_millis());
        // Retries with the same token until the write succeeds. Partitions that are committed already are found and not
        // written twice.
        while let Err(error) = store.write(&orders).token(&token).await {
            if error.cause.as_ref().is_some_and(|cause| cause.kind() == ErrorKind::InvalidInput) {
                return Err(error.into());
            }
            tracing::warn!(%error, token, "write failed, retrying");
            if stopped_within(&mut stopping, Duration::from_secs(1)).await {
                return Ok(());
            }
        }
        if stopped_within(&mut stopping, Duration::from_secs(1)).await {
            break;
        }
    }
    Ok(())
}

/// Follows the change stream, page by page.
async fn consume(store: Store<Order>, position: Position, mut stopping: watch::Receiver<bool>) -> Result<()> {
    let mut pages = store.follow(&position.load()?).records();
    let mut cents = 0;
    loop {
        // A stop is noticed between two pages, not within one.
        let page = tokio::select! {
            page = pages.next_page() => page?,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        cents += page.records.iter().map(|order| order.cents).sum::<u64>();
        tracing::debug!(records = page.records.len(), cents, "page processed");
        // Saved after the records are processed: after a crash before this line, the page comes again.
        position.save(&page.next)?;
    }
    tracing::info!(cents, "followed");
    Ok(())
}

/// The file with the consumer's position in the stream. Ideally a service stores the position with its results, in one
/// transaction.
struct Position(Option<PathBuf>);

impl Position {
    fn load(&self) -> Result<Offset> {
        let Some(path) = &self.0 else { return Ok(Offset::START) };
        match fs::read_to_string(path) {
            Ok(text) => Ok(text.parse()?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Offset::START),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the file atomically: after a crash it has either the old or the new position.
    fn save(&self, offset: &Offset) -> Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        let new = path.with_extension("new");
        fs::write(&new, offset.as_str())?;
        Ok(fs::rename(new, path)?)
    }
}

/// Returns the client, the bucket and the consumer's position. A real service uses
/// `Client::new(&aws_config::load_from_env().await)`.
fn connect() -> Result<(Client, String, Position)> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [endpoint, bucket, state] = arguments.as_slice() else {
        return Ok((S3::with_bucket("shops").client(), "shops".to_owned(), Position(None)));
    };
    let http = aws_smithy_http_client::Builder::new().build_http();
    let (key, secret) = (env::var("AWS_ACCESS_KEY_ID")?, env::var("AWS_SECRET_ACCESS_KEY")?);
    let credentials = Credentials::new(key, secret, None, None, "environment");
    let config = S3::new().config_without_http_client(endpoint).http_client(http).credentials_provider(credentials);
    Ok((Client::from_conf(config.build()), bucket.clone(), Position(Some(state.into()))))
}

/// Waits for a signal to stop, and returns its name.
async fn stop_signal() -> io::Result<&'static str> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    })
}

/// Waits for `pause`, or until the service is stopped. Returns whether it is stopped.
#[expect(clippy::disallowed_methods, reason = "the service works at intervals")]
async fn stopped_within(stopping: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    tokio::time::timeout(pause, stopping.wait_for(|stop| *stop)).await.is_ok()
}
