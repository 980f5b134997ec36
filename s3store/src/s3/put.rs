//! PUT: replaces an object, or creates it if its key does not exist.

use std::borrow::Cow;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use bytes::Bytes;
use md5::{Digest, Md5};

use super::etag::{Confirmation, confirmation, md5_in};
use super::failure::{Class, Failure};
use super::interceptor::{Seen, deadline};
use super::response::is_markup;
use super::retry::Response;
use super::{BucketClient, ClientRetries, Permit, pause_after};
use crate::error::Result;
use crate::format::CONTENT_TYPE;
use crate::metrics::Operation;

/// An object to put.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) key: String,
    pub(crate) body: Bytes,
    /// The body's MD5 in hex: see [`md5_hex`]. It is compared with the response's `ETag` if the server confirms no checksum.
    pub(crate) md5: String,
    pub(crate) metadata: Vec<(Cow<'static, str>, String)>,
    /// The deadline of each try, in place of the dataset's.
    pub(crate) try_deadline: Option<Duration>,
}

impl Put {
    /// Computes the MD5 of the body. For a large body compute it off the async threads and use [`Put::with_md5`].
    pub(crate) fn new(key: impl Into<String>, body: Bytes) -> Self {
        let md5 = md5_hex(&body);
        Self::with_md5(key, body, md5)
    }

    pub(crate) fn with_md5(key: impl Into<String>, body: Bytes, md5: impl Into<String>) -> Self {
        Self { key: key.into(), body, md5: md5.into(), metadata: Vec::new(), try_deadline: None }
    }
}

/// How to treat a backend that does not support `If-None-Match` and answers 501.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfNoneMatch {
    /// The PUT fails.
    Required,
    /// The PUT is sent without the condition, and so are later PUTs from the start. This needs several refusals, and never
    /// happens once the backend has supported the condition.
    BestEffort,
}

/// The number of conditional PUTs in a row that S3 must refuse with 501 before the library does without the condition. A
/// single 501 can come from something in front of S3.
const REFUSALS: u32 = 3;

/// The object, or the part of an upload, after a successful PUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// Nothing speaks against its being the body that was sent.
    AsSent,
    /// Its `ETag` is the body's MD5.
    Matching,
    /// Its `ETag` is not the body's MD5. Either the server's never are, or the body was altered.
    Doubtful,
}

/// The condition of a PUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// Replace any object with the same key.
    None,
    /// The key must not exist.
    IfNoneMatch,
    /// The key should not exist, but the backend can't check it. As with [`IfNoneMatch`](Self::IfNoneMatch), the
    /// client's own retries are off, so that the result of every try is known.
    Unsupported,
}

impl BucketClient {
    /// Puts an object, replacing any object with the same key: 1 PUT. `what` names the object in errors, as in `data file`.
    pub(crate) async fn put(&self, what: &'static str, put: Put) -> Result<()> {
        self.run(Operation::Put, async move |permit| {
            permit.put(&put).await.map_err(|failure| failure.into_error(format!("put {what} {}", put.key)))
        })
        .await
    }

    /// Puts an object unless its key exists. Returns `false` if the key exists.
    ///
    /// Returns `true` too if the key exists but an earlier try had no definite response: that try may have put it.
    pub(crate) async fn put_if_absent(&self, put: Put) -> Result<bool> {
        self.run(Operation::Put, async move |permit| match permit.put_if_absent(&put, IfNoneMatch::BestEffort).await {
            Ok(()) => Ok(true),
            Err(failure) if failure.class == Class::Precondition => Ok(failure.uncertain),
            Err(failure) => Err(failure.into_error(format!("put {}", put.key))),
        })
        .await
    }
}

impl Permit {
    /// Puts an object, replacing any object with the same key.
    pub(crate) async fn put(&self, put: &Put) -> Result<(), Failure> {
        self.put_if(put, Condition::None).await
    }

    /// Puts an object unless its key exists. If it does, fails with [`Class::Precondition`], or with
    /// [`Class::Forbidden`] if a bucket policy denies overwriting.
    pub(crate) async fn put_if_absent(&self, put: &Put, condition: IfNoneMatch) -> Result<(), Failure> {
        let support = &self.client.0.conditions;
        if support.is_unsupported() && condition == IfNoneMatch::BestEffort {
            return self.put_if(put, Condition::Unsupported).await;
        }
        let mut uncertain = false;
        let mut refusals = 0;
        loop {
            let Err(mut failure) = self.put_if(put, Condition::IfNoneMatch).await else { return Ok(()) };
            uncertain |= failure.uncertain;
            failure.uncertain = uncertain;
            if failure.class != Class::NotImplemented {
                return Err(failure);
            }
            refusals += 1;
            // If another request has seen the support meanwhile, the next PUT treats a 501 as a failure of the server.
            let is_confirmed = !support.is_supported() && (refusals >= REFUSALS || support.is_unsupported());
            match (pause_after(refusals), condition) {
                (Some(pause), _) if !is_confirmed => self.client.clock().sleep(pause).await,
                (_, IfNoneMatch::Required) => return Err(failure),
                (_, IfNoneMatch::BestEffort) => return self.put_without_condition(put, failure).await,
            }
        }
    }

