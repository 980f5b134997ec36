//! Multipart uploads: an object whose body is put in parts.

use std::sync::Arc;

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::BucketClient;
use super::failure::{Class, Failure};
use super::interceptor::deadline;
use super::put::{Stored, judge};
use super::response::is_markup;
use super::retry::Response;
use crate::error::Result;
use crate::format::CONTENT_TYPE;
use crate::metrics::Operation;

/// A multipart upload that was started. It exists until it is completed or aborted. If neither happens, S3 keeps its parts
/// until a lifecycle rule or an operator aborts it.
///
/// Each method sends its requests in a task of its own with a permit of its own, as those of [`BucketClient`] do.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    client: BucketClient,
    target: Arc<Target>,
}

/// The object that an upload makes, and the upload's id.
#[derive(Debug)]
struct Target {
    /// The object in errors, as in `data file`.
    what: &'static str,
    key: String,
    id: String,
}

/// A part that has landed.
#[derive(Debug, Clone)]
pub(crate) struct UploadedPart {
    number: i32,
    etag: String,
    /// The CRC-32, if it was sent and the server confirmed it.
    crc32: Option<String>,
}

impl BucketClient {
    /// Starts a multipart upload of an object: 1 POST. The key must be new: after a lost response, the size of the object
    /// decides whether the upload was completed. `what` names the object in errors, as in `data file`.
    ///
    /// An upload whose response is lost, or whose caller stops waiting, is left behind.
    pub(crate) async fn start_upload(&self, what: &'static str, key: &str) -> Result<Upload> {
        let (client, key) = (self.clone(), key.to_owned());
        self.run(Operation::Put, async move |permit| {
            match permit.retry(Operation::Put, &key, || client.start_once(&key), |_| 0).await {
                Ok(id) => Ok(Upload { target: Arc::new(Target { what, key, id }), client }),
                Err(failure) => Err(failure.into_error(format!("start the upload of {what} {key}"))),
            }
        })
        .await
    }

    async fn start_once(&self, key: &str) -> Result<String, Failure> {
        let request = self.0.client.create_multipart_upload().bucket(self.bucket()).key(key).content_type(CONTENT_TYPE);
        let request = request.set_checksum_algorithm(self.checksum_of_parts());
        let send = |config| request.customize().config_override(config).send();
        let response = self.send(self.try_deadline(), self.0.settings.client_retries, send).await?;
        let Response { output, seen } = response;
        match output.upload_id.filter(|id| !id.is_empty() && !seen.is_web_page) {
            Some(id) => Ok(id),
            None => Err(seen.unlike_s3(&seen.beginning)),
        }
    }

    /// Returns the algorithm of the checksum that every part has, or `None` if the client is configured to send none.
    ///
    /// S3 refuses a part with a checksum if the upload was not started with its algorithm.
    fn checksum_of_parts(&self) -> Option<ChecksumAlgorithm> {
        match self.0.client.config().request_checksum_calculation() {
            Some(RequestChecksumCalculation::WhenRequired) => None,
            _ => Some(ChecksumAlgorithm::Crc32),
        }
    }
}

impl Upload {
    /// Puts a part, or replaces the part with the same number: 1 PUT. Numbers are from 1 to 10,000; all parts but the last
    /// have at least 5 MiB. `md5` is the MD5 of the body in hex, which is compared as that of a PUT.
    ///
    /// A part can't be read back. So one whose `ETag` is another MD5 is put again, unless the server's `ETag`s are known
    /// to be no MD5s, and finally fails.
    pub(crate) async fn put_part(&self, number: i32, body: Bytes, md5: String) -> Result<UploadedPart> {
        let upload = self.clone();
        self.client
            .run(Operation::Put, async move |permit| {
                let Target { what, key, .. } = &*upload.target;
                let send = || upload.put_part_once(number, &body, &md5);
                let part = permit.retry(Operation::Put, key, send, |_| body.len()).await;
                part.map_err(|failure| failure.into_error(format!("put part {number} of {what} {key}")))
            })
            .await
    }

