//! Clocks that differ: what the change stream promises within the dataset's skew, and what happens beyond.
//!
//! A commit that is as slow as it may be is the one that a reader ahead of its writer could pass. Time is paused, and
//! offsets are exact to the microsecond.

use std::time::Duration;

use chrono::{TimeDelta, Timelike};
use s3store::dataset::ClockGuard;
use s3store::stream::{Page, Pages};
use s3store::testing::{Fault, Operation, ServerTime};
use s3store::{Clock, Commit, Dataset, Entry, ErrorKind, Offset, Result, Store};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, pass, within};
use crate::integration::records::Event;

/// The slowest commit in time; a try of it may take a second.
const COMMIT_TIMEOUT: Duration = Duration::from_millis(900);
const SKEW: Duration = Duration::from_secs(3);

fn micros(micros: i64) -> TimeDelta {
    TimeDelta::microseconds(micros)
}

/// The dataset's skew and so many microseconds more.
fn skew_and(more: i64) -> TimeDelta {
    TimeDelta::from_std(SKEW).unwrap() + micros(more)
}

/// A world whose S3 is at `fraction` of a second, with the dataset in it.
async fn world_at(fraction: TimeDelta) -> Virtual {
    let world = Virtual::new();
    let whole = world.clock.now().with_nanosecond(0).unwrap();
    world.clock.set_offset(whole + fraction - world.clock.now());
    world.s3.set_time(ServerTime::Tokio(world.clock.now()));
    let init = world.options().init(world.s3.client(), BUCKET, PREFIX);
    let _ = init.commit_timeout(COMMIT_TIMEOUT).max_clock_skew(SKEW).await.unwrap();
    world
}

async fn world() -> Virtual {
    world_at(TimeDelta::zero()).await
}

/// A process whose clock is ahead by so much, or behind.
async fn process(world: &Virtual, ahead: TimeDelta, guard: ClockGuard) -> Dataset {
    let options = Dataset::options().clock(world.clock_ahead(ahead)).clock_guard(guard);
    options.open(world.s3.client(), BUCKET, PREFIX).await.unwrap()
}

async fn store(world: &Virtual, ahead: TimeDelta, guard: ClockGuard) -> Store<Event> {
    process(world, ahead, guard).await.store()
}

/// What a reader came to know of a commit that is as slow as may be, while one that was quick lies before it.
struct Race {
    /// What a reader sees who polls from the start when all is over.
    whole: Vec<Entry>,
    /// What one saw who polled immediately before the slow commit landed, and went on from there.
    followed: Vec<Entry>,
    slow: Commit,
}

impl Race {
    fn is_missed(&self) -> bool {
        assert!(self.whole.iter().any(|entry| entry.offset == self.slow.offset));
        self.whole != self.followed
    }
}

/// A write by `writer` that is committed at the last moment in time, and a poll by `reader` before it lands.
async fn race(world: &Virtual, writer: &Store<Event>, reader: &Store<Event>) -> Race {
    let (polled, mut before) = tokio::sync::mpsc::unbounded_channel();
    let early = reader.clone();
    world.s3.inject(Fault::on(Operation::Put).key_ends_with(".commit").call_before(move |_| {
        let (early, polled) = (early.clone(), polled.clone());
        async move {
            pass(COMMIT_TIMEOUT).await;
            polled.send(early.poll(&Offset::START).await.unwrap()).unwrap();
        }
    }));
    let slow = writer.write(&[Event::new("slow", 1)]).await.expect("it is in time").remove(0);
    let page = before.recv().await.unwrap();
    pass(Duration::from_secs(7_200)).await;
    let whole = reader.poll(&Offset::START).await.unwrap().entries;
    let rest = reader.poll(&page.next).await.unwrap().entries;
    Race { whole, followed: [page.entries, rest].concat(), slow }
}

