//! Panics of the Parquet decoder, turned into errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::ParquetError;

use crate::error::{Error, Result};

/// Runs a step of the Parquet decoder.
///
/// Bytes that are no sound Parquet make it panic here and there. What the step worked on must not be used again after
/// an error; then no broken state can be seen.
pub(super) fn guarded<T>(step: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::invalid_data("the file is no sound parquet").with_source(error)),
        Err(panic) => Err(Error::invalid_data("the file is no sound parquet").with_source(words(panic.as_ref()))),
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    words.unwrap_or("the decoder panicked").to_owned()
}
