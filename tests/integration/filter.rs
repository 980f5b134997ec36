//! Filters of reads: they return what filtering the whole result returns, and read less.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use s3store::read::{Filter, Read};
use s3store::rust_decimal::Decimal;
use s3store::testing::Operation;
use s3store::{ColumnType, ErrorKind, Offset, Record, Store};

use crate::integration::harness::{BUCKET, Virtual, draws, sleep};
use crate::integration::records::Item;

#[derive(Debug, Clone, PartialEq, ColumnType)]
#[column(rename_all = "lowercase")]
enum Kind {
    #[column(alias = "internet")]
    Web,
    Shop,
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Sku(String);

/// A record with an entity, whose partition has a column of its own and a function.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day, customer, shard = shard_of(sku)))]
struct Sale {
    #[record(entity)]
    day: NaiveDate,
    #[record(entity)]
    customer: String,
    #[record(entity)]
    sku: Sku,
    kind: Kind,
    #[record(decimal(9, 2))]
    net: Decimal,
    discount: Option<f64>,
    note: Option<String>,
    tags: Vec<String>,
    #[record(version, timestamp = "ms")]
    at: DateTime<Utc>,
    #[record(deleted)]
    deleted: bool,
}

/// A projection that lacks the columns of the filters.
#[derive(Debug, PartialEq, Record)]
#[record(projection_of = Sale)]
struct Tags {
    tags: Vec<String>,
}

/// A record without an entity.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Reading {
    part: i32,
    value: f64,
    text: Option<String>,
}

fn shard_of(sku: &Sku) -> String {
    format!("s{}", sku.0.len() % 2)
}

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, day).unwrap()
}

fn instant(millis: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis)
}