/// Whether a reader misses a slow commit, where both clocks are off by so much.
async fn misses(writer: TimeDelta, reader: TimeDelta) -> bool {
    let world = world().await;
    let writer = store(&world, writer, ClockGuard::Off).await;
    let reader = store(&world, reader, ClockGuard::Off).await;
    writer.write(&[Event::new("quick", 1)]).await.unwrap();
    race(&world, &writer, &reader).await.is_missed()
}

#[tokio::test(start_paused = true)]
async fn what_counts_is_how_far_a_reader_is_ahead_of_a_writer() {
    let hour = TimeDelta::hours(1);
    for writer in [TimeDelta::zero(), skew_and(0), -skew_and(0), hour, -hour] {
        assert!(!misses(writer, writer + skew_and(0)).await, "a reader ahead of {writer} by the skew");
        assert!(misses(writer, writer + skew_and(1)).await, "a reader ahead of {writer} by a microsecond more");
        assert!(!misses(writer, writer - hour).await, "a reader behind {writer}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_clocks_within_the_skew_keep_the_promises() {
    // Each differs from each other by the skew at most.
    let offsets = [-1_500_000, -700_001, 0, 3, 999_999, 1_500_000].map(micros);
    for reader in offsets {
        let world = world().await;
        let reader = store(&world, reader, ClockGuard::Refuse).await;
        for writer in offsets {
            let writer = store(&world, writer, ClockGuard::Refuse).await;
            let race = race(&world, &writer, &reader).await;
            assert!(!race.is_missed());
            assert!(race.whole.is_sorted_by_key(|entry| entry.offset.clone()));
        }
    }
}

/// The next page, which comes within a minute.
async fn next(pages: &mut Pages<Page>) -> Result<Page> {
    within(Duration::from_secs(60), pages.next_page()).await.expect("no page in a minute")
}

/// The reader's operations, each as a result.
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

/// A world at a fraction of a second in which one commit was settled long ago.
async fn settled_world(fraction: TimeDelta) -> Virtual {
    let world = world_at(fraction).await;
    store(&world, TimeDelta::zero(), ClockGuard::Off).await.write(&Event::of(&["a"], 1)).await.unwrap();
    pass(Duration::from_secs(3_600)).await;
    world
}

async fn outcomes(fraction: i64, ahead: TimeDelta, guard: ClockGuard) -> Vec<Result<usize, ErrorKind>> {
    let world = settled_world(micros(fraction)).await;
    let store = store(&world, ahead, guard).await;
    all_ways_to_read(&store).await.map(|result| result.map_err(|error| error.kind())).into()
}

#[tokio::test(start_paused = true)]
async fn a_reader_ahead_is_refused_from_the_skew_and_the_headers_second_upwards() {
    let (passed, refused) = (vec![Ok(1); 5], vec![Err(ErrorKind::ClockSkew); 5]);
    // The header says the second that has begun: what of it has passed sharpens the bound.
    for fraction in [0, 1, 500_000, 999_999] {
        let bound = skew_and(1_000_000 - fraction);
        assert_eq!(outcomes(fraction, bound, ClockGuard::Refuse).await, passed, "{fraction} µs into a second");
        assert_eq!(outcomes(fraction, bound + micros(1), ClockGuard::Refuse).await, refused, "{fraction} µs");
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
async fn a_clock_that_is_set_is_noticed_and_so_is_its_repair() {
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
async fn the_servers_clock_is_the_measure() {
    // A server that is behind makes both look ahead: refused, though they agree with each other.
    let world = settled_world(TimeDelta::zero()).await;
    for (offset, refused) in [(-skew_and(1_000_000), false), (-skew_and(1_000_001), true), (skew_and(9_000_000), false)]
    {
        world.s3.set_clock_offset(offset);
        let store = store(&world, TimeDelta::zero(), ClockGuard::Refuse).await;
        let kinds = all_ways_to_read(&store).await.map(|result| result.err().map(|error| error.kind()));
        assert_eq!(kinds, [refused.then_some(ErrorKind::ClockSkew); 5], "{offset}");
    }
}
