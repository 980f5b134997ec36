//! Opening a dataset, and the options for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use opentelemetry::metrics::MeterProvider;
use tokio::sync::Semaphore;

use super::clock_guard::ClockGuard;
use super::footer_cache::FooterCache;
use super::handle::Dataset;
use super::schema::{SchemaCheck, SchemaGuard};
use super::timing::{StoredTiming, Timing, suggest_prefixes};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::format::Prefix;
use crate::metrics::{Method, Provider};
use crate::s3::{BucketClient, ClientRetries, Consistency, Settings};

/// The suffix of S3 Express One Zone buckets.
const DIRECTORY_BUCKET: &str = "--x-s3";

impl Dataset {
    /// Opens a dataset with the default options: see [`DatasetOptions::open`].
    ///
    /// # Errors
    /// Fails as [`DatasetOptions::open`] does.
    ///
    /// # Cancel safety
    /// Opening changes nothing in the bucket.
    ///
    /// # Requests
    /// 2 GET, concurrently. If the dataset is not initialised, 1 LIST more, for the prefixes that the error suggests.
    ///
    /// # Example
    /// ```
    /// # async fn example(client: aws_sdk_s3::Client) -> s3store::Result<()> {
    /// let dataset = s3store::Dataset::open(client, "warehouse", "billing").await?;
    /// println!("the change stream is {:?} behind", dataset.settle_window());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(client: Client, bucket: impl Into<String>, prefix: impl Into<String>) -> Result<Self> {
        Self::options().open(client, bucket, prefix).await
    }

    /// Returns the default options, to be changed before opening or initialising: requests in flight, consistency level,
    /// clock guard, schema check, deadlines.
    #[must_use]
    pub fn options() -> DatasetOptions {
        DatasetOptions::default()
    }
}

/// Options for opening or initialising a [`Dataset`], made by [`Dataset::options`].
#[derive(Clone)]
pub struct DatasetOptions {
    max_inflight_requests: usize,
    consistency: Consistency,
    clock_guard: ClockGuard,
    schema_check: SchemaCheck,
    client_retries: ClientRetries,
    try_deadline: Duration,
    footer_cache_bytes: usize,
    clock: Clock,
    meter_provider: Option<Provider>,
    page_size: Option<usize>,
}

impl Default for DatasetOptions {
    fn default() -> Self {
        Self {
            max_inflight_requests: 32,
            consistency: Consistency::default(),
            clock_guard: ClockGuard::default(),
            schema_check: SchemaCheck::default(),
            client_retries: ClientRetries::default(),
            try_deadline: Duration::from_secs(30),
            footer_cache_bytes: 16 << 20,
            clock: Clock::machine(),
            meter_provider: None,
            page_size: None,
        }
    }
}

impl DatasetOptions {
    /// Sets how many requests of all readers and writers of the dataset may be in flight at once. At least 1; a number
    /// beyond what tokio's semaphores count means no limit. Default: 32.
    #[must_use]
    pub fn max_inflight_requests(mut self, requests: usize) -> Self {
        self.max_inflight_requests = requests;
        self
    }

    /// Sets the consistency level that every request asks StorageGRID for. Default: strong-global.
    #[must_use]
    pub fn consistency(mut self, level: impl Into<Consistency>) -> Self {
        self.consistency = level.into();
        self
    }

    /// Sets the reaction to a local clock that is off. Default: [`ClockGuard::Refuse`].
    #[must_use]
    pub fn clock_guard(mut self, guard: ClockGuard) -> Self {
        self.clock_guard = guard;
        self
    }

    /// Sets the reaction to a record that does not fit the dataset's schema. Default: [`SchemaCheck::Refuse`].
    #[must_use]
    pub fn schema_check(mut self, check: SchemaCheck) -> Self {
        self.schema_check = check;
        self
    }

    /// Sets whether the S3 client's own retries stay on within this dataset's requests. Default: [`ClientRetries::Off`].
    #[must_use]
    pub fn client_retries(mut self, retries: ClientRetries) -> Self {
        self.client_retries = retries;
        self
    }

    /// Sets the deadline of each try of a request. Default: 30 s.
    ///
    /// It applies whatever the client's own timeouts are. A body adds one second for each MiB, but a GET fails if it
    /// receives nothing for `deadline`. A try of a ref or commit gets at most a quarter of the commit timeout, but
    /// at least one second.
    #[must_use]
    pub fn try_deadline(mut self, deadline: Duration) -> Self {
        self.try_deadline = deadline;
        self
    }

    /// Sets how many bytes of memory the footers of data files may take that reads keep for later reads. Default: 16 MiB. 0
    /// keeps none.
    ///
    /// A later read of all clones of the dataset fetches such a footer only if a listing shows another version of the file.
    /// Reads need footers for a projection or a filter of files over 512 KiB, for [`count`](crate::read::Read::count), and
    /// for the records of one entity. A footer takes about as much memory as in the file, and up to 32 KiB more.
    #[must_use]
    pub fn footer_cache_bytes(mut self, bytes: usize) -> Self {
        self.footer_cache_bytes = bytes;
        self
    }

