//! HEAD: the metadata of an object.

use std::collections::HashMap;

use super::etag::md5_in;
use super::failure::Failure;
use super::interceptor::micros_of;
use super::retry::Response;
use super::{BucketClient, Permit};
use crate::error::Result;
use crate::metrics::Operation;

/// The metadata of an object.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) metadata: HashMap<String, String>,
    /// The size in bytes, or `None` if the server does not report it.
    pub(crate) size: Option<u64>,
    /// The MD5 in hex, if the `ETag` has the form of one and the object's encryption allows it.
    pub(crate) md5: Option<String>,
    /// S3's `Last-Modified`, in microseconds; whole seconds.
    pub(crate) last_modified: Option<i64>,
}

impl BucketClient {
    /// Reads an object's metadata, or returns `None` if it does not exist: 1 HEAD.
    pub(crate) async fn head(&self, key: &str) -> Result<Option<Head>> {
        let key = key.to_owned();
        self.run(Operation::Head, async move |permit| permit.head(&key).await).await
    }

    async fn head_once(&self, key: &str) -> Result<Head, Failure> {
        let request = self.0.client.head_object().bucket(self.bucket()).key(key);
        let send = |config| request.customize().config_override(config).send();
        let Response { output: response, seen } =
            self.send(self.try_deadline(), self.0.settings.client_retries, send).await?;
        if seen.is_no_object() {
            return Err(seen.unlike_s3(&[]));
        }
        let md5 = md5_in(response.e_tag(), response.server_side_encryption(), response.sse_customer_algorithm());
        Ok(Head {
            md5: md5.map(str::to_ascii_lowercase),
            size: response.content_length().and_then(|length| u64::try_from(length).ok()),
            last_modified: response.last_modified().and_then(micros_of),
            metadata: response.metadata.unwrap_or_default(),
        })
    }
}

impl Permit {
    /// Reads an object's metadata, or returns `None` if it does not exist: 1 HEAD.
    pub(crate) async fn head(&self, key: &str) -> Result<Option<Head>> {
        let head = self.retry(Operation::Head, key, || self.client.head_once(key), |_| 0).await;
        Failure::none_if_absent(head).map_err(|failure| failure.into_error(format!("head {key}")))
    }
}
