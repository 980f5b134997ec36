//! Writes that repeat what may succeed later, and writes that go on when a partition fails.

use std::time::Duration;

use chrono::{DateTime, Utc};
use s3store::testing::{Fault, Operation};
use s3store::write::RetryPolicy;
use s3store::{CommitError, ErrorKind, Record, Store};

use crate::integration::harness::{Virtual, put};
use crate::integration::records::Event;

const PARTS: [&str; 3] = ["a", "b", "c"];

fn policy() -> RetryPolicy {
    RetryPolicy::default()
}

async fn ids(store: &Store<Event>) -> Vec<(String, i64)> {
    store.read_all().await.unwrap().into_iter().map(|event| (event.part, event.id)).collect()
}

fn all() -> Vec<(String, i64)> {
    PARTS.iter().flat_map(|part| [1, 2].map(|id| ((*part).to_owned(), id))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_write_is_repeated_until_the_server_recovers() {
    // Each try of a write sends each request up to five times.
    for (suffix, failures) in [(".parquet", 14), (".ref", 12), (".commit", 12)] {
        for token in [None, Some("t")] {
            let world = Virtual::new();
            let store = world.dataset().await.store::<Event>();
            world.s3.inject(put(suffix).key_contains("part=b").times(failures).fail(503, "SlowDown"));
            let records = Event::of(&PARTS, 2);
            let write = store.write(&records).token_opt(token).retry(policy());
            let (result, took) = world.timed(write).await;
            // Without a token, a commit that may have landed must not be repeated.
            if suffix == ".commit" && token.is_none() {
                let error = result.unwrap_err();
                assert_eq!((error.kind(), error.unknown.len()), (ErrorKind::UnknownOutcome, 1));
                assert!(took < Duration::from_secs(4), "no pause: {took:?}");
                continue;
            }
            let commits = result.unwrap();
            let partitions: Vec<_> = commits.iter().map(|commit| commit.partition.as_str()).collect();
            assert_eq!(partitions, ["part=a", "part=b", "part=c"], "{suffix} {token:?}");
            assert_eq!(ids(&store).await, all(), "{suffix} {token:?}");
            // Two pauses: up to 1 s and up to 2 s.
            assert!((Duration::from_millis(1_500)..Duration::from_secs(12)).contains(&took), "{took:?}");
            let single = store.write_partition("part=d", &records[..1]).token_opt(token).retry(policy());
            assert_eq!(single.await.unwrap().unwrap().partition, "part=d");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_alone_is_repeated_too() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.inject(put(".parquet").times(12).fail(500, "InternalError"));
    let records = Event::of(&["a"], 2);
    store.write_partition("part=a", &records).retry(policy()).await.unwrap().unwrap();
    assert_eq!(store.read_all().await.unwrap().len(), 2);
    world.s3.inject(put(".commit").times(5).fail_applied(500, "InternalError"));
    world.s3.inject(Fault::on(Operation::Head).times(5).fail(500, "InternalError"));
    let error = store.write_partition("part=a", &records).retry(policy()).await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown(_)), "{error}");
    assert!(error.is_transient());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_with_a_token_becomes_the_first_commit() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    // The commit lands, but neither the PUT nor the HEAD after it gets a response.
    world.s3.inject(put(".commit").times(5).fail_applied(500, "InternalError"));
    world.s3.inject(Fault::on(Operation::Head).skip(1).times(5).fail(500, "InternalError"));
    let records = Event::of(&["a"], 2);
    let commits = store.write(&records).token("t").retry(policy()).await.unwrap();
    assert_eq!(store.lookup_commit("part=a", "t").await.unwrap().as_ref(), commits.first());
    assert_eq!(world.keys_with(".commit").len(), 1);
    assert_eq!(store.read_all().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_pass_is_not_repeated() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.inject(put(".parquet").key_contains("part=b").always().fail(403, "AccessDenied"));
    world.s3.inject(put(".parquet").key_contains("part=c").always().fail(503, "SlowDown"));
    let records = Event::of(&PARTS, 2);
    let (result, took) = world.timed(store.write(&records).token("t").retry(policy())).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Refused, false));
    assert!(took < Duration::from_secs(4), "{took:?}");
    let (result, took) = world.timed(store.write(&[Event::new("x/y", 1)]).retry(policy())).await;
    assert_eq!((result.unwrap_err().kind(), took), (ErrorKind::InvalidInput, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_policy_ends() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.inject(put(".parquet").always().fail(503, "SlowDown"));
    let records = Event::of(&["a"], 2);
    let (result, took) = world.timed(store.write(&records).retry(policy())).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true));
    assert!((Duration::from_secs(240)..Duration::from_secs(310)).contains(&took), "{took:?}");

    world.s3.clear_requests();
    store.write(&records).retry(policy().max_tries(3)).await.unwrap_err();
    assert_eq!(world.count(Operation::Put), 15);
    world.s3.clear_requests();
    store.write(&records).retry(policy().give_up_after(Duration::ZERO)).await.unwrap_err();
    assert_eq!(world.count(Operation::Put), 5);
}

#[tokio::test(start_paused = true)]
async fn a_late_commit_is_restamped_again_and_not_written_twice() {
    for token in [None, Some("t")] {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        // The commit is late, and none of the five tries of the five refs after it gets a response.
        let make_late = |world: &Virtual| {
            world.s3.inject(put(".commit").times(4).hang());
            world.s3.inject(put(".ref").skip(1).times(25).hang());
        };
        make_late(&world);
        let records = Event::of(&["a"], 2);
        let result = store.write(&records).token_opt(token).await.unwrap_err();
        assert!(result.is_late_only() && result.is_transient());

        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        make_late(&world);
        let stamped = store.write(&records).token_opt(token).restamp_late(5).retry(policy()).await.unwrap();
        assert!(stamped[0].stream_offset > stamped[0].commit.offset);
        assert_eq!(world.keys_with(".commit").len(), 1);
        assert_eq!(store.read_all().await.unwrap().len(), 2);
        // A report is not repeated.
        world.s3.clear_faults();
        world.s3.inject(put(".commit").times(4).hang());
        let reported = store.write(&records).report_late().retry(policy()).await.unwrap_err();
        assert_eq!(reported.late.len(), 1);
    }
}

/// A record with a column that can't hold every time.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Stamped {
    part: String,
    #[record(timestamp = "ns")]
    at: DateTime<Utc>,
}

