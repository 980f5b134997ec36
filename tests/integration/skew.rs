//! Clocks that differ: the guarantees of the change stream within the dataset's skew, and what happens beyond it.
//!
//! The critical case is a commit that lands at the last moment in time: a reader whose clock is ahead of the writer's
//! could pass its ref first. Time is paused, and offsets are exact to the microsecond.

use std::time::Duration;

use chrono::{TimeDelta, Timelike};
use s3store::dataset::ClockGuard;
use s3store::stream::{Page, Pages};
use s3store::testing::ServerTime;
use s3store::{Clock, Commit, Dataset, Entry, ErrorKind, Offset, Result, Store};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, micros, options, put, sleep, within};
use crate::integration::records::Event;

/// The commit timeout. A slow commit takes exactly this long, and a single try may take a second.
const COMMIT_TIMEOUT: Duration = Duration::from_millis(900);
const SKEW: Duration = Duration::from_secs(3);

/// Returns the dataset's skew plus this many microseconds.
fn skew_and(more: i64) -> TimeDelta {
    TimeDelta::from_std(SKEW).unwrap() + micros(more)
}

/// Returns a world whose S3 is at `fraction` of a second, with an initialised dataset.
async fn world_at(fraction: TimeDelta) -> Virtual {
    let world = Virtual::new();
    let second = world.clock.now().with_nanosecond(0).unwrap();
    world.clock.set_offset(second + fraction - world.clock.now());
    world.s3.set_time(ServerTime::Tokio(world.clock.now()));
    let init = world.options().init(world.s3.client(), BUCKET, PREFIX);
    let _ = init.commit_timeout(COMMIT_TIMEOUT).max_clock_skew(SKEW).await.unwrap();
    world
}

async fn world() -> Virtual {
    world_at(TimeDelta::zero()).await
}

/// Opens the dataset as a process whose clock is ahead by this much, or behind if negative.
async fn process(world: &Virtual, ahead: TimeDelta, guard: ClockGuard) -> Dataset {
    let options = options().clock(world.clock_ahead(ahead)).clock_guard(guard);
    options.open(world.s3.client(), BUCKET, PREFIX).await.unwrap()
}

async fn store(world: &Virtual, ahead: TimeDelta, guard: ClockGuard) -> Store<Event> {
    process(world, ahead, guard).await.store()
}

/// The entries that readers saw in a race between a slow commit and a poll. A quick commit precedes the slow one.
struct Race {
    /// Entries of a poll from the start after both commits.
    replayed: Vec<Entry>,
    /// Entries of a reader that polled immediately before the slow commit landed, and then continued from there.
    followed: Vec<Entry>,
    slow: Commit,
}

impl Race {
    fn is_missed(&self) -> bool {
        assert!(self.replayed.iter().any(|entry| entry.offset == self.slow.offset));
        self.replayed != self.followed
    }
}

/// Runs a write by `writer` that commits at the last moment in time, and a poll by `reader` just before it lands.
async fn race(world: &Virtual, writer: &Store<Event>, reader: &Store<Event>) -> Race {
    let (polled, mut before) = tokio::sync::mpsc::unbounded_channel();
    let early = reader.clone();
    world.s3.inject(put(".commit").call_before(move |_| {
        let (early, polled) = (early.clone(), polled.clone());
        async move {
            sleep(COMMIT_TIMEOUT).await;
            polled.send(early.poll(&Offset::START).await.unwrap()).unwrap();
        }
    }));
    let slow = writer.write(&[Event::new("slow", 1)]).await.expect("the commit is late").remove(0);
    let page = before.recv().await.unwrap();
    sleep(Duration::from_secs(7_200)).await;
    let replayed = reader.poll(&Offset::START).await.unwrap().entries;
    let rest = reader.poll(&page.next).await.unwrap().entries;
    Race { replayed, followed: [page.entries, rest].concat(), slow }
}

/// Returns whether a reader misses a slow commit, given the offsets of both clocks.
async fn misses(writer: TimeDelta, reader: TimeDelta) -> bool {
    let world = world().await;
    let writer = store(&world, writer, ClockGuard::Off).await;
    let reader = store(&world, reader, ClockGuard::Off).await;
    writer.write(&[Event::new("quick", 1)]).await.unwrap();
    race(&world, &writer, &reader).await.is_missed()
}

