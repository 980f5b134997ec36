//! Buckets, and the rules that a PUT must satisfy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use chrono::{DateTime, Utc};
use md5::{Digest as _, Md5};
use s3s::{S3Error, S3Result, s3_error};

use super::disk::BucketFolder;
use super::list::{self, ListOrder, ListPage, ListQuery};
use super::multipart::MultipartUpload;
use super::object::{StoredObject, hex};
use super::time;

/// How the server treats `If-None-Match` and `If-Match` on a PUT. Set by
/// [`S3::set_conditional_put`](super::S3::set_conditional_put).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ConditionalPut {
    /// Enforces them: a PUT whose condition fails gets 412 PreconditionFailed. Of concurrent conditional PUTs of one
    /// key, exactly one succeeds.
    #[default]
    Enforced,
    /// Ignores them: the PUT overwrites the object and gets 200.
    Ignored,
    /// Rejects them: 501 NotImplemented.
    NotImplemented,
}

/// The entity tags that the server gives to new objects and parts. Set by [`S3::set_etags`](super::S3::set_etags).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ETags {
    /// The MD5 of the body, as on AWS S3 without encryption keys of one's own.
    #[default]
    Md5,
    /// Other values of the same form, as on servers that encrypt every object.
    Other,
}

/// The treatment of the checksums of a PUT or a part (`x-amz-checksum-crc32` and the like). Set by
/// [`S3::set_checksums`](super::S3::set_checksums).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Checksums {
    /// Compares them with the body, and returns them.
    #[default]
    Verified,
    /// Ignores them, as servers do that do not know them.
    Ignored,
}

/// The policy of all buckets. Set by [`S3::set_policy`](super::S3::set_policy).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// Allows everything.
    #[default]
    AllowAll,
    /// Denies a PUT that would overwrite an object whose key has the suffix: 403 AccessDenied.
    DenyOverwrite {
        /// The end of the protected keys, such as `.commit`. Empty protects all keys.
        suffix: String,
    },
}

/// The behaviour that a test can switch.
#[derive(Debug, Default)]
pub(super) struct Switches {
    pub(super) conditional_put: ConditionalPut,
    pub(super) policy: Policy,
    pub(super) etags: ETags,
    pub(super) checksums: Checksums,
    /// The maximum number of keys in a page of LIST, regardless of the request.
    pub(super) page_size: Option<usize>,
    pub(super) list_order: ListOrder,
    /// The minimum size of every part except the last, if it is not S3's.
    pub(super) min_part_size: Option<usize>,
}

/// All buckets by name, with the server's switches.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    pub(super) buckets: BTreeMap<String, BucketObjects>,
    pub(super) switches: Switches,
    /// The number of multipart uploads so far. It makes their ids unique.
    pub(super) uploads_begun: usize,
    /// The number of entity tags that are not MD5s so far. It makes them unique.
    other_etags: usize,
    /// Where the objects are kept, if they are.
    root: Option<PathBuf>,
}

/// The content of one bucket: its objects and its unfinished multipart uploads.
#[derive(Debug)]
pub(super) struct BucketObjects {
    pub(super) created: DateTime<Utc>,
    objects: BTreeMap<String, StoredObject>,
    folder: Option<BucketFolder>,
    pub(super) uploads: BTreeMap<String, MultipartUpload>,
}

/// The conditions of a PUT.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// `If-None-Match: *`: the key must not exist.
    pub(super) absent: bool,
    /// `If-Match`: the entity tag of the existing object, or `*` for any.
    pub(super) matches: Option<String>,
}

