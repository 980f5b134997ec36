//! The S3 server that a test uses, and helpers that several tests share.
//!
//! By default a test uses [`S3`] in its own process. If `S3STORE_TEST_ENDPOINT` is set, the tests that need only S3
//! itself run on that server. They then also need `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_REGION`.
//! `S3STORE_TEST_SERVER` names the server if its `Server` header does not. Tests that inject faults or move clocks
//! always use the in-process server. Each test has its own prefix.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{AppName, BehaviorVersion, Credentials, Region};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{Either, select};
use s3store::dataset::{ClockGuard, DatasetOptions, SchemaCheck};
use s3store::testing::{Fault, FaultBuilder, Operation, Request, S3, ServerTime};
use s3store::{Clock, Dataset};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

pub const BUCKET: &str = "s3store-tests";

/// The real server that the environment names.
struct Real {
    endpoint: String,
    access_key: String,
    secret_key: String,
    region: String,
    name: String,
}

fn real() -> Option<&'static Real> {
    static REAL: OnceLock<Option<Real>> = OnceLock::new();
    let read = || {
        let endpoint = std::env::var("S3STORE_TEST_ENDPOINT").ok()?;
        let variable =
            |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("S3STORE_TEST_ENDPOINT needs {name}"));
        let name = std::env::var("S3STORE_TEST_SERVER").unwrap_or_else(|_| server_header(&endpoint));
        Some(Real {
            access_key: variable("AWS_ACCESS_KEY_ID"),
            secret_key: variable("AWS_SECRET_ACCESS_KEY"),
            region: variable("AWS_REGION"),
            endpoint,
            name: name.to_lowercase(),
        })
    };
    REAL.get_or_init(read).as_ref()
}

/// Returns the `Server` header of an endpoint.
fn server_header(endpoint: &str) -> String {
    use std::io::{Read, Write};
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let mut answer = String::new();
    let mut socket = std::net::TcpStream::connect(address).expect("S3STORE_TEST_ENDPOINT does not respond");
    write!(socket, "GET / HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    socket.read_to_string(&mut answer).unwrap();
    let header = answer.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("server:").map(str::to_owned));
    header.unwrap_or_default()
}

/// Returns the options of most tests. They do not check the schema, so that their requests are only those of the calls
/// that they test; `contract.rs` and the crash tests check it.
pub fn options() -> DatasetOptions {
    Dataset::options().schema_check(SchemaCheck::Off)
}

/// A feature that some servers lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Key segments (the parts between slashes) of more than 255 bytes.
    LongKeyParts,
    /// Backslashes in keys.
    Backslash,
}

/// The S3 server of one test, with the test's bucket and prefix.
pub struct Server {
    pub client: Client,
    pub bucket: String,
    pub prefix: String,
    name: String,
}

impl Server {
    /// Returns a server with a bucket, and a prefix that no other test uses.
    pub async fn start() -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let Some(real) = real() else {
            let client = S3::with_bucket(BUCKET).client();
            return Self {
                client,
                bucket: BUCKET.into(),
                prefix: "tests/one".into(),
                name: "the in-process S3".into(),
            };
        };
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(real.region.clone()))
            .credentials_provider(Credentials::new(&real.access_key, &real.secret_key, None, None, "environment"))
            .endpoint_url(&real.endpoint)
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        let client = Client::from_conf(config.build());
        if client.head_bucket().bucket(BUCKET).send().await.is_err() {
            // Another test may create the bucket at the same time; then this request fails.
            let _ = client.create_bucket().bucket(BUCKET).send().await;
            client.head_bucket().bucket(BUCKET).send().await.expect("can't create the bucket on the test server");
        }
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let started = Clock::machine().now().timestamp_micros();
        let prefix = format!("tests/{started}-{}-{number}", std::process::id());
        Self { client, bucket: BUCKET.into(), prefix, name: real.name.clone() }
    }

    /// Initialises and opens the dataset with default options.
    pub async fn dataset(&self) -> Dataset {
        self.dataset_with(options()).await
    }

    pub async fn dataset_with(&self, options: DatasetOptions) -> Dataset {
        options.init(self.client.clone(), &self.bucket, &self.prefix).await.unwrap().into_dataset()
    }

    /// Opens the dataset for a reader whose clock is ahead by more than the settle window. For this reader every ref is
    /// settled.
    pub async fn settled(&self) -> Dataset {
        let clock = Clock::machine();
        clock.set_offset(TimeDelta::seconds(30));
        let options = options().clock(clock).clock_guard(ClockGuard::Off);
        options.open(self.client.clone(), &self.bucket, &self.prefix).await.unwrap()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the server lacks a capability. If so, prints that the calling test, or part of it, is skipped.
    pub fn lacks(&self, capability: Capability, test: &str) -> bool {
        let lacking = match capability {
            Capability::LongKeyParts | Capability::Backslash => self.name.contains("seaweedfs"),
        };
        if lacking {
            println!("skipped: {test}: {} lacks {capability:?}", self.name);
        }
        lacking
    }
}

