//! Optimistic commits, and backends with other conditional PUT behaviour.

use chrono::DateTime;
use s3store::testing::{ConditionalPut, Operation, Policy};
use s3store::{CommitError, ErrorKind, Store};

use crate::integration::harness::{BUCKET, Virtual, put};
use crate::integration::records::Event;

const ATTEMPT: &str = "0190a0b0c0d07000800000000000abcd";

async fn start(mode: ConditionalPut) -> (Virtual, Store<Event>) {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    world.s3.set_conditional_put(mode);
    world.s3.clear_requests();
    (world, dataset.store())
}

#[tokio::test(start_paused = true)]
async fn the_first_optimistic_write_proves_the_backend_and_later_ones_rely_on_it() {
    let denied = Policy::DenyOverwrite { suffix: ".commit".to_owned() };
    for (mode, policy) in [(ConditionalPut::Enforced, Policy::AllowAll), (ConditionalPut::Ignored, denied)] {
        let (world, store) = start(mode).await;
        world.s3.set_policy(policy);
        let records = Event::of(&["a"], 2);
        let first = store.write(&records).token("1").optimistic_commit().await.unwrap();
        assert_eq!((world.count(Operation::Head), world.count(Operation::Put)), (1, 4));
        world.s3.clear_requests();
        let second = store.write(&records).token("2").optimistic_commit().await.unwrap();
        assert_eq!((world.count(Operation::Head), world.count(Operation::Put)), (0, 3));

        // The token has committed. S3 rejects the PUT, and the first commit is returned.
        for (token, commits) in [("1", &first), ("2", &second)] {
            assert_eq!(&store.write(&records).token(token).optimistic_commit().await.unwrap(), commits);
        }
        assert_eq!(world.keys_with(".parquet").len(), 4, "two files are not committed");
        assert_eq!(store.read_all().await.unwrap().len(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn one_proof_is_enough_for_many_partitions() {
    let (world, store) = start(ConditionalPut::Enforced).await;
    store.write(&Event::of(&["a"], 1)).optimistic_commit().await.unwrap();
    assert_eq!(world.log().len(), 3, "without a token the option has no effect");
    store.write(&Event::of(&["a", "b", "c"], 1)).token("t").optimistic_commit().await.unwrap();
    world.s3.clear_requests();
    store.write(&Event::of(&["a", "b", "c"], 1)).token("u").optimistic_commit().await.unwrap();
    assert_eq!((world.count(Operation::Head), world.count(Operation::Put)), (0, 9));
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_ignores_conditions_fails_optimistic_writes() {
    for mode in [ConditionalPut::Ignored, ConditionalPut::NotImplemented] {
        let (world, store) = start(mode).await;
        let records = Event::of(&["a"], 1);
        let first = store.write(&records).token("1").optimistic_commit().await.unwrap();
        world.s3.clear_requests();
        let error = store.write_partition("part=a", &records).token("2").optimistic_commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert_eq!(world.log(), Vec::<String>::new());
        // Ordinary writes still work.
        store.write(&records).token("2").await.unwrap();
        assert_eq!(store.write(&records).token("1").await.unwrap(), first);
        assert_eq!(store.read_all().await.unwrap().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_stops_supporting_conditions_fails_optimistic_writes() {
    let (world, store) = start(ConditionalPut::Enforced).await;
    let records = Event::of(&["a"], 1);
    store.write(&records).token("1").optimistic_commit().await.unwrap();
    world.s3.set_conditional_put(ConditionalPut::NotImplemented);
    let error = store.write_partition("part=a", &records).token("2").optimistic_commit().await.unwrap_err();
    assert!(matches!(error, CommitError::NotCommitted(_)), "{error:?}");
    assert_eq!(store.read_all().await.unwrap().len(), 1);
    let error = store.write_partition("part=a", &records).token("3").optimistic_commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn without_conditional_put_the_commit_is_put_unconditionally() {
    let (world, store) = start(ConditionalPut::NotImplemented).await;
    let records = Event::of(&["a"], 1);
    let commits = store.write(&records).token("1").await.unwrap();
    assert_eq!(world.count(Operation::Put), 4, "the commit is put twice: with the condition, then without");
    assert_eq!(store.write(&records).token("1").await.unwrap(), commits);
    world.s3.clear_requests();
    store.write(&records).await.unwrap();
    assert_eq!(world.count(Operation::Put), 3, "the dataset remembers that conditions are not supported");
    assert!(world.s3.requests().iter().all(|request| request.if_none_match().is_none()));
    assert_eq!(store.read_all().await.unwrap().len(), 2);
    // After an uncertain try and a 501, a failure of the second PUT is still an unknown outcome.
    let (world, store) = start(ConditionalPut::NotImplemented).await;
    let commit = || put(".commit");
    world.s3.inject(commit().fail(500, "InternalError"));
    world.s3.inject(commit().skip(2).always().fail(403, "AccessDenied"));
    let error = store.write_partition("part=a", &records).await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn every_commit_is_conditional_and_nothing_else_is() {
    let (world, store) = start(ConditionalPut::Enforced).await;
    store.write(&Event::of(&["a", "b"], 1)).await.unwrap();
    store.write(&Event::of(&["a", "b"], 1)).token("t").await.unwrap();
    for request in world.s3.requests().iter().filter(|request| request.operation == Operation::Put) {
        let conditional = request.key.as_ref().unwrap().ends_with(".commit").then_some("*");
        assert_eq!(request.if_none_match(), conditional, "{request:?}");
        assert_eq!(request.header("content-type"), Some("application/octet-stream"));
    }
}

/// The proof overwrites the writer's own commit. It must never overwrite another writer's.
#[tokio::test(start_paused = true)]
async fn the_proof_never_touches_anothers_commit() {
    let (world, store) = start(ConditionalPut::Ignored).await;
    let s3 = world.s3.clone();
    let key = "d/data/part=a/t.commit";
    let meta = [("attemptid", ATTEMPT), ("refmicrots", "1"), ("insertedat", "2"), ("rowcount", "3")];
    world.s3.inject(put(".ref").call_after(move |_| {
        s3.put_object_with(BUCKET, key, "", meta);
        async {}
    }));
    world.s3.inject(put(".commit").times(5).fail(503, "SlowDown"));
    let result =
        store.write_partition("part=a", &Event::of(&["a"], 1)).token("t").optimistic_commit().report_late().await;
    let Err(CommitError::Late(found)) = result else { panic!("{result:?}") };
    assert_eq!((found.record_count, found.inserted_at), (3, DateTime::from_timestamp_micros(2).unwrap()));
    assert_eq!(world.s3.object(BUCKET, key).unwrap().metadata["attemptid"], ATTEMPT);
}
