//! GET: the bytes of an object, or a range of them.

use std::ops::Range;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::etag::md5_in;
use super::failure::Failure;
use super::interceptor::deadline;
use super::put::md5_hex;
use super::response::is_markup;
use super::retry::Response;
use super::{BucketClient, Permit};
use crate::error::Result;
use crate::metrics::Operation;

/// The largest object whose MD5 is computed to compare it with the `ETag`.
const SMALL: usize = 256;

impl BucketClient {
    /// Reads an object, or returns `None` if it does not exist: 1 GET. `size` is the expected size, from a listing or an
    /// estimate; the deadline depends on it.
    pub(crate) async fn get(&self, key: &str, size: u64) -> Result<Option<Bytes>> {
        self.get_bytes(key, size, None).await
    }

    /// Reads the bytes `range` of an object, or returns `None` if it does not exist: 1 GET.
    pub(crate) async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        self.get_bytes(key, range.end.saturating_sub(range.start), Some(range)).await
    }

    async fn get_bytes(&self, key: &str, size: u64, range: Option<Range<u64>>) -> Result<Option<Bytes>> {
        let key = key.to_owned();
        self.run(Operation::Get, async move |permit| {
            let body = permit.get(&key, size, range.as_ref()).await;
            body.map_err(|failure| failure.into_error(format!("get {key}")))
        })
        .await
    }

    async fn get_once(&self, key: &str, size: u64, range: Option<&Range<u64>>) -> Result<Bytes, Failure> {
        let header = range.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let request = self.0.client.get_object().bucket(self.bucket()).key(key).set_range(header);
        let started = self.clock().monotonic();
        let least = self.try_deadline();
        let send = |config| request.customize().config_override(config).send();
        // A connection that is dead must not wait for the time that the body may take.
        let Response { output, seen } = self.send(least, self.0.settings.client_retries, send).await?;
        // `size` may be an estimate; the response knows the exact length.
        let length = output.content_length().and_then(|length| u64::try_from(length).ok());
        let passed = self.clock().monotonic().saturating_duration_since(started);
        let left = deadline(least, length.unwrap_or(size)).saturating_sub(passed);
        let is_verified = is_verified(&output);
        let md5 = md5_in(output.e_tag(), output.server_side_encryption(), output.sse_customer_algorithm());
        let md5 = md5.filter(|_| range.is_none()).map(str::to_ascii_lowercase);
        let content_range = output.content_range;
        let (body, end) = self.limit(left, self.collect(output.body)).await?;
        if seen.is_no_object() || (end.is_err() && is_markup(&body)) {
            return Err(seen.unlike_s3(&body));
        }
        end?;
        if let Some(length) = length.filter(|length| *length != body.len() as u64) {
            return Err(Failure::body_text(format!("received {} of {length} bytes", body.len())));
        }
        let is_expected = match (range, content_range) {
            (Some(_), Some(_)) => true,
            // A server may send all of a small object instead.
            (Some(range), None) => range.start == 0 && body.len() as u64 <= range.end,
            // Such an object may exist. Then it must be clear that this is it.
            (None, _) if body.is_empty() => length == Some(0),
            (None, _) => !is_markup(&body) || is_verified || md5.as_ref().is_some_and(|md5| *md5 == md5_hex(&body)),
        };
        if !is_expected {
            return Err(seen.unlike_s3(&body));
        }
        // The configuration objects, which are read first, show what this server's ETags are.
        if let Some(md5) = md5.filter(|_| body.len() <= SMALL) {
            self.0.etags.observe(md5 == md5_hex(&body));
        }
        Ok(body)
    }

    /// Reads a body. If it breaks off, also returns the bytes so far.
    ///
    /// It breaks off, too, if no byte arrives for as long as a try without a body may take: the deadline of a large body
    /// is long, and its connection may be dead.
    async fn collect(&self, mut body: ByteStream) -> (Bytes, Result<(), Failure>) {
        let mut chunks = Vec::new();
        let end = loop {
            match self.limit(self.try_deadline(), body.try_next()).await {
                Ok(Ok(Some(chunk))) => chunks.push(chunk),
                Ok(Ok(None)) => break Ok(()),
                Ok(Err(error)) => break Err(Failure::body(&error)),
                Err(timeout) => break Err(timeout),
            }
        };
        let body = match <[Bytes; 1]>::try_from(chunks) {
            Ok([chunk]) => chunk,
            Err(chunks) => Bytes::from(chunks.concat()),
        };
        (body, end)
    }
}

/// Returns `true` if the SDK compares the body with a checksum.
fn is_verified(output: &GetObjectOutput) -> bool {
    let checksums = [
        output.checksum_crc32(),
        output.checksum_crc32_c(),
        output.checksum_crc64_nvme(),
        output.checksum_sha1(),
        output.checksum_sha256(),
    ];
    checksums.iter().any(Option::is_some)
}

impl Permit {
    pub(super) async fn get(&self, key: &str, size: u64, range: Option<&Range<u64>>) -> Result<Option<Bytes>, Failure> {
        let send = || self.client.get_once(key, size, range);
        Failure::none_if_absent(self.retry(Operation::Get, key, send, Bytes::len).await)
    }
}
