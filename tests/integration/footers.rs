//! Footers that reads keep for later reads.

use std::time::Duration;

use s3store::testing::Operation;
use s3store::{Record, Store};

use crate::integration::harness::{BUCKET, Virtual, sleep};
use crate::integration::records::Item;

/// A projection without the notes, which are most of a file.
#[derive(Debug, Record)]
#[record(projection_of = Item)]
struct Id {
    id: i64,
}

/// Writes files of about 1 MiB with these numbers of rows, each to a partition.
async fn write_files(store: &Store<Item>, rows: &[i64]) -> Vec<String> {
    let mut paths = Vec::new();
    for (partition, &rows) in rows.iter().enumerate() {
        let items = Item::with_notes(&format!("p{partition}"), rows);
        paths.push(store.write(&items).await.unwrap()[0].data_path.clone());
    }
    paths
}

/// Reads in all ways that need footers, and returns the number of GETs of each.
async fn gets(world: &Virtual, store: &Store<Item>, rows: usize) -> [usize; 4] {
    let ids = store.dataset().store::<Id>();
    let entity = Item::entity_of("p0", 7).unwrap();
    world.s3.clear_requests();
    let counted = || {
        let gets = world.count(Operation::Get);
        world.s3.clear_requests();
        gets
    };
    assert_eq!(store.read_all().history().count().await.unwrap(), rows as u64);
    let count = counted();
    assert_eq!(ids.read_all().await.unwrap().len(), rows);
    let projection = counted();
    assert_eq!(store.read_all().filter(|c| c.id.eq(7)).await.unwrap().len(), 2);
    let filter = counted();
    assert_eq!(store.read_entity(&entity).await.unwrap().unwrap().id, 7);
    [count, projection, filter, counted()]
}

#[tokio::test(start_paused = true)]
async fn later_reads_do_not_fetch_footers_again() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    write_files(&store, &[40_000, 50_000]).await;
    // The first read fetches both footers, with the page indexes. The columns of a file are one GET more, and the pages of an
    // entity are two.
    assert_eq!(gets(&world, &store, 90_000).await, [4, 2, 4, 2]);
    assert_eq!(gets(&world, &store.clone(), 90_000).await, [2, 2, 4, 2]);
    // Another handle has a cache of its own, or none.
    let other = world.dataset().await.store::<Item>();
    assert_eq!(gets(&world, &other, 90_000).await, [4, 2, 4, 2]);
    let without = world.dataset_with(world.options().footer_cache_bytes(0)).await.store::<Item>();
    assert_eq!(gets(&world, &without, 90_000).await, [4, 4, 6, 3]);
    assert_eq!(gets(&world, &without, 90_000).await, [4, 4, 6, 3]);
}

/// A record without a key, whose rows are counted from footers.
#[derive(Debug, Record)]
#[record(partition_by(part))]
struct Line {
    part: String,
    text: String,
}

#[tokio::test(start_paused = true)]
async fn a_count_from_footers_is_repeated_without_a_get() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Line>();
    for part in ["a", "b", "c"] {
        store.write(&[Line { part: part.into(), text: "text".into() }]).await.unwrap();
    }
    world.s3.clear_requests();
    for gets in [3, 0] {
        assert_eq!(store.read_all().count().await.unwrap(), 3);
        assert_eq!(world.count(Operation::Get), gets);
        world.s3.clear_requests();
    }
}

/// Somebody restores another file under the same key.
#[tokio::test(start_paused = true)]
async fn another_version_of_a_file_is_fetched() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    let paths = write_files(&store, &[40_000, 50_000]).await;
    let ids = store.dataset().store::<Id>();
    assert_eq!(ids.read("part=p0").await.unwrap().len(), 40_000);
    sleep(Duration::from_secs(5)).await;
    let other = world.s3.object(BUCKET, &paths[1]).unwrap().body;
    world.s3.put_object(BUCKET, &paths[0], other);
    assert_eq!(ids.read("part=p0").await.unwrap().len(), 50_000);
    assert_eq!(store.read("part=p0").history().count().await.unwrap(), 50_000);
}