    /// Sets the dataset's clock, for tests. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the provider of the dataset's metrics. Default: OpenTelemetry's global meter provider.
    ///
    /// The global provider is read when the dataset is opened, so set it before. Without a provider nothing is measured.
    /// The trait is that of the crate `opentelemetry` 0.33; the version of the provider's SDK must match it.
    #[must_use]
    pub fn meter_provider(mut self, provider: Arc<dyn MeterProvider + Send + Sync>) -> Self {
        self.meter_provider = Some(provider);
        self
    }

    /// Sets how many keys a LIST asks for, for tests. Default: as many as S3 returns.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    #[must_use]
    pub fn list_page_size(mut self, keys: usize) -> Self {
        self.page_size = Some(keys.max(1));
        self
    }

    /// Opens a dataset: checks bucket and prefix, and reads the dataset's configuration.
    ///
    /// A commit timeout under 8 s, and a consistency level by [`Consistency::unchecked`], are logged as warnings.
    ///
    /// # Errors
    /// - [`Config`](crate::ErrorKind::Config): the dataset is not initialised, or its configuration is not readable.
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): the prefix is empty or illegal, `max_inflight_requests` is 0,
    ///   the consistency level is unknown, or the bucket is an S3 Express One Zone directory bucket (`--x-s3`), which lists keys in no order.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 refused a request, or
    ///   did not answer.
    ///
    /// # Cancel safety
    /// Opening changes nothing in the bucket.
    ///
    /// # Requests
    /// 2 GET, concurrently.
    ///
    /// # Example
    /// ```
    /// # async fn example(client: aws_sdk_s3::Client) -> s3store::Result<()> {
    /// use s3store::Dataset;
    ///
    /// let dataset = Dataset::options().max_inflight_requests(64).open(client, "warehouse", "billing").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(self, client: Client, bucket: impl Into<String>, prefix: impl Into<String>) -> Result<Dataset> {
        let unopened = self.connect(client, bucket.into(), prefix.into())?;
        let call = unopened.client.metrics().call(Method::Open);
        let timing = call.run(async |_| unopened.timing().await).await?;
        Ok(unopened.into_dataset(timing))
    }

    /// Makes the handle of a dataset that another process has opened, and whose durations it has sent. Sends nothing.
    #[cfg(feature = "ballista")]
    pub(crate) fn attach(
        self,
        client: Client,
        bucket: String,
        prefix: String,
        commit_timeout: Duration,
        max_clock_skew: Duration,
    ) -> Result<Dataset> {
        Ok(self.connect(client, bucket, prefix)?.into_dataset(Timing { commit_timeout, max_clock_skew }))
    }

    /// Checks the options, the bucket and the prefix. Sends nothing.
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
        match &self.consistency {
            Consistency::Unknown(level) => {
                return Err(Error::invalid_input(format!(
                    "the consistency level {level:?} is unknown; use a level of Consistency, or Consistency::unchecked"
                )));
            }
            Consistency::Unchecked(level) => tracing::warn!(level, "the consistency level is sent without a check"),
            _ => {}
        }
        let prefix = Prefix::new(prefix)?;
        let settings = Settings {
            bucket,
            permits: self.max_inflight_requests.min(Semaphore::MAX_PERMITS),
            consistency: self.consistency,
            try_deadline: self.try_deadline,
            client_retries: self.client_retries,
            prefix: prefix.clone(),
            page_size: self.page_size,
        };
        let client = BucketClient::new(client, settings, self.meter_provider.as_ref(), self.clock);
        Ok(Unopened {
            client,
            prefix,
            guard: self.clock_guard,
            schema: SchemaGuard::new(self.schema_check),
            footers: FooterCache::new(self.footer_cache_bytes),
        })
    }
}

impl fmt::Debug for DatasetOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatasetOptions")
            .field("max_inflight_requests", &self.max_inflight_requests)
            .field("consistency", &self.consistency)
            .field("clock_guard", &self.clock_guard)
            .field("schema_check", &self.schema_check)
            .field("client_retries", &self.client_retries)
            .field("try_deadline", &self.try_deadline)
            .field("footer_cache_bytes", &self.footer_cache_bytes)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// A dataset whose timing has not been read or written yet.
pub(super) struct Unopened {
    pub(super) client: BucketClient,
    pub(super) prefix: Prefix,
    guard: ClockGuard,
    schema: SchemaGuard,
    footers: FooterCache,
}

impl Unopened {
    /// Reads the dataset's timing. If the dataset is not initialised, the error suggests prefixes of others.
    async fn timing(&self) -> Result<Timing> {
        let Self { client, prefix, .. } = self;
        match StoredTiming::get(client, prefix).await?.require(client, prefix) {
            Err(error) => Err(suggest_prefixes(client, prefix, error).await),
            timing => timing,
        }
    }

    pub(super) fn into_dataset(self, timing: Timing) -> Dataset {
        timing.warn_if_short();
        let Self { client, prefix, guard, schema, footers } = self;
        client.opened();
        Dataset::new(client, prefix, timing, guard, schema, footers)
    }
}
