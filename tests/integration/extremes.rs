//! Extreme values of every option: they work, are clamped, or are invalid input. None panics.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::sample::select;
use s3store::dataset::ClockGuard;
use s3store::{Clock, Dataset, ErrorKind, Offset, Record};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, within};
use crate::integration::records::{Event, Item, Parts};

fn durations() -> impl Strategy<Value = Duration> {
    select(vec![
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_micros(1),
        Duration::from_millis(1),
        Duration::from_secs(15),
        Duration::from_secs(86_400 * 365 * 30),
        Duration::from_secs(u64::from(u32::MAX)),
        Duration::from_nanos(i64::MAX as u64 - 1),
        Duration::from_nanos(i64::MAX as u64),
        Duration::from_nanos(i64::MAX as u64 + 1),
        Duration::from_micros(i64::MAX as u64),
        Duration::from_millis(u64::MAX),
        Duration::from_secs(u64::MAX),
        Duration::MAX,
    ])
}

fn sizes() -> impl Strategy<Value = usize> {
    let permits = usize::MAX >> 3;
    select(vec![0, 1, 2, 1_000, i32::MAX as usize, u32::MAX as usize, permits, permits + 1, usize::MAX])
}

fn deltas() -> impl Strategy<Value = TimeDelta> {
    select(vec![
        TimeDelta::MIN,
        TimeDelta::microseconds(i64::MIN),
        TimeDelta::days(-36_500),
        TimeDelta::seconds(-1),
        TimeDelta::zero(),
        TimeDelta::zero(),
        TimeDelta::zero(),
        TimeDelta::seconds(1),
        TimeDelta::days(36_500),
        TimeDelta::microseconds(i64::MAX),
        TimeDelta::MAX,
    ])
}

fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    select(vec![
        DateTime::<Utc>::MIN_UTC,
        DateTime::from_timestamp_nanos(i64::MIN),
        DateTime::from_timestamp_nanos(-1),
        DateTime::UNIX_EPOCH,
        DateTime::from_timestamp_nanos(i64::MAX),
        DateTime::from_timestamp_micros(9_999_999_999_999_999).unwrap(),
        DateTime::<Utc>::MAX_UTC,
    ])
}

fn texts() -> impl Strategy<Value = String> {
    select(vec![
        String::new(),
        "/".to_owned(),
        "..".to_owned(),
        "\0".to_owned(),
        "part=a".to_owned(),
        "part=\u{10ffff}".to_owned(),
        "%".to_owned(),
        "*".to_owned(),
        "part=*..*".to_owned(),
        "x".repeat(1_025),
        "part=".to_owned() + &"é".repeat(600),
        "=".to_owned(),
    ])
}

#[derive(Debug, Clone)]
struct Options {
    permits: usize,
    try_deadline: Duration,
    commit_timeout: Duration,
    max_clock_skew: Duration,
    offset: TimeDelta,
    later_offset: TimeDelta,
    guard: ClockGuard,
    consistency: String,
    prefix: String,
}

/// Returns the usual value most of the time, so that the operations get far with one extreme option.
fn usually(value: Duration) -> impl Strategy<Value = Duration> {
    prop_oneof![3 => Just(value), 1 => durations()]
}

prop_compose! {
    fn options()(
        permits in prop_oneof![2 => Just(32), 1 => sizes()],
        try_deadline in usually(Duration::from_secs(30)),
        commit_timeout in usually(Duration::from_secs(15)),
        max_clock_skew in usually(Duration::from_secs(1)),
        offset in deltas(),
        later_offset in deltas(),
        guard in select(vec![ClockGuard::Refuse, ClockGuard::Warn, ClockGuard::Off]),
        consistency in prop_oneof![3 => Just(String::from("strong-global")), 1 => texts()],
        prefix in prop_oneof![5 => Just(PREFIX.to_owned()), 1 => texts()],
    ) -> Options {
        Options {
            permits, try_deadline, commit_timeout, max_clock_skew, offset, later_offset, guard, consistency, prefix,
        }
    }
}

#[derive(Debug, Clone)]
struct Arguments {
    limit: usize,
    pace: Duration,
    partitions: usize,
    bytes: u64,
    restamps: u32,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    text: String,
}

prop_compose! {
    fn arguments()(
        limit in sizes(),
        pace in durations(),
        partitions in sizes(),
        bytes in select(vec![0, 1, 1 << 20, u64::from(u32::MAX) << 10, u64::MAX]),
        restamps in select(vec![0, 1, 2]),
        from in instants(),
        to in instants(),
        text in texts(),
    ) -> Arguments {
        Arguments { limit, pace, partitions, bytes, restamps, from, to, text }
    }
}

/// Returns the value, or `None` for an error that is not a bug.
fn check<T>(what: &str, kind: Result<T, ErrorKind>) -> Option<T> {
    match kind {
        Ok(value) => Some(value),
        Err(kind) => {
            assert!(!matches!(kind, ErrorKind::Internal | ErrorKind::Cancelled), "{what}: {kind:?}");
            None
        }
    }
}