#[tokio::test(start_paused = true)]
async fn a_reader_misses_a_commit_only_if_it_is_ahead_of_the_writer_by_more_than_the_skew() {
    let hour = TimeDelta::hours(1);
    for writer in [TimeDelta::zero(), skew_and(0), -skew_and(0), hour, -hour] {
        assert!(!misses(writer, writer + skew_and(0)).await, "a reader ahead of {writer} by the skew");
        assert!(misses(writer, writer + skew_and(1)).await, "a reader ahead of {writer} by a microsecond more");
        assert!(!misses(writer, writer - hour).await, "a reader behind {writer}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_reader_misses_a_commit_if_all_clocks_are_within_the_skew() {
    // Any two differ by at most the skew.
    let offsets = [-1_500_000, -700_001, 0, 3, 999_999, 1_500_000].map(micros);
    for reader in offsets {
        let world = world().await;
        let reader = store(&world, reader, ClockGuard::Refuse).await;
        for writer in offsets {
            let writer = store(&world, writer, ClockGuard::Refuse).await;
            let race = race(&world, &writer, &reader).await;
            assert!(!race.is_missed());
            assert!(race.replayed.is_sorted_by_key(|entry| entry.offset.clone()));
        }
    }
}

/// Returns the next page. Fails if it takes more than a minute.
async fn next(pages: &mut Pages<Page>) -> Result<Page> {
    within(Duration::from_secs(60), pages.next_page()).await.expect("no page in a minute")
}

/// Runs each reading operation of the stream. Returns its number of entries or its error.
async fn all_ways_to_read(store: &Store<Event>) -> [Result<usize>; 5] {
    let start = Offset::START;
    let mut pages = store.follow(&start).entries();
    let followed = next(&mut pages).await;
    [
        store.poll(&start).await.map(|page| page.entries.len()),
        store.poll_records(&start).await.map(|page| page.records.len()),
        store.poll_range(..).await.map(|entries| entries.len()),
        store.read_range(..).await.map(|records| records.len()),
        followed.map(|page| page.entries.len()),
    ]
}

/// Returns a world at a fraction of a second, with one commit that settled long ago.
async fn settled_world(fraction: TimeDelta) -> Virtual {
    let world = world_at(fraction).await;
    store(&world, TimeDelta::zero(), ClockGuard::Off).await.write(&Event::of(&["a"], 1)).await.unwrap();
    sleep(Duration::from_secs(3_600)).await;
    world
}

async fn outcomes(fraction: i64, ahead: TimeDelta, guard: ClockGuard) -> Vec<Result<usize, ErrorKind>> {
    let world = settled_world(micros(fraction)).await;
    let store = store(&world, ahead, guard).await;
    all_ways_to_read(&store).await.map(|result| result.map_err(|error| error.kind())).into()
}

#[tokio::test(start_paused = true)]
async fn a_reader_ahead_is_refused_beyond_the_skew_plus_the_header_second() {
    let (passed, refused) = (vec![Ok(1); 5], vec![Err(ErrorKind::ClockSkew); 5]);
    // The `Date` header contains only the second that has begun. The time since its beginning narrows the bound.
    for fraction in [0, 1, 500_000, 999_999] {
        let bound = skew_and(1_000_000 - fraction);
        assert_eq!(
            outcomes(fraction, bound, ClockGuard::Refuse).await,
            passed,
            "{fraction} µs into a second: must pass"
        );
        assert_eq!(
            outcomes(fraction, bound + micros(1), ClockGuard::Refuse).await,
            refused,
            "{fraction} µs into a second: must be refused"
        );
    }
    let beyond = skew_and(1_000_001);
    for guard in [ClockGuard::Warn, ClockGuard::Off] {
        assert_eq!(outcomes(0, beyond, guard).await, passed, "{guard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_behind_is_delayed_and_not_refused() {
    for behind in [skew_and(1), TimeDelta::seconds(30)] {
        for guard in [ClockGuard::Refuse, ClockGuard::Warn, ClockGuard::Off] {
            let world = world().await;
            let writer = store(&world, TimeDelta::zero(), ClockGuard::Refuse).await;
            let commit = writer.write(&Event::of(&["a"], 1)).await.unwrap().remove(0);
            let reader = store(&world, -behind, guard).await;
            let mut pages = reader.follow(&Offset::START).entries();
            let page = next(&mut pages).await.unwrap();
            assert_eq!(page.next, commit.offset, "{guard:?}");
            let delay = world.clock.now() - commit.offset.instant().unwrap();
            let settle = TimeDelta::from_std(reader.dataset().settle_window()).unwrap();
            assert!((1..=1_000).contains(&(delay - settle - behind).num_microseconds().unwrap()), "{delay}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_is_noticed_and_so_is_its_repair() {
    let world = settled_world(TimeDelta::zero()).await;
    let clock = Clock::virtual_time();
    let right = world.clock.now() - clock.now();
    clock.set_offset(right);
    let store = world.process_on("reader", clock.clone()).await.store::<Event>();
    let mut pages = store.follow(&Offset::START).entries();
    let seen = next(&mut pages).await.unwrap().next;

    clock.set_offset(right + skew_and(1_000_001));
    let commit = store.write(&Event::of(&["a"], 1)).await.unwrap_err();
    assert_eq!(commit.cause.unwrap().kind(), ErrorKind::ClockSkew);
    for _ in 0..3 {
        assert_eq!(next(&mut pages).await.unwrap_err().kind(), ErrorKind::ClockSkew);
        assert_eq!(store.poll(&seen).await.unwrap_err().kind(), ErrorKind::ClockSkew);
    }

    clock.set_offset(right);
    let commit = store.write(&Event::of(&["a"], 1)).await.unwrap().remove(0);
    let page = next(&mut pages).await.unwrap();
    assert_eq!((page.entries.len(), page.next), (1, commit.offset));
}

#[tokio::test(start_paused = true)]
async fn skew_is_measured_against_the_servers_clock() {
    // A server that is behind makes the writer and the reader look ahead. They are refused even though they agree with
    // each other.
    let world = settled_world(TimeDelta::zero()).await;
    for (offset, refused) in [(-skew_and(1_000_000), false), (-skew_and(1_000_001), true), (skew_and(9_000_000), false)]
    {
        world.s3.set_clock_offset(offset);
        let store = store(&world, TimeDelta::zero(), ClockGuard::Refuse).await;
        let kinds = all_ways_to_read(&store).await.map(|result| result.err().map(|error| error.kind()));
        assert_eq!(kinds, [refused.then_some(ErrorKind::ClockSkew); 5], "{offset}");
    }
}
