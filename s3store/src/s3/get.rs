//! GET: the bytes of an object, or a range of them.

use std::ops::Range;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tokio::sync::Mutex;

use super::etag::{checksums, md5_in};
use super::failure::{Class, Failure};
use super::interceptor::{Seen, deadline};
use super::partial::{ContentRange, Continuation, Partial, Rest, Source};
use super::put::md5_hex;
use super::response::is_markup;
use super::retry::Response;
use super::{BucketClient, Permit};
use crate::error::Result;
use crate::metrics::Operation;

/// The largest object whose MD5 is computed to compare it with the `ETag`.
const SMALL: usize = 256;

impl BucketClient {
    /// Reads an object, or returns `None` if it does not exist: 1 GET, and one more each time that the body breaks off. These
    /// fetch only what is missing, if at least 64 KiB have arrived. `size` is the expected size, from a listing or an
    /// estimate; the deadline depends on it.
    pub(crate) async fn get(&self, key: &str, size: u64) -> Result<Option<Bytes>> {
        self.get_bytes(key, size, None).await
    }

    /// Reads the bytes `range` of an object, or returns `None` if it does not exist: 1 GET, as [`get`](Self::get).
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

    /// Makes one try of a GET. It continues the body that the tries before it have left in `partial`, or begins it.
    async fn get_once(
        &self,
        key: &str,
        size: u64,
        range: Option<&Range<u64>>,
        partial: &Mutex<Partial>,
    ) -> Result<Bytes, Failure> {
        let mut partial = partial.lock().await;
        let received = self.receive(key, size, range, &mut partial).await;
        received.map_err(|mut failure| {
            failure.progressed = partial.end_try();
            failure
        })
    }

    async fn receive(
        &self,
        key: &str,
        size: u64,
        range: Option<&Range<u64>>,
        partial: &mut Partial,
    ) -> Result<Bytes, Failure> {
        let rest = partial.rest();
        let asked = rest.as_ref().map(|rest| &rest.range).or(range);
        let header = asked.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let etag = rest.as_ref().map(|rest| rest.etag.clone());
        let request = self.0.client.get_object().bucket(self.bucket()).key(key).set_range(header).set_if_match(etag);
        let started = self.clock().monotonic();
        let least = self.try_deadline();
        let send = |config| request.customize().config_override(config).send();
        // A connection that is dead must not wait for the time that the body may take.
        let response = self.send(least, self.0.settings.client_retries, send).await;
        let Response { output, seen } = match response {
            Err(failure) if rest.is_some() => return Err(refused(failure, partial)),
            response => response?,
        };
        // `size` may be an estimate; the response knows the exact length.
        let length = output.content_length().and_then(|length| u64::try_from(length).ok());
        let passed = self.clock().monotonic().saturating_duration_since(started);
        let left = deadline(least, length.or(rest.as_ref().map(Rest::len)).unwrap_or(size)).saturating_sub(passed);
        if seen.is_no_object() {
            // The bytes so far are kept: something in front of S3 may have sent this.
            let mut page = Partial::default();
            self.limit(left, self.collect(output.body, &mut page)).await?.ok();
            return Err(seen.unlike_s3(page.as_slice()));
        }
        let content_range = content_range(&output)?;
        match (&rest, &content_range) {
            (Some(rest), Some(content_range)) => match rest.compare(output.e_tag(), content_range) {
                Continuation::Fits => partial.join(),
                Continuation::Changed => return Err(Failure::local(Class::Changed)),
                Continuation::Unusable(detail) => {
                    partial.give_up();
                    return Err(Failure::garbled(detail));
                }
            },
            // A server that ignores `Range` sends all of the object again.
            (_, content_range) => partial.begin(source(&output, &seen, range, content_range.as_ref(), length)?),
        }
        let before = partial.len();
        let end = self.limit(left, self.collect(output.body, partial)).await.and_then(|end| end);
        if end.is_err() && is_markup(partial.as_slice()) {
            return Err(seen.unlike_s3(partial.as_slice()));
        }
        end?;
        let received = partial.len() - before;
        if let Some(length) = length.filter(|length| *length != received) {
            return Err(Failure::body_text(format!("received {received} of {length} bytes")));
        }
        if let Some(length) = partial.whole_len().filter(|length| *length != partial.len()) {
            return Err(Failure::body_text(format!("received {} of {length} bytes", partial.len())));
        }
        let is_joined = partial.is_joined();
        // The SDK has compared a body that is from one response.
        let is_verified = if is_joined { partial.is_verified() } else { partial.has_checksum().then_some(true) };
        if is_verified == Some(false) {
            partial.give_up();
            return Err(Failure::body_text("the parts of the body do not have the object's checksum together"));
        }
        let (body, source) = partial.take();
        let is_expected = match (range, source.is_range) {
            (Some(_), true) => true,
            // A server may send all of a small object instead.
            (Some(range), false) => range.start == 0 && body.len() as u64 <= range.end,
            // Such an object may exist. Then it must be clear that this is it.
            (None, _) if body.is_empty() => length == Some(0),
            (None, _) => {
                let is_md5 = || source.md5.as_ref().is_some_and(|md5| *md5 == md5_hex(&body));
                !is_markup(&body) || is_verified == Some(true) || is_md5()
            }
        };
        if !is_expected {
            return Err(seen.unlike_s3(&body));
        }
        // The configuration objects, which are read first, show what this server's ETags are.
        if let Some(md5) = source.md5.filter(|_| body.len() <= SMALL) {
            self.0.etags.observe(md5 == md5_hex(&body));
        }
        Ok(body)
    }

