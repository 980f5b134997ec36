//! LIST: the keys below a prefix, page by page.

use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;

use super::failure::Failure;
use super::interceptor::micros_of;
use super::{BucketClient, Permit};
use crate::error::Result;
use crate::metrics::Operation;

/// The largest number of keys that S3 returns in one page.
const LARGEST_PAGE: usize = 1_000;

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedObject {
    pub(crate) key: String,
    pub(crate) size: u64,
    /// S3's `Last-Modified`, in microseconds; whole seconds.
    pub(crate) last_modified: Option<i64>,
}

impl ListedObject {
    /// Returns whether this is an empty object that stands for a folder, as consoles, mounts and Hadoop put them.
    pub(crate) fn is_placeholder(&self) -> bool {
        self.size == 0 && (self.key.ends_with('/') || self.key.ends_with("_$folder$"))
    }
}

/// One page of a listing.
#[derive(Debug)]
pub(crate) struct ListPage {
    pub(crate) objects: Vec<ListedObject>,
    /// The response's `Date`, in microseconds.
    pub(crate) date: Option<i64>,
    /// If `true`, the listing has no further page.
    pub(crate) is_last: bool,
}

/// The pages of the keys below a prefix, in key order. Each page is 1 LIST, sent when it is asked for.
#[derive(Debug)]
pub(crate) struct Pager {
    client: BucketClient,
    prefix: String,
    position: Position,
}

/// The position of the next page in a listing.
#[derive(Debug, Clone)]
enum Position {
    /// The first page, after this key if there is one.
    First {
        after: Option<String>,
    },
    /// The page that this continuation token stands for.
    Continue(String),
    End,
}

impl BucketClient {
    /// Lists the keys below `prefix`.
    pub(crate) fn list(&self, prefix: impl Into<String>) -> Pager {
        Pager { client: self.clone(), prefix: prefix.into(), position: Position::First { after: None } }
    }
}

impl Pager {
    /// Begins after this key, which must not be below the prefix's first key. Some servers return the key itself, too.
    pub(crate) fn after(mut self, key: impl Into<String>) -> Self {
        self.position = Position::First { after: Some(key.into()) };
        self
    }

    /// Returns the next page of up to 1,000 keys, or `None` after the last page.
    ///
    /// Dropping the future loses no page: the next call asks for the same one.
    pub(crate) async fn next(&mut self) -> Result<Option<ListPage>> {
        self.next_page(None).await
    }

    /// Returns the next page of at most `keys` keys, or `None` after the last page.
    pub(crate) async fn next_up_to(&mut self, keys: usize) -> Result<Option<ListPage>> {
        self.next_page(Some(keys.clamp(1, LARGEST_PAGE))).await
    }

    async fn next_page(&mut self, limit: Option<usize>) -> Result<Option<ListPage>> {
        if matches!(self.position, Position::End) {
            return Ok(None);
        }
        let (prefix, position) = (self.prefix.clone(), self.position.clone());
        let (page, next) = self
            .client
            .run(Operation::List, async move |permit| {
                let page = permit.list(&prefix, &position, limit).await;
                page.map_err(|failure| failure.into_error(format!("list {prefix}")))
            })
            .await?;
        self.position = next;
        Ok(Some(page))
    }
}

impl Permit {
    async fn list(
        &self,
        prefix: &str,
        position: &Position,
        limit: Option<usize>,
    ) -> Result<(ListPage, Position), Failure> {
        self.retry(Operation::List, prefix, || self.client.list_once(prefix, position, limit), |_| 0).await
    }
}

impl BucketClient {
    async fn list_once(
        &self,
        prefix: &str,
        position: &Position,
        limit: Option<usize>,
    ) -> Result<(ListPage, Position), Failure> {
        let (after, token) = match position {
            Position::First { after } => (after.clone(), None),
            Position::Continue(token) => (None, Some(token.clone())),
            Position::End => (None, None),
        };
        let request = self
            .0
            .client
            .list_objects_v2()
            .bucket(self.bucket())
            .prefix(prefix)
            .encoding_type(EncodingType::Url)
            .set_start_after(after)
            .set_max_keys(limit.and_then(|limit| i32::try_from(limit).ok()))
            .set_continuation_token(token);
        let send = |config| request.customize().config_override(config).send();
        let response = self.send(self.try_deadline(), self.0.settings.client_retries, send).await?;
        let (output, date) = (response.output, response.date);
        let encoded = output.encoding_type() == Some(&EncodingType::Url);
        let next = match (output.is_truncated() == Some(true), output.next_continuation_token) {
            (false, _) => Position::End,
            (true, Some(token)) => Position::Continue(token),
            (true, None) => return Err(Failure::body_text("the listing is truncated but has no continuation token")),
        };
        let mut objects = Vec::with_capacity(output.contents.as_ref().map_or(0, Vec::len));
        for object in output.contents.unwrap_or_default() {
            let key = object.key.unwrap_or_default();
            objects.push(ListedObject {
                key: if encoded { decode_key(&key)? } else { key },
                size: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                last_modified: object.last_modified.as_ref().and_then(micros_of),
            });
        }
        Ok((ListPage { objects, date, is_last: matches!(next, Position::End) }, next))
    }
}

/// Decodes a key of a listing with `encoding-type=url`, which also writes a space as `+`.
fn decode_key(key: &str) -> Result<String, Failure> {
    let spaced = key.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(key) => Ok(key.into_owned()),
        Err(error) => Err(Failure::body_text(format!("a listed key is not utf-8: {error}"))),
    }
}
