//! Checks of a LIST response: it is whole, agrees with itself, and moves the listing forward.
//!
//! A listing without an error must be complete, since a reader takes a missing key for an object that does not exist.
//! Therefore a response that leaves any doubt is a failure that is retried, as a broken connection is.

use std::borrow::Cow;
use std::collections::HashSet;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;

use super::interceptor::micros_of;
use super::list::{ListedObject, ObjectVersion, Position};

/// The largest number of pages without keys that may follow each other. S3 may return some, but not without end.
const MOST_EMPTY_PAGES: usize = 1_000;

/// The result of a check; the error says what is wrong with the response.
pub(super) type Checked<T> = Result<T, String>;

/// The part of a listing that the pages so far have covered.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// The continuation tokens of the pages so far.
    tokens: HashSet<String>,
    /// The first key of each page so far.
    first_keys: HashSet<String>,
    last_key: Option<String>,
    /// The folders so far.
    folders: HashSet<String>,
    /// The number of pages without keys and folders since the last page with one.
    empty_pages: usize,
}

impl Progress {
    /// Checks that a page and its end continue the listing.
    ///
    /// S3 orders all keys by their bytes, but some servers order by folder. Only the order within one folder is common to
    /// all, so this checks it, and that no page, no folder and no token appears twice.
    pub(super) fn check(&self, objects: &[ListedObject], folders: &[String], next: &Position) -> Checked<()> {
        if let Position::Continue(token) = next
            && self.tokens.contains(token)
        {
            return Err("the listing returned the same continuation token twice, so it would never end".to_owned());
        }
        let is_empty = objects.is_empty() && folders.is_empty();
        if is_empty && self.empty_pages >= MOST_EMPTY_PAGES && !matches!(next, Position::End) {
            return Err(format!("the listing returned more than {MOST_EMPTY_PAGES} empty pages in a row"));
        }
        let mut new = HashSet::new();
        if let Some(folder) = folders.iter().find(|folder| self.folders.contains(*folder) || !new.insert(*folder)) {
            return Err(format!("the listing returned the folder {folder} twice"));
        }
        if let Some(first) = objects.first()
            && self.first_keys.contains(&first.key)
        {
            return Err(format!("the listing returned the page that begins with {} twice", first.key));
        }
        let keys = self.last_key.as_deref().into_iter().chain(objects.iter().map(|object| object.key.as_str()));
        let mut previous: Option<&str> = None;
        for key in keys {
            if let Some(previous) = previous
                && folder(previous) == folder(key)
                && previous >= key
            {
                return Err(format!("the listing does not move forward: {key} follows {previous}"));
            }
            previous = Some(key);
        }
        Ok(())
    }

    /// Records a page that [`check`](Self::check) accepted.
    pub(super) fn record(&mut self, objects: &[ListedObject], folders: &[String], next: &Position) {
        if let Position::Continue(token) = next {
            self.tokens.insert(token.clone());
        }
        if let (Some(first), Some(last)) = (objects.first(), objects.last()) {
            self.first_keys.insert(first.key.clone());
            self.last_key = Some(last.key.clone());
        }
        self.folders.extend(folders.iter().cloned());
        self.empty_pages = if objects.is_empty() && folders.is_empty() { self.empty_pages + 1 } else { 0 };
    }
}

/// Returns a key up to its last `/`.
fn folder(key: &str) -> &str {
    key.rfind('/').and_then(|end| key.get(..=end)).unwrap_or_default()
}

/// Returns `true` if the bytes end as the XML document of a listing does. The SDK also parses a document that was cut off.
pub(super) fn is_whole(body: &[u8]) -> bool {
    let body = body.trim_ascii_end();
    let name = body.iter().rposition(|byte| *byte == b'<').and_then(|start| body.get(start..));
    let Some(name) = name.and_then(|tag| tag.strip_prefix(b"</")).and_then(|tag| tag.strip_suffix(b">")) else {
        return false;
    };
    let name = name.trim_ascii_end();
    let name = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
    name == b"ListBucketResult" || name == b"ListMultipartUploadsResult"
}

