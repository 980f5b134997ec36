//! The change stream. Tests that need no faults run on any server.
//!
//! Readers have a clock that is ahead by more than the settle window, so every ref is settled at once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;
use s3store::stream::partitions_of;
use s3store::testing::{Fault, Operation, ServerTime};
use s3store::{Commit, Entry, ErrorKind, Offset, Record, Store};

use crate::integration::harness::{BUCKET, PREFIX, Server, Virtual, put, sleep};
use crate::integration::records::{Event, Item};

fn agrees(entry: &Entry, commit: &Commit) -> bool {
    entry.offset == commit.offset
        && entry.ref_path == commit.ref_path
        && entry.data_path == commit.data_path
        && entry.partition == commit.partition
        && entry.inserted_at == commit.inserted_at
        && entry.record_count == commit.record_count
        && commit.offset.instant() == Some(entry.stamped_at)
}

/// Writes two items to each partition, one write after the other.
async fn write(store: &Store<Item>, parts: &[&str]) -> Vec<Commit> {
    let mut commits = Vec::new();
    for (version, part) in (1..).zip(parts) {
        let items = [Item::new(part, 1, version, "first"), Item::new(part, version, version, "second")];
        commits.extend(store.write(&items).await.unwrap());
    }
    commits
}

#[tokio::test]
async fn pages_follow_each_other() {
    let server = Server::start().await;
    let commits = write(&server.dataset().await.store(), &["b", "a", "b", "b", "ü 1"]).await;
    let store = server.settled().await.store::<Item>();
    let all = store.poll(&Offset::START).await.unwrap();
    assert!(all.caught_up && all.malformed == 0);
    assert!(all.entries.len() == 5 && all.entries.iter().zip(&commits).all(|(e, c)| agrees(e, c)), "{all:?}");
    assert!(all.entries.iter().all(|entry| entry.bucket == server.bucket));
    assert_eq!(all.next, commits[4].offset);
    assert_eq!(partitions_of(&all.entries).into_iter().collect::<Vec<_>>(), ["part=a", "part=b", "part=ü 1"]);

    for limit in 1..=6 {
        let (mut after, mut entries) = (Offset::START, Vec::new());
        loop {
            let page = store.poll(&after).limit(limit).await.unwrap();
            assert!(page.entries.len() <= limit);
            entries.extend(page.entries);
            after = page.next;
            if page.caught_up {
                break;
            }
        }
        assert_eq!((&entries, &after), (&all.entries, &all.next), "{limit} at once");
    }
    for (index, commit) in commits.iter().enumerate() {
        let page = store.poll(&commit.offset).await.unwrap();
        assert_eq!(page.entries, all.entries[index + 1..]);
        let page = store.poll(&Offset::START).until(&commit.offset).await.unwrap();
        assert_eq!(page.entries, all.entries[..index]);
        assert!(page.caught_up);
    }
    assert_eq!(store.poll(&all.next).await.unwrap().next, all.next);
}

#[tokio::test]
async fn a_page_of_records_contains_each_version_once() {
    let server = Server::start().await;
    let writer = server.dataset().await.store::<Item>();
    let item = |part, id, version, note| Item::new(part, id, version, note);
    writer.write(&[item("b", 2, 1, "x"), item("b", 1, 2, "y")]).await.unwrap();
    writer.write(&[item("a", 1, 1, "x")]).await.unwrap();
    writer.write(&[item("b", 1, 1, "z"), item("b", 1, 2, "replica")]).await.unwrap();
    let store = server.settled().await.store::<Item>();
    let page = store.poll_records(&Offset::START).await.unwrap();
    assert_eq!(
        page.records,
        [item("a", 1, 1, "x"), item("b", 1, 1, "z"), item("b", 1, 2, "replica"), item("b", 2, 1, "x"),]
    );
    assert_eq!((page.entries.len(), page.missing, page.caught_up), (3, 0, true));
    let first = store.poll_records(&Offset::START).limit(1).await.unwrap();
    assert_eq!(first.records, [item("b", 1, 2, "y"), item("b", 2, 1, "x")]);
    let until = store.poll_records(&first.next).until(&page.next).await.unwrap();
    assert_eq!(until.records, [item("a", 1, 1, "x")]);
    let nothing = store.poll_records(&page.next).await.unwrap();
    assert!(nothing.records.is_empty() && nothing.caught_up && nothing.next == page.next);
}

