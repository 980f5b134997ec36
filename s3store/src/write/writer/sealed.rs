//! A flush: records that are written under one token, again and again until all of them are committed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::super::attempt::{Attempt, CommitSlot, FileInParts, Landed, OtherRecords};
use super::super::builder::WriteOptions;
use super::super::commit::{Commit, StampedCommit};
use super::super::error::WriteError;
use super::super::markers::PartitionMarkers;
use super::super::plan::{Plan, TokenKind, WriteTarget};
use super::super::protocol::Mode;
use super::super::source::{FileOptions, Source};
use super::buffer::{Buffer, Buffers};
use super::limits::Limits;
use super::rows::{PartitionRows, reduce};
use super::upload::{self, FileInProgress};
use crate::codec::{ContentHasher, Fast};
use crate::cpu;
use crate::dataset::MemoryReserve;
use crate::error::Result;
use crate::format::{AttemptId, ContentDigest, PartitionKey, Token};
use crate::ids;
use crate::metrics::Tally;
use crate::record::Description;

/// How many batches are hashed before the thread takes other work.
const BATCHES_PER_TURN: usize = 16;

/// The records of a flush. They do not change until they are committed, so that the token stays theirs.
pub(super) struct Sealed {
    token: Token,
    kind: TokenKind,
    inserted_at: i64,
    /// The partitions that are not committed yet.
    partitions: BTreeMap<PartitionKey, SealedPartition>,
}

struct SealedPartition {
    buffer: Buffer,
    attempts: Vec<AttemptId>,
}

impl Sealed {
    pub(super) fn new(buffers: Buffers, token: Token, kind: TokenKind, inserted_at: i64) -> Self {
        let sealed = |(key, buffer)| (key, SealedPartition { buffer, attempts: Vec::new() });
        Self { token, kind, inserted_at, partitions: buffers.partitions.into_iter().map(sealed).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    pub(super) fn records(&self) -> u64 {
        self.partitions.values().map(|partition| partition.buffer.size.records).sum()
    }

    /// Writes the partitions that are not committed yet. Forgets those that are committed then. `restamps` is how many refs to
    /// put for a late commit at most.
    ///
    /// It does not depend on the record's type, so that it is compiled once.
    pub(super) async fn flush(
        &mut self,
        target: &WriteTarget,
        options: WriteOptions,
        limits: &Limits,
        restamps: u32,
        tally: &Arc<Tally>,
    ) -> Result<Vec<StampedCommit>, WriteError> {
        let reserve = MemoryReserve::new(limits.encoding_bytes());
        let stamped = match self.plan(target, options, limits, restamps, &reserve) {
            Ok(plan) => plan.run(tally).await,
            Err(error) => Err(WriteError::not_committed(error)),
        };
        match &stamped {
            Ok(stamped) => self.remove(stamped.iter().map(|stamped| &stamped.commit)),
            Err(error) => self.remove(error.committed.iter().chain(&error.late)),
        }
        stamped
    }

    /// Makes new attempts for all partitions. `reserve` is the memory that they share.
    fn plan<'s>(
        &'s mut self,
        target: &WriteTarget,
        options: WriteOptions,
        limits: &'s Limits,
        restamps: u32,
        reserve: &'s MemoryReserve,
    ) -> Result<Plan<FlushedPartition<'s>>> {
        let dataset = &target.dataset;
        let mut plan = Plan::empty(target, self.inserted_at, options, restamps);
        for (key, partition) in &mut self.partitions {
            let id = AttemptId::from_bytes(ids::attempt(dataset.clock()));
            let slot = CommitSlot::new(dataset, key.clone(), self.token.clone())?;
            let attempt = Attempt::new(slot, id, self.inserted_at, OtherRecords::Refuse)?.after(&partition.attempts);
            partition.attempts.push(id);
            let flushed = FlushedPartition { buffer: &partition.buffer, description: target.record, limits, reserve };
            plan.add(attempt, flushed, self.kind, Mode::Usual);
        }
        Ok(plan)
    }

    /// Forgets the records that are committed.
    fn remove<'c>(&mut self, commits: impl IntoIterator<Item = &'c Commit>) {
        let committed: HashSet<&str> = commits.into_iter().map(|commit| commit.partition.as_str()).collect();
        self.partitions.retain(|key, _| !committed.contains(key.as_str()));
    }
}

