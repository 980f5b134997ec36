//! Multipart uploads: parts that will become one object.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, SubsecRound as _, Utc};
use md5::{Digest as _, Md5};
use s3s::dto::{
    Checksum, ChecksumAlgorithm, CompletedPart, ListMultipartUploadsOutput, MultipartUpload as UploadEntry,
};
use s3s::{S3Error, S3Result, s3_error};

use super::bucket::BucketObjects;
use super::convert::timestamp;
use super::object::{Object, hex};

/// The minimum size of every part except the last, unless a test sets another one.
pub(super) const SMALLEST_PART: usize = 5 * 1024 * 1024;

/// An upload that is neither completed nor aborted yet.
#[derive(Debug)]
pub(super) struct MultipartUpload {
    pub(super) key: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    /// The algorithm of the checksum that every part must have.
    pub(super) checksum_algorithm: Option<ChecksumAlgorithm>,
    /// In whole seconds.
    initiated: DateTime<Utc>,
    parts: BTreeMap<i32, UploadedPart>,
}

#[derive(Debug)]
struct UploadedPart {
    body: Bytes,
    md5: [u8; 16],
    etag: String,
    sums: Checksum,
}

/// A part as the request that completes the upload names it.
#[derive(Debug)]
pub(super) struct NamedPart {
    number: i32,
    etag: String,
    sums: Checksum,
}

impl NamedPart {
    pub(super) fn of(part: CompletedPart) -> S3Result<Self> {
        let (Some(number), Some(etag)) = (part.part_number, part.e_tag) else {
            return Err(s3_error!(MalformedXML, "A part has no number or no ETag"));
        };
        let sums = Checksum {
            checksum_crc32: part.checksum_crc32,
            checksum_crc32c: part.checksum_crc32c,
            checksum_crc64nvme: part.checksum_crc64nvme,
            checksum_sha1: part.checksum_sha1,
            checksum_sha256: part.checksum_sha256,
            checksum_type: None,
        };
        Ok(Self { number, etag: etag.into_value(), sums })
    }
}

impl MultipartUpload {
    pub(super) fn new(key: String, initiated: DateTime<Utc>) -> Self {
        Self {
            key,
            metadata: BTreeMap::new(),
            content_type: None,
            content_encoding: None,
            checksum_algorithm: None,
            initiated: initiated.trunc_subsecs(0),
            parts: BTreeMap::new(),
        }
    }

    /// Stores a part, replacing an earlier one with the same number, and returns its entity tag: `other_etag`, or the MD5 of
    /// the body. `sums` are the checksums that the client sent.
    pub(super) fn put(
        &mut self,
        number: i32,
        body: Bytes,
        sums: Checksum,
        other_etag: Option<String>,
    ) -> S3Result<String> {
        if !(1..=10_000).contains(&number) {
            return Err(s3_error!(
                InvalidArgument,
                "UploadedPart number must be an integer between 1 and 10000, inclusive"
            ));
        }
        self.check_checksum(&sums, number)?;
        let md5: [u8; 16] = Md5::digest(&body).into();
        let etag = other_etag.unwrap_or_else(|| hex(&md5));
        self.parts.insert(number, UploadedPart { body, md5, etag: etag.clone(), sums });
        Ok(etag)
    }

    /// Checks that a part has the checksum that the upload was started with.
    fn check_checksum(&self, sums: &Checksum, number: i32) -> S3Result<()> {
        let Some(algorithm) = &self.checksum_algorithm else { return Ok(()) };
        let sum = match algorithm.as_str() {
            ChecksumAlgorithm::CRC32 => &sums.checksum_crc32,
            ChecksumAlgorithm::CRC32C => &sums.checksum_crc32c,
            ChecksumAlgorithm::CRC64NVME => &sums.checksum_crc64nvme,
            ChecksumAlgorithm::SHA1 => &sums.checksum_sha1,
            ChecksumAlgorithm::SHA256 => &sums.checksum_sha256,
            _ => return Ok(()),
        };
        if sum.is_some() {
            return Ok(());
        }
        let algorithm = algorithm.as_str();
        Err(s3_error!(
            InvalidRequest,
            "The upload was created using a {algorithm} checksum. It was missing for part {number} in the request."
        ))
    }

