//! Clocks that move: a machine that sleeps, a clock that is slewed, stepped or leaps, and what readers and writers do.

use std::time::Duration;

use chrono::TimeDelta;
use s3store::testing::{Fault, Operation};
use s3store::{Clock, Dataset, ErrorKind, Offset, Store};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, options, put, sleep};
use crate::integration::records::Event;

/// Sets a clock right, or ahead by this much.
fn set(clock: &Clock, world: &Virtual, ahead: TimeDelta) {
    clock.set_offset(TimeDelta::zero());
    clock.set_offset(world.clock.now() - clock.now() + ahead);
}

/// A move of the local clock or of the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Move {
    /// The machine sleeps: the wall clocks go on, the monotonic clock does not.
    Suspend,
    /// The local clock was off and is slewed right: the monotonic clock is slewed with it.
    Slew(i64),
    /// The local clock was off, which was noticed, and is stepped right.
    Step(i64),
    /// The local clock was off during `open` and is stepped right in its middle.
    LeapDuringOpen(i64),
    /// The local clock was off during the data PUT of an earlier write, and is stepped right in its middle.
    LeapDuringWrite(i64),
}

const MOVES: [Move; 9] = [
    Move::Suspend,
    Move::Slew(5),
    Move::Slew(-5),
    Move::Step(3_600),
    Move::Step(-3_600),
    Move::LeapDuringOpen(3_600),
    Move::LeapDuringOpen(-3_600),
    Move::LeapDuringWrite(60),
    Move::LeapDuringWrite(-60),
];

async fn open(world: &Virtual, clock: &Clock) -> Dataset {
    options().clock(clock.clone()).open(world.s3.client(), BUCKET, PREFIX).await.unwrap()
}

