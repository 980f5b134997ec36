//! The plan of a write: one attempt for each partition, validated, and their concurrent execution, repeated if wanted.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::Either;
use futures_util::stream::FuturesUnordered;

use super::attempt::{Attempt, CommitSlot, Landed, OtherRecords};
use super::builder::WriteOptions;
use super::commit::{Commit, StampedCommit};
use super::error::{CommitError, FailedPartition, WriteError};
use super::group::Group;
use super::judge::Timeliness;
use super::markers::{PartitionMarkers, WriteMarkers};
use super::protocol::{self, Mode, TimedCommit};
use super::source::{FileOptions, Records, Source};
use super::token::{Tokens, validated};
use super::{encode, finisher, late};
use crate::codec::Encoder;
use crate::dataset::{Dataset, Store, Subject};
use crate::error::{ErrorKind, Result};
use crate::format::{AttemptId, CommitMeta, Token};
use crate::ids;
use crate::metrics::Tally;
use crate::record::{Description, RootRecord};
use crate::schema::{Access, SchemaView};

/// A validated write, before its first request.
pub(super) struct Plan<S> {
    dataset: Dataset,
    file: FileOptions,
    record: &'static Description,
    views: Vec<SchemaView>,
    options: WriteOptions,
    /// How many refs to put for a late commit at most.
    restamps: u32,
    /// In key order.
    partitions: Vec<PartitionWrite<S>>,
}

/// The dataset and the record type of a write.
#[derive(Clone)]
pub(super) struct WriteTarget {
    pub(super) dataset: Dataset,
    pub(super) encoder: Arc<Encoder>,
    pub(super) record: &'static Description,
    views: Vec<SchemaView>,
}

impl WriteTarget {
    pub(super) fn of<T: RootRecord>(store: &Store<T>, options: &WriteOptions) -> Result<Self> {
        let (dataset, encoder) = (store.dataset().clone(), store.encoder(options.compression)?);
        let views = store.views().iter().map(|view| SchemaView::new(view.name, view.columns)).collect();
        Ok(Self { dataset, encoder, record: T::description(), views })
    }
}

/// The write to one partition.
struct PartitionWrite<S> {
    attempt: Attempt,
    records: S,
    token: TokenKind,
    mode: Mode,
    markers: PartitionMarkers,
    /// The commit of an earlier try, which was late.
    late: Option<Commit>,
}

/// The origin of a partition's token. It decides who can repeat the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// The caller's. Anybody can repeat the write, and may have done so before.
    Callers,
    /// That of a writer's flush, which only the writer repeats.
    Writers,
    /// The attempt's id. Another attempt has another token.
    Attempts,
}

/// The state of a partition when the part of its write that the caller can cancel has ended.
enum Begun {
    /// The token had been committed before.
    AlreadyCommitted(TimedCommit),
    /// The data has landed. The rest is done by a finisher.
    Landed(Landed, Mode),
}

impl<'a, T: RootRecord> Plan<Records<'a, T>> {
    /// Validates keys, tokens and options of all partitions. Sends nothing. Waits only for tokens that are made of the
    /// records.
    pub(super) async fn new<K: Tokens<'a, T>>(
        store: &Store<T>,
        groups: Vec<Group<'a, T>>,
        tokens: &mut K,
        options: WriteOptions,
        restamps: u32,
    ) -> Result<Self> {
        let dataset = store.dataset().clone();
        let now = || dataset.clock().micros();
        let inserted_at = options.inserted_at.map_or_else(now, |time| time.timestamp_micros());
        let mut plan = Self::empty(&WriteTarget::of(store, &options)?, inserted_at, options, restamps);
        let views: Arc<[_]> = store.views().into();
        for group in groups {
            let token = match K::OF_CONTENT {
                true => content_token(&dataset, &group, options.keep_going).await?,
                false => tokens.token(&|| group.partition())?,
            };
            let token = validated(token)?;
            let kind = if token.is_some() { TokenKind::Callers } else { TokenKind::Attempts };
            let mode = match options.optimistic && token.is_some() {
                true => protocol::optimistic_mode(&dataset)?,
                false => Mode::Usual,
            };
            let id = AttemptId::from_bytes(ids::attempt(dataset.clock()));
            let token = token.unwrap_or_else(|| Token::of_attempt(id));
            let slot = CommitSlot::new(&dataset, group.key, token)?;
            let other_records = if options.accept_other_records { OtherRecords::Accept } else { OtherRecords::Refuse };
            let attempt = Attempt::new(slot, id, inserted_at, other_records)?;
            plan.add(attempt, Records { rows: group.rows, views: Arc::clone(&views) }, kind, mode);
        }
        Ok(plan)
    }
}

