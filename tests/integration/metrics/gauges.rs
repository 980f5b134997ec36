//! Gauges that are computed when they are collected: the clock skew, and a follower's lag.

use std::time::Duration;

use chrono::TimeDelta;
use s3store::Offset;
use s3store::dataset::ClockGuard;
use s3store::testing::{Fault, Operation};

use super::measured;
use super::meter::Meter;
use crate::integration::harness::{BUCKET, PREFIX, Virtual, options, sleep, within};
use crate::integration::records::Event;

const SKEW: &str = "s3store.clock.skew";
const LAG: &str = "s3store.follow.lag";

#[tokio::test(start_paused = true)]
async fn the_clock_skew_gauge_is_the_part_that_is_certain() {
    for (ahead, least, most) in [(0, 0.0, 0.0), (5, 3.9, 5.0), (-5, -5.0, -3.9)] {
        let (world, meter) = (Virtual::new(), Meter::new());
        world.dataset().await;
        let clock = world.clock_ahead(TimeDelta::seconds(ahead));
        let options = options().clock(clock).clock_guard(ClockGuard::Off);
        let dataset = meter.on(options).open(world.s3.client(), BUCKET, PREFIX).await.unwrap();
        let skew = meter.collect().points(SKEW, &[]);
        assert_eq!(skew.len(), 1);
        assert!((least..=most).contains(&skew[0].value), "{ahead}: {}", skew[0].value);
        // The gauge disappears with the dataset.
        drop(dataset);
        assert_eq!(meter.collect().points(SKEW, &[]).len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_lag_is_the_age_of_what_the_consumer_has_not_received() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let dataset = measured(&world, &meter).await;
    let store = dataset.store::<Event>();
    let lag = || meter.collect().points(LAG, &[]).iter().map(|point| point.value).collect::<Vec<_>>();
    assert_eq!(lag(), [0.0; 0], "a dataset without a follower has no lag");

    // Three commits, a minute apart.
    let begun = world.clock.now();
    for _ in 0..3 {
        store.write(&Event::of(&["a"], 1)).await.unwrap();
        sleep(Duration::from_secs(60)).await;
    }
    let window = dataset.settle_window().as_secs_f64();
    // Both starts give the same lag, although for the beginning of the stream it is known only after the first page.
    for after in [dataset.offset_at(begun), Offset::START] {
        let mut pages = store.follow(&after).limit(1).entries();
        assert_eq!(lag(), [0.0; 0], "the follower has not started");
        pages.next_page().await.unwrap();
        assert!((lag()[0] - 180.0).abs() < 1.0, "{after:?}: {:?}", lag());
    }
    let mut pages = store.follow(&dataset.offset_at(begun)).limit(1).entries();
    for received in 0..3 {
        pages.next_page().await.unwrap();
        // The last page reaches the tip, so everything that is settled was received.
        let since = if received == 2 { window } else { 180.0 - 60.0 * f64::from(received) };
        assert!((lag()[0] - since).abs() < 1.0, "{received}: {:?}", lag());
    }
    // With everything received, it stays behind by the settle window, plus up to a pace between two polls.
    assert!(within(Duration::from_millis(1_500), pages.next_page()).await.is_none());
    assert!((window..window + 1.1).contains(&lag()[0]), "{:?}", lag());
    // The lag grows if the consumer stops polling, or if S3 does not respond.
    sleep(Duration::from_secs(100)).await;
    assert!(lag()[0] > window + 99.0, "{:?}", lag());
    assert!(within(Duration::from_millis(1_500), pages.next_page()).await.is_none());
    assert!(lag()[0] < window + 2.0, "{:?}", lag());
    world.s3.inject(Fault::on(Operation::List).always().fail(503, "SlowDown"));
    assert!(within(Duration::from_secs(50), pages.next_page()).await.is_none());
    assert!(lag()[0] > window + 49.0, "{:?}", lag());

    // With several followers, the one that is furthest behind counts.
    world.s3.clear_faults();
    let mut other = store.follow(&dataset.offset_at(world.clock.now())).entries();
    assert!(within(Duration::from_secs(5), other.next_page()).await.is_none());
    assert!(lag()[0] > window + 49.0, "{:?}", lag());
    drop(pages);
    assert!((window..window + 2.0).contains(&lag()[0]), "{:?}", lag());
    drop(other);
    assert_eq!(lag(), [0.0; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_lag_of_publishing_is_the_age_of_what_the_log_has() {
    const LAG: &str = "s3store.publish.lag";
    let (world, meter) = (Virtual::new(), Meter::new());
    let dataset = measured(&world, &meter).await;
    let store = dataset.store::<Event>();
    let lag = || meter.collect().points(LAG, &[]).iter().map(|point| point.value).collect::<Vec<_>>();
    let added = || ["versions", "files"].map(|name| meter.collect().sum(&format!("s3store.publish.{name}"), &[]));
    store.write(&Event::of(&["a", "b"], 1)).await.unwrap();
    store.table().publish_delta().await.unwrap();
    assert_eq!((lag(), added()), (vec![], [1.0, 2.0]), "one call has no lag");
    let window = dataset.settle_window().as_secs_f64();
    let table = store.table();
    let mut publishing = table.publish_delta().interval(Duration::from_secs(60)).stream();
    assert_eq!(lag(), [0.0; 0], "it has not started");
    store.write(&Event::of(&["a"], 1)).await.unwrap();
    publishing.try_next().await.unwrap();
    assert!((window..window + 1.0).contains(&lag()[0]), "{:?}", lag());
    assert_eq!(added(), [2.0, 3.0]);
    // Nothing is new, so the log is as long as before, and up to date.
    assert!(within(Duration::from_secs(650), publishing.try_next()).await.is_none());
    assert!((window..window + 61.0).contains(&lag()[0]), "{:?}", lag());
    world.s3.inject(Fault::on(Operation::List).key_contains("/_ref/").always().fail(503, "SlowDown"));
    assert!(within(Duration::from_secs(600), publishing.try_next()).await.is_none());
    assert!((600.0..700.0).contains(&lag()[0]), "{:?}", lag());
    drop(publishing);
    // Another publisher begins where the log ends, which was put before the first of those without news.
    let mut publishing = table.publish_delta().stream();
    assert!(within(Duration::from_secs(10), publishing.try_next()).await.is_none());
    assert!((1_250.0..1_350.0).contains(&lag()[0]), "{:?}", lag());
    drop(publishing);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(lag(), [0.0; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_follower_without_any_response_lags_from_its_start() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let dataset = measured(&world, &meter).await;
    let store = dataset.store::<Event>();
    world.s3.inject(Fault::on(Operation::List).always().hang());
    let mut pages = store.follow(&Offset::START).entries();
    assert!(within(Duration::from_secs(300), pages.next_page()).await.is_none());
    let lag = meter.collect().sum(LAG, &[]);
    assert!(lag >= 300.0, "{lag}");
}

#[tokio::test(start_paused = true)]
async fn each_dataset_has_its_own_series() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let init = |prefix| meter.on(world.options()).init(world.s3.client(), BUCKET, prefix);
    let (one, two) = (init("one").await.unwrap().into_dataset(), init("two").await.unwrap().into_dataset());
    one.store::<Event>().write(&Event::of(&["a"], 7)).await.unwrap();
    let collected = meter.collect();
    for name in ["s3store.target.limit", SKEW] {
        for prefix in ["one", "two"] {
            assert_eq!(collected.points(name, &[("s3store.prefix", prefix)]).len(), 1, "{name} {prefix}");
        }
    }
    let records = |prefix| collected.sum("s3store.write.records", &[("s3store.prefix", prefix)]);
    assert_eq!((records("one"), records("two")), (7.0, 0.0));
    drop(two);
    assert_eq!(meter.collect().points("s3store.target.limit", &[]).len(), 1);
}
