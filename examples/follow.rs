//! A consumer of the change stream that survives `kill -9`: it keeps its place, and what it has made of the stream so
//! far, in one file.
//!
//! `cargo run --example follow` starts an S3 on a socket, a writer, and the consumer as a process of its own, which it
//! kills again and again. In the end the consumer knows exactly what was written.

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

/// What customers have in an order, version by version.
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

/// The consumer's state: where it is in the stream, and what it knows. Both are stored together, so that one can't be
/// ahead of the other.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    offset: Offset,
    /// The latest version of each order, and its worth.
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

    /// Replaces the file as a whole: a kill at any moment leaves the old one or the new one.
    fn store(&self, path: &Path) -> Result<()> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        Ok(())
    }

    /// A record may come twice, in another page: what is older than what is known changes nothing.
    fn take(&mut self, order: &Order) {
        let known = self.orders.entry(format!("{} {}", order.shop, order.number)).or_default();
        if order.version >= known.0 {
            *known = (order.version, order.cents);
        }
    }

    fn worth(&self) -> u64 {
        self.orders.values().map(|(_, cents)| cents).sum()
    }
}

/// The consumer: runs until it is killed.
async fn consume(dataset: &Dataset, path: &Path) -> Result<()> {
    let mut state = State::load(path)?;
    println!("  consumer: from {:?} on, with {} orders", state.offset.as_str(), state.orders.len());
    let mut pages = dataset.store::<Order>().follow(&state.offset).pace(Duration::from_millis(100)).records();
    loop {
        let page = pages.next_page().await?;
        page.records.iter().for_each(|order| state.take(order));
        state.offset = page.next;
        state.store(path)?;
    }
}

/// Writes orders, again and again, and returns what they are worth.
async fn produce(dataset: &Dataset, rounds: u32) -> Result<u64> {
    let store = dataset.store::<Order>();
    let mut worth = BTreeMap::new();
    for round in 1..=rounds {
        let orders: Vec<Order> = (0..20)
            .map(|place| {
                let number = u64::from(round * 7 + place) % 60;
                let shop = format!("shop-{}", number % 3);
                Order { shop, number, version: round, cents: u64::from(round) * 100 + number }
            })
            .collect();
        // Repeatable: after a crash of this writer the same call would find what was committed.
        store.write(&orders).token(format!("round-{round}")).restamp_late(3).await?;
        worth.extend(orders.into_iter().map(|order| (order.number, order.cents)));
        pause(40).await;
    }
    Ok(worth.values().sum())
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [endpoint, path] = arguments.as_slice() {
        return consume(&Dataset::open(client(endpoint), "shops", "orders").await?, Path::new(path)).await;
    }
    let s3 = S3::with_bucket("shops");
    let listener = s3.listen("127.0.0.1:0").await?;
    // A short commit timeout, so that the demonstration does not have to wait for it.
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
    let worth = writing.await??;
    println!("written: {worth} cents");

    let mut process = consumer.start()?;
    for _ in 0..100 {
        if State::load(&path)?.worth() == worth {
            break;
        }
        pause(100).await;
    }
    process.kill()?;
    process.wait()?;
    let state = State::load(&path)?;
    fs::remove_dir_all(folder)?;
    println!("consumed: {} cents, of {} orders", state.worth(), state.orders.len());
    if state.worth() == worth { Ok(()) } else { Err("the consumer has missed something".into()) }
}

struct Consumer {
    endpoint: String,
    path: PathBuf,
}

impl Consumer {
    fn start(&self) -> Result<Child> {
        Ok(Command::new(std::env::current_exe()?).arg(&self.endpoint).arg(&self.path).spawn()?)
    }
}

/// A client for the S3 of the other process. In a program of yours: `Client::new(&aws_config::load_from_env().await)`.
fn client(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = S3::new().config_without_http_client(endpoint).http_client(http);
    Client::from_conf(config.build())
}

#[expect(clippy::disallowed_methods, reason = "the demonstration waits for processes")]
async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
