//! The finisher of a write: a detached task that puts the ref and the commit, and restamps a late commit. Steps 5 to 7
//! of the write protocol.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Attempt, Landed, Referenced};
use super::commit::StampedCommit;
use super::error::CommitError;
use super::judge::{self, Settled, Timeliness};
use super::late;
use super::protocol::{self, Mode, TimedCommit};
use crate::dataset::{Dataset, FoundCommit, IfNoneMatchSupport, task_error};
use crate::metrics::{Operation, Tally};
use crate::s3::{Class, Failure, IfNoneMatch, Permit, Put};

/// The shortest deadline for a try of a ref or commit. It applies even if the commit timeout is shorter, because a late
/// commit is better than one with an unknown outcome.
const SHORTEST_TRY_DEADLINE: Duration = Duration::from_secs(1);

/// Spawns the finisher of an attempt, and returns a future that waits for it. The finisher runs to its end even if that
/// future is dropped. It puts up to `restamps` refs for a late commit.
pub(super) fn spawn(
    dataset: &Dataset,
    landed: Landed,
    mode: Mode,
    restamps: u32,
    tally: &Arc<Tally>,
) -> impl Future<Output = Result<StampedCommit, CommitError>> + Send + use<> {
    let attempt: Attempt = landed.attempt().clone();
    let (owned, tally) = (dataset.clone(), Arc::clone(tally));
    let task = dataset.spawn_finisher(async move {
        let commit = finish(&owned, landed, mode, &tally).await?;
        late::repair(&owned, commit, restamps).await
    });
    let metrics = dataset.metrics().clone();
    async move {
        task.await.unwrap_or_else(|error| {
            metrics.unknown_outcome();
            let cause = task_error(error).context("between ref and commit, which drain() waits for");
            Err(CommitError::Unknown(Box::new(attempt.unknown(cause))))
        })
    }
}

/// Puts the ref and the commit, and decides whether the commit is late.
async fn finish(dataset: &Dataset, landed: Landed, mode: Mode, tally: &Tally) -> Result<TimedCommit, CommitError> {
    // Ref and commit share one permit: with one each, the commit could wait behind other partitions' data files.
    let permit = dataset.client().permit(Operation::Put).await?;
    dataset.check_clock(Some(&permit)).await?;
    let started = dataset.clock().monotonic();
    let micros = dataset.clock().micros();
    let ref_key = landed.ref_key(micros)?;
    put_ref(dataset, &permit, &ref_key).await.map_err(|failure| failure.into_error(format!("put ref {ref_key}")))?;
    let bytes = landed.bytes();
    let referenced = landed.referenced(micros);

    let result = put_commit(dataset, &permit, &referenced, mode).await;
    let elapsed = dataset.clock().monotonic().saturating_duration_since(started);
    let late = judge::is_late(micros, dataset.clock().micros(), elapsed, dataset.commit_timeout());
    if let Err(CommitError::Unknown(_)) = &result {
        dataset.metrics().unknown_outcome();
    }
    if let Winner::Other(found) = result? {
        if mode == Mode::Optimistic {
            dataset.metrics().optimistic_collision();
        }
        let (attempt, own) = (referenced.attempt(), referenced.meta());
        attempt.check_records(&found.meta, own.record_count, own.content)?;
        tally.committed(found.meta.record_count, 0);
        return Ok(protocol::timed(dataset, attempt, found)?);
    }
    tally.committed(referenced.meta().record_count, bytes);
    if late {
        dataset.metrics().commit_after_timeout();
    }
    // Only after a commit of our own: a backend that ignores the condition would let us overwrite another's commit.
    if mode == Mode::Probing && dataset.conditional_put().support() == IfNoneMatchSupport::Untested {
        probe(dataset, &permit, &referenced).await;
    }
    let timeliness = if late { Timeliness::Late } else { Timeliness::InTime };
    Ok(TimedCommit { commit: referenced.committed()?, timeliness })
}

/// Puts a ref, an empty object: 1 PUT. Step 5.
pub(super) async fn put_ref(dataset: &Dataset, permit: &Permit, key: &str) -> Result<(), Failure> {
    permit.put(&urgent_put(dataset, key)).await
}

/// The attempt that the commit object names.
enum Winner {
    /// This attempt.
    Own,
    /// Another attempt of the same token.
    Other(FoundCommit),
}

/// Puts the commit conditionally, and looks it up by HEAD if the response leaves the outcome open. Step 6.
async fn put_commit(
    dataset: &Dataset,
    permit: &Permit,
    referenced: &Referenced,
    mode: Mode,
) -> Result<Winner, CommitError> {
    let key = referenced.attempt().slot.commit_key();
    let condition = if mode == Mode::Optimistic { IfNoneMatch::Required } else { IfNoneMatch::BestEffort };
    let Err(failure) = permit.put_if_absent(&commit_put(dataset, referenced), condition).await else {
        return Ok(Winner::Own);
    };
    if mode == Mode::Optimistic && failure.class == Class::NotImplemented {
        dataset.conditional_put().record(IfNoneMatchSupport::Ignored);
    }
    let unknown = |cause| CommitError::Unknown(Box::new(referenced.attempt().unknown(cause)));
    let cause = |failure: Failure| failure.into_error(format!("put commit {key}"));
    if !judge::needs_head(&failure) {
        return Err(CommitError::NotCommitted(cause(failure)));
    }
    let found = match dataset.find_commit_with(permit, key).await {
        Ok(found) => found,
        // An unreadable commit or a failed HEAD does not exclude that the commit is this attempt's.
        Err(error) => return Err(unknown(error.context(cause(failure)))),
    };
    match judge::settle(&failure, found, referenced.meta().attempt) {
        Settled::Own => Ok(Winner::Own),
        Settled::Other(found) => Ok(Winner::Other(found)),
        Settled::NotCommitted => Err(CommitError::NotCommitted(cause(failure))),
        Settled::Unknown => Err(unknown(cause(failure))),
    }
}

/// Puts this attempt's commit again, conditionally and with the same metadata, to see whether the backend refuses it.
async fn probe(dataset: &Dataset, permit: &Permit, referenced: &Referenced) {
    let answer = permit.put_if_absent(&commit_put(dataset, referenced), IfNoneMatch::Required).await;
    dataset.conditional_put().record_second_put(answer);
}

fn commit_put(dataset: &Dataset, referenced: &Referenced) -> Put {
    let put = urgent_put(dataset, referenced.attempt().slot.commit_key());
    let metadata = referenced.meta().to_metadata().into_iter();
    Put { metadata: metadata.map(|(name, value)| (name.into(), value)).collect(), ..put }
}

/// Makes the PUT of an empty object whose tries have short deadlines: at most a quarter of the commit timeout each.
fn urgent_put(dataset: &Dataset, key: &str) -> Put {
    let deadline = (dataset.commit_timeout() / 4).max(SHORTEST_TRY_DEADLINE);
    let try_deadline = Some(deadline.min(dataset.client().try_deadline()));
    Put { try_deadline, ..Put::new(key, bytes::Bytes::new()) }
}
