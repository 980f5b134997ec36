//! The plan of a read, and what the read does.

use futures_util::TryStreamExt as _;
use s3store::read::{FileAccess, KeptRows, Read, ReadPlan};
use s3store::testing::Operation;
use s3store::{Record, Store};

use crate::integration::harness::{Virtual, sleep};
use crate::integration::records::Item;

/// A projection of narrow columns.
#[derive(Debug, Record)]
#[record(projection_of = Item)]
struct Id {
    id: i64,
}

const FOOTER: u64 = 32 << 10;

/// Writes a small file, one of over 512 KiB and one of several row groups, each to a partition.
async fn store_of_three_sizes(world: &Virtual) -> Store<Item> {
    let store = world.dataset().await.store::<Item>();
    for (part, rows) in [("a", 10), ("b", 40_000), ("c", 300_000)] {
        store.write(&Item::with_notes(part, rows)).await.unwrap();
    }
    store
}

/// Compares a plan with the requests of the read, both by handles that have read nothing.
async fn is_what_the_read_does<T: Record>(world: &Virtual, read: impl Fn(&Store<Item>) -> Read<T>) -> ReadPlan {
    let plan = read(&world.dataset().await.store()).explain().await.unwrap();
    let store = world.dataset().await.store();
    // The listings are in both.
    world.s3.clear_requests();
    read(&store).stream().try_collect::<Vec<_>>().await.unwrap();
    let files = || plan.partitions.iter().flat_map(|partition| &partition.files);
    let (mut gets, mut bytes) = (0, 0);
    for file in files() {
        match file.access {
            FileAccess::Parts { requests, bytes: parts, .. } => {
                gets += 1 + requests;
                bytes += parts + FOOTER;
            }
            _ => gets += 1,
        }
    }
    assert_eq!((world.count(Operation::Get), world.ranged_bytes()), (gets, bytes), "{plan}");
    plan
}

/// Returns the parts of the plan's files: 0 for a whole file, otherwise the row groups that are read and those that are not.
fn accesses(plan: &ReadPlan) -> Vec<(usize, usize)> {
    let files = plan.partitions.iter().flat_map(|partition| &partition.files);
    let access = files.map(|file| match file.access {
        FileAccess::Parts { row_groups, excluded_row_groups, .. } => (row_groups, excluded_row_groups),
        _ => (0, 0),
    });
    access.collect()
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_what_the_read_does() {
    let world = Virtual::new();
    store_of_three_sizes(&world).await;
    let whole = is_what_the_read_does(&world, Store::read_all).await;
    assert_eq!(accesses(&whole), [(0, 0), (0, 0), (0, 0)]);
    assert_eq!(whole.columns, ["part", "id", "version", "note"]);
    assert_eq!((whole.kept, whole.filter_before, whole.filter_after), (KeptRows::Latest, None, None));

    let narrow = is_what_the_read_does(&world, |store| store.dataset().store::<Id>().read_all().history()).await;
    assert_eq!(accesses(&narrow), [(0, 0), (1, 0), (3, 0)]);
    assert_eq!((narrow.columns, narrow.kept), (vec!["id".into(), "part".into(), "version".into()], KeptRows::History));

    let filtered = |store: &Store<Item>| {
        let read = store.read(["part=b", "part=c"]);
        read.filter(|c| c.part.ne("b").and(c.id.in_range(140_000..150_000)).and(c.note.ne("x")))
    };
    let filtered = is_what_the_read_does(&world, filtered).await;
    assert_eq!((accesses(&filtered), filtered.excluded_partitions), (vec![(1, 2)], vec!["part=b".to_owned()]));
    let (before, after) = (filtered.filter_before.unwrap(), filtered.filter_after.unwrap());
    assert!(
        before.contains("part") && before.contains("id >= 140000") && after == "not (note = \"x\")",
        "{before}; {after}"
    );

    let none = is_what_the_read_does(&world, |store| store.read("part=c").filter(|c| c.id.lt(0))).await;
    assert_eq!((accesses(&none), none.partitions[0].files[0].bytes()), (vec![(0, 3)], Some(0)));
    let empty = is_what_the_read_does(&world, |store| store.read("part=none")).await;
    assert!(empty.partitions.is_empty() && empty.excluded_partitions.is_empty());
}

/// A plan leaves the footers to the read. A file that the change stream found has no known size.
#[tokio::test(start_paused = true)]
async fn a_plan_prepares_the_read() {
    let world = Virtual::new();
    let store = store_of_three_sizes(&world).await;
    let ids = store.dataset().store::<Id>();
    ids.read("part=b").explain().await.unwrap();
    world.s3.clear_requests();
    ids.read("part=b").await.unwrap();
    assert_eq!(world.count(Operation::Get), 1);
    sleep(store.dataset().settle_window() * 2).await;
    let plan = store.read_range(..).explain().await.unwrap();
    assert_eq!(accesses(&plan), [(0, 0); 3]);
    let files = plan.partitions.iter().flat_map(|partition| &partition.files);
    assert!(files.into_iter().all(|file| file.size.is_none() && file.bytes().is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_printed_for_people() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    let commits = store.write(&[Item::new("a", 1, 1, "")]).await.unwrap();
    store.write(&[Item::new("b", 1, 1, "")]).await.unwrap();
    let plan = store.read_all().filter(|c| c.part.eq("a").and(c.note.is_in(["x", "y"]))).explain().await.unwrap();
    let path = &commits[0].data_path;
    let size = plan.partitions[0].files[0].size.unwrap();
    let expected = [
        "Item: latest versions; partitions: 1, files: 1".to_owned(),
        "columns: part, id, version, note".to_owned(),
        "filter before deduplication: part = \"a\"".to_owned(),
        "filter after deduplication: note in (\"x\", \"y\")".to_owned(),
        "partition part=a".to_owned(),
        format!("  {path}: whole, bytes: {size}"),
        "partition part=b: excluded by the filter".to_owned(),
    ];
    assert_eq!(plan.to_string().lines().collect::<Vec<_>>(), expected);
    let error = store.read("region=x").explain().await.unwrap_err();
    assert_eq!(error.to_string(), store.read("region=x").await.unwrap_err().to_string());
}
