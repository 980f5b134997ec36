//! Retries: up to five tries a request, with the jittered pauses that the Go library documents. A try of a GET that brings
//! its body forward counts as the first again.

use std::future::Future;
use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tracing::Instrument;

use super::failure::{Class, Failure};
use super::interceptor::{Seen, TryInterceptor};
use super::{BucketClient, ClientRetries, Permit};
use crate::ids;
use crate::metrics::{Operation, Outcome};

/// The pauses before the second to the fifth try, in milliseconds.
const PAUSES: [Range<u64>; 4] = [100..300, 300..500, 500..800, 500..800];

/// Returns how long to wait after `tries` failed tries, or `None` if no try is left.
pub(crate) fn pause_after(tries: u32) -> Option<Duration> {
    let window = PAUSES.get(usize::try_from(tries).ok()?.checked_sub(1)?)?;
    Some(ids::jitter(window.clone()))
}

/// The response to one try.
pub(super) struct Response<T> {
    pub(super) output: T,
    pub(super) seen: Seen,
}

impl Permit {
    /// Sends a request up to five times, as long as it fails with a transient error; more often if tries make
    /// [progress](Failure::progressed). `send_once` makes one try, and `body_size` returns the size of the body that a successful one moved, for the metrics.
    pub(super) async fn retry<T, F>(
        &self,
        operation: Operation,
        key: &str,
        mut send_once: impl FnMut() -> F,
        body_size: impl FnOnce(&T) -> usize,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut request = self.request(operation, key);
        let mut uncertain = false;
        let mut tries: u32 = 0;
        // Only those since the last progress count.
        let mut counted = 0;
        loop {
            tries = tries.saturating_add(1);
            counted += 1;
            request.attempt();
            let mut failure = match send_once().instrument(request.span().clone()).await {
                Ok(value) => {
                    request.body(body_size(&value));
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
            if failure.progressed {
                counted = 1;
            }
            match pause_after(counted).filter(|_| failure.class.is_transient()) {
                Some(pause) => self.client.clock().sleep(pause).await,
                None => {
                    request.span().in_scope(|| tracing::debug!(%failure, "a request failed"));
                    request.end(Outcome::Error(error));
                    return Err(failure);
                }
            }
        }
    }
}

impl BucketClient {
    /// Makes one try of a request, within `deadline`. `send` gets the configuration that the request must be customized
    /// with: it adds the headers, observes the response's `Date`, and turns the client's own retries off.
    pub(super) async fn send<T, E, F>(
        &self,
        deadline: Duration,
        retries: ClientRetries,
        send: impl FnOnce(Builder) -> F,
    ) -> Result<Response<T>, Failure>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let interceptor = TryInterceptor::new(&self.0.wire);
        let mut config = Builder::new().interceptor(interceptor.clone());
        if retries == ClientRetries::Off {
            config = config.retry_config(RetryConfig::disabled());
        }
        let result = self.limit(deadline, send(config)).await?;
        let seen = interceptor.take_seen();
        match result {
            Ok(output) => Ok(Response { output, seen }),
            Err(error) => {
                let region = self.0.client.config().region().map(AsRef::as_ref);
                Err(Failure::from_sdk(error, &seen, region).of_bucket(self.bucket()))
            }
        }
    }

    /// Waits for a future, or fails with [`Class::Timeout`] after `deadline`. The SDK's own timeouts are not enough: they
    /// do not cover response bodies.
    pub(super) async fn limit<F: Future>(&self, deadline: Duration, future: F) -> Result<F::Output, Failure> {
        self.clock().limit(deadline, future).await.ok_or_else(|| Failure::local(Class::Timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_tries_with_pauses_in_their_windows() {
        for _ in 0..200 {
            for (tries, window) in (1u32..).zip(PAUSES) {
                let pause = u64::try_from(pause_after(tries).unwrap().as_millis()).unwrap();
                assert!(window.contains(&pause), "{pause} after {tries}");
            }
        }
        assert_eq!(pause_after(5), None);
        assert_eq!(pause_after(0), None);
    }
}