#[tokio::test]
async fn windows_are_half_open() {
    let server = Server::start().await;
    let commits = write(&server.dataset().await.store(), &["a", "b", "a"]).await;
    let store = server.settled().await.store::<Item>();
    let at: Vec<DateTime<Utc>> = commits.iter().map(|commit| commit.offset.instant().unwrap()).collect();
    let count = async |entries: s3store::stream::PollRange| entries.await.unwrap().len();
    assert_eq!(count(store.poll_range(..)).await, 3);
    assert_eq!(count(store.poll_range(at[1]..)).await, 2);
    assert_eq!(count(store.poll_range(..at[1])).await, 1);
    assert_eq!(count(store.poll_range(at[0]..at[2])).await, 2);
    assert_eq!(count(store.poll_range(at[0]..at[0])).await, 0);
    assert_eq!(count(store.poll_range(at[2]..at[0])).await, 0);
    let nanos = TimeDelta::nanoseconds(1);
    assert_eq!(count(store.poll_range(at[1] + nanos..)).await, 1);
    assert_eq!(count(store.poll_range(..at[1] + nanos)).await, 2);
    let zone = chrono::FixedOffset::west_opt(7_200).unwrap();
    assert_eq!(count(store.poll_range(at[1].with_timezone(&zone)..)).await, 2);
    let page = store.poll(&store.dataset().offset_at(at[1])).until(&store.dataset().offset_at(at[2])).await.unwrap();
    assert_eq!(page.entries, store.poll_range(at[1]..at[2]).await.unwrap());

    // All kinds of results: the latest versions within the window, all versions, partitions, and batches.
    let latest = store.read_range(..).await.unwrap();
    assert_eq!(
        latest.iter().map(|i| (i.part.as_str(), i.id, i.version)).collect::<Vec<_>>(),
        [("a", 1, 3), ("a", 3, 3), ("b", 1, 2), ("b", 2, 2)]
    );
    let history: Vec<Item> = store.read_range(..).history().stream().try_collect().await.unwrap();
    assert_eq!(history.len(), 5);
    assert_eq!(store.read_range(at[0]..at[1]).await.unwrap().len(), 1);
    let partitions: Vec<_> = store.read_range(at[1]..).partitions().try_collect().await.unwrap();
    assert_eq!(
        partitions.iter().map(|p| (p.partition.as_str(), p.records.len())).collect::<Vec<_>>(),
        [("part=a", 2), ("part=b", 2)]
    );
    let batches: Vec<_> = store.read_range(..).batches().try_collect().await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), latest.len());
}

#[tokio::test]
async fn entries_can_be_stored_and_read_later() {
    let server = Server::start().await;
    write(&server.dataset().await.store(), &["a", "b", "a"]).await;
    let store = server.settled().await.store::<Item>();
    let entries = store.poll(&Offset::START).await.unwrap().entries;
    let json = serde_json::to_string(&entries).unwrap();
    let kept: Vec<Entry> = serde_json::from_str(&json).unwrap();
    assert_eq!(kept, entries);
    let all = store.read_entries(&entries).await.unwrap();
    assert_eq!(all, store.read_range(..).await.unwrap());
    let doubled = kept.iter().chain(&entries).rev();
    assert_eq!(store.read_entries(doubled).history().await.unwrap().len(), 5);
    let only: Vec<Entry> = entries.iter().filter(|entry| entry.partition == "part=b").cloned().collect();
    assert_eq!(store.read_entries(only).await.unwrap().len(), 2);
    assert_eq!(store.read_entries(Vec::<Entry>::new()).await.unwrap(), []);
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(place = part))]
struct Elsewhere {
    part: String,
    id: i64,
}

