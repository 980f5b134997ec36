//! Conversions between `s3s` types and ours.

use std::collections::BTreeMap;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{CommonPrefix, ETag, ETagCondition, ListObjectsV2Output, Metadata, Object as ObjectEntry, Timestamp};
use s3s::{S3Result, s3_error};

use super::bucket::{Conditions, precondition_failed};
use super::list::{ListPage, ListStart};
use super::object::{Object, StoredObject};

/// The characters that `encoding-type=url` leaves unescaped.
const URL_SAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
/// The maximum size of user metadata in bytes, names and values together.
const METADATA_LIMIT: usize = 2048;

pub(super) fn list_output(
    page: &ListPage<'_, StoredObject>,
    encode: fn(&str) -> String,
) -> S3Result<ListObjectsV2Output> {
    let entry = |(key, stored): &(&str, &StoredObject)| {
        Ok(ObjectEntry {
            key: Some(encode(key)),
            size: Some(length(stored.object.body.len())?),
            e_tag: Some(ETag::Strong(stored.object.etag.clone())),
            last_modified: Some(timestamp(stored.object.last_modified)),
            ..Default::default()
        })
    };
    let contents = page.keys.iter().map(entry).collect::<S3Result<Vec<_>>>()?;
    let prefix = |prefix: &&str| CommonPrefix { prefix: Some(encode(prefix)) };
    let common_prefixes: Vec<_> = page.common_prefixes.iter().map(prefix).collect();
    Ok(ListObjectsV2Output {
        key_count: i32::try_from(contents.len() + common_prefixes.len()).ok(),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.map(ListStart::render),
        contents: (!contents.is_empty()).then_some(contents),
        common_prefixes: (!common_prefixes.is_empty()).then_some(common_prefixes),
        ..Default::default()
    })
}

pub(super) fn metadata(metadata: Option<Metadata>) -> S3Result<BTreeMap<String, String>> {
    let metadata: BTreeMap<_, _> = metadata.into_iter().flatten().collect();
    if metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > METADATA_LIMIT {
        return Err(s3_error!(MetadataTooLarge, "Your metadata headers exceed the maximum allowed metadata size"));
    }
    Ok(metadata)
}

pub(super) fn conditions(
    if_none_match: Option<ETagCondition>,
    if_match: Option<ETagCondition>,
) -> S3Result<Conditions> {
    let absent = match if_none_match {
        None => false,
        Some(ETagCondition::Any) => true,
        Some(ETagCondition::ETag(_)) => {
            return Err(s3_error!(NotImplemented, "If-None-Match on a PUT must be *"));
        }
    };
    let matches = if_match.map(|condition| condition.into_etag().map_or_else(|| "*".to_owned(), ETag::into_value));
    Ok(Conditions { absent, matches })
}

pub(super) fn not_modified(
    object: &Object,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let holds = |condition: &ETagCondition| condition.as_etag().is_none_or(|etag| etag.value() == object.etag);
    if !if_match.is_none_or(holds) {
        return Err(precondition_failed());
    }
    if if_none_match.is_some_and(holds) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

/// Removes `aws-chunked`, which frames the request body and is not part of the object.
pub(super) fn content_encoding(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let kept: Vec<_> = encoding.split(',').map(str::trim).filter(|part| *part != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

pub(super) fn url_encoded(key: &str) -> String {
    utf8_percent_encode(key, URL_SAFE).to_string()
}

pub(super) fn octet_stream() -> String {
    "binary/octet-stream".to_owned()
}

pub(super) fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp::from(SystemTime::from(time))
}

pub(super) fn length(bytes: usize) -> S3Result<i64> {
    i64::try_from(bytes).map_err(|error| s3_error!(error, InternalError))
}

pub(super) fn position(bytes: u64) -> S3Result<usize> {
    usize::try_from(bytes).map_err(|error| s3_error!(error, InternalError))
}
