//! The handle of a dataset: where it lies, its timing, and what all its readers and writers share.

mod blocking;
mod guard;
mod init;
mod lookup;
mod options;
mod partition;
mod result_stream;
mod store;
mod task_error;
mod task_stream;
mod timing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use tokio_util::task::TaskTracker;

pub(crate) use self::blocking::blocking;
pub use self::guard::ClockGuard;
pub(crate) use self::guard::{Proof, Proven};
pub use self::init::{Init, Initialized};
pub(crate) use self::lookup::FoundCommit;
pub use self::options::DatasetOptions;
pub use self::partition::HivePartition;
pub use self::result_stream::ResultStream;
pub use self::store::Store;
pub(crate) use self::task_error::task_error;
pub(crate) use self::task_stream::TaskStream;
use self::timing::Timing;
use crate::clock::Clock;
use crate::error::Result;
use crate::format::Prefix;
use crate::metrics::Metrics;
use crate::s3::BucketClient;
pub use crate::s3::{ClientRetries, Consistency};

/// A dataset: one key prefix of one bucket, initialised once, shared by any number of readers and writers.
///
/// A handle is cheap to clone. All [`Store`]s of a dataset share its limit of requests in flight, its clock guard and
/// what was learnt about the backend.
///
/// # Example
/// ```
/// # async fn example(client: aws_sdk_s3::Client) -> s3store::Result<()> {
/// use s3store::Dataset;
///
/// // Once, when the prefix is provisioned; harmless to repeat with the same values.
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
    /// The refs and commits that run detached from their callers.
    tails: TaskTracker,
    /// What is known of the backend's conditional PUT: see `write::optimistic`.
    proof: Arc<Proof>,
}

impl Dataset {
    /// Opens a dataset with the default options: see [`DatasetOptions::open`].
    ///
    /// # Errors
    /// As [`DatasetOptions::open`].
    ///
    /// # Requests
    /// 2 GET.
    pub async fn open(client: Client, bucket: impl Into<String>, prefix: impl Into<String>) -> Result<Self> {
        Self::options().open(client, bucket, prefix).await
    }

    /// Initialises a dataset with the default options: see [`DatasetOptions::init`].
    pub fn init(client: Client, bucket: impl Into<String>, prefix: impl Into<String>) -> Init {
        Self::options().init(client, bucket, prefix)
    }

    /// Options for opening or initialising: requests in flight, consistency level, clock guard, deadlines.
    #[must_use]
    pub fn options() -> DatasetOptions {
        DatasetOptions::default()
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        self.0.client.name()
    }

    /// The dataset's key prefix, without `/` at either end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.0.prefix.as_str()
    }

    /// The budget of a write from its ref to its commit. One beyond it is reported as committed late.
    #[must_use]
    pub fn commit_timeout(&self) -> Duration {
        self.0.timing.commit_timeout
    }

    /// How far the clocks of writers and readers may differ.
    #[must_use]
    pub fn max_clock_skew(&self) -> Duration {
        self.0.timing.max_clock_skew
    }

    /// How far the change stream stays behind: commit timeout plus clock skew.
    #[must_use]
    pub fn settle_window(&self) -> Duration {
        self.0.timing.commit_timeout.saturating_add(self.0.timing.max_clock_skew)
    }

    /// Waits until no write is past the point where its data has landed and its commit has not.
    ///
    /// From that point a write runs to its end even if its caller has stopped waiting. Call this before the runtime
    /// shuts down, after the last write was started or dropped, so that none of them is cut off between ref and commit.
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting only.
    pub async fn drain(&self) {
        self.0.tails.close();
        self.0.tails.wait().await;
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

    pub(crate) fn tails(&self) -> &TaskTracker {
        &self.0.tails
    }

    pub(crate) fn proof(&self) -> &Arc<Proof> {
        &self.0.proof
    }

    /// [`check_clock`](Self::check_clock) for a reader: a clock that is behind delays it, and is only warned of.
    pub(crate) fn check_reader_clock(&self) -> Result<()> {
        let skew = self.0.client.skew();
        self.0.guard.for_reader(skew).check(skew, self.0.timing.max_clock_skew)
    }

    /// Refuses, or warns, when the local clock is known to be off by more than the dataset allows.
    pub(crate) fn check_clock(&self) -> Result<()> {
        self.0.guard.check(self.0.client.skew(), self.0.timing.max_clock_skew)
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
