//! Runs one case.

use std::time::Duration;

use s3store::dataset::SchemaCheck;
use s3store::testing::{Answer, Request};
use s3store::{Clock, Dataset};

use super::case::{Case, FollowUp, Landing};
use super::shape::{Shape, Way};
use super::strike::Hit;
use super::target::{FIRST, Target};
use super::watch::Watch;
use super::writer::{FIRST_TIME, LAST_TIME, Outcome, RETRY_TIME, write};
use crate::integration::harness::{BUCKET, PREFIX, Virtual, put, sent_by, sleep};
use crate::integration::records::Event;

pub(super) const RETRY: &str = "second-writer";

/// Returns a new S3 with an initialised dataset.
pub(super) fn world(shape: Shape) -> Virtual {
    let world = Virtual::new();
    world.s3.put_object(BUCKET, &format!("{PREFIX}/_config/commit-timeout"), "15s");
    world.s3.put_object(BUCKET, &format!("{PREFIX}/_config/max-clock-skew"), "1s");
    shape.set_up(&world.s3);
    world
}

/// A new S3 with an initialised dataset that two processes have opened: the one whose write is struck, and one that
/// does everything else. Opening a dataset takes longer than a write, so it is done in advance.
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

/// Opens the dataset for writers whose machines have their own clock.
pub(super) async fn stage_on(shape: Shape, world: Virtual, clock: Clock) -> Stage {
    let check = if shape.registers { SchemaCheck::Refuse } else { SchemaCheck::Off };
    let first = world.process_with(FIRST, Dataset::options().clock(clock.clone()).schema_check(check)).await;
    let other = world.process_with(RETRY, Dataset::options().clock(clock).schema_check(check)).await;
    if shape.way == Way::Proven {
        prove(&world, &first).await;
        prove(&world, &other).await;
    }
    world.s3.clear_requests();
    Stage { world, first, other }
}

/// Makes a first optimistic write, so that the process has proven the backend, and removes its objects.
async fn prove(world: &Virtual, dataset: &Dataset) {
    let records = Event::of(&["proof"], 1);
    dataset.store::<Event>().write(&records).token("proof").optimistic_commit().await.unwrap();
    for key in world.keys_with("part=proof") {
        world.s3.remove_object(BUCKET, &key);
    }
}

/// Returns the requests of a write without faults.
pub(super) async fn clean(shape: Shape) -> Vec<Target> {
    let Stage { world, first, .. } = stage(shape).await;
    let outcomes = write(first, shape, shape.token, FIRST_TIME).await;
    let in_time = |outcome: &Outcome| matches!(outcome, Outcome::Committed(_) | Outcome::Delivered(_));
    assert!(outcomes.iter().all(|(_, outcome)| in_time(outcome)), "{outcomes:?}");
    Target::all(&world.s3.requests())
}

/// The result of a case.
pub(super) struct CaseResult {
    /// The outcome of the first write for each partition, and whether the partition was committed in the end.
    pub(super) outcomes: Vec<(Outcome, bool)>,
    /// True if every fault struck its request.
    pub(super) all_struck: bool,
}

pub(super) async fn run(case: Case) -> CaseResult {
    let name = format!("{case:?}");
    let Stage { world, first, other } = stage(case.shape).await;
    let s3 = &world.s3;
    let mut watch = Watch::new(s3, &other).with_views(case.shape.views);

    case.faults().into_iter().for_each(|fault| s3.inject(fault));
    let outcomes = first_write(&world, &first, &case).await;
    watch.note(&outcomes, FIRST_TIME);
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
        let commit = put(".commit").matching(|request| sent_by(request, RETRY));
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
        // If the last write found them, it has looked them up.
        watch.look_up().await;
    }
    for (partition, outcome) in &outcomes {
        if let Outcome::Unknown(unknown) = outcome {
            let found = other.store::<Event>().lookup_commit(partition, &unknown.token).await.unwrap();
            let ours = found.is_some_and(|commit| commit.data_path == unknown.data_path);
            assert_eq!(ours, watch.is_committed(partition, FIRST_TIME), "{name}");
        }
    }
    let requests = s3.requests();
    let all_struck = case.hits.iter().all(|hit| hit.target.find(&requests).is_some());
    assert!(all_struck || case.may_miss(), "{name}: a fault did not strike");
    let outcomes = outcomes
        .into_iter()
        .map(|(partition, outcome)| (outcome, watch.is_committed(&partition, FIRST_TIME)))
        .collect();
    CaseResult { outcomes, all_struck }
}

/// Repeats the write from another process.
async fn retry(other: &Dataset, case: &Case, watch: &mut Watch, name: &str) {
    let outcomes = write(other.clone(), case.shape, case.follow_up == FollowUp::SameToken, RETRY_TIME).await;
    for (partition, outcome) in &outcomes {
        let commit = outcome.commit().unwrap_or_else(|| panic!("{name}: the retry of {partition} got {outcome:?}"));
        if let Some(before) = watch.reported(partition, &commit.token) {
            assert_eq!(before, commit, "{name}");
        }
    }
    watch.note(&outcomes, RETRY_TIME);
    watch.look(&format!("{name}, after the retry")).await;
}

/// Runs the write that is struck.
pub(super) async fn first_write(world: &Virtual, first: &Dataset, case: &Case) -> Vec<(String, Outcome)> {
    let shape = case.shape;
    let mut task = tokio::spawn(write(first.clone(), shape, shape.token, FIRST_TIME));
    let Some(end) = case.hit_that_stops_the_caller() else { return task.await.unwrap() };
    tokio::select! {
        outcomes = &mut task => return outcomes.unwrap(),
        () = struck(world, end) => task.abort(),
    }
    match task.await {
        // It had ended already, because of the other partition.
        Ok(outcomes) => return outcomes,
        Err(stopped) => assert!(stopped.is_cancelled(), "{stopped}"),
    }
    if let Some(death) = case.hits.iter().find(|hit| hit.strike.ends_the_process()) {
        // The detached work continues without the caller until the process dies.
        struck(world, death).await;
    }
    shape.partition_keys().map(|partition| (partition, Outcome::Dropped)).collect()
}

/// Waits until a hit has struck its target, or can't any more. Time passes meanwhile, since an earlier try may have to
/// run into its deadline first.
async fn struck(world: &Virtual, hit: &Hit) {
    let is_silent = |request: &Request| request.answer == Answer::Silence;
    for _ in 0..1_000 {
        if hit.target.find(&world.s3.requests()).is_some_and(is_silent) {
            return;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Writes again with the token at the end: reported commits are returned unchanged, and each record exists once.
async fn last_write(other: &Dataset, case: &Case, watch: &mut Watch, name: &str) {
    let outcomes = write(other.clone(), case.shape, true, LAST_TIME).await;
    for (partition, outcome) in &outcomes {
        let commit =
            outcome.commit().unwrap_or_else(|| panic!("{name}: the last write of {partition} got {outcome:?}"));
        if let Some(before) = watch.reported(partition, case.shape.token_name()) {
            assert_eq!(before, commit, "{name}");
        }
    }
    watch.note(&outcomes, LAST_TIME);
    watch.look(&format!("{name}, after the last write")).await;
}
