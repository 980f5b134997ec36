//! Reads whose listing has many pages: the first records come before the last page.

use std::time::Duration;

use chrono::NaiveDate;
use s3store::testing::Operation;

use crate::integration::harness::Virtual;
use crate::integration::records::Event;

const REQUEST: Duration = Duration::from_millis(20);

/// Returns the partitions of 1,417 days.
fn days() -> Vec<String> {
    let first = NaiveDate::from_ymd_opt(2022, 5, 1).unwrap();
    first.iter_days().take(1_417).map(|day| day.format("%Y-%m-%d").to_string()).collect()
}

/// Returns partitions that all start with the key of one that may exist.
fn tenants() -> Vec<String> {
    (0..1_417).map(|tenant| format!("tenant-{tenant:04}")).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_record_of_nine_pages_comes_after_five_requests() {
    for (mut parts, start, start_exists) in [(days(), "2022", false), (tenants(), "tenant", true)] {
        if start_exists {
            // LIST returns this partition after those that start with its key, but a read returns it before them.
            parts.insert(0, start.to_owned());
        }
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        let records: Vec<Event> = parts.iter().map(|part| Event::new(part, 1)).collect();
        for _ in 0..3 {
            store.write(&records).await.unwrap();
        }
        world.s3.clear_requests();
        let _slow = world.slow_down(REQUEST);
        let mut stream = store.read_all().stream();
        let (first, took) = world.timed(stream.try_next()).await;
        let mut read = vec![first.unwrap().unwrap().part];
        assert!(took <= REQUEST * 5, "{start}: {took:?}");
        while let Some(event) = stream.try_next().await.unwrap() {
            read.push(event.part);
        }
        let expected: Vec<&String> = parts.iter().flat_map(|part| [part; 3]).collect();
        assert!(read.iter().eq(expected), "{start}: other records or another order");
        // Nine pages, and a few starts of keys on their own.
        let lists = world.count(Operation::List);
        assert!((10..=13).contains(&lists), "{start}: {lists} LISTs");
    }
}