#[tokio::test(start_paused = true)]
async fn entries_and_offsets_of_other_datasets_are_rejected_before_any_request() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>();
    store.write(&Event::of(&["a"], 1)).await.unwrap();
    let reader = world.settled().await;
    let entry = reader.store::<Event>().poll(&Offset::START).await.unwrap().entries.remove(0);
    world.s3.create_bucket("other");
    let other_bucket = world.options().init(world.s3.client(), "other", PREFIX).await.unwrap().into_dataset();
    let other_prefix = world.options().init(world.s3.client(), BUCKET, "e").await.unwrap().into_dataset();
    world.s3.clear_requests();
    for dataset in [&other_bucket, &other_prefix] {
        let error = dataset.store::<Event>().read_entries([&entry]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("is not of this dataset"), "{error}");
    }
    let error = dataset.store::<Elsewhere>().read_entries([&entry]).await.unwrap_err();
    assert!(error.to_string().contains("expected `place=…`"), "{error}");
    let other = other_prefix.store::<Event>();
    for error in [
        other.poll(&entry.offset).await.unwrap_err(),
        other.poll(&Offset::START).until(&entry.offset).await.unwrap_err(),
        other.poll_records(&entry.offset).await.unwrap_err(),
        store.poll(&Offset::START).limit(0).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    assert_eq!(world.log(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn refs_without_a_commit_are_skipped_for_good() {
    let world = Virtual::new();
    let writer = world.dataset().await.store::<Event>();
    let store = world.settled().await.store::<Event>();
    // The first attempt never commits. A second attempt with the same token does.
    world.s3.inject(put(".commit").fail(403, "AccessDenied"));
    writer.write_partition("part=a", &Event::of(&["a"], 1)).token("t").await.unwrap_err();
    let page = store.poll(&Offset::START).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    let uncommitted = world.keys_with(".ref").remove(0);
    assert_eq!((page.entries.len(), page.next.as_str()), (0, uncommitted.as_str()));
    let records = store.poll_records(&Offset::START).await.unwrap();
    assert_eq!((records.records.len(), records.next.as_str()), (0, uncommitted.as_str()));

    let commit = writer.write_partition("part=a", &Event::of(&["a"], 1)).token("t").await.unwrap().unwrap();
    world.s3.clear_requests();
    let page = store.poll(&Offset::START).await.unwrap();
    assert!(page.entries.len() == 1 && agrees(&page.entries[0], &commit), "{page:?}");
    // Two refs with one token in one partition take one HEAD.
    let commit_key = format!("{PREFIX}/data/part=a/t.commit");
    assert_eq!(world.log(), [format!("List {PREFIX}/_ref/"), format!("Head {commit_key}")]);
}

#[tokio::test(start_paused = true)]
async fn malformed_refs_are_skipped_and_counted() {
    let world = Virtual::new();
    let writer = world.dataset().await.store::<Event>();
    for name in ["1", "0", "0000000000000001-x;part=a.ref", "1000000000000000;part=a.ref"] {
        world.s3.put_object(BUCKET, &format!("{PREFIX}/_ref/{name}"), "");
    }
    let commit = writer.write(&Event::of(&["a"], 1)).await.unwrap().remove(0);
    sleep(Duration::from_millis(1)).await;
    let other = writer.dataset().store::<Elsewhere>();
    other.write(&[Elsewhere { part: "a".to_owned(), id: 1 }]).await.unwrap();
    let store = world.settled().await.store::<Event>();
    let page = store.poll(&Offset::START).await.unwrap();
    assert!(page.entries.len() == 1 && agrees(&page.entries[0], &commit), "{page:?}");
    assert_eq!((page.malformed, page.other_partitions), (4, 1));
    assert_eq!(page.next.as_str(), world.keys_with(".ref").pop().unwrap().as_str());
    let page = store.poll_records(&Offset::START).limit(3).await.unwrap();
    // The first three refs are malformed, so the poll takes three more.
    assert_eq!((page.malformed, page.other_partitions), (4, 1));
    assert_eq!((page.records.len(), page.caught_up), (1, true));
}

#[tokio::test(start_paused = true)]
async fn a_failed_head_fails_the_poll() {
    let world = Virtual::new();
    let writer = world.dataset().await.store::<Event>();
    writer.write(&Event::of(&["a", "b"], 1)).await.unwrap();
    let store = world.settled().await.store::<Event>();
    for (status, code, kind) in [(403, "AccessDenied", ErrorKind::Refused), (503, "SlowDown", ErrorKind::Unavailable)] {
        for operation in [Operation::Head, Operation::List] {
            world.s3.inject(Fault::on(operation).always().fail(status, code));
            assert_eq!(store.poll(&Offset::START).await.unwrap_err().kind(), kind);
            assert_eq!(store.poll_records(&Offset::START).await.unwrap_err().kind(), kind);
            assert_eq!(store.read_range(..).await.unwrap_err().kind(), kind);
            world.s3.clear_faults();
        }
    }
    // A commit without metadata is an error, not a missing commit.
    let commit = world.keys_with(".commit").remove(0);
    world.s3.put_object(BUCKET, &commit, "");
    let error = store.poll(&Offset::START).await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidData && error.to_string().contains(&commit), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_stream_skips_files_that_were_deleted() {
    let world = Virtual::new();
    let writer = world.dataset().await.store::<Event>();
    let commits = writer.write(&Event::of(&["a", "b"], 2)).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    let more = writer.write(&Event::of(&["b"], 3)).await.unwrap();
    let store = world.settled().await.store::<Event>();
    let entries = store.poll(&Offset::START).await.unwrap().entries;
    for commit in [&commits[0], &more[0]] {
        world.s3.remove_object(BUCKET, &commit.data_path).unwrap();
    }
    let page = store.poll_records(&Offset::START).await.unwrap();
    assert_eq!((page.records.len(), page.entries.len(), page.missing), (2, 3, 2));
    assert_eq!(page.next, more[0].offset);
    assert_eq!(store.read_range(..).await.unwrap(), page.records);
    assert_eq!(store.read_entries(&entries).await.unwrap(), page.records);
    let partitions: Vec<_> = store.read_range(..).partitions().try_collect().await.unwrap();
    assert_eq!(partitions.len(), 1);
    // A snapshot is never incomplete without an error.
    assert_eq!(store.read_all().await.unwrap_err().kind(), ErrorKind::Vanished);
    for commit in [&commits[0], &more[0]] {
        let key = format!("{PREFIX}/data/{}/{}.commit", commit.partition, commit.token);
        world.s3.remove_object(BUCKET, &key).unwrap();
    }
    assert_eq!(store.read_all().await.unwrap(), page.records);
    let left = world.keys_with(".parquet").remove(0);
    let s3 = world.s3.clone();
    world.s3.inject(Fault::on(Operation::Get).key(left.clone()).call_before(move |_| {
        s3.remove_object(BUCKET, &left);
        async {}
    }));
    assert_eq!(store.read_all().await.unwrap_err().kind(), ErrorKind::Vanished);
}

#[tokio::test(start_paused = true)]
async fn the_page_size_of_listings_makes_no_difference() {
    let world = Virtual::new();
    let writer = world.dataset().await.store::<Event>();
    for id in 0..12 {
        if id % 3 == 0 {
            world.s3.inject(put(".commit").fail(403, "AccessDenied"));
        }
        let _ = writer.write(&Event::of(&["a", "b"], id + 1)).await;
    }
    world.s3.clear_faults();
    let store = world.settled().await.store::<Event>();
    let expected = store.poll(&Offset::START).await.unwrap();
    for keys in [1, 2, 5, 7] {
        world.s3.set_page_size(keys);
        assert_eq!(store.poll(&Offset::START).await.unwrap(), expected);
        let limited = store.poll(&Offset::START).limit(9).await.unwrap();
        assert_eq!(limited.entries[..], expected.entries[..limited.entries.len()]);
        assert!(!limited.caught_up);
        assert_eq!(store.poll_range(..).await.unwrap(), expected.entries);
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_never_starts_below_the_prefix() {
    let world = Virtual::new();
    world.s3.set_time(ServerTime::Tokio(world.clock.now()));
    let store = world.dataset().await.store::<Event>();
    world.s3.clear_requests();
    store.poll(&Offset::START).await.unwrap();
    store.poll(&store.dataset().offset_at(DateTime::<Utc>::MIN_UTC)).await.unwrap();
    let starts: Vec<_> = world.s3.requests().iter().map(|r| r.start_after().map(str::to_owned)).collect();
    assert_eq!(starts, [None, Some(format!("{PREFIX}/_ref/0000000000000000"))]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_of_some_partitions_sends_no_head_for_others() {
    let world = Virtual::new();
    let writer = world.dataset().await.store::<Item>();
    let mut commits = Vec::new();
    for part in ["a", "b", "c", "a", "b", "a2", "a"] {
        commits.extend(write(&writer, &[part]).await);
        // Refs of the same microsecond are in the order of their random ids.
        sleep(Duration::from_millis(1)).await;
    }
    let store = world.settled().await.store::<Item>();
    world.counts();
    let offsets = |entries: &[Entry]| entries.iter().map(|entry| entry.offset.clone()).collect::<Vec<_>>();
    let expected = |at: &[usize]| at.iter().map(|at| commits[*at].offset.clone()).collect::<Vec<_>>();

    let page = store.poll(&Offset::START).only("part=a").await.unwrap();
    assert_eq!(offsets(&page.entries), expected(&[0, 3, 6]));
    assert_eq!((page.not_selected, page.caught_up, &page.next), (4, true, &commits[6].offset));
    assert_eq!(world.counts(), [0, 3, 0, 1]);

    // The limit counts only what is selected.
    let page = store.poll(&Offset::START).only(["part=a*", "part=c"]).limit(3).await.unwrap();
    assert_eq!(offsets(&page.entries), expected(&[0, 2, 3]));
    assert_eq!((page.caught_up, &page.next), (false, &commits[3].offset));
    let page = store.poll_records(&page.next).only(Item::partitions().part("b")).await.unwrap();
    assert_eq!((page.entries.len(), page.records.len(), page.not_selected), (1, 1, 2));
    assert_eq!(page.next, commits[6].offset, "refs after the last selected one are passed");
    assert_eq!(offsets(&store.poll_range(..).only("part=c").await.unwrap()), expected(&[2]));
    assert_eq!(offsets(&store.poll(&Offset::START).only("*").await.unwrap().entries).len(), 7);
    assert_eq!(store.poll(&Offset::START).only(Vec::<String>::new()).await.unwrap().entries, []);

    let mut pages = store.follow(&Offset::START).only("part=b").limit(1).entries();
    assert_eq!(offsets(&pages.next_page().await.unwrap().entries), expected(&[1]));
    assert_eq!(offsets(&pages.next_page().await.unwrap().entries), expected(&[4]));
    // The last page has no entry, but a new offset.
    let last = pages.next_page().await.unwrap();
    assert_eq!((last.entries.len(), last.next), (0, commits[6].offset.clone()));
    let mut pages = store.follow(&Offset::START).only("part=c").records();
    assert_eq!(pages.next_page().await.unwrap().records.len(), 1);

    world.counts();
    for error in [
        store.poll(&Offset::START).only("part=[").await.unwrap_err(),
        store.poll_records(&Offset::START).only("other=1").await.unwrap_err(),
        store.poll_range(..).only("").await.unwrap_err(),
        store.follow(&Offset::START).only("part=a/b=c").entries().next_page().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    assert_eq!(world.counts(), [0; 4]);
}
