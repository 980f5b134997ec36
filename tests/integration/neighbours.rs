//! Other objects under a dataset's prefix: nested datasets, partitions of other columns, placeholders of tools.

use std::time::Duration;

use s3store::testing::S3;
use s3store::{Dataset, Offset, Record, Store};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, sleep};
use crate::integration::records::{Event, Parts};

/// A record of [`Event`]'s data before its partition columns were changed.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(place))]
struct ByPlace {
    place: String,
    part: String,
    id: i64,
}

/// A record with one more partition column than [`Event`].
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part, place))]
struct ByPartAndPlace {
    part: String,
    place: String,
    id: i64,
}

async fn dataset(world: &Virtual, prefix: &str) -> Dataset {
    world.options().init(world.s3.client(), BUCKET, prefix).await.unwrap().into_dataset()
}

/// Returns the ids that each way of reading everything returns.
async fn all_ways(store: &Store<Event>) -> Vec<Vec<i64>> {
    let mut reads = vec![store.read_all(), store.read("*"), store.read(Event::partitions())];
    reads.push(store.read("part=*"));
    reads.push(store.read(["part=a", "*"]));
    let mut results = Vec::new();
    for read in reads {
        let mut ids: Vec<i64> = read.await.unwrap().iter().map(|record| record.id).collect();
        ids.sort_unstable();
        results.push(ids);
    }
    results
}

#[tokio::test(start_paused = true)]
async fn a_dataset_does_not_see_one_that_is_nested_in_it() {
    for inner in [
        "d/data",
        "d/data/x",
        "d/data/part=a",
        "d/data/part=a/x",
        "d/data/part=a/part=b",
        "d/_matview",
        "d/_matview/parts",
    ] {
        let world = Virtual::new();
        let (outer, inner_dataset) = (dataset(&world, PREFIX).await, dataset(&world, inner).await);
        let (outer_store, inner_store) = (outer.store::<Event>(), inner_dataset.store::<Event>());
        outer_store.write(&[Event::new("a", 1)]).await.unwrap();
        inner_store.write(&[Event::new("a", 2), Event::new("b", 3)]).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(all_ways(&outer_store).await, vec![vec![1]; 5], "{inner}");
        assert_eq!(all_ways(&inner_store).await, vec![vec![2, 3]; 5], "{inner}");
        for (dataset, commits) in [(&outer, 1), (&inner_dataset, 2)] {
            let report = dataset.doctor(..).await.unwrap();
            assert_eq!(report.findings.len(), 0, "{inner}: {report:?}");
            assert_eq!((report.refs, report.commits, report.files), (commits, commits, commits), "{inner}");
            let done = dataset.view::<Parts>().backfill("*").await.unwrap();
            assert_eq!(done.files, commits, "{inner}");
            let page = dataset.store::<Event>().poll_records(&Offset::START).await.unwrap();
            assert_eq!((page.entries.len() as u64, page.malformed), (commits, 0), "{inner}");
        }
        assert_eq!(outer.view::<Parts>().lookup("*").await.unwrap().len(), 1, "{inner}");
    }
}

#[tokio::test(start_paused = true)]
async fn snapshot_stream_and_backfill_skip_partitions_of_other_columns_alike() {
    let world = Virtual::new();
    let dataset = dataset(&world, PREFIX).await;
    let place = "x".to_owned();
    dataset.store().write(&[ByPlace { place: place.clone(), part: "a".to_owned(), id: 1 }]).await.unwrap();
    dataset.store().write(&[ByPartAndPlace { part: "a".to_owned(), place, id: 2 }]).await.unwrap();
    let store = dataset.store::<Event>();
    store.write(&[Event::new("a", 3)]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(all_ways(&store).await, vec![vec![3]; 5]);
    let page = store.poll_records(&Offset::START).await.unwrap();
    let ids: Vec<i64> = page.records.iter().map(|record| record.id).collect();
    assert_eq!((ids, page.malformed, page.other_partitions), (vec![3], 0, 2));
    // All refs have the same microsecond: their order is that of their ids.
    assert_eq!(page.next.as_str(), world.keys_with(".ref").pop().unwrap().as_str());
    let page = store.poll(&Offset::START).await.unwrap();
    assert_eq!((page.entries.len(), page.malformed, page.other_partitions), (1, 0, 2));
    assert_eq!(store.read_range(..).await.unwrap().len(), 1);
    assert_eq!(dataset.view::<Parts>().backfill("*").await.unwrap().files, 1);
    // The doctor knows no record type: it examines all partitions.
    let report = dataset.doctor(..).await.unwrap();
    assert_eq!((report.findings.len(), report.refs, report.files), (0, 3, 3));
    // The other types still read their own.
    assert_eq!(dataset.store::<ByPlace>().read_all().await.unwrap().len(), 1);
    assert_eq!(dataset.store::<ByPartAndPlace>().read_all().await.unwrap().len(), 1);
}

/// Puts the empty objects that consoles, mounts and Hadoop leave as folders.
fn put_placeholders(s3: &S3) {
    for folder in ["", "_ref/", "_ref/0/", "_ref/x/", "data/", "data/x/", "data/part=a/", "data/part=z/", "_config/"] {
        s3.put_object(BUCKET, &format!("{PREFIX}/{folder}"), "");
    }
    for folder in ["_matview/", "_matview/parts/", "_matview/parts/part=a/", "_matview/parts/part=z/"] {
        s3.put_object(BUCKET, &format!("{PREFIX}/{folder}"), "");
    }
    for name in ["_ref_$folder$", "_ref/0_$folder$", "data_$folder$", "data/part=z_$folder$", "data/part=a/x_$folder$"]
    {
        s3.put_object(BUCKET, &format!("{PREFIX}/{name}"), "");
    }
}

#[tokio::test(start_paused = true)]
async fn placeholders_of_folders_are_not_seen() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>();
    let view = dataset.view::<Parts>();
    put_placeholders(&world.s3);
    // Nothing but placeholders.
    let page = store.poll_records(&Offset::START).await.unwrap();
    assert_eq!((page.malformed, page.next, page.caught_up), (0, Offset::START, true));
    assert_eq!(all_ways(&store).await, vec![Vec::<i64>::new(); 5]);
    assert_eq!(dataset.doctor(..).await.unwrap().findings.len(), 0);
    assert_eq!(view.lookup("*").await.unwrap(), []);
    assert_eq!(view.backfill("*").await.unwrap().files, 0);

    let commits = store.write(&[Event::new("a", 1), Event::new("b", 2)]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    for page_size in [1, 2, 1_000] {
        world.s3.set_page_size(page_size);
        let page = store.poll(&Offset::START).await.unwrap();
        assert_eq!((page.entries.len(), page.malformed), (2, 0));
        assert_eq!(page.next, commits.iter().map(|commit| commit.offset.clone()).max().unwrap());
        // They do not count towards a limit.
        let page = store.poll(&Offset::START).limit(1).await.unwrap();
        assert_eq!((page.entries.len(), page.malformed, page.caught_up), (1, 0, false));
        assert_eq!(all_ways(&store).await, vec![vec![1, 2]; 5]);
        let report = dataset.doctor(..).await.unwrap();
        assert_eq!((report.findings.len(), report.files), (0, 2), "{report:?}");
        assert_eq!(view.backfill("*").await.unwrap().files, 2);
        assert_eq!(view.lookup("*").await.unwrap().len(), 2);
    }
}
