//! The format on S3: the key and the body of every object, each rendered and parsed in one place.
//!
//! Everything here is pure: it uses neither S3 nor a clock. Keys are rendered and parsed by methods of [`Prefix`].
//! Parsing an object's name returns `None` if it has another shape, since a bucket may contain foreign objects. Parsing
//! a body or metadata returns an error, since the object's name claims that it is one of ours.

mod attempt;
mod commit;
mod data;
mod delta;
mod duration;
mod marker;
mod offset;
mod partition;
mod prefix;
#[cfg(test)]
mod properties;
mod refs;
#[cfg(test)]
mod tests;
mod time;
mod token;
#[cfg(test)]
pub(crate) mod vectors;

pub(crate) use attempt::AttemptId;
pub(crate) use commit::{CommitMeta, ContentDigest};
pub(crate) use data::{DataKey, DataName};
pub(crate) use delta::LogName;
pub(crate) use duration::{GoDuration, commit_timeout, max_clock_skew};
pub use offset::Offset;
pub(crate) use partition::{PartitionKey, check_partition_value};
pub(crate) use prefix::Prefix;
pub(crate) use refs::RefName;
pub(crate) use time::TimeFormat;
pub(crate) use token::Token;

use crate::error::{Error, Result};

/// The content type of every PUT.
pub(crate) const CONTENT_TYPE: &str = "application/octet-stream";

/// The greatest length of a key on S3, in bytes of UTF-8.
pub(crate) const MAX_KEY_LEN: usize = 1024;

/// Checks that a key is not longer than S3 allows.
pub(crate) fn check_key_length(key: &str) -> Result<()> {
    check_length(key, MAX_KEY_LEN, "key")
}

fn check_length(key: &str, limit: usize, what: &str) -> Result<()> {
    if key.len() <= limit {
        return Ok(());
    }
    Err(Error::invalid_input(format!(
        "{what} {key:?} has {} bytes, at most {limit} are allowed: shorten its parts",
        key.len()
    )))
}
