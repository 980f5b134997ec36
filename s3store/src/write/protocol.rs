//! The steps of the write protocol that run while the caller waits: look up an earlier commit, and put the data.

use super::attempt::{Attempt, DataFile, Landed, Prepared};
use super::commit::Commit;
use super::judge::{self, Timeliness};
use super::markers::PartitionMarkers;
use crate::dataset::{Dataset, FoundCommit, IfNoneMatchSupport};
use crate::error::{Error, ErrorKind, Result};
use crate::s3::Put;

/// A commit that was found or made, and whether it is in time.
#[derive(Debug, Clone)]
pub(super) struct TimedCommit {
    pub(super) commit: Commit,
    pub(super) timeliness: Timeliness,
}

/// The way in which a write finds an earlier commit of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A HEAD before the write if the caller gave a token; then the conditional PUT.
    Usual,
    /// No HEAD before the write: the conditional PUT fails if there is an earlier commit.
    Optimistic,
    /// As `Usual`, followed by a second PUT that shows whether the backend enforces the condition.
    Probing,
}

/// Returns the mode of an optimistic write, from what is known about the backend.
///
/// # Errors
/// `Refused` if the backend ignores `If-None-Match`.
pub(super) fn optimistic_mode(dataset: &Dataset) -> Result<Mode> {
    match dataset.conditional_put().support() {
        IfNoneMatchSupport::Untested => Ok(Mode::Probing),
        IfNoneMatchSupport::Enforced => Ok(Mode::Optimistic),
        IfNoneMatchSupport::Ignored => Err(Error::new(
            ErrorKind::Refused,
            "optimistic_commit needs a backend that enforces if-none-match, or a policy that denies overwriting commits; \
             this backend has neither; write without optimistic_commit",
        )),
    }
}

/// Makes the commit of an object that an attempt found in its slot, and decides by S3's time of it whether it is in time.
pub(super) fn timed(dataset: &Dataset, attempt: &Attempt, found: FoundCommit) -> Result<TimedCommit> {
    let (timeout, skew) = (dataset.commit_timeout(), dataset.max_clock_skew());
    let timeliness = judge::judge_found(&found.meta, found.last_modified, timeout, skew);
    let replayed = !attempt.is_own(found.meta.attempt);
    Ok(TimedCommit { commit: attempt.slot.commit(&found.meta, replayed)?, timeliness })
}

/// Puts the data file and the views' markers concurrently, and returns when all have landed. Step 4.
pub(super) async fn land(dataset: &Dataset, prepared: Prepared, markers: &PartitionMarkers) -> Result<Landed> {
    futures_util::try_join!(put_data(dataset, &prepared), markers.put(dataset))?;
    Ok(prepared.landed())
}

async fn put_data(dataset: &Dataset, prepared: &Prepared) -> Result<()> {
    let DataFile { body, md5, content: _ } = prepared.file();
    dataset.client().put("data file", Put::with_md5(prepared.data_key(), body.clone(), md5)).await
}
