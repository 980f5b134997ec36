//! The time and the number of requests that the change stream takes. With paused time both are exact.

use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use s3store::{Entry, Offset};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, sleep};
use crate::integration::records::Event;

/// The duration of each request.
const REQUEST: Duration = Duration::from_millis(20);

/// The default number of permits of a dataset.
const PERMITS: usize = 32;

/// Returns how long this many requests take with this many permits.
fn rounds(requests: usize, permits: usize) -> Duration {
    REQUEST * u32::try_from(requests.div_ceil(permits)).unwrap()
}

/// Puts commits as writers leave them, in eight partitions, with refs from an hour ago that are a millisecond apart.
/// Also puts their data files if `file` is given.
fn put_commits(world: &Virtual, commits: usize, file: Option<&Bytes>) {
    let hour_ago = world.clock.now() - TimeDelta::hours(1);
    for n in 0..commits {
        let micros = hour_ago.timestamp_micros() + 1_000 * i64::try_from(n).unwrap();
        let (attempt, partition) = (format!("{n:032x}"), format!("part=p{}", n % 8));
        let reference = format!("{PREFIX}/_ref/{micros:016}-{attempt}-{attempt};{partition}.ref");
        let meta =
            [("attemptid", attempt.clone()), ("refmicrots", micros.to_string()), ("insertedat", micros.to_string())];
        let meta = meta.into_iter().chain([("rowcount", "2".to_owned())]);
        world.s3.put_object(BUCKET, &reference, "");
        world.s3.put_object_with(BUCKET, &format!("{PREFIX}/data/{partition}/{attempt}.commit"), "", meta);
        if let Some(file) = file {
            let key = format!("{PREFIX}/data/{partition}/{attempt}-{attempt}.parquet");
            world.s3.put_object(BUCKET, &key, file.clone());
        }
    }
}

/// Returns a data file with two records. Its own write is removed from the stream.
async fn file(world: &Virtual) -> Bytes {
    let commit = world.dataset().await.store::<Event>().write(&Event::of(&["p0"], 2)).await.unwrap().remove(0);
    world.s3.remove_object(BUCKET, &commit.ref_path).unwrap();
    world.s3.object(BUCKET, &commit.data_path).unwrap().body
}

fn in_order(entries: &[Entry]) -> bool {
    entries.is_sorted_by(|one, next| one.offset < next.offset)
}

#[tokio::test(start_paused = true)]
async fn a_poll_of_a_thousand_refs_uses_all_permits() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    put_commits(&world, 1_000, None);
    let in_flight = world.slow_down(REQUEST);
    world.s3.clear_requests();
    let (page, took) = world.timed(store.poll(&Offset::START)).await;
    let page = page.unwrap();
    assert!(page.entries.len() == 1_000 && in_order(&page.entries) && page.caught_up);
    // The required bound first, then the exact time: one LIST, followed by 32 rounds of HEADs.
    assert!(took <= (REQUEST * 1_000 / 32 + 2 * REQUEST) * 11 / 10, "{took:?}");
    assert_eq!(took, REQUEST + rounds(1_000, PERMITS));
    assert_eq!(world.counts(), [0, 1_000, 0, 1]);
    assert_eq!((in_flight.most(), in_flight.now()), (PERMITS, 0));
}

#[tokio::test(start_paused = true)]
async fn the_list_of_the_next_page_overlaps_the_heads() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    put_commits(&world, 3_000, None);
    let in_flight = world.slow_down(REQUEST);
    world.s3.clear_requests();
    let (page, took) = world.timed(store.poll(&Offset::START).limit(3_000)).await;
    let page = page.unwrap();
    assert!(page.entries.len() == 3_000 && in_order(&page.entries) && page.caught_up);
    // Only the first LIST delays the HEADs. The later ones run beside them, and every round uses all permits.
    assert_eq!(took, REQUEST + rounds(3_000 + 2, PERMITS));
    assert_eq!(world.counts(), [0, 3_000, 0, 3]);
    assert_eq!(in_flight.most(), PERMITS);
}