impl<S: Source> Plan<S> {
    /// Returns a plan without partitions.
    pub(super) fn empty(target: &WriteTarget, inserted_at: i64, options: WriteOptions, restamps: u32) -> Self {
        let WriteTarget { dataset, encoder, record, views } = target.clone();
        let file = FileOptions { dataset: dataset.clone(), encoder, inserted_at };
        Self { dataset, file, record, views, options, restamps, partitions: Vec::new() }
    }

    /// Adds a partition. The caller adds them in key order.
    pub(super) fn add(&mut self, attempt: Attempt, records: S, token: TokenKind, mode: Mode) {
        let markers = PartitionMarkers::default();
        self.partitions.push(PartitionWrite { attempt, records, token, mode, markers, late: None });
    }

    /// Finds the markers of all views, and checks the clock. Both take time, so they are not done by [`new`](Self::new).
    async fn prepare(&mut self) -> Result<()> {
        let mut markers = WriteMarkers::default();
        for partition in &mut self.partitions {
            partition.markers = markers.of_partition(partition.records.marker_keys(&self.dataset).await?);
        }
        if !self.partitions.is_empty() {
            self.dataset.check_clock(None).await?;
        }
        Ok(())
    }

    /// Checks that the record fits the dataset, once for each handle. The records are valid, so that an invalid write
    /// sends nothing.
    async fn check_schema(&self) -> Result<()> {
        let subject = Subject::new(self.record, self.record, Access::Write, self.views.clone());
        self.dataset.check_schema(subject).await
    }

    /// Writes the only partition. Returns `None` if there is none.
    pub(super) async fn run_one(self, tally: &Arc<Tally>) -> Result<Option<StampedCommit>, CommitError> {
        self.tries(tally).await.outcomes.pop().flatten().transpose()
    }

    /// Writes all partitions, as many concurrently as there are permits.
    pub(super) async fn run(self, tally: &Arc<Tally>) -> Result<Vec<StampedCommit>, WriteError> {
        self.tries(tally).await.into_result()
    }

    /// Tries to write all partitions, and then again those that may succeed later, as long as the retry policy allows.
    async fn tries(mut self, tally: &Arc<Tally>) -> Outcomes {
        let clock = self.dataset.clock().clone();
        let (began, mut tries) = (clock.monotonic(), 0_u32);
        let mut outcomes =
            Outcomes::new(self.partitions.iter().map(|partition| partition.attempt.slot.partition.as_str().to_owned()));
        let mut wanted: Vec<usize> = (0..self.partitions.len()).collect();
        loop {
            self.try_once(&wanted, tries == 0, tally, &mut outcomes).await;
            tries = tries.saturating_add(1);
            let Some(policy) = self.options.retry else { return outcomes };
            wanted = self.repeatable(&outcomes);
            if wanted.is_empty() {
                return outcomes;
            }
            let Some(pause) = policy.pause_after(tries, began, clock.monotonic()) else { return outcomes };
            let (partitions, error) = (wanted.len(), outcomes.message());
            tracing::warn!(partitions, tries, ?pause, error, "a write failed; it is tried again after a pause");
            clock.sleep(pause).await;
            for &index in &wanted {
                if let Err(error) = self.renew(index, outcomes.take(index)) {
                    outcomes.add(index, Err(CommitError::NotCommitted(error)));
                    return outcomes;
                }
            }
        }
    }

    /// Returns the partitions that another try may commit. None, if a failure remains whatever is tried.
    fn repeatable(&self, outcomes: &Outcomes) -> Vec<usize> {
        let (mut repeatable, mut fails_anyway) = (Vec::new(), false);
        for (index, (partition, outcome)) in self.partitions.iter().zip(&outcomes.outcomes).enumerate() {
            let may_succeed = match outcome {
                Some(Ok(_)) => continue,
                None => true,
                Some(Err(CommitError::NotCommitted(cause))) => cause.is_transient(),
                Some(Err(CommitError::Unknown(_))) => partition.token != TokenKind::Attempts,
                Some(Err(CommitError::Late(_))) => self.restamps > 0,
            };
            if may_succeed {
                repeatable.push(index);
            } else {
                fails_anyway |= !matches!(outcome, Some(Err(CommitError::Late(_))));
            }
        }
        if fails_anyway && !self.options.keep_going { Vec::new() } else { repeatable }
    }

