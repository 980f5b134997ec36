//! Metrics of writes: they count what landed, not what was tried.

use std::time::Duration;

use chrono::TimeDelta;
use s3store::CommitError;

use super::meter::{Collected, Meter};
use super::{bytes, measured, tallied};
use crate::integration::harness::{Virtual, put, sleep, wait_until, within};
use crate::integration::records::Event;

const LATE: &str = "s3store.write.commit_after_timeout";
const COLLISIONS: &str = "s3store.write.optimistic_commit.collisions";
const UNKNOWN: &str = "s3store.write.unknown_outcomes";
const RESTAMPS: &str = "s3store.write.restamps";
const RETURNED_LATE: &str = "s3store.write.late_outcomes";
const TAILS: &str = "s3store.write.tails";

/// Returns count and sum of records, partitions and bytes for a method.
fn written(collected: &Collected, method: &str) -> [(u64, f64); 3] {
    tallied(collected, method, ["s3store.write.records", "s3store.write.partitions", "s3store.write.bytes"])
}

#[tokio::test(start_paused = true)]
async fn a_write_counts_once_with_all_its_partitions() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    store.write(&Event::of(&["a", "b", "c"], 5)).await.unwrap();
    let all = bytes(&world);
    assert_eq!(written(&meter.collect(), "write"), [(1, 15.0), (1, 3.0), (1, all)]);
    store.write_partition("part=a", &Event::of(&["a"], 2)).await.unwrap();
    let one = bytes(&world) - all;
    let collected = meter.collect();
    assert_eq!(written(&collected, "write_with_key"), [(1, 2.0), (1, 1.0), (1, one)]);
    assert_eq!(written(&collected, "write"), [(1, 15.0), (1, 3.0), (1, all)]);
    // A write of no records counts as a call only.
    store.write(&[]).await.unwrap();
    let collected = meter.collect();
    assert_eq!(written(&collected, "write")[0].0, 1);
    assert_eq!(collected.sum("s3store.method.calls", &[("s3store.method", "write")]), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_existed_counts_records_but_no_bytes() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    let records = Event::of(&["a", "b"], 4);
    store.write(&records).token("t").await.unwrap();
    let once = bytes(&world);
    store.write(&records).token("t").await.unwrap();
    assert_eq!(written(&meter.collect(), "write"), [(2, 16.0), (2, 4.0), (1, once)]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_counts_the_partitions_that_landed() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    // `b` fails once `a` has landed.
    world.s3.inject(
        put(".parquet")
            .matching(|request| request.target().is_some_and(|key| key.contains("part=b")))
            .always()
            .call_before(|_| async {
                sleep(Duration::from_secs(1)).await;
            }),
    );
    world.s3.inject(put(".parquet").key_contains("part=b").always().fail(403, "AccessDenied"));
    let error = store.write(&Event::of(&["a", "b"], 3)).await.unwrap_err();
    assert_eq!(error.committed.len(), 1);
    let collected = meter.collect();
    assert_eq!(written(&collected, "write")[..2], [(1, 3.0), (1, 1.0)]);
    let failed = [("s3store.method", "write"), ("s3store.outcome", "error"), ("error.type", "client")];
    assert_eq!(collected.sum("s3store.method.calls", &failed), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_outlives_its_caller_is_counted() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let dataset = measured(&world, &meter).await;
    let store = dataset.store::<Event>();
    world.s3.inject(put(".commit").delay(Duration::from_secs(2)));
    let records = Event::of(&["a"], 3);
    assert!(within(Duration::from_secs(1), store.write(&records).into_future()).await.is_none());
    let collected = meter.collect();
    let canceled = [("s3store.method", "write"), ("s3store.outcome", "canceled"), ("error.type", "canceled")];
    assert_eq!(collected.sum("s3store.method.calls", &canceled), 1.0);
    assert_eq!(collected.sum(TAILS, &[]), 1.0);
    assert_eq!(written(&collected, "write")[0].0, 0);
    dataset.drain().await;
    let collected = meter.collect();
    assert_eq!(collected.sum(TAILS, &[]), 0.0);
    assert_eq!(written(&collected, "write"), [(1, 3.0), (1, 1.0), (1, bytes(&world))]);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_dropped_before_it_lands_is_not_counted() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    world.s3.inject(put(".parquet").hang());
    let records = Event::of(&["a"], 3);
    assert!(within(Duration::from_secs(1), store.write(&records).into_future()).await.is_none());
    let collected = meter.collect();
    assert_eq!(written(&collected, "write"), [(0, 0.0); 3]);
    assert!(collected.points(TAILS, &[]).iter().all(|point| point.value == 0.0));
}

#[tokio::test(start_paused = true)]
async fn late_commits_and_restamps_are_counted() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    world.s3.inject(put(".commit").times(4).hang());
    let error = store.write_partition("part=a", &Event::of(&["a"], 3)).token("t").report_late().await.unwrap_err();
    assert!(matches!(error, CommitError::Late(_)), "{error:?}");
    let collected = meter.collect();
    assert_eq!((collected.sum(LATE, &[]), collected.sum(RESTAMPS, &[])), (1.0, 0.0));
    assert_eq!(collected.sum(RETURNED_LATE, &[]), 1.0);
    // A late commit is durable, so it counts as written. Its call counts as an error.
    assert_eq!(written(&collected, "write_with_key")[0], (1, 3.0));
    let call = [("s3store.method", "write_with_key"), ("s3store.outcome", "error"), ("error.type", "other")];
    assert_eq!(collected.sum("s3store.method.calls", &call), 1.0);

    store.dataset().restamp(error.commit().unwrap()).await.unwrap();
    let collected = meter.collect();
    assert_eq!((collected.sum(LATE, &[]), collected.sum(RESTAMPS, &[])), (1.0, 1.0));
    let call = [("s3store.method", "restamp_ref"), ("s3store.outcome", "success")];
    assert_eq!(collected.sum("s3store.method.calls", &call), 1.0);

    // A failed restamp does not count.
    world.s3.inject(put(".ref").always().fail(403, "AccessDenied"));
    store.dataset().restamp(error.commit().unwrap()).await.unwrap_err();
    assert_eq!(meter.collect().sum(RESTAMPS, &[]), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_restamps_is_one_call() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    world.s3.inject(put(".commit").times(4).hang());
    store.write(&Event::of(&["a"], 3)).await.unwrap();
    world.s3.inject(put(".commit").times(4).hang());
    store.write_partition("part=a", &Event::of(&["a"], 3)).restamp_late(3).await.unwrap();
    let collected = meter.collect();
    assert_eq!(
        collected.moved("s3store.method.calls"),
        [
            "method=open,outcome=success → 1",
            "method=write,outcome=success → 1",
            "method=write_with_key,outcome=success → 1"
        ]
    );
    assert_eq!((collected.sum(LATE, &[]), collected.sum(RESTAMPS, &[])), (2.0, 2.0));
    assert_eq!(collected.sum(RETURNED_LATE, &[]), 0.0);
    assert_eq!(written(&collected, "write")[0], (1, 3.0));

    // Additional refs that are late themselves do not count as restamps. The commit is then returned as late, once.
    world.s3.inject(put(".commit").times(4).hang());
    world.s3.inject(put(".ref").skip(1).always().delay_answer(Duration::from_secs(3)));
    let (clock, begun) = (world.clock.clone(), world.clock.now());
    world.s3.inject(put(".ref").skip(1).always().call_after(move |_| {
        // The wall clock leaps while the ref's PUT is in flight.
        clock.set_offset(clock.now() - begun + TimeDelta::seconds(60));
        async {}
    }));
    let error = store.write_partition("part=a", &Event::of(&["a"], 3)).restamp_late(2).await.unwrap_err();
    assert!(matches!(error, CommitError::Late(_)), "{error:?}");
    let collected = meter.collect();
    assert_eq!((collected.sum(LATE, &[]), collected.sum(RESTAMPS, &[])), (3.0, 2.0));
    assert_eq!(collected.sum(RETURNED_LATE, &[]), 1.0);
}

#[tokio::test(start_paused = true)]
async fn only_returned_late_commits_count_as_late_outcomes() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    let records = Event::of(&["a"], 3);
    let numbers = || [LATE, RESTAMPS, RETURNED_LATE].map(|name| meter.collect().sum(name, &[]));
    // The write repairs its late commit, which is late beyond the skew.
    world.s3.inject(put(".commit").times(4).hang());
    world.s3.inject(put(".commit").skip(4).delay(Duration::from_secs(3)));
    store.write(&records).token("t").await.unwrap();
    assert_eq!(numbers(), [1.0, 1.0, 0.0]);
    // A retry finds it, which is not another commit after the timeout, and repairs it once.
    store.write(&records).token("t").await.unwrap();
    assert_eq!(numbers(), [1.0, 2.0, 0.0]);
    // A retry that reports it.
    store.write(&records).token("t").report_late().await.unwrap_err();
    assert_eq!(numbers(), [1.0, 2.0, 1.0]);
    // A retry that can't repair it.
    world.s3.inject(put(".ref").fail(403, "AccessDenied"));
    store.write(&records).token("t").await.unwrap_err();
    assert_eq!(numbers(), [1.0, 2.0, 2.0]);
    let call = |outcome| meter.collect().sum("s3store.method.calls", &[("s3store.method", "write"), outcome]);
    assert_eq!(call(("s3store.outcome", "success")), 2.0);
    assert_eq!(call(("s3store.outcome", "error")), 2.0);
}

#[tokio::test(start_paused = true)]
async fn unknown_outcomes_are_counted() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    world.s3.inject(put(".commit").always().drop_connection());
    let error = store.write_partition("part=a", &Event::of(&["a"], 3)).await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown(_)), "{error:?}");
    let collected = meter.collect();
    assert_eq!((collected.sum(UNKNOWN, &[]), collected.sum(LATE, &[])), (1.0, 0.0));
    assert_eq!(written(&collected, "write_with_key"), [(0, 0.0); 3]);
    let call = [("s3store.outcome", "error"), ("error.type", "transport")];
    assert_eq!(collected.sum("s3store.method.calls", &call), 1.0);
    // A definite failure is not an unknown outcome.
    world.s3.clear_faults();
    world.s3.inject(put(".commit").fail(400, "InvalidArgument"));
    store.write_partition("part=a", &Event::of(&["a"], 3)).await.unwrap_err();
    assert_eq!(meter.collect().sum(UNKNOWN, &[]), 1.0);
}

