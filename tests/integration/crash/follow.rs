//! Runs one case beside a poller. Then compares what the writers reported, what the poller received, and what `doctor`
//! finds.

use std::sync::Arc;
use std::time::Duration;

use s3store::testing::S3;
use s3store::{Commit, Dataset};

use super::bucket::{self, NamedRef, is_of, refs};
use super::case::{Case, FollowUp, Landing};
use super::leap::{Clocks, Leap, Moment};
use super::poller::{Poller, Seen};
use super::run::{RETRY, Stage, first_write, stage_on, world};
use super::writer::{FIRST_TIME, Outcome, RETRY_TIME, write};
use crate::integration::harness::{at, put, sent_by, sleep};

/// The result of a case.
pub(super) struct Followed {
    /// The moments at which the poller polled.
    pub(super) moments: Vec<Moment>,
    /// The number of polls.
    pub(super) polls: usize,
    /// The outcomes that the writers reported.
    pub(super) outcomes: Vec<&'static str>,
    /// The reported outcome of each commit that the poller missed.
    pub(super) missed: Vec<&'static str>,
    /// The number of commits that `doctor` found.
    pub(super) listed: usize,
}

/// The outcome of one writer's write to one partition.
struct Attempt {
    partition: String,
    inserted_at: i64,
    outcome: Outcome,
}

pub(super) async fn follow(case: &Case, leap: Option<(Leap, usize)>) -> Followed {
    let name = format!("{case:?}, {leap:?}");
    let world = world(case.shape);
    let clocks = Clocks::of(&world);
    let stage = stage_on(case.shape, world, clocks.writers.clone()).await;
    let poller = Poller::of(&stage.world, clocks, leap).await;
    let s3 = &stage.world.s3;
    poller.begin();
    case.faults().into_iter().for_each(|fault| s3.inject(fault));

    let attempts = perform(case, &stage, &poller).await;
    poller.seen(&name).await;
    let_everything_settle(&poller).await;
    let Seen { moments, polls, .. } = poller.seen(&name).await;
    let (missed, listed) = judge(&poller, s3, &attempts, &name).await;
    // Breaks a reference cycle: the hooks hold the poller, which holds the S3.
    s3.clear_faults();
    let outcomes = attempts.iter().map(|attempt| attempt.outcome.name()).collect();
    Followed { moments, polls, outcomes, missed, listed }
}

/// Runs the writers, from the first write to the last landing.
async fn perform(case: &Case, stage: &Stage, poller: &Arc<Poller>) -> Vec<Attempt> {
    let Stage { world, first, other } = stage;
    let mut attempts = attempts(first_write(world, first, case).await, FIRST_TIME);
    poller.turn(Moment::Between).await;
    if case.drained && !case.ends_the_process() {
        first.drain().await;
        poller.turn(Moment::Between).await;
    }
    match case.landing {
        Landing::BeforeRetry => land(&world.s3, poller).await,
        Landing::DuringRetry => land_during_the_retry(&world.s3, poller),
        Landing::AfterRetry | Landing::Never => {}
    }
    if case.follow_up != FollowUp::Nothing {
        attempts.extend(retry(other, case).await);
        poller.turn(Moment::Between).await;
    }
    if !case.ends_the_process() {
        first.drain().await;
    }
    if case.landing != Landing::Never {
        land(&world.s3, poller).await;
    }
    attempts
}

async fn retry(other: &Dataset, case: &Case) -> Vec<Attempt> {
    let token = case.follow_up == FollowUp::SameToken;
    let outcomes = write(other.clone(), case.shape, token, RETRY_TIME).await;
    other.drain().await;
    attempts(outcomes, RETRY_TIME)
}

fn attempts(outcomes: Vec<(String, Outcome)>, inserted_at: i64) -> Vec<Attempt> {
    let attempt = |(partition, outcome): (String, Outcome)| {
        // A found commit may have been restamped, with `report_late` too.
        let outcome = match outcome {
            Outcome::Committed(commit) if commit.inserted_at != at(inserted_at) => Outcome::Delivered(commit),
            outcome => outcome,
        };
        Attempt { partition, inserted_at, outcome }
    };
    outcomes.into_iter().map(attempt).collect()
}

async fn land(s3: &S3, poller: &Poller) {
    s3.land_late().await;
    poller.turn(Moment::Between).await;
}

fn land_during_the_retry(s3: &S3, poller: &Arc<Poller>) {
    let (late, poller) = (s3.clone(), Arc::clone(poller));
    let commit = put(".commit").matching(|request| sent_by(request, RETRY));
    s3.inject(commit.call_before(move |_| {
        let (late, poller) = (late.clone(), Arc::clone(&poller));
        async move { land(&late, &poller).await }
    }));
}

