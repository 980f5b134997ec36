//! Performs the write protocol: what `attempt` and `judge` decide, as requests.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tracing::Instrument;

use super::attempt::{Attempt, DataFile, Landed, Place, Prepared, Referenced};
use super::judge::{self, Settled};
use super::markers::PartMarkers;
use super::outcome::{Commit, CommitError};
use crate::dataset::{Dataset, FoundCommit, Proven, task_error};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Operation, Tally};
use crate::s3::{Class, Failure, Permit, Put, Strictly};

/// The least deadline of a ref's or commit's try, however short the commit timeout: better late than unknown.
const LEAST_TAIL_DEADLINE: Duration = Duration::from_secs(1);

/// A commit as it was found or made, and whether it was in time.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) commit: Commit,
    pub(super) late: bool,
}

impl Outcome {
    pub(super) fn into_result(self) -> Result<Commit, CommitError> {
        if self.late {
            tracing::warn!(
                partition = self.commit.partition,
                "committed after the commit timeout: durable, but readers of the stream may have passed it"
            );
            return Err(CommitError::Late(Box::new(self.commit)));
        }
        Ok(self.commit)
    }
}

/// How the commit is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The upfront HEAD, where there is a caller's token, then the conditional PUT.
    Usual,
    /// No upfront HEAD: the backend's condition alone tells of an earlier commit.
    Optimistic,
    /// As usual, and then a second PUT that shows whether the backend enforces the condition.
    Proving,
}

/// Step 2, and whenever a commit must be looked up: 1 HEAD.
pub(super) async fn find(dataset: &Dataset, place: &Place) -> Result<Option<Outcome>> {
    let found = dataset.find_commit(place.commit_key()).await?;
    found.map(|found| outcome(dataset, place, found)).transpose()
}

fn outcome(dataset: &Dataset, place: &Place, found: FoundCommit) -> Result<Outcome> {
    let late = judge::was_late(&found.meta, found.last_modified, dataset.commit_timeout());
    Ok(Outcome { commit: place.commit(&found.meta)?, late })
}

/// Step 4: puts the data file and the views' markers, side by side. All must have landed before step 5.
pub(super) async fn land(dataset: &Dataset, prepared: Prepared, markers: &PartMarkers) -> Result<Landed> {
    futures_util::try_join!(put_data(dataset, &prepared), put_markers(dataset, markers))?;
    Ok(prepared.landed())
}

async fn put_data(dataset: &Dataset, prepared: &Prepared) -> Result<()> {
    let requests = dataset.client();
    let permit = requests.permit(Operation::Put).await?;
    let DataFile { body, md5 } = prepared.file();
    let put = Put::digested(prepared.data_key(), body.clone(), md5);
    let put = requests.put(&permit, &put).await;
    put.map_err(|failure| failure.into_error(format!("put data file {}", prepared.data_key())))
}

/// 1 PUT for each marker that no other partition of the write has put.
async fn put_markers(dataset: &Dataset, markers: &PartMarkers) -> Result<()> {
    dataset.metrics().fanout(markers.0.len(), dataset.client().permits());
    let mut waiting = markers.0.iter();
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < dataset.client().permits() {
            let Some((key, landing)) = waiting.next() else { break };
            under_way.push(landing.get_or_try_init(|| put_marker(dataset, key)));
        }
        match under_way.next().await {
            Some(landed) => landed.map(drop)?,
            None => return Ok(()),
        }
    }
}

/// 1 PUT.
pub(crate) async fn put_marker(dataset: &Dataset, key: &str) -> Result<()> {
    let permit = dataset.client().permit(Operation::Put).await?;
    let put = dataset.client().put(&permit, &Put::new(key, bytes::Bytes::new())).await;
    put.map_err(|failure| failure.into_error(format!("put marker {key}")))
}

/// Steps 5 to 7, to their end. To be run in a task of its own.
async fn commit(dataset: &Dataset, landed: Landed, mode: Mode, tally: &Tally) -> Result<Outcome, CommitError> {
    // One permit for ref and commit: between them nothing waits, least of all behind other data files.
    let permit = dataset.client().permit(Operation::Put).await?;
    dataset.check_clock()?;
    let started = dataset.clock().monotonic();
    let micros = dataset.clock().micros();
    let ref_key = landed.ref_key(micros)?;
    put_ref(dataset, &permit, &ref_key).await?;
    let bytes = landed.bytes();
    let referenced = landed.referenced(micros);

    let result = put_commit(dataset, &permit, &referenced, mode).await;
    let elapsed = dataset.clock().monotonic().saturating_duration_since(started);
    let late = judge::is_late(micros, dataset.clock().micros(), elapsed, dataset.commit_timeout());
    if let Err(CommitError::Unknown(_)) = &result {
        dataset.metrics().unknown_outcome();
    }
    if let Committed::Theirs(found) = result? {
        if mode == Mode::Optimistic {
            dataset.metrics().optimistic_collision();
        }
        tally.committed(found.meta.record_count, 0);
        return Ok(outcome(dataset, &referenced.attempt().place, found)?);
    }
    tally.committed(referenced.meta().record_count, bytes);
    if late {
        dataset.metrics().commit_after_timeout();
    }
    // With a commit of ours only: a backend that ignores the condition would put ours over another's.
    if mode == Mode::Proving && dataset.proof().state() == Proven::Open {
        prove(dataset, &permit, &referenced).await;
    }
    Ok(Outcome { commit: referenced.committed()?, late })
}