impl Buckets {
    /// Reads the buckets that a folder keeps, and keeps what is put from now on.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let mut buckets = BTreeMap::new();
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            let (Ok(name), true) = (entry.file_name().into_string(), entry.file_type()?.is_dir()) else { continue };
            let created = entry.metadata()?.modified()?.into();
            let folder = BucketFolder::new(root, &name)?;
            let objects = folder.load()?;
            buckets.insert(name, BucketObjects { created, objects, folder: Some(folder), uploads: BTreeMap::new() });
        }
        Ok(Self { buckets, root: Some(root.to_owned()), ..Self::default() })
    }

    /// Creates a bucket. Returns `false` if it exists already.
    pub(super) fn create(&mut self, name: &str, now: DateTime<Utc>) -> io::Result<bool> {
        if self.buckets.contains_key(name) {
            return Ok(false);
        }
        let folder = self.root.as_ref().map(|root| BucketFolder::new(root, name)).transpose()?;
        let bucket = BucketObjects { created: now, objects: BTreeMap::new(), folder, uploads: BTreeMap::new() };
        self.buckets.insert(name.to_owned(), bucket);
        Ok(true)
    }

    pub(super) fn bucket(&self, name: &str) -> S3Result<&BucketObjects> {
        self.buckets.get(name).ok_or_else(no_such_bucket)
    }

    pub(super) fn bucket_mut(&mut self, name: &str) -> S3Result<&mut BucketObjects> {
        self.buckets.get_mut(name).ok_or_else(no_such_bucket)
    }

    /// Checks policy and conditions, then stores the object. Both happen under one lock, so the PUT is atomic.
    pub(super) fn put(
        &mut self,
        bucket: &str,
        key: String,
        conditions: &Conditions,
        new: StoredObject,
    ) -> S3Result<()> {
        self.check(bucket, &key, conditions)?;
        self.bucket_mut(bucket)?.insert(key, new).map_err(|error| internal(&error))
    }

    /// Returns the error with which S3 would reject the PUT, if any.
    fn check(&self, bucket: &str, key: &str, conditions: &Conditions) -> S3Result<()> {
        let existing = self.bucket(bucket)?.objects.get(key);
        if let Policy::DenyOverwrite { suffix } = &self.switches.policy
            && existing.is_some()
            && key.ends_with(suffix)
        {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        match self.switches.conditional_put {
            ConditionalPut::Enforced => conditions.check(existing),
            ConditionalPut::NotImplemented if !conditions.is_empty() => {
                Err(s3_error!(NotImplemented, "A header you provided implies functionality that is not implemented"))
            }
            ConditionalPut::Ignored | ConditionalPut::NotImplemented => Ok(()),
        }
    }

    /// Returns the entity tag of a new object, if it is not the MD5.
    pub(super) fn other_etag(&mut self) -> Option<String> {
        (self.switches.etags == ETags::Other).then(|| {
            self.other_etags += 1;
            hex(&Md5::digest(format!("other entity tag {}", self.other_etags)))
        })
    }

    pub(super) fn page_limit(&self, asked: usize) -> usize {
        asked.min(1000).min(self.switches.page_size.unwrap_or(usize::MAX))
    }
}

impl BucketObjects {
    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.objects.keys()
    }

    pub(super) fn get(&self, key: &str) -> Option<&StoredObject> {
        self.objects.get(key)
    }

    pub(super) fn insert(&mut self, key: String, new: StoredObject) -> io::Result<()> {
        if let Some(folder) = &self.folder {
            folder.write(&key, &new)?;
        }
        self.objects.insert(key, new);
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &str) -> io::Result<Option<StoredObject>> {
        if let Some(folder) = &self.folder {
            folder.remove(key)?;
        }
        Ok(self.objects.remove(key))
    }

    /// Lists the visible objects. Each hidden object on the page counts one LIST less until it appears.
    pub(super) fn list<R>(&mut self, query: &ListQuery<'_>, read: impl FnOnce(ListPage<'_, StoredObject>) -> R) -> R {
        let now = time::instant();
        let page = list::list(&self.objects, query, |stored| stored.is_listed(now));
        let hidden: Vec<_> = page.hidden.iter().map(|key| (*key).to_owned()).collect();
        let output = read(page);
        for key in hidden {
            if let Some(stored) = self.objects.get_mut(&key) {
                stored.skipped_by_list();
            }
        }

        output
    }
}

impl Conditions {
    fn is_empty(&self) -> bool {
        !self.absent && self.matches.is_none()
    }

    fn check(&self, existing: Option<&StoredObject>) -> S3Result<()> {
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

/// Checks a bucket's name by the rules of S3 for new buckets. The error says what is wrong with it.
pub(super) fn check_bucket_name(name: &str) -> Result<(), &'static str> {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !(3..=63).contains(&name.len()) {
        Err("does not have 3 to 63 characters")
    } else if !name.chars().all(|c| is_alphanumeric(c) || matches!(c, '.' | '-')) {
        Err("has other characters than lower-case letters, digits, dots and hyphens")
    } else if !name.starts_with(is_alphanumeric) || !name.ends_with(is_alphanumeric) {
        Err("does not begin and end with a letter or digit")
    } else if name.contains("..") {
        Err("has two dots in a row")
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        Err("is an IP address")
    } else {
        Ok(())
    }
}

pub(super) fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

/// Returns the error that the folder of a bucket failed.
pub(super) fn internal(error: &io::Error) -> S3Error {
    s3_error!(InternalError, "the folder of the bucket: {error}")
}

pub(super) fn no_such_bucket() -> S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}

pub(super) fn precondition_failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

#[cfg(test)]
mod tests {
    use super::check_bucket_name;

    #[test]
    fn bucket_names_follow_the_rules_of_s3() {
        let longest = "a".repeat(63);
        for legal in ["abc", "s3store-tests", "a.b.c", "1st", "1.2.3", longest.as_str()] {
            assert_eq!(check_bucket_name(legal), Ok(()), "{legal}");
        }
        let too_long = "a".repeat(64);
        for illegal in
            ["", "b", "ab", "Abc", "a_b", "a b", "-ab", "ab-", ".ab", "a..b", "192.168.0.1", "äbc", &too_long]
        {
            assert!(check_bucket_name(illegal).is_err(), "{illegal}");
        }
    }
}
