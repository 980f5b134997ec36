//! A write to several partitions, side by side.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::Options;
use super::attempt::{Attempt, Landed, Place};
use super::encode;
use super::group::{Group, Rows};
use super::markers::{Markers, PartMarkers};
use super::outcome::{Commit, CommitError, WriteError};
use super::protocol::{self, Mode, Outcome};
use super::token::{Tokens, validated};
use crate::codec::Encoder;
use crate::dataset::{Dataset, Store};
use crate::error::Result;
use crate::format::{AttemptId, Token};
use crate::ids;
use crate::metrics::Tally;
use crate::record::{RootRecord, ViewWriter};

/// Everything that a write will do, validated; nothing was sent.
pub(super) struct Plan<'a, T> {
    dataset: Dataset,
    encoder: Arc<Encoder>,
    inserted_at: i64,
    views: Vec<ViewWriter<T>>,
    /// In key order.
    parts: Vec<Part<'a, T>>,
}

/// One partition's share.
struct Part<'a, T> {
    attempt: Attempt,
    rows: Rows<'a, T>,
    /// Whether the token is the caller's, so that an earlier commit of it may exist.
    retried: bool,
    mode: Mode,
    markers: PartMarkers,
}

/// Where a partition's write has got to when its caller's share ends.
enum Step {
    /// The token had committed before.
    Found(Outcome),
    /// The data has landed: the rest runs detached.
    Landed(Landed, Mode),
}

impl<'a, T: RootRecord> Plan<'a, T> {
    pub(super) fn new(
        store: &Store<T>,
        groups: Vec<Group<'a, T>>,
        tokens: &mut impl Tokens<'a, T>,
        options: Options,
    ) -> Result<Self> {
        let dataset = store.dataset().clone();
        let encoder = store.encoder(options.compression)?;
        let now = || dataset.clock().micros();
        let inserted_at = options.inserted_at.map_or_else(now, |time| time.timestamp_micros());
        let mut parts = Vec::with_capacity(groups.len());
        for group in groups {
            let token = validated(tokens.token(&|| group.partition())?)?;
            let mode = match options.optimistic && token.is_some() {
                true => protocol::optimistic_mode(&dataset)?,
                false => Mode::Usual,
            };
            let id = AttemptId::from_bytes(ids::attempt(dataset.clock()));
            let retried = token.is_some();
            let token = token.unwrap_or_else(|| Token::of_attempt(id));
            let place = Place::new(dataset.keys(), group.key, token)?;
            let (attempt, markers) = (Attempt::new(place, id, inserted_at)?, PartMarkers::default());
            parts.push(Part { attempt, rows: group.rows, retried, mode, markers });
        }
        if !parts.is_empty() {
            dataset.check_clock()?;
        }
        Ok(Self { dataset, encoder, inserted_at, views: store.views(), parts })
    }

    /// What of the validation takes time: the markers of all views.
    async fn find_markers(&mut self) -> Result<()> {
        let mut markers = Markers::default();
        for part in &mut self.parts {
            part.markers = markers.of(self.dataset.keys(), &self.views, &part.rows).await?;
        }
        Ok(())
    }

    /// Writes the only partition, if there is one.
    pub(super) async fn run_one(mut self, tally: &Arc<Tally>) -> Result<Option<Commit>, CommitError> {
        self.find_markers().await?;
        let Some(part) = self.parts.first() else { return Ok(None) };
        let outcome = match self.begin(part, tally).await? {
            Step::Found(outcome) => outcome,
            Step::Landed(landed, mode) => protocol::detach(&self.dataset, landed, mode, tally).await?,
        };
        outcome.into_result().map(Some)
    }

