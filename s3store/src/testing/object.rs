//! An object, and what the server keeps beside it.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, SubsecRound as _, Utc};
use md5::{Digest as _, Md5};
use s3s::dto::Checksum;
use tokio::time::Instant;

use super::fault::HideFromLists;
use super::time;

/// An object in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Object {
    /// The bytes.
    pub body: Bytes,
    /// User metadata: names in lower case, without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// The content type, if the PUT had one.
    pub content_type: Option<String>,
    /// The content encoding, if the PUT had one.
    pub content_encoding: Option<String>,
    /// The entity tag, without quotes: the MD5 of the body in hex. After a multipart upload it is the MD5 of the parts'
    /// MD5s, then `-` and the number of parts. [`ETags::Other`](super::ETags::Other) changes it.
    pub etag: String,
    /// The time of the PUT by the server's clock, in whole seconds.
    pub last_modified: DateTime<Utc>,
}

/// An object with its checksum and its visibility in LIST.
#[derive(Debug, Clone)]
pub(super) struct StoredObject {
    pub(super) object: Object,
    /// The checksum that the client sent and the server verified.
    pub(super) checksum: Checksum,
    hidden: Option<Hidden>,
}

/// Until when LIST does not show an object.
#[derive(Debug, Clone)]
enum Hidden {
    /// Hidden from this many more LISTs.
    Lists(usize),
    /// Hidden until this time.
    Until(Instant),
}

impl StoredObject {
    pub(super) fn new(object: Object, checksum: Checksum, hide: Option<HideFromLists>) -> Self {
        let hidden = match hide {
            None | Some(HideFromLists::Lists(0)) => None,
            Some(HideFromLists::Lists(lists)) => Some(Hidden::Lists(lists)),
            Some(HideFromLists::For(duration)) => time::instant().checked_add(duration).map(Hidden::Until),
        };
        Self { object, checksum, hidden }
    }

    /// Returns whether LIST shows the object.
    pub(super) fn is_listed(&self, now: Instant) -> bool {
        match self.hidden {
            None => true,
            Some(Hidden::Until(end)) => now >= end,
            Some(Hidden::Lists(_)) => false,
        }
    }

    /// Counts a LIST that did not show the object because it is hidden.
    pub(super) fn skipped_by_list(&mut self) {
        self.hidden = match self.hidden.take() {
            Some(Hidden::Lists(lists)) if lists > 1 => Some(Hidden::Lists(lists - 1)),
            Some(Hidden::Lists(_)) | None => None,
            until => until,
        };
    }
}

impl Object {
    pub(super) fn new(body: Bytes, now: DateTime<Utc>) -> Self {
        Self {
            etag: hex(&Md5::digest(&body)),
            body,
            metadata: BTreeMap::new(),
            content_type: None,
            content_encoding: None,
            last_modified: now.trunc_subsecs(0),
        }
    }
}

/// Renders bytes in lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
        text
    })
}
