//! The S3 that a test talks to.
//!
//! By default that is [`S3`] in this process. With `S3STORE_TEST_ENDPOINT` set, and `AWS_ACCESS_KEY_ID`,
//! `AWS_SECRET_ACCESS_KEY` and `AWS_REGION` with it, the tests that need nothing but S3 run on that server;
//! `S3STORE_TEST_SERVER` names it where it does not name itself. Those that inject faults or move clocks stay in the
//! process. Each test has a prefix of its own.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{AppName, BehaviorVersion, Credentials, Region};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{Either, select};
use s3store::dataset::{ClockGuard, DatasetOptions};
use s3store::testing::{Fault, Operation, Request, S3, ServerTime};
use s3store::{Clock, Dataset};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

pub const BUCKET: &str = "s3store-tests";

/// A real server, as the environment names it.
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

/// What an endpoint calls itself in the `Server` header of its answers.
fn server_header(endpoint: &str) -> String {
    use std::io::{Read, Write};
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let mut answer = String::new();
    let mut socket = std::net::TcpStream::connect(address).expect("S3STORE_TEST_ENDPOINT does not answer");
    write!(socket, "GET / HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    socket.read_to_string(&mut answer).unwrap();
    let header = answer.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("server:").map(str::to_owned));
    header.unwrap_or_default()
}

/// What not every server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Parts of a key between slashes of more than 255 bytes.
    LongKeyParts,
    /// A backslash in a key.
    Backslash,
}

/// The S3 of one test.
pub struct Server {
    pub client: Client,
    pub bucket: String,
    pub prefix: String,
    name: String,
}

impl Server {
    /// A server with a bucket, and a prefix that nobody else uses.
    pub async fn start() -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let Some(real) = real() else {
            let client = S3::with_bucket(BUCKET).client();
            return Self { client, bucket: BUCKET.into(), prefix: "tests/one".into(), name: "in the process".into() };
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
            // Another test may be creating it; who comes second is told so, in one way or another.
            let _ = client.create_bucket().bucket(BUCKET).send().await;
            client.head_bucket().bucket(BUCKET).send().await.expect("no bucket on the test server");
        }
        let place = STARTED.fetch_add(1, Ordering::Relaxed);
        let started = Clock::machine().now().timestamp_micros();
        let prefix = format!("tests/{started}-{}-{place}", std::process::id());
        Self { client, bucket: BUCKET.into(), prefix, name: real.name.clone() }
    }

    /// A dataset, initialised with the defaults.
    pub async fn dataset(&self) -> Dataset {
        self.dataset_with(Dataset::options()).await
    }

    pub async fn dataset_with(&self, options: DatasetOptions) -> Dataset {
        options.init(self.client.clone(), &self.bucket, &self.prefix).await.unwrap().into_dataset()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the server lacks something; says then that the calling test, or a part of it, is skipped.
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

/// An S3 in the process whose time is tokio's, with the clock that goes with it: for tests with paused time.
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

    /// Options with the clock.
    pub fn options(&self) -> DatasetOptions {
        Dataset::options().clock(self.clock.clone())
    }

    /// Initialises the dataset if need be, and opens it.
    pub async fn dataset(&self) -> Dataset {
        self.dataset_with(self.options()).await
    }

    pub async fn dataset_with(&self, options: DatasetOptions) -> Dataset {
        options.init(self.s3.client(), BUCKET, PREFIX).await.unwrap().into_dataset()
    }

    /// Opens the dataset for a process of its own, whose requests can be told from others': see [`sent_by`].
    pub async fn process(&self, name: &'static str) -> Dataset {
        self.process_on(name, self.clock.clone()).await
    }

    /// As [`process`](Self::process), on a machine with a clock of its own.
    pub async fn process_on(&self, name: &'static str, clock: Clock) -> Dataset {
        let client = Client::from_conf(self.s3.config().app_name(AppName::new(name).unwrap()).build());
        Dataset::options().clock(clock).open(client, BUCKET, PREFIX).await.unwrap()
    }

    /// A clock that differs from the world's by exactly so much.
    pub fn clock_ahead(&self, by: TimeDelta) -> Clock {
        let clock = Clock::virtual_time();
        clock.set_offset(self.clock.now() - clock.now() + by);
        clock
    }

    /// The dataset as a reader sees it whose clock is ahead by more than the settle window: everything is settled.
    pub async fn settled(&self) -> Dataset {
        let options = Dataset::options().clock(self.clock_ahead(TimeDelta::seconds(30))).clock_guard(ClockGuard::Off);
        options.open(self.s3.client(), BUCKET, PREFIX).await.unwrap()
    }

    pub fn keys_with(&self, part: &str) -> Vec<String> {
        self.s3.keys(BUCKET).into_iter().filter(|key| key.contains(part)).collect()
    }

    /// The requests since the log was cleared, as `PUT key`, `LIST prefix`.
    pub fn log(&self) -> Vec<String> {
        self.s3.requests().iter().map(brief).collect()
    }

    pub fn count(&self, operation: Operation) -> usize {
        self.s3.requests().iter().filter(|request| request.operation == operation).count()
    }

    /// How many PUT, HEAD, GET and LIST there were since the log was cleared, and clears it. There was nothing else.
    pub fn counts(&self) -> [usize; 4] {
        let all = [Operation::Put, Operation::Head, Operation::Get, Operation::List].map(|kind| self.count(kind));
        assert_eq!(self.log().len(), all.iter().sum::<usize>());
        self.s3.clear_requests();
        all
    }

    /// Makes each request take so long, from now on, and watches how many are under way together.
    pub fn slow_down(&self, each: Duration) -> InFlight {
        let in_flight = InFlight::default();
        let watched = in_flight.clone();
        self.s3.inject(Fault::any().always().call_before(move |_| {
            let one = watched.begin();
            async move {
                pass(each).await;
                drop(one);
            }
        }));
        in_flight
    }
}

