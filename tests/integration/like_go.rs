//! Behaviour that users of the Go library rely on: prefixes, loops over pages, frozen windows, tokens, offsets, and
//! broken commits.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;
use s3store::testing::{Fault, Operation};
use s3store::{CommitError, Dataset, ErrorKind, Offset, Store};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, put, sleep};
use crate::integration::records::{Event, Item, Parts};

const MINUTE: Duration = Duration::from_secs(60);

/// Go joins keys as prefix, `/`, name, and accepts every prefix that is not empty.
#[tokio::test(start_paused = true)]
async fn prefixes_of_go_open_with_the_keys_of_go() {
    let world = Virtual::new();
    let neighbours = ["billing", "a", "a/b"];
    for prefix in neighbours {
        let dataset = world.options().init(world.s3.client(), BUCKET, prefix).await.unwrap().into_dataset();
        dataset.store::<Event>().write(&Event::of(&["neighbour"], 1)).await.unwrap();
    }
    let before = world.s3.keys(BUCKET);
    for prefix in ["billing/", "/a", "a//b", "/", "//", "a///b//", "/billing/"] {
        // As an operator of the Go library does it.
        world.s3.put_object(BUCKET, &format!("{prefix}/_config/commit-timeout"), "15s");
        world.s3.put_object(BUCKET, &format!("{prefix}/_config/max-clock-skew"), "1s");
        let dataset = world.options().open(world.s3.client(), BUCKET, prefix).await.unwrap();
        let store = dataset.store::<Event>();
        let commits = store.write(&Event::of(&["x", "y"], 2)).token("t").await.unwrap();
        assert_eq!(store.write(&Event::of(&["x", "y"], 2)).token("t").await.unwrap(), commits);
        dataset.view::<Parts>().backfill("*").await.unwrap();
        sleep(MINUTE).await;

        let mut kinds = [0; 5];
        for key in world.s3.keys(BUCKET).iter().filter(|key| !before.contains(key)) {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            let folders = ["/_config/", "/_ref/", "/data/part=x/", "/data/part=y/", "/_matview/parts/part="];
            if let Some(kind) = folders.iter().position(|folder| rest.starts_with(folder)) {
                kinds[kind] += 1;
            }
        }
        assert_eq!(kinds, [2, 2, 2, 2, 2], "{prefix:?}: {:?}", world.s3.keys(BUCKET));
        assert!(commits.iter().all(|commit| commit.ref_path.starts_with(&format!("{prefix}/_ref/"))), "{commits:?}");

        assert_eq!(store.read_all().await.unwrap().len(), 4, "{prefix:?}");
        assert_eq!(store.read("part=x").await.unwrap().len(), 2, "{prefix:?}");
        assert_eq!(dataset.view::<Parts>().lookup("*").await.unwrap().len(), 2, "{prefix:?}");
        let page = store.poll(&Offset::START).await.unwrap();
        assert_eq!((page.entries.len(), page.malformed), (2, 0), "{prefix:?}");
        assert_eq!(store.read_entries(&page.entries).await.unwrap().len(), 4, "{prefix:?}");
        let offset: Offset = page.entries[0].offset.as_str().parse().unwrap();
        assert_eq!(offset.instant(), Some(page.entries[0].stamped_at));
        assert_eq!(store.poll(&offset).await.unwrap().entries, page.entries[1..], "{prefix:?}");
        assert_eq!(dataset.doctor(..).await.unwrap().findings.len(), 0, "{prefix:?}");
    }
    for prefix in neighbours {
        let dataset = world.options().open(world.s3.client(), BUCKET, prefix).await.unwrap();
        assert_eq!(dataset.store::<Event>().read_all().await.unwrap().len(), 1, "{prefix:?}");
    }
}

/// Puts refs whose writes never committed, a microsecond apart.
fn put_uncommitted_refs(world: &Virtual, count: i64) -> Vec<String> {
    let start = world.clock.now().timestamp_micros();
    let key = |n: i64| {
        let micros = start + n;
        format!("{PREFIX}/_ref/{micros:016}-t{n}-0190a8d9b7c47f7e8a9b0c1d2e3f4a5b;part=a.ref")
    };
    let keys: Vec<String> = (0..count).map(key).collect();
    keys.iter().for_each(|key| world.s3.put_object(BUCKET, key, ""));
    keys
}

async fn a_dataset_with_failed_writes(world: &Virtual, failed: i64) -> (Store<Event>, Vec<String>) {
    let store = world.dataset().await.store::<Event>();
    let refs = put_uncommitted_refs(world, failed);
    sleep(Duration::from_secs(1)).await;
    store.write(&Event::of(&["b"], 1)).await.unwrap();
    sleep(MINUTE).await;
    world.s3.clear_requests();
    (store, refs)
}

