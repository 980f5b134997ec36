//! The two durations that a dataset keeps in its bucket: commit timeout and clock skew.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{self, Prefix};
use crate::s3::BucketClient;

/// The shortest commit timeout without a warning: 1.67 times the pauses that the retries of a ref and a commit can take.
const ADVISED_COMMIT_TIMEOUT: Duration = Duration::from_secs(8);

/// The largest number of prefixes that an error suggests.
const MAX_SUGGESTIONS: usize = 3;

/// The configuration that `init` puts and `open` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) commit_timeout: Duration,
    pub(super) max_clock_skew: Duration,
}

/// The durations that the bucket contains; `None` for a missing object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredTiming {
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

impl StoredTiming {
    /// Gets both objects concurrently: 2 GET.
    pub(super) async fn get(client: &BucketClient, prefix: &Prefix) -> Result<Self> {
        let (commit_timeout, max_clock_skew) = futures_util::try_join!(
            get(client, prefix.commit_timeout_key(), format::commit_timeout),
            get(client, prefix.max_clock_skew_key(), format::max_clock_skew),
        )?;
        Ok(Self { commit_timeout, max_clock_skew })
    }

    /// Returns the timing, or an error that names the missing object if the dataset is not initialised.
    pub(super) fn require(self, client: &BucketClient, prefix: &Prefix) -> Result<Timing> {
        let missing = |key: String| {
            Error::new(
                ErrorKind::Config,
                format!(
                    "{key} is missing from bucket {bucket}: no dataset is initialised at the prefix {prefix:?}; check the \
                     prefix, or call Dataset::init(client, {bucket:?}, {prefix:?}) once if the dataset is new",
                    bucket = client.bucket(),
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

/// Adds the initialised prefixes near `prefix` to the error that a dataset is not initialised there.
///
/// Looks at one page of the keys beside the prefix: 1 LIST. If it fails, the error is returned as it is.
pub(super) async fn suggest_prefixes(client: &BucketClient, prefix: &Prefix, error: Error) -> Error {
    let Ok(Some(page)) = client.list(prefix.parent()).next().await else { return error };
    let keys = page.objects.iter().filter_map(|object| Prefix::of_commit_timeout_key(&object.key));
    let mut found: Vec<_> =
        keys.map(|found| (strsim::jaro_winkler(found, prefix.as_str()), format!("{found:?}"))).collect();
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let found: Vec<_> = found.into_iter().take(MAX_SUGGESTIONS).map(|(_, found)| found).collect();
    if found.is_empty() {
        error
    } else {
        error.followed_by(format!("initialised prefixes nearby: {}", found.join(", ")))
    }
}

async fn get(client: &BucketClient, key: String, parse: fn(&str) -> Result<Duration>) -> Result<Option<Duration>> {
    let Some(body) = client.get(&key, 0).await? else { return Ok(None) };
    let text = String::from_utf8_lossy(&body);
    parse(&text).map(Some).map_err(|error| {
        let remedy = "restore the object, or initialise another prefix with Dataset::init";
        Error::new(ErrorKind::Config, format!("{key} is not a readable duration: {error}; {remedy}"))
    })
}
