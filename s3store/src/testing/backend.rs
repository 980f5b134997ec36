//! The S3 operations on the buckets in memory. `s3s` implements the protocol around them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket as BucketEntry, Checksum, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateBucketInput, CreateBucketOutput,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, DeletedObject, ETag, EncodingType, GetBucketLocationInput, GetBucketLocationOutput,
    GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListBucketsInput, ListBucketsOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsV2Input,
    ListObjectsV2Output, PutObjectInput, PutObjectOutput, StreamingBlob, UploadPartInput, UploadPartOutput,
};
use s3s::{Body, S3Request, S3Response, S3Result, s3_error};

use super::bucket::{BucketObjects, Buckets, Checksums, check_bucket_name, internal, no_such_key};
use super::checksum;
use super::convert::{
    conditions, content_encoding, length, list_output, metadata, not_modified, octet_stream, position, timestamp,
    url_encoded,
};
use super::fault::{AlterBody, HideFromLists};
use super::list::{ContinuationToken, ListQuery, ListStart};
use super::lock::lock;
use super::multipart::{MultipartUpload, NamedPart, SMALLEST_PART, UploadQuery, no_such_upload};
use super::object::{Object, StoredObject};
use super::time::ServerClock;

/// The state of the server: its buckets and its clock.
#[derive(Debug, Default)]
pub(super) struct Backend {
    pub(super) buckets: Mutex<Buckets>,
    pub(super) clock: Mutex<ServerClock>,
}

/// The implementation of `s3s::S3` on the backend.
pub(super) struct Service(pub(super) Arc<Backend>);

