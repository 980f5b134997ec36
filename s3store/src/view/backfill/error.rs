//! The error of a backfill.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use super::Backfilled;
use crate::error::{Error, ErrorKind};

/// The reason why a backfill did not put the markers of all committed records.
///
/// A committed file that can't be read does not stop a backfill. The markers of all other files have landed when this
/// error has no [`cause`](Self::cause).
///
/// Its message contains the first failure's message; [`source`](StdError::source) returns the failure's own source.
#[derive(Debug)]
#[non_exhaustive]
pub struct BackfillError {
    /// The work done, up to the last complete partition.
    pub done: Backfilled,
    /// The committed files that failed, in key order, up to the last complete partition.
    pub failed: Vec<FailedFile>,
    /// The failure that ended the backfill early, such as S3 being unavailable. `None` if it covered all files.
    pub cause: Option<Error>,
}

/// A committed data file some of whose markers could not be put.
///
/// If single rows are at fault, the markers of the file's other rows were put.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FailedFile {
    /// The file's key.
    pub key: String,
    /// The file's first error. Its message contains the key.
    pub error: Arc<Error>,
}

impl BackfillError {
    /// Returns the kind of [`cause`](Self::cause). Without a cause it is [`InvalidData`](ErrorKind::InvalidData).
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.cause.as_ref().map_or(ErrorKind::InvalidData, Error::kind)
    }

    /// Returns `true` if the backfill may succeed later. Files that do not decode fail again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.cause.as_ref().is_some_and(Error::is_transient)
    }

    fn first_failure(&self) -> Option<&Error> {
        self.cause.as_ref().or_else(|| self.failed.first().map(|failed| &*failed.error))
    }
}

/// Returns the error at the end of a backfill in which `files` committed files failed.
pub(super) fn lost(files: u64, first: &FailedFile) -> Error {
    Error::invalid_data(summary(files, &first.error))
}

fn summary(files: u64, first: &Error) -> String {
    format!(
        "backfill could not put all markers of {files} committed files; repair or remove them and repeat the backfill; \
         the first is {first}"
    )
}

impl fmt::Display for BackfillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failed.len() as u64;
        match (&self.cause, self.failed.first()) {
            (Some(cause), None) => write!(f, "backfill stopped early: {cause}"),
            (Some(cause), Some(_)) => {
                write!(f, "backfill stopped early, and could not read {failed} committed files: {cause}")
            }
            (None, Some(first)) => f.write_str(&summary(failed, &first.error)),
            (None, None) => f.write_str("backfill failed"),
        }
    }
}

impl StdError for BackfillError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.first_failure().and_then(Error::source)
    }
}

impl From<BackfillError> for Error {
    /// Keeps the cause of a backfill that ended early. Otherwise the error names the first failed file.
    fn from(error: BackfillError) -> Self {
        let message = error.to_string();
        match error.cause {
            Some(cause) => cause.context("backfill stopped early"),
            None => Self::invalid_data(message),
        }
    }
}
