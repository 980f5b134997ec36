//! Calls of public methods: their names, outcomes, and calls in flight.

use std::time::Duration;

use futures_util::TryStreamExt;
use s3store::testing::{Fault, Operation};
use s3store::{Dataset, Offset, Store};

use super::measured;
use super::meter::Meter;
use crate::integration::harness::{BUCKET, PREFIX, Virtual, within};
use crate::integration::records::{Event, Item, Parts};

const CALLS: &str = "s3store.method.calls";
const DURATION: &str = "s3store.method.duration";
const IN_FLIGHT: &str = "s3store.method.in_flight";

/// Calls a method by the name under which it is counted. S3 determines whether it fails or hangs.
async fn call(method: &str, store: &Store<Event>) -> Result<(), Box<dyn std::error::Error>> {
    let dataset = store.dataset();
    let poll = || store.poll(&Offset::START);
    match method {
        "write" => drop(store.write(&Event::of(&["a"], 1)).await?),
        "writer_flush" => {
            let mut writer = store.writer().start().unwrap();
            writer.write(Event::new("a", 1)).await?;
            drop(writer.flush().await?)
        }
        "write_with_key" => drop(store.write_partition("part=a", &Event::of(&["a"], 1)).await?),
        "lookup_commit" => drop(store.lookup_commit("part=a", "t").await?),
        "read" => drop(store.read_all().await?),
        "read_iter" => drop(store.read_all().stream().try_collect::<Vec<_>>().await?),
        "read_partition_iter" => drop(store.read_all().partitions().try_collect::<Vec<_>>().await?),
        "read_batches" => drop(store.read_all().batches().try_collect::<Vec<_>>().await?),
        "count" => drop(store.read_all().count().await?),
        "explain" => drop(store.read_all().explain().await?),
        "read_range_iter" => drop(store.read_range(..).stream().try_collect::<Vec<_>>().await?),
        "read_partition_range_iter" => drop(store.read_range(..).partitions().try_collect::<Vec<_>>().await?),
        "read_range_batches" => drop(store.read_range(..).batches().try_collect::<Vec<_>>().await?),
        "poll" => drop(poll().await?),
        "poll_records" => drop(store.poll_records(&Offset::START).await?),
        "poll_range" => drop(store.poll_range(..).await?),
        "lookup" => drop(dataset.view::<Parts>().lookup("*").await?),
        "backfill" => drop(dataset.view::<Parts>().backfill("*").await?),
        "read_entity" => drop(dataset.store::<Item>().read_entity(&Item::entity_of("none", 1)?).await?),
        "history_of" => drop(dataset.store::<Item>().history_of(&Item::entity_of("none", 1)?).await?),
        "partitions" => drop(store.partitions("*").await?),
        "doctor" => drop(dataset.doctor(..).await?),
        other => panic!("unknown method {other}"),
    }
    Ok(())
}

const METHODS: [&str; 22] = [
    "write",
    "writer_flush",
    "write_with_key",
    "lookup_commit",
    "read",
    "read_iter",
    "read_partition_iter",
    "read_batches",
    "count",
    "explain",
    "read_range_iter",
    "read_partition_range_iter",
    "read_range_batches",
    "poll",
    "poll_records",
    "poll_range",
    "lookup",
    "backfill",
    "partitions",
    "read_entity",
    "history_of",
    "doctor",
];

