//! Long listings: they go on folder by folder where that takes fewer requests, or side by side.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use s3store::testing::{Fault, ListOrder, Object, Operation};
use s3store::{Dataset, Record, Store};

use crate::integration::harness::{BUCKET, PREFIX, Server, Virtual, draws, options, sleep, within};

const REQUEST: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, PartialEq, Eq, Record)]
#[record(partition_by(day, sku))]
struct Sale {
    day: String,
    sku: String,
    n: i64,
}

/// A record with one partition column.
#[derive(Debug, Clone, PartialEq, Eq, Record)]
#[record(partition_by(day))]
struct Visit {
    day: String,
    n: i64,
}

/// Puts so many empty files with their commits into a partition.
fn put_files(world: &Virtual, partition: &str, files: usize) {
    for file in 0..files {
        let token = format!("{file:06}");
        let attempt = "01010101010101010101010101010101";
        for name in [format!("{token}-{attempt}.parquet"), format!("{token}.commit")] {
            world.s3.put_object(BUCKET, &format!("{PREFIX}/data/{partition}/{name}"), "");
        }
    }
}

/// Returns a world with a dataset that allows so many requests at once, and with listings in pages of so many keys.
async fn world(permits: usize, page_size: usize) -> (Virtual, Dataset) {
    let world = Virtual::new();
    let dataset = world.dataset_with(world.options().max_inflight_requests(permits)).await;
    world.s3.set_page_size(page_size);
    (world, dataset)
}

fn by_folder(world: &Virtual) -> usize {
    world.s3.requests().iter().filter(|request| request.parameter("delimiter").is_some()).count()
}

/// Returns the number of LISTs since the log was cleared, and how many of them are by folder. Clears the log.
fn lists(world: &Virtual) -> (usize, usize) {
    let counts = (world.count(Operation::List), by_folder(world));
    world.s3.clear_requests();
    counts
}

async fn listed<T: Record>(store: &Store<T>, pattern: &str) -> Vec<String> {
    let found = store.partitions(pattern).await.unwrap();
    found.into_iter().map(|partition| partition.partition).collect()
}

