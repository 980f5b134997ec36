//! No public operation can wait for ever, with any number of permits: not beside a write on the same handle, not with a
//! consumer that pauses, and not after another operation was left unpolled or dropped.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use futures_util::{Stream, TryStreamExt};
use s3store::testing::{Fault, Object, ServerTime};
use s3store::{Commit, Dataset, Offset, Record, Store, View};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, listen, put, sleep, within};
use crate::integration::warnings::Warnings;

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part), views(Outer, Names))]
struct Row {
    #[record(entity)]
    part: String,
    #[record(entity)]
    first: String,
    /// Lies between the columns of [`Outer`], and is large, so that a backfill fetches several ranges side by side.
    blob: Vec<u8>,
    last: String,
    #[record(version)]
    version: i64,
}

/// A projection of a column behind the large one.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(projection_of = Row)]
struct Last {
    last: String,
}

#[derive(Debug, Clone, PartialEq, Eq, View)]
#[view(of = Row, name = "outer")]
struct Outer {
    first: String,
    last: String,
}

#[derive(Debug, Clone, PartialEq, Eq, View)]
#[view(of = Row, name = "names")]
struct Names {
    first: String,
}

const PERMITS: [usize; 6] = [1, 2, 3, 7, 8, 32];

const PARTITIONS: usize = 5;

const HOUR: Duration = Duration::from_secs(3_600);

/// More than any operation here takes without pauses, in virtual time.
const SOON: Duration = Duration::from_secs(300);

/// Returns a row for each partition.
fn rows(version: i64) -> Vec<Row> {
    rows_with_blobs(version, 0)
}

/// Returns a row for each partition, with 8 times as many bytes that do not compress.
fn rows_with_blobs(version: i64, words: usize) -> Vec<Row> {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64 | version.unsigned_abs();
    let mut word = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    };
    (0..PARTITIONS)
        .map(|n| Row {
            part: format!("p{n}"),
            first: format!("first{version}"),
            blob: (0..words).flat_map(|_| word()).collect(),
            last: format!("last{n}"),
            version,
        })
        .collect()
}

/// The number of words in the blobs of the template's files.
const WORDS: usize = 8_000;

/// The objects of a bucket in which each partition has four files, and one of the commits.
struct Template {
    objects: Vec<(String, Object)>,
    commit: Commit,
    /// The server's time when the objects were put.
    written_at: DateTime<Utc>,
}

impl Template {
    async fn new() -> Self {
        let world = Virtual::new();
        let writer = world.dataset().await.store::<Row>();
        let mut commits = Vec::new();
        for version in 0..4 {
            let rows = rows_with_blobs(version, WORDS);
            commits = writer.write(&rows).token(format!("t{version}")).await.unwrap();
        }
        let written_at = world.s3.now();
        let object = |key: String| (key.clone(), world.s3.object(BUCKET, &key).unwrap());
        let objects = world.s3.keys(BUCKET).into_iter().map(object).collect();
        Self { objects, commit: commits.remove(0), written_at }
    }

