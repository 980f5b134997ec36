//! Writes that fail in some partitions only, and callers that drop the future.

use std::time::Duration;

use s3store::rust_decimal::Decimal;
use s3store::testing::{Fault, FaultBuilder, Operation};
use s3store::{ErrorKind, Record};

use crate::integration::harness::{Virtual, sleep};
use crate::integration::records::Event;

fn put(part: &str, suffix: &'static str) -> FaultBuilder {
    Fault::on(Operation::Put).key_contains(format!("part={part}")).key_ends_with(suffix)
}

#[tokio::test(start_paused = true)]
async fn partitions_that_are_committing_are_awaited_and_the_others_stopped() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    // When b fails, after five tries, a's data has landed and c's PUT is in flight.
    world.s3.inject(put("a", ".commit").delay(Duration::from_secs(3)));
    world.s3.inject(put("b", ".parquet").always().fail(503, "SlowDown"));
    world.s3.inject(put("c", ".parquet").always().hang());
    // d gets no response to its commit. It needs longer than b to give up.
    world.s3.inject(put("d", ".commit").always().hang());
    let records = Event::of(&["a", "b", "c", "d"], 2);
    let begun = world.clock.now();
    let error = store.write(&records).token("t").await.unwrap_err();
    let partitions = |commits: &[s3store::Commit]| commits.iter().map(|c| c.partition.clone()).collect::<Vec<_>>();
    assert_eq!(partitions(&error.committed), ["part=a"]);
    assert_eq!(error.late, []);
    assert_eq!(error.unknown.iter().map(|unknown| unknown.partition.as_str()).collect::<Vec<_>>(), ["part=d"]);
    let cause = error.cause.as_ref().unwrap();
    assert_eq!(cause.kind(), ErrorKind::Unavailable);
    assert!(cause.to_string().contains("part=b"), "{cause}");
    assert!(!error.is_late_only());
    assert!((world.clock.now() - begun).num_seconds() < 30, "the write waited for c");

    // Stopped partitions stay stopped.
    world.s3.clear_faults();
    sleep(Duration::from_secs(300)).await;
    assert_eq!(world.keys_with(".commit"), ["d/data/part=a/t.commit"]);
    assert_eq!(store.read_all().await.unwrap().len(), 2);
    // A retry with the same token completes the write.
    let commits = store.write(&records).token("t").await.unwrap();
    assert_eq!(commits[0], error.committed[0]);
    assert_eq!(store.read_all().await.unwrap().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn partitions_that_have_not_started_never_start() {
    let world = Virtual::new();
    let dataset = world.dataset_with(world.options().max_inflight_requests(1)).await;
    let store = dataset.store::<Event>();
    world.s3.inject(put("b", ".parquet").always().fail(403, "AccessDenied"));
    world.s3.clear_requests();
    let error = store.write(&Event::of(&["a", "b", "c", "d"], 1)).await.unwrap_err();
    assert_eq!(error.cause.as_ref().unwrap().kind(), ErrorKind::Refused);
    assert_eq!(error.committed.len(), 1, "{error:?}");
    assert!(world.log().iter().all(|line| !line.contains("part=c") && !line.contains("part=d")), "{:?}", world.log());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_stops_the_others_too() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.inject(put("a", ".commit").always().fail(500, "InternalError"));
    world.s3.inject(put("b", ".parquet").always().hang());
    let error = store.write(&Event::of(&["a", "b"], 1)).await.unwrap_err();
    assert_eq!((error.committed.len(), error.late.len(), error.unknown.len()), (0, 0, 1));
    assert!(error.cause.is_none() && !error.is_late_only());
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Priced {
    part: String,
    #[record(decimal(4, 2))]
    price: Decimal,
}

#[tokio::test(start_paused = true)]
async fn one_bad_value_fails_the_whole_write_before_any_request() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Priced>();
    let priced = |part: &str, price| Priced { part: part.to_owned(), price: Decimal::new(price, 2) };
    let mut records: Vec<Priced> = (0..20).map(|row| priced(["a", "b", "c"][row % 3], 100)).collect();
    records[13] = priced("b", 10_000);
    world.s3.clear_requests();
    let error = store.write(&records).token("t").await.unwrap_err();
    let cause = error.cause.unwrap();
    assert_eq!(cause.kind(), ErrorKind::InvalidInput);
    assert!(cause.to_string().contains("row 13") && cause.to_string().contains("price"), "{cause}");
    assert_eq!(world.log(), Vec::<String>::new());

    // In a single partition the bad value is also found before any PUT.
    let error = store.write(&[priced("a", 1), priced("a", 10_000)]).await.unwrap_err();
    assert!(error.cause.unwrap().to_string().contains("row 1"));
    assert_eq!(world.count(Operation::Put), 0);

    // So is a partition value that no key can contain.
    for bad in ["", "x/y", "x..y"] {
        let error = store.write(&[priced("a", 1), priced(bad, 1)]).await.unwrap_err();
        let cause = error.cause.unwrap();
        assert_eq!(cause.kind(), ErrorKind::InvalidInput, "{bad:?}");
        assert!(cause.to_string().contains("row 1"), "{cause}");
    }
    assert_eq!(world.count(Operation::Put), 0);
}

/// Drops the write after any number of polls. Then each partition is either completely visible or not at all, and a
/// retry with the token completes the write.
#[tokio::test(start_paused = true)]
async fn a_caller_may_drop_the_future_at_any_poll() {
    let mut polls = 0;
    loop {
        let world = Virtual::new();
        let dataset = world.dataset().await;
        let store = dataset.store::<Event>();
        let records = Event::of(&["a", "b"], 2);
        let mut write = store.write(&records).token("t").into_future();
        let mut left = polls;
        let finished = std::future::poll_fn(|context| {
            if left == 0 {
                return std::task::Poll::Ready(None);
            }
            left -= 1;
            let polled = write.as_mut().poll(context).map(Some);
            // Poll again at once, so that polls are counted the same way every time.
            context.waker().wake_by_ref();
            polled
        })
        .await;
        drop(write);
        dataset.drain().await;
        let visible = store.read_all().await.unwrap();
        assert_eq!(visible.len(), 2 * world.keys_with(".commit").len(), "{polls} polls");
        let commits = store.write(&records).token("t").await.unwrap();
        assert_eq!((commits.len(), store.read_all().await.unwrap().len()), (2, 4), "{polls} polls");
        if let Some(result) = finished {
            assert_eq!(result.unwrap(), commits);
            break;
        }
        // Most polls only wait. After the first hundred, test every twentieth.
        polls += if polls < 100 { 1 } else { 20 };
    }
    assert!(polls > 3);
}
