//! An S3 inside the process, for tests: the real SDK talks to it without a socket, and faults strike where a test wants
//! them.
//!
//! [`S3`] is the server and its handle. [`S3::client`] gives an `aws_sdk_s3::Client` like any other; only its HTTP
//! client is ours, and hands requests to the server in memory. [`S3::listen`] puts the same server on a socket, for
//! other programs. It knows what S3 knows: byte-ordered LIST, user metadata, conditional PUT, ranges, multipart
//! uploads, checksums, and errors in S3's own words. It holds everything in memory, and forgets it when the last handle
//! is dropped.
//!
//! What a test can do to it:
//!
//! - [`S3::inject`] a [`Fault`]: an error before or after the request is applied, a delay, a lost connection, a body
//!   that breaks off or stalls, a PUT that lands when nobody expects it any more, a key that LIST does not show yet, or
//!   a function of the test's own between two requests.
//! - Switch what kind of S3 it is: [`ConditionalPut`], [`Policy`], the size of LIST's pages, the time.
//! - Assert on [`S3::requests`], what arrived, and on [`S3::keys`] and [`S3::object`], what lies in the bucket.
//!
//! It never waits by itself, so it works under `tokio::time::pause`; delays then cost no time.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use s3store::testing::{Fault, Operation, S3};
//!
//! let s3 = S3::with_bucket("warehouse");
//! let client = s3.client();
//! s3.inject(Fault::on(Operation::Put).fail(503, "SlowDown"));
//!
//! // The SDK tries again by itself.
//! client.put_object().bucket("warehouse").key("a/b").body(b"hello".to_vec().into()).send().await?;
//!
//! assert_eq!(s3.keys("warehouse"), ["a/b"]);
//! let answers: Vec<_> = s3.requests().iter().map(|request| request.applied).collect();
//! assert_eq!(answers, [None, Some(200)]);
//! # Ok(())
//! # }
//! ```

mod backend;
mod bucket;
mod checksum;
mod connector;
mod convert;
mod fault;
mod files;
mod instruments;
mod list;
mod listener;
mod multipart;
mod reply;
mod request;
mod server;
mod time;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use s3s::dto::Checksum;
use tokio::net::ToSocketAddrs;

pub use bucket::{ConditionalPut, Object, Policy};
pub use fault::{Fault, FaultBuilder, Meanwhile};
pub use files::{Files, read_file};
pub use instruments::{Instrument, InstrumentKind, instruments};
pub use listener::Listener;
pub use request::{Answer, Operation, Request};
pub use time::ServerTime;

use bucket::Stored;
use connector::InProcess;
use server::Server;

/// The access key that every [`S3`] expects.
pub const ACCESS_KEY: &str = "testing";
/// The secret key that every [`S3`] expects.
pub const SECRET_KEY: &str = "testing-secret";
/// The region that [`S3::client`] signs for. Any other is as good.
pub const REGION: &str = "us-east-1";

/// An S3 in memory. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct S3(Arc<Server>);

/// A late request that has landed; see [`S3::land_late`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Landed {
    /// The request's number in the log.
    pub number: usize,
    /// What it asked for.
    pub operation: Operation,
    /// The object's key.
    pub key: Option<String>,
    /// What the answer would have been, had anybody waited for it.
    pub status: u16,
}

impl Default for S3 {
    fn default() -> Self {
        Self::new()
    }
}

