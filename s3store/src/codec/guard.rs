//! Panics of the Parquet decoder, turned into errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::ParquetError;

use crate::error::{Error, Result};

/// Runs a call into the Parquet decoder and returns its errors and panics as [`Error`]s.
///
/// The decoder panics on some malformed files. After an error, drop the value that the call worked on: its state may be
/// inconsistent.
pub(super) fn catch_panics<T>(call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(unreadable(&error)),
        Err(panic) => Err(unreadable(&panic_message(panic.as_ref()))),
    }
}

fn unreadable(reason: &dyn std::fmt::Display) -> Error {
    Error::invalid_data(format!("not a readable Parquet file: {reason}"))
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("the decoder panicked")
}
