//! Reads that leave out pages by the page index, and files and row groups by Bloom filters.

use s3store::read::FileAccess;
use s3store::testing::Operation;
use s3store::{Keyed, Record, Store};

use crate::integration::harness::{Virtual, draws};
use crate::integration::records::Item;

/// A record whose entities are random, with a Bloom filter of them.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part), dedup = "per_partition")]
struct Event {
    part: String,
    #[record(entity, bloom)]
    id: String,
    #[record(version)]
    version: i64,
    text: String,
}

/// The same without a Bloom filter.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part), dedup = "per_partition")]
struct Plain {
    part: String,
    #[record(entity)]
    id: String,
    #[record(version)]
    version: i64,
    text: String,
}

/// A record without an entity.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Line {
    part: String,
    #[record(bloom)]
    request: Option<i64>,
    text: String,
}

const FILES: i64 = 6;
const ROWS: i64 = 6_000;

fn id(row: i64) -> String {
    format!("{:016x}", row.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()))
}

/// Returns a text that hardly compresses.
fn text(row: i64) -> String {
    let mut draw = draws(row.cast_unsigned());
    (0..10).map(|_| format!("{:016x}", draw(u64::MAX >> 1))).collect()
}

/// Writes files with the rows that `record` makes of their numbers.
async fn write<T: s3store::RootRecord>(world: &Virtual, record: impl Fn(i64) -> T) -> Store<T> {
    let store = world.dataset().await.store::<T>();
    for file in 0..FILES {
        let records: Vec<T> = (file * ROWS..(file + 1) * ROWS).map(&record).collect();
        store.write(&records).await.unwrap();
    }
    store
}

/// Reads an entity. Returns the number of GETs, and of bytes that ranged GETs fetched.
async fn lookup<T: Record<Root: Keyed> + std::fmt::Debug>(
    world: &Virtual,
    store: &Store<T>,
    entity: &s3store::Entity<T::Root>,
    is_there: bool,
) -> (usize, u64) {
    world.s3.clear_requests();
    let found = store.read_entity(entity).await.unwrap();
    assert_eq!(found.is_some(), is_there, "{entity}");
    (world.count(Operation::Get), world.ranged_bytes())
}

#[tokio::test(start_paused = true)]
async fn bloom_filters_spare_an_entity_the_files_without_it() {
    let world = Virtual::new();
    let store = write(&world, |row| Event { part: "a".into(), id: id(row), version: 1, text: text(row) }).await;
    let there = Event::entity_of(id(8_000)).unwrap();
    let (_, first) = lookup(&world, &store, &there, true).await;
    let (gets, bytes) = lookup(&world, &store, &there, true).await;
    // The file of the entity, and perhaps one more, with a hundredth of a chance in each.
    assert!(gets <= 4 && bytes < first, "{gets} GETs, {bytes} bytes after {first}");
    let missing: Vec<_> = (0..10).map(|row| Event::entity_of(id(FILES * ROWS + row)).unwrap()).collect();
    let mut gets = 0;
    for entity in &missing {
        gets += lookup(&world, &store, entity, false).await.0;
    }
    assert!(gets <= 4, "{gets} GETs for 10 entities in {FILES} files");
    // Another handle fetches the footers and the filters, and no rows.
    let other = world.dataset().await.store::<Event>();
    let (gets, bytes) = lookup(&world, &other, &missing[0], false).await;
    assert!(gets <= 2 * FILES as usize + 2, "{gets}");

    let plain = Virtual::new();
    let store = write(&plain, |row| Plain { part: "a".into(), id: id(row), version: 1, text: text(row) }).await;
    let missing = Plain::entity_of(id(FILES * ROWS)).unwrap();
    let (_, without) = lookup(&plain, &store, &missing, false).await;
    assert!(bytes * 10 < without, "{bytes} with filters, {without} without");
}

/// Without an entity, a filter on any column leaves out files before they are fetched.
#[tokio::test(start_paused = true)]
async fn bloom_filters_spare_a_filter_the_files_without_the_value() {
    let world = Virtual::new();
    let line = |row: i64| {
        let request = (row % 10 > 0).then(|| row.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()));
        Line { part: "a".into(), request, text: text(row) }
    };
    let store = write(&world, line).await;
    let wanted = line(20_001);
    let read = |store: &Store<Line>| {
        let any = [wanted.request.unwrap(), 5, 7];
        store.read_all().filter(move |c| c.request.is_in(any))
    };
    let plan = read(&store).explain().await.unwrap();
    let files = plan.partitions.iter().flat_map(|partition| &partition.files);
    let decoded: Vec<usize> = files
        .map(|file| match file.access {
            FileAccess::Parts { rows, .. } => rows,
            _ => panic!("{plan}"),
        })
        .collect();
    assert_eq!(decoded.len(), FILES as usize);
    assert!(decoded.iter().filter(|&&rows| rows > 0).count() <= 2, "{plan}");
    world.s3.clear_requests();
    assert_eq!(read(&store).await.unwrap(), std::slice::from_ref(&wanted));
    assert!(world.count(Operation::Get) <= 4, "{}", world.count(Operation::Get));
    // A Bloom filter never shows that a row group has the value, so `ne` excludes none.
    let others = store.read_all().filter(|c| c.request.ne(wanted.request.unwrap()));
    assert_eq!(others.count().await.unwrap(), (FILES * ROWS * 9 / 10 - 1) as u64);
    let none = store.read_all().filter(|c| c.request.is_null());
    assert_eq!(none.count().await.unwrap(), (FILES * ROWS / 10) as u64);
}

/// In a row group that can match, only the pages that can are fetched and decoded.
#[tokio::test(start_paused = true)]
async fn a_filter_fetches_the_pages_that_can_match() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    store.write(&Item::with_notes("a", 120_000)).await.unwrap();
    let read = |store: &Store<Item>| store.read_all().filter(|c| c.id.in_range(60_000..60_010));
    let plan = read(&store).explain().await.unwrap();
    let FileAccess::Parts { rows, row_groups, bytes, .. } = plan.partitions[0].files[0].access else {
        panic!("{plan}")
    };
    let size = plan.partitions[0].files[0].size.unwrap();
    assert!(rows <= 20_480 && row_groups == 1 && bytes < size / 2, "{plan}");
    assert!(plan.to_string().contains(&format!("row groups: 1 of 1, rows: {rows}")), "{plan}");
    world.s3.clear_requests();
    let found = read(&store).await.unwrap();
    assert_eq!(found.iter().map(|item| item.id).collect::<Vec<_>>(), (60_000..60_010).collect::<Vec<_>>());
    // The plan has fetched the footer and the page index.
    assert_eq!(world.ranged_bytes(), bytes);
    // An entity has the same pages, in another handle with the footer and the index.
    let other = world.dataset().await.store::<Item>();
    let (gets, fetched) = lookup(&world, &other, &Item::entity_of("a", 70_000).unwrap(), true).await;
    assert!(gets >= 2 && fetched < size / 2, "{gets} GETs of {fetched} bytes, file of {size}");
}