/// The beginning of a page, as the request states it.
#[derive(Debug, Default)]
pub(super) struct Start {
    pub(super) prefix: String,
    pub(super) after: Option<String>,
    pub(super) token: Option<String>,
}

/// Returns the position after a page, from what the response says about its end. `by_folder` is `true` if the request had a
/// delimiter.
pub(super) fn end(output: &ListObjectsV2Output, sent: &Start, by_folder: bool) -> Checked<Position> {
    let listed = output.contents().len() + output.common_prefixes().len();
    if let Some(count) = output.key_count()
        && usize::try_from(count) != Ok(listed)
    {
        return Err(format!("the listing has {listed} keys, but its KeyCount is {count}"));
    }
    if !by_folder && !output.common_prefixes().is_empty() {
        return Err("the listing groups keys by prefix, although the request has no delimiter".to_owned());
    }
    if is_another(output.continuation_token(), sent.token.as_deref()) {
        return Err("the listing is the response to another continuation token".to_owned());
    }
    if sent.token.is_none() && is_another(output.start_after(), sent.after.as_deref()) {
        return Err("the listing is the response to another start-after".to_owned());
    }
    // The keys show it otherwise.
    if listed == 0 && is_another(output.prefix(), Some(&sent.prefix)) {
        return Err("the listing is the response to another prefix".to_owned());
    }
    let token = output.next_continuation_token().filter(|token| !token.is_empty());
    match (output.is_truncated(), token) {
        (Some(true), Some(token)) => Ok(Position::Continue(token.to_owned())),
        (Some(true), None) => Err("the listing is truncated but has no continuation token".to_owned()),
        // Some servers add a token to the last page. If it is not the last, the token leads to the rest.
        (Some(false), Some(token)) if listed > 0 => Ok(Position::Continue(token.to_owned())),
        // Some servers leave the element out on the last page.
        (Some(false), _) | (None, None) => Ok(Position::End),
        (None, Some(_)) => Err("the listing has a continuation token but no IsTruncated".to_owned()),
    }
}

/// Returns whether a response repeats another value than the request had. Some servers repeat nothing, some encode it.
fn is_another(echo: Option<&str>, sent: Option<&str>) -> bool {
    let Some(echo) = echo.filter(|echo| !echo.is_empty()) else {
        return false;
    };
    Some(echo) != sent && decode(echo).ok().as_deref() != sent
}

/// Takes the objects out of a response to a LIST of `prefix`. `separator` is the character that every key of the library
/// has after the prefix of its kind, and that `encoding-type=url` escapes.
pub(super) fn objects(output: &mut ListObjectsV2Output, prefix: &str, separator: char) -> Checked<Vec<ListedObject>> {
    let contents = output.contents.take().unwrap_or_default();
    let mut objects = Vec::with_capacity(contents.len());
    for object in contents {
        let key = object.key.filter(|key| !key.is_empty()).ok_or("the listing has an object without a key")?;
        let Some(size) = object.size.and_then(|size| u64::try_from(size).ok()) else {
            return Err(format!("the listing has no size for {key}"));
        };
        let Some(last_modified) = object.last_modified.as_ref().and_then(micros_of) else {
            return Err(format!("the listing has no LastModified for {key}"));
        };
        let etag = object.e_tag.as_deref().filter(|etag| !etag.is_empty());
        let version = etag.map(|etag| ObjectVersion::new(etag, size, last_modified));
        objects.push(ListedObject { key, size, last_modified: Some(last_modified), version });
    }
    let declared = output.encoding_type() == Some(&EncodingType::Url);
    decode_keys(&mut objects, |object| &mut object.key, declared, prefix, separator)?;
    Ok(objects)
}

