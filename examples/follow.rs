//! A consumer of the change stream that survives `kill -9`. It stores its position in the stream and its results
//! together, in one file.
//!
//! Run it with `cargo run --example follow`. It starts an S3 on a socket, a writer, and the consumer as a separate
//! process, which it kills and restarts several times. In the end the consumer must know exactly what was written.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use aws_sdk_s3::Client;
use s3store::testing::S3;
use s3store::{Dataset, Offset, Record};
use serde::{Deserialize, Serialize};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// An order in a shop. Each change is a new version.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(shop))]
struct Order {
    #[record(entity)]
    shop: String,
    #[record(entity)]
    number: u64,
    #[record(version)]
    version: u32,
    cents: u64,
}

/// The consumer's state: its position in the stream and its results. Both are stored in one file, so that neither can
/// be ahead of the other.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    offset: Offset,
    /// The latest version of each order, and its value.
    orders: BTreeMap<String, (u32, u64)>,
}

impl State {
    fn load(path: &Path) -> Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the file atomically: after a crash it has either the old or the new state.
    fn save(&self, path: &Path) -> Result<()> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        Ok(())
    }

    /// Applies a record. The stream can return a record more than once, so an older version changes nothing.
    fn apply(&mut self, order: &Order) {
        let known = self.orders.entry(format!("{} {}", order.shop, order.number)).or_default();
        if order.version >= known.0 {
            *known = (order.version, order.cents);
        }
    }

    fn value(&self) -> u64 {
        self.orders.values().map(|(_, cents)| cents).sum()
    }
}

/// Follows the stream until the process is killed.
async fn consume(dataset: &Dataset, path: &Path) -> Result<()> {
    let mut state = State::load(path)?;
    println!("  consumer: starts at offset {:?} with {} orders", state.offset.as_str(), state.orders.len());
    let mut pages = dataset.store::<Order>().follow(&state.offset).pace(Duration::from_millis(100)).records();
    loop {
        let page = pages.next_page().await?;
        page.records.iter().for_each(|order| state.apply(order));
        state.offset = page.next;
        state.save(path)?;
    }
}

/// Writes orders in rounds. Returns the total value of their latest versions.
async fn produce(dataset: &Dataset, rounds: u32) -> Result<u64> {
    let store = dataset.store::<Order>();
    let mut latest = BTreeMap::new();
    for round in 1..=rounds {
        let orders: Vec<Order> = (0..20)
            .map(|index| {
                let number = u64::from(round * 7 + index) % 60;
                let shop = format!("shop-{}", number % 3);
                Order { shop, number, version: round, cents: u64::from(round) * 100 + number }
            })
            .collect();
        // With a token the write can be repeated: after a crash, the same call returns the existing commits.
        store.write(&orders).token(format!("round-{round}")).await?;
        latest.extend(orders.into_iter().map(|order| (order.number, order.cents)));
        pause(40).await;
    }
    Ok(latest.values().sum())
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [endpoint, path] = arguments.as_slice() {
        return consume(&Dataset::open(client(endpoint), "shops", "orders").await?, Path::new(path)).await;
    }
    let s3 = S3::with_bucket("shops");
    let listener = s3.listen("127.0.0.1:0").await?;
    // A short commit timeout, so that refs settle quickly in this demonstration.
    let init = Dataset::init(s3.client(), "shops", "orders").commit_timeout(Duration::from_secs(2));
    let dataset = init.await?.into_dataset();

    let folder = std::env::temp_dir().join(format!("s3store-follow-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let path = folder.join("state.json");
    let consumer = Consumer { endpoint: listener.endpoint(), path: path.clone() };

    let writing = tokio::spawn({
        let dataset = dataset.clone();
        async move { produce(&dataset, 100).await.map_err(|error| error.to_string()) }
    });
    for _ in 0..6 {
        let mut process = consumer.start()?;
        pause(900).await;
        process.kill()?;
        process.wait()?;
        println!("  killed");
    }
    let value = writing.await??;
    println!("written: {value} cents");

    let mut process = consumer.start()?;
    for _ in 0..100 {
        if State::load(&path)?.value() == value {
            break;
        }
        pause(100).await;
    }
    process.kill()?;
    process.wait()?;
    let state = State::load(&path)?;
    fs::remove_dir_all(folder)?;
    println!("consumed: {} cents, of {} orders", state.value(), state.orders.len());
    if state.value() == value { Ok(()) } else { Err("the consumer has missed records".into()) }
}

/// Starts the consumer as a process.
struct Consumer {
    endpoint: String,
    path: PathBuf,
}

impl Consumer {
    fn start(&self) -> Result<Child> {
        Ok(Command::new(std::env::current_exe()?).arg(&self.endpoint).arg(&self.path).spawn()?)
    }
}

/// Returns a client for the S3 of the parent process. A real program uses
/// `Client::new(&aws_config::load_from_env().await)`.
fn client(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = S3::new().config_without_http_client(endpoint).http_client(http);
    Client::from_conf(config.build())
}

#[expect(clippy::disallowed_methods, reason = "the demonstration waits for other processes")]
async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