    /// Appends a body to the bytes so far. If it breaks off, the bytes until then remain.
    ///
    /// It breaks off, too, if no byte arrives for as long as a try without a body may take: the deadline of a large body
    /// is long, and its connection may be dead.
    async fn collect(&self, mut body: ByteStream, partial: &mut Partial) -> Result<(), Failure> {
        // A continued body is complete with its last byte. After one from a single response, the SDK may report another checksum.
        while !(partial.is_joined() && partial.whole_len() == Some(partial.len())) {
            match self.limit(self.try_deadline(), body.try_next()).await? {
                Ok(Some(chunk)) => partial.push(chunk),
                Ok(None) => break,
                Err(error) => return Err(Failure::body(&error)),
            }
        }
        Ok(())
    }
}

/// Returns the failure of a try that was to continue a body.
fn refused(mut failure: Failure, partial: &mut Partial) -> Failure {
    // The object of a server that ignores `If-Match` may have become shorter: 416.
    if failure.class == Class::Precondition || failure.status() == Some(416) {
        failure.class = Class::Changed;
    }
    if failure.class == Class::NotImplemented {
        partial.give_up();
        return Failure::garbled("it does not support that a GET continues a body");
    }
    failure
}

/// Returns the `Content-Range` of a response.
fn content_range(output: &GetObjectOutput) -> Result<Option<ContentRange>, Failure> {
    let Some(text) = output.content_range() else { return Ok(None) };
    match ContentRange::parse(text) {
        Some(range) => Ok(Some(range)),
        None => Err(Failure::garbled(format!("its Content-Range is {text:?}"))),
    }
}

/// Returns what a response that begins a body says about it. `range` are the bytes that the caller wants.
fn source(
    output: &GetObjectOutput,
    seen: &Seen,
    range: Option<&Range<u64>>,
    content_range: Option<&ContentRange>,
    length: Option<u64>,
) -> Result<Source, Failure> {
    let size = match content_range {
        Some(content_range) => content_range.size,
        None => length,
    };
    let wanted = range.cloned().unwrap_or(0..u64::MAX);
    let (start, len) = match content_range {
        // All of the object, which may be more than is wanted. Then it is not continued.
        None => (0, length.filter(|length| wanted.start == 0 && *length <= wanted.end)),
        Some(ContentRange { range, .. }) if range.start == wanted.start && range.end <= wanted.end => {
            (range.start, Some(wanted.end.min(size.unwrap_or(range.end)) - range.start))
        }
        Some(ContentRange { range, .. }) => {
            let last = range.end.saturating_sub(1);
            return Err(Failure::garbled(format!("it has the bytes {}-{last}, which are others", range.start)));
        }
    };
    let etag = output.e_tag().map(str::to_owned);
    let mut source = Source { etag, is_range: content_range.is_some(), start, len, size, ..Source::default() };
    if range.is_none() {
        let md5 = md5_in(output.e_tag(), output.server_side_encryption(), output.sse_customer_algorithm());
        source.md5 = md5.map(str::to_ascii_lowercase);
        // One of the parts of an upload ends with their number. The SDK does not compare it, either.
        source.checksums = checksums(&seen.headers).into_iter().filter(|(_, value)| !value.contains('-')).collect();
    }
    Ok(source)
}

impl Permit {
    pub(super) async fn get(&self, key: &str, size: u64, range: Option<&Range<u64>>) -> Result<Option<Bytes>, Failure> {
        let partial = Mutex::default();
        let send = || self.client.get_once(key, size, range, &partial);
        Failure::none_if_absent(self.retry(Operation::Get, key, send, Bytes::len).await)
    }
}
