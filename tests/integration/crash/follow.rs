//! Performs one case under the eyes of a poller, and holds against each other what writers were told, what the poller was
//! handed, and what `doctor` finds.

use std::sync::Arc;
use std::time::Duration;

use s3store::testing::{Fault, Operation, S3};
use s3store::{Commit, Dataset};

use super::bucket::{self, Named, is_of, refs};
use super::case::{Case, FollowUp, Landing};
use super::leap::{Clocks, Leap, Moment};
use super::poller::{Poller, Seen};
use super::run::{FIRST_TIME, RETRY, RETRY_TIME, Stage, Told, first_write, stage_on, world, write};
use crate::integration::harness::{pass, sent_by};

/// What came of a case.
pub(super) struct Followed {
    /// The turns that the poller had.
    pub(super) moments: Vec<Moment>,
    /// The polls that it made.
    pub(super) polls: usize,
    /// What writers were told.
    pub(super) told: Vec<&'static str>,
    /// What was told of each commit that the poller had passed.
    pub(super) missed: Vec<&'static str>,
    /// Commits that `doctor` listed.
    pub(super) listed: usize,
}

/// What one writer was told about one partition.
struct Tale {
    partition: String,
    inserted_at: i64,
    told: Told,
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

    let tales = perform(case, &stage, &poller).await;
    poller.seen(&name).await;
    long_pass(&poller).await;
    let Seen { moments, polls, .. } = poller.seen(&name).await;
    let (missed, listed) = judge(&poller, s3, &tales, &name).await;
    // The hooks hold the poller, which holds the S3.
    s3.clear_faults();
    let told = tales.iter().map(|tale| tale.told.name()).collect();
    Followed { moments, polls, told, missed, listed }
}

/// The writers' part, from the first write to the last landing.
async fn perform(case: &Case, stage: &Stage, poller: &Arc<Poller>) -> Vec<Tale> {
    let Stage { world, first, other } = stage;
    let mut tales = tales(first_write(world, first, case).await, FIRST_TIME);
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
        tales.extend(retry(other, case).await);
        poller.turn(Moment::Between).await;
    }
    if !case.ends_the_process() {
        first.drain().await;
    }
    if case.landing != Landing::Never {
        land(&world.s3, poller).await;
    }
    tales
}

async fn retry(other: &Dataset, case: &Case) -> Vec<Tale> {
    let token = case.follow_up == FollowUp::SameToken;
    let told = write(other.clone(), case.shape, token, RETRY_TIME).await;
    other.drain().await;
    tales(told, RETRY_TIME)
}

fn tales(told: Vec<(String, Told)>, inserted_at: i64) -> Vec<Tale> {
    told.into_iter().map(|(partition, told)| Tale { partition, inserted_at, told }).collect()
}

async fn land(s3: &S3, poller: &Poller) {
    s3.land_late().await;
    poller.turn(Moment::Between).await;
}

fn land_during_the_retry(s3: &S3, poller: &Arc<Poller>) {
    let (late, poller) = (s3.clone(), Arc::clone(poller));
    let commit = Fault::on(Operation::Put).key_ends_with(".commit").matching(|request| sent_by(request, RETRY));
    s3.inject(commit.call_before(move |_| {
        let (late, poller) = (late.clone(), Arc::clone(&poller));
        async move { land(&late, &poller).await }
    }));
}

/// Everything that was written is settled then.
async fn long_pass(poller: &Poller) {
    pass(poller.dataset.settle_window() + Duration::from_secs(2)).await;
    poller.turn(Moment::Between).await;
}

/// When all is over. Returns what was told of each commit that was missed, and how many were listed.
async fn judge(poller: &Poller, s3: &S3, tales: &[Tale], name: &str) -> (Vec<&'static str>, usize) {
    let seen = poller.seen(name).await;
    let missed = missed(poller, s3, &seen, name).await;
    for tale in tales {
        keep(tale, &seen, s3, name);
    }
    let listed: Vec<Commit> = {
        let report = poller.dataset.doctor(..).without_record_counts().await.unwrap();
        report.findings.iter().filter_map(|finding| finding.to_restamp().cloned()).collect()
    };
    let mut missed_told = Vec::new();
    for named in &missed {
        let is_its = |tale: &&Tale| tale.partition == named.partition && tale.inserted_at == named.inserted_at;
        let Tale { told, .. } = tales.iter().find(is_its).unwrap();
        assert!(told.may_be_missed(), "{name}: {named:?} was told to be in time, and missed");
        missed_told.push(told.name());
        let again = seen.handed.iter().any(|entry| entry.data_path == named.data_path);
        let is_listed = listed.iter().any(|commit| commit.data_path == named.data_path);
        assert!(again || is_listed, "{name}: {named:?} was missed, and doctor does not list it");
    }
    for commit in &listed {
        poller.dataset.restamp(commit).await.unwrap();
    }
    long_pass(poller).await;
    let handed = poller.seen(name).await.handed;
    let mut paths: Vec<&str> = handed.iter().map(|entry| entry.data_path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), bucket::commits(s3), "{name}: restamped, and still not all were handed out");
    (missed_told, listed.len())
}

/// What lies up to the cursor and was not handed out. A replay hands out that, and what was handed out, at the same
/// offsets.
async fn missed(poller: &Poller, s3: &S3, seen: &Seen, name: &str) -> Vec<Named> {
    let mut missed = Vec::new();
    let mut expected = seen.handed.clone();
    let replayed = poller.replay().await;
    for (key, named) in refs(s3).into_iter().filter(|(key, _)| key.as_str() <= seen.cursor.as_str()) {
        let Some(named) = named else { continue };
        if seen.handed.iter().any(|entry| entry.offset.as_str() == key) {
            continue;
        }
        let entry = replayed.iter().find(|entry| entry.offset.as_str() == key && named.is(entry));
        expected.push(entry.unwrap_or_else(|| panic!("{name}: a replay lacks {key}")).clone());
        missed.push(named);
    }
    expected.sort_by(|a, b| a.offset.cmp(&b.offset));
    assert_eq!(replayed, expected, "{name}: a replay differs from what was handed out");
    missed
}

/// What a writer was told has come true.
fn keep(tale: &Tale, seen: &Seen, s3: &S3, name: &str) {
    let handed = |commit: &Commit, offset: &s3store::Offset| {
        seen.handed.iter().filter(|entry| entry.offset == *offset && is_of(entry, commit)).count() == 1
    };
    match &tale.told {
        Told::Committed(commit) => {
            assert!(handed(commit, &commit.offset), "{name}: {commit:?} was told to be in time, and not handed out");
        }
        Told::Restamped(stamped) => {
            assert!(handed(&stamped.commit, &stamped.stream_offset), "{name}: {stamped:?} was not handed out");
        }
        Told::NotCommitted => {
            let (partition, inserted_at) = (&tale.partition, tale.inserted_at);
            let is_it = |named: &Named| named.partition == *partition && named.inserted_at == inserted_at;
            let found = refs(s3).into_values().flatten().find(is_it);
            assert_eq!(found, None, "{name}: told not to be committed");
        }
        Told::Late(_) | Told::Unknown(_) | Told::Dropped => {}
    }
}

impl Told {
    /// Whether readers of the stream may pass what was told so.
    fn may_be_missed(&self) -> bool {
        match self {
            Self::Late(_) | Self::Restamped(_) | Self::Unknown(_) | Self::Dropped => true,
            Self::Committed(_) | Self::NotCommitted => false,
        }
    }
}
