//! Optimistic commits, and backends with other conditional PUT behaviour.

use chrono::DateTime;
use s3store::testing::{ConditionalPut, Meanwhile, Operation, Policy};
use s3store::{CommitError, ErrorKind, Store};

use crate::integration::harness::{BUCKET, Virtual, listen, put};
use crate::integration::records::Event;
use crate::integration::warnings::Warnings;

const ATTEMPT: &str = "0190a0b0c0d07000800000000000abcd";

/// Returns the store of a process that has sent no conditional PUT yet.
async fn start(mode: ConditionalPut) -> (Virtual, Store<Event>) {
    let world = Virtual::new();
    world.dataset().await;
    let store = world.process("fresh").await.store();
    world.s3.set_conditional_put(mode);
    world.s3.clear_requests();
    (world, store)
}

/// Returns whether each PUT of a commit since the last call was conditional.
fn conditions(world: &Virtual) -> Vec<bool> {
    let requests = world.s3.requests();
    world.s3.clear_requests();
    let commits = requests.iter().filter(|request| {
        request.operation == Operation::Put && request.key.as_ref().is_some_and(|key| key.ends_with(".commit"))
    });
    commits.map(|request| request.if_none_match().is_some()).collect()
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

/// The handle can't distinguish this from a failing proxy before S3, so it keeps sending the condition.
#[tokio::test(start_paused = true)]
async fn a_backend_that_stops_supporting_conditions_fails_writes() {
    let (world, store) = start(ConditionalPut::Enforced).await;
    let records = Event::of(&["a"], 1);
    store.write(&records).token("1").optimistic_commit().await.unwrap();
    world.s3.set_conditional_put(ConditionalPut::NotImplemented);
    conditions(&world);
    for token in [Some("2"), None] {
        let write = || store.write_partition("part=a", &records).token_opt(token);
        for result in [write().optimistic_commit().await, write().await] {
            assert!(matches!(result, Err(CommitError::Unknown(_))), "{result:?}");
        }
        assert_eq!(conditions(&world), [true; 10]);
    }
    assert_eq!(store.read_all().await.unwrap().len(), 1);
    world.s3.set_conditional_put(ConditionalPut::Enforced);
    store.write(&records).token("2").optimistic_commit().await.unwrap();
    assert_eq!(store.read_all().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_conditional_put_the_commit_is_put_unconditionally() {
    let warnings = Warnings::default();
    let _guard = listen(tracing::Dispatch::new(warnings.clone()));
    let (world, store) = start(ConditionalPut::NotImplemented).await;
    let records = Event::of(&["a"], 1);
    let commits = store.write(&records).token("1").await.unwrap();
    assert_eq!(world.count(Operation::Head), 2, "one before the write, and one before the PUT without the condition");
    // Three refusals, the commit, and one more refusal.
    assert_eq!(conditions(&world), [true, true, true, false, true]);
    let warned = warnings.take();
    assert!(warned.len() == 1 && warned[0].contains("does not support If-None-Match"), "{warned:?}");
    assert_eq!(store.write(&records).token("1").await.unwrap(), commits);
    store.write(&records).await.unwrap();
    assert_eq!(conditions(&world), [false], "the handle remembers that conditions are not supported");
    assert_eq!(store.read_all().await.unwrap().len(), 2);
    assert_eq!(warnings.take(), Vec::<String>::new());
    // After an uncertain try and a 501, a failure of the PUT without the condition is still an unknown outcome.
    let (world, store) = start(ConditionalPut::NotImplemented).await;
    let commit = || put(".commit");
    world.s3.inject(commit().fail(500, "InternalError"));
    world.s3.inject(commit().skip(4).always().fail(403, "AccessDenied"));
    let error = store.write_partition("part=a", &records).await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown(_)), "{error:?}");
    assert_eq!(conditions(&world), [true, true, true, true, false]);
}

/// Initialising a dataset on such a backend finds out, too.
#[tokio::test(start_paused = true)]
async fn init_remembers_that_conditions_are_not_supported() {
    let world = Virtual::new();
    world.s3.set_conditional_put(ConditionalPut::NotImplemented);
    let store = world.dataset().await.store::<Event>();
    store.write(&Event::of(&["a"], 1)).await.unwrap();
    assert_eq!(conditions(&world), [false]);
}

#[tokio::test(start_paused = true)]
async fn a_stray_501_does_not_turn_off_the_condition() {
    let warnings = Warnings::default();
    let _guard = listen(tracing::Dispatch::new(warnings.clone()));
    let records = Event::of(&["a"], 1);
    for strays in 1..=6 {
        for seen in [false, true] {
            for (status, code) in [(501, "NotImplemented"), (501, "Other"), (400, "NotImplemented")] {
                let name = format!("{strays} {seen} {status} {code}");
                let (world, store) = start(ConditionalPut::Enforced).await;
                if seen {
                    store.write(&records).token("seen").await.unwrap();
                    conditions(&world);
                }
                world.s3.inject(put(".commit").times(strays).fail(status, code));
                let result = store.write_partition("part=a", &records).token("t").await;
                let sent = conditions(&world);
                match (seen, strays) {
                    (false, 1 | 2) | (true, 1..=4) => {
                        assert!(result.is_ok() && sent == vec![true; strays + 1], "{name}: {result:?}, {sent:?}");
                    }
                    // The condition works again after the PUT without it.
                    (false, 3) => {
                        assert!(result.is_ok() && sent == [true, true, true, false, true], "{name}: {sent:?}")
                    }
                    // S3 also refuses the PUT without the condition. So the refusals say nothing about the condition.
                    (false, _) => {
                        assert!(matches!(result, Err(CommitError::NotCommitted(_))), "{name}: {result:?}");
                        assert_eq!(sent, [true, true, true, false], "{name}");
                    }
                    (true, _) => {
                        assert!(matches!(result, Err(CommitError::Unknown(_))), "{name}: {result:?}");
                        assert_eq!(sent, [true; 5], "{name}");
                    }
                }
                world.s3.clear_faults();
                store.write(&records).token("t").await.unwrap();
                store.write(&records).await.unwrap();
                assert!(conditions(&world).iter().all(|conditional| *conditional), "{name}");
                assert_eq!(warnings.take(), Vec::<String>::new(), "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stray_501_does_not_turn_off_optimistic_commits() {
    let records = Event::of(&["a"], 1);
    for strays in 1..=4 {
        let (world, store) = start(ConditionalPut::Enforced).await;
        // In the proof, and in a later write.
        world.s3.inject(put(".commit").skip(1).times(strays).fail(501, "NotImplemented"));
        store.write(&records).token("1").optimistic_commit().await.unwrap();
        world.s3.inject(put(".commit").times(strays).fail(501, "NotImplemented"));
        store.write(&records).token("2").optimistic_commit().await.unwrap();
        world.s3.clear_requests();
        store.write(&records).token("3").optimistic_commit().await.unwrap();
        assert_eq!((world.count(Operation::Head), world.count(Operation::Put)), (0, 3), "{strays}");
    }
}

/// A commit that is on its way for long, and a retry by a process that had a stray 501, never make two commits.
#[tokio::test(start_paused = true)]
async fn a_commit_does_not_flip_after_stray_501s() {
    for strays in 0..=4 {
        let (world, first) = start(ConditionalPut::Enforced).await;
        let second = world.process("second").await.store::<Event>();
        for store in [&first, &second] {
            world.s3.inject(put(".commit").times(strays).fail(501, "NotImplemented"));
            let _ = store.write(&Event::of(&["a"], 1)).await;
            world.s3.clear_faults();
        }
        world.s3.inject(put(".commit").apply_late(Meanwhile::ConnectionLost));
        world.s3.inject(put(".commit").skip(1).times(4).drop_connection());
        let lost = first.write(&Event::of(&["b"], 1)).token("t").await.unwrap_err();
        assert_eq!(lost.unknown.len(), 1, "{lost:?}");
        let commit = second.write(&Event::of(&["b"], 2)).token("t").await.unwrap().remove(0);
        world.s3.land_late().await;
        assert_eq!(second.lookup_commit("part=b", "t").await.unwrap().unwrap(), commit, "{strays}");
    }
}

/// The late PUT of an earlier attempt lands while a fresh process looks for the cause of a 501.
#[tokio::test(start_paused = true)]
async fn a_commit_that_lands_between_stray_501s_is_not_replaced() {
    for strays in 1..=3 {
        for landing in 1..=strays {
            let (world, first) = start(ConditionalPut::Enforced).await;
            world.s3.inject(put(".commit").apply_late(Meanwhile::ConnectionLost));
            world.s3.inject(put(".commit").skip(1).times(4).drop_connection());
            first.write(&Event::of(&["a"], 1)).token("t").await.unwrap_err();
            world.s3.clear_faults();
            let second = world.process("second").await.store::<Event>();
            let s3 = world.s3.clone();
            world.s3.inject(put(".commit").skip(landing - 1).call_before(move |_| {
                let s3 = s3.clone();
                async move { drop(s3.land_late().await) }
            }));
            world.s3.inject(put(".commit").times(strays).fail(501, "NotImplemented"));
            let found = second.write(&Event::of(&["a"], 2)).token("t").accept_other_records().await.unwrap().remove(0);
            assert_eq!(found.record_count, 1, "the commit of the first attempt");
            assert_eq!(second.read_all().await.unwrap().len(), 1, "{strays} {landing}");
        }
    }
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
    let records = Event::of(&["a"], 3);
    let result = store.write_partition("part=a", &records).token("t").optimistic_commit().report_late().await;
    let Err(CommitError::Late(found)) = result else { panic!("{result:?}") };
    assert_eq!((found.record_count, found.inserted_at), (3, DateTime::from_timestamp_micros(2).unwrap()));
    assert_eq!(world.s3.object(BUCKET, key).unwrap().metadata["attemptid"], ATTEMPT);
}