    /// Joins the named parts into an object. `named` are in ascending order. All but the last have at least `smallest`
    /// bytes.
    pub(super) fn assemble(&self, named: &[NamedPart], smallest: usize, now: DateTime<Utc>) -> S3Result<Object> {
        let Some(last) = named.last() else {
            return Err(s3_error!(MalformedXML, "You must specify at least one part"));
        };
        if !named.is_sorted_by(|left, right| left.number < right.number) {
            return Err(s3_error!(InvalidPartOrder, "The list of parts was not in ascending order."));
        }
        let mut body = BytesMut::new();
        let mut sums = Md5::new();
        for named in named {
            let part = self.parts.get(&named.number).filter(|part| part.etag == named.etag).ok_or_else(invalid_part)?;
            self.check_checksum(&named.sums, named.number)?;
            if !part.has(&named.sums) {
                return Err(invalid_part());
            }
            if named.number != last.number && part.body.len() < smallest {
                return Err(s3_error!(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size"));
            }
            body.extend_from_slice(&part.body);
            sums.update(part.md5);
        }
        Ok(Object {
            etag: format!("{}-{}", hex(&sums.finalize()), named.len()),
            metadata: self.metadata.clone(),
            content_type: self.content_type.clone(),
            content_encoding: self.content_encoding.clone(),
            ..Object::new(body.freeze(), now)
        })
    }
}

impl UploadedPart {
    /// Returns whether the checksums that a request names are the part's.
    fn has(&self, named: &Checksum) -> bool {
        let pairs = [
            (&named.checksum_crc32, &self.sums.checksum_crc32),
            (&named.checksum_crc32c, &self.sums.checksum_crc32c),
            (&named.checksum_crc64nvme, &self.sums.checksum_crc64nvme),
            (&named.checksum_sha1, &self.sums.checksum_sha1),
            (&named.checksum_sha256, &self.sums.checksum_sha256),
        ];
        pairs.iter().all(|(named, stored)| named.is_none() || named == stored)
    }
}

/// The parameters of a list of uploads.
#[derive(Debug, Clone, Copy)]
pub(super) struct UploadQuery<'a> {
    pub(super) prefix: &'a str,
    /// The key, and perhaps the upload of that key, after which the page begins.
    pub(super) after: Option<(&'a str, Option<&'a str>)>,
    /// The maximum number of uploads.
    pub(super) limit: usize,
}

impl BucketObjects {
    /// Returns the unfinished uploads in the order in which S3 lists them: by key, and of one key the earliest first.
    pub(super) fn unfinished(&self) -> Vec<(&str, &MultipartUpload)> {
        let mut uploads: Vec<_> = self.uploads.iter().map(|(id, upload)| (id.as_str(), upload)).collect();
        // Ids are in the order of time.
        uploads.sort_by_key(|(id, upload)| (upload.key.as_str(), *id));
        uploads
    }

    /// Returns one page of the unfinished uploads.
    pub(super) fn list_uploads(
        &self,
        query: &UploadQuery<'_>,
        encode: fn(&str) -> String,
    ) -> ListMultipartUploadsOutput {
        let is_after = |id: &str, key: &str| match query.after {
            None => true,
            Some((marker, None)) => key > marker,
            Some((marker, Some(upload))) => (key, id) > (marker, upload),
        };
        let mut found = self.unfinished();
        found.retain(|(id, upload)| upload.key.starts_with(query.prefix) && is_after(id, &upload.key));
        let is_truncated = found.len() > query.limit;
        found.truncate(query.limit);
        let last = found.last().filter(|_| is_truncated);
        let entry = |(id, upload): &(&str, &MultipartUpload)| UploadEntry {
            key: Some(encode(&upload.key)),
            upload_id: Some((*id).to_owned()),
            initiated: Some(timestamp(upload.initiated)),
            checksum_algorithm: upload.checksum_algorithm.clone(),
            ..Default::default()
        };
        ListMultipartUploadsOutput {
            is_truncated: Some(is_truncated),
            next_key_marker: last.map(|(_, upload)| encode(&upload.key)),
            next_upload_id_marker: last.map(|(id, _)| (*id).to_owned()),
            uploads: Some(found.iter().map(entry).collect()),
            ..Default::default()
        }
    }
}

fn invalid_part() -> S3Error {
    s3_error!(InvalidPart, "One or more of the specified parts could not be found, or its entity tag did not match")
}

pub(super) fn no_such_upload() -> S3Error {
    s3_error!(NoSuchUpload, "The specified multipart upload does not exist.")
}
