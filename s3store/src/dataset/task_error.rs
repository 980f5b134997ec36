//! The error for a task that did not run to its end.

use tokio::task::JoinError;

use crate::error::{Error, ErrorKind, ErrorType};

/// Converts the failure of a spawned task: a panic becomes `Internal`, a runtime that shut down `Cancelled`.
pub(crate) fn task_error(error: JoinError) -> Error {
    let (kind, error_type, message) = if error.is_panic() {
        (ErrorKind::Internal, ErrorType::Other, "a background task panicked; this is a bug")
    } else {
        (ErrorKind::Cancelled, ErrorType::Canceled, "a background task was cancelled because its runtime shut down")
    };
    Error::new(kind, message).with_type(error_type).with_source(error)
}