/// An in-process S3 and a [`Clock`] that both follow tokio's clock, for tests with paused time.
pub struct Virtual {
    pub s3: S3,
    pub clock: Clock,
}

/// The prefix of [`Virtual::dataset`].
pub const PREFIX: &str = "d";

impl Virtual {
    pub fn new() -> Self {
        let (s3, clock) = (S3::with_bucket(BUCKET), Clock::virtual_time());
        s3.set_time(ServerTime::Tokio(clock.now()));
        Self { s3, clock }
    }

    /// Returns options with the virtual clock.
    pub fn options(&self) -> DatasetOptions {
        options().clock(self.clock.clone())
    }

    /// Initialises the dataset if necessary, and opens it.
    pub async fn dataset(&self) -> Dataset {
        self.dataset_with(self.options()).await
    }

    pub async fn dataset_with(&self, options: DatasetOptions) -> Dataset {
        options.init(self.s3.client(), BUCKET, PREFIX).await.unwrap().into_dataset()
    }

    /// Opens the dataset as another process, with its own client. [`sent_by`] identifies its requests.
    pub async fn process(&self, name: &'static str) -> Dataset {
        self.process_on(name, self.clock.clone()).await
    }

    /// Opens the dataset as [`process`](Self::process) does, with another clock.
    pub async fn process_on(&self, name: &'static str, clock: Clock) -> Dataset {
        self.process_with(name, options().clock(clock)).await
    }

    /// Opens the dataset as [`process`](Self::process) does, with these options.
    pub async fn process_with(&self, name: &'static str, options: DatasetOptions) -> Dataset {
        let client = Client::from_conf(self.s3.config().app_name(AppName::new(name).unwrap()).build());
        options.open(client, BUCKET, PREFIX).await.unwrap()
    }

    /// Returns a clock that is ahead of the virtual clock by exactly this much.
    pub fn clock_ahead(&self, by: TimeDelta) -> Clock {
        let clock = Clock::virtual_time();
        clock.set_offset(self.clock.now() - clock.now() + by);
        clock
    }

    /// Opens the dataset for a reader whose clock is ahead by more than the settle window. For this reader every ref is
    /// settled.
    pub async fn settled(&self) -> Dataset {
        let options = options().clock(self.clock_ahead(TimeDelta::seconds(30))).clock_guard(ClockGuard::Off);
        options.open(self.s3.client(), BUCKET, PREFIX).await.unwrap()
    }

    pub fn keys_with(&self, part: &str) -> Vec<String> {
        self.s3.keys(BUCKET).into_iter().filter(|key| key.contains(part)).collect()
    }

    /// Returns the requests since the log was cleared, as `Put key` or `List prefix`.
    pub fn log(&self) -> Vec<String> {
        self.s3.requests().iter().map(brief).collect()
    }

    pub fn count(&self, operation: Operation) -> usize {
        self.s3.requests().iter().filter(|request| request.operation == operation).count()
    }