/// Waits until everything is settled.
async fn let_everything_settle(poller: &Poller) {
    sleep(poller.dataset.settle_window() + Duration::from_secs(2)).await;
    poller.turn(Moment::Between).await;
}

/// Checks the final state. Returns the reported outcome of each commit that the poller missed, and how many commits
/// `doctor` found.
async fn judge(poller: &Poller, s3: &S3, attempts: &[Attempt], name: &str) -> (Vec<&'static str>, usize) {
    let seen = poller.seen(name).await;
    let missed = missed(poller, s3, &seen, name).await;
    for attempt in attempts {
        check_outcome(attempt, &seen, s3, name);
    }
    let listed: Vec<Commit> = {
        let report = poller.dataset.doctor(..).without_record_counts().await.unwrap();
        report.findings.iter().filter_map(|finding| finding.to_restamp().cloned()).collect()
    };
    let mut missed_outcomes = Vec::new();
    for named in &missed {
        let is_its =
            |attempt: &&Attempt| attempt.partition == named.partition && attempt.inserted_at == named.inserted_at;
        let Attempt { outcome, .. } = attempts.iter().find(is_its).unwrap();
        assert!(outcome.may_be_missed(), "{name}: {named:?} was reported in time, and a reader missed it");
        missed_outcomes.push(outcome.name());
        let again = seen.received.iter().any(|entry| entry.data_path == named.data_path);
        let is_listed = listed.iter().any(|commit| commit.data_path == named.data_path);
        assert!(again || is_listed, "{name}: {named:?} was missed, and doctor does not list it");
    }
    for commit in &listed {
        poller.dataset.restamp(commit).await.unwrap();
    }
    let_everything_settle(poller).await;
    let received = poller.seen(name).await.received;
    let mut paths: Vec<&str> = received.iter().map(|entry| entry.data_path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), bucket::commits(s3), "{name}: some commits were not returned even after a restamp");
    (missed_outcomes, listed.len())
}

/// Returns the commits up to the cursor that the poller did not receive. A replay from the start must return those and
/// the received ones, at the same offsets.
async fn missed(poller: &Poller, s3: &S3, seen: &Seen, name: &str) -> Vec<NamedRef> {
    let mut missed = Vec::new();
    let mut expected = seen.received.clone();
    let replayed = poller.replay().await;
    for (key, named) in refs(s3).into_iter().filter(|(key, _)| key.as_str() <= seen.cursor.as_str()) {
        let Some(named) = named else { continue };
        if seen.received.iter().any(|entry| entry.offset.as_str() == key) {
            continue;
        }
        let entry = replayed.iter().find(|entry| entry.offset.as_str() == key && named.is(entry));
        expected.push(entry.unwrap_or_else(|| panic!("{name}: a replay lacks {key}")).clone());
        missed.push(named);
    }
    expected.sort_by(|a, b| a.offset.cmp(&b.offset));
    assert_eq!(replayed, expected, "{name}: a replay differs from what was returned");
    missed
}

/// Checks that the poller received what the writer reported as committed, and nothing that it reported as not
/// committed.
fn check_outcome(attempt: &Attempt, seen: &Seen, s3: &S3, name: &str) {
    let returned = |commit: &Commit, offset: &s3store::Offset| {
        seen.received.iter().filter(|entry| entry.offset == *offset && is_of(entry, commit)).count() == 1
    };
    match &attempt.outcome {
        Outcome::Committed(commit) => {
            assert!(returned(commit, &commit.offset), "{name}: {commit:?} was reported in time, and not returned");
        }
        Outcome::Restamped(stamped) => {
            assert!(returned(&stamped.commit, &stamped.stream_offset), "{name}: {stamped:?} was not returned");
        }
        // At its own offset, or at that of a later ref, which only the call could have put.
        Outcome::Delivered(commit) => {
            let is_returned = seen.received.iter().any(|entry| is_of(entry, commit));
            assert!(is_returned, "{name}: {commit:?} was reported as delivered, and not returned");
        }
        Outcome::NotCommitted => {
            let (partition, inserted_at) = (&attempt.partition, attempt.inserted_at);
            let is_it = |named: &NamedRef| named.partition == *partition && named.inserted_at == inserted_at;
            let found = refs(s3).into_values().flatten().find(is_it);
            assert_eq!(found, None, "{name}: was reported as not committed");
        }
        Outcome::Late(_) | Outcome::Unknown(_) | Outcome::Dropped => {}
    }
}

impl Outcome {
    /// Returns whether readers of the stream may miss a commit with this outcome.
    fn may_be_missed(&self) -> bool {
        match self {
            Self::Late(_) | Self::Restamped(_) | Self::Delivered(_) | Self::Unknown(_) | Self::Dropped => true,
            Self::Committed(_) | Self::NotCommitted => false,
        }
    }
}
