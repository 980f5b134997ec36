//! Append-only, versioned, typed records on S3.

// Until the layers above use them.
#![allow(dead_code)]

mod codec;
mod dataset;
mod error;
mod format;
mod merge;
mod pattern;
mod read;
mod record;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod write;

pub use error::{Error, ErrorKind, Result};
