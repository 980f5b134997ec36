//! GET: the bytes of an object, or a range of them.

use std::ops::Range;

use bytes::Bytes;

use super::failure::Failure;
use super::interceptor::deadline;
use super::{BucketClient, Permit};
use crate::error::Result;
use crate::metrics::Operation;

impl BucketClient {
    /// Reads an object, or returns `None` if it does not exist: 1 GET. `size` is the expected size, from a listing or an
    /// estimate; the deadline depends on it.
    pub(crate) async fn get(&self, key: &str, size: u64) -> Result<Option<Bytes>> {
        self.get_bytes(key, size, None).await
    }

    /// Reads the bytes `range` of an object, or returns `None` if it does not exist: 1 GET.
    pub(crate) async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        let header = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        self.get_bytes(key, range.end.saturating_sub(range.start), Some(header)).await
    }

    async fn get_bytes(&self, key: &str, size: u64, range: Option<String>) -> Result<Option<Bytes>> {
        let key = key.to_owned();
        self.run(Operation::Get, async move |permit| {
            let body = permit.get(&key, size, range.as_deref()).await;
            body.map_err(|failure| failure.into_error(format!("get {key}")))
        })
        .await
    }

    async fn get_once(&self, key: &str, size: u64, range: Option<&str>) -> Result<Bytes, Failure> {
        let request = self.0.client.get_object().bucket(self.bucket()).key(key).set_range(range.map(str::to_owned));
        let started = self.clock().monotonic();
        let least = self.try_deadline();
        let send = |config| request.customize().config_override(config).send();
        // A connection that is dead must not wait for the time that the body may take.
        let response = self.send(least, self.0.settings.client_retries, send).await?.output;
        // `size` may be an estimate; the response knows the exact length.
        let length = response.content_length().and_then(|length| u64::try_from(length).ok());
        let passed = self.clock().monotonic().saturating_duration_since(started);
        let left = deadline(least, length.unwrap_or(size)).saturating_sub(passed);
        let body =
            self.limit(left, response.body.collect()).await?.map_err(|error| Failure::body(&error))?.into_bytes();
        match length {
            Some(length) if length != body.len() as u64 => {
                Err(Failure::body_text(format!("received {} of {length} bytes", body.len())))
            }
            _ => Ok(body),
        }
    }
}

impl Permit {
    async fn get(&self, key: &str, size: u64, range: Option<&str>) -> Result<Option<Bytes>, Failure> {
        let send = || self.client.get_once(key, size, range);
        Failure::none_if_absent(self.retry(Operation::Get, key, send, Bytes::len).await)
    }
}
