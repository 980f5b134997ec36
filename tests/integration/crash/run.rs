//! Performs one case.

use std::time::Duration;

use s3store::testing::{Answer, Fault, Operation, Request};
use s3store::write::{StampedCommit, Unknown};
use s3store::{Clock, Commit, Dataset, WriteError};

use super::case::{Case, FollowUp, Landing};
use super::shape::{Shape, Way};
use super::strike::Hit;
use super::target::{FIRST, Target};
use super::watch::Watch;
use crate::integration::harness::{BUCKET, PREFIX, Virtual, at, pass, sent_by};
use crate::integration::records::{Event, Parts};

const TOKEN: &str = "job-1";
pub(super) const RETRY: &str = "second-writer";

/// The insertion times of the writers, which tell their attempts apart.
pub(super) const FIRST_TIME: i64 = 1_000_001;
pub(super) const RETRY_TIME: i64 = 2_000_002;
const LAST_TIME: i64 = 3_000_003;

/// What a writer was told about one partition.
#[derive(Debug)]
pub(super) enum Told {
    Committed(Commit),
    Late(Commit),
    /// Committed late, with a second ref that is in time.
    Restamped(StampedCommit),
    NotCommitted,
    Unknown(Unknown),
    /// Nothing: it had gone.
    Dropped,
}

impl Told {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Committed(_) => "committed",
            Self::Late(_) => "late",
            Self::Restamped(_) => "restamped",
            Self::NotCommitted => "not committed",
            Self::Unknown(_) => "unknown",
            Self::Dropped => "dropped",
        }
    }

    pub(super) fn commit(&self) -> Option<&Commit> {
        match self {
            Self::Committed(commit) | Self::Late(commit) => Some(commit),
            Self::Restamped(stamped) => Some(&stamped.commit),
            Self::NotCommitted | Self::Unknown(_) | Self::Dropped => None,
        }
    }

    /// The partition that it names.
    fn partition(&self) -> Option<&str> {
        match self {
            Self::Unknown(unknown) => Some(&unknown.partition),
            told => told.commit().map(|commit| commit.partition.as_str()),
        }
    }
}

/// The records of a partition: `1..=RECORDS`.
pub(super) const RECORDS: i64 = 2;

/// An initialised dataset in a fresh S3.
pub(super) fn world(shape: Shape) -> Virtual {
    let world = Virtual::new();
    world.s3.put_object(BUCKET, &format!("{PREFIX}/_config/commit-timeout"), "15s");
    world.s3.put_object(BUCKET, &format!("{PREFIX}/_config/max-clock-skew"), "1s");
    shape.set_up(&world.s3);
    world
}

/// A dataset in a fresh S3, with the process whose write is struck, and the one that does everything else: opening one
/// takes longer than a write.
pub(super) struct Stage {
    pub(super) world: Virtual,
    pub(super) first: Dataset,
    pub(super) other: Dataset,
}

pub(super) async fn stage(shape: Shape) -> Stage {
    let world = world(shape);
    let clock = world.clock.clone();
    stage_on(shape, world, clock).await
}

/// Where the writers' machines have a clock of their own.
pub(super) async fn stage_on(shape: Shape, world: Virtual, clock: Clock) -> Stage {
    let first = world.process_on(FIRST, clock.clone()).await;
    let other = world.process_on(RETRY, clock).await;
    if shape.way == Way::Proven {
        prove(&world, &first).await;
        prove(&world, &other).await;
    }
    world.s3.clear_requests();
    Stage { world, first, other }
}

/// A first optimistic write, of which nothing stays but what the process has learnt.
async fn prove(world: &Virtual, dataset: &Dataset) {
    let records = Event::of(&["proof"], 1);
    dataset.store::<Event>().write(&records).token("proof").optimistic_commit().await.unwrap();
    for key in world.keys_with("part=proof") {
        world.s3.remove_object(BUCKET, &key);
    }
}

/// The requests of a write to which nothing happens.
pub(super) async fn clean(shape: Shape) -> Vec<Target> {
    let Stage { world, first, .. } = stage(shape).await;
    let told = write(first, shape, shape.token, FIRST_TIME).await;
    assert!(told.iter().all(|(_, told)| matches!(told, Told::Committed(_))), "{told:?}");
    Target::all(&world.s3.requests())
}

/// What came of a case.
pub(super) struct Ended {
    /// What the first writer was told about each partition, and whether it was committed at the end.
    pub(super) told: Vec<(Told, bool)>,
    /// Whether all that was to be struck was struck.
    pub(super) met: bool,
}

