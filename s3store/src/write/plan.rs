//! The plan of a write: one attempt for each partition, validated, and their concurrent execution.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::Either;
use futures_util::stream::FuturesUnordered;

use super::attempt::{Attempt, CommitSlot, Landed};
use super::builder::WriteOptions;
use super::commit::StampedCommit;
use super::error::{CommitError, WriteError};
use super::group::{Group, Rows};
use super::markers::{PartitionMarkers, WriteMarkers};
use super::protocol::{self, Mode, TimedCommit};
use super::token::{Tokens, validated};
use super::{encode, finisher, late};
use crate::codec::Encoder;
use crate::dataset::{Dataset, Store};
use crate::error::Result;
use crate::format::{AttemptId, Token};
use crate::ids;
use crate::metrics::Tally;
use crate::record::{RootRecord, ViewWriter};

/// A validated write, before its first request.
pub(super) struct Plan<'a, T> {
    dataset: Dataset,
    encoder: Arc<Encoder>,
    inserted_at: i64,
    views: Vec<ViewWriter<T>>,
    /// How many refs to put for a late commit at most.
    restamps: u32,
    /// In key order.
    partitions: Vec<PartitionWrite<'a, T>>,
}

/// The write to one partition.
struct PartitionWrite<'a, T> {
    attempt: Attempt,
    rows: Rows<'a, T>,
    /// The caller gave a token, so an earlier commit of it may exist.
    has_caller_token: bool,
    mode: Mode,
    markers: PartitionMarkers,
}

/// The state of a partition when the part of its write that the caller can cancel has ended.
enum Begun {
    /// The token had been committed before.
    AlreadyCommitted(TimedCommit),
    /// The data has landed. The rest is done by a finisher.
    Landed(Landed, Mode),
}

impl<'a, T: RootRecord> Plan<'a, T> {
    /// Validates keys, tokens and options of all partitions. Sends nothing.
    pub(super) fn new(
        store: &Store<T>,
        groups: Vec<Group<'a, T>>,
        tokens: &mut impl Tokens<'a, T>,
        options: WriteOptions,
        restamps: u32,
    ) -> Result<Self> {
        let dataset = store.dataset().clone();
        let encoder = store.encoder(options.compression)?;
        let now = || dataset.clock().micros();
        let inserted_at = options.inserted_at.map_or_else(now, |time| time.timestamp_micros());
        let mut partitions = Vec::with_capacity(groups.len());
        for group in groups {
            let token = validated(tokens.token(&|| group.partition())?)?;
            let has_caller_token = token.is_some();
            let mode = match options.optimistic && has_caller_token {
                true => protocol::optimistic_mode(&dataset)?,
                false => Mode::Usual,
            };
            let id = AttemptId::from_bytes(ids::attempt(dataset.clock()));
            let token = token.unwrap_or_else(|| Token::of_attempt(id));
            let slot = CommitSlot::new(&dataset, group.key, token)?;
            let attempt = Attempt::new(slot, id, inserted_at)?;
            let markers = PartitionMarkers::default();
            partitions.push(PartitionWrite { attempt, rows: group.rows, has_caller_token, mode, markers });
        }
        Ok(Self { dataset, encoder, inserted_at, views: store.views(), restamps, partitions })
    }

    /// Finds the markers of all views, and checks the clock. Both take time, so they are not done by [`new`](Self::new).
    async fn prepare(&mut self) -> Result<()> {
        let mut markers = WriteMarkers::default();
        for partition in &mut self.partitions {
            partition.markers = markers.of_partition(self.dataset.keys(), &self.views, &partition.rows).await?;
        }
        if !self.partitions.is_empty() {
            self.dataset.check_clock(None).await?;
        }
        Ok(())
    }

    /// Writes the only partition. Returns `None` if there is none.
    pub(super) async fn run_one(mut self, tally: &Arc<Tally>) -> Result<Option<StampedCommit>, CommitError> {
        self.prepare().await?;
        let Some(partition) = self.partitions.first() else { return Ok(None) };
        let begun = self.begin(partition, tally).await?;
        self.finish(begun, tally).await.map(Some)
    }