/// Takes the folders out of a response to a LIST of `prefix` by folder, and checks that it groups all keys at their next `/`
/// after the prefix. `objects` are the keys that the response does not group. Returns none if the request was not by
/// folder.
pub(super) fn folders(
    output: &mut ListObjectsV2Output,
    prefix: &str,
    separator: char,
    objects: &[ListedObject],
    by_folder: bool,
) -> Checked<Vec<String>> {
    if !by_folder {
        return Ok(Vec::new());
    }
    let common = output.common_prefixes.take().unwrap_or_default();
    let named = common.into_iter().map(|common| common.prefix.ok_or("the listing has a common prefix without a name"));
    let mut folders = named.collect::<Result<Vec<String>, _>>()?;
    let declared = output.encoding_type() == Some(&EncodingType::Url);
    decode_keys(&mut folders, |folder| folder, declared, prefix, separator)?;
    if let Some(object) = objects.iter().find(|object| below(&object.key, prefix).contains('/')) {
        return Err(format!("the listing by folder has the key {}, which is in a folder", object.key));
    }
    let is_one = |folder: &str| below(folder, prefix).split_once('/').is_some_and(|(_, rest)| rest.is_empty());
    match folders.iter().find(|folder| !is_one(folder)) {
        Some(folder) => Err(format!("the listing by folder has the common prefix {folder}, which is not one folder")),
        None => Ok(folders),
    }
}

/// Returns the part of a key after the prefix.
fn below<'a>(key: &'a str, prefix: &str) -> &'a str {
    key.strip_prefix(prefix).unwrap_or_default()
}

/// Decodes the keys of a listing if it declares that they are encoded, or if they show it, and checks that they are below
/// the prefix. `key` returns the key of an entry.
pub(super) fn decode_keys<T>(
    entries: &mut [T],
    key: impl Fn(&mut T) -> &mut String,
    declared: bool,
    prefix: &str,
    separator: char,
) -> Checked<()> {
    let encoded = declared || is_encoded(entries.iter_mut().map(|entry| key(entry).as_str()), prefix, separator);
    for entry in entries {
        let key = key(entry);
        if encoded {
            let decoded = decode(key)?.into_owned();
            if !decoded.starts_with(prefix) && key.starts_with(prefix) {
                return Err(format!("the listing declares encoded keys, but {key} is not encoded"));
            }
            *key = decoded;
        }
        if !key.starts_with(prefix) {
            return Err(format!("the listing has the key {key}, which is not below its prefix"));
        }
    }
    Ok(())
}

/// Returns `true` if the keys of a listing without `EncodingType` are encoded nevertheless.
///
/// A key shows it if it is below the prefix, or has its separator, only after decoding. A key that has its separator shows
/// the opposite, and counts more: an object of others may have any name.
fn is_encoded<'a>(keys: impl Iterator<Item = &'a str>, prefix: &str, separator: char) -> bool {
    let mut encoded = false;
    for key in keys {
        let decoded = decode(key).ok();
        match (key.strip_prefix(prefix), decoded.as_deref().and_then(|key| key.strip_prefix(prefix))) {
            (None, Some(_)) => return true,
            (Some(rest), _) if rest.contains(separator) => return false,
            (Some(_), Some(decoded)) => encoded |= decoded.contains(separator),
            (_, None) => {}
        }
    }
    encoded
}

