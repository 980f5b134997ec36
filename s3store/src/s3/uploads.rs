//! LIST of the multipart uploads that were neither completed nor aborted, page by page.

use std::collections::HashSet;

use aws_sdk_s3::operation::list_multipart_uploads::ListMultipartUploadsOutput;
use aws_sdk_s3::types::EncodingType;

use super::BucketClient;
use super::failure::Failure;
use super::interceptor::micros_of;
use super::page::{Checked, decode_keys};
use crate::error::Result;
use crate::metrics::Operation;

/// An unfinished upload of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedUpload {
    pub(crate) key: String,
    pub(crate) id: String,
    /// S3's time of the start, in microseconds; whole seconds.
    pub(crate) started: Option<i64>,
}

/// The end of a page: its last upload's key and id.
type Marker = (String, String);

impl BucketClient {
    /// Lists the unfinished uploads of keys below `prefix`: 1 LIST for each 1,000.
    pub(crate) async fn list_uploads(&self, prefix: &str) -> Result<Vec<ListedUpload>> {
        let (mut uploads, mut after, mut markers) = (Vec::new(), None, HashSet::new());
        loop {
            let (page, next) = self.uploads_after(prefix, after).await?;
            uploads.extend(page);
            match next {
                None => return Ok(uploads),
                Some(marker) if markers.insert(marker.clone()) => after = Some(marker),
                Some((key, _)) => {
                    let failure = Failure::garbled(format!("the list returned the page after {key} twice"));
                    return Err(failure.into_error(format!("list uploads {prefix}")));
                }
            }
        }
    }

    async fn uploads_after(&self, prefix: &str, after: Option<Marker>) -> Result<(Vec<ListedUpload>, Option<Marker>)> {
        let (client, prefix) = (self.clone(), prefix.to_owned());
        self.run(Operation::List, async move |permit| {
            let send = || client.uploads_once(&prefix, after.as_ref());
            let page = permit.retry(Operation::List, &prefix, send, |_| 0).await;
            page.map_err(|failure| failure.into_error(format!("list uploads {prefix}")))
        })
        .await
    }

    async fn uploads_once(
        &self,
        prefix: &str,
        after: Option<&Marker>,
    ) -> Result<(Vec<ListedUpload>, Option<Marker>), Failure> {
        let (key, id) = after.cloned().unzip();
        let request = self.0.client.list_multipart_uploads().bucket(self.bucket()).prefix(prefix);
        let request = request.encoding_type(EncodingType::Url).set_key_marker(key).set_upload_id_marker(id);
        let send = |config| request.customize().config_override(config).send();
        let response = self.send(self.try_deadline(), self.0.settings.client_retries, send).await?;
        if !response.seen.is_whole_listing {
            return Err(Failure::garbled("the list of uploads has no end: it was cut off"));
        }
        page(response.output, prefix).map_err(Failure::garbled)
    }
}

/// Returns the uploads of a page, and its end if it is not the last one.
///
/// The keys show themselves whether they are encoded: Ceph encodes them without saying so, and SeaweedFS says so and does
/// not. For the same reason the last upload is the end, instead of the markers in the response.
fn page(output: ListMultipartUploadsOutput, prefix: &str) -> Checked<(Vec<ListedUpload>, Option<Marker>)> {
    let is_truncated = output.is_truncated() == Some(true);
    let mut uploads = Vec::new();
    for upload in output.uploads.unwrap_or_default() {
        let (Some(key), Some(id)) = (upload.key, upload.upload_id) else {
            return Err("the list has an upload without a key or an id".to_owned());
        };
        uploads.push(ListedUpload { key, id, started: upload.initiated.as_ref().and_then(micros_of) });
    }
    decode_keys(&mut uploads, |upload| &mut upload.key, false, prefix, '=')?;
    match uploads.last() {
        Some(last) if is_truncated => {
            let end = (last.key.clone(), last.id.clone());
            Ok((uploads, Some(end)))
        }
        None if is_truncated => Err("the list of uploads is truncated but empty".to_owned()),
        _ => Ok((uploads, None)),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::MultipartUpload;

    use super::*;

    fn keys(listed: &[&str], declared: bool) -> Vec<String> {
        let upload = |key: &&str| MultipartUpload::builder().key(*key).upload_id("u").build();
        let output = ListMultipartUploadsOutput::builder()
            .set_uploads(Some(listed.iter().map(upload).collect()))
            .set_encoding_type(declared.then_some(EncodingType::Url))
            .next_key_marker("d/data/a=b c%2F/x")
            .build();
        let (uploads, end) = page(output, "d/data/").unwrap();
        assert_eq!(end, None);
        uploads.into_iter().map(|upload| upload.key).collect()
    }

    #[test]
    fn keys_show_whether_they_are_encoded() {
        let (plain, encoded) = ("d/data/a=b c+%2F/x", "d/data/a%3Db%20c%2B%252F/x");
        for declared in [true, false] {
            assert_eq!(keys(&[plain], declared), [plain], "SeaweedFS declares it");
            assert_eq!(keys(&[encoded], declared), [plain], "Ceph does not");
        }
    }

    #[test]
    fn a_page_that_is_not_the_last_ends_with_its_last_upload() {
        let truncated = |uploads: &[&str]| {
            let upload = |key: &&str| MultipartUpload::builder().key(*key).upload_id("u").build();
            let uploads = uploads.iter().map(upload).collect();
            page(ListMultipartUploadsOutput::builder().set_uploads(Some(uploads)).is_truncated(true).build(), "d/")
        };
        let (_, end) = truncated(&["d/a%3D1", "d/b%3D2"]).unwrap();
        assert_eq!(end, Some(("d/b=2".to_owned(), "u".to_owned())));
        truncated(&[]).unwrap_err();
        truncated(&["e/a=1"]).unwrap_err();
    }
}
