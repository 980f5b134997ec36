//! How a dataset is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use opentelemetry::metrics::MeterProvider;
use tokio_util::task::TaskTracker;

use super::guard::{ClockGuard, Proof};
use super::init::Init;
use super::timing::{self, Timing};
use super::{Dataset, Inner};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::format::Prefix;
use crate::metrics::{Method, Provider};
use crate::s3::{BucketClient, ClientRetries, Consistency, Settings};

/// The suffix of S3 Express One Zone buckets.
const DIRECTORY_BUCKET: &str = "--x-s3";

/// Options for opening or initialising a [`Dataset`], made by [`Dataset::options`].
#[derive(Clone)]
pub struct DatasetOptions {
    max_inflight_requests: usize,
    consistency: Consistency,
    clock_guard: ClockGuard,
    client_retries: ClientRetries,
    try_deadline: Duration,
    clock: Clock,
    meter_provider: Option<Provider>,
}

impl Default for DatasetOptions {
    fn default() -> Self {
        Self {
            max_inflight_requests: 32,
            consistency: Consistency::default(),
            clock_guard: ClockGuard::default(),
            client_retries: ClientRetries::default(),
            try_deadline: Duration::from_secs(30),
            clock: Clock::machine(),
            meter_provider: None,
        }
    }
}

impl DatasetOptions {
    /// How many requests the dataset may have under way at once, over all its readers and writers. Default 32.
    #[must_use]
    pub fn max_inflight_requests(mut self, requests: usize) -> Self {
        self.max_inflight_requests = requests;
        self
    }

    /// The consistency level that every request asks StorageGRID for. Default strong-global.
    #[must_use]
    pub fn consistency(mut self, level: impl Into<Consistency>) -> Self {
        self.consistency = level.into();
        self
    }

    /// What happens when the local clock is off. Default [`ClockGuard::Refuse`].
    #[must_use]
    pub fn clock_guard(mut self, guard: ClockGuard) -> Self {
        self.clock_guard = guard;
        self
    }

    /// What becomes of the client's own retries within this dataset's requests. Default [`ClientRetries::Off`].
    #[must_use]
    pub fn client_retries(mut self, retries: ClientRetries) -> Self {
        self.client_retries = retries;
        self
    }

    /// The deadline of each try of a request, whatever the client's own configuration; a body adds a second for each
    /// MiB. Default 30 s. A ref or commit gets at most a quarter of the commit timeout, but at least a second.
    #[must_use]
    pub fn try_deadline(mut self, deadline: Duration) -> Self {
        self.try_deadline = deadline;
        self
    }

    /// The clock of the dataset, for tests. Default the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where the dataset's metrics go. Default OpenTelemetry's global meter provider, as it is when the dataset is
    /// opened: set it before. Where there is none, nothing is measured. The trait is that of the crate `opentelemetry`
    /// 0.33, which the provider's SDK names its version of.
    #[must_use]
    pub fn meter_provider(mut self, provider: Arc<dyn MeterProvider + Send + Sync>) -> Self {
        self.meter_provider = Some(provider);
        self
    }

    /// Opens a dataset.
    ///
    /// A commit timeout under 8 s, and a consistency level that this library doesn't know, are logged as warnings.
    ///
    /// # Errors
    /// - [`Config`](crate::ErrorKind::Config): the dataset is not initialised, or its configuration can't be read.
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): an empty or illegal prefix, no request allowed in flight, or
    ///   an S3 Express One Zone directory bucket (`--x-s3`), whose listings have no order.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3's answers.
    ///
    /// # Requests
    /// 2 GET, side by side.
    pub async fn open(self, client: Client, bucket: impl Into<String>, prefix: impl Into<String>) -> Result<Dataset> {
        let unopened = self.connect(client, bucket.into(), prefix.into())?;
        let call = unopened.client.metrics().call(Method::Open);
        let find = async |_| {
            timing::find(&unopened.client, &unopened.prefix).await?.require(&unopened.client, &unopened.prefix)
        };
        let timing = call.run(find).await?;
        Ok(unopened.into_dataset(timing))
    }

    /// Initialises a dataset: the returned builder takes the timing and is awaited.
    pub fn init(self, client: Client, bucket: impl Into<String>, prefix: impl Into<String>) -> Init {
        Init::new(self, client, bucket.into(), prefix.into())
    }

    /// Checks bucket and prefix; sends nothing.
    pub(super) fn connect(self, client: Client, bucket: String, prefix: String) -> Result<Unopened> {
        if bucket.is_empty() {
            return Err(Error::invalid_input("the bucket's name is empty"));
        }
        if bucket.ends_with(DIRECTORY_BUCKET) {
            return Err(Error::invalid_input(format!(
                "bucket {bucket} is an s3 express one zone directory bucket, which lists in no order; \
                 use a general purpose bucket"
            )));
        }
        if self.max_inflight_requests == 0 {
            return Err(Error::invalid_input("max_inflight_requests is 0; allow at least one request"));
        }
        if let Consistency::Other(level) = &self.consistency {
            tracing::warn!(level, "unknown consistency level; it is sent as it is");
        }
        let prefix = Prefix::new(prefix)?;
        let settings = Settings {
            bucket,
            permits: self.max_inflight_requests,
            consistency: self.consistency,
            try_deadline: self.try_deadline,
            client_retries: self.client_retries,
            prefix: prefix.clone(),
        };
        let client = BucketClient::new(client, settings, self.meter_provider.as_ref(), self.clock);
        Ok(Unopened { client, prefix, guard: self.clock_guard })
    }
}

impl fmt::Debug for DatasetOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatasetOptions")
            .field("max_inflight_requests", &self.max_inflight_requests)
            .field("consistency", &self.consistency)
            .field("clock_guard", &self.clock_guard)
            .field("client_retries", &self.client_retries)
            .field("try_deadline", &self.try_deadline)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// A dataset whose timing is not known yet.
pub(super) struct Unopened {
    pub(super) client: BucketClient,
    pub(super) prefix: Prefix,
    guard: ClockGuard,
}

impl Unopened {
    pub(super) fn into_dataset(self, timing: Timing) -> Dataset {
        timing.warn_if_short();
        let Self { client, prefix, guard } = self;
        client.opened();
        let proof = Proof::default().into();
        Dataset(Inner { client, prefix, timing, guard, tails: TaskTracker::new(), proof }.into())
    }
}
