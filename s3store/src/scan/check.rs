//! The search for the file, and the row, of a value that does not decode.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::fetch::FetchedFile;
use super::files::StoredFile;
use super::partition::PartitionWork;
use super::plan::Fetch;
use super::rows::{RowsError, check_file};
use super::sink::Sink;
use super::undecodable::UndecodableFile;
use crate::dataset::task_error;
use crate::error::{Error, ErrorKind, Result};

/// The files of a partition, each decoded on its own.
#[derive(Default)]
pub(super) struct CheckedFiles {
    pub(super) decodable: Vec<(StoredFile, FetchedFile)>,
    pub(super) undecodable: Vec<(StoredFile, Error)>,
}

impl PartitionWork {
    /// Returns the error of a partition with the name of the file at fault, and its row if it is about one value.
    pub(super) async fn find_cause<S: Sink>(&self, error: RowsError, files: Vec<StoredFile>) -> Error {
        let is_of_stream = files.iter().any(|file| file.offset.is_some());
        let error = match error {
            RowsError::Named(error) => error,
            RowsError::OfValue(error) => match self.check_files::<S>(files).await {
                Ok(CheckedFiles { undecodable, .. }) => {
                    undecodable.into_iter().next().map_or(error, |(_, error)| error)
                }
                // The first error is the one that matters.
                Err(_) => error,
            },
        };
        if is_of_stream { error.followed_by("skip_undecodable leaves such files out") } else { error }
    }

    /// Downloads files again and decodes each on its own. Unless bad files are skipped, ends at the first of them and keeps
    /// no bytes.
    pub(super) async fn check_files<S: Sink>(&self, files: Vec<StoredFile>) -> Result<CheckedFiles> {
        let scan = &self.context.scan;
        let skips = matches!(scan.undecodable, UndecodableFile::Skip(_));
        let downloads = files.into_iter().map(|file| async move {
            let fetched = self.context.start_fetch(file.clone(), Fetch::Whole, true);
            let body = match fetched.await.map_err(task_error)?? {
                Some(FetchedFile::Whole(body)) => Some(body),
                _ => None,
            };
            Ok::<_, Error>((file, body))
        });
        let mut downloads = stream::iter(downloads).buffered(scan.dataset.client().permits());
        let mut checked = CheckedFiles::default();
        while let Some(downloaded) = downloads.next().await {
            let (file, body) = downloaded?;
            let Some(body) = body else { continue };
            match self.check_file::<S>(&file, body.clone()).await {
                Ok(()) if skips => checked.decodable.push((file, FetchedFile::Whole(body))),
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    checked.undecodable.push((file, error));
                    if !skips {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(checked)
    }

    async fn check_file<S: Sink>(&self, file: &StoredFile, body: Bytes) -> Result<()> {
        let (opener, keep, label) = (Arc::clone(&self.opener), self.context.scan.keep, file.label());
        self.context.cpu(move || check_file::<S>(&label, &body, &opener, keep)).await
    }
}