/// The loop of a Go consumer ends at an empty page.
#[tokio::test(start_paused = true)]
async fn a_loop_that_ends_at_an_empty_page_passes_failed_writes() {
    for limit in [1, 2, 7, 1_000] {
        let world = Virtual::new();
        let (store, _) = a_dataset_with_failed_writes(&world, 20).await;
        let (mut offset, mut entries) = (Offset::START, 0);
        loop {
            let page = store.poll(&offset).limit(limit).await.unwrap();
            assert!(page.entries.len() <= limit);
            offset = page.next;
            if page.entries.is_empty() {
                assert!(page.caught_up);
                break;
            }
            entries += page.entries.len();
        }
        let (mut offset, mut records) = (Offset::START, 0);
        loop {
            let page = store.poll_records(&offset).limit(limit).await.unwrap();
            offset = page.next;
            if page.records.is_empty() {
                break;
            }
            records += page.records.len();
        }
        assert_eq!((entries, records), (1, 1), "limit {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_past_failed_writes_sends_a_bounded_number_of_requests() {
    let world = Virtual::new();
    let (store, refs) = a_dataset_with_failed_writes(&world, 250).await;
    let page = store.poll(&Offset::START).limit(2).await.unwrap();
    assert_eq!((page.entries.len(), page.caught_up, page.next.as_str()), (0, false, refs[199].as_str()));
    assert_eq!(world.counts(), [0, 200, 0, 100]);
    let page = store.poll(&page.next).limit(2).await.unwrap();
    assert_eq!((page.entries.len(), page.caught_up), (1, true));
    // A poll never goes past its upper bound.
    let until: Offset = refs[30].parse().unwrap();
    let page = store.poll(&Offset::START).limit(2).until(&until).await.unwrap();
    assert_eq!((page.entries.len(), page.caught_up, page.next.as_str()), (0, true, refs[29].as_str()));
}

/// Writes that go on during a read of an open window are not in it, however long it takes.
#[tokio::test(start_paused = true)]
async fn an_open_window_ends_where_it_began() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    for part in ["a", "b", "c"] {
        store.write(&Event::of(&[part], 1)).await.unwrap();
    }
    sleep(MINUTE).await;
    // Each later page of the listing meets another settled write.
    world.s3.set_page_size(1);
    let writer = store.clone();
    world.s3.inject(Fault::on(Operation::List).key_contains("_ref").skip(1).times(5).call_before(move |_| {
        let writer = writer.clone();
        async move {
            writer.write(&Event::of(&["z"], 1)).await.unwrap();
            // Longer than the settle window, and shorter than the deadline of a try.
            sleep(Duration::from_secs(20)).await;
        }
    }));
    let mut records = store.read_range(..).stream();
    let mut parts = Vec::new();
    while let Some(record) = records.try_next().await.unwrap() {
        parts.push(record.part);
        // So do writes while the consumer reads.
        store.write(&Event::of(&["zz"], 1)).await.unwrap();
        sleep(MINUTE).await;
    }
    assert_eq!(parts, ["a", "b", "c"]);
    assert!(store.read_range(..).await.unwrap().len() > 6);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_partition_has_no_token() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let records = Event::of(&["a"], 1);
    world.s3.clear_requests();
    for partition in ["", "a", "part=", "part=a/b", "part=a/x=b", "other=a", "part=..", "part=a/", "/part=a"] {
        let mut asked = 0;
        let write = store.write_partition(partition, &records).token_of(|_| {
            asked += 1;
            "t"
        });
        let error = write.await.unwrap_err();
        assert_eq!((error.kind(), asked), (ErrorKind::InvalidInput, 0), "{partition:?}: {error}");
    }
    for value in ["", "x/y", ".."] {
        let mut asked = Vec::new();
        let records = [Event::new("a", 1), Event::new(value, 1)];
        let write = store.write(&records).token_of(|partition| {
            asked.push(partition.partition.clone());
            "t"
        });
        assert_eq!(write.await.unwrap_err().cause.unwrap().kind(), ErrorKind::InvalidInput, "{value:?}");
        assert!(asked.iter().all(|partition| partition == "part=a"), "{asked:?}");
    }
    assert_eq!(world.log(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn partitions_of_entries_come_in_key_order_and_deduplicated() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    store.write(&[Item::new("b", 1, 1, "old"), Item::new("a", 1, 1, "only")]).await.unwrap();
    store.write(&[Item::new("b", 1, 2, "new"), Item::new("a-1", 1, 1, "only")]).await.unwrap();
    sleep(MINUTE).await;
    let entries = store.poll(&Offset::START).await.unwrap().entries;
    let notes = async |read: s3store::read::Read<Item>| {
        let partitions: Vec<_> = read.partitions().try_collect().await.unwrap();
        let note = |records: &[Item]| records.iter().map(|item| item.note.clone()).collect::<Vec<_>>().join(" ");
        partitions.iter().map(|of| format!("{}: {}", of.partition, note(&of.records))).collect::<Vec<_>>()
    };
    let twice = || entries.iter().chain(&entries).rev();
    assert_eq!(notes(store.read_entries(twice())).await, ["part=a: only", "part=a-1: only", "part=b: new"]);
    assert_eq!(
        notes(store.read_entries(twice()).history()).await,
        ["part=a: only", "part=a-1: only", "part=b: old new"]
    );

    // Entries of other datasets are refused in every sink, before any request.
    world.s3.create_bucket("other");
    let open = async |bucket: &str, prefix: &str| -> Dataset {
        world.options().init(world.s3.client(), bucket, prefix).await.unwrap().into_dataset()
    };
    for other in [open("other", PREFIX).await, open(BUCKET, "d2").await, open(BUCKET, "d/").await] {
        world.s3.clear_requests();
        let read = || other.store::<Item>().read_entries(&entries);
        for error in [
            read().partitions().try_next().await.unwrap_err(),
            read().stream().try_next().await.unwrap_err(),
            read().batches().try_next().await.unwrap_err(),
            read().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains("is not of this dataset"), "{error}");
        }
        assert_eq!(world.log(), Vec::<String>::new());
    }
}

/// A commit whose metadata can't be read is never taken for "no commit".
#[tokio::test(start_paused = true)]
async fn a_retry_that_meets_a_broken_commit_fails_and_writes_nothing() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let (records, key) = (Event::of(&["a"], 1), format!("{PREFIX}/data/part=a/t.commit"));
    world.s3.put_object(BUCKET, &key, "");
    world.s3.clear_requests();
    let write = || store.write_partition("part=a", &records).token("t");
    let error = write().await.unwrap_err();
    assert!(matches!(&error, CommitError::NotCommitted(_)), "{error:?}");
    assert!(error.kind() == ErrorKind::InvalidData && error.to_string().contains(&key), "{error}");
    assert_eq!(world.log(), [format!("Head {key}")]);
    let error = store.lookup_commit("part=a", "t").await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidData && error.to_string().contains(&key), "{error}");

    // It appears while the write is in progress. It may stand for any attempt, so the outcome is unknown.
    for optimistic in [false, true] {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        if optimistic {
            store.write(&records).token("first").optimistic_commit().await.unwrap();
        }
        let (s3, commit) = (world.s3.clone(), key.clone());
        world.s3.inject(put(".ref").call_after(move |_| {
            s3.put_object(BUCKET, &commit, "");
            async {}
        }));
        let write = store.write_partition("part=a", &records).token("t");
        let error = if optimistic { write.optimistic_commit().await } else { write.await }.unwrap_err();
        assert!(matches!(&error, CommitError::Unknown(_)), "{error:?}");
        assert!(error.to_string().contains(&key), "{error}");
        // The retry ends too, as an error that names the commit.
        let error = store.write_partition("part=a", &records).token("t").await.unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidData && error.to_string().contains(&key), "{error}");
    }
}