async fn run(options: Options, arguments: Arguments) {
    let world = Virtual::new();
    let clock = world.clock_ahead(TimeDelta::zero());
    clock.set_offset(options.offset);
    let dataset = Dataset::options()
        .max_inflight_requests(options.permits)
        .try_deadline(options.try_deadline)
        .clock_guard(options.guard)
        .consistency(options.consistency.as_str())
        .clock(clock.clone())
        .init(world.s3.client(), BUCKET, &options.prefix)
        .commit_timeout(options.commit_timeout)
        .max_clock_skew(options.max_clock_skew);
    let Some(dataset) = check("init", dataset.await.map_err(|error| error.kind())) else { return };
    let dataset = dataset.into_dataset();
    let _ = format!("{dataset:?} {:?} {:?}", dataset.settle_window(), clock.now());
    let (store, items) = (dataset.store::<Event>(), dataset.store::<Item>());
    let Arguments { limit, pace, partitions, bytes, restamps, from, to, text } = arguments;

    let records = Event::of(&["a", "b"], 2);
    let of = |error: s3store::WriteError| error.kind();
    check("write", store.write(&records).await.map_err(of));
    check("write", store.write(&records).token(&text).inserted_at(from).await.map_err(of));
    check("write", store.write(&records).token("t").restamp_late(restamps).await.map_err(of));
    check("write", store.write_partition("part=a", &records[..1]).inserted_at(to).await.map_err(|error| error.kind()));
    check("write", store.write_partition(&text, &records[..1]).await.map_err(|error| error.kind()));
    check("write", items.write(&[Item::new(&text, i64::MIN, i64::MAX, &text)]).optimistic_commit().await.map_err(of));
    let commit = check("look up", store.lookup_commit("part=a", "t").await.map_err(|error| error.kind())).flatten();
    check("look up", store.lookup_commit(&text, &text).await.map_err(|error| error.kind()));
    clock.set_offset(options.later_offset);
    if let Some(commit) = commit {
        check("restamp", dataset.restamp(&commit).await.map_err(|error| error.kind()));
    }

    let ahead = |read: s3store::read::Read<Event>| read.read_ahead_partitions(partitions).read_ahead_bytes(bytes);
    check("read", ahead(store.read_all()).await.map_err(|error| error.kind()));
    check("read", ahead(store.read("part=*").history()).await.map_err(|error| error.kind()));
    check("read", ahead(store.read(&text)).await.map_err(|error| error.kind()));
    check("read", ahead(store.read(Event::partitions().part(&text))).await.map_err(|error| error.kind()));
    check("read as of", ahead(store.read_all().as_of(from)).await.map_err(|error| error.kind()));
    check("list", store.partitions(&text).record_counts().await.map_err(|error| error.kind()));
    check("read range", ahead(store.read_range(from..to)).await.map_err(|error| error.kind()));
    check("poll range", store.poll_range(from..).await.map_err(|error| error.kind()));
    check("poll range", store.poll_range(..to).await.map_err(|error| error.kind()));
    let (start, end) = (dataset.offset_at(from), dataset.offset_at(to));
    for after in [Offset::START, start] {
        let page = check("poll", store.poll(&after).limit(limit).until(&end).await.map_err(|error| error.kind()));
        check("poll", store.poll(&after).only(&text).limit(limit).await.map_err(|error| error.kind()));
        check("poll records", store.poll_records(&after).limit(limit).await.map_err(|error| error.kind()));
        if let Some(page) = page {
            let read = ahead(store.read_entries(&page.entries));
            check("read entries", read.await.map_err(|error| error.kind()));
        }
        let mut pages = store.follow(&after).limit(limit).pace(pace).records();
        for _ in 0..2 {
            let page = within(Duration::from_secs(60), pages.next_page()).await;
            check("follow", page.transpose().map_err(|error| error.kind()));
        }
    }
    let view = dataset.view::<Parts>();
    let backfill = view.backfill("*").modified_before(from).resume_after(&text);
    check("backfill", backfill.await.map_err(|error| error.kind()));
    check("backfill", view.backfill(&text).modified_before(to).await.map_err(|error| error.kind()));
    check("look up", view.lookup(&text).await.map_err(|error| error.kind()));
    check("doctor", dataset.doctor(from..to).await.map_err(|error| error.kind()));
    check("doctor", dataset.doctor(..).without_record_counts().await.map_err(|error| error.kind()));
    dataset.drain().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_option_and_no_argument_panics(options in options(), arguments in arguments()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run(options, arguments));
    }
}

#[tokio::test(start_paused = true)]
async fn the_largest_options_work() {
    let world = Virtual::new();
    let options = world.options().max_inflight_requests(usize::MAX).try_deadline(Duration::MAX);
    let dataset = world.dataset_with(options).await;
    let store = dataset.store::<Event>();
    store.write(&Event::in_partitions(50, 2)).token("t").await.unwrap();
    let read = store.read_all().read_ahead_partitions(usize::MAX).read_ahead_bytes(u64::MAX);
    assert_eq!(read.await.unwrap().len(), 100);
    let settled = world.settled().await.store::<Event>();
    assert_eq!(settled.poll_records(&Offset::START).limit(usize::MAX).await.unwrap().records.len(), 100);
    assert_eq!(
        dataset.view::<Parts>().backfill("*").modified_before(DateTime::<Utc>::MAX_UTC).await.unwrap().files,
        50
    );
}

#[test]
fn a_clock_with_an_extreme_offset_is_at_the_end_of_time() {
    let clock = Clock::machine();
    for (offset, sign) in [(TimeDelta::MIN, -1), (TimeDelta::MAX, 1)] {
        clock.set_offset(offset);
        assert_eq!(clock.now().timestamp().signum(), sign);
        assert!(clock.now().timestamp().abs() > 1_000_000_000_000);
    }
}
