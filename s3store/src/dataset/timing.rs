//! The two persisted durations.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{self, Prefix};
use crate::metrics::Operation;
use crate::s3::BucketClient;

/// Below this a commit timeout is warned of: 1.67 times the pauses that a ref and a commit may spend in retries.
const ADVISED_COMMIT_TIMEOUT: Duration = Duration::from_secs(8);

/// What `init` persists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) commit_timeout: Duration,
    pub(super) max_clock_skew: Duration,
}

/// What lies in the bucket; a missing object is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) commit_timeout: Option<Duration>,
    pub(super) max_clock_skew: Option<Duration>,
}

impl Timing {
    pub(super) fn warn_if_short(&self) {
        if self.commit_timeout < ADVISED_COMMIT_TIMEOUT {
            tracing::warn!(
                commit_timeout = ?self.commit_timeout,
                advised = ?ADVISED_COMMIT_TIMEOUT,
                "the commit timeout is short: a few retries make a write late, and readers of the stream may miss it"
            );
        }
    }
}

/// Gets both objects, side by side.
pub(super) async fn find(bucket: &BucketClient, prefix: &Prefix) -> Result<Found> {
    let (commit_timeout, max_clock_skew) = futures_util::try_join!(
        get(bucket, prefix.commit_timeout_key(), format::commit_timeout),
        get(bucket, prefix.max_clock_skew_key(), format::max_clock_skew),
    )?;
    Ok(Found { commit_timeout, max_clock_skew })
}

async fn get(bucket: &BucketClient, key: String, parse: fn(&str) -> Result<Duration>) -> Result<Option<Duration>> {
    let permit = bucket.permit(Operation::Get).await?;
    let body = bucket.get(&permit, &key, 0).await.map_err(|failure| failure.into_error(format!("get {key}")))?;
    drop(permit);
    let Some(body) = body else { return Ok(None) };
    let text = String::from_utf8_lossy(&body);
    parse(&text).map(Some).map_err(|error| {
        let how = "restore the object, or initialise another prefix with Dataset::init";
        Error::new(ErrorKind::Config, format!("{key} can't be read: {error}; {how}"))
    })
}

impl Found {
    /// The timing, if the dataset is initialised.
    pub(super) fn require(self, bucket: &BucketClient, prefix: &Prefix) -> Result<Timing> {
        let missing = |key: String| {
            Error::new(
                ErrorKind::Config,
                format!(
                    "{key} is missing from bucket {bucket}: the dataset is not initialised; \
                     call Dataset::init(client, {bucket:?}, {prefix:?}) once",
                    bucket = bucket.name(),
                    prefix = prefix.as_str(),
                ),
            )
        };
        Ok(Timing {
            commit_timeout: self.commit_timeout.ok_or_else(|| missing(prefix.commit_timeout_key()))?,
            max_clock_skew: self.max_clock_skew.ok_or_else(|| missing(prefix.max_clock_skew_key()))?,
        })
    }
}
