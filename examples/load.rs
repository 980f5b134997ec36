//! Load with simulated problems, which shows a dashboard and alerts in action.
//!
//! Run it with `cargo run --example load --features telemetry`. `telemetry.rs` lists the environment variables that it
//! reads.
//!
//! Each problem has its own dataset, whose prefix is the problem's name, on its own S3 in this process. All datasets
//! are written, read and followed concurrently, so the dashboard shows which metrics and alerts each problem affects.
//! The dataset `healthy` has no problem.

mod telemetry;

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use s3store::chrono::TimeDelta;
use s3store::dataset::{ClockGuard, DatasetOptions};
use s3store::testing::{Fault, FaultBuilder, Operation, S3};
use s3store::{Clock, Dataset, Offset, Record, Store};
use tokio::task::JoinSet;

use telemetry::Telemetry;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

const BUCKET: &str = "load";

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(batch))]
struct Event {
    #[record(entity)]
    batch: String,
    #[record(entity)]
    number: u64,
    #[record(version)]
    version: u64,
    payload: String,
}

fn events(number: u64, partitions: u64) -> Vec<Event> {
    let event = |partition: u64| Event {
        batch: format!("{:06}-{partition:02}", number / 20),
        number,
        version: number,
        payload: "lorem ipsum ".repeat(20),
    };
    (0..partitions).map(event).collect()
}

/// A dataset on its own S3.
#[derive(Clone)]
struct World {
    s3: S3,
    dataset: Dataset,
    store: Store<Event>,
}

impl World {
    async fn new(prefix: &str) -> Result<Self> {
        Self::with(prefix, Dataset::options(), Duration::from_secs(15)).await
    }

    async fn with(prefix: &str, options: DatasetOptions, commit_timeout: Duration) -> Result<Self> {
        let s3 = S3::with_bucket(BUCKET);
        let dataset = options.init(s3.client(), BUCKET, prefix).commit_timeout(commit_timeout).await?.into_dataset();
        Ok(Self { s3, store: dataset.store(), dataset })
    }

    /// Writes, reads and follows, and ignores all errors.
    async fn run(self) -> Result<()> {
        tokio::join!(self.write(), self.read(), self.follow());
        Ok(())
    }

    async fn write(&self) {
        for number in 0.. {
            // A real service would retry. Here the metrics and logs show the failure.
            let token = format!("round-{number}");
            if let Err(error) = self.store.write(&events(number, 2)).token(token).await {
                tracing::debug!(%error, prefix = self.dataset.prefix(), "write failed");
            }
            self.s3.clear_requests();
            pause(1_000).await;
        }
    }

    async fn read(&self) {
        for number in 0_u64.. {
            let batch = format!("batch={:06}-*", number / 20);
            if let Err(error) = self.store.read(batch).await {
                tracing::debug!(%error, prefix = self.dataset.prefix(), "read failed");
            }
            pause(1_000).await;
        }
    }

    async fn follow(&self) {
        let mut pages = self.store.follow(&Offset::START).records();
        loop {
            if let Err(error) = pages.next_page().await {
                tracing::debug!(%error, prefix = self.dataset.prefix(), "following failed");
            }
        }
    }
}

/// No problem, but activity on every panel of the dashboard.
async fn healthy() -> Result<()> {
    let world = World::new("healthy").await?;
    let more = world.clone();
    tokio::spawn(async move {
        for number in 1_000_000.. {
            // A repeated token: an optimistic write notices it only at its commit.
            for _ in 0..2 {
                let _ =
                    more.store.write(&events(number, 12)).token(format!("again-{number}")).optimistic_commit().await;
                let _ = more.store.write_partition("batch=one", &one(number)).await;
            }
            // A slow consumer, limited by read-ahead partitions first, and then by read-ahead bytes.
            for (partitions, bytes) in [(0, 1 << 20), (8, 1 << 10)] {
                let read = more.store.read("batch=050*").read_ahead_partitions(partitions).read_ahead_bytes(bytes);
                let mut partitions = read.partitions();
                while let Ok(Some(_)) = partitions.try_next().await {
                    pause(10).await;
                }
            }
            let _ = more.store.poll(&Offset::START).limit(10).await;
            pause(1_000).await;
        }
    });
    world.run().await
}

fn one(number: u64) -> Vec<Event> {
    vec![Event { batch: "one".to_owned(), number, version: 1, payload: String::new() }]
}