    /// Returns the scene of one operation, with handles that have this many permits.
    ///
    /// All commits are settled. Listings have several pages, and requests take unequal time.
    async fn scene(&self, permits: usize, pause: Duration) -> Scene {
        let world = Arc::new(Virtual::new());
        // Otherwise the commits would look late.
        world.s3.set_time(ServerTime::Fixed(self.written_at));
        for (key, object) in &self.objects {
            world.s3.put_object_with(BUCKET, key, object.body.clone(), object.metadata.clone());
        }
        world.s3.set_time(ServerTime::Tokio(world.clock.now()));
        sleep(Duration::from_secs(60)).await;
        world.s3.set_page_size(7);
        let options = world.options().max_inflight_requests(permits);
        let dataset = options.open(world.s3.client(), BUCKET, PREFIX).await.unwrap();
        world.s3.inject(Fault::any().always().call_before(|request| {
            let hash = (request.number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
            sleep(Duration::from_millis(5 + hash % 60))
        }));
        let store = dataset.store::<Row>();
        Scene { world, dataset, store, commit: self.commit.clone(), pause }
    }
}

/// The arguments of an operation: a handle of its own, and what the bucket contains.
#[derive(Clone)]
struct Scene {
    world: Arc<Virtual>,
    dataset: Dataset,
    store: Store<Row>,
    /// One of the commits in the bucket.
    commit: Commit,
    /// How long the consumer of a stream pauses after each item.
    pause: Duration,
}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A public operation.
type Operation = fn(Scene) -> Running;

async fn consume<T>(mut items: impl Stream<Item = s3store::Result<T>> + Unpin, pause: Duration) {
    while items.try_next().await.unwrap().is_some() {
        sleep(pause).await;
    }
}

/// Every public operation that sends requests, by name.
const OPERATIONS: [(&str, Operation); 44] = [
    ("init", |s| {
        Box::pin(async move {
            drop(s.world.options().max_inflight_requests(1).init(s.world.s3.client(), BUCKET, PREFIX).await.unwrap())
        })
    }),
    ("open", |s| {
        Box::pin(async move {
            drop(s.world.options().max_inflight_requests(1).open(s.world.s3.client(), BUCKET, PREFIX).await.unwrap())
        })
    }),
    ("write", |s| Box::pin(async move { drop(s.store.write(&rows(100)).await.unwrap()) })),
    ("write with a token", |s| Box::pin(async move { drop(s.store.write(&rows(101)).token("op").await.unwrap()) })),
    ("optimistic write", |s| {
        Box::pin(async move { drop(s.store.write(&rows(102)).token("optimistic").optimistic_commit().await.unwrap()) })
    }),
    ("late write", |s| {
        Box::pin(async move {
            s.world.s3.inject(put(".commit").times(4).hang());
            drop(s.store.write(&rows(104)).await.unwrap());
        })
    }),
    ("repeated write", |s| {
        Box::pin(async move { drop(s.store.write(&rows_with_blobs(0, WORDS)).token("t0").await.unwrap()) })
    }),
    ("write_partition", |s| {
        Box::pin(async move { drop(s.store.write_partition("part=p0", &rows(103)).await.unwrap()) })
    }),
    ("restamp", |s| Box::pin(async move { drop(s.dataset.restamp(&s.commit).await.unwrap()) })),
    ("lookup_commit", |s| {
        Box::pin(async move { assert!(s.store.lookup_commit("part=p0", "t0").await.unwrap().is_some()) })
    }),
    ("read", |s| Box::pin(async move { drop(s.store.read_all().await.unwrap()) })),
    ("read of history", |s| {
        Box::pin(async move { drop(s.store.read(["part=p0", "part=p1*", "part=p2"]).history().await.unwrap()) })
    }),
    ("read of an earlier time", |s| {
        Box::pin(async move { drop(s.store.read_all().as_of(s.world.clock.now()).await.unwrap()) })
    }),
    ("stream of a read", |s| Box::pin(consume_with(s, |s| s.store.read_all().stream()))),
    ("stream of a read with a small reserve", |s| {
        Box::pin(consume_with(s, |s| s.store.read_all().read_ahead_bytes(1).read_ahead_partitions(0).stream()))
    }),
    ("partitions of a read", |s| Box::pin(consume_with(s, |s| s.store.read_all().partitions()))),
    ("rows of a read", |s| Box::pin(consume_with(s, |s| s.store.read_all().rows()))),
    ("batches of a read", |s| Box::pin(consume_with(s, |s| s.store.read_all().batches()))),
    ("stream of a read that is merged in parts", |s| {
        Box::pin(consume_with(s, |s| s.store.read_all().hold_at_most(0).read_ahead_bytes(1 << 18).stream()))
    }),
    ("filtered read of a projection", |s| {
        Box::pin(async move {
            let ends = s.dataset.store::<Last>().read_all().hold_at_most(0).read_ahead_bytes(1 << 18);
            consume(ends.filter(|c| c.first.ne("first1").and(c.version.ge(1))).stream(), s.pause).await;
        })
    }),
    ("read with a limit", |s| Box::pin(async move { drop(s.store.read_all().limit(3).await.unwrap()) })),
    ("count", |s| Box::pin(async move { assert!(s.store.read_all().count().await.unwrap() > 0) })),
    ("explain", |s| Box::pin(async move { drop(s.store.read_all().explain().await.unwrap()) })),
    ("read_entity", |s| {
        Box::pin(async move {
            let entity = Row::entity_of("p1", "first2").unwrap();
            assert!(s.store.read_entity(&entity).await.unwrap().is_some());
            drop(s.store.history_of(&entity).await.unwrap());
        })
    }),
    ("writer", |s| {
        Box::pin(async move {
            let mut writer = s.store.writer().token("writer").flush_records(7).start().unwrap();
            for version in 200..204 {
                writer.write_all(rows(version)).await.unwrap();
                sleep(s.pause).await;
            }
            writer.flush().await.unwrap();
        })
    }),
    ("writer of more than its memory", |s| {
        Box::pin(async move {
            let mut writer = s.store.writer().memory_bytes(0).start().unwrap();
            writer.write_all((300..304).flat_map(|version| rows_with_blobs(version, WORDS))).await.unwrap();
            writer.flush().await.unwrap();
        })
    }),
    ("read_range", |s| Box::pin(async move { drop(s.store.read_range(..).await.unwrap()) })),
    ("stream of read_range", |s| Box::pin(consume_with(s, |s| s.store.read_range(..).stream()))),
    ("read_entries", |s| {
        Box::pin(async move {
            let entries = s.store.poll_range(..).await.unwrap();
            consume(s.store.read_entries(&entries).partitions(), s.pause).await;
        })
    }),
    ("poll", |s| Box::pin(async move { drop(s.store.poll(&Offset::START).await.unwrap()) })),
    ("poll of some partitions", |s| {
        Box::pin(async move { drop(s.store.poll(&Offset::START).only("part=p1").await.unwrap()) })
    }),
    ("poll_range", |s| Box::pin(async move { drop(s.store.poll_range(..).await.unwrap()) })),
    ("poll_records", |s| Box::pin(async move { drop(s.store.poll_records(&Offset::START).await.unwrap()) })),
    ("follow entries", |s| {
        Box::pin(async move {
            let mut pages = s.store.follow(&Offset::START).limit(3).entries();
            for _ in 0..5 {
                pages.next_page().await.unwrap();
                sleep(s.pause).await;
            }
        })
    }),
    ("follow records", |s| {
        Box::pin(async move {
            let mut pages = s.store.follow(&Offset::START).limit(3).records();
            for _ in 0..5 {
                pages.next_page().await.unwrap();
                sleep(s.pause).await;
            }
        })
    }),
    ("lookup", |s| Box::pin(async move { drop(s.dataset.view::<Names>().lookup("*").await.unwrap()) })),
    ("stream of a lookup", |s| {
        let patterns: Vec<String> = (0..4).map(|n| format!("first=first{n}/*")).collect();
        Box::pin(consume_with(s, move |s| s.dataset.view::<Outer>().lookup(patterns).stream()))
    }),
    ("backfill", |s| {
        Box::pin(async move { assert!(s.dataset.view::<Outer>().backfill("*").await.unwrap().markers > 0) })
    }),
    ("stream of a backfill", |s| Box::pin(consume_with(s, |s| s.dataset.view::<Outer>().backfill("*").stream()))),
    ("partitions", |s| Box::pin(async move { drop(s.store.partitions("*").await.unwrap()) })),
    ("doctor without record counts", |s| {
        Box::pin(async move { drop(s.dataset.doctor(..).without_record_counts().await.unwrap()) })
    }),
    ("partitions with record counts", |s| {
        Box::pin(async move { drop(s.store.partitions("*").record_counts().await.unwrap()) })
    }),
    ("doctor", |s| Box::pin(async move { drop(s.dataset.doctor(..).await.unwrap()) })),
    ("drain", |s| Box::pin(async move { s.dataset.drain().await })),
];

async fn consume_with<S, T>(scene: Scene, stream: impl FnOnce(&Scene) -> S + Send)
where
    S: Stream<Item = s3store::Result<T>> + Unpin + Send,
{
    let items = stream(&scene);
    consume(items, scene.pause).await;
}

#[tokio::test(start_paused = true)]
async fn every_operation_ends_with_any_number_of_permits() {
    let template = Template::new().await;
    for permits in PERMITS {
        for (name, operation) in OPERATIONS {
            let scene = template.scene(permits, Duration::ZERO).await;
            let ended = within(SOON, operation(scene)).await;
            assert!(ended.is_some(), "{name} with {permits} permits: has not ended after {SOON:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_beside_any_operation_on_the_same_handle_ends() {
    let template = Template::new().await;
    for permits in PERMITS {
        for (name, operation) in OPERATIONS {
            // One write begins with the operation, one while its consumer pauses.
            for after in [0, 600] {
                let scene = template.scene(permits, HOUR).await;
                let other = tokio::spawn(operation(scene.clone()));
                sleep(Duration::from_secs(after)).await;
                let written = within(SOON, scene.store.write(&rows(200)).into_future()).await;
                let written = written.unwrap_or_else(|| {
                    panic!("{name} with {permits} permits: a write beside it has not ended after {SOON:?}")
                });
                assert_eq!(written.unwrap().len(), PARTITIONS);
                // A stream here has at most 20 records in 5 partitions, and a lookup as many tuples.
                let ended = within(HOUR * 30, other).await;
                ended.unwrap_or_else(|| panic!("{name} with {permits} permits: has not ended")).unwrap();
            }
        }
    }
}

/// Waits for as many requests at a time as there are permits. Fails if some of them must wait: then a permit is held.
async fn assert_all_permits_are_free(scene: &Scene, permits: usize, what: &str) {
    const LATENCY: Duration = Duration::from_millis(20);
    scene.world.s3.clear_faults();
    scene.world.slow_down(LATENCY);
    let one_each = (0..permits).map(|_| scene.store.lookup_commit("part=p0", "t0"));
    let (found, took) = scene.world.timed(join_all(one_each)).await;
    assert!(found.into_iter().all(|commit| commit.unwrap().is_some()));
    assert!(took < LATENCY * 2, "{what}: holds a permit");
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_nobody_polls_holds_no_permit() {
    let template = Template::new().await;
    let mut unpolled = 0;
    for permits in [1, 3, 32] {
        for (name, operation) in OPERATIONS {
            for (polled_for, left_for) in [(1, SOON), (30, HOUR), (150, SOON)] {
                let what = format!("{name} with {permits} permits, polled for {polled_for} ms");
                let scene = template.scene(permits, Duration::ZERO).await;
                let mut other = operation(scene.clone());
                // The future stays alive, but is not polled any more.
                if within(Duration::from_millis(polled_for), other.as_mut()).await.is_some() {
                    continue;
                }
                unpolled += 1;
                let written = within(SOON, scene.store.write(&rows(200)).into_future()).await;
                written.unwrap_or_else(|| panic!("{what}: blocks a write")).unwrap();
                // By then it has nothing more to do without being polled.
                sleep(left_for).await;
                assert_all_permits_are_free(&scene, permits, &what).await;
                let ended = within(SOON, other).await;
                assert!(ended.is_some(), "{what}: has not ended when it was polled again");
            }
        }
    }
    assert!(unpolled > 200, "{unpolled}");
}

#[tokio::test(start_paused = true)]
async fn dropping_an_operation_at_any_moment_gives_all_permits_back() {
    const MOMENTS: u32 = 6;
    let template = Template::new().await;
    for permits in [1, 3] {
        for (name, operation) in OPERATIONS {
            let scene = template.scene(permits, Duration::ZERO).await;
            let (_, lasts) = scene.world.timed(operation(scene.clone())).await;
            for moment in 0..MOMENTS {
                let drop_after = lasts * moment / MOMENTS;
                let what = format!("{name} with {permits} permits, dropped after {drop_after:?} of {lasts:?}");
                let scene = template.scene(permits, Duration::ZERO).await;
                let _ = within(drop_after, operation(scene.clone())).await;
                // A write whose data has landed commits even if its caller has gone away. All other requests end at once.
                scene.dataset.drain().await;
                sleep(Duration::from_millis(1)).await;
                assert_all_permits_are_free(&scene, permits, &what).await;
                let written = within(SOON, scene.store.write(&rows(200)).into_future()).await;
                written.unwrap_or_else(|| panic!("{what}: blocks a write")).unwrap();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_long_for_a_permit_is_logged_each_minute() {
    let warnings = Warnings::default();
    let _guard = listen(tracing::Dispatch::new(warnings.clone()));
    let world = Virtual::new();
    let options = world.options().max_inflight_requests(1).try_deadline(Duration::from_secs(150));
    let store = world.dataset_with(options).await.store::<Row>();
    world.s3.inject(Fault::any().delay(Duration::from_secs(130)));
    let both = join_all(["t0", "t1"].map(|token| store.lookup_commit("part=p0", token)));
    let (found, took) = world.timed(both).await;
    assert!(found.iter().all(|commit| matches!(commit, Ok(None))));
    assert_eq!(took.as_secs(), 130);
    let warnings = warnings.take();
    let about_permits: Vec<_> = warnings.iter().filter(|text| text.contains("permit")).collect();
    assert_eq!(about_permits.len(), 2, "{warnings:?}");
    assert!(about_permits[0].contains("permits=1") && about_permits[0].contains("Head"), "{about_permits:?}");
}
