//! The only user of `aws_sdk_s3`: requests with permits, tries, deadlines and checks.
//!
//! A permit is held from the request until its body is in memory, over all its tries, and never while something waits
//! for the caller.

mod consistency;
mod exchange;
mod failure;
mod retry;
mod skew;

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{EncodingType, ServerSideEncryption};
use bytes::Bytes;
use md5::{Digest, Md5};
use percent_encoding::percent_decode_str;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

pub use self::consistency::Consistency;
use self::exchange::{Exchange, Shared, deadline};
pub(crate) use self::failure::{Class, Failure};
pub(crate) use self::retry::pause_after;
pub(crate) use self::skew::Skew;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{CONTENT_TYPE, Prefix};
use crate::metrics::{Held, Metrics, Operation, Outcome, Provider, Request, Subject};

/// The most keys that S3 puts into a page of a listing.
const LARGEST_PAGE: usize = 1_000;

/// How a dataset talks to S3.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) bucket: String,
    pub(crate) permits: usize,
    pub(crate) consistency: Consistency,
    /// The deadline of a try, before what a body's size adds.
    pub(crate) try_deadline: Duration,
    /// Whether the client's own retries stay on inside each of our tries; never for a commit.
    pub(crate) client_retries: ClientRetries,
    pub(crate) prefix: Prefix,
}

/// What becomes of the retries that the S3 client itself makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ClientRetries {
    /// Off within this library's calls, so that five tries are five requests. The default.
    #[default]
    Off,
    /// As the client is configured, inside each of this library's tries: for its adaptive rate limit. The PUT of a
    /// commit is excepted, since every try of it must be seen.
    Keep,
}

/// One bucket, as a dataset uses it. Clones share permits, clock guard and what was learnt about the backend.
#[derive(Debug, Clone)]
pub(crate) struct BucketClient {
    client: Client,
    settings: Arc<Settings>,
    permits: Arc<Semaphore>,
    metrics: Metrics,
    shared: Arc<Shared>,
    /// Set once the backend has answered 501 to a conditional PUT.
    unconditional: Arc<AtomicBool>,
}

/// The right to have one request under way.
#[derive(Debug)]
pub(crate) struct Permit {
    /// Before the permit: it must not count any more when another holds that.
    held: Held,
    #[expect(dead_code, reason = "held for its drop")]
    permit: OwnedSemaphorePermit,
    /// Whether a request has been made with it: only the first one's duration has the wait for it.
    used: AtomicBool,
}

impl Permit {
    fn of_first_request(&self) -> Option<&Held> {
        (!self.used.swap(true, Ordering::Relaxed)).then_some(&self.held)
    }
}

/// An object to be put.
#[derive(Debug, Clone)]
pub(crate) struct Put<'a> {
    pub(crate) key: &'a str,
    pub(crate) body: Bytes,
    /// The body's MD5, which the answer's `ETag` is held against; see [`md5_hex`].
    pub(crate) md5: Cow<'a, str>,
    pub(crate) metadata: Vec<(&'static str, String)>,
    /// The deadline of each try; `None` for the dataset's.
    pub(crate) try_deadline: Option<Duration>,
}

impl<'a> Put<'a> {
    /// A small object. A large one's MD5 is computed where it may take time: [`Put::digested`].
    pub(crate) fn new(key: &'a str, body: Bytes) -> Self {
        let md5 = md5_hex(&body).into();
        Self { key, body, md5, metadata: Vec::new(), try_deadline: None }
    }

    pub(crate) fn digested(key: &'a str, body: Bytes, md5: &'a str) -> Self {
        Self { key, body, md5: md5.into(), metadata: Vec::new(), try_deadline: None }
    }
}

/// What a HEAD tells of an object.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) metadata: HashMap<String, String>,
    /// S3's own time of the object, microseconds in whole seconds.
    pub(crate) last_modified: Option<i64>,
}

/// One key of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) size: u64,
    /// S3's own time of the object, in microseconds.
    pub(crate) last_modified: Option<i64>,
}

/// Where a page of a listing begins, and how long it may be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ListFrom<'a> {
    /// The key after which the listing begins, if not at its prefix. Never below the prefix.
    pub(crate) after: Option<&'a str>,
    /// What the page before gave, in place of `after`.
    pub(crate) next: Option<&'a str>,
    /// The most keys of the page; at most 1,000 are in any.
    pub(crate) limit: Option<usize>,
}