fn days(count: usize) -> Vec<String> {
    let first = chrono::NaiveDate::from_ymd_opt(2025, 1, 1).unwrap();
    first.iter_days().take(count).map(|day| day.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_listing_of_few_pages_is_sent_as_before() {
    for (files, pages) in [(1, 1), (30, 1), (50, 1), (60, 2), (100, 2)] {
        for pattern in ["*", "*/sku=1", "day=2025-01-*/sku=1", "*/sku=2"] {
            let (world, dataset) = world(32, 1_000).await;
            let store = dataset.store::<Sale>();
            for day in days(5) {
                for sku in ["1", "3"] {
                    put_files(&world, &format!("day={day}/sku={sku}"), files);
                }
            }
            world.s3.clear_requests();
            let found = listed(&store, pattern).await;
            assert_eq!(
                found.len(),
                [("*", 10), ("*/sku=2", 0)].into_iter().find(|(p, _)| *p == pattern).map_or(5, |(_, n)| n)
            );
            assert_eq!(lists(&world), (pages, 0), "{files} files, {pattern}");
        }
    }
}

/// 400 days of 50 SKUs have 1,200 pages, and a day has three.
#[tokio::test(start_paused = true)]
async fn one_sku_of_many_days_takes_a_listing_for_each_day() {
    for order in [ListOrder::Bytes, ListOrder::Folders] {
        let (world, dataset) = world(32, 100).await;
        world.s3.set_list_order(order);
        let store = dataset.store::<Sale>();
        let days = days(400);
        for day in &days {
            for sku in 0..50 {
                put_files(&world, &format!("day={day}/sku=SKU-{sku}"), 3);
            }
        }
        world.s3.clear_requests();
        world.slow_down(REQUEST);
        let (found, took) = world.timed(listed(&store, "day=*/sku=SKU-1")).await;
        assert!(found.into_iter().eq(days.iter().map(|day| format!("day={day}/sku=SKU-1"))));
        let (all, by_folder) = lists(&world);
        println!("{order:?}: {all} LISTs, {by_folder} of them by folder, {took:?}");
        assert!((400..=415).contains(&all), "{all} LISTs");
        assert!(took < REQUEST * 40, "{took:?}");
        // A part of the days.
        let found = listed(&store, "day=2025-01-15..2026-01-10/sku=SKU-1*").await;
        assert_eq!(found.len(), 360 * 11);
        let (all, _) = lists(&world);
        // 11 of 50 SKUs of a day fit into a page.
        assert!((360..=380).contains(&all), "{order:?}: {all} LISTs");
        if order == ListOrder::Bytes {
            // A pattern that selects all keys takes few requests more than the whole listing.
            assert_eq!(listed(&store, "*/sku=SKU-*").await.len(), 400 * 50);
            let (all, _) = lists(&world);
            assert!(all <= 1_200 * 110 / 100, "{all} LISTs");
        }
    }
}

/// Folders that are smaller than a page are not listed one by one.
#[tokio::test(start_paused = true)]
async fn many_small_folders_are_listed_as_a_whole() {
    let (world, dataset) = world(32, 100).await;
    let store = dataset.store::<Sale>();
    for day in 0..1_000 {
        for sku in ["1", "2"] {
            put_files(&world, &format!("day={day:04}/sku={sku}"), 1);
        }
    }
    let visits = dataset.store::<Visit>();
    for pattern in ["*", "*/sku=2", "day=0*/sku=1", "*/sku=3"] {
        world.s3.clear_requests();
        listed(&store, pattern).await;
        let pages = 40;
        let (all, by_folder) = lists(&world);
        assert!(all <= pages + 3 && by_folder <= 1, "{pattern}: {all} LISTs, {by_folder} by folder");
    }
    // No folder can be of this record.
    assert_eq!(listed(&visits, "*").await, [""; 0]);
    let (all, by_folder) = lists(&world);
    assert!(all <= 43 && by_folder <= 1, "{all} LISTs, {by_folder} by folder");
}

type Found = Pin<Box<dyn Future<Output = usize> + Send>>;

/// A way to read the sales of SKU 2, and its name.
type Reader = (&'static str, fn(Store<Sale>) -> Found);

const READERS: [Reader; 5] = [
    ("read", |store| Box::pin(async move { store.read("*/sku=2").await.unwrap().len() })),
    ("stream", |store| {
        Box::pin(async move {
            let mut stream = store.read("*/sku=2").stream();
            let (mut read, mut last) = (0, String::new());
            while let Some(sale) = stream.try_next().await.unwrap() {
                assert!(sale.day >= last && sale.sku == "2");
                (read, last) = (read + 1, sale.day);
                sleep(Duration::from_millis(7)).await;
            }
            read
        })
    }),
    ("partitions of a read", |store| {
        Box::pin(async move {
            let mut partitions = store.read("*/sku=2").partitions();
            let mut read = 0;
            while let Some(partition) = partitions.try_next().await.unwrap() {
                read += partition.records.len();
                sleep(Duration::from_millis(50)).await;
            }
            read
        })
    }),
    ("count", |store| Box::pin(async move { usize::try_from(store.read("*/sku=2").count().await.unwrap()).unwrap() })),
    ("partitions", |store| {
        Box::pin(async move {
            let found = store.partitions("*/sku=2").await.unwrap();
            found.iter().map(|partition| usize::try_from(partition.files).unwrap()).sum()
        })
    }),
];

/// A bucket with 12 days of 4 SKUs in 3 files each, 288 keys under `data/`.
struct Sales(Vec<(String, Object)>);

impl Sales {
    const EXPECTED: usize = 36;

    async fn new() -> Self {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Sale>();
        for n in 0..3 {
            let skus = ["0", "1", "2", "3"];
            let sales =
                days(12).into_iter().flat_map(|day| skus.map(|sku| Sale { day: day.clone(), sku: sku.to_owned(), n }));
            store.write(&sales.collect::<Vec<_>>()).await.unwrap();
        }
        let object = |key: String| (key.clone(), world.s3.object(BUCKET, &key).unwrap());
        Self(world.s3.keys(BUCKET).into_iter().map(object).collect())
    }

    /// Returns a world with the bucket. Its listings have pages of 10 keys.
    async fn world(&self, permits: usize) -> (Virtual, Store<Sale>) {
        let (world, dataset) = world(permits, 10).await;
        for (key, object) in &self.0 {
            world.s3.put_object_with(BUCKET, key, object.body.clone(), object.metadata.clone());
        }
        world.s3.clear_requests();
        (world, dataset.store())
    }
}

#[tokio::test(start_paused = true)]
async fn every_read_goes_folder_by_folder_with_any_number_of_permits() {
    let sales = Sales::new().await;
    for permits in [1, 2, 3, 32] {
        for (name, read) in READERS {
            let (world, store) = sales.world(permits).await;
            let in_flight = world.slow_down(REQUEST);
            let found = within(Duration::from_secs(600), read(store)).await;
            assert_eq!(found, Some(Sales::EXPECTED), "{name} with {permits} permits");
            let (all, by_folder) = lists(&world);
            assert!(by_folder > 0 && all < 24, "{name} with {permits} permits: {all} LISTs, {by_folder} by folder");
            // The server may still work on the page that was not needed any more.
            assert!(in_flight.most() <= permits + 1, "{name} with {permits} permits");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_dropped_at_any_time_leaves_no_permit() {
    let sales = Sales::new().await;
    let mut draw = draws(7);
    let mut dropped = 0;
    for permits in [1, 2, 3] {
        for (name, read) in READERS {
            for _ in 0..6 {
                let (world, store) = sales.world(permits).await;
                let in_flight = world.slow_down(REQUEST);
                let after = Duration::from_millis(draw(if permits == 1 { 500 } else { 250 }).unsigned_abs());
                dropped += usize::from(within(after, read(store.clone())).await.is_none());
                sleep(REQUEST * 2).await;
                assert_eq!(in_flight.now(), 0, "{name} with {permits} permits, dropped after {after:?}");
                // As many requests at once as there are permits.
                world.s3.clear_faults();
                world.slow_down(REQUEST);
                let look_ups = (0..permits).map(|_| store.lookup_commit("day=2025-01-01/sku=1", "none"));
                let (_, took) = world.timed(futures_util::future::join_all(look_ups)).await;
                assert!(took < REQUEST * 2, "{name} with {permits} permits holds one: dropped after {after:?}");
            }
        }
    }
    assert!(dropped > 50, "{dropped}");
}

#[tokio::test(start_paused = true)]
async fn a_read_without_the_permission_to_list_by_folder_is_complete() {
    let sales = Sales::new().await;
    for (name, read) in READERS {
        let (world, store) = sales.world(4).await;
        let refused = Fault::on(Operation::List).matching(|request| request.parameter("delimiter").is_some());
        world.s3.inject(refused.always().fail(403, "AccessDenied"));
        assert_eq!(read(store).await, Sales::EXPECTED, "{name}");
        assert_eq!(by_folder(&world), 1, "{name}");
    }
}

/// Counts LISTs, and those by folder.
#[derive(Debug, Clone, Default)]
struct Lists {
    all: Arc<AtomicUsize>,
    by_folder: Arc<AtomicUsize>,
}

impl Intercept for Lists {
    fn name(&self) -> &'static str {
        "Lists"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), aws_sdk_s3::error::BoxError> {
        let uri = context.request().uri();
        if uri.contains("list-type=2") {
            self.all.fetch_add(1, Ordering::Relaxed);
            self.by_folder.fetch_add(usize::from(uri.contains("delimiter=")), Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Lists {
    fn take(&self) -> (usize, usize) {
        (self.all.swap(0, Ordering::Relaxed), self.by_folder.swap(0, Ordering::Relaxed))
    }
}

/// Values that are the start of others, with bytes around `/`, and with escapes.
const DAYS: [&str; 24] = [
    "1",
    "1-2",
    "1.5",
    "1~",
    "1 2",
    "1+2",
    "1%2F",
    "1%",
    "1=",
    "10",
    "11",
    "2",
    "2-",
    "2.",
    "2é",
    "2026",
    "2026-01",
    "2026-02",
    "2026.03",
    "3",
    "30",
    "3-1",
    "3.1",
    "a b+c%20~",
];

const SKUS: [&str; 6] = ["SKU-1", "SKU-10", "SKU", "SKU.5", "SKU-1-2", "x"];

#[tokio::test]
async fn listings_by_folder_are_complete_and_in_order_on_this_server() {
    let server = Server::start().await;
    let lists = Lists::default();
    let client = Client::from_conf(server.client.config().to_builder().interceptor(lists.clone()).build());
    let page_size = |keys: usize| options().list_page_size(keys);
    let writer = options().init(client.clone(), &server.bucket, &server.prefix).await.unwrap().into_dataset();
    let store = writer.store::<Sale>();
    let sale = |n| move |(day, sku): (&str, &str)| Sale { day: day.to_owned(), sku: sku.to_owned(), n };
    for n in 0..3 {
        let sales = DAYS.iter().flat_map(|day| SKUS.iter().map(move |sku| (*day, *sku))).map(sale(n));
        store.write(&sales.collect::<Vec<_>>()).await.unwrap();
    }
    let mut keys: Vec<String> =
        DAYS.iter().flat_map(|day| SKUS.iter().map(move |sku| format!("day={day}/sku={sku}"))).collect();
    keys.sort();
    let selected = |select: fn(&str) -> bool| keys.iter().filter(|key| select(key)).cloned().collect::<Vec<_>>();
    // 864 objects.
    for (page, pattern, most, expected) in [
        (10, "*/sku=SKU-1", 45, selected(|key| key.ends_with("/sku=SKU-1"))),
        (10, "*/sku=SKU", 45, selected(|key| key.ends_with("/sku=SKU"))),
        (10, "*/sku=SKU-1*", 75, selected(|key| key.contains("/sku=SKU-1"))),
        (10, "day=1..2/sku=x", 30, selected(|key| key.starts_with("day=1") && key.ends_with("/sku=x"))),
        (7, "day=2*/sku=SKU.5", 30, selected(|key| key.starts_with("day=2") && key.ends_with("/sku=SKU.5"))),
        (3, "*/*", 320, keys.clone()),
    ] {
        let dataset = page_size(page).open(client.clone(), &server.bucket, &server.prefix).await.unwrap();
        let store = dataset.store::<Sale>();
        lists.take();
        let found = listed(&store, pattern).await;
        let (all, by_folder) = lists.take();
        println!("{}: {pattern}: {all} LISTs, {by_folder} of them by folder", server.name());
        assert_eq!(found, expected, "{pattern}");
        assert!(by_folder > 0 && all <= most, "{pattern}: {all} LISTs, {by_folder} by folder");
        let read = store.read(pattern).await.unwrap();
        let read: Vec<String> = read.into_iter().map(|sale| format!("day={}/sku={}", sale.day, sale.sku)).collect();
        let thrice: Vec<String> = expected.iter().flat_map(|key| [key.clone(), key.clone(), key.clone()]).collect();
        assert_eq!(read, thrice, "{pattern}");
    }
}
