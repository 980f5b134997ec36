//! Commits that take longer than the commit timeout, and their second ref.

use std::time::Duration;

use chrono::TimeDelta;
use s3store::dataset::ClockGuard;
use s3store::testing::{Fault, FaultBuilder, Meanwhile, Operation};
use s3store::{Commit, CommitError, Dataset, ErrorKind, Offset};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, pass, until};
use crate::integration::records::Event;

fn put(suffix: &str) -> FaultBuilder {
    Fault::on(Operation::Put).key_ends_with(suffix)
}

fn late(result: Result<Option<Commit>, CommitError>) -> Commit {
    match result {
        Err(CommitError::Late(commit)) => *commit,
        other => panic!("{other:?} is not late"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_commit_is_told_and_durable() {
    // Four tries run into their deadlines, a quarter of the commit timeout each; the pauses make it late.
    for suffix in [".ref", ".commit"] {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        let records = Event::of(&["a"], 3);
        world.s3.inject(put(suffix).times(4).hang());
        let commit = late(store.write_partition("part=a", &records).token("t").await);
        assert_eq!((commit.token.as_str(), commit.record_count), ("t", 3));
        assert_eq!(store.read_all().await.unwrap().len(), 3);
        assert_eq!(store.lookup_commit("part=a", "t").await.unwrap(), Some(commit.clone()));
        // Its token finds it, as late as it was.
        assert_eq!(late(store.write_partition("part=a", &records).token("t").await), commit);

        let error = store.write(&records).token("t").await.unwrap_err();
        assert!(error.is_late_only(), "{error:?}");
        assert_eq!((error.late, error.committed), (vec![commit], vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn three_slow_tries_are_in_time() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.inject(put(".commit").times(3).hang());
    assert_eq!(store.write(&Event::of(&["a"], 1)).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_permit_makes_nothing_late() {
    let world = Virtual::new();
    let dataset = world.dataset_with(world.options().max_inflight_requests(1)).await;
    // While the data file is put, a look-up queues for the one permit, and then takes longer than the commit timeout.
    world.s3.inject(Fault::on(Operation::Head).delay(Duration::from_secs(20)));
    let other = dataset.store::<Event>();
    world.s3.inject(put(".parquet").call_before(move |_| {
        let other = other.clone();
        async move {
            tokio::spawn(async move { other.lookup_commit("part=b", "t").await });
            pass(Duration::from_millis(1)).await;
        }
    }));
    let begun = world.clock.now();
    let commits = dataset.store::<Event>().write(&Event::of(&["a"], 1)).await.unwrap();
    assert_eq!(commits.len(), 1);
    assert!((world.clock.now() - begun).num_seconds() >= 20, "it did not wait");
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_leaps_makes_late() {
    // What the monotonic clock does not see: the machine slept.
    let world = Virtual::new();
    let store = world.dataset_with(world.options().clock_guard(ClockGuard::Off)).await.store::<Event>();
    let clock = world.clock.clone();
    world.s3.inject(put(".commit").call_before(move |_| {
        clock.set_offset(TimeDelta::milliseconds(15_001));
        async {}
    }));
    late(store.write_partition("part=a", &Event::of(&["a"], 1)).await);
}

#[tokio::test(start_paused = true)]
async fn restamp_brings_a_commit_back() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.inject(put(".commit").times(4).hang());
    let commit = late(store.write_partition("part=a", &Event::of(&["a"], 2)).await);
    let again = store.dataset().restamp(&commit).await.unwrap();
    assert!(again.offset > commit.offset);
    assert_eq!(again.ref_path, again.offset.as_str());
    assert_eq!((&again.data_path, &again.token, again.record_count), (&commit.data_path, &commit.token, 2));
    assert_eq!(world.keys_with(".ref"), [commit.ref_path.clone(), again.ref_path.clone()]);
    // The commit itself stays as it was.
    assert_eq!(store.lookup_commit("part=a", &commit.token).await.unwrap(), Some(commit.clone()));

    pass(Duration::from_secs(1)).await;
    world.s3.inject(put(".ref").times(4).hang());
    let late = match store.dataset().restamp(&again).await {
        Err(CommitError::Late(commit)) => *commit,
        other => panic!("{other:?} is not late"),
    };
    assert!(late.offset > again.offset);
    assert!(store.dataset().restamp(&late).await.unwrap().offset > late.offset);
    assert_eq!(store.read_all().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn restamp_refuses_what_is_not_of_the_dataset() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let mut commits = store.write(&Event::of(&["a", "b"], 1)).await.unwrap();
    let (good, other) = (commits.remove(0), commits.remove(0));
    world.s3.clear_requests();
    let mut foreign = good.clone();
    foreign.ref_path = foreign.ref_path.replacen("d/", "e/", 1);
    let mut mixed = good.clone();
    mixed.data_path = other.data_path;
    for bad in [foreign, mixed] {
        let error = store.dataset().restamp(&bad).await.unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::InvalidInput), "{error:?}");
    }
    assert_eq!(world.log(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_says_what_to_look_up() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.inject(put(".commit").times(5).fail(503, "SlowDown"));
    let error = store.write_partition("part=a", &Event::of(&["a"], 2)).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Unavailable));
    let CommitError::Unknown(unknown) = error else { panic!("{error:?}") };
    assert_eq!(store.lookup_commit(&unknown.partition, &unknown.token).await.unwrap(), None);
    assert!(unknown.commit_path.ends_with(&format!("{}.commit", unknown.token)), "{unknown:?}");
    assert_eq!(world.keys_with(".parquet"), std::slice::from_ref(&unknown.data_path));
    assert_eq!(store.read_all().await.unwrap(), []);

    // Where S3 won't say what lies there, the outcome stays open too.
    world.s3.inject(put(".commit").times(5).fail_applied(500, "InternalError"));
    world.s3.inject(Fault::on(Operation::Head).always().fail(403, "AccessDenied"));
    let error = store.write_partition("part=a", &Event::of(&["a"], 2)).await.unwrap_err();
    let CommitError::Unknown(unknown) = error else { panic!("{error:?}") };
    world.s3.clear_faults();
    let commit = store.lookup_commit(&unknown.partition, &unknown.token).await.unwrap().unwrap();
    assert_eq!(commit.data_path, unknown.data_path);
}

#[tokio::test(start_paused = true)]
async fn restamp_late_tries_until_a_ref_is_in_time() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let records = Event::of(&["a", "b"], 2);
    // Partition a is late, and so is its first second ref.
    let of_a = |suffix: &'static str| put(suffix).key_contains("part=a");
    world.s3.inject(of_a(".commit").times(4).hang());
    world.s3.inject(Fault::on(Operation::Put).key_contains("part=a").key_ends_with(".ref").skip(1).times(4).hang());
    let stamped = store.write(&records).token("t").restamp_late(3).await.unwrap();
    assert_eq!(stamped.iter().map(|s| s.commit.partition.as_str()).collect::<Vec<_>>(), ["part=a", "part=b"]);
    assert!(stamped[0].stream_offset > stamped[0].commit.offset);
    assert_eq!(stamped[1].stream_offset, stamped[1].commit.offset);
    let refs = world.keys_with("part=a.ref");
    assert_eq!(refs.len(), 3);
    assert_eq!(refs[2], stamped[0].stream_offset.as_str());
    for stamped in &stamped {
        let found = store.lookup_commit(&stamped.commit.partition, "t").await.unwrap();
        assert_eq!(found.as_ref(), Some(&stamped.commit));
    }

    // A retry finds the commit as late as it was, and restamps it again.
    pass(Duration::from_secs(1)).await;
    let again = store.write(&records).token("t").restamp_late(3).await.unwrap();
    assert_eq!(again[0].commit, stamped[0].commit);
    assert!(again[0].stream_offset > stamped[0].stream_offset);
    assert_eq!(again[1], stamped[1]);
    let one = store.write_partition("part=a", &records[..2]).token("t").restamp_late(1).await.unwrap().unwrap();
    assert_eq!(one.commit, stamped[0].commit);
    assert_eq!(store.write_partition("part=a", &[]).restamp_late(1).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_no_restamp_brings_in_time_is_told_as_late() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let records = Event::of(&["a", "b"], 2);
    world.s3.inject(put(".commit").key_contains("part=a").times(4).hang());
    let second = || Fault::on(Operation::Put).key_contains("part=a").key_ends_with(".ref").skip(1);
    world.s3.inject(second().always().fail(403, "AccessDenied"));
    let error = store.write(&records).token("t").restamp_late(2).await.unwrap_err();
    assert!(error.is_late_only(), "{error:?}");
    assert_eq!(error.late.iter().map(|c| c.partition.as_str()).collect::<Vec<_>>(), ["part=a"]);
    assert_eq!(error.committed.iter().map(|c| c.partition.as_str()).collect::<Vec<_>>(), ["part=b"]);
    let puts = world.s3.requests().iter().filter(|r| r.target().is_some_and(|key| key.contains("part=a.ref"))).count();
    assert_eq!(puts, 2, "the write's, and one try: what is refused is not tried again");
    let late = match store.write_partition("part=a", &records[..2]).token("t").restamp_late(0).await {
        Err(CommitError::Late(commit)) => *commit,
        other => panic!("{other:?} is not late"),
    };
    assert_eq!(late, error.late[0]);
}

/// Writes with a commit that lands so long after its ref, unseen by its writer, and a retry that finds it. Returns what
/// the retry is told, and whether a reader that polled just before had passed the ref.
async fn found_after(
    elapsed: Duration,
    begun: TimeDelta,
    skew: &'static str,
) -> (Result<Option<Commit>, CommitError>, bool) {
    let world = Virtual::new();
    // The budget ends so long into one of S3's seconds.
    let now = world.clock.now().timestamp_subsec_nanos();
    world.clock.set_offset(begun - TimeDelta::nanoseconds(now.into()));
    world.s3.set_clock_offset(begun - TimeDelta::nanoseconds(now.into()));
    world.s3.put_object(BUCKET, &format!("{PREFIX}/_config/commit-timeout"), "15s");
    world.s3.put_object(BUCKET, &format!("{PREFIX}/_config/max-clock-skew"), skew);
    let store = Dataset::options()
        .clock(world.clock.clone())
        .open(world.s3.client(), BUCKET, PREFIX)
        .await
        .unwrap()
        .store::<Event>();
    let records = Event::of(&["a"], 1);
    world.s3.inject(put(".commit").apply_late(Meanwhile::Silence));
    world.s3.inject(put(".commit").skip(1).always().hang());
    let first = tokio::spawn({
        let (store, records) = (store.clone(), records.clone());
        async move { store.write_partition("part=a", &records).token("t").await.map(drop).map_err(drop) }
    });
    until(|| world.s3.waiting_to_land() == 1).await;
    // To the microsecond, which a sleep is not.
    tokio::time::advance(elapsed).await;
    let passed = store.poll(&Offset::START).await.unwrap().next != Offset::START;
    world.s3.land_late().await;
    let told = store.write_partition("part=a", &records).token("t").await;
    drop(first);
    (told, passed)
}

#[tokio::test(start_paused = true)]
async fn a_found_commit_hides_less_than_a_second_of_lateness() {
    // S3 tells when a commit landed in whole seconds: a lateness that ends within the second in which the budget ended
    // is not told. A settle window with a second for clocks keeps readers behind it.
    let (budget, micro) = (Duration::from_secs(15), Duration::from_micros(1));
    for begun in [0, 1, 400_000, 999_999] {
        let hidden = Duration::from_micros(999_999 - begun);
        let begun = TimeDelta::microseconds(i64::try_from(begun).unwrap());
        for skew in ["0s", "1s"] {
            let (told, passed) = found_after(budget, begun, skew).await;
            assert!(told.is_ok() && !passed, "{begun} {skew}: in time");
            let (told, passed) = found_after(budget + hidden, begun, skew).await;
            assert!(told.is_ok(), "{begun} {skew}: hidden");
            assert_eq!(passed, skew == "0s" && !hidden.is_zero(), "{begun} {skew}: hidden");
            let (told, _) = found_after(budget + hidden + micro, begun, skew).await;
            late(told);
        }
    }
}
