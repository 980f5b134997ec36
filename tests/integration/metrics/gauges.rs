//! What is asked for when it is collected: the clock's skew, a follower's lag.

use std::time::Duration;

use chrono::TimeDelta;
use s3store::dataset::ClockGuard;
use s3store::testing::{Fault, Operation};
use s3store::{Dataset, Offset};

use super::measured;
use super::meter::Meter;
use crate::integration::harness::{BUCKET, PREFIX, Virtual, pass, within};
use crate::integration::records::Event;

const SKEW: &str = "s3store.clock.skew";
const LAG: &str = "s3store.follow.lag";

#[tokio::test(start_paused = true)]
async fn the_clock_s_skew_is_what_is_certain_of_it() {
    for (ahead, least, most) in [(0, 0.0, 0.0), (5, 3.9, 5.0), (-5, -5.0, -3.9)] {
        let (world, meter) = (Virtual::new(), Meter::new());
        world.dataset().await;
        let clock = world.clock_ahead(TimeDelta::seconds(ahead));
        let options = Dataset::options().clock(clock).clock_guard(ClockGuard::Off);
        let dataset = meter.on(options).open(world.s3.client(), BUCKET, PREFIX).await.unwrap();
        let skew = meter.collect().points(SKEW, &[]);
        assert_eq!(skew.len(), 1);
        assert!((least..=most).contains(&skew[0].value), "{ahead}: {}", skew[0].value);
        // Gone with the dataset.
        drop(dataset);
        assert_eq!(meter.collect().points(SKEW, &[]).len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_lags_by_what_it_was_not_given() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let dataset = measured(&world, &meter).await;
    let store = dataset.store::<Event>();
    let lag = || meter.collect().points(LAG, &[]).iter().map(|point| point.value).collect::<Vec<_>>();
    assert_eq!(lag(), [0.0; 0], "without a follower there is none");

    // Three commits, a minute apart.
    let begun = world.clock.now();
    for _ in 0..3 {
        store.write(&Event::of(&["a"], 1)).await.unwrap();
        pass(Duration::from_secs(60)).await;
    }
    let window = dataset.settle_window().as_secs_f64();
    // From an offset as from the beginning, of which it is not known before the first page how long ago it was.
    for after in [dataset.offset_at(begun), Offset::START] {
        let mut pages = store.follow(&after).limit(1).entries();
        assert_eq!(lag(), [0.0; 0], "it has not begun");
        pages.next_page().await.unwrap();
        assert!((lag()[0] - 180.0).abs() < 1.0, "{after:?}: {:?}", lag());
    }
    let mut pages = store.follow(&dataset.offset_at(begun)).limit(1).entries();
    for given in 0..3 {
        pages.next_page().await.unwrap();
        // The last page comes to the tip, so that all that is settled was given.
        let since = if given == 2 { window } else { 180.0 - 60.0 * f64::from(given) };
        assert!((lag()[0] - since).abs() < 1.0, "{given}: {:?}", lag());
    }
    // With all of it, it stays behind by the settle window, and by up to a pace between two polls.
    assert!(within(Duration::from_millis(1_500), pages.next_page()).await.is_none());
    assert!((window..window + 1.1).contains(&lag()[0]), "{:?}", lag());
    // A consumer that does not come back makes it lag; so does an S3 that does not answer.
    pass(Duration::from_secs(100)).await;
    assert!(lag()[0] > window + 99.0, "{:?}", lag());
    assert!(within(Duration::from_millis(1_500), pages.next_page()).await.is_none());
    assert!(lag()[0] < window + 2.0, "{:?}", lag());
    world.s3.inject(Fault::on(Operation::List).always().fail(503, "SlowDown"));
    assert!(within(Duration::from_secs(50), pages.next_page()).await.is_none());
    assert!(lag()[0] > window + 49.0, "{:?}", lag());

    // Of several the one that is furthest behind counts.
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
async fn a_follower_that_never_gets_an_answer_lags_from_the_start() {
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
async fn datasets_are_told_apart() {
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
