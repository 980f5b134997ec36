//! The SDK interceptor of every try: adds the consistency header, observes the `Date`, and enforces the deadline.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextRef,
    BeforeTransmitInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::Consistency;
use super::etag;
use super::failure::Failure;
use super::page;
use super::response;
use super::skew::{DateSample, Skew, SkewMonitor};
use crate::clock::{Clock, Reading, micros};

/// The slowest transfer that a deadline allows for. A try that is slower than this fails.
const SLOWEST_BYTES_PER_SECOND: u64 = 1 << 20;

/// The state that all tries of a dataset share.
#[derive(Debug)]
pub(super) struct Wire {
    clock: Clock,
    /// The zero of the monotonic clock for [`SkewMonitor`].
    epoch: tokio::time::Instant,
    skew: SkewMonitor,
    /// The value of the `Consistency-Control` header.
    consistency: Option<String>,
}

impl Wire {
    pub(super) fn new(clock: Clock, consistency: &Consistency) -> Self {
        Self {
            epoch: clock.monotonic(),
            skew: SkewMonitor::default(),
            consistency: consistency.header().map(str::to_owned),
            clock,
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns the difference between the local clock, at the moment of a reading, and S3's. Returns `None` before the
    /// first response.
    pub(super) fn skew_at(&self, reading: Reading) -> Option<Skew> {
        self.skew.skew(reading.micros, self.since_epoch(reading))
    }

    fn since_epoch(&self, reading: Reading) -> i64 {
        micros(reading.monotonic.saturating_duration_since(self.epoch))
    }
}

/// The interceptor of one try. Clones share what was read from the response.
#[derive(Debug, Clone)]
pub(super) struct TryInterceptor {
    wire: Arc<Wire>,
    /// The local clocks when the try began.
    sent: Reading,
    seen: Arc<Mutex<Seen>>,
}

/// The facts about a request and its response that the SDK's output does not have.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// If `true`, the request was a HEAD, whose response has no body.
    pub(super) is_head: bool,
    /// If `true`, the request was a POST. S3 may send the status 200 before it has done what a POST asks for, and then an
    /// error document.
    pub(super) is_post: bool,
    /// The wall clock when the request was sent, in microseconds.
    pub(super) sent: Option<i64>,
    /// The `Date`, in microseconds.
    pub(super) date: Option<i64>,
    /// The difference of the clocks that this response alone gives.
    pub(super) skew: Option<Skew>,
    /// The checksum headers of the request.
    pub(super) checksums: Vec<(String, String)>,
    /// The response's status and headers.
    pub(super) status: u16,
    pub(super) headers: Headers,
    /// If `true`, the headers belong to a web page.
    pub(super) is_web_page: bool,
    /// The beginning of a body that the SDK holds in memory.
    pub(super) beginning: Vec<u8>,
    /// If `true`, the body ends as the document of a listing does.
    pub(super) is_whole_listing: bool,
}

impl Seen {
    /// Returns the failure of a response that S3 would not send. `body` is its beginning, or all of it.
    pub(super) fn unlike_s3(&self, body: &[u8]) -> Failure {
        Failure::unlike_s3(self.status, &self.headers, body, self.is_head)
    }

    /// Returns `true` if the response lacks what S3 sends with every object.
    pub(super) fn is_no_object(&self) -> bool {
        self.is_web_page || (!self.headers.contains_key("etag") && !self.headers.contains_key("last-modified"))
    }
}

impl TryInterceptor {
    pub(super) fn new(wire: &Arc<Wire>) -> Self {
        Self { wire: Arc::clone(wire), sent: wire.clock.reading(), seen: Arc::default() }
    }

    /// Takes the facts about the last response.
    pub(super) fn take_seen(&self) -> Seen {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for TryInterceptor {
    fn name(&self) -> &'static str {
        "s3store"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(level) = &self.wire.consistency {
            context.request_mut().headers_mut().try_insert("consistency-control", level.clone())?;
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The client's own retries send several requests.
        *self.lock() = Seen {
            is_head: context.request().method().eq_ignore_ascii_case("HEAD"),
            is_post: context.request().method().eq_ignore_ascii_case("POST"),
            sent: Some(self.sent.micros),
            checksums: etag::checksums(context.request().headers()),
            ..Seen::default()
        };
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let received = self.wire.clock.reading();
        let headers = context.response().headers();
        let mut seen = self.lock();
        seen.status = context.response().status().as_u16();
        seen.headers = headers.clone();
        seen.is_web_page = response::is_web_page(headers);
        if let Some(date) = headers.get("date").and_then(http_date) {
            let sample = DateSample {
                sent: self.sent.micros,
                received: received.micros,
                monotonic: self.wire.since_epoch(received),
                took: micros(received.monotonic.saturating_duration_since(self.sent.monotonic)),
                date,
            };
            (seen.date, seen.skew) = (Some(date), Some(sample.skew()));
            self.wire.skew.observe(sample);
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // A streamed body is not in memory here.
        if let Some(body) = context.response().body().bytes() {
            let mut seen = self.lock();
            seen.is_whole_listing = page::is_whole(body);
            seen.beginning = response::beginning(body).to_vec();
        }
        Ok(())
    }
}

fn http_date(text: &str) -> Option<i64> {
    DateTime::from_str(text, Format::HttpDate).ok().as_ref().and_then(micros_of)
}

/// Returns a time of S3's in microseconds since 1970; whole seconds.
pub(super) fn micros_of(time: &DateTime) -> Option<i64> {
    time.secs().checked_mul(1_000_000)
}

/// Returns the deadline of a try that transfers a body of `bytes`: `least`, plus the time for the body.
pub(super) fn deadline(least: Duration, bytes: u64) -> Duration {
    least.saturating_add(Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_http_dates() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000_000));
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn large_bodies_get_more_time() {
        let least = Duration::from_secs(30);
        assert_eq!(deadline(least, 0), least);
        assert_eq!(deadline(least, 100 << 20), Duration::from_secs(130));
    }
}