pub(super) async fn run(case: Case) -> Ended {
    let name = format!("{case:?}");
    let Stage { world, first, other } = stage(case.shape).await;
    let s3 = &world.s3;
    let mut watch = Watch::new(s3, &other).with_views(case.shape.views);

    case.faults().into_iter().for_each(|fault| s3.inject(fault));
    let told = first_write(&world, &first, &case).await;
    watch.told(&told, FIRST_TIME);
    watch.look(&format!("{name}, after the first write")).await;
    if case.drained && !case.ends_the_process() {
        first.drain().await;
        watch.look(&format!("{name}, after its detached work")).await;
    }
    if case.landing == Landing::BeforeRetry {
        s3.land_late().await;
        watch.look(&format!("{name}, after a landing before the retry")).await;
    }
    if case.landing == Landing::DuringRetry {
        let late = s3.clone();
        let commit = Fault::on(Operation::Put).key_ends_with(".commit").matching(|request| sent_by(request, RETRY));
        s3.inject(commit.call_before(move |_| {
            let late = late.clone();
            async move { drop(late.land_late().await) }
        }));
    }
    if case.follow_up != FollowUp::Nothing {
        retry(&other, &case, &mut watch, &name).await;
    }
    if !case.ends_the_process() {
        first.drain().await;
    }
    if case.landing != Landing::Never {
        s3.land_late().await;
    }
    watch.look(&format!("{name}, after the last landing")).await;

    if case.shape.token && case.follow_up != FollowUp::NoToken {
        let (least, most) = watch.copies(case.shape);
        assert!(most <= 1, "{name}: records exist {most} times");
        assert!(least == 1 || case.follow_up == FollowUp::Nothing, "{name}: records are missing");
    }
    if case.shape.token {
        last_write(&other, &case, &mut watch, &name).await;
    }
    if !case.shape.token || case.follow_up == FollowUp::NoToken {
        // Where the last write found them, they were looked up.
        watch.look_up().await;
    }
    for (partition, told) in &told {
        if let Told::Unknown(unknown) = told {
            let found = other.store::<Event>().lookup_commit(partition, &unknown.token).await.unwrap();
            let ours = found.is_some_and(|commit| commit.data_path == unknown.data_path);
            assert_eq!(ours, watch.is_committed(partition, FIRST_TIME), "{name}");
        }
    }
    let requests = s3.requests();
    let met = case.hits.iter().all(|hit| hit.target.find(&requests).is_some());
    assert!(met || case.may_miss(), "{name}: something was not struck");
    let told = told.into_iter().map(|(partition, told)| (told, watch.is_committed(&partition, FIRST_TIME))).collect();
    Ended { told, met }
}

/// The write once more, by another process.
async fn retry(other: &Dataset, case: &Case, watch: &mut Watch, name: &str) {
    let told = write(other.clone(), case.shape, case.follow_up == FollowUp::SameToken, RETRY_TIME).await;
    for (partition, told) in &told {
        let commit = told.commit().unwrap_or_else(|| panic!("{name}: the retry of {partition} got {told:?}"));
        if let Some(before) = watch.reported(partition, &commit.token) {
            assert_eq!(before, commit, "{name}");
        }
    }
    watch.told(&told, RETRY_TIME);
    watch.look(&format!("{name}, after the retry")).await;
}

/// The write that is struck.
pub(super) async fn first_write(world: &Virtual, first: &Dataset, case: &Case) -> Vec<(String, Told)> {
    let shape = case.shape;
    let mut task = tokio::spawn(write(first.clone(), shape, shape.token, FIRST_TIME));
    let Some(end) = case.end_of_the_caller() else { return task.await.unwrap() };
    tokio::select! {
        told = &mut task => return told.unwrap(),
        () = struck(world, end) => task.abort(),
    }
    match task.await {
        // It had ended already, for what befell another partition.
        Ok(told) => return told,
        Err(stopped) => assert!(stopped.is_cancelled(), "{stopped}"),
    }
    if let Some(death) = case.hits.iter().find(|hit| hit.strike.ends_the_process()) {
        // Of what goes on without the caller.
        struck(world, death).await;
    }
    shape.partition_keys().map(|partition| (partition, Told::Dropped)).collect()
}

/// Waits until a hit has silenced its target, or can't any more. Time passes meanwhile: an earlier try may have to run
/// into its deadline first.
async fn struck(world: &Virtual, hit: &Hit) {
    let is_silent = |request: &Request| request.answer == Answer::Silence;
    for _ in 0..1_000 {
        if hit.target.find(&world.s3.requests()).is_some_and(is_silent) {
            return;
        }
        pass(Duration::from_millis(500)).await;
    }
}

/// Once more with the token, when all is over: what was reported comes back, and each record exists once.
async fn last_write(other: &Dataset, case: &Case, watch: &mut Watch, name: &str) {
    let told = write(other.clone(), case.shape, true, LAST_TIME).await;
    for (partition, told) in &told {
        let commit = told.commit().unwrap_or_else(|| panic!("{name}: the last write of {partition} got {told:?}"));
        if let Some(before) = watch.reported(partition, TOKEN) {
            assert_eq!(before, commit, "{name}");
        }
    }
    watch.told(&told, LAST_TIME);
    watch.look(&format!("{name}, after the last write")).await;
}

/// A write of all records, and what it tells about each partition.
pub(super) async fn write(dataset: Dataset, shape: Shape, token: bool, inserted_at: i64) -> Vec<(String, Told)> {
    let records = Event::of(shape.names(), RECORDS);
    let mut store = dataset.store::<Event>();
    if shape.views {
        store = store.add_view::<Parts>().unwrap();
    }
    let write = store.write(&records).token_opt(token.then_some(TOKEN)).inserted_at(at(inserted_at));
    let write = if shape.way == Way::Usual { write } else { write.optimistic_commit() };
    let result = match shape.restamps {
        false => write.await.map(|commits| commits.into_iter().map(Told::Committed).collect()),
        true => write.restamp_late(3).await.map(|commits| commits.into_iter().map(stamped).collect()),
    };
    let mut told: Vec<Told> = result.unwrap_or_else(failed);
    let of = |partition: String| {
        let found = told.extract_if(.., |told| told.partition() == Some(&partition)).next();
        (partition, found.unwrap_or(Told::NotCommitted))
    };
    shape.partition_keys().map(of).collect()
}

fn stamped(stamped: StampedCommit) -> Told {
    if stamped.stream_offset == stamped.commit.offset {
        Told::Committed(stamped.commit)
    } else {
        Told::Restamped(stamped)
    }
}

fn failed(error: WriteError) -> Vec<Told> {
    let WriteError { committed, late, unknown, .. } = error;
    let told = committed.into_iter().map(Told::Committed).chain(late.into_iter().map(Told::Late));
    told.chain(unknown.into_iter().map(Told::Unknown)).collect()
}