/// A partition of a flush.
pub(in super::super) struct FlushedPartition<'s> {
    buffer: &'s Buffer,
    description: &'static Description,
    limits: &'s Limits,
    reserve: &'s MemoryReserve,
}

impl FlushedPartition<'_> {
    /// Returns the memory that it takes to encode the file.
    fn memory(&self) -> u64 {
        // Besides the merge: a row group, and the one before in parts.
        let file = self.buffer.size.bytes.min(2 * self.limits.group_bytes() as u64);
        let runs: u64 = self.buffer.runs.iter().map(crate::spill::SpilledRun::memory).sum();
        runs.min(self.limits.merge_bytes()).saturating_add(file)
    }

    /// Returns the rows in the order of the file.
    async fn rows(&self, file: &FileOptions) -> Result<PartitionRows> {
        let (runs, batches) = (self.buffer.runs.clone(), self.buffer.batches.clone());
        let (memory, spill) = (self.limits.merge_bytes(), self.limits.spill.clone());
        let batch_rows = self.buffer.size.rows_of(self.limits.spilled_batch_bytes());
        let key = self.description.key.as_ref();
        let rows = move || PartitionRows::new(&reduce(runs, key, memory, batch_rows, &spill)?, batches, key);
        cpu::run(file.dataset.clock(), rows).await
    }

    async fn put(&self, data_key: &str, file: &FileOptions, with_digest: bool) -> Result<FileInParts> {
        let rows = self.rows(file).await?;
        let records = self.buffer.size.records;
        let encoding = FileInProgress::new(&file.encoder, self.description, rows, records, self.limits, with_digest)?;
        upload::put(&file.dataset, data_key, encoding).await
    }

    async fn reserve(&self, file: &FileOptions) -> Result<tokio::sync::OwnedSemaphorePermit> {
        self.reserve.take(self.memory(), file.dataset.metrics(), |_, _| {}).await
    }
}

impl Source for FlushedPartition<'_> {
    fn record_count(&self) -> u64 {
        self.buffer.size.records
    }

    async fn marker_keys(&self, _: &crate::dataset::Dataset) -> Result<BTreeSet<String>> {
        Ok(self.buffer.markers.clone())
    }

    /// The records were converted when they were written.
    async fn validate(&self, _: &FileOptions) -> Result<()> {
        Ok(())
    }

    async fn digest(&self, file: &FileOptions) -> Result<ContentDigest> {
        let _memory = self.reserve(file).await?;
        let mut state = (self.rows(file).await?, ContentHasher::<Fast>::new(self.description));
        loop {
            let turn = move || {
                let (mut rows, mut content) = state;
                for _ in 0..BATCHES_PER_TURN {
                    let Some(batch) = rows.next_batch()? else { return Ok((rows, content, true)) };
                    content.update(batch.columns())?;
                }
                Ok((rows, content, false))
            };
            let (rows, content, has_ended) = cpu::run(file.dataset.clock(), turn).await?;
            if has_ended {
                return Ok(file.encoder.digest(content));
            }
            state = (rows, content);
        }
    }

    async fn land(
        &self,
        attempt: Attempt,
        file: &FileOptions,
        with_digest: bool,
        markers: &PartitionMarkers,
    ) -> Result<Landed> {
        let _memory = self.reserve(file).await?;
        let put = self.put(attempt.data_key(), file, with_digest);
        let (put, ()) = futures_util::try_join!(put, markers.put(&file.dataset))?;
        Ok(attempt.landed_in_parts(put, self.buffer.size.records))
    }
}

/// The most flushes of a run: the numbers of all tokens have the same length.
pub(super) const MOST_FLUSHES: u32 = 99_999_999;

/// Returns the token of a flush. The tokens of a run, and so its files, sort in the order of the flushes: files are read in
/// that order, and of records that tie, the one in the later file is kept.
pub(super) fn flush_token(run: &str, number: u32) -> Result<Token> {
    Token::new(format!("{run}.{number:08}"))
}

/// Returns a name for a run that the caller gave none.
pub(super) fn own_run(clock: &crate::clock::Clock) -> String {
    AttemptId::from_bytes(ids::attempt(clock)).to_string()
}
