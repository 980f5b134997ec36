//! The S3 client of a dataset: every request that the library sends, with its permit, retries, deadline and checks.
//!
//! A request holds a permit from before it is sent until its response body is in memory, over all its tries. The methods
//! of [`BucketClient`] run each request in its own task. So a caller may leave the future of a request unpolled for
//! as long as it likes, as `buffered` streams and `select!` do: no permit waits for it. Only a task that runs detached
//! from its caller may take a [`Permit`] and keep it for several requests.

mod condition;
mod consistency;
mod delete;
mod etag;
mod failure;
mod get;
mod head;
mod interceptor;
mod list;
mod multipart;
mod page;
mod partial;
mod permit;
mod put;
mod response;
mod retry;
mod skew;
mod task;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use tokio::sync::Semaphore;

use self::condition::ConditionSupport;
pub use self::consistency::Consistency;
use self::etag::ETagMonitor;
pub(crate) use self::failure::{Class, Failure};
pub(crate) use self::head::Head;
use self::interceptor::Wire;
pub(crate) use self::list::{ListPage, ListedObject, ObjectVersion, PageAhead};
pub(crate) use self::multipart::{Upload, UploadedPart};
pub(crate) use self::permit::Permit;
pub(crate) use self::put::{IfNoneMatch, Put, md5_hex};
pub(crate) use self::retry::pause_after;
pub(crate) use self::skew::Skew;
pub(crate) use self::task::{in_task, task_error};
pub(crate) use self::uploads::ListedUpload;
use crate::clock::{Clock, Reading};
use crate::format::Prefix;
use crate::metrics::{Metrics, Provider, Subject};

/// The settings of a dataset's S3 client.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) bucket: String,
    /// The largest number of requests in flight.
    pub(crate) permits: usize,
    pub(crate) consistency: Consistency,
    /// The deadline of one try; a large body adds to it.
    pub(crate) try_deadline: Duration,
    pub(crate) client_retries: ClientRetries,
    pub(crate) prefix: Prefix,
    /// The largest number of keys that a LIST asks for, if it is not S3's. For tests.
    pub(crate) page_size: Option<usize>,
}

/// How to treat the retries that the S3 client itself is configured to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ClientRetries {
    /// Turns them off for this library's requests, so that its five tries are five HTTP requests. The default.
    #[default]
    Off,
    /// Keeps them, inside each of this library's tries. Use it for the client's adaptive rate limit. They stay off for
    /// the PUT of a commit, since the library must see the result of every try there.
    Keep,
}

/// The S3 client of one dataset. Clones share the permits, the clock guard's observations and the metrics.
#[derive(Debug, Clone)]
pub(crate) struct BucketClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    settings: Settings,
    permits: Arc<Semaphore>,
    metrics: Metrics,
    wire: Arc<Wire>,
    etags: ETagMonitor,
    conditions: ConditionSupport,
}

impl BucketClient {
    pub(crate) fn new(client: Client, settings: Settings, provider: Option<&Provider>, clock: Clock) -> Self {
        let subject = Subject {
            bucket: &settings.bucket,
            prefix: settings.prefix.as_str(),
            consistency: settings.consistency.header(),
            permits: settings.permits,
        };
        Self(Arc::new(Inner {
            client,
            permits: Arc::new(Semaphore::new(settings.permits)),
            metrics: Metrics::new(provider, subject, &clock),
            wire: Arc::new(Wire::new(clock, &settings.consistency)),
            settings,
            etags: ETagMonitor::default(),
            conditions: ConditionSupport::default(),
        }))
    }

    /// Returns the bucket's name.
    pub(crate) fn bucket(&self) -> &str {
        &self.0.settings.bucket
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.0.wire.clock()
    }

    /// Registers the dataset's gauges. Called once, when the dataset is open.
    pub(crate) fn opened(&self) {
        let wire = Arc::downgrade(&self.0.wire);
        let least = move || {
            let wire = wire.upgrade()?;
            Some(wire.skew_at(wire.clock().reading())?.least())
        };
        self.0.metrics.opened(least);
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Returns the largest number of requests in flight.
    pub(crate) fn permits(&self) -> usize {
        self.0.settings.permits
    }

    /// Returns the number of permits that are free.
    #[cfg(test)]
    pub(crate) fn free_permits(&self) -> usize {
        self.0.permits.available_permits()
    }

    /// Returns the deadline of a try without a body.
    pub(crate) fn try_deadline(&self) -> Duration {
        self.0.settings.try_deadline
    }

    /// Returns the difference between the local clock, at the moment of a reading, and S3's. Returns `None` before the
    /// first response.
    pub(crate) fn skew_at(&self, reading: Reading) -> Option<Skew> {
        self.0.wire.skew_at(reading)
    }
}