/// How many requests are under way together.
#[derive(Clone, Default)]
pub struct InFlight {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl InFlight {
    pub fn now(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }

    /// The most since this was last asked.
    pub fn most(&self) -> usize {
        self.most.swap(0, Ordering::SeqCst)
    }

    fn begin(&self) -> UnderWay {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        UnderWay(self.clone())
    }
}

/// A request, until it is done or given up.
struct UnderWay(InFlight);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

pub fn brief(request: &Request) -> String {
    format!("{:?} {}", request.operation, request.target().unwrap_or_default())
}

/// Whether a request is one of [`Virtual::process`]'s.
pub fn sent_by(request: &Request, name: &str) -> bool {
    let app = format!("app/{name}");
    ["user-agent", "x-amz-user-agent"]
        .iter()
        .any(|header| request.header(header).is_some_and(|text| text.contains(&app)))
}

/// Lets a subscriber see what this thread does, until the guard is dropped.
///
/// With only one subscriber in the process, `tracing` would ask that of the thread which comes to a span or event first,
/// whichever test that belongs to, and remember that there is none: hence another one, which wants nothing.
pub fn listen(subscriber: impl Into<tracing::Dispatch>) -> tracing::subscriber::DefaultGuard {
    static OTHER: OnceLock<tracing::Dispatch> = OnceLock::new();
    OTHER.get_or_init(|| tracing::Dispatch::new(tracing_subscriber::registry().with(LevelFilter::OFF)));
    tracing::dispatcher::set_default(&subscriber.into())
}

/// An instant, in whole microseconds.
pub fn at(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap()
}

/// Lets others run until `done` says so. Sleeps for nothing, and lets paused time stand.
pub async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "with paused time it costs none")]
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The future's output, or `None` when it takes longer; it is dropped then.
pub async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    match select(pin!(future), pin!(pass(time))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