#[tokio::test(start_paused = true)]
async fn other_partitions_are_written_when_one_fails() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.inject(put(".parquet").key_contains("part=a").always().fail(403, "AccessDenied"));
    let records = Event::of(&PARTS, 2);
    let error = store.write(&records).keep_going().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let committed: Vec<_> = error.committed.iter().map(|commit| commit.partition.as_str()).collect();
    assert_eq!(committed, ["part=b", "part=c"]);
    assert_eq!(ids(&store).await, all()[2..]);

    // Each failure is reported.
    world.s3.inject(put(".parquet").key_contains("part=b").times(5).fail(503, "SlowDown"));
    world.s3.inject(put(".parquet").key_contains("part=c").times(5).fail(404, "NoSuchBucket"));
    let error = store.write(&records).keep_going().await.unwrap_err();
    assert!(error.committed.is_empty() && !error.is_transient());
    let failed: Vec<_> = error.also_failed.iter().map(|failed| failed.partition.as_str()).collect();
    // The first failure in time is the cause: a 503 is tried again for a while.
    assert_eq!((error.kind(), failed), (ErrorKind::Refused, vec!["part=b", "part=c"]));
    assert_eq!(error.also_failed[0].cause.kind(), ErrorKind::Unavailable);
    assert!(error.also_failed[1].cause.to_string().contains("NoSuchBucket"), "{error:?}");
    assert!(error.to_string().ends_with("; and 1 more"), "{error}");
    world.s3.clear_faults();
    world.s3.inject(put(".parquet").key_contains("part=a").always().fail(403, "AccessDenied"));

    // Together with `retry`, what may pass is repeated.
    world.s3.inject(put(".parquet").key_contains("part=d").times(12).fail(503, "SlowDown"));
    let error = store.write(&Event::of(&["a", "d"], 1)).keep_going().retry(policy()).await.unwrap_err();
    let committed: Vec<_> = error.committed.iter().map(|commit| commit.partition.as_str()).collect();
    assert_eq!((error.kind(), committed), (ErrorKind::Refused, vec!["part=d"]));

    // A record that does not fit its column fails only its partition.
    let store = world.dataset().await.store::<Stamped>();
    let stamped = |part: &str, at| Stamped { part: part.to_owned(), at };
    let records = [stamped("x", DateTime::<Utc>::MAX_UTC), stamped("y", DateTime::UNIX_EPOCH)];
    let error = store.write(&records).await.unwrap_err();
    assert_eq!((error.kind(), error.committed.len()), (ErrorKind::InvalidInput, 0));
    let error = store.write(&records).keep_going().await.unwrap_err();
    assert_eq!((error.kind(), error.committed.len()), (ErrorKind::InvalidInput, 1));
    assert!(error.to_string().contains("row 0"), "{error}");
}