#[tokio::test(start_paused = true)]
async fn collisions_of_optimistic_commits_are_counted() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    let records = Event::of(&["a"], 3);
    // The first write proves the backend: S3 refuses its second PUT, which is not a collision.
    store.write(&records).token("first").optimistic_commit().await.unwrap();
    assert_eq!(meter.collect().sum(COLLISIONS, &[]), 0.0);
    store.write(&records).token("second").optimistic_commit().await.unwrap();
    assert_eq!(meter.collect().sum(COLLISIONS, &[]), 0.0);
    let once = bytes(&world);
    store.write(&records).token("second").optimistic_commit().await.unwrap();
    let collected = meter.collect();
    assert_eq!(collected.sum(COLLISIONS, &[]), 1.0);
    // The third write's file is not committed, so its bytes do not count.
    assert_eq!(written(&collected, "write"), [(3, 9.0), (3, 3.0), (2, once)]);
}

#[tokio::test(start_paused = true)]
async fn detached_commits_are_counted_while_in_progress() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    world.s3.inject(put(".ref").times(2).delay(Duration::from_secs(1)));
    let records = Event::of(&["a", "b"], 1);
    let writing = tokio::spawn({
        let store = store.clone();
        async move { store.write(&records).await }
    });
    wait_until(|| world.log().iter().filter(|request| request.ends_with(".ref")).count() == 2).await;
    assert_eq!(meter.collect().sum(TAILS, &[]), 2.0);
    writing.await.unwrap().unwrap();
    assert_eq!(meter.collect().sum(TAILS, &[]), 0.0);
}
