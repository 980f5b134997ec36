//! The format on S3: the name and the body of every object, rendered and parsed side by side.
//!
//! Pure: nothing here asks a clock or S3. Keys hang off a [`Prefix`]; a name that was found in the bucket parses to
//! `None` where it is of another shape, and a body or metadata that does not parse is an error that says what is wrong.

mod attempt;
mod commit;
mod data;
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
pub(crate) use commit::CommitMeta;
#[cfg(test)]
pub(crate) use data::DataKey;
pub(crate) use data::DataName;
pub(crate) use duration::{GoDuration, commit_timeout, max_clock_skew};
#[cfg(test)]
pub(crate) use marker::check_view_name;
pub use offset::Offset;
#[cfg(test)]
pub(crate) use partition::validate_names;
pub(crate) use partition::{PartitionKey, check_partition_value};
pub(crate) use prefix::Prefix;
pub(crate) use refs::RefName;
pub(crate) use time::TimeFormat;
pub(crate) use token::Token;

use crate::error::{Error, Result};

/// The content type of every PUT.
pub(crate) const CONTENT_TYPE: &str = "application/octet-stream";

/// S3's limit for a key, in bytes of UTF-8.
pub(crate) const MAX_KEY_LEN: usize = 1024;

/// Refuses a key that S3 would refuse for its length.
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