#[tokio::test(start_paused = true)]
async fn each_method_is_counted_under_its_own_name_only() {
    for method in METHODS {
        let (world, meter) = (Virtual::new(), Meter::new());
        let store = measured(&world, &meter).await.store::<Event>();
        call(method, &store).await.unwrap();
        let collected = meter.collect();
        let expected = [format!("method={method},outcome=success → 1"), "method=open,outcome=success → 1".into()];
        let mut expected = Vec::from(expected);
        expected.sort();
        assert_eq!(collected.moved(CALLS), expected);
        assert_eq!(collected.count(DURATION, &[("s3store.method", method), ("s3store.outcome", "success")]), 1);
        assert_eq!(collected.moved(IN_FLIGHT), Vec::<String>::new(), "{method}");
        assert_eq!(collected.points(IN_FLIGHT, &[("s3store.method", method)]).len(), 1, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn errors_and_cancellations_are_counted_separately() {
    for method in METHODS {
        let (world, meter) = (Virtual::new(), Meter::new());
        let store = measured(&world, &meter).await.store::<Event>();
        world.s3.inject(Fault::any().always().fail(403, "AccessDenied"));
        call(method, &store).await.unwrap_err();
        let of = [("s3store.method", method), ("s3store.outcome", "error"), ("error.type", "client")];
        let collected = meter.collect();
        assert_eq!(collected.sum(CALLS, &of), 1.0, "{method}: {:?}", collected.moved(CALLS));
        assert_eq!(collected.count(DURATION, &of), 1, "{method}");

        world.s3.clear_faults();
        world.s3.inject(Fault::any().always().hang());
        let second = Duration::from_secs(1);
        assert!(within(second, Box::pin(call(method, &store))).await.is_none(), "{method}");
        let of = [("s3store.method", method), ("s3store.outcome", "canceled"), ("error.type", "canceled")];
        let collected = meter.collect();
        assert_eq!(collected.sum(CALLS, &of), 1.0, "{method}: {:?}", collected.moved(CALLS));
        assert_eq!(collected.sum(DURATION, &of), 1.0, "{method}");
        assert_eq!(collected.moved(IN_FLIGHT), Vec::<String>::new(), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_in_flight_until_it_ends() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    store.write(&Event::of(&["a", "b"], 1)).await.unwrap();
    let mut records = store.read_all().stream();
    assert_eq!(meter.collect().moved(IN_FLIGHT), Vec::<String>::new(), "the stream has not been polled yet");
    records.try_next().await.unwrap().unwrap();
    assert_eq!(meter.collect().moved(IN_FLIGHT), ["method=read_iter → 1"]);
    let mut others = store.read_all().stream();
    others.try_next().await.unwrap().unwrap();
    assert_eq!(meter.collect().moved(IN_FLIGHT), ["method=read_iter → 2"]);
    drop(others);
    while records.try_next().await.unwrap().is_some() {}
    let collected = meter.collect();
    assert_eq!(collected.moved(IN_FLIGHT), Vec::<String>::new());
    let of = |outcome| collected.sum(CALLS, &[("s3store.method", "read_iter"), ("s3store.outcome", outcome)]);
    assert_eq!((of("success"), of("canceled"), of("error")), (1.0, 1.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn read_entries_has_its_own_method_names() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    store.write(&Event::of(&["a"], 1)).await.unwrap();
    let entries = world.settled().await.store::<Event>().poll(&Offset::START).await.unwrap().entries;
    let _ = store.read_entries(&entries).await.unwrap();
    let _: Vec<_> = store.read_entries(&entries).stream().try_collect().await.unwrap();
    let _: Vec<_> = store.read_entries(&entries).partitions().try_collect().await.unwrap();
    let _: Vec<_> = store.read_entries(&entries).batches().try_collect().await.unwrap();
    let collected = meter.collect();
    let of = |method| collected.sum(CALLS, &[("s3store.method", method), ("s3store.outcome", "success")]);
    assert_eq!(of("read_entries_iter"), 2.0);
    assert_eq!((of("read_partition_entries_iter"), of("read_entries_batches")), (1.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn init_and_open_are_counted() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let open = || meter.on(world.options()).open(world.s3.client(), BUCKET, PREFIX);
    open().await.unwrap_err();
    let _ = meter.on(world.options()).init(world.s3.client(), BUCKET, PREFIX).await.unwrap();
    open().await.unwrap();
    assert_eq!(
        meter.collect().moved(CALLS),
        [
            "error.type=other,method=open,outcome=error → 1",
            "method=init,outcome=success → 1",
            "method=open,outcome=success → 1"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_follower_and_its_polls_are_separate_calls() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let dataset: Dataset = measured(&world, &meter).await;
    let store = dataset.store::<Event>();
    store.write(&Event::of(&["a"], 1)).await.unwrap();
    let mut pages = store.follow(&Offset::START).records();
    assert_eq!(pages.next_page().await.unwrap().records.len(), 1);
    let collected = meter.collect();
    assert_eq!(collected.moved(IN_FLIGHT), ["method=follow → 1"]);
    let polls = collected.sum(CALLS, &[("s3store.method", "poll_records"), ("s3store.outcome", "success")]);
    assert!(polls >= 2.0, "{polls}");

    // A transient error fails polls, but not the follower's call.
    world.s3.inject(Fault::on(Operation::List).times(5).fail(503, "SlowDown"));
    assert!(within(Duration::from_secs(20), pages.next_page()).await.is_none());
    let collected = meter.collect();
    let failed = [("s3store.outcome", "error"), ("error.type", "slowdown")];
    assert_eq!(collected.sum(CALLS, &[&failed[..], &[("s3store.method", "poll_records")]].concat()), 1.0);
    assert_eq!(collected.sum(CALLS, &[("s3store.method", "follow")]), 0.0);

    // An error that the consumer receives ends the call. The next poll of the stream starts another.
    world.s3.inject(Fault::on(Operation::List).times(1).fail(403, "AccessDenied"));
    pages.next_page().await.unwrap_err();
    assert_eq!(meter.collect().moved(IN_FLIGHT), Vec::<String>::new());
    assert!(within(Duration::from_secs(5), pages.next_page()).await.is_none());
    assert_eq!(meter.collect().moved(IN_FLIGHT), ["method=follow → 1"]);
    drop(pages);
    let collected = meter.collect();
    let ended = |outcome| collected.sum(CALLS, &[("s3store.method", "follow"), ("s3store.outcome", outcome)]);
    assert_eq!((ended("error"), ended("canceled"), ended("success")), (1.0, 1.0, 0.0));
    assert_eq!(collected.moved(IN_FLIGHT), Vec::<String>::new());
}
