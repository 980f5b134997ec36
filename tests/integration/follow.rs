//! Following the change stream: when pages arrive, how many requests that takes, and which failures a follower
//! survives.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join;
use s3store::stream::{Page, Pages};
use s3store::testing::{Fault, Operation};
use s3store::{Commit, Dataset, Entry, ErrorKind, Offset, Result, Store};

use crate::integration::harness::{BUCKET, MakeFault, PREFIX, Virtual, put, sleep, within};
use crate::integration::records::Event;

const PACE: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Returns the next page. Fails if it takes more than an hour.
async fn next(pages: &mut Pages<Page>) -> Result<Page> {
    within(HOUR, pages.next_page()).await.expect("no page in an hour")
}

/// Returns the next page, or `None` if there is none in this time.
async fn next_within(time: Duration, pages: &mut Pages<Page>) -> Option<Page> {
    within(time, pages.next_page()).await.map(Result::unwrap)
}

/// Writes this many records, a millisecond apart.
async fn write(store: &Store<Event>, records: i64) -> Vec<Commit> {
    let mut commits = Vec::new();
    for id in 0..records {
        sleep(ms(1)).await;
        commits.extend(store.write(&[Event::new("a", id)]).await.unwrap());
    }
    commits
}

fn offsets(entries: &[Entry]) -> Vec<&Offset> {
    entries.iter().map(|entry| &entry.offset).collect()
}

/// Asserts that the entries belong to these commits, in order and without duplicates.
fn assert_seen(entries: &[Entry], commits: &[Commit]) {
    assert_eq!(offsets(entries), commits.iter().map(|commit| &commit.offset).collect::<Vec<_>>());
}

async fn world() -> (Virtual, Store<Event>, Store<Event>) {
    let world = Virtual::new();
    let writer = world.dataset().await.store();
    let reader = world.process("follower").await.store();
    (world, writer, reader)
}