/// Every fifth request gets 503 SlowDown. HEADs are excluded, because their responses have no body with the error code.
async fn throttled() -> Result<()> {
    let world = World::new("throttled").await?;
    world.s3.inject(every_fifth(|operation| operation != Operation::Head).fail(503, "SlowDown"));
    world.run().await
}

/// Every fifth request loses its connection.
async fn dropped() -> Result<()> {
    let world = World::new("dropped").await?;
    world.s3.inject(every_fifth(|_| true).drop_connection());
    world.run().await
}

fn every_fifth(operations: fn(Operation) -> bool) -> FaultBuilder {
    let seen = AtomicU64::new(0);
    let counted = move |operation| operations(operation) && seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(5);
    Fault::any().matching(move |request| counted(request.operation)).always()
}

/// Data files can't be read, for lack of permission.
async fn refused() -> Result<()> {
    let world = World::with("refused", Dataset::options(), Duration::from_secs(8)).await?;
    world.s3.inject(Fault::on(Operation::Get).key_ends_with(".parquet").always().fail(403, "AccessDenied"));
    world.run().await
}

/// S3 is down.
async fn unavailable() -> Result<()> {
    let world = World::new("unavailable").await?;
    world.s3.inject(Fault::any().always().fail(500, "InternalError"));
    world.run().await
}

/// Commits take longer than the commit timeout, and the writer does not restamp them.
async fn late() -> Result<()> {
    let world = with_slow_commits("late").await?;
    let readers = world.clone();
    tokio::spawn(async move { tokio::join!(readers.read(), readers.follow()) });
    for number in 0.. {
        let _ = world.store.write(&events(number, 2)).report_late().await;
        world.s3.clear_requests();
        pause(1_000).await;
    }
    Ok(())
}

/// Commits are also late here, but the writer restamps them.
async fn restamped() -> Result<()> {
    let world = with_slow_commits("restamped").await?;
    let follower = world.clone();
    tokio::spawn(async move { follower.follow().await });
    for number in 0.. {
        let _ = world.store.write(&events(number, 1)).await;
    }
    Ok(())
}

async fn with_slow_commits(prefix: &str) -> Result<World> {
    let world = World::with(prefix, Dataset::options(), Duration::from_millis(500)).await?;
    let commits = Fault::on(Operation::Put).key_ends_with(".commit").always();
    world.s3.inject(commits.delay(Duration::from_millis(700)));
    Ok(world)
}

/// Requests of commits, PUTs and HEADs, get no response.
async fn unknown() -> Result<()> {
    let world = World::new("unknown").await?;
    world.s3.inject(Fault::any().key_ends_with(".commit").always().drop_connection());
    for number in 0.. {
        // Without a token: with one, the write would fail at the HEAD, before the PUT.
        let _ = world.store.write(&events(number, 2)).await;
        pause(1_000).await;
    }
    Ok(())
}

/// Data files are deleted.
async fn pruned() -> Result<()> {
    let world = World::with("pruned", Dataset::options(), Duration::from_secs(8)).await?;
    let follower = world.clone();
    tokio::spawn(async move { follower.follow().await });
    for number in 0.. {
        let commits = world.store.write(&events(number, 2)).await?;
        world.s3.remove_object(BUCKET, &commits[0].data_path);
        pause(1_000).await;
    }
    Ok(())
}

/// Data files are damaged, and the consumer leaves them out.
async fn damaged() -> Result<()> {
    let world = World::with("damaged", Dataset::options(), Duration::from_secs(8)).await?;
    let mut pages = world.store.follow(&Offset::START).skip_undecodable().records();
    tokio::spawn(async move { while pages.next_page().await.is_ok() {} });
    for number in 0.. {
        let commits = world.store.write(&events(number, 2)).await?;
        world.s3.put_object(BUCKET, &commits[0].data_path, "damaged");
        pause(1_000).await;
    }
    Ok(())
}

/// Another program writes objects below the prefix of the refs.
async fn malformed() -> Result<()> {
    let world = World::with("malformed", Dataset::options(), Duration::from_secs(8)).await?;
    let s3 = world.s3.clone();
    tokio::spawn(async move {
        loop {
            let key = format!("malformed/_ref/{:016}-note.txt", Clock::machine().now().timestamp_micros());
            s3.put_object(BUCKET, &key, "not a ref");
            pause(1_000).await;
        }
    });
    world.run().await
}