    /// Makes a new attempt for a partition, as the caller would by repeating the call.
    fn renew(&mut self, index: usize, outcome: Option<Result<StampedCommit, CommitError>>) -> Result<()> {
        let Some(partition) = self.partitions.get_mut(index) else { return Ok(()) };
        if let Some(Err(CommitError::Late(commit))) = outcome {
            partition.late = Some(*commit);
            return Ok(());
        }
        let keeps_token = partition.token != TokenKind::Attempts;
        partition.attempt = partition.attempt.renewed(&self.dataset, keeps_token, self.file.inserted_at)?;
        // An earlier try may have committed, so the HEAD is worth its request.
        partition.mode = Mode::Usual;
        Ok(())
    }

    /// Writes the partitions `wanted`, as many concurrently as there are permits.
    ///
    /// When one fails, it cancels those whose data has not landed, and waits for the others, so that the outcomes are
    /// complete. With `keep_going` it cancels none.
    async fn try_once(&mut self, wanted: &[usize], is_first: bool, tally: &Arc<Tally>, outcomes: &mut Outcomes) {
        let Some(&first) = wanted.first() else { return };
        let keep_going = self.options.keep_going;
        let mut prepared = self.prepare().await;
        // A bad row must fail the write before any partition is committed. A single partition is encoded before its
        // first PUT anyway.
        if self.partitions.len() > 1 && !keep_going && is_first {
            for partition in &self.partitions {
                if prepared.is_ok() {
                    prepared = partition.records.validate(&self.file).await;
                }
            }
        }
        if prepared.is_ok() {
            prepared = self.check_schema().await;
        }
        if let Err(error) = prepared {
            return outcomes.add(first, Err(CommitError::NotCommitted(error)));
        }
        let permits = self.dataset.client().permits();
        self.dataset.metrics().fanout(wanted.len(), permits);
        let this = &*self;
        let mut waiting = wanted.iter().filter_map(|&index| Some((index, this.partitions.get(index)?)));
        let mut begun = FuturesUnordered::new();
        let mut finishers = FuturesUnordered::new();
        let mut stopped = false;
        loop {
            while !stopped && begun.len() < permits {
                let Some((index, partition)) = waiting.next() else { break };
                let begin = this.begin(partition, tally);
                begun.push(async move { (index, begin.await) });
            }
            let (index, outcome) = tokio::select! {
                // The finisher is spawned in the poll that reports the data as landed: a drop can't come between.
                Some((index, result)) = begun.next() => match result {
                    Ok(begun) => {
                        let finisher = this.finish(begun, tally);
                        finishers.push(async move { (index, finisher.await) });
                        continue;
                    }
                    Err(error) => (index, Err(CommitError::NotCommitted(error))),
                },
                Some(finished) = finishers.next() => finished,
                else => return,
            };
            stopped |= !keep_going && matches!(outcome, Err(CommitError::NotCommitted(_) | CommitError::Unknown(_)));
            outcomes.add(index, outcome);
            if stopped {
                begun.clear();
            }
        }
    }

    /// Performs steps 2 to 4 for one partition.
    async fn begin(&self, partition: &PartitionWrite<S>, tally: &Tally) -> Result<Begun> {
        if let Some(commit) = partition.late.clone() {
            return Ok(Begun::AlreadyCommitted(TimedCommit { commit, timeliness: Timeliness::Late }));
        }
        let (attempt, is_callers) = (&partition.attempt, partition.token == TokenKind::Callers);
        let may_be_committed = is_callers || (partition.token == TokenKind::Writers && attempt.is_repeated());
        if may_be_committed
            && partition.mode != Mode::Optimistic
            && let Some(found) = self.dataset.find_commit(attempt.slot.commit_key()).await?
        {
            self.check_records(partition, &found.meta).await?;
            tally.committed(found.meta.record_count, 0);
            return protocol::timed(&self.dataset, attempt, found).map(Begun::AlreadyCommitted);
        }
        let landed = partition.records.land(attempt.clone(), &self.file, is_callers, &partition.markers).await?;
        Ok(Begun::Landed(landed, partition.mode))
    }