    /// Makes the object of the parts, in the order of their numbers: 1 POST. `size` is the object's size.
    ///
    /// If S3 does not know the upload, or a try had no definite response, 1 HEAD decides: an object of this size is the
    /// upload's. An error does not prove that the object will never appear.
    pub(crate) async fn complete(&self, mut parts: Vec<UploadedPart>, size: u64) -> Result<()> {
        parts.sort_by_key(|part| part.number);
        let upload = self.clone();
        self.client
            .run(Operation::Put, async move |permit| {
                let Target { what, key, .. } = &*upload.target;
                let send = || upload.complete_once(&parts, size);
                let completed = permit.retry(Operation::Put, key, send, |()| 0).await;
                let Err(failure) = completed else { return Ok(()) };
                if failure.uncertain || failure.class == Class::NotFound {
                    let object = permit.head(key).await;
                    if object.is_ok_and(|object| object.is_some_and(|object| object.size == Some(size))) {
                        return Ok(());
                    }
                }
                Err(failure.into_error(format!("complete the upload of {what} {key}")))
            })
            .await
    }

    /// Ends the upload: 1 DELETE. S3 then frees its parts. An upload that does not exist any more is success.
    ///
    /// A part that is still in flight may land afterwards, and keep its storage. So abort after all calls of
    /// [`put_part`](Self::put_part) have ended; if some were dropped, S3 may still be applying theirs.
    pub(crate) async fn abort(&self) -> Result<()> {
        let upload = self.clone();
        self.client
            .run(Operation::Put, async move |permit| {
                let Target { what, key, .. } = &*upload.target;
                let aborted = permit.retry(Operation::Put, key, || upload.abort_once(), |()| 0).await;
                match Failure::none_if_absent(aborted) {
                    Ok(_) => Ok(()),
                    Err(failure) => Err(failure.into_error(format!("abort the upload of {what} {key}"))),
                }
            })
            .await
    }

    async fn put_part_once(&self, number: i32, body: &Bytes, md5: &str) -> Result<UploadedPart, Failure> {
        let (client, Target { key, id, .. }) = (&self.client, &*self.target);
        let request = client.0.client.upload_part().bucket(client.bucket()).key(key).upload_id(id).part_number(number);
        let request = request.set_checksum_algorithm(client.checksum_of_parts()).body(ByteStream::from(body.clone()));
        let deadline = deadline(client.try_deadline(), body.len() as u64);
        let send = |config| request.customize().config_override(config).send();
        let Response { output, seen } = client.send(deadline, client.0.settings.client_retries, send).await?;
        let (encryption, customer) = (output.server_side_encryption(), output.sse_customer_algorithm());
        match judge(&seen, output.e_tag(), encryption, customer, md5)? {
            Stored::AsSent | Stored::Matching => {}
            Stored::Doubtful if client.0.etags.is_meaningless() => {}
            Stored::Doubtful => {
                let detail = "the ETag is not the part's MD5, and the server confirms no checksum";
                return Err(Failure::local(Class::Corrupt).with_detail(detail));
            }
        }
        let crc32 = output.checksum_crc32.filter(|_| client.checksum_of_parts().is_some());
        Ok(UploadedPart { number, etag: output.e_tag.unwrap_or_default(), crc32 })
    }

    async fn complete_once(&self, parts: &[UploadedPart], size: u64) -> Result<(), Failure> {
        let (client, Target { key, id, .. }) = (&self.client, &*self.target);
        let parts = parts.iter().map(UploadedPart::to_completed).collect();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = client.0.client.complete_multipart_upload().bucket(client.bucket()).key(key).upload_id(id);
        let request = request.multipart_upload(parts);
        // Some servers copy the parts together before they respond.
        let deadline = deadline(client.try_deadline(), size);
        let send = |config| request.customize().config_override(config).send();
        let Response { output, seen } = client.send(deadline, client.0.settings.client_retries, send).await?;
        // The SDK also parses a document that was cut off, perhaps before the ETag.
        match output.e_tag() {
            Some(etag) if !etag.is_empty() && !seen.is_web_page => Ok(()),
            _ => Err(seen.unlike_s3(&seen.beginning)),
        }
    }

    async fn abort_once(&self) -> Result<(), Failure> {
        let (client, Target { key, id, .. }) = (&self.client, &*self.target);
        let request = client.0.client.abort_multipart_upload().bucket(client.bucket()).key(key).upload_id(id);
        let send = |config| request.customize().config_override(config).send();
        let response = client.send(client.try_deadline(), client.0.settings.client_retries, send).await?;
        let seen = response.seen;
        // S3 sends no body.
        if seen.is_web_page || is_markup(&seen.beginning) {
            return Err(seen.unlike_s3(&seen.beginning));
        }
        Ok(())
    }
}

impl UploadedPart {
    /// Returns the part as the request names it that completes the upload.
    fn to_completed(&self) -> CompletedPart {
        let part = CompletedPart::builder().part_number(self.number).e_tag(&self.etag);
        part.set_checksum_crc32(self.crc32.clone()).build()
    }
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