/// Writes sales in many files, with many versions of each entity, and deletions.
async fn sales(world: &Virtual) -> Store<Sale> {
    let store = world.dataset().await.store::<Sale>();
    let mut draw = draws(5);
    for write in 0..8 {
        let sales: Vec<_> = (0..20)
            .map(|row| Sale {
                day: day(17 + u32::try_from(draw(3)).unwrap()),
                customer: ["abc", "abd", "b"][usize::try_from(draw(3)).unwrap()].to_owned(),
                sku: Sku("x".repeat(1 + usize::try_from(draw(4)).unwrap())),
                kind: if draw(2) == 0 { Kind::Web } else { Kind::Shop },
                net: Decimal::new(draw(1_000), 2),
                discount: [None, Some(0.5), Some(f64::NAN), Some(-0.0)][usize::try_from(draw(4)).unwrap()],
                note: (draw(3) > 0).then(|| format!("{write}-{row}")),
                tags: vec![format!("t{write}-{row}")],
                at: instant(draw(1_000)),
                deleted: draw(6) == 0,
            })
            .collect();
        store.write(&sales).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    store
}

type Condition<T> = (&'static str, fn() -> Filter<T>, fn(&T) -> bool);

/// Conditions on sales, each beside the same condition on a record.
fn conditions() -> Vec<Condition<Sale>> {
    vec![
        ("entity", || Sale::COLUMNS.sku.eq(Sku("xx".into())), |sale| sale.sku.0 == "xx"),
        ("entity text", || Sale::COLUMNS.customer.starts_with("ab"), |sale| sale.customer.starts_with("ab")),
        ("partition", || Sale::COLUMNS.day.in_range(day(18)..day(19)), |sale| sale.day == day(18)),
        ("not in partition", || Sale::COLUMNS.customer.ne("abc"), |sale| sale.customer != "abc"),
        ("value", || Sale::COLUMNS.net.ge(Decimal::new(5, 0)), |sale| sale.net >= Decimal::new(5, 0)),
        ("version", || Sale::COLUMNS.at.lt(instant(300)), |sale| sale.at < instant(300)),
        ("enum", || Sale::COLUMNS.kind.eq(Kind::Web), |sale| sale.kind == Kind::Web),
        ("float", || Sale::COLUMNS.discount.le(0.0), |sale| sale.discount.is_some_and(|value| value <= 0.0)),
        ("not a number", || Sale::COLUMNS.discount.ne(0.0), |sale| sale.discount.is_some_and(|value| value != 0.0)),
        ("null", || Sale::COLUMNS.note.is_null(), |sale| sale.note.is_none()),
        ("list", || Sale::COLUMNS.tags.is_not_null(), |_| true),
        ("unknown", || !Sale::COLUMNS.note.eq("0-1"), |sale| sale.note.as_deref().is_some_and(|note| note != "0-1")),
        ("none", || Sale::COLUMNS.kind.is_in(Vec::<Kind>::new()), |_| false),
        (
            "several",
            || {
                let c = Sale::COLUMNS;
                c.customer
                    .is_in(["abc", "b"])
                    .and(c.net.lt(Decimal::new(5, 0)).or(c.discount.is_null()))
                    .and(c.day.gt(day(17)))
            },
            |sale| {
                sale.customer != "abd"
                    && (sale.net < Decimal::new(5, 0) || sale.discount.is_none())
                    && sale.day > day(17)
            },
        ),
    ]
}

/// Compares by text, because NaN does not equal itself.
fn text<T: std::fmt::Debug>(records: &[T]) -> Vec<String> {
    records.iter().map(|record| format!("{record:?}")).collect()
}

async fn streamed<T: Record + std::fmt::Debug>(read: Read<T>) -> Vec<T> {
    let (mut stream, mut records) = (read.stream(), Vec::new());
    while let Some(record) = stream.try_next().await.unwrap() {
        records.push(record);
    }
    records
}

#[tokio::test(start_paused = true)]
async fn a_filter_selects_from_what_a_read_returns() {
    let world = Virtual::new();
    let store = sales(&world).await;
    let (latest, history) = (store.read_all().await.unwrap(), store.read_all().history().await.unwrap());
    sleep(store.dataset().settle_window() + Duration::from_secs(1)).await;
    let entries = store.poll(&Offset::START).limit(1_000).await.unwrap().entries;
    assert!(!entries.is_empty());
    let tags = store.dataset().store::<Tags>();
    for (name, filter, holds) in conditions() {
        let of = |records: &[Sale]| records.iter().filter(|sale| holds(sale)).cloned().collect::<Vec<_>>();
        let expected = of(&latest);
        let read = || store.read_all().filter(|_| filter());
        assert_eq!(text(&read().await.unwrap()), text(&expected), "{name}");
        assert_eq!(text(&streamed(read()).await), text(&expected), "{name}, streamed");
        assert_eq!(text(&read().history().await.unwrap()), text(&of(&history)), "{name}, history");
        let mut partitions = read().partitions();
        let mut in_partitions = Vec::new();
        while let Some(partition) = partitions.try_next().await.unwrap() {
            assert!(!partition.records.is_empty(), "{name}");
            in_partitions.extend(partition.records);
        }
        assert_eq!(text(&in_partitions), text(&expected), "{name}, partitions");
        let mut rows = 0;
        let mut batches = read().batches();
        while let Some(batch) = batches.try_next().await.unwrap() {
            rows += batch.num_rows();
            assert_eq!(batch.num_columns(), 10, "{name}");
        }
        assert_eq!(rows, expected.len(), "{name}, batches");
        // The projection's layout has the columns of the filter, but its records do not.
        let narrow: Vec<_> = tags.read_all().filter(|_| filter()).await.unwrap();
        let expected_tags: Vec<_> = expected.iter().map(|sale| Tags { tags: sale.tags.clone() }).collect();
        assert_eq!(narrow, expected_tags, "{name}, projection");
        let of_entries = store.read_entries(&entries).filter(|_| filter()).await.unwrap();
        assert_eq!(text(&of_entries), text(&of(&store.read_entries(&entries).await.unwrap())), "{name}, entries");
    }
}

/// A window of time, its entries and a page of the stream are filtered as a snapshot is.
#[tokio::test(start_paused = true)]
async fn a_filter_of_a_window_selects_from_what_the_window_has() {
    let world = Virtual::new();
    let store = sales(&world).await;
    sleep(store.dataset().settle_window() * 2).await;
    let filter = |read: Read<Sale>| {
        read.filter(|c| c.customer.ne("c1").and(c.kind.eq(Kind::Web).or(c.discount.is_null())).and(c.deleted.eq(false)))
    };
    let keeps =
        |sale: &Sale| sale.customer != "c1" && (sale.kind == Kind::Web || sale.discount.is_none()) && !sale.deleted;
    let window = || store.read_range(..);
    let (all, history) = (window().await.unwrap(), window().history().await.unwrap());
    assert!(all.len() < history.len());
    for (all, found) in [(all, filter(window()).await.unwrap()), (history, filter(window().history()).await.unwrap())] {
        let expected: Vec<Sale> = all.into_iter().filter(keeps).collect();
        assert!(!expected.is_empty());
        // NaN is not equal to itself.
        assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    }
    let none = window().filter(|c| c.customer.eq("nobody")).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test(start_paused = true)]
async fn partitions_that_no_row_can_match_are_not_fetched() {
    let world = Virtual::new();
    let store = sales(&world).await;
    let all = store.read_all().await.unwrap();
    let gets = async |filter: Filter<Sale>| {
        world.s3.clear_requests();
        let records = store.read_all().filter(|_| filter).await.unwrap();
        (records.len(), world.count(Operation::Get))
    };
    let c = Sale::COLUMNS;
    let (_, everything) = gets(c.sku.is_not_null()).await;
    let (records, one) = gets(c.customer.eq("abc").and(c.day.eq(day(18)))).await;
    assert_eq!(records, all.iter().filter(|sale| sale.customer == "abc" && sale.day == day(18)).count());
    assert!(one > 0 && one * 5 < everything, "{one} of {everything}");
    let (records, none) = gets(c.customer.eq("nobody")).await;
    assert_eq!((records, none), (0, 0));
    // A value that is not in the key excludes no partition.
    assert_eq!(gets(c.net.lt(Decimal::new(-1, 0))).await, (0, everything));
    // The function's result is not that of the column.
    assert_eq!(gets(c.sku.eq(Sku("s1".into()))).await, (0, everything));
}

/// A file in several row groups, of which a condition on an entity column excludes all or some. A condition on a value excludes
/// none, because a row that does not match could supersede one that does.
#[tokio::test(start_paused = true)]
async fn only_the_row_groups_that_can_match_are_fetched() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    let commits = store.write(&Item::with_notes("a", 300_000)).await.unwrap();
    let size = world.s3.object(BUCKET, &commits[0].data_path).unwrap().body.len() as u64;
    let read = async |filter: Filter<Item>, history: bool| {
        world.s3.clear_requests();
        let read = store.read_all().filter(|_| filter);
        let found = if history { read.history().await } else { read.await }.unwrap();
        (found.iter().map(|item| item.id).collect::<Vec<_>>(), world.ranged_bytes())
    };
    let c = Item::COLUMNS;
    let (found, bytes) = read(c.id.eq(150_000), false).await;
    assert!(found == [150_000] && bytes < size / 2, "{found:?}, {bytes} of {size} bytes");
    let (found, bytes) = read(c.id.in_range(5..8).and(c.note.ne("")), false).await;
    assert!(found == [5, 6, 7] && bytes < size / 2, "{found:?}, {bytes} of {size} bytes");
    // By its statistics, the file has no such entity. Only its end is fetched.
    let (found, bytes) = read(c.id.ge(300_000), false).await;
    assert!(found.is_empty() && bytes < size / 10, "{found:?}, {bytes} of {size} bytes");
    let (found, bytes) = read(c.version.gt(1), true).await;
    assert!(found.is_empty() && bytes < size / 10, "{found:?}, {bytes} of {size} bytes");
    let gets = async |filter: Filter<Item>| {
        world.s3.clear_requests();
        assert_eq!(store.read_all().filter(|_| filter).await.unwrap(), []);
        (world.count(Operation::Get), world.ranged_bytes())
    };
    assert_eq!(gets(c.version.gt(1)).await, (1, 0), "the whole file");
    assert_eq!(gets(c.note.lt("")).await, (1, 0), "the whole file");
}

#[tokio::test(start_paused = true)]
async fn counts_and_limits_are_of_the_records_that_match() {
    let world = Virtual::new();
    let store = sales(&world).await;
    let all = store.read_all().await.unwrap();
    let shops = all.iter().filter(|sale| sale.kind == Kind::Shop).count();
    let read = || store.read_all().filter(|c| c.kind.eq(Kind::Shop));
    assert_eq!(read().count().await.unwrap(), shops as u64);
    let first: Vec<_> = all.iter().filter(|sale| sale.kind == Kind::Shop).take(3).cloned().collect();
    assert_eq!(text(&read().limit(3).await.unwrap()), text(&first));
}

#[tokio::test(start_paused = true)]
async fn several_filters_must_all_be_true() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Reading>();
    let reading = |part: i32, value: f64| Reading { part, value, text: (value > 2.0).then(|| format!("{value}")) };
    let readings: Vec<_> = [-1, 5].iter().flat_map(|&part| [1.0, 2.5, 3.0].map(|value| reading(part, value))).collect();
    store.write(&readings).await.unwrap();
    let found =
        store.read_all().filter(|c| c.part.lt(0)).filter(|c| c.value.gt(2.0).and(c.text.ne("3"))).await.unwrap();
    assert_eq!(found, [reading(-1, 2.5)]);
    // A null is in both partitions.
    assert_eq!(store.read_all().filter(|c| c.text.is_null()).await.unwrap(), [reading(-1, 1.0), reading(5, 1.0)]);
    let limit = 2.5_f32;
    let up_to = || store.read_all().filter(|c| c.value.le(f64::from(limit)));
    assert_eq!((up_to().await.unwrap().len(), up_to().count().await.unwrap()), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_does_not_fit_its_column_fails_the_read_before_its_requests() {
    let world = Virtual::new();
    let store = sales(&world).await;
    world.s3.clear_requests();
    let error = store.read_all().filter(|c| c.net.gt(Decimal::new(1, 3))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "filter: column net: 3 decimal places, the column holds 2");
    assert_eq!(world.s3.requests().len(), 0);
}

mod older {
    use super::*;

    /// An enum, before its variant had its text of today.
    #[derive(Debug, Clone, PartialEq, ColumnType)]
    pub enum Kind {
        #[column(rename = "internet")]
        Web,
        #[column(rename = "shop")]
        Shop,
    }

    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(part))]
    pub struct Visit {
        pub part: i32,
        pub kind: Kind,
    }
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Visit {
    part: i32,
    kind: Kind,
    #[record(default = 7)]
    stars: i64,
    remark: Option<String>,
}

/// Files of an older record: a variant with another text, and columns that they lack.
#[tokio::test(start_paused = true)]
async fn files_of_older_records_are_filtered_as_they_are_read() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let old = [older::Kind::Web, older::Kind::Shop].map(|kind| older::Visit { part: 1, kind });
    dataset.store::<older::Visit>().write(&old).await.unwrap();
    let store = dataset.store::<Visit>();
    let new = Visit { part: 1, kind: Kind::Web, stars: 3, remark: Some("x".to_owned()) };
    sleep(Duration::from_millis(1)).await;
    store.write(std::slice::from_ref(&new)).await.unwrap();
    let all = store.read_all().await.unwrap();
    assert_eq!(all.len(), 3);
    let kept = async |filter: Filter<Visit>, holds: fn(&Visit) -> bool| {
        let expected: Vec<_> = all.iter().filter(|visit| holds(visit)).cloned().collect();
        assert_eq!(store.read_all().filter(|_| filter).await.unwrap(), expected);
    };
    let c = Visit::COLUMNS;
    kept(c.kind.eq(Kind::Web), |visit| visit.kind == Kind::Web).await;
    kept(c.kind.ne(Kind::Web), |visit| visit.kind != Kind::Web).await;
    kept(c.stars.eq(7), |visit| visit.stars == 7).await;
    kept(c.stars.lt(7), |visit| visit.stars < 7).await;
    kept(c.remark.is_null(), |visit| visit.remark.is_none()).await;
    kept(c.remark.ge(""), |visit| visit.remark.is_some()).await;
}