impl S3 {
    /// An S3 without a bucket.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Server::new()))
    }

    /// An S3 with one empty bucket.
    #[must_use]
    pub fn with_bucket(name: &str) -> Self {
        let s3 = Self::new();
        s3.create_bucket(name);
        s3
    }

    /// Creates a bucket, unless there is one of that name.
    pub fn create_bucket(&self, name: &str) {
        let now = self.now();
        lock(&self.0.backend.buckets).create(name, now);
    }

    /// A client of the real SDK, with the SDK's own defaults for retries and timeouts.
    #[must_use]
    pub fn client(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::from_conf(self.config().build())
    }

    /// What [`client`](S3::client) is made of, for tests that want other timeouts or another retry mode.
    pub fn config(&self) -> aws_sdk_s3::config::Builder {
        self.config_without_http_client("http://s3.localhost").http_client(InProcess::new(Arc::clone(&self.0)))
    }

    /// As [`config`](S3::config), but for an endpoint on a socket ([`Listener::endpoint`]), and with no HTTP client.
    pub fn config_without_http_client(&self, endpoint: impl Into<String>) -> aws_sdk_s3::config::Builder {
        aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "s3store testing"))
            .endpoint_url(endpoint)
            .force_path_style(true)
    }

    /// Serves on a socket as well, for other programs, until the listener is dropped. Clients use path-style addresses,
    /// and sign with [`ACCESS_KEY`] and [`SECRET_KEY`]. Listen on loopback only.
    ///
    /// # Errors
    ///
    /// When the address can't be bound.
    pub async fn listen(&self, addr: impl ToSocketAddrs) -> io::Result<Listener> {
        Listener::bind(Arc::clone(&self.0), addr).await
    }

    /// Sets what a PUT's conditions are worth.
    pub fn set_conditional_put(&self, mode: ConditionalPut) {
        lock(&self.0.backend.buckets).switches.conditional_put = mode;
    }

    /// Sets the policy of all buckets.
    pub fn set_policy(&self, policy: Policy) {
        lock(&self.0.backend.buckets).switches.policy = policy;
    }

    /// Limits the pages of LIST to so many keys and common prefixes, however many were asked for.
    pub fn set_page_size(&self, keys: usize) {
        // A page of nothing would never come to an end.
        lock(&self.0.backend.buckets).switches.page_size = Some(keys.max(1));
    }

    /// Sets where the server's time comes from.
    pub fn set_time(&self, time: ServerTime) {
        lock(&self.0.backend.clock).set_time(time);
    }

    /// Sets how far the server's clock is off.
    pub fn set_clock_offset(&self, offset: TimeDelta) {
        lock(&self.0.backend.clock).set_offset(offset);
    }

    /// The server's time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        lock(&self.0.backend.clock).now()
    }

    /// Adds a fault to those that wait already.
    pub fn inject(&self, fault: Fault) {
        lock(&self.0.script).add(fault);
    }

    /// Takes all faults away. What waits to land late still does.
    pub fn clear_faults(&self) {
        lock(&self.0.script).clear();
    }

    /// Faults that could still strike: 0 says that all have struck as often as they should.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        lock(&self.0.script).len()
    }

    /// Applies the requests that wait to land late, in the order in which they arrived, and tells what became of each.
    ///
    /// Conditions are judged by what is in the bucket now. Those of [`FaultBuilder::apply_after`] land by themselves.
    pub async fn land_late(&self) -> Vec<Landed> {
        self.0.land_late().await
    }

    /// Requests that wait for [`land_late`](S3::land_late).
    #[must_use]
    pub fn waiting_to_land(&self) -> usize {
        self.0.late_len()
    }

    /// Every request that arrived, in order of arrival, those that faults struck included.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.0.log).requests.clone()
    }

    /// Forgets the requests so far. The numbers go on.
    pub fn clear_requests(&self) {
        lock(&self.0.log).clear();
    }

    /// The keys in a bucket, in byte order, those that LIST does not show yet included. No request is logged.
    #[must_use]
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let buckets = lock(&self.0.backend.buckets);
        buckets.buckets.get(bucket).map(|bucket| bucket.keys().cloned().collect()).unwrap_or_default()
    }

    /// An object, if there is one. No request is logged.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<Object> {
        let buckets = lock(&self.0.backend.buckets);
        buckets.buckets.get(bucket)?.get(key).map(|stored| stored.object.clone())
    }

    /// Puts an object, whatever policies and faults say, in a bucket that is created if need be. No request is logged.
    pub fn put_object(&self, bucket: &str, key: &str, body: impl Into<Bytes>) {
        self.put_object_with(bucket, key, body, std::iter::empty::<(String, String)>());
    }

    /// As [`put_object`](S3::put_object), with user metadata.
    pub fn put_object_with<K: Into<String>, V: Into<String>>(
        &self,
        bucket: &str,
        key: &str,
        body: impl Into<Bytes>,
        metadata: impl IntoIterator<Item = (K, V)>,
    ) {
        let now = self.now();
        let mut object = Object::new(body.into(), now);
        object.metadata = metadata.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut buckets = lock(&self.0.backend.buckets);
        buckets.create(bucket, now);
        if let Ok(bucket) = buckets.bucket_mut(bucket) {
            bucket.insert(key.to_owned(), Stored::new(object, Checksum::default(), None));
        }
    }

    /// Removes an object, and gives it back if there was one. No request is logged.
    pub fn remove_object(&self, bucket: &str, key: &str) -> Option<Object> {
        let mut buckets = lock(&self.0.backend.buckets);
        buckets.buckets.get_mut(bucket)?.remove(key).map(|stored| stored.object)
    }
}

/// A test that panicked while it held a lock has said enough already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