    /// Returns the number of PUT, HEAD, GET and LIST requests since the log was cleared, and clears it. A list of uploads is
    /// a LIST. Fails if there was any other request.
    pub fn counts(&self) -> [usize; 4] {
        let mut all = [Operation::Put, Operation::Head, Operation::Get, Operation::List].map(|kind| self.count(kind));
        all[3] += self.count(Operation::ListUploads);
        assert_eq!(self.log().len(), all.iter().sum::<usize>());
        self.s3.clear_requests();
        all
    }

    /// Returns how many bytes the requests for a range have asked for since the log was cleared.
    pub fn ranged_bytes(&self) -> u64 {
        let requests = self.s3.requests();
        let ranges = requests.iter().filter_map(Request::range).map(|range| {
            let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            last.parse::<u64>().unwrap() + 1 - first.parse::<u64>().unwrap()
        });
        ranges.sum()
    }

    /// Returns the future's output, and how long it took on the virtual clock.
    pub async fn timed<F: IntoFuture>(&self, future: F) -> (F::Output, Duration) {
        let before = self.clock.now();
        let output = future.await;
        (output, (self.clock.now() - before).to_std().unwrap())
    }

    /// Delays every request from now on. The returned counter shows how many are in flight.
    pub fn slow_down(&self, each: Duration) -> InFlight {
        let in_flight = InFlight::default();
        let watched = in_flight.clone();
        self.s3.inject(Fault::any().always().call_before(move |_| {
            let request = watched.begin();
            async move {
                sleep(each).await;
                drop(request);
            }
        }));
        in_flight
    }
}

/// Counts the requests in flight.
#[derive(Clone, Default)]
pub struct InFlight {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl InFlight {
    pub fn now(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }

    /// Returns the maximum since the last call.
    pub fn most(&self) -> usize {
        self.most.swap(0, Ordering::SeqCst)
    }

    fn begin(&self) -> RequestGuard {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        RequestGuard(self.clone())
    }
}

/// A request in flight, until it is answered or dropped.
struct RequestGuard(InFlight);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

pub fn brief(request: &Request) -> String {
    format!("{:?} {}", request.operation, request.target().unwrap_or_default())
}

/// Returns whether a request was sent by this process of [`Virtual::process`].
pub fn sent_by(request: &Request, name: &str) -> bool {
    let app = format!("app/{name}");
    ["user-agent", "x-amz-user-agent"]
        .iter()
        .any(|header| request.header(header).is_some_and(|text| text.contains(&app)))
}

/// Installs a subscriber for this thread, until the guard is dropped.
///
/// `tracing` caches whether a callsite is enabled. With a single subscriber in the process it asks the thread that
/// reaches the callsite first, which may belong to another test without a subscriber. A second, silent subscriber turns
/// that cache off.
pub fn listen(subscriber: impl Into<tracing::Dispatch>) -> tracing::subscriber::DefaultGuard {
    static OTHER: OnceLock<tracing::Dispatch> = OnceLock::new();
    OTHER.get_or_init(|| tracing::Dispatch::new(tracing_subscriber::registry().with(LevelFilter::OFF)));
    tracing::dispatcher::set_default(&subscriber.into())
}

/// Completes a fault.
pub type MakeFault = fn(FaultBuilder) -> Fault;

/// Starts a fault of the PUTs of keys with this suffix.
pub fn put(suffix: &str) -> FaultBuilder {
    Fault::on(Operation::Put).key_ends_with(suffix)
}

pub fn micros(micros: i64) -> TimeDelta {
    TimeDelta::microseconds(micros)
}

/// Returns the instant at this many microseconds since 1970.
pub fn at(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap()
}

/// Returns a function that draws numbers from 0 to below its argument, the same ones for each seed.
pub fn draws(seed: u64) -> impl FnMut(u64) -> i64 {
    let mut random = seed;
    move |below| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((random >> 33) % below).unwrap()
    }
}

/// Yields to other tasks until `done` returns true. It does not sleep, so paused time stays where it is.
pub async fn wait_until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}

/// Sleeps.
#[expect(clippy::disallowed_methods, reason = "with paused time this takes no real time")]
pub async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Returns the future's output, or `None` if it takes longer than `time`; the future is then dropped.
pub async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    match select(pin!(future), pin!(sleep(time))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
