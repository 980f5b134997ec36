//! What more than one layer asks the bucket.

use super::Dataset;
use crate::error::Result;
use crate::format::CommitMeta;
use crate::metrics::Operation;
use crate::s3::{ListFrom, Page, Permit};

/// A commit as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundCommit {
    pub(crate) meta: CommitMeta,
    /// S3's time of the object, in microseconds; whole seconds.
    pub(crate) last_modified: Option<i64>,
}

impl Dataset {
    /// One page of the keys below `prefix`: 1 LIST.
    pub(crate) async fn list_page(&self, prefix: &str, from: ListFrom<'_>) -> Result<Page> {
        let permit = self.client().permit(Operation::List).await?;
        let page = self.client().list(&permit, prefix, from).await;
        page.map_err(|failure| failure.into_error(format!("list {prefix}")))
    }

    /// All pages of the keys below `prefix`, from behind `after` on: 1 LIST each.
    pub(crate) async fn each_page(&self, prefix: &str, after: Option<&str>, mut take: impl FnMut(Page)) -> Result<()> {
        let mut next = None::<String>;
        loop {
            let mut page = self.list_page(prefix, ListFrom { after, next: next.as_deref(), limit: None }).await?;
            next = page.next.take();
            take(page);
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// What lies under a commit's key: 1 HEAD.
    ///
    /// # Errors
    /// A commit whose metadata do not parse: it is never taken for "no commit".
    pub(crate) async fn find_commit(&self, key: &str) -> Result<Option<FoundCommit>> {
        let permit = self.client().permit(Operation::Head).await?;
        self.find_commit_with(&permit, key).await
    }

    /// [`find_commit`](Self::find_commit) with a permit that the caller holds.
    pub(crate) async fn find_commit_with(&self, permit: &Permit, key: &str) -> Result<Option<FoundCommit>> {
        let found = self.client().head(permit, key).await;
        let found = found.map_err(|failure| failure.into_error(format!("head {key}")))?;
        let Some(found) = found else { return Ok(None) };
        let meta = CommitMeta::from_metadata(&found.metadata).map_err(|error| error.context(key))?;
        Ok(Some(FoundCommit { meta, last_modified: found.last_modified }))
    }
}
