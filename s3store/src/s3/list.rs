//! LIST: the keys below a prefix, page by page.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use aws_sdk_s3::types::EncodingType;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::failure::Failure;
use super::page::{self, Progress, Start};
use super::task::task_error;
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
    /// `None` if the listing has no ETag.
    pub(crate) version: Option<ObjectVersion>,
}

/// The version of an object, by which a listing shows that another object was put under the same key.
///
/// It is a hash, because an ETag would take as much memory as a key. Versions of different keys must not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct ObjectVersion(u64);

impl ObjectVersion {
    pub(crate) fn new(etag: &str, size: u64, last_modified: i64) -> Self {
        let mut hasher = DefaultHasher::new();
        (etag, size, last_modified).hash(&mut hasher);
        Self(hasher.finish())
    }
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
    /// The folders whose keys the page leaves out, each with its `/`: [`Pager::by_folder`].
    pub(crate) folders: Vec<String>,
    /// The response's `Date`, in microseconds.
    pub(crate) date: Option<i64>,
    /// If `true`, the listing has no further page.
    pub(crate) is_last: bool,
}

/// The pages of the keys below a prefix, in key order. Each page is 1 LIST, sent when it is asked for.
#[derive(Debug)]
pub(crate) struct Pager {
    client: BucketClient,
    scope: Scope,
    position: Position,
    progress: Arc<Progress>,
}

/// The keys that a listing returns.
#[derive(Debug, Clone)]
struct Scope {
    prefix: String,
    by_folder: bool,
    /// The largest number of keys in a page, if it is not S3's.
    limit: Option<usize>,
}

/// The position of the next page in a listing.
#[derive(Debug, Clone)]
pub(super) enum Position {
    /// The first page.
    First,
    /// The page after this key.
    After(String),
    /// The page that this continuation token stands for.
    Continue(String),
    End,
}

impl BucketClient {
    /// Lists the keys below `prefix`.
    pub(crate) fn list(&self, prefix: impl Into<String>) -> Pager {
        let scope = Scope { prefix: prefix.into(), by_folder: false, limit: self.0.settings.page_size };
        Pager { client: self.clone(), scope, position: Position::First, progress: Arc::default() }
    }
}

impl Pager {
    /// Begins after this key, which must not be below the prefix's first key. Some servers return the key itself, too.
    pub(crate) fn after(mut self, key: impl Into<String>) -> Self {
        self.position = Position::After(key.into());
        self
    }

    /// Groups the keys by their next `/` after the prefix. Each page then has the folders instead of the keys in them.
    pub(crate) fn by_folder(mut self) -> Self {
        self.scope.by_folder = true;
        self
    }

    /// Returns the next page of up to 1,000 keys, or `None` after the last page.
    ///
    /// Dropping the future loses no page: the next call asks for the same one.
    pub(crate) async fn next(&mut self) -> Result<Option<ListPage>> {
        self.next_page(self.scope.clone()).await
    }

    /// Returns the next page of at most `keys` keys, or `None` after the last page.
    pub(crate) async fn next_up_to(&mut self, keys: usize) -> Result<Option<ListPage>> {
        self.next_page(Scope { limit: Some(keys.clamp(1, LARGEST_PAGE)), ..self.scope.clone() }).await
    }

    async fn next_page(&mut self, scope: Scope) -> Result<Option<ListPage>> {
        if matches!(self.position, Position::End) {
            return Ok(None);
        }
        let (position, progress) = (self.position.clone(), Arc::clone(&self.progress));
        let (page, next) = self
            .client
            .run(Operation::List, async move |permit| {
                let page = permit.list(&scope, &position, &progress).await;
                page.map_err(|failure| failure.into_error(format!("list {}", scope.prefix)))
            })
            .await?;
        Arc::make_mut(&mut self.progress).record(&page.objects, &page.folders, &next);
        self.position = next;
        Ok(Some(page))
    }
}

/// A page that a task fetches. Dropping it aborts the task.
#[derive(Debug)]
pub(crate) struct PageAhead(AbortOnDropHandle<Result<(Pager, Option<ListPage>)>>);

impl Pager {
    /// Begins to fetch the next page, whether or not somebody waits for it.
    pub(crate) fn ahead(mut self) -> PageAhead {
        let fetch = async move {
            let page = self.next().await?;
            Ok((self, page))
        };
        PageAhead(AbortOnDropHandle::new(tokio::spawn(fetch.in_current_span())))
    }
}

impl PageAhead {
    /// Waits for the page. Returns it, and the page after it, which is being fetched then. Must not be called again after it
    /// has returned.
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn arrive(&mut self) -> Result<(Option<ListPage>, Option<Self>)> {
        let (pager, page) = (&mut self.0).await.unwrap_or_else(|error| Err(task_error(error)))?;
        let following = page.as_ref().is_some_and(|page| !page.is_last).then(|| pager.ahead());
        Ok((page, following))
    }
}

impl Permit {
    async fn list(
        &self,
        scope: &Scope,
        position: &Position,
        progress: &Progress,
    ) -> Result<(ListPage, Position), Failure> {
        let send = || self.client.list_once(scope, position, progress);
        self.retry(Operation::List, &scope.prefix, send, |_| 0).await
    }
}

impl BucketClient {
    async fn list_once(
        &self,
        scope: &Scope,
        position: &Position,
        progress: &Progress,
    ) -> Result<(ListPage, Position), Failure> {
        let Scope { prefix, by_folder, limit } = scope;
        let (after, token) = match position {
            Position::After(key) => (Some(key.clone()), None),
            Position::Continue(token) => (None, Some(token.clone())),
            Position::First | Position::End => (None, None),
        };
        let sent = Start { prefix: prefix.clone(), after: after.clone(), token: token.clone() };
        let request = self
            .0
            .client
            .list_objects_v2()
            .bucket(self.bucket())
            .prefix(prefix)
            .set_delimiter(by_folder.then(|| "/".to_owned()))
            .encoding_type(EncodingType::Url)
            .set_start_after(after)
            .set_max_keys(limit.and_then(|limit| i32::try_from(limit).ok()))
            .set_continuation_token(token);
        let send = |config| request.customize().config_override(config).send();
        let response = self.send(self.try_deadline(), self.0.settings.client_retries, send).await?;
        let mut output = response.output;
        if !response.seen.is_whole_listing {
            return Err(Failure::garbled("the listing has no end: it was cut off"));
        }
        let is_refs = prefix.starts_with(&self.0.settings.prefix.ref_prefix());
        let separator = if is_refs { ';' } else { '=' };
        let checked = page::end(&output, &sent, *by_folder).and_then(|next| {
            let mut objects = page::objects(&mut output, prefix, separator)?;
            let folders = page::folders(&mut output, prefix, separator, &objects, *by_folder)?;
            if sent.after.is_some() && objects.first().map(|object| &object.key) == sent.after.as_ref() {
                // Some servers also return the key that the page begins after.
                objects.remove(0);
            }
            let next = match (next, objects.last()) {
                // All servers list the keys of one folder in byte order. So the last key says where the next page begins,
                // and no wrong token can skip refs.
                (Position::Continue(_), Some(last)) if is_refs => Position::After(last.key.clone()),
                (next, _) => next,
            };
            progress.check(&objects, &folders, &next)?;
            Ok((objects, folders, next))
        });
        let (objects, folders, next) = checked.map_err(Failure::garbled)?;
        let is_last = matches!(next, Position::End);
        Ok((ListPage { objects, folders, date: response.seen.date, is_last }, next))
    }
}