    /// Writes all partitions. When one fails, those whose data has not landed are stopped, and the others awaited.
    pub(super) async fn run(mut self, tally: &Arc<Tally>) -> Result<Vec<Commit>, WriteError> {
        self.find_markers().await.map_err(WriteError::nothing)?;
        if self.parts.len() > 1 {
            for part in &self.parts {
                encode::validate(&part.rows, self.inserted_at).await.map_err(WriteError::nothing)?;
            }
        }
        self.dataset.metrics().fanout(self.parts.len(), self.dataset.client().permits());
        let mut waiting = self.parts.iter().enumerate();
        let mut begun = FuturesUnordered::new();
        let mut tails = FuturesUnordered::new();
        let mut results = Results::default();
        loop {
            while results.goes_on() && begun.len() < self.dataset.client().permits() {
                let Some((place, part)) = waiting.next() else { break };
                let step = self.begin(part, tally);
                begun.push(async move { (place, step.await) });
            }
            tokio::select! {
                // A partition whose data has landed is detached in the same poll: a drop can't come between.
                Some((place, step)) = begun.next() => match step {
                    Ok(Step::Landed(landed, mode)) => {
                        let tail = protocol::detach(&self.dataset, landed, mode, tally);
                        tails.push(async move { (place, tail.await) });
                    }
                    Ok(Step::Found(outcome)) => results.add(place, Ok(outcome)),
                    Err(error) => results.add(place, Err(CommitError::NotCommitted(error))),
                },
                Some((place, outcome)) = tails.next() => results.add(place, outcome),
                else => return results.finish(),
            }
            if !results.goes_on() {
                begun.clear();
            }
        }
    }

    /// Steps 2 to 4 for one partition.
    async fn begin(&self, part: &Part<'a, T>, tally: &Tally) -> Result<Step> {
        if part.retried
            && part.mode != Mode::Optimistic
            && let Some(outcome) = protocol::find(&self.dataset, &part.attempt.place).await?
        {
            tally.committed(outcome.commit.record_count, 0);
            return Ok(Step::Found(outcome));
        }
        let file = encode::encode(&part.rows, self.inserted_at, Arc::clone(&self.encoder)).await?;
        let prepared = part.attempt.clone().prepared(file, part.rows.len() as u64);
        let landed = protocol::land(&self.dataset, prepared, &part.markers).await?;
        Ok(Step::Landed(landed, part.mode))
    }
}

/// The partitions' results, by their place in key order.
#[derive(Default)]
struct Results {
    outcomes: Vec<(usize, Result<Commit, CommitError>)>,
    stopped: bool,
}

impl Results {
    fn add(&mut self, place: usize, outcome: Result<Outcome, CommitError>) {
        let result = outcome.and_then(Outcome::into_result);
        self.stopped |= matches!(result, Err(CommitError::NotCommitted(_) | CommitError::Unknown(_)));
        self.outcomes.push((place, result));
    }

    fn goes_on(&self) -> bool {
        !self.stopped
    }

    fn finish(self) -> Result<Vec<Commit>, WriteError> {
        let Self { mut outcomes, stopped } = self;
        // The first failure in time is the cause; the rest is told in key order.
        let mut error = WriteError { committed: Vec::new(), late: Vec::new(), unknown: Vec::new(), cause: None };
        if let Some(first) = outcomes.iter().position(|(_, result)| matches!(result, Err(CommitError::NotCommitted(_))))
            && let (_, Err(CommitError::NotCommitted(cause))) = outcomes.swap_remove(first)
        {
            error.cause = Some(cause);
        }
        outcomes.sort_by_key(|(place, _)| *place);
        for (_, result) in outcomes {
            match result {
                Ok(commit) => error.committed.push(commit),
                Err(CommitError::Late(commit)) => error.late.push(*commit),
                Err(CommitError::Unknown(unknown)) => error.unknown.push(*unknown),
                Err(CommitError::NotCommitted(further)) => tracing::debug!(%further, "a further partition failed"),
            }
        }
        if stopped || !error.late.is_empty() { Err(error) } else { Ok(error.committed) }
    }
}