    /// Checks that the commit of a token has the records of this write. Computes their digest only if it decides.
    async fn check_records(&self, partition: &PartitionWrite<S>, found: &CommitMeta) -> Result<()> {
        let (attempt, records) = (&partition.attempt, partition.records.record_count());
        let decides = found.record_count == records && attempt.may_compare(found, Some(self.file.encoder.columns()));
        let content = match decides {
            true => Some(partition.records.digest(&self.file).await?),
            false => None,
        };
        attempt.check_records(found, records, content)
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

/// Returns the token of a partition's records. With `keep_going`, it returns none for records that do not fit their columns:
/// only their partition fails, before its first request.
async fn content_token<T: RootRecord>(
    dataset: &Dataset,
    group: &Group<'_, T>,
    keep_going: bool,
) -> Result<Option<String>> {
    match encode::content_token(&group.rows, dataset.clock()).await {
        Err(error) if keep_going && error.kind() == ErrorKind::InvalidInput => Ok(None),
        token => token.map(Some),
    }
}

/// The outcomes of the partitions so far. `None` for a partition that was not tried, or was cancelled.
struct Outcomes {
    /// The partitions' keys, in order.
    partitions: Vec<String>,
    /// By the partition's index in key order.
    outcomes: Vec<Option<Result<StampedCommit, CommitError>>>,
    /// The first partition of the last try that was not committed.
    first_failed: Option<usize>,
}

impl Outcomes {
    fn new(partitions: impl IntoIterator<Item = String>) -> Self {
        let partitions: Vec<_> = partitions.into_iter().collect();
        let outcomes = partitions.iter().map(|_| None).collect();
        Self { partitions, outcomes, first_failed: None }
    }

    fn add(&mut self, index: usize, outcome: Result<StampedCommit, CommitError>) {
        if matches!(outcome, Err(CommitError::NotCommitted(_))) {
            self.first_failed.get_or_insert(index);
        }
        if let Some(slot) = self.outcomes.get_mut(index) {
            *slot = Some(outcome);
        }
    }

    /// Takes the outcome of a partition that is tried again.
    fn take(&mut self, index: usize) -> Option<Result<StampedCommit, CommitError>> {
        self.first_failed = self.first_failed.filter(|&failed| failed != index);
        self.outcomes.get_mut(index).and_then(Option::take)
    }

    /// Returns the message of a failure, for the log.
    fn message(&self) -> String {
        let failed = self.first_failed.and_then(|index| self.outcomes.get(index)?.as_ref());
        let any = self.outcomes.iter().flatten().find(|outcome| outcome.is_err());
        let error = failed.or(any).and_then(|outcome| outcome.as_ref().err());
        error.map(ToString::to_string).unwrap_or_default()
    }

    fn into_result(mut self) -> Result<Vec<StampedCommit>, WriteError> {
        let mut committed = Vec::new();
        let (mut late, mut unknown, mut also_failed) = (Vec::new(), Vec::new(), Vec::new());
        // The cause is the first failure in time. The lists are in key order.
        let mut cause = match self.first_failed.and_then(|index| self.take(index)) {
            Some(Err(CommitError::NotCommitted(cause))) => Some(cause),
            _ => None,
        };
        for (partition, outcome) in self.partitions.into_iter().zip(self.outcomes) {
            match outcome {
                Some(Ok(stamped)) => committed.push(stamped),
                Some(Err(CommitError::Late(commit))) => late.push(*commit),
                Some(Err(CommitError::Unknown(outcome))) => unknown.push(*outcome),
                Some(Err(CommitError::NotCommitted(first))) if cause.is_none() => cause = Some(first),
                Some(Err(CommitError::NotCommitted(cause))) => also_failed.push(FailedPartition { partition, cause }),
                None => {}
            }
        }
        if cause.is_none() && late.is_empty() && unknown.is_empty() {
            return Ok(committed);
        }
        let committed = committed.into_iter().map(|stamped| stamped.commit).collect();
        Err(WriteError { committed, late, unknown, cause, also_failed })
    }
}
