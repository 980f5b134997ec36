//! Metrics of requests: outcomes, tries, sizes, permits.

use std::time::Duration;

use s3store::Offset;
use s3store::testing::{Fault, Operation};

use super::meter::Meter;
use super::{measured, measured_with};
use crate::integration::harness::{MakeFault, Virtual, sleep, within};
use crate::integration::records::Event;

const COUNT: &str = "s3store.s3.request.count";
const DURATION: &str = "s3store.s3.request.duration";

#[tokio::test(start_paused = true)]
async fn each_operation_is_counted_separately() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    store.write(&Event::of(&["a"], 3)).token("t").await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(store.read_all().await.unwrap().len(), 3);
    store.poll(&Offset::START).await.unwrap();
    let collected = meter.collect();
    // The HEAD finds no commit of the token: 404. The snapshot and the poll each
    // ask for the commit. Two GETs read the configuration, one the file.
    assert_eq!(
        collected.moved(COUNT),
        [
            "error.type=not_found,attempts=1,operation=head,outcome=error → 1",
            "attempts=1,operation=get,outcome=success → 3",
            "attempts=1,operation=head,outcome=success → 2",
            "attempts=1,operation=list,outcome=success → 2",
            "attempts=1,operation=put,outcome=success → 3",
        ]
        .map(str::to_owned)
        .into_iter()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
    assert_eq!(collected.count(DURATION, &[("s3store.operation", "put"), ("s3store.outcome", "success")]), 3);
    assert_eq!(collected.count(DURATION, &[("error.type", "not_found")]), 1);
    // Only one of the three PUTs, the data file, has a body.
    let put = [("s3store.operation", "put")];
    let file = world.s3.object("s3store-tests", &world.keys_with(".parquet")[0]).unwrap().body.len();
    assert_eq!(collected.count("s3store.s3.request.body.size", &put), 1);
    assert_eq!(collected.sum("s3store.s3.request.body.size", &put) as usize, file);
    let got = collected.points("s3store.s3.response.body.size", &[("s3store.operation", "get")]);
    assert_eq!(got[0].count, 3);
    assert_eq!(got[0].value as usize, file + "15s".len() + "1s".len());
    assert_eq!(collected.points("s3store.s3.response.body.size", &[]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_by_error_type() {
    let cases: [(&str, u32, MakeFault); 11] = [
        ("slowdown", 5, |fault| fault.fail(503, "SlowDown")),
        ("slowdown", 5, |fault| fault.fail(429, "TooManyRequests")),
        ("slowdown", 5, |fault| fault.fail(400, "SlowDown")),
        ("server", 5, |fault| fault.fail(500, "InternalError")),
        ("server", 5, |fault| fault.fail(503, "ServiceUnavailable")),
        ("server", 1, |fault| fault.fail(501, "NotImplemented")),
        ("client", 1, |fault| fault.fail(403, "AccessDenied")),
        ("client", 1, |fault| fault.fail(404, "NoSuchBucket")),
        ("precondition_failed", 1, |fault| fault.fail(412, "PreconditionFailed")),
        ("transport", 5, |fault| fault.drop_connection()),
        ("transport", 5, |fault| fault.hang()),
    ];
    for (error, tries, fault) in cases {
        let (world, meter) = (Virtual::new(), Meter::new());
        let store = measured(&world, &meter).await.store::<Event>();
        world.s3.inject(fault(Fault::on(Operation::List).always()));
        store.read_all().await.unwrap_err();
        let collected = meter.collect();
        let of = [("s3store.operation", "list"), ("s3store.outcome", "error"), ("error.type", error)];
        let attempts = tries.to_string();
        let counted = [&of[..], &[("s3store.attempts", attempts.as_str())]].concat();
        assert_eq!(collected.sum(COUNT, &counted), 1.0, "{error}: {:?}", collected.moved(COUNT));
        assert_eq!(collected.count(DURATION, &of), 1, "{error}");
        // Every try with a transient error counts, including the last.
        let transient = "s3store.s3.transient_error.count";
        let expected: Vec<String> = match tries {
            1 => Vec::new(),
            _ => (1..=5).map(|attempt| format!("error.type={error},attempt={attempt},operation=list → 1")).collect(),
        };
        assert_eq!(collected.moved(transient), expected, "{error}");
        // The call has the error type of its request.
        let call = [("s3store.method", "read"), ("s3store.outcome", "error"), ("error.type", error)];
        assert_eq!(collected.sum("s3store.method.calls", &call), 1.0, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_is_counted_by_its_number_of_tries() {
    for failures in 0..5 {
        let (world, meter) = (Virtual::new(), Meter::new());
        let store = measured(&world, &meter).await.store::<Event>();
        world.s3.inject(Fault::on(Operation::List).times(failures).fail(503, "SlowDown"));
        store.read_all().await.unwrap();
        let attempts = (failures + 1).to_string();
        let of =
            [("s3store.operation", "list"), ("s3store.outcome", "success"), ("s3store.attempts", attempts.as_str())];
        let collected = meter.collect();
        assert_eq!(collected.sum(COUNT, &of), 1.0);
        assert_eq!(collected.moved("s3store.s3.transient_error.count").len(), failures);
        // The duration includes the pauses between tries.
        let took = collected.sum(DURATION, &[("s3store.operation", "list")]);
        assert!(took >= [0.0, 0.1, 0.4, 0.9, 1.4][failures], "{failures}: {took}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_counts_as_canceled() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    world.s3.inject(Fault::on(Operation::List).hang());
    assert!(within(Duration::from_secs(1), store.poll(&Offset::START).into_future()).await.is_none());
    // The drop aborts the request's task, which ends when the scheduler runs next.
    tokio::task::yield_now().await;
    let collected = meter.collect();
    let of = [("s3store.operation", "list"), ("s3store.outcome", "canceled"), ("error.type", "canceled")];
    assert_eq!(collected.sum(COUNT, &[&of[..], &[("s3store.attempts", "1")]].concat()), 1.0);
    assert_eq!(collected.count(DURATION, &of), 1);
    assert_eq!(collected.sum("s3store.target.inflight", &[]), 0.0);
}

#[tokio::test(start_paused = true)]
async fn permits_are_counted_when_granted_and_when_canceled() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let dataset = measured_with(&world, &meter, world.options().max_inflight_requests(1)).await;
    let store = dataset.store::<Event>();
    let collected = meter.collect();
    assert_eq!(collected.sum("s3store.target.limit", &[]), 1.0);
    // `open` reads two objects concurrently. One of them waited for the permit, for no time.
    let before = collected.count("s3store.target.semaphore.wait.duration", &[]);
    assert_eq!(before, 1);

    world.s3.inject(Fault::on(Operation::List).times(1).delay(Duration::from_secs(3)));
    let first = tokio::spawn({
        let store = store.clone();
        async move { store.poll(&Offset::START).await }
    });
    sleep(Duration::from_secs(1)).await;
    let second = tokio::spawn({
        let store = store.clone();
        async move { store.poll(&Offset::START).await }
    });
    let third = tokio::spawn({
        let store = store.clone();
        async move { store.poll(&Offset::START).await }
    });
    sleep(Duration::from_secs(1)).await;
    let collected = meter.collect();
    assert_eq!(collected.sum("s3store.target.inflight", &[]), 1.0);
    assert_eq!(collected.sum("s3store.target.waiting", &[]), 2.0);

    third.abort();
    assert!(third.await.unwrap_err().is_cancelled());
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    let collected = meter.collect();
    assert_eq!(collected.sum("s3store.target.inflight", &[]), 0.0);
    assert_eq!(collected.sum("s3store.target.waiting", &[]), 0.0);
    let acquires = "s3store.target.semaphore.acquires";
    assert_eq!(collected.moved(acquires), ["outcome=canceled → 1", "outcome=success → 4"]);
    // The second request waited 2 s. The third, which was canceled, is not in the histogram of waits.
    let waits = &collected.points("s3store.target.semaphore.wait.duration", &[])[0];
    assert_eq!((waits.count, waits.value), (2, 2.0));
    // It never got a permit, so it has 0 attempts.
    let of = [("s3store.operation", "list"), ("s3store.outcome", "canceled"), ("s3store.attempts", "0")];
    assert_eq!(collected.sum(COUNT, &of), 1.0);
    // The duration includes the wait: 3 s of the first, 2 s of the second, 1 s of the third.
    assert_eq!(collected.sum(DURATION, &[("s3store.operation", "list")]), 6.0);
}

#[tokio::test(start_paused = true)]
async fn fan_outs_record_items_and_workers() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let dataset = measured_with(&world, &meter, world.options().max_inflight_requests(4)).await;
    let store = dataset.store::<Event>();
    store.write(&Event::in_partitions(10, 1)).await.unwrap();
    let collected = meter.collect();
    let point = |name: &str| collected.points(name, &[]).into_iter().map(|p| (p.count, p.value)).collect::<Vec<_>>();
    assert_eq!(point("s3store.fanout.items"), [(1, 10.0)]);
    assert_eq!(point("s3store.fanout.workers"), [(1, 4.0)]);
    // A read makes two fan-outs: one listing and ten files.
    store.read_all().await.unwrap();
    let collected = meter.collect();
    let point = |name: &str| collected.points(name, &[]).into_iter().map(|p| (p.count, p.value)).collect::<Vec<_>>();
    assert_eq!(point("s3store.fanout.items"), [(3, 21.0)]);
    assert_eq!(point("s3store.fanout.workers"), [(3, 9.0)]);
}
