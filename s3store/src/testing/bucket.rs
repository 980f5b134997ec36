//! What lies in the buckets, and the rules of putting something there.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, SubsecRound as _, Utc};
use md5::{Digest as _, Md5};
use s3s::dto::Checksum;
use s3s::{S3Error, S3Result, s3_error};
use tokio::time::Instant;

use super::fault::Hide;
use super::list::{self, Page, Query};
use super::multipart::Upload;
use super::time;

/// An object in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Object {
    /// The bytes.
    pub body: Bytes,
    /// User metadata: names in lower case, without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// The content type, where the PUT had one.
    pub content_type: Option<String>,
    /// The content encoding, where the PUT had one.
    pub content_encoding: Option<String>,
    /// The entity tag, without quotes: the body's MD5 in hex; after a multipart upload, its parts' MD5, with `-` and
    /// their number.
    pub etag: String,
    /// When it was put, in whole seconds of the server's clock.
    pub last_modified: DateTime<Utc>,
}

/// What the server makes of `If-None-Match` and `If-Match` on a PUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ConditionalPut {
    /// They hold: 412 says that the condition failed. Of any number at once, one wins.
    #[default]
    Enforced,
    /// They are ignored: the object is overwritten, and the answer is 200.
    Ignored,
    /// They are refused: 501 NotImplemented.
    NotImplemented,
}

/// The bucket's policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// Everything is allowed.
    #[default]
    AllowAll,
    /// A PUT to a key that exists and ends so is refused: 403 AccessDenied.
    DenyOverwrite {
        /// The end of the keys that are protected, such as `.commit`; all of them when it is empty.
        suffix: String,
    },
}

#[derive(Debug, Default)]
pub(super) struct Switches {
    pub(super) conditional_put: ConditionalPut,
    pub(super) policy: Policy,
    /// The most keys in a page of LIST, however many were asked for.
    pub(super) page_size: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Buckets {
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) switches: Switches,
    pub(super) uploads_begun: usize,
}

#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) created: DateTime<Utc>,
    objects: BTreeMap<String, Stored>,
    pub(super) uploads: BTreeMap<String, Upload>,
}

#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) object: Object,
    /// What the client declared, and the server verified.
    pub(super) checksum: Checksum,
    hidden: Option<Hidden>,
}

#[derive(Debug, Clone)]
enum Hidden {
    Lists(usize),
    Until(Instant),
}

/// What must hold for a PUT to happen.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// `If-None-Match: *`
    pub(super) absent: bool,
    /// `If-Match`: an entity tag, or `*`
    pub(super) matches: Option<String>,
}

impl Buckets {
    /// True when there was none of that name.
    pub(super) fn create(&mut self, name: &str, now: DateTime<Utc>) -> bool {
        let mut is_new = false;
        self.buckets.entry(name.to_owned()).or_insert_with(|| {
            is_new = true;
            Bucket { created: now, objects: BTreeMap::new(), uploads: BTreeMap::new() }
        });
        is_new
    }

    pub(super) fn bucket(&self, name: &str) -> S3Result<&Bucket> {
        self.buckets.get(name).ok_or_else(no_such_bucket)
    }

    pub(super) fn bucket_mut(&mut self, name: &str) -> S3Result<&mut Bucket> {
        self.buckets.get_mut(name).ok_or_else(no_such_bucket)
    }

    /// Judges and puts in one step.
    pub(super) fn put(&mut self, bucket: &str, key: String, conditions: &Conditions, new: Stored) -> S3Result<()> {
        self.judge(bucket, &key, conditions)?;
        self.bucket_mut(bucket)?.insert(key, new);
        Ok(())
    }

    pub(super) fn judge(&self, bucket: &str, key: &str, conditions: &Conditions) -> S3Result<()> {
        let existing = self.bucket(bucket)?.objects.get(key);
        if let Policy::DenyOverwrite { suffix } = &self.switches.policy
            && existing.is_some()
            && key.ends_with(suffix)
        {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        match self.switches.conditional_put {
            ConditionalPut::Enforced => conditions.judge(existing),
            ConditionalPut::NotImplemented if !conditions.is_empty() => {
                Err(s3_error!(NotImplemented, "A header you provided implies functionality that is not implemented"))
            }
            ConditionalPut::Ignored | ConditionalPut::NotImplemented => Ok(()),
        }
    }

    pub(super) fn page_limit(&self, asked: usize) -> usize {
        asked.min(1000).min(self.switches.page_size.unwrap_or(usize::MAX))
    }
}

impl Bucket {
    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.objects.keys()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Stored> {
        self.objects.get(key)
    }

    pub(super) fn insert(&mut self, key: String, new: Stored) {
        self.objects.insert(key, new);
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Stored> {
        self.objects.remove(key)
    }

    /// Lists what is not hidden, and takes note of what was.
    pub(super) fn list<R>(&mut self, query: &Query<'_>, read: impl FnOnce(Page<'_, Stored>) -> R) -> R {
        let now = time::instant();
        let page = list::list(&self.objects, query, |stored| match stored.hidden {
            None => true,
            Some(Hidden::Until(end)) => now >= end,
            Some(Hidden::Lists(_)) => false,
        });
        let hidden: Vec<_> = page.hidden.iter().map(|key| (*key).to_owned()).collect();
        let answer = read(page);
        for key in hidden {
            if let Some(stored) = self.objects.get_mut(&key) {
                stored.passed_over();
            }
        }
        answer
    }
}

impl Stored {
    pub(super) fn new(object: Object, checksum: Checksum, hide: Option<Hide>) -> Self {
        let hidden = match hide {
            None | Some(Hide::Lists(0)) => None,
            Some(Hide::Lists(lists)) => Some(Hidden::Lists(lists)),
            Some(Hide::For(duration)) => time::instant().checked_add(duration).map(Hidden::Until),
        };
        Self { object, checksum, hidden }
    }

    fn passed_over(&mut self) {
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

impl Conditions {
    fn is_empty(&self) -> bool {
        !self.absent && self.matches.is_none()
    }

    fn judge(&self, existing: Option<&Stored>) -> S3Result<()> {
        if self.absent && existing.is_some() {
            return Err(precondition_failed());
        }
        match (&self.matches, existing) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(no_such_key()),
            (Some(etag), Some(stored)) if etag == "*" || *etag == stored.object.etag => Ok(()),
            (Some(_), Some(_)) => Err(precondition_failed()),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
        text
    })
}

pub(super) fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

pub(super) fn no_such_bucket() -> S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}

pub(super) fn precondition_failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}