#[tokio::test(start_paused = true)]
async fn stream_requests_in_flight_never_exceed_the_permits() {
    const FILES: usize = 41;
    for permits in [1, 4] {
        let world = Virtual::new();
        let body = file(&world).await;
        put_commits(&world, FILES, Some(&body));
        world.s3.set_page_size(10);
        let store = world.dataset_with(world.options().max_inflight_requests(permits)).await.store::<Event>();
        let in_flight = world.slow_down(REQUEST);

        // First a LIST, then the HEADs and the other LISTs, then the GETs.
        let polled = REQUEST + rounds(FILES + 4, permits);
        let (page, took) = world.timed(store.poll(&Offset::START)).await;
        assert_eq!((page.unwrap().entries.len(), took), (FILES, polled));
        let (records, took) = world.timed(store.read_range(..)).await;
        assert_eq!((records.unwrap().len(), took), (2 * FILES, polled + rounds(FILES, permits)));
        let (page, took) = world.timed(store.poll_records(&Offset::START)).await;
        let page = page.unwrap();
        assert_eq!((page.records.len(), took), (2 * FILES, polled + rounds(FILES, permits)));
        let (records, took) = world.timed(store.read_entries(&page.entries)).await;
        assert_eq!((records.unwrap(), took), (page.records, rounds(FILES, permits)));
        assert_eq!((in_flight.most(), in_flight.now()), (permits, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn stream_operations_send_the_documented_number_of_requests() {
    let world = Virtual::new();
    let writer = world.dataset().await.store::<Event>();
    let commits = writer.write(&Event::of(&["a", "b", "c"], 2)).token("t").await.unwrap();
    sleep(Duration::from_millis(1)).await;
    writer.dataset().restamp(&commits[0]).await.unwrap();
    world.s3.put_object(BUCKET, &format!("{PREFIX}/_ref/0"), "");
    let store = world.settled().await.store::<Event>();
    world.s3.clear_requests();

    // Four refs of three commits, and one malformed ref.
    let page = store.poll(&Offset::START).await.unwrap();
    assert_eq!((page.entries.len(), world.counts()), (4, [0, 3, 0, 1]), "poll");
    store.poll(&Offset::START).limit(3).await.unwrap();
    assert_eq!(world.counts(), [0, 2, 0, 1], "a short page");
    store.poll(&page.next).await.unwrap();
    assert_eq!(world.counts(), [0, 0, 0, 1], "nothing new");
    store.poll(&Offset::START).until(&page.entries[1].offset).await.unwrap();
    assert_eq!(world.counts(), [0, 1, 0, 1], "up to an offset");
    writer.poll(&Offset::START).await.unwrap();
    assert_eq!(world.counts(), [0, 0, 0, 1], "nothing settled");
    store.poll_range(..).await.unwrap();
    assert_eq!(world.counts(), [0, 3, 0, 1], "poll a window");
    store.poll_records(&Offset::START).await.unwrap();
    assert_eq!(world.counts(), [0, 3, 3, 1], "poll records");
    store.read_range(..).await.unwrap();
    assert_eq!(world.counts(), [0, 3, 3, 1], "read a window");
    store.read_entries(page.entries.iter().chain(&page.entries)).await.unwrap();
    assert_eq!(world.counts(), [0, 0, 3, 0], "read entries");
    let _ = store.dataset().offset_at(world.clock.now());
    assert_eq!(world.counts(), [0, 0, 0, 0], "offset_at");
    writer.dataset().restamp(&commits[1]).await.unwrap();
    assert_eq!(world.counts(), [1, 0, 0, 0], "restamp");
    world.s3.set_page_size(2);
    store.poll(&Offset::START).await.unwrap();
    assert_eq!(world.counts(), [0, 3, 0, 3], "short listing pages");
}
