//! The download of one data file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::resolve::{FileSize, StoredFile};
use super::row_sizes::RowSizes;
use super::stall_watch::StallWatch;
use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Tally;

/// The handling of a data file that no longer exists.
#[derive(Debug, Clone)]
pub(crate) enum MissingFile {
    /// The read fails, because the file is committed.
    Fail,
    /// The read logs, counts and skips the file, because it may have been deleted long after its commit.
    Skip(Arc<AtomicU64>),
}

/// The download of one file.
pub(super) struct Download {
    pub(super) dataset: Dataset,
    pub(super) file: StoredFile,
    pub(super) missing: MissingFile,
    /// True if the read has downloaded the file, and counted it as visited, before.
    pub(super) again: bool,
    pub(super) sizes: Arc<RowSizes>,
    pub(super) tally: Arc<Tally>,
    pub(super) watch: Arc<StallWatch>,
}

impl Download {
    /// Returns the file's bytes, or `None` if the file is missing and may be skipped. Sends 1 GET.
    pub(super) async fn run(self) -> Result<Option<Bytes>> {
        let Self { dataset, file, missing, again, sizes, tally, watch } = self;
        let body = dataset.client().get(&file.key, sizes.size_of(&file)).await?;
        watch.moved();
        match (&body, &missing) {
            (Some(body), _) => {
                if !again {
                    sizes.learn(&file, body.len() as u64);
                    tally.file();
                }
                tally.bytes(body.len() as u64);
            }
            (None, MissingFile::Fail) => {
                return Err(vanished(&file));
            }
            (None, MissingFile::Skip(count)) => {
                count.fetch_add(1, Ordering::Relaxed);
                tally.missing(&file.key);
            }
        }
        Ok(body)
    }
}

/// Returns the error for a committed file that does not exist.
pub(super) fn vanished(file: &StoredFile) -> Error {
    let reason = match file.size {
        FileSize::Bytes(_) => {
            "the file is in the listing but does not exist: it was deleted after it was listed, or the server lists keys \
             that it does not serve; read again"
        }
        FileSize::Rows(_) => {
            "a commit names the file, but it does not exist: somebody deleted it; restore the file, or delete its commit \
             too"
        }
    };
    Error::new(ErrorKind::Vanished, format!("get {}: {reason}", file.key))
}