/// Returns a dataset whose clock is right now, but was moved before.
async fn after_move(world: &Virtual, clock: &Clock, what: Move) -> Dataset {
    let seconds = TimeDelta::seconds;
    let right_again = |operation| {
        let (clock, right) = (clock.clone(), world.clock.clone());
        Fault::on(operation).call_before(move |_| {
            clock.set_offset(TimeDelta::zero());
            clock.set_offset(right.now() - clock.now());
            async {}
        })
    };
    set(clock, world, TimeDelta::zero());
    match what {
        Move::Suspend => {
            let dataset = open(world, clock).await;
            dataset.store::<Event>().write(&Event::of(&["a"], 1)).await.unwrap();
            world.clock.set_offset(seconds(60));
            world.s3.set_clock_offset(seconds(60));
            set(clock, world, TimeDelta::zero());
            dataset
        }
        Move::Slew(off) => {
            world.s3.set_clock_offset(seconds(-off));
            let dataset = open(world, clock).await;
            dataset.store::<Event>().write(&Event::of(&["a"], 1)).await.unwrap_err();
            world.s3.set_clock_offset(TimeDelta::zero());
            dataset
        }
        Move::Step(off) => {
            set(clock, world, seconds(off));
            let dataset = open(world, clock).await;
            dataset.store::<Event>().write(&Event::of(&["a"], 1)).await.unwrap_err();
            set(clock, world, TimeDelta::zero());
            dataset
        }
        Move::LeapDuringOpen(off) => {
            set(clock, world, seconds(off));
            world.s3.inject(right_again(Operation::Get));
            open(world, clock).await
        }
        Move::LeapDuringWrite(off) => {
            let dataset = open(world, clock).await;
            // Nothing asks S3 between the step and the write.
            set(clock, world, seconds(off));
            world.s3.inject(right_again(Operation::Put));
            world.s3.inject(right_again(Operation::Head));
            let _ = dataset.store::<Event>().write(&Event::of(&["a"], 1)).await;
            world.s3.clear_faults();
            set(clock, world, TimeDelta::zero());
            dataset
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_only_writes_is_not_refused_for_what_its_clock_was() {
    for what in MOVES {
        for pause in [0, 600] {
            for token in [None, Some("t")] {
                let (world, clock) = (Virtual::new(), Clock::virtual_time());
                world.dataset().await;
                let dataset = after_move(&world, &clock, what).await;
                sleep(Duration::from_secs(pause)).await;
                let store = dataset.store::<Event>();
                let commit = store.write(&[Event::new("a", 2)]).token_opt(token).await;
                let commit = commit.unwrap_or_else(|error| panic!("{what:?}, {pause} s later: {error:?}")).remove(0);
                dataset.restamp(&commit).await.unwrap();
                // One write asks once; those after it do not.
                world.s3.clear_requests();
                store.write(&[Event::new("b", 3)]).await.unwrap();
                assert_eq!(world.counts(), [3, 0, 0, 0], "{what:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restamp_is_not_refused_for_what_its_clock_was() {
    for what in MOVES {
        let (world, clock) = (Virtual::new(), Clock::virtual_time());
        let writer = world.dataset().await.store::<Event>();
        let commit = writer.write(&[Event::new("a", 1)]).await.unwrap().remove(0);
        let dataset = after_move(&world, &clock, what).await;
        dataset.restamp(&commit).await.unwrap_or_else(|error| panic!("{what:?}: {error:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_after_moves_is_refused_with_one_request() {
    for what in MOVES {
        for off in [10, -10] {
            let (world, clock) = (Virtual::new(), Clock::virtual_time());
            world.dataset().await;
            let dataset = after_move(&world, &clock, what).await;
            let store = dataset.store::<Event>();
            store.write(&Event::of(&["a"], 1)).await.unwrap();
            set(&clock, &world, TimeDelta::seconds(off));
            for _ in 0..2 {
                world.s3.clear_requests();
                let error = store.write(&Event::of(&["a"], 1)).await.unwrap_err();
                assert_eq!(error.cause.unwrap().kind(), ErrorKind::ClockSkew, "{what:?} {off}");
                assert_eq!(world.log(), [format!("Head {PREFIX}/_config/commit-timeout")]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_off_is_not_refused_while_s3_is_down() {
    let (world, clock) = (Virtual::new(), Clock::virtual_time());
    world.dataset().await;
    let dataset = after_move(&world, &clock, Move::Step(60)).await;
    set(&clock, &world, TimeDelta::seconds(60));
    world.s3.inject(Fault::any().always().drop_connection());
    let error = dataset.store::<Event>().write(&Event::of(&["a"], 1)).await.unwrap_err();
    assert_eq!(error.cause.unwrap().kind(), ErrorKind::Unavailable);
    // Any answer has a date.
    for status in [403, 404] {
        world.s3.clear_faults();
        world.s3.inject(Fault::on(Operation::Head).always().fail(status, "Refused"));
        let error = dataset.store::<Event>().write(&Event::of(&["a"], 1)).await.unwrap_err();
        assert_eq!(error.cause.unwrap().kind(), ErrorKind::ClockSkew);
        set(&clock, &world, TimeDelta::zero());
        dataset.store::<Event>().write(&Event::of(&["a"], 1)).await.unwrap();
        set(&clock, &world, TimeDelta::seconds(60));
    }
}

/// The moment at which a reader's clock, which was ahead, is stepped right.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// While the first LIST is under way.
    DuringList,
    /// Between the first try of the LIST, which is lost, and the second.
    BetweenTries,
    /// While the poll waits for the dataset's only permit.
    WaitingForPermit,
    /// After the builder was made, before it is awaited.
    BeforeAwait,
}

#[derive(Debug, Clone, Copy)]
enum Method {
    Poll,
    PollRecords,
    PollRange,
    ReadRange,
}

/// Returns the ids of what a method sees, and where a poll continues.
async fn ids_of(store: &Store<Event>, method: Method, fix: impl FnOnce()) -> s3store::Result<(usize, Option<Offset>)> {
    Ok(match method {
        Method::Poll => {
            let poll = store.poll(&Offset::START);
            fix();
            let page = poll.await?;
            (page.entries.len(), Some(page.next))
        }
        Method::PollRecords => {
            let poll = store.poll_records(&Offset::START);
            fix();
            let page = poll.await?;
            (page.entries.len(), Some(page.next))
        }
        Method::PollRange => {
            let poll = store.poll_range(..);
            fix();
            (poll.await?.len(), None)
        }
        Method::ReadRange => {
            let read = store.read_range(..);
            fix();
            (read.await?.len(), None)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_reader_whose_clock_was_ahead_passes_no_commit_in_flight() {
    for method in [Method::Poll, Method::PollRecords, Method::PollRange, Method::ReadRange] {
        for moment in [Moment::DuringList, Moment::BetweenTries, Moment::WaitingForPermit, Moment::BeforeAwait] {
            for ahead in [5, 30, 3_600] {
                pass(method, moment, TimeDelta::seconds(ahead)).await;
            }
        }
    }
}

async fn pass(method: Method, moment: Moment, ahead: TimeDelta) {
    let name = format!("{method:?}, corrected {moment:?}, {ahead} ahead");
    let world = Virtual::new();
    let writer = world.dataset().await.store::<Event>();
    let clock = Clock::virtual_time();
    set(&clock, &world, TimeDelta::zero());
    let options = options().clock(clock.clone()).max_inflight_requests(1);
    let reader = options.open(world.s3.client(), BUCKET, PREFIX).await.unwrap().store::<Event>();
    // In flight: the ref is there, and the commit lands in time.
    world.s3.inject(put(".commit").delay(Duration::from_secs(3)));
    let slow = tokio::spawn({
        let writer = writer.clone();
        async move { writer.write(&[Event::new("a", 1)]).await }
    });
    sleep(Duration::from_millis(500)).await;

    set(&clock, &world, ahead);
    let fix = {
        let (clock, right) = (clock.clone(), world.clock.clone());
        move || {
            clock.set_offset(TimeDelta::zero());
            clock.set_offset(right.now() - clock.now());
        }
    };
    let hooked = fix.clone();
    let fault = Fault::on(Operation::List).call_before(move |_| {
        hooked();
        async {}
    });
    let result = match moment {
        Moment::DuringList => {
            world.s3.inject(fault);
            ids_of(&reader, method, || ()).await
        }
        Moment::BetweenTries => {
            world.s3.inject(fault);
            world.s3.inject(Fault::on(Operation::List).drop_connection());
            ids_of(&reader, method, || ()).await
        }
        Moment::WaitingForPermit => {
            world.s3.inject(Fault::on(Operation::Head).delay(Duration::from_secs(1)));
            let other = reader.clone();
            let other = tokio::spawn(async move { other.lookup_commit("part=a", "x").await.map(drop) });
            tokio::task::yield_now().await;
            let fixing = tokio::spawn(async move {
                sleep(Duration::from_millis(500)).await;
                fix();
            });
            let result = ids_of(&reader, method, || ()).await;
            fixing.await.unwrap();
            drop(other.await);
            result
        }
        Moment::BeforeAwait => ids_of(&reader, method, fix).await,
    };
    set(&clock, &world, TimeDelta::zero());
    let commit = slow.await.unwrap().expect("in time").remove(0);
    match &result {
        Err(error) => assert_eq!(error.kind(), ErrorKind::ClockSkew, "{name}: {error}"),
        Ok((entries, next)) => {
            assert_eq!(*entries, 0, "{name}");
            let passed = next.as_ref().is_some_and(|next| *next >= commit.offset);
            assert!(!passed, "{name}: passed a commit that was reported in time");
        }
    }
    // It is not refused for good.
    sleep(Duration::from_secs(60)).await;
    let (entries, _) = ids_of(&reader, method, || ()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(entries, 1, "{name}");
}

/// The responses to `open` were slow, so that the kept observation of the clocks is wide. It does not excuse a clock that
/// the page's own `Date` shows to be ahead.
#[tokio::test(start_paused = true)]
async fn a_page_shows_that_a_readers_clock_is_ahead_even_if_earlier_responses_do_not() {
    for method in [Method::Poll, Method::PollRecords, Method::PollRange, Method::ReadRange] {
        let world = Virtual::new();
        world.dataset().await;
        let clock = Clock::virtual_time();
        set(&clock, &world, TimeDelta::seconds(5));
        // Dated when they arrive.
        world.s3.inject(Fault::on(Operation::Get).always().delay(Duration::from_secs(5)));
        let reader = open(&world, &clock).await.store::<Event>();
        world.s3.clear_faults();
        // Dated when it is scanned.
        world.s3.inject(Fault::on(Operation::List).delay_answer(Duration::from_secs(9)));
        let error = ids_of(&reader, method, || ()).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ClockSkew, "{method:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn doctor_judges_no_write_in_flight_by_a_clock_that_was_ahead() {
    let world = Virtual::new();
    let writer = world.dataset().await.store::<Event>();
    let clock = Clock::virtual_time();
    set(&clock, &world, TimeDelta::zero());
    let dataset = open(&world, &clock).await;
    world.s3.inject(put(".commit").delay(Duration::from_secs(3)));
    let slow = tokio::spawn(async move { writer.write(&[Event::new("a", 1)]).await });
    sleep(Duration::from_millis(500)).await;
    set(&clock, &world, TimeDelta::hours(1));
    let (moved, right) = (clock.clone(), world.clock.clone());
    world.s3.inject(Fault::on(Operation::List).call_before(move |_| {
        moved.set_offset(TimeDelta::zero());
        moved.set_offset(right.now() - moved.now());
        async {}
    }));
    match dataset.doctor(..).await {
        Ok(report) => assert_eq!(report.findings.len(), 0, "{report:?}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ClockSkew),
    }
    slow.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_range_is_frozen_when_it_is_awaited() {
    for read in [false, true] {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        let (range, records) = (store.poll_range(..), store.read_range(..));
        // Written after the builder was made, and settled before it is awaited.
        store.write(&Event::of(&["a", "b", "c"], 1)).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        // While the pages are listed, further writes settle.
        world.s3.set_page_size(1);
        let writer = store.clone();
        world.s3.inject(Fault::on(Operation::List).times(2).call_after(move |_| {
            let writer = writer.clone();
            async move {
                writer.write(&[Event::new("a", 2)]).await.unwrap();
                sleep(Duration::from_secs(60)).await;
            }
        }));
        let found = if read { records.await.unwrap().len() } else { range.await.unwrap().len() };
        assert_eq!(found, 3, "read: {read}");
        assert_eq!(store.read_range(..).await.unwrap().len(), 5);
    }
}
