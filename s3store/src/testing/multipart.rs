//! Multipart uploads: parts that will become one object.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use md5::{Digest as _, Md5};
use s3s::{S3Error, S3Result, s3_error};

use super::object::{Object, hex};

/// The minimum size of every part except the last.
const SMALLEST_PART: usize = 5 * 1024 * 1024;

/// An upload that is neither completed nor aborted yet.
#[derive(Debug)]
pub(super) struct MultipartUpload {
    pub(super) key: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    parts: BTreeMap<i32, UploadedPart>,
}

#[derive(Debug)]
struct UploadedPart {
    body: Bytes,
    md5: [u8; 16],
}

impl MultipartUpload {
    pub(super) fn new(key: String) -> Self {
        Self { key, metadata: BTreeMap::new(), content_type: None, content_encoding: None, parts: BTreeMap::new() }
    }

    /// Stores a part, replacing an earlier one with the same number, and returns its entity tag.
    pub(super) fn put(&mut self, number: i32, body: Bytes) -> S3Result<String> {
        if !(1..=10_000).contains(&number) {
            return Err(s3_error!(
                InvalidArgument,
                "UploadedPart number must be an integer between 1 and 10000, inclusive"
            ));
        }
        let md5 = Md5::digest(&body).into();
        self.parts.insert(number, UploadedPart { body, md5 });
        Ok(hex(&md5))
    }

    /// Joins the named parts into an object. `named` has their numbers and entity tags, in ascending order.
    pub(super) fn assemble(&self, named: &[(i32, String)], now: DateTime<Utc>) -> S3Result<Object> {
        let Some((last, _)) = named.last() else {
            return Err(s3_error!(MalformedXML, "You must specify at least one part"));
        };
        if !named.is_sorted_by(|(left, _), (right, _)| left < right) {
            return Err(s3_error!(InvalidPartOrder, "The list of parts was not in ascending order."));
        }
        let mut body = BytesMut::new();
        let mut sums = Md5::new();
        for (number, etag) in named {
            let part = self.parts.get(number).filter(|part| hex(&part.md5) == *etag).ok_or_else(invalid_part)?;
            if number != last && part.body.len() < SMALLEST_PART {
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

fn invalid_part() -> S3Error {
    s3_error!(InvalidPart, "One or more of the specified parts could not be found, or its entity tag did not match")
}

pub(super) fn no_such_upload() -> S3Error {
    s3_error!(NoSuchUpload, "The specified multipart upload does not exist.")
}