/// Decodes a key of a listing with `encoding-type=url`, which also writes a space as `+`.
fn decode(key: &str) -> Checked<Cow<'_, str>> {
    if !key.contains(['%', '+']) {
        return Ok(Cow::Borrowed(key));
    }
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !key.split('%').skip(1).all(is_escape) {
        return Err(format!("the listing declares encoded keys, but {key} is not encoded"));
    }
    let spaced = key.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(|key| Cow::Owned(key.into_owned()))
        .map_err(|error| format!("the listed key {key} is not utf-8: {error}"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{CommonPrefix, Object};
    use aws_smithy_types::DateTime;

    use super::*;

    fn listed(keys: &[&str]) -> Vec<ListedObject> {
        keys.iter()
            .map(|key| ListedObject { key: (*key).to_owned(), size: 0, last_modified: Some(0), version: None })
            .collect()
    }

    fn output(keys: &[&str], encoding: Option<EncodingType>) -> ListObjectsV2Output {
        let object = |key: &&str| Object::builder().key(*key).size(1).last_modified(DateTime::from_secs(1)).build();
        ListObjectsV2Output::builder()
            .set_contents(Some(keys.iter().map(object).collect()))
            .set_encoding_type(encoding)
            .is_truncated(false)
            .build()
    }

    fn keys(listed: &[&str], encoding: Option<EncodingType>, prefix: &str, separator: char) -> Checked<Vec<String>> {
        let objects = objects(&mut output(listed, encoding), prefix, separator)?;
        Ok(objects.into_iter().map(|object| object.key).collect())
    }

    #[test]
    fn only_a_document_with_its_end_is_whole() {
        let document =
            "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"a\"><KeyCount>0</KeyCount></ListBucketResult>";
        assert!(is_whole(document.as_bytes()));
        assert!(is_whole(format!("{document}\r\n ").as_bytes()));
        assert!(is_whole(b"<s:ListBucketResult></s:ListBucketResult >"));
        assert!(is_whole(b"<ListMultipartUploadsResult></ListMultipartUploadsResult>"));
        for end in 0..document.len() {
            assert!(!is_whole(&document.as_bytes()[..end]), "{end}");
        }
        assert!(!is_whole(b"<html></html>"));
        assert!(!is_whole(b"<AnotherListBucketResult></AnotherListBucketResult>"));
    }

    #[test]
    fn an_end_that_leaves_doubt_is_an_error() {
        let page = |truncated: Option<bool>, token: Option<&str>| {
            let mut output = output(&["d/data/a=1/x"], None);
            (output.is_truncated, output.next_continuation_token) = (truncated, token.map(str::to_owned));
            output
        };
        assert!(matches!(end(&page(Some(false), None), &Start::default(), false), Ok(Position::End)));
        for (truncated, token) in [(Some(false), Some("")), (None, None), (None, Some(""))] {
            assert!(
                matches!(end(&page(truncated, token), &Start::default(), false), Ok(Position::End)),
                "{truncated:?} {token:?}"
            );
        }
        for truncated in [true, false] {
            let position = end(&page(Some(truncated), Some("t")), &Start::default(), false);
            assert!(matches!(position, Ok(Position::Continue(token)) if token == "t"), "{truncated}");
        }
        let mut empty = output(&[], None);
        empty.next_continuation_token = Some("t".to_owned());
        assert!(matches!(end(&empty, &Start::default(), false), Ok(Position::End)));
        for (truncated, token) in [(None, Some("t")), (Some(true), None), (Some(true), Some(""))] {
            end(&page(truncated, token), &Start::default(), false).unwrap_err();
        }
        for (count, is_right) in [(0, false), (1, true), (2, false), (-1, false)] {
            let mut output = page(Some(false), None);
            output.key_count = Some(count);
            assert_eq!(end(&output, &Start::default(), false).is_ok(), is_right, "{count}");
        }
        let echo = |echo: &str| {
            let mut output = page(Some(false), None);
            output.continuation_token = Some(echo.to_owned());
            output
        };
        let token = |token: &str| Start { token: Some(token.to_owned()), ..Start::default() };
        end(&echo("a/b"), &token("a/b"), false).unwrap();
        end(&echo("a%2Fb"), &token("a/b"), false).unwrap();
        end(&echo(""), &token("a/b"), false).unwrap();
        end(&echo("c"), &token("a/b"), false).unwrap_err();
        end(&echo("c"), &Start::default(), false).unwrap_err();
        // An empty page has no keys that show its prefix.
        let empty = |prefix: &str| ListObjectsV2Output::builder().is_truncated(false).prefix(prefix).build();
        let sent = Start { prefix: "a b/".to_owned(), ..Start::default() };
        for prefix in ["a b/", "a+b%2F", "a%20b/", ""] {
            end(&empty(prefix), &sent, false).unwrap();
        }
        end(&empty("a b/c"), &sent, false).unwrap_err();
        let after = |key: &str| Start { after: Some(key.to_owned()), ..Start::default() };
        for (echo, sent, is_right) in [("d/a;", "d/a;", true), ("d/a%3B", "d/a;", true), ("d/b;", "d/a;", false)] {
            let mut output = page(Some(false), None);
            output.start_after = Some(echo.to_owned());
            assert_eq!(end(&output, &after(sent), false).is_ok(), is_right, "{echo}");
            assert!(end(&output, &Start::default(), false).is_err());
            // With a continuation token, a server may repeat the first request's.
            end(&output, &token("t"), false).unwrap();
        }
    }

    #[test]
    fn tokens_pages_and_keys_that_repeat_are_errors() {
        let token = |token: &str| Position::Continue(token.to_owned());
        let mut progress = Progress::default();
        let first = listed(&["d/a=1/x", "d/a=1/y", "d/a=1-2/x"]);
        progress.check(&first, &[], &token("1")).unwrap();
        progress.record(&first, &[], &token("1"));
        // The folder a=1 may come before a=1-2, or after it.
        progress.check(&listed(&["d/a=0/x"]), &[], &token("2")).unwrap();
        for (page, next) in [
            (listed(&["d/b=1/x"]), token("1")),
            (first.clone(), token("2")),
            (first.clone(), Position::End),
            (listed(&["d/a=1-2/x"]), Position::End),
            (listed(&["d/a=1-2/w"]), Position::End),
            (listed(&["d/c=1/x", "d/c=1/x"]), Position::End),
        ] {
            progress.check(&page, &[], &next).unwrap_err();
        }
        progress.record(&listed(&["d/b=1/x"]), &[], &token("2"));
        progress.check(&listed(&["d/c=1/x"]), &[], &token("1")).unwrap_err();
        progress.check(&listed(&[]), &[], &Position::End).unwrap();
    }

    #[test]
    fn empty_pages_end() {
        let mut progress = Progress::default();
        let mut pages = 0;
        while progress.check(&[], &[], &Position::Continue(pages.to_string())).is_ok() {
            progress.record(&[], &[], &Position::Continue(pages.to_string()));
            pages += 1;
        }
        assert_eq!(pages, MOST_EMPTY_PAGES);
        progress.check(&[], &[], &Position::End).unwrap();
        progress.check(&listed(&["d/a=1/x"]), &[], &Position::Continue("new".to_owned())).unwrap();
    }

    #[test]
    fn keys_are_decoded_if_they_are_encoded() {
        let url = Some(EncodingType::Url);
        let encoded = ["d/data/a%3D1%2B+2/x.parquet", "d/data/a%3D2/100%2525.parquet"];
        let decoded = Ok(vec!["d/data/a=1+ 2/x.parquet".to_owned(), "d/data/a=2/100%25.parquet".to_owned()]);
        // With `EncodingType` and without it, below a prefix that looks the same and one that does not.
        for prefix in ["d/data/", "d/data/a="] {
            assert_eq!(keys(&encoded, url.clone(), prefix, '='), decoded);
            assert_eq!(keys(&encoded, None, prefix, '='), decoded);
        }
        // A server may escape only the semicolon and the percent sign of a ref.
        assert_eq!(keys(&["d/_ref/1-t-a%3Ba=1%2520.ref"], None, "d/_ref/", ';').unwrap(), ["d/_ref/1-t-a;a=1%20.ref"]);
    }

    #[test]
    fn keys_that_are_not_encoded_stay() {
        let raw = ["d/data/a=%41+%/x%3D", "d/data/x%3Dy"];
        assert_eq!(keys(&raw, None, "d/data/", '=').unwrap(), raw);
        let reference = ["d/_ref/1-t-a;a=1%3B.ref"];
        assert_eq!(keys(&reference, None, "d/_ref/", ';').unwrap(), reference);
    }

    #[test]
    fn keys_that_contradict_their_encoding_or_prefix_are_errors() {
        let url = Some(EncodingType::Url);
        for key in ["d/data/a=1%", "d/data/a=%4", "d/data/a=%zz", "d/data/a=%+1"] {
            assert!(keys(&[key], url.clone(), "d/data/", '=').unwrap_err().contains("is not encoded"), "{key}");
        }
        assert!(keys(&["d+x/data/a=1"], url.clone(), "d+x/", '=').unwrap_err().contains("is not encoded"));
        keys(&["other/a=1"], None, "d/", '=').unwrap_err();
        keys(&["other/a%3D1"], url.clone(), "d/", '=').unwrap_err();
        keys(&[""], None, "d/", '=').unwrap_err();
        keys(&["d/data/a=%FF"], url, "d/data/", '=').unwrap_err();
    }

    fn by_folder(keys: &[&str], folders: &[&str], encoding: Option<EncodingType>) -> Checked<Vec<String>> {
        let mut output = output(keys, encoding);
        let common = |folder: &&str| CommonPrefix::builder().prefix(*folder).build();
        output.common_prefixes = Some(folders.iter().map(common).collect());
        output.key_count = i32::try_from(keys.len() + folders.len()).ok();
        end(&output, &Start::default(), true)?;
        let objects = objects(&mut output, "d/data/", '=')?;
        super::folders(&mut output, "d/data/", '=', &objects, true)
    }

    #[test]
    fn folders_are_decoded_as_keys_are() {
        let (raw, encoded) = (["d/data/a=1 2/", "d/data/a=%41/"], ["d/data/a%3D1+2/", "d/data/a%3D%2541/"]);
        for encoding in [None, Some(EncodingType::Url)] {
            assert_eq!(by_folder(&["d/data/top"], &encoded, encoding).unwrap(), raw);
        }
        assert_eq!(by_folder(&[], &raw, None).unwrap(), raw);
        assert_eq!(by_folder(&[], &[], None).unwrap(), [""; 0]);
    }

    #[test]
    fn folders_that_do_not_group_the_keys_are_errors() {
        for (keys, folders) in [
            // The server ignores the delimiter.
            (&["d/data/a=1/x"][..], &[][..]),
            (&[], &["d/data/a=1"]),
            (&[], &["d/data/a=1/b=2/"]),
            (&[], &["d/data/"]),
            (&[], &["d/other/"]),
            (&[], &[""]),
        ] {
            by_folder(keys, folders, None).unwrap_err();
        }
        let mut counted = output(&["d/data/x"], None);
        counted.common_prefixes = Some(vec![CommonPrefix::builder().prefix("d/data/a=1/").build()]);
        for (count, is_right) in [(1, false), (2, true), (3, false)] {
            counted.key_count = Some(count);
            assert_eq!(end(&counted, &Start::default(), true).is_ok(), is_right, "{count}");
        }
        end(&counted, &Start::default(), false).unwrap_err();
        let mut nameless = output(&[], None);
        nameless.common_prefixes = Some(vec![CommonPrefix::builder().build()]);
        super::folders(&mut nameless, "d/data/", '=', &[], true).unwrap_err();
    }

    #[test]
    fn a_folder_that_repeats_is_an_error() {
        let folders = |folders: &[&str]| folders.iter().map(|folder| (*folder).to_owned()).collect::<Vec<_>>();
        let mut progress = Progress::default();
        progress.check(&[], &folders(&["d/a=1-2/", "d/a=1/"]), &Position::End).unwrap();
        progress.check(&[], &folders(&["d/a=1/", "d/a=1/"]), &Position::End).unwrap_err();
        progress.record(&[], &folders(&["d/a=1/"]), &Position::Continue("1".to_owned()));
        progress.check(&[], &folders(&["d/a=1/"]), &Position::End).unwrap_err();
        progress.check(&[], &folders(&["d/a=0/"]), &Position::End).unwrap();
    }
}