/// A page of a listing, as long as the server made it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Listed>,
    /// Asks for the next page; `None` on the last.
    pub(crate) next: Option<String>,
    /// The answer's `Date`, in microseconds.
    pub(crate) date: Option<i64>,
}

impl BucketClient {
    pub(crate) fn new(client: Client, settings: Settings, provider: Option<&Provider>, clock: Clock) -> Self {
        let subject = Subject {
            bucket: &settings.bucket,
            prefix: settings.prefix.as_str(),
            consistency: settings.consistency.header(),
            permits: settings.permits,
        };
        let metrics = Metrics::new(provider, subject, &clock);
        let shared = Shared {
            epoch: clock.monotonic(),
            skew: skew::SkewMonitor::default(),
            consistency: settings.consistency.header().map(str::to_owned),
            clock,
        };
        Self {
            client,
            permits: Arc::new(Semaphore::new(settings.permits)),
            metrics,
            settings: Arc::new(settings),
            shared: Arc::new(shared),
            unconditional: Arc::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.bucket
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The dataset is open, and is observed from now on.
    pub(crate) fn opened(&self) {
        let observed = Arc::downgrade(&self.shared);
        self.metrics.opened(move || Some(observed.upgrade()?.skew()?.least()));
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How many requests may be under way at once.
    pub(crate) fn permits(&self) -> usize {
        self.settings.permits
    }

    /// The deadline of a try without a body.
    pub(crate) fn try_deadline(&self) -> Duration {
        self.settings.try_deadline
    }

    /// The local clock's difference to S3's, if any answer has told it.
    pub(crate) fn skew(&self) -> Option<Skew> {
        self.shared.skew()
    }

    /// Waits for the right to send requests, of which the first is an `operation`. Dropping the future gives up the place
    /// in the queue.
    pub(crate) async fn permit(&self, operation: Operation) -> Result<Permit> {
        let mut waiting = self.metrics.wait(operation);
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(_) => {
                waiting.queued();
                Arc::clone(&self.permits).acquire_owned().await
            }
        };
        match permit {
            Ok(permit) => Ok(Permit { permit, held: waiting.granted(), used: AtomicBool::new(false) }),
            Err(_) => Err(Error::new(ErrorKind::Cancelled, "the dataset was closed")),
        }
    }

    /// A request begins, with its span and its place in the metrics.
    fn request(&self, permit: &Permit, operation: Operation, key: &str) -> Request<'_> {
        let object = || self.settings.prefix.object_kind(key);
        self.metrics.request(operation, permit.of_first_request(), key, object)
    }

    /// Puts an object, replacing what is there. One PUT per try.
    pub(crate) async fn put(&self, permit: &Permit, put: &Put<'_>) -> Result<(), Failure> {
        self.put_if(permit, put, Condition::None).await
    }

    /// Puts an object unless its key exists, which is [`Class::Precondition`] then, or [`Class::Forbidden`] where a
    /// policy says so. A backend that answers 501 gets the PUT without the condition, and is remembered, unless
    /// `strictly`.
    pub(crate) async fn put_new(&self, permit: &Permit, put: &Put<'_>, strictly: Strictly) -> Result<(), Failure> {
        let mut before = false;
        if strictly == Strictly::Yes || !self.unconditional.load(Ordering::Relaxed) {
            match self.put_if(permit, put, Condition::IfNoneMatch).await {
                Err(failure) if failure.class == Class::NotImplemented && strictly == Strictly::No => {
                    self.unconditional.store(true, Ordering::Relaxed);
                    before = failure.uncertain;
                }
                result => return result,
            }
        }
        self.put_if(permit, put, Condition::Unsupported).await.map_err(|mut failure| {
            failure.uncertain |= before;
            failure
        })
    }

    async fn put_if(&self, permit: &Permit, put: &Put<'_>, condition: Condition) -> Result<(), Failure> {
        let request = self.request(permit, Operation::Put, put.key);
        self.tries(request, || self.put_once(put, condition), |()| put.body.len()).await
    }

    async fn put_once(&self, put: &Put<'_>, condition: Condition) -> Result<(), Failure> {
        let bytes = put.body.len() as u64;
        let mut request = self
            .client
            .put_object()
            .bucket(self.name())
            .key(put.key)
            .content_type(CONTENT_TYPE)
            .body(ByteStream::from(put.body.clone()));
        for (name, value) in &put.metadata {
            request = request.metadata(*name, value);
        }
        if condition == Condition::IfNoneMatch {
            request = request.if_none_match("*");
        }
        let exchange = Exchange::new(&self.shared);
        let mut request = request.customize().interceptor(exchange);
        if condition != Condition::None || self.settings.client_retries == ClientRetries::Off {
            request = request.config_override(without_retries());
        }
        let least = put.try_deadline.unwrap_or(self.settings.try_deadline);
        let answer = self.limit(deadline(least, bytes), request.send()).await?;
        let answer = answer.map_err(Failure::from_sdk)?;
        // The ETag is the body's MD5 unless the object is encrypted with a key of the user's.
        let comparable = answer.sse_customer_algorithm().is_none()
            && matches!(answer.server_side_encryption(), None | Some(ServerSideEncryption::Aes256));
        match answer.e_tag().map(|etag| etag.trim_matches('"')) {
            Some(etag) if comparable && is_md5(etag) && !etag.eq_ignore_ascii_case(&put.md5) => {
                Err(Failure::local(Class::Corrupt))
            }
            _ => Ok(()),
        }
    }

    /// The whole object, or `None` where there is none. `size` is what a listing said, for the deadline.
    pub(crate) async fn get(&self, permit: &Permit, key: &str, size: u64) -> Result<Option<Bytes>, Failure> {
        let request = self.request(permit, Operation::Get, key);
        absent(self.tries(request, || self.get_once(key, size, None), Bytes::len).await)
    }

    /// The bytes `range` of an object, or `None` where there is no such object.
    pub(crate) async fn get_range(
        &self,
        permit: &Permit,
        key: &str,
        range: std::ops::Range<u64>,
    ) -> Result<Option<Bytes>, Failure> {
        let size = range.end.saturating_sub(range.start);
        let header = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let request = self.request(permit, Operation::Get, key);
        absent(self.tries(request, || self.get_once(key, size, Some(&header)), Bytes::len).await)
    }

    async fn get_once(&self, key: &str, size: u64, range: Option<&str>) -> Result<Bytes, Failure> {
        let request = self.client.get_object().bucket(self.name()).key(key).set_range(range.map(str::to_owned));
        let mut request = request.customize().interceptor(Exchange::new(&self.shared));
        if self.settings.client_retries == ClientRetries::Off {
            request = request.config_override(without_retries());
        }
        let started = self.shared.clock.monotonic();
        let least = self.settings.try_deadline;
        let answer = self.limit(deadline(least, size), request.send()).await?.map_err(Failure::from_sdk)?;
        // How large it is, the answer knows best: `size` may be an estimate.
        let declared = answer.content_length().and_then(|length| u64::try_from(length).ok());
        let passed = self.shared.clock.monotonic().saturating_duration_since(started);
        let left = deadline(least, declared.unwrap_or(size)).saturating_sub(passed);
        let body = self.limit(left, answer.body.collect()).await?.map_err(Failure::body)?.into_bytes();
        match declared {
            Some(length) if length != body.len() as u64 => {
                Err(Failure::body(format!("{} of {length} bytes arrived", body.len())))
            }
            _ => Ok(body),
        }
    }

    /// An object's metadata, or `None` where there is no such object.
    pub(crate) async fn head(&self, permit: &Permit, key: &str) -> Result<Option<Head>, Failure> {
        let request = self.request(permit, Operation::Head, key);
        absent(self.tries(request, || self.head_once(key), |_| 0).await)
    }

    async fn head_once(&self, key: &str) -> Result<Head, Failure> {
        let request = self.client.head_object().bucket(self.name()).key(key);
        let mut request = request.customize().interceptor(Exchange::new(&self.shared));
        if self.settings.client_retries == ClientRetries::Off {
            request = request.config_override(without_retries());
        }
        let answer = self.limit(self.settings.try_deadline, request.send()).await?.map_err(Failure::from_sdk)?;
        Ok(Head {
            last_modified: answer.last_modified().and_then(micros_of),
            metadata: answer.metadata.unwrap_or_default(),
        })
    }

    /// One page of the keys below `prefix`.
    pub(crate) async fn list(&self, permit: &Permit, prefix: &str, from: ListFrom<'_>) -> Result<Page, Failure> {
        let request = self.request(permit, Operation::List, prefix);
        self.tries(request, || self.list_once(prefix, from), |_| 0).await
    }

    async fn list_once(&self, prefix: &str, from: ListFrom<'_>) -> Result<Page, Failure> {
        let ListFrom { after, next, limit } = from;
        let limit = limit.map(|limit| i32::try_from(limit.clamp(1, LARGEST_PAGE)).unwrap_or(i32::MAX));
        let request = self
            .client
            .list_objects_v2()
            .bucket(self.name())
            .prefix(prefix)
            .encoding_type(EncodingType::Url)
            .set_start_after(after.filter(|_| next.is_none()).map(str::to_owned))
            .set_max_keys(limit)
            .set_continuation_token(next.map(str::to_owned));
        let exchange = Exchange::new(&self.shared);
        let mut request = request.customize().interceptor(exchange.clone());
        if self.settings.client_retries == ClientRetries::Off {
            request = request.config_override(without_retries());
        }
        let answer = self.limit(self.settings.try_deadline, request.send()).await?.map_err(Failure::from_sdk)?;
        let encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let more = answer.is_truncated() == Some(true);
        let next = answer.next_continuation_token;
        if more && next.is_none() {
            return Err(Failure::body("a truncated listing without a continuation token"));
        }
        let mut objects = Vec::with_capacity(answer.contents.as_ref().map_or(0, Vec::len));
        for object in answer.contents.unwrap_or_default() {
            let key = object.key.unwrap_or_default();
            objects.push(Listed {
                key: if encoded { decode_key(&key)? } else { key },
                size: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                last_modified: object.last_modified.as_ref().and_then(micros_of),
            });
        }
        Ok(Page { objects, next: next.filter(|_| more), date: exchange.date() })
    }

    /// The future's output, or a timeout. The deadline is ours: the SDK's do not cover bodies.
    async fn limit<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Failure> {
        self.shared.clock.limit(limit, future).await.ok_or_else(|| Failure::local(Class::Timeout))
    }

    /// Makes up to five tries, as long as they fail in a way that may pass. `body` is the size of the body that a
    /// success moved.
    async fn tries<T, F>(
        &self,
        mut request: Request<'_>,
        mut one: impl FnMut() -> F,
        body: impl FnOnce(&T) -> usize,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut uncertain = false;
        let mut tries = 0;
        loop {
            tries += 1;
            request.attempt();
            let mut failure = match one().instrument(request.span().clone()).await {
                Ok(value) => {
                    request.body(body(&value));
                    request.end(Outcome::Success);
                    return Ok(value);
                }
                Err(failure) => failure,
            };
            uncertain |= failure.uncertain;
            failure.uncertain = uncertain;
            failure.tries = tries;
            let error = failure.class.error_type();
            if failure.class.is_transient() {
                request.transient(error);
            }
            match retry::pause_after(tries).filter(|_| failure.class.is_transient()) {
                Some(pause) => self.shared.clock.sleep(pause).await,
                None => {
                    request.span().in_scope(|| tracing::debug!(%failure, "a request failed"));
                    request.end(Outcome::Error(error));
                    return Err(failure);
                }
            }
        }
    }
}

/// Whether a backend without conditional PUT is to be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictly {
    Yes,
    No,
}

/// The condition of a PUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// None wanted.
    None,
    /// The key must not exist.
    IfNoneMatch,
    /// Wanted, but the backend has none: sent without, and still with every try seen.
    Unsupported,
}

fn absent<T>(result: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.class == Class::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn without_retries() -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Builder::new().retry_config(RetryConfig::disabled())
}

fn micros_of(time: &aws_sdk_s3::primitives::DateTime) -> Option<i64> {
    time.secs().checked_mul(1_000_000)
}

fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The MD5 of a body, in hex.
pub(crate) fn md5_hex(body: &[u8]) -> String {
    use std::fmt::Write;
    Md5::digest(body).iter().fold(String::with_capacity(32), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Undoes `encoding-type=url`, which writes a space as `+`.
fn decode_key(key: &str) -> Result<String, Failure> {
    let spaced = key.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(key) => Ok(key.into_owned()),
        Err(error) => Err(Failure::body(format!("a listed key is not utf-8: {error}"))),
    }
}
