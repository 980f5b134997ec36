//! One try of one request: the header it carries, the `Date` it brings back, its deadline.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::skew::{Answer, Skew, SkewMonitor};
use crate::clock::{Clock, micros};

/// S3 stores at least this much of a body in a second, or a try is given up.
const SLOWEST_BYTES_PER_SECOND: u64 = 1 << 20;

/// What every try of a dataset does to its request and reads of its answer.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    /// The monotonic clock's zero, for [`SkewMonitor`].
    pub(super) epoch: tokio::time::Instant,
    pub(super) skew: SkewMonitor,
    pub(super) consistency: Option<String>,
}

impl Shared {
    /// The local clock's difference to S3's, if any answer has told it.
    pub(super) fn skew(&self) -> Option<Skew> {
        self.skew.skew(self.clock.micros(), self.monotonic())
    }

    pub(super) fn monotonic(&self) -> i64 {
        micros(self.clock.monotonic().saturating_duration_since(self.epoch))
    }
}

/// The interceptor of one try.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    shared: Arc<Shared>,
    sent: i64,
    date: Arc<Mutex<Option<i64>>>,
}

impl Exchange {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), sent: shared.clock.micros(), date: Arc::default() }
    }

    /// The answer's `Date`, in microseconds.
    pub(super) fn date(&self) -> Option<i64> {
        *self.date.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Exchange {
    fn name(&self) -> &'static str {
        "s3store"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(level) = &self.shared.consistency {
            context.request_mut().headers_mut().try_insert("consistency-control", level.clone())?;
        }
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let received = self.shared.clock.micros();
        let date = context.response().headers().get("date").and_then(http_date);
        if let Some(date) = date {
            *self.date.lock().unwrap_or_else(PoisonError::into_inner) = Some(date);
            let monotonic = self.shared.monotonic();
            self.shared.skew.observe(Answer { sent: self.sent, received, monotonic, date });
        }
        Ok(())
    }
}

fn http_date(text: &str) -> Option<i64> {
    DateTime::from_str(text, Format::HttpDate).ok()?.secs().checked_mul(1_000_000)
}

/// The deadline of a try that moves a body of `bytes`: `least`, and more for a large body.
pub(super) fn deadline(least: Duration, bytes: u64) -> Duration {
    least + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND)
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