fn settle(dataset: &Dataset) -> TimeDelta {
    TimeDelta::from_std(dataset.settle_window()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_record_is_visible_after_its_settle_window() {
    // The follower polls at whole seconds after its start. These idle times make the commit settle at different moments
    // between two polls.
    for idle in [0, 1, 37, 99, 100, 101, 499, 901, 950, 999, 1_000, 60_007] {
        let (world, writer, reader) = world().await;
        let mut pages = reader.follow(&Offset::START).entries();
        let write = async {
            sleep(ms(idle)).await;
            writer.write(&[Event::new("a", 1)]).await.unwrap().remove(0)
        };
        let (page, commit) = join(next(&mut pages), write).await;
        assert_seen(&page.unwrap().entries, std::slice::from_ref(&commit));
        // A ref settles when it is older than the window. The timer has a resolution of a millisecond.
        let after = world.clock.now() - commit.offset.instant().unwrap() - settle(reader.dataset());
        assert!(
            (1..=1_000).contains(&after.num_microseconds().unwrap()),
            "idle {idle} ms: visible {after} after settling"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn many_pages_follow_each_other_without_a_pause() {
    let (world, writer, reader) = world().await;
    let commits = write(&writer, 50).await;
    sleep(HOUR).await;
    world.s3.clear_requests();
    let before = world.clock.now();
    let mut pages = reader.follow(&Offset::START).limit(3).entries();
    let mut entries = Vec::new();
    while entries.len() < commits.len() {
        let page = next(&mut pages).await.unwrap();
        assert_eq!(page.caught_up, entries.len() + page.entries.len() == commits.len());
        entries.extend(page.entries);
    }
    assert_seen(&entries, &commits);
    assert_eq!(world.clock.now(), before);
    assert_eq!(world.counts(), [0, 50, 0, 17]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_follower_keeps_its_pace() {
    let (world, writer, reader) = world().await;
    write(&writer, 1).await;
    sleep(HOUR).await;
    for (pace, polls) in [(Duration::from_secs(10), 360), (Duration::from_secs(60), 60)] {
        let mut pages = reader.follow(&Offset::START).pace(pace).entries();
        assert!(next(&mut pages).await.unwrap().caught_up);
        world.s3.clear_requests();
        // The cursor does not move, so there is no page.
        assert_eq!(next_within(HOUR + ms(1), &mut pages).await, None);
        assert_eq!(world.counts(), [0, 0, 0, polls]);
    }
}

/// Puts a ref without a commit for every 20 ms of the next ten seconds.
fn put_busy_refs(world: &Virtual) -> usize {
    let refs = 500;
    for n in 0..refs {
        let micros = (world.clock.now() + TimeDelta::milliseconds(20 * n)).timestamp_micros();
        let key = format!("{PREFIX}/_ref/{micros:016}-t-{n:032x};part=a.ref");
        world.s3.put_object(BUCKET, &key, "");
    }
    usize::try_from(refs).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_busy_stream_is_polled_at_most_ten_times_per_pace() {
    let (world, _, reader) = world().await;
    let refs = put_busy_refs(&world);
    let mut pages = reader.follow(&Offset::START).pace(PACE).entries();
    let first = next(&mut pages).await.unwrap();
    world.s3.clear_requests();
    let mut cursors = vec![first.next];
    while let Some(page) = next_within(HOUR, &mut pages).await {
        assert!(page.entries.is_empty());
        cursors.push(page.next);
        if cursors.last().unwrap().as_str() == world.keys_with("/_ref/").last().unwrap() {
            break;
        }
    }
    assert!(cursors.is_sorted_by(|one, next| one < next), "a page did not move the cursor");
    // Ten polls a second for ten seconds. Each one finds the next five refs.
    let [_, heads, _, lists] = world.counts();
    assert!((99..=101).contains(&lists) && (99..=101).contains(&heads), "{lists} LISTs, {heads} HEADs, {refs} refs");
}

#[tokio::test(start_paused = true)]
async fn pages_without_entries_move_the_cursor() {
    let (world, writer, reader) = world().await;
    world.s3.inject(put(".commit").fail(403, "AccessDenied"));
    writer.write(&[Event::new("a", 1)]).await.unwrap_err();
    let mut pages = reader.follow(&Offset::START).entries();
    let page = next_within(HOUR, &mut pages).await.unwrap();
    assert_eq!((page.entries.len(), page.next.as_str()), (0, world.keys_with(".ref")[0].as_str()));
    assert_eq!(next_within(HOUR / 60, &mut pages).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_hours_only_delays_pages() {
    let outages: [(Operation, MakeFault); 2] =
        [(Operation::List, |fault| fault.fail(503, "SlowDown")), (Operation::Head, |fault| fault.drop_connection())];
    for (operation, make) in outages {
        let (world, writer, reader) = world().await;
        let mut pages = reader.follow(&Offset::START).limit(1).entries();
        let mut commits = write(&writer, 1).await;
        let mut entries = next(&mut pages).await.unwrap().entries;
        commits.extend(write(&writer, 5).await);
        sleep(Duration::from_secs(20)).await;

        world.s3.clear_requests();
        world.s3.inject(make(Fault::on(operation).always()));
        assert_eq!(next_within(2 * HOUR, &mut pages).await, None, "{operation:?}");
        // At the end the follower makes five requests a minute.
        let failed = world.count(operation);
        assert!((600..=620).contains(&failed), "{operation:?}: {failed} requests in two hours");

        world.s3.clear_faults();
        let before = world.clock.now();
        entries.extend(next(&mut pages).await.unwrap().entries);
        assert!((world.clock.now() - before).num_seconds() <= 62);
        while entries.len() < commits.len() {
            entries.extend(next(&mut pages).await.unwrap().entries);
        }
        assert_eq!(next_within(HOUR / 60, &mut pages).await, None);
        assert_seen(&entries, &commits);
    }
}

#[tokio::test(start_paused = true)]
async fn other_errors_are_returned_and_the_cursor_stays() {
    let (world, writer, reader) = world().await;
    let commits = write(&writer, 4).await;
    sleep(HOUR).await;
    let mut pages = reader.follow(&Offset::START).limit(2).pace(PACE).entries();
    let mut entries = next(&mut pages).await.unwrap().entries;
    for operation in [Operation::Head, Operation::List] {
        world.s3.inject(Fault::on(operation).fail(403, "AccessDenied"));
        assert_eq!(next(&mut pages).await.unwrap_err().kind(), ErrorKind::Refused, "{operation:?}");
    }
    // After two consecutive failures it waits for twice the pace.
    let before = world.clock.now();
    entries.extend(next(&mut pages).await.unwrap().entries);
    assert_eq!(world.clock.now() - before, TimeDelta::seconds(2));
    assert_seen(&entries, &commits);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_loses_nothing() {
    let (world, writer, reader) = world().await;
    let commits = write(&writer, 9).await;
    sleep(HOUR).await;
    let in_flight = world.slow_down(ms(20));
    for patience in [1, 7, 20, 21, 39, 40, 41] {
        let mut pages = reader.follow(&Offset::START).limit(2).entries();
        let mut entries = Vec::new();
        while entries.len() < commits.len() {
            entries.extend(next_within(ms(patience), &mut pages).await.into_iter().flat_map(|page| page.entries));
        }
        assert_seen(&entries, &commits);
        assert_eq!(next_within(ms(patience), &mut pages).await, None);
        // While nobody polls the stream, requests in flight finish and no new ones start.
        sleep(ms(40)).await;
        world.s3.clear_requests();
        sleep(HOUR).await;
        assert_eq!((world.log().len(), in_flight.now()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_stops_its_requests() {
    let (world, writer, reader) = world().await;
    write(&writer, 9).await;
    sleep(HOUR).await;
    let in_flight = world.slow_down(ms(20));
    for (patience, expected) in [(10, 1), (30, 9)] {
        let mut pages = reader.follow(&Offset::START).entries();
        assert_eq!(next_within(ms(patience), &mut pages).await, None);
        assert_eq!(in_flight.now(), expected);
        drop(pages);
        world.s3.clear_requests();
        sleep(HOUR).await;
        assert_eq!((world.log().len(), in_flight.now()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_writes_with_the_same_single_permit() {
    let world = Virtual::new();
    let store = world.dataset_with(world.options().max_inflight_requests(1)).await.store::<Event>();
    write(&store, 3).await;
    sleep(HOUR).await;
    world.slow_down(ms(20));
    let mut pages = store.follow(&Offset::START).limit(1).records();
    let mut seen = 0;
    while seen < 3 {
        // The consumer writes between two pages, and also while a request of the stream is in flight.
        if let Some(page) = within(ms(30), pages.next_page()).await {
            seen += page.unwrap().records.len();
        }
        within(HOUR, write(&store, 1)).await.expect("the write does not finish");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crashed_follower_resumes_from_its_stored_offset() {
    let (_, writer, reader) = world().await;
    let commits = write(&writer, 20).await;
    sleep(HOUR).await;
    for stored_pages in 1..=7 {
        let (mut stored, mut processed) = (Offset::START, Vec::new());
        'restarts: loop {
            // The last page before each crash is lost: received, but its offset was not stored.
            let mut pages = reader.follow(&stored).limit(3).entries();
            for _ in 0..stored_pages {
                let page = next(&mut pages).await.unwrap();
                processed.extend(page.entries);
                stored = page.next;
                if page.caught_up {
                    break 'restarts;
                }
            }
            next(&mut pages).await.unwrap();
        }
        assert_seen(&processed, &commits);
    }
}
