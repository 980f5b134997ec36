//! The handle to the server.

use std::io;
use std::path::Path;
use std::sync::Arc;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use s3s::dto::Checksum;
use tokio::net::ToSocketAddrs;

use super::bucket::{Buckets, Checksums, ConditionalPut, ETags, Policy, check_bucket_name};
use super::connector::InProcess;
use super::fault::Fault;
use super::list::ListOrder;
use super::listener::Listener;
use super::lock::lock;
use super::object::{Object, StoredObject};
use super::request::{Landed, Request};
use super::server::{ACCESS_KEY, SECRET_KEY, Server};
use super::time::ServerTime;

/// The region that [`S3::client`] signs for. The server accepts any region.
pub const REGION: &str = "us-east-1";

/// An S3 server in memory, and the handle to it. Clones share the same server.
///
/// See the [module's documentation](crate::testing) for what it can do.
///
/// # Example
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use s3store::Dataset;
/// use s3store::testing::S3;
///
/// let s3 = S3::with_bucket("warehouse");
/// Dataset::init(s3.client(), "warehouse", "billing").await?;
/// assert_eq!(s3.keys("warehouse"), ["billing/_config/commit-timeout", "billing/_config/max-clock-skew"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct S3(Arc<Server>);

impl Default for S3 {
    fn default() -> Self {
        Self::new()
    }
}

