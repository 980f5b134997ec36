//! The handle of a dataset, and the state that its clones share.

#[cfg(feature = "datafusion")]
use std::any::{Any, TypeId};
#[cfg(feature = "datafusion")]
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
#[cfg(feature = "datafusion")]
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::clock_guard::ClockGuard;
use super::conditional_put::ConditionalPutProbe;
use super::footer_cache::FooterCache;
use super::schema::SchemaGuard;
use super::timing::Timing;
use crate::clock::{Clock, Reading};
use crate::error::{ErrorKind, Result};
use crate::format::Prefix;
use crate::metrics::Metrics;
use crate::s3::{BucketClient, Permit};

/// A dataset: one key prefix of one bucket, initialised once, shared by any number of readers and writers.
///
/// Cloning a handle is cheap. All clones, and every [`Store`](crate::Store) and view made from them, share one limit of
/// requests in flight, one clock guard, one check of the dataset's schema, one cache of footers, and one record of how the
/// backend treats conditional PUT.
///
/// # Example
/// ```
/// # async fn example(client: aws_sdk_s3::Client) -> s3store::Result<()> {
/// use s3store::Dataset;
///
/// // Once, when the prefix is provisioned. Repeating it with the same values is harmless.
/// Dataset::init(client.clone(), "warehouse", "billing").await?;
///
/// // In every service.
/// let dataset = Dataset::open(client, "warehouse", "billing").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Dataset(Arc<Inner>);

struct Inner {
    client: BucketClient,
    prefix: Prefix,
    timing: Timing,
    guard: ClockGuard,
    finishers: TaskTracker,
    conditional_put: ConditionalPutProbe,
    schema: SchemaGuard,
    footers: FooterCache,
    /// Values of upper layers, one for each type.
    #[cfg(feature = "datafusion")]
    shared: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Dataset {
    /// Makes the handle of a dataset whose configuration was read from the bucket.
    pub(super) fn new(
        client: BucketClient,
        prefix: Prefix,
        timing: Timing,
        guard: ClockGuard,
        schema: SchemaGuard,
        footers: FooterCache,
    ) -> Self {
        let (finishers, conditional_put) = (TaskTracker::new(), ConditionalPutProbe::default());
        Self(Arc::new(Inner {
            client,
            prefix,
            timing,
            guard,
            finishers,
            conditional_put,
            schema,
            footers,
            #[cfg(feature = "datafusion")]
            shared: Mutex::default(),
        }))
    }

    /// Returns the value of a type that all clones of the handle share.
    #[cfg(feature = "datafusion")]
    pub(crate) fn shared<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut shared = self.0.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let value = shared.entry(TypeId::of::<T>()).or_insert_with(|| Arc::<T>::default());
        Arc::clone(value).downcast().unwrap_or_default()
    }

    /// Returns the bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        self.0.client.bucket()
    }

    /// Returns the dataset's key prefix, without `/` at either end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.0.prefix.as_str()
    }

    /// Returns the budget of a write from its ref to its commit. A write that exceeds it is reported as committed late.
    #[must_use]
    pub fn commit_timeout(&self) -> Duration {
        self.0.timing.commit_timeout
    }

    /// Returns how far the clocks of writers and readers may differ.
    #[must_use]
    pub fn max_clock_skew(&self) -> Duration {
        self.0.timing.max_clock_skew
    }

    /// Returns how far the change stream stays behind the present: commit timeout plus clock skew.
    #[must_use]
    pub fn settle_window(&self) -> Duration {
        self.0.timing.commit_timeout.saturating_add(self.0.timing.max_clock_skew)
    }

    /// Waits until no write or restamp has a ref or commit in flight, and no upload of a dropped flush has to be aborted.
    ///
    /// Once the data of a write has landed, its ref and commit are put even if the caller stops waiting. Call this
    /// before the runtime shuts down, after the last write was started or dropped. Otherwise the runtime may stop a write
    /// between its ref and its commit. The wait includes the restamps of late commits. It ends,
    /// because each request has deadlines; writes that begin meanwhile prolong it.
    ///
    /// # Cancel safety
    /// Dropping the future only ends the wait.
    ///
    /// # Requests
    /// None. The writes that it waits for send their own.
    ///
    /// # Example
    /// ```
    /// # async fn example<T: s3store::RootRecord>(dataset: s3store::Dataset, records: &[T]) {
    /// use std::time::Duration;
    ///
    /// let store = dataset.store::<T>();
    /// // The caller gives up after a second; a commit that has begun is completed all the same.
    /// let _ = tokio::time::timeout(Duration::from_secs(1), store.write(records).into_future()).await;
    /// dataset.drain().await;
    /// # }
    /// ```
    pub async fn drain(&self) {
        self.0.finishers.close();
        self.0.finishers.wait().await;
    }

    /// Spawns a finisher: the detached task that puts a write's ref and commit, or a restamp's ref.
    ///
    /// It runs to its end even if the caller goes away, because a ref without its commit makes readers wait for nothing.
    /// [`drain`](Self::drain) waits for it, and a gauge counts it.
    pub(crate) fn spawn_finisher<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let in_flight = self.metrics().finisher();
        let finisher = async move {
            let _in_flight = in_flight;
            work.await
        };
        self.0.finishers.spawn(finisher.in_current_span())
    }

    pub(crate) fn client(&self) -> &BucketClient {
        &self.0.client
    }

    pub(crate) fn keys(&self) -> &Prefix {
        &self.0.prefix
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.0.client.clock()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.0.client.metrics()
    }

    pub(super) fn schema_guard(&self) -> &SchemaGuard {
        &self.0.schema
    }

    pub(super) fn footers(&self) -> &FooterCache {
        &self.0.footers
    }

    pub(crate) fn conditional_put(&self) -> &ConditionalPutProbe {
        &self.0.conditional_put
    }

    /// Fails, or logs a warning, if the local clock is off by more than the dataset allows.
    ///
    /// Asks S3 for the time if the last response says that the clock is off: 1 HEAD. That response may be old, and a
    /// refused write sends nothing that would bring a newer one. Sends it with `permit` if the caller holds one already.
    pub(crate) async fn check_clock(&self, permit: Option<&Permit>) -> Result<()> {
        let Err(_) = self.check_observed_clock() else { return Ok(()) };
        let key = self.keys().commit_timeout_key();
        let response = match permit {
            Some(permit) => permit.head(&key).await,
            None => self.client().head(&key).await,
        };
        match response {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                Err(error.context("ask s3 for the time, because the local clock may be off"))
            }
            // Any other response has S3's time.
            _ => self.check_observed_clock(),
        }
    }

    fn check_observed_clock(&self) -> Result<()> {
        self.0.guard.check(self.0.client.skew_at(self.clock().reading()), self.0.timing.max_clock_skew)
    }

    /// Checks the clock of a reader that has read it at `reading` and then got a response with S3's `date`.
    ///
    /// Judges what the clock was at that moment, since the reader's bounds were made of it, even if it has been set since.
    /// A clock that is behind is only logged, because it delays the reader at most.
    pub(crate) fn check_reader_clock(&self, reading: Reading, date: Option<i64>) -> Result<()> {
        let skew = self.0.client.skew_at(reading);
        let skew = match date {
            Some(date) => skew.map(|skew| skew.at_least_as_before(reading.micros, date)),
            None => skew,
        };
        self.0.guard.for_reader(skew).check(skew, self.0.timing.max_clock_skew)
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("bucket", &self.bucket())
            .field("prefix", &self.prefix())
            .field("timing", &self.0.timing)
            .finish_non_exhaustive()
    }
}
