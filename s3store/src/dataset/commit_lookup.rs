//! Looking up one commit by its key.

use super::handle::Dataset;
use crate::error::Result;
use crate::format::CommitMeta;
use crate::s3::{Head, Permit};

/// A commit object that a HEAD has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundCommit {
    pub(crate) meta: CommitMeta,
    /// S3's `LastModified` of the object, in microseconds. S3 gives whole seconds.
    pub(crate) last_modified: Option<i64>,
}

impl Dataset {
    /// Returns the commit under a key, or `None` if there is no such object: 1 HEAD.
    ///
    /// # Errors
    /// `InvalidData` if the object's metadata is not that of a commit. It is never reported as "no commit".
    pub(crate) async fn find_commit(&self, key: &str) -> Result<Option<FoundCommit>> {
        let head = self.client().head(key).await?;
        head.map(|head| parse(key, &head)).transpose()
    }

    /// Does the same as [`find_commit`](Self::find_commit), with a permit that the caller holds already.
    pub(crate) async fn find_commit_with(&self, permit: &Permit, key: &str) -> Result<Option<FoundCommit>> {
        let head = permit.head(key).await?;
        head.map(|head| parse(key, &head)).transpose()
    }
}

fn parse(key: &str, head: &Head) -> Result<FoundCommit> {
    let meta = CommitMeta::from_metadata(&head.metadata).map_err(|error| error.context(key))?;
    Ok(FoundCommit { meta, last_modified: head.last_modified })
}