/// The clock is ahead, and the clock guard only warns.
async fn skewed() -> Result<()> {
    let clock = Clock::machine();
    let options = Dataset::options().clock(clock.clone()).clock_guard(ClockGuard::Warn);
    let world = World::with("skewed", options, Duration::from_secs(15)).await?;
    clock.set_offset(TimeDelta::seconds(5));
    world.run().await
}

/// Many reads share two permits.
async fn crowded() -> Result<()> {
    let options = Dataset::options().max_inflight_requests(2);
    let world = World::with("crowded", options, Duration::from_secs(15)).await?;
    world.store.write(&events(0, 2)).await?;
    world.s3.inject(Fault::on(Operation::Get).always().delay(Duration::from_millis(100)));
    join_all((0..20).map(|_| world.read())).await;
    Ok(())
}

/// HEADs of commits take seconds.
async fn slow() -> Result<()> {
    let world = World::new("slow").await?;
    let heads = Fault::on(Operation::Head).always();
    world.s3.inject(heads.delay(Duration::from_secs(6)));
    join_all((0..8).map(|_| world.store.lookup_commit("batch=none", "none"))).await;
    world.run().await
}

/// A consumer that is an hour behind and has stopped polling.
async fn lagging() -> Result<()> {
    // Writer and S3 start an hour in the past.
    let (s3, clock) = (S3::with_bucket(BUCKET), Clock::machine());
    clock.set_offset(TimeDelta::hours(-1));
    s3.set_clock_offset(TimeDelta::hours(-1));
    let dataset = Dataset::options().clock(clock).init(s3.client(), BUCKET, "lagging").await?.into_dataset();
    for number in 0..3 {
        dataset.store().write(&events(number, 2)).await?;
    }
    drop(dataset);
    s3.set_clock_offset(TimeDelta::zero());
    let dataset = Dataset::open(s3.client(), BUCKET, "lagging").await?;
    let mut pages = dataset.store::<Event>().follow(&Offset::START).limit(1).entries();
    pages.next_page().await?;
    std::future::pending().await
}

/// A publisher that can't list the refs, and whose log ends an hour ago.
async fn unpublished() -> Result<()> {
    let (s3, clock) = (S3::with_bucket(BUCKET), Clock::machine());
    clock.set_offset(TimeDelta::hours(-1));
    s3.set_clock_offset(TimeDelta::hours(-1));
    let dataset = Dataset::options().clock(clock).init(s3.client(), BUCKET, "unpublished").await?.into_dataset();
    dataset.store().write(&events(0, 2)).await?;
    dataset.store::<Event>().table().publish_delta().await?;
    drop(dataset);
    s3.set_clock_offset(TimeDelta::zero());
    s3.inject(Fault::on(Operation::List).key_contains("/_ref/").always().hang());
    let dataset = Dataset::open(s3.client(), BUCKET, "unpublished").await?;
    let mut publishing = dataset.store::<Event>().table().publish_delta().stream();
    publishing.try_next().await?;
    Ok(())
}

/// A consumer that reads one record of a stream and then stops.
async fn stalled() -> Result<()> {
    let world = World::new("stalled").await?;
    world.store.write(&events(0, 40)).await?;
    let mut stream = world.store.read_all().read_ahead_partitions(1).stream();
    stream.try_next().await?;
    world.run().await?;
    stream.try_next().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let telemetry = Telemetry::start().await?;
    let mut problems = JoinSet::new();
    problems.spawn(healthy());
    problems.spawn(throttled());
    problems.spawn(dropped());
    problems.spawn(refused());
    problems.spawn(unavailable());
    problems.spawn(late());
    problems.spawn(restamped());
    problems.spawn(unknown());
    problems.spawn(pruned());
    problems.spawn(damaged());
    problems.spawn(malformed());
    problems.spawn(skewed());
    problems.spawn(crowded());
    problems.spawn(slow());
    problems.spawn(lagging());
    problems.spawn(unpublished());
    problems.spawn(stalled());
    // A task ends only if it fails.
    let ended = tokio::select! {
        ended = problems.join_next() => ended,
        stopped = tokio::signal::ctrl_c() => stopped.map(|()| None)?,
    };
    ended.transpose()?.transpose()?;
    telemetry.shutdown().await
}

#[expect(clippy::disallowed_methods, reason = "the load is generated at intervals")]
async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