/// Go's offsets are strings that its programs have stored: ref keys, and 16 digits for an instant.
#[tokio::test(start_paused = true)]
async fn offsets_are_the_text_that_go_prints() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>();
    let commit = store.write_partition("part=ü 1", &Event::of(&["ü 1"], 1)).token("t;").await;
    assert_eq!(commit.unwrap_err().kind(), ErrorKind::InvalidInput);
    let commit = store.write_partition("part=ü 1", &Event::of(&["ü 1"], 1)).token("t").await.unwrap().unwrap();
    sleep(MINUTE).await;
    let page = store.poll(&Offset::START).await.unwrap();
    let micros = page.entries[0].stamped_at.timestamp_micros();
    let attempt = commit.data_path.trim_end_matches(".parquet").rsplit('-').next().unwrap().to_owned();
    let key = format!("{PREFIX}/_ref/{micros:016}-t-{attempt};part=%C3%BC%201.ref");
    assert_eq!((page.next.to_string(), world.keys_with("_ref/")), (key.clone(), vec![key.clone()]));
    assert_eq!(key.parse::<Offset>().unwrap(), page.next);
    assert_eq!(serde_json::to_string(&page.next).unwrap(), format!("{key:?}"));
    assert!(store.poll(&key.parse().unwrap()).await.unwrap().entries.is_empty());

    let at = |micros: i64| DateTime::<Utc>::from_timestamp_micros(micros).unwrap();
    for (micros, digits) in [(0, "0000000000000000"), (1_795_368_780_123_456, "1795368780123456")] {
        assert_eq!(dataset.offset_at(at(micros)).to_string(), format!("{PREFIX}/_ref/{digits}"));
    }
    assert_eq!(store.poll(&dataset.offset_at(at(micros))).await.unwrap().entries.len(), 1);
    assert_eq!(store.poll(&dataset.offset_at(at(micros) + TimeDelta::microseconds(1))).await.unwrap().entries.len(), 0);
    assert_eq!("".parse::<Offset>().unwrap(), Offset::START);
}