/// Step 5: 1 PUT.
pub(super) async fn put_ref(dataset: &Dataset, permit: &Permit, key: &str) -> Result<()> {
    let put = tail_put(dataset, key);
    let put = dataset.client().put(permit, &put).await;
    put.map_err(|failure| failure.into_error(format!("put ref {key}")))
}

/// Whose attempt the commit names.
enum Committed {
    Ours,
    Theirs(FoundCommit),
}

/// Step 6: the conditional PUT, and a HEAD where its answers leave something open.
async fn put_commit(
    dataset: &Dataset,
    permit: &Permit,
    referenced: &Referenced,
    mode: Mode,
) -> Result<Committed, CommitError> {
    let key = referenced.attempt().place.commit_key();
    let strictly = if mode == Mode::Optimistic { Strictly::Yes } else { Strictly::No };
    let Err(failure) = dataset.client().put_new(permit, &commit_put(dataset, referenced), strictly).await else {
        return Ok(Committed::Ours);
    };
    if mode == Mode::Optimistic && failure.class == Class::NotImplemented {
        dataset.proof().record(Proven::Ignored);
    }
    let unknown = |cause| CommitError::Unknown(Box::new(referenced.attempt().unknown(cause)));
    let cause = |failure: Failure| failure.into_error(format!("put commit {key}"));
    if !judge::must_look(&failure) {
        return Err(CommitError::NotCommitted(cause(failure)));
    }
    let found = match dataset.find_commit_with(permit, key).await {
        Ok(found) => found,
        // Whatever lies there, this answer does not say that it is not ours.
        Err(error) => return Err(unknown(error.context(cause(failure)))),
    };
    match judge::settle(&failure, found, referenced.meta().attempt) {
        Settled::Ours => Ok(Committed::Ours),
        Settled::Theirs(found) => Ok(Committed::Theirs(found)),
        Settled::NotCommitted => Err(CommitError::NotCommitted(cause(failure))),
        Settled::Unknown => Err(unknown(cause(failure))),
    }
}

/// Puts a commit of ours once more, conditionally and with the same metadata: the backend must refuse it.
async fn prove(dataset: &Dataset, permit: &Permit, referenced: &Referenced) {
    match dataset.client().put_new(permit, &commit_put(dataset, referenced), Strictly::Yes).await {
        Ok(()) => dataset.proof().record(Proven::Ignored),
        Err(failure) => match failure.class {
            Class::Precondition | Class::Forbidden => dataset.proof().record(Proven::Enforced),
            Class::NotImplemented => dataset.proof().record(Proven::Ignored),
            _ => tracing::debug!(%failure, "could not tell whether the backend enforces if-none-match"),
        },
    }
}

fn commit_put<'a>(dataset: &Dataset, referenced: &'a Referenced) -> Put<'a> {
    let put = tail_put(dataset, referenced.attempt().place.commit_key());
    Put { metadata: referenced.meta().to_metadata().into(), ..put }
}

/// An empty object of the write's tail, with its deadline: at most a quarter of the commit timeout a try.
fn tail_put<'a>(dataset: &Dataset, key: &'a str) -> Put<'a> {
    let deadline = (dataset.commit_timeout() / 4).max(LEAST_TAIL_DEADLINE);
    let try_deadline = Some(deadline.min(dataset.client().try_deadline()));
    Put { try_deadline, ..Put::new(key, bytes::Bytes::new()) }
}

/// Which mode an optimistic write to this dataset takes.
pub(super) fn optimistic_mode(dataset: &Dataset) -> Result<Mode> {
    match dataset.proof().state() {
        Proven::Open => Ok(Mode::Proving),
        Proven::Enforced => Ok(Mode::Optimistic),
        Proven::Ignored => Err(Error::new(
            ErrorKind::Refused,
            "optimistic_commit needs a backend that enforces if-none-match, or a policy that denies overwriting commits, \
             and this one was seen to do neither; write without it",
        )),
    }
}

/// Runs the tail of an attempt to its end, even if the caller goes away.
pub(super) fn detach(
    dataset: &Dataset,
    landed: Landed,
    mode: Mode,
    tally: &Arc<Tally>,
) -> impl Future<Output = Result<Outcome, CommitError>> + Send + use<> {
    let attempt: Attempt = landed.attempt().clone();
    let (owned, tally, under_way) = (dataset.clone(), Arc::clone(tally), dataset.metrics().tail());
    let tail = async move {
        let _under_way = under_way;
        commit(&owned, landed, mode, &tally).await
    };
    let task = dataset.tails().spawn(tail.in_current_span());
    let metrics = dataset.metrics().clone();
    async move {
        task.await.unwrap_or_else(|error| {
            metrics.unknown_outcome();
            let cause = task_error(error).context("between ref and commit, which drain() waits for");
            Err(CommitError::Unknown(Box::new(attempt.unknown(cause))))
        })
    }
}