    /// Writes all partitions, as many concurrently as there are permits.
    ///
    /// When one fails, it cancels those whose data has not landed, and waits for the others, so that the error's lists
    /// are complete.
    pub(super) async fn run(mut self, tally: &Arc<Tally>) -> Result<Vec<StampedCommit>, WriteError> {
        self.prepare().await.map_err(WriteError::not_committed)?;
        // A bad row must fail the write before any partition is committed. A single partition is encoded before its
        // first PUT anyway.
        if self.partitions.len() > 1 {
            for partition in &self.partitions {
                let valid = encode::validate(&partition.rows, self.inserted_at, self.dataset.clock()).await;
                valid.map_err(WriteError::not_committed)?;
            }
        }
        self.dataset.metrics().fanout(self.partitions.len(), self.dataset.client().permits());
        let mut waiting = self.partitions.iter().enumerate();
        let mut begun = FuturesUnordered::new();
        let mut finishers = FuturesUnordered::new();
        let mut results = Results::default();
        loop {
            while !results.failed && begun.len() < self.dataset.client().permits() {
                let Some((index, partition)) = waiting.next() else { break };
                let begin = self.begin(partition, tally);
                begun.push(async move { (index, begin.await) });
            }
            tokio::select! {
                // The finisher is spawned in the poll that reports the data as landed: a drop can't come between.
                Some((index, result)) = begun.next() => match result {
                    Ok(begun) => {
                        let finisher = self.finish(begun, tally);
                        finishers.push(async move { (index, finisher.await) });
                    }
                    Err(error) => results.add(index, Err(CommitError::NotCommitted(error))),
                },
                Some((index, result)) = finishers.next() => results.add(index, result),
                else => return results.into_result(),
            }
            if results.failed {
                begun.clear();
            }
        }
    }

    /// Performs steps 2 to 4 for one partition.
    async fn begin(&self, partition: &PartitionWrite<'a, T>, tally: &Tally) -> Result<Begun> {
        if partition.has_caller_token
            && partition.mode != Mode::Optimistic
            && let Some(found) = protocol::find(&self.dataset, &partition.attempt.slot).await?
        {
            tally.committed(found.commit.record_count, 0);
            return Ok(Begun::AlreadyCommitted(found));
        }
        let (encoder, clock) = (Arc::clone(&self.encoder), self.dataset.clock());
        let file = encode::encode(&partition.rows, self.inserted_at, encoder, clock).await?;
        let prepared = partition.attempt.clone().prepared(file, partition.rows.len() as u64);
        let landed = protocol::land(&self.dataset, prepared, &partition.markers).await?;
        Ok(Begun::Landed(landed, partition.mode))
    }

    /// Starts the finisher of an attempt at once, and returns a future that waits for it. A commit that was found is only
    /// restamped, if it may be late.
    fn finish(
        &self,
        begun: Begun,
        tally: &Arc<Tally>,
    ) -> impl Future<Output = Result<StampedCommit, CommitError>> + Send {
        match begun {
            Begun::Landed(landed, mode) => {
                Either::Left(finisher::spawn(&self.dataset, landed, mode, self.restamps, tally))
            }
            Begun::AlreadyCommitted(commit) => Either::Right(late::repair(&self.dataset, commit, self.restamps)),
        }
    }
}

/// The results of the partitions so far, in the order in which they came in.
#[derive(Default)]
struct Results {
    /// With the partition's index in key order.
    results: Vec<(usize, Result<StampedCommit, CommitError>)>,
    /// A partition was not committed, or its outcome is unknown, so that no further partition may begin.
    failed: bool,
}

impl Results {
    fn add(&mut self, index: usize, result: Result<StampedCommit, CommitError>) {
        self.failed |= matches!(result, Err(CommitError::NotCommitted(_) | CommitError::Unknown(_)));
        self.results.push((index, result));
    }

    fn into_result(self) -> Result<Vec<StampedCommit>, WriteError> {
        let Self { mut results, failed } = self;
        let mut committed = Vec::new();
        let mut error = WriteError { committed: Vec::new(), late: Vec::new(), unknown: Vec::new(), cause: None };
        // The cause is the first failure in time. The lists are in key order.
        if let Some(first) = results.iter().position(|(_, result)| matches!(result, Err(CommitError::NotCommitted(_))))
            && let (_, Err(CommitError::NotCommitted(cause))) = results.swap_remove(first)
        {
            error.cause = Some(cause);
        }
        results.sort_by_key(|(index, _)| *index);
        for (_, result) in results {
            match result {
                Ok(stamped) => committed.push(stamped),
                Err(CommitError::Late(commit)) => error.late.push(*commit),
                Err(CommitError::Unknown(unknown)) => error.unknown.push(*unknown),
                Err(CommitError::NotCommitted(cause)) => tracing::debug!(%cause, "another partition failed, too"),
            }
        }
        if !failed && error.late.is_empty() {
            return Ok(committed);
        }
        error.committed = committed.into_iter().map(|stamped| stamped.commit).collect();
        Err(error)
    }
}