    /// Puts an object whose conditional PUTs were refused with 501. Looks before whether it exists, and afterwards whether
    /// S3 still refuses the condition: only then the handle remembers it.
    async fn put_without_condition(&self, put: &Put, mut refusal: Failure) -> Result<(), Failure> {
        match self.head(&put.key).await {
            Ok(None) => {}
            Ok(Some(_)) => {
                refusal.class = Class::Precondition;
                return Err(refusal);
            }
            Err(_) => return Err(refusal),
        }
        self.put_if(put, Condition::Unsupported).await.map_err(|mut failure| {
            failure.uncertain |= refusal.uncertain;
            failure
        })?;
        let again = self.put_if(put, Condition::IfNoneMatch).await;
        if again.is_err_and(|failure| failure.class == Class::NotImplemented)
            && self.client.0.conditions.record_unsupported()
        {
            tracing::warn!(
                key = put.key,
                "the S3 server does not support If-None-Match: commits are put without it from now on; use each token from \
                 one writer at a time"
            );
        }
        Ok(())
    }

    async fn put_if(&self, put: &Put, condition: Condition) -> Result<(), Failure> {
        let send = async || {
            let result = self.client.put_once(put, condition).await;
            let result = match condition {
                Condition::IfNoneMatch => self.client.0.conditions.observe(result),
                Condition::None | Condition::Unsupported => result,
            };
            let etags = &self.client.0.etags;
            match result? {
                Stored::AsSent => Ok(()),
                Stored::Matching => {
                    etags.observe(true);
                    Ok(())
                }
                Stored::Doubtful if etags.is_meaningless() => Ok(()),
                Stored::Doubtful => self.compare(put).await,
            }
        };
        self.retry(Operation::Put, &put.key, send, |()| put.body.len()).await
    }

    /// Compares an object with the body that was put: 1 GET.
    async fn compare(&self, put: &Put) -> Result<(), Failure> {
        match self.get(&put.key, put.body.len() as u64, None).await {
            Ok(Some(stored)) if stored == put.body => {
                self.client.0.etags.observe_proof();
                Ok(())
            }
            _ => Err(Failure::local(Class::Corrupt)),
        }
    }
}

impl BucketClient {
    async fn put_once(&self, put: &Put, condition: Condition) -> Result<Stored, Failure> {
        let body = ByteStream::from(put.body.clone());
        let request =
            self.0.client.put_object().bucket(self.bucket()).key(&put.key).content_type(CONTENT_TYPE).body(body);
        let mut request = request.set_if_none_match((condition == Condition::IfNoneMatch).then(|| "*".to_owned()));
        for (name, value) in &put.metadata {
            request = request.metadata(name.as_ref(), value);
        }
        let retries = match condition {
            Condition::None => self.0.settings.client_retries,
            Condition::IfNoneMatch | Condition::Unsupported => ClientRetries::Off,
        };
        let deadline = deadline(put.try_deadline.unwrap_or(self.try_deadline()), put.body.len() as u64);
        let send = |config| request.customize().config_override(config).send();
        let Response { output: response, seen } = self.send(deadline, retries, send).await?;
        let (encryption, customer) = (response.server_side_encryption(), response.sse_customer_algorithm());
        judge(&seen, response.e_tag(), encryption, customer, &put.md5)
    }
}

/// Judges the response to a PUT of an object or a part. `md5` is the body's.
pub(super) fn judge(
    seen: &Seen,
    etag: Option<&str>,
    encryption: Option<&ServerSideEncryption>,
    customer_algorithm: Option<&str>,
    md5: &str,
) -> Result<Stored, Failure> {
    // S3 sends an ETag and no body.
    if seen.is_web_page || etag.is_none() || is_markup(&seen.beginning) {
        return Err(seen.unlike_s3(&seen.beginning));
    }
    match confirmation(&seen.checksums, &seen.headers) {
        Confirmation::Same => return Ok(Stored::AsSent),
        Confirmation::Different => return Err(Failure::local(Class::Corrupt)),
        Confirmation::Missing => {}
    }
    Ok(match md5_in(etag, encryption, customer_algorithm) {
        None => Stored::AsSent,
        Some(found) if found.eq_ignore_ascii_case(md5) => Stored::Matching,
        Some(_) => Stored::Doubtful,
    })
}

/// Returns the MD5 of a body, in hex.
pub(crate) fn md5_hex(body: &[u8]) -> String {
    use std::fmt::Write;
    Md5::digest(body).iter().fold(String::with_capacity(32), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