impl S3 {
    /// Creates a server without buckets.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Server::new()))
    }

    /// Creates a server that keeps its buckets and objects in a folder, and has them again when it is created with the same folder.
    ///
    /// The folder is always as after the last request that was answered, even if the process is killed. Only one server may use it at
    /// a time. All objects are also held in memory. Unfinished multipart uploads are lost.
    ///
    /// # Errors
    /// The folder can't be read, or has files of another kind.
    pub fn in_folder(folder: impl AsRef<Path>) -> io::Result<Self> {
        let server = Server::new();
        *lock(&server.backend.buckets) = Buckets::open(folder.as_ref())?;
        Ok(Self(Arc::new(server)))
    }

    /// Creates a server with one empty bucket.
    ///
    /// # Panics
    /// If S3 would refuse the bucket's name.
    #[must_use]
    pub fn with_bucket(name: &str) -> Self {
        let s3 = Self::new();
        s3.create_bucket(name);
        s3
    }

    /// Creates a bucket. Does nothing if it exists.
    ///
    /// # Panics
    /// If S3 would refuse the name: it has 3 to 63 lower-case letters, digits, dots and hyphens, begins and ends with a
    /// letter or digit, has no two dots in a row, and is not an IP address.
    pub fn create_bucket(&self, name: &str) {
        let refused = check_bucket_name(name).err();
        assert!(refused.is_none(), "bucket name {name:?} {}", refused.unwrap_or_default());
        let now = self.now();
        let created = lock(&self.0.backend.buckets).create(name, now);
        assert!(created.is_ok(), "create bucket {name:?}: {created:?}");
    }

    /// Returns an SDK client of this server, with the SDK's default retries and timeouts.
    #[must_use]
    pub fn client(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::from_conf(self.config().build())
    }

    /// Returns the configuration that [`client`](S3::client) uses, for tests that change timeouts, retries or
    /// interceptors.
    ///
    /// # Example
    ///
    /// ```
    /// use aws_sdk_s3::config::retry::RetryConfig;
    /// use s3store::testing::S3;
    ///
    /// let s3 = S3::with_bucket("warehouse");
    /// let config = s3.config().retry_config(RetryConfig::disabled());
    /// let client = aws_sdk_s3::Client::from_conf(config.build());
    /// ```
    pub fn config(&self) -> aws_sdk_s3::config::Builder {
        self.config_without_http_client("http://s3.localhost").http_client(InProcess::new(Arc::clone(&self.0)))
    }

    /// Returns a configuration for an endpoint on a socket, such as [`Listener::endpoint`]. The caller adds the HTTP
    /// client.
    pub fn config_without_http_client(&self, endpoint: impl Into<String>) -> aws_sdk_s3::config::Builder {
        aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "s3store testing"))
            .endpoint_url(endpoint)
            .force_path_style(true)
    }

    /// Serves the same objects on a socket, for other programs, until the [`Listener`] is dropped.
    ///
    /// Clients must use path-style addresses and sign with [`ACCESS_KEY`] and [`SECRET_KEY`]. Both are public, so bind to
    /// a loopback address only.
    ///
    /// # Errors
    ///
    /// Returns the I/O error if the address can't be bound.
    pub async fn listen(&self, addr: impl ToSocketAddrs) -> io::Result<Listener> {
        Listener::bind(Arc::clone(&self.0), addr).await
    }

    /// Sets how the server treats the conditions of a PUT.
    pub fn set_conditional_put(&self, mode: ConditionalPut) {
        lock(&self.0.backend.buckets).switches.conditional_put = mode;
    }

    /// Sets which entity tags new objects and parts get.
    pub fn set_etags(&self, etags: ETags) {
        lock(&self.0.backend.buckets).switches.etags = etags;
    }

    /// Sets what the server does with the checksums of a PUT or a part.
    pub fn set_checksums(&self, checksums: Checksums) {
        lock(&self.0.backend.buckets).switches.checksums = checksums;
    }

    /// Sets the policy of all buckets.
    pub fn set_policy(&self, policy: Policy) {
        lock(&self.0.backend.buckets).switches.policy = policy;
    }

    /// Limits a page of LIST to `keys` keys and common prefixes, and one of a list of uploads to as many uploads, even if the
    /// request allows more.
    ///
    /// A limit of 0 counts as 1.
    pub fn set_page_size(&self, keys: usize) {
        // With empty pages a listing would never end.
        lock(&self.0.backend.buckets).switches.page_size = Some(keys.max(1));
    }

    /// Sets the order in which LIST returns keys.
    pub fn set_list_order(&self, order: ListOrder) {
        lock(&self.0.backend.buckets).switches.list_order = order;
    }

    /// Sets the minimum size of each part of a multipart upload except the last. The default is S3's: 5 MiB.
    pub fn set_min_part_size(&self, bytes: usize) {
        lock(&self.0.backend.buckets).switches.min_part_size = Some(bytes);
    }

    /// Sets the clock from which the server takes its time.
    pub fn set_time(&self, time: ServerTime) {
        lock(&self.0.backend.clock).set_time(time);
    }

    /// Sets the offset of the server's clock. Positive means ahead.
    pub fn set_clock_offset(&self, offset: TimeDelta) {
        lock(&self.0.backend.clock).set_offset(offset);
    }

    /// Returns the server's time, offset included.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        lock(&self.0.backend.clock).now()
    }

    /// Adds a fault. Earlier faults take precedence; see [`Fault`].
    pub fn inject(&self, fault: Fault) {
        lock(&self.0.faults).add(fault);
    }

    /// Removes all faults. Requests that faults have already delayed are still applied.
    pub fn clear_faults(&self) {
        lock(&self.0.faults).clear();
    }

    /// Returns how many faults can still strike. 0 means that each has struck as often as it should.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        lock(&self.0.faults).len()
    }

    /// Applies the requests held back by [`FaultBuilder::apply_late`] and [`FaultBuilder::apply_twice`], in order of
    /// arrival, and returns the result of each.
    ///
    /// Conditions are evaluated against the objects that exist now. Requests held back by
    /// [`FaultBuilder::apply_after`] are not affected: they are applied by a timer.
    ///
    /// [`FaultBuilder::apply_late`]: super::FaultBuilder::apply_late
    /// [`FaultBuilder::apply_twice`]: super::FaultBuilder::apply_twice
    /// [`FaultBuilder::apply_after`]: super::FaultBuilder::apply_after
    pub async fn land_late(&self) -> Vec<Landed> {
        self.0.land_late().await
    }

    /// Returns how many requests wait for [`land_late`](S3::land_late).
    #[must_use]
    pub fn waiting_to_land(&self) -> usize {
        self.0.late_len()
    }

    /// Returns every request since the log was last cleared, in order of arrival, including those that faults struck.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.0.log).requests.clone()
    }

    /// Clears the request log. [`Request::number`] continues from where it was.
    pub fn clear_requests(&self) {
        lock(&self.0.log).clear();
    }

    /// Returns the keys in a bucket, in byte order, including those that LIST does not show yet. Logs no request.
    #[must_use]
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let buckets = lock(&self.0.backend.buckets);
        buckets.buckets.get(bucket).map(|bucket| bucket.keys().cloned().collect()).unwrap_or_default()
    }

    /// Returns the keys of the multipart uploads that are neither completed nor aborted, in byte order. A key of several
    /// uploads appears several times. Logs no request.
    #[must_use]
    pub fn uploads(&self, bucket: &str) -> Vec<String> {
        let buckets = lock(&self.0.backend.buckets);
        let unfinished = buckets.buckets.get(bucket).map(|bucket| bucket.unfinished());
        unfinished.unwrap_or_default().into_iter().map(|(_, upload)| upload.key.clone()).collect()
    }

    /// Returns an object, or `None` if it does not exist. Logs no request.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<Object> {
        let buckets = lock(&self.0.backend.buckets);
        buckets.buckets.get(bucket)?.get(key).map(|stored| stored.object.clone())
    }

    /// Stores an object, regardless of policies and faults. Creates the bucket if necessary. Logs no request.
    pub fn put_object(&self, bucket: &str, key: &str, body: impl Into<Bytes>) {
        self.put_object_with(bucket, key, body, std::iter::empty::<(String, String)>());
    }

    /// Stores an object with user metadata, otherwise like [`put_object`](S3::put_object).
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
        let created = buckets.create(bucket, now);
        assert!(created.is_ok(), "create bucket {bucket:?}: {created:?}");
        if let Ok(bucket) = buckets.bucket_mut(bucket) {
            let stored = bucket.insert(key.to_owned(), StoredObject::new(object, Checksum::default(), None));
            assert!(stored.is_ok(), "put {key:?}: {stored:?}");
        }
    }

    /// Removes an object and returns it, or `None` if it does not exist. Logs no request.
    pub fn remove_object(&self, bucket: &str, key: &str) -> Option<Object> {
        let mut buckets = lock(&self.0.backend.buckets);
        let removed = buckets.buckets.get_mut(bucket)?.remove(key);
        assert!(removed.is_ok(), "remove {key:?}: {removed:?}");
        removed.ok()?.map(|stored| stored.object)
    }
}