#[async_trait]
impl s3s::S3 for Service {
    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        if let Err(reason) = check_bucket_name(&request.input.bucket) {
            return Err(s3_error!(InvalidBucketName, "The specified bucket is not valid: its name {reason}"));
        }
        let now = lock(&self.0.clock).now();
        let created = lock(&self.0.buckets).create(&request.input.bucket, now);
        if !created.map_err(|error| internal(&error))? {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        let location = Some(format!("/{}", request.input.bucket));
        Ok(S3Response::new(CreateBucketOutput { location }))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        lock(&self.0.buckets).bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        lock(&self.0.buckets).bucket(&request.input.bucket)?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let entry = |(name, bucket): (&String, &BucketObjects)| BucketEntry {
            name: Some(name.clone()),
            creation_date: Some(timestamp(bucket.created)),
            ..Default::default()
        };
        let buckets = lock(&self.0.buckets).buckets.iter().map(entry).collect();
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), ..Default::default() }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let metadata = metadata(input.metadata)?;
        let conditions = conditions(input.if_none_match, input.if_match)?;
        let mut body = checksum::read(input.body).await?;
        if let Some(AlterBody(alter)) = request.extensions.get() {
            body = alter(body);
        }
        let declared = Checksum {
            checksum_crc32: input.checksum_crc32,
            checksum_crc32c: input.checksum_crc32c,
            checksum_crc64nvme: input.checksum_crc64nvme,
            checksum_sha1: input.checksum_sha1,
            checksum_sha256: input.checksum_sha256,
            checksum_type: None,
        };
        let declared = match lock(&self.0.buckets).switches.checksums {
            Checksums::Verified => checksum::with_trailers(declared, request.trailing_headers.as_ref()),
            Checksums::Ignored => Checksum::default(),
        };
        let sums = checksum::verify(&body, input.content_md5.as_deref(), declared)?;
        let mut object = Object {
            metadata,
            content_type: input.content_type,
            content_encoding: content_encoding(input.content_encoding),
            ..Object::new(body, lock(&self.0.clock).now())
        };
        if let Some(etag) = lock(&self.0.buckets).other_etag() {
            object.etag = etag;
        }
        let etag = object.etag.clone();
        let stored = StoredObject::new(object, sums.clone(), request.extensions.get::<HideFromLists>().copied());
        lock(&self.0.buckets).put(&input.bucket, input.key, &conditions, stored)?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(etag)),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            ..Default::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let stored = self.stored(&input.bucket, &input.key)?;
        not_modified(&stored.object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let size = stored.object.body.len();
        let range = input.range.map(|range| range.check(size as u64)).transpose();
        let range = range.map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?;
        let (body, content_range) = match &range {
            None => (stored.object.body.clone(), None),
            Some(range) => {
                let (start, end) = (position(range.start)?, position(range.end)?);
                let text = format!("bytes {start}-{}/{size}", end.saturating_sub(1));
                (stored.object.body.slice(start..end), Some(text))
            }
        };
        let asked = input.checksum_mode.is_some() && range.is_none();
        let sums = if asked { stored.checksum } else { Checksum::default() };
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(length(body.len())?),
            content_range,
            body: Some(StreamingBlob::from(Body::from(body))),
            content_type: Some(stored.object.content_type.unwrap_or_else(octet_stream)),
            content_encoding: stored.object.content_encoding,
            e_tag: Some(ETag::Strong(stored.object.etag)),
            last_modified: Some(timestamp(stored.object.last_modified)),
            metadata: Some(stored.object.metadata.into_iter().collect()),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            ..Default::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let stored = self.stored(&input.bucket, &input.key)?;
        not_modified(&stored.object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let sums = if input.checksum_mode.is_some() { stored.checksum } else { Checksum::default() };
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(length(stored.object.body.len())?),
            content_type: Some(stored.object.content_type.unwrap_or_else(octet_stream)),
            content_encoding: stored.object.content_encoding,
            e_tag: Some(ETag::Strong(stored.object.etag)),
            last_modified: Some(timestamp(stored.object.last_modified)),
            metadata: Some(stored.object.metadata.into_iter().collect()),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            ..Default::default()
        }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let mut buckets = lock(&self.0.buckets);
        let removed = buckets.bucket_mut(&request.input.bucket)?.remove(&request.input.key);
        removed.map_err(|error| internal(&error))?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        let mut buckets = lock(&self.0.buckets);
        let bucket = buckets.bucket_mut(&input.bucket)?;
        let delete = |key: String| {
            bucket.remove(&key).map_err(|error| internal(&error))?;
            Ok(DeletedObject { key: Some(key), ..Default::default() })
        };
        let deleted: Vec<_> =
            input.delete.objects.into_iter().map(|object| object.key).map(delete).collect::<S3Result<_>>()?;
        let deleted = (input.delete.quiet != Some(true)).then_some(deleted);
        Ok(S3Response::new(DeleteObjectsOutput { deleted, ..Default::default() }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let token = match &input.continuation_token {
            None => None,
            Some(token) => {
                let token = ContinuationToken::parse(token);
                Some(token.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?)
            }
        };
        let asked = usize::try_from(input.max_keys.unwrap_or(1000));
        let asked = asked.map_err(|_| s3_error!(InvalidArgument, "Argument max-keys must not be negative"))?;
        let mut buckets = lock(&self.0.buckets);
        let query = ListQuery {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            start: match (&token, &input.start_after) {
                (Some(token), _) => token.start(),
                (None, Some(key)) if !key.is_empty() => ListStart::AfterKey(key),
                (None, _) => ListStart::Beginning,
            },
            limit: buckets.page_limit(asked),
            order: buckets.switches.list_order,
        };
        let encode = match &input.encoding_type {
            Some(encoding) if encoding.as_str() == EncodingType::URL => url_encoded,
            _ => str::to_owned,
        };
        let page = buckets.bucket_mut(&input.bucket)?.list(&query, |page| list_output(&page, encode))?;
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encode(query.prefix)),
            delimiter: input.delimiter.as_deref().map(encode),
            start_after: input.start_after.as_deref().map(encode),
            max_keys: Some(i32::try_from(asked.min(1000)).unwrap_or(i32::MAX)),
            encoding_type: input.encoding_type,
            continuation_token: input.continuation_token,
            ..page
        }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let mut upload = MultipartUpload::new(input.key.clone(), lock(&self.0.clock).now());
        upload.metadata = metadata(input.metadata)?;
        upload.content_type = input.content_type;
        upload.content_encoding = content_encoding(input.content_encoding);
        let mut buckets = lock(&self.0.buckets);
        if buckets.switches.checksums == Checksums::Verified {
            upload.checksum_algorithm.clone_from(&input.checksum_algorithm);
        }
        let id = format!("upload-{:06}", buckets.uploads_begun);
        buckets.bucket_mut(&input.bucket)?.uploads.insert(id.clone(), upload);
        buckets.uploads_begun += 1;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            ..Default::default()
        }))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let mut body = checksum::read(input.body).await?;
        if let Some(AlterBody(alter)) = request.extensions.get() {
            body = alter(body);
        }
        let declared = Checksum {
            checksum_crc32: input.checksum_crc32,
            checksum_crc32c: input.checksum_crc32c,
            checksum_crc64nvme: input.checksum_crc64nvme,
            checksum_sha1: input.checksum_sha1,
            checksum_sha256: input.checksum_sha256,
            checksum_type: None,
        };
        let declared = match lock(&self.0.buckets).switches.checksums {
            Checksums::Verified => checksum::with_trailers(declared, request.trailing_headers.as_ref()),
            Checksums::Ignored => Checksum::default(),
        };
        let sums = checksum::verify(&body, input.content_md5.as_deref(), declared)?;
        let mut buckets = lock(&self.0.buckets);
        let other_etag = buckets.other_etag();
        let bucket = buckets.bucket_mut(&input.bucket)?;
        let upload = bucket.uploads.get_mut(&input.upload_id).filter(|upload| upload.key == input.key);
        let upload = upload.ok_or_else(no_such_upload)?;
        let etag = upload.put(input.part_number, body, sums.clone(), other_etag)?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(etag)),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            ..Default::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let conditions = conditions(input.if_none_match, input.if_match)?;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let named = parts.into_iter().map(NamedPart::of).collect::<S3Result<Vec<_>>>()?;
        let now = lock(&self.0.clock).now();

        let mut buckets = lock(&self.0.buckets);
        let upload = buckets.bucket(&input.bucket)?.uploads.get(&input.upload_id);
        let upload = upload.filter(|upload| upload.key == input.key).ok_or_else(no_such_upload)?;
        let smallest = buckets.switches.min_part_size.unwrap_or(SMALLEST_PART);
        let mut object = upload.assemble(&named, smallest, now)?;
        let of_parts = input.checksum_type.is_none_or(|kind| kind.as_str() != ChecksumType::FULL_OBJECT);
        let declared = Checksum {
            checksum_crc32: input.checksum_crc32,
            checksum_crc32c: input.checksum_crc32c,
            checksum_crc64nvme: input.checksum_crc64nvme,
            checksum_sha1: input.checksum_sha1,
            checksum_sha256: input.checksum_sha256,
            checksum_type: None,
        };
        let declared = if of_parts { Checksum::default() } else { declared };
        let sums = checksum::verify(&object.body, None, declared)?;
        if let Some(etag) = buckets.other_etag() {
            object.etag = etag;
        }
        let etag = object.etag.clone();
        let stored = StoredObject::new(object, sums, request.extensions.get::<HideFromLists>().copied());
        buckets.put(&input.bucket, input.key.clone(), &conditions, stored)?;
        buckets.bucket_mut(&input.bucket)?.uploads.remove(&input.upload_id);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(etag)),
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        let mut buckets = lock(&self.0.buckets);
        let removed = buckets.bucket_mut(&input.bucket)?.uploads.remove(&input.upload_id);
        removed.ok_or_else(no_such_upload)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = request.input;
        if input.delimiter.as_ref().is_some_and(|delimiter| !delimiter.is_empty()) {
            return Err(s3_error!(NotImplemented, "A list of uploads by delimiter is not implemented"));
        }
        let asked = usize::try_from(input.max_uploads.unwrap_or(1000));
        let asked = asked.map_err(|_| s3_error!(InvalidArgument, "Argument max-uploads must not be negative"))?;
        let encode = match &input.encoding_type {
            Some(encoding) if encoding.as_str() == EncodingType::URL => url_encoded,
            _ => str::to_owned,
        };
        let buckets = lock(&self.0.buckets);
        // As on S3, the id counts only together with a key.
        let marker = input.key_marker.as_deref().filter(|key| !key.is_empty());
        let upload = input.upload_id_marker.as_deref().filter(|id| !id.is_empty());
        let query = UploadQuery {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            after: marker.map(|key| (key, upload)),
            limit: buckets.page_limit(asked),
        };
        let page = buckets.bucket(&input.bucket)?.list_uploads(&query, encode);
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: Some(encode(query.prefix)),
            key_marker: input.key_marker.as_deref().map(encode),
            upload_id_marker: input.upload_id_marker,
            max_uploads: Some(i32::try_from(asked.min(1000)).unwrap_or(i32::MAX)),
            encoding_type: input.encoding_type,
            ..page
        }))
    }
}

impl Service {
    /// Returns an object, or the error of a missing bucket or key.
    fn stored(&self, bucket: &str, key: &str) -> S3Result<StoredObject> {
        lock(&self.0.buckets).bucket(bucket)?.get(key).cloned().ok_or_else(no_such_key)
    }
}
