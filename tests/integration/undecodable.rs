//! Data files that do not decode: what the errors name, and what polls and followers leave out.

use std::fmt::Debug;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use futures_util::TryStreamExt;
use s3store::dataset::SchemaCheck;
use s3store::stream::{RecordPage, SkippedFile};
use s3store::testing::{Fault, Files, Operation};
use s3store::{ColumnType, Commit, Compression, Entry, Error, ErrorKind, Offset, Record, RootRecord, Store};

use crate::integration::harness::{BUCKET, Virtual, listen, sleep};
use crate::integration::records::{Event, Item};
use crate::integration::warnings::Warnings;

/// Between two writes, so that the second has a later offset.
const MILLI: Duration = Duration::from_millis(1);

#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
pub enum Channel {
    Web,
    Shop,
}

/// As a newer program writes it.
#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
pub enum NewChannel {
    Web,
    Kiosk,
}

/// A file that does not decode as a `Sale`.
struct Bad {
    body: Bytes,
    /// A part of the error's message.
    message: &'static str,
}

/// Files that are not readable Parquet.
fn damaged(good: &Bytes) -> Vec<Bad> {
    let bodies = [Bytes::new(), Bytes::from_static(b"no parquet"), good.slice(..good.len() / 2)];
    bodies.map(|body| Bad { body, message: "not a readable Parquet file" }).into()
}

fn encode<T: RootRecord>(records: &[T]) -> Bytes {
    Files::<T>::new(Compression::Snappy).unwrap().encode(records, DateTime::UNIX_EPOCH).unwrap()
}

macro_rules! sales {
    ($module:ident, [$($entity:meta, $version:meta)?]) => {
        mod $module {
            use super::*;

            sales!(@struct Sale, [$($entity, $version)?], channel: Channel, amount: i64);
            sales!(@struct WithChannel, [$($entity, $version)?], channel: NewChannel, amount: i64);
            sales!(@struct WithNull, [$($entity, $version)?], channel: Channel, amount: Option<i64>);
            sales!(@struct WithText, [$($entity, $version)?], channel: Channel, amount: String);
            sales!(@struct WithoutAmount, [$($entity, $version)?], channel: Channel);

            pub fn sale(part: &str, id: i64, version: i64) -> Sale {
                Sale { part: part.to_owned(), id, version, channel: Channel::Shop, amount: 10 * id }
            }

            /// Returns files of the partition `part`. If a value is bad, it is in row 1.
            pub fn bad_files(part: &str) -> Vec<Bad> {
                let ids = 1..=3;
                let part = || part.to_owned();
                let channel = |id| if id == 2 { NewChannel::Kiosk } else { NewChannel::Web };
                let with_channel =
                    ids.clone().map(|id| WithChannel { part: part(), id, version: 9, channel: channel(id), amount: id });
                let with_null = ids.clone().map(|id| {
                    WithNull { part: part(), id, version: 9, channel: Channel::Web, amount: (id != 2).then_some(id) }
                });
                let with_text = ids.clone().map(|id| {
                    WithText { part: part(), id, version: 9, channel: Channel::Web, amount: format!("{id}") }
                });
                let without_amount =
                    ids.map(|id| WithoutAmount { part: part(), id, version: 9, channel: Channel::Web });
                let mut bad = damaged(&encode(&[sale(&part(), 1, 1)]));
                bad.extend([
                    Bad {
                        body: encode(&with_channel.collect::<Vec<_>>()),
                        message: "row 1, column channel: ",
                    },
                    Bad {
                        body: encode(&with_null.collect::<Vec<_>>()),
                        message: "row 1, column amount: a null",
                    },
                    Bad { body: encode(&with_text.collect::<Vec<_>>()), message: "column amount: " },
                    Bad { body: encode(&without_amount.collect::<Vec<_>>()), message: "column amount: " },
                ]);
                bad
            }
        }
    };
    (@struct $name:ident, [$($entity:meta, $version:meta)?], $($field:ident: $type:ty),*) => {
        #[derive(Debug, Clone, PartialEq, Record)]
        #[record(partition_by(part))]
        pub struct $name {
            $(#[$entity])?
            pub part: String,
            $(#[$entity])?
            pub id: i64,
            $(#[$version])?
            pub version: i64,
            $(pub $field: $type,)*
        }
    };
}

sales!(keyed, [record(entity), record(version)]);
sales!(unkeyed, []);

/// Replaces the file of a commit.
fn replace(world: &Virtual, commit: &Commit, body: &Bytes) {
    world.s3.put_object(BUCKET, &commit.data_path, body.clone());
}

fn skipped_paths(skipped: &[SkippedFile]) -> Vec<&str> {
    skipped.iter().map(|file| file.data_path.as_str()).collect()
}

/// Asserts that the error is about the file of one of these commits, and names its offset.
fn assert_names(error: &Error, commits: &[&Commit], message: &str) {
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{text}");
    let named = |commit: &&&Commit| text.contains(&format!("{} (offset {}): ", commit.data_path, commit.offset));
    assert_eq!(commits.iter().filter(named).count(), 1, "{text}");
    assert!(text.contains(message) && text.ends_with("; skip_undecodable leaves such files out"), "{text}");
}

/// Writes three commits to partition `a` and two to `b`, alternately, and returns those of `a`.
async fn write<T: RootRecord>(store: &Store<T>, sale: fn(&str, i64, i64) -> T) -> Vec<Commit> {
    let mut commits = Vec::new();
    for (version, part) in (1..).zip(["a", "b", "a", "b", "a"]) {
        sleep(MILLI).await;
        let records: Vec<T> = [1, version, 2 + version].map(|id| sale(part, id, version)).into();
        commits.extend(store.write(&records).await.unwrap().into_iter().filter(|commit| commit.partition == "part=a"));
    }
    commits
}

/// Returns what a page without these files has.
async fn without<T: Record>(store: &Store<T>, entries: &[Entry], bad: &[&Commit]) -> Vec<T> {
    let good = entries.iter().filter(|entry| bad.iter().all(|commit| commit.data_path != entry.data_path));
    store.read_entries(good).history().await.unwrap()
}

/// Replaces each of the files in turn, and several at once, by each kind of bad file.
async fn each_bad_file_is_left_out<T>(sale: fn(&str, i64, i64) -> T, bad_files: fn(&str) -> Vec<Bad>)
where
    T: RootRecord + Debug + PartialEq,
{
    for Bad { body, message } in bad_files("a") {
        for places in [&[0][..], &[1], &[2], &[0, 2], &[0, 1, 2]] {
            let world = Virtual::new();
            let commits = write(&world.dataset().await.store::<T>(), sale).await;
            let bad: Vec<&Commit> = places.iter().map(|&place| &commits[place]).collect();
            bad.iter().for_each(|commit| replace(&world, commit, &body));
            let store = world.settled().await.store::<T>();
            let entries = store.poll(&Offset::START).await.unwrap().entries;
            assert_eq!(entries.len(), 5);

            assert_names(&store.poll_records(&Offset::START).await.unwrap_err(), &bad, message);
            assert_names(&store.read_range(..).await.err().unwrap(), &bad, message);

            let page = store.poll_records(&Offset::START).skip_undecodable().await.unwrap();
            assert_eq!(page.records, without(&store, &entries, &bad).await, "{message} at {places:?}");
            assert_eq!((&page.entries, page.missing, page.caught_up), (&entries, 0, true));
            assert_eq!(skipped_paths(&page.skipped), bad.iter().map(|c| c.data_path.as_str()).collect::<Vec<_>>());
            for (file, commit) in page.skipped.iter().zip(&bad) {
                assert_eq!((&file.offset, file.record_count), (&commit.offset, commit.record_count));
                assert_eq!(file.partition, "part=a");
                for part in [message, &file.data_path, file.offset.as_str()] {
                    assert!(file.reason.contains(part), "{part} in {}", file.reason);
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bad_files_of_records_with_an_entity_are_left_out() {
    each_bad_file_is_left_out(keyed::sale, keyed::bad_files).await;
}

#[tokio::test(start_paused = true)]
async fn bad_files_of_records_without_an_entity_are_left_out() {
    each_bad_file_is_left_out(unkeyed::sale, unkeyed::bad_files).await;
}

/// A page of one file, which is read without a merge if it is sorted.
#[tokio::test(start_paused = true)]
async fn a_page_can_consist_of_bad_files_only() {
    let world = Virtual::new();
    let commits = write(&world.dataset().await.store(), keyed::sale).await;
    for Bad { body, message } in keyed::bad_files("a") {
        replace(&world, &commits[0], &body);
        let store = world.settled().await.store::<keyed::Sale>();
        let one = || store.poll_records(&Offset::START).limit(1);
        assert_names(&one().await.unwrap_err(), &[&commits[0]], message);
        let page = one().skip_undecodable().await.unwrap();
        assert_eq!((page.records, page.entries.len(), page.skipped.len(), page.caught_up), (vec![], 1, 1, false));
        assert_eq!(page.next, commits[0].offset);
        assert!(page.skipped[0].reason.contains(message));
    }
}

/// A file of another type that was written by another program.
#[tokio::test(start_paused = true)]
async fn files_of_another_record_type_are_left_out() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let mut commits = dataset.store().write(&[keyed::sale("a", 1, 1)]).await.unwrap();
    let text = keyed::WithText { part: "a".into(), id: 2, version: 2, channel: Channel::Web, amount: "2 EUR".into() };
    commits.extend(dataset.store().write(&[text]).await.unwrap());
    let store = world.settled().await.store::<keyed::Sale>();
    let page = store.poll_records(&Offset::START).skip_undecodable().await.unwrap();
    assert_eq!(page.records, [keyed::sale("a", 1, 1)]);
    assert_eq!(skipped_paths(&page.skipped), [&commits[1].data_path]);
}

/// In files of several batches, with rows that others supersede: the row is counted in the file.
#[tokio::test(start_paused = true)]
async fn the_row_is_that_of_the_file() {
    use keyed::{Sale, WithChannel, sale};
    let world = Virtual::new();
    let channel = |row| if row == 15_001 { NewChannel::Kiosk } else { NewChannel::Web };
    let of_row = |row: i64| WithChannel { part: "a".into(), id: row / 2, version: 1, channel: channel(row), amount: 0 };
    let dataset = world.dataset().await;
    let bad = dataset.store().write(&(0..20_000).map(of_row).collect::<Vec<_>>()).await.unwrap().remove(0);
    let store = world.settled().await.store::<Sale>();
    let message = "row 15001, column channel: ";
    for files in 1..=3 {
        assert_names(&store.poll_records(&Offset::START).await.unwrap_err(), &[&bad], message);
        assert_names(&store.read_range(..).stream().try_collect::<Vec<_>>().await.unwrap_err(), &[&bad], message);
        assert_names(&store.read_range(..).partitions().try_next().await.unwrap_err(), &[&bad], message);
        for error in
            [store.read_all().await.unwrap_err(), store.read_all().stream().try_collect::<Vec<_>>().await.unwrap_err()]
        {
            let text = error.to_string();
            assert!(text.contains(&bad.data_path) && text.contains(message), "{text}");
            assert!(!text.contains("offset") && !text.contains("skip_undecodable"), "{text}");
        }
        dataset.store().write(&[sale("a", files, files), sale("a", 50_000, files)]).await.unwrap();
    }
    let page = store.poll_records(&Offset::START).skip_undecodable().await.unwrap();
    assert_eq!((page.records.len(), skipped_paths(&page.skipped)), (6, vec![bad.data_path.as_str()]));
}

/// Without an entity, a file's first batches are decoded long before its last ones.
#[tokio::test(start_paused = true)]
async fn no_half_of_a_file_is_returned() {
    use unkeyed::{Sale, WithChannel, sale};
    let world = Virtual::new();
    let channel = |row| if row == 19_999 { NewChannel::Kiosk } else { NewChannel::Web };
    let of_row = |row: i64| WithChannel { part: "a".into(), id: row, version: 1, channel: channel(row), amount: 0 };
    let dataset = world.dataset().await;
    let good = [sale("a", 1, 1), sale("a", 2, 1)];
    dataset.store().write(&good[..1]).await.unwrap();
    sleep(MILLI).await;
    let bad = dataset.store().write(&(0..20_000).map(of_row).collect::<Vec<_>>()).await.unwrap().remove(0);
    sleep(MILLI).await;
    dataset.store().write(&good[1..]).await.unwrap();

    let store = world.settled().await.store::<Sale>();
    let entries = store.poll(&Offset::START).await.unwrap().entries;
    let page = store.poll_records(&Offset::START).skip_undecodable().await.unwrap();
    assert_eq!((&page.records[..], skipped_paths(&page.skipped)), (&good[..], vec![bad.data_path.as_str()]));
    for range in [false, true] {
        let read = || {
            let (sender, skipped) = mpsc::channel();
            let read = if range { store.read_range(..) } else { store.read_entries(&entries) };
            (read.skip_undecodable(move |file| sender.send(file).unwrap()), skipped)
        };
        let (records, skipped) = read();
        assert_eq!(records.stream().try_collect::<Vec<_>>().await.unwrap(), good);
        assert_eq!(skipped.iter().collect::<Vec<_>>(), page.skipped);
        let (partitions, skipped) = read();
        let partitions: Vec<_> = partitions.partitions().try_collect().await.unwrap();
        assert_eq!((&partitions[0].records[..], partitions.len()), (&good[..], 1));
        assert_eq!(skipped.iter().collect::<Vec<_>>(), page.skipped);
        // Batches have the text of an enum, so only other faults concern them.
        let (batches, skipped) = read();
        let batches: Vec<_> = batches.batches().try_collect().await.unwrap();
        assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 20_002);
        assert_eq!(skipped.iter().count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn batches_and_projections_name_and_leave_out_bad_files() {
    #[derive(Debug, PartialEq, Record)]
    #[record(projection_of = keyed::Sale)]
    struct Amounts {
        amount: i64,
    }

    let world = Virtual::new();
    let commits = write(&world.dataset().await.store(), keyed::sale).await;
    let bad = keyed::bad_files("a").into_iter().find(|bad| bad.message.contains("a null")).unwrap();
    replace(&world, &commits[1], &bad.body);
    let dataset = world.settled().await;
    let store = dataset.store::<keyed::Sale>();
    let error = store.read_range(..).batches().try_collect::<Vec<_>>().await.unwrap_err();
    assert_names(&error, &[&commits[1]], bad.message);
    let (sender, skipped) = mpsc::channel();
    let batches = store.read_range(..).history().skip_undecodable(move |file| sender.send(file).unwrap()).batches();
    let rows: usize = batches.try_collect::<Vec<_>>().await.unwrap().iter().map(|batch| batch.num_rows()).sum();
    assert_eq!((rows, skipped.iter().count()), (11, 1));

    let amounts = dataset.store::<Amounts>();
    assert_names(&amounts.poll_records(&Offset::START).await.unwrap_err(), &[&commits[1]], bad.message);
    let page = amounts.poll_records(&Offset::START).skip_undecodable().await.unwrap();
    assert_eq!((page.records.len(), skipped_paths(&page.skipped)), (11, vec![commits[1].data_path.as_str()]));
    // The faulty column is not among those that this projection reads.
    let bad = keyed::bad_files("a").into_iter().find(|bad| bad.message.contains("channel")).unwrap();
    replace(&world, &commits[1], &bad.body);
    assert_eq!(amounts.poll_records(&Offset::START).skip_undecodable().await.unwrap().skipped, []);
}

/// If a bad value is superseded, nobody reads it, with the option or without.
#[tokio::test(start_paused = true)]
async fn files_whose_bad_values_are_superseded_are_not_left_out() {
    let world = Virtual::new();
    let commits = write(&world.dataset().await.store(), keyed::sale).await;
    let bad = keyed::bad_files("a").into_iter().find(|bad| bad.message.contains("channel")).unwrap();
    replace(&world, &commits[0], &bad.body);
    world.dataset().await.store().write(&[keyed::sale("a", 2, 9)]).await.unwrap();
    let store = world.settled().await.store::<keyed::Sale>();
    let all = store.poll_records(&Offset::START).await.unwrap();
    assert_eq!(store.poll_records(&Offset::START).skip_undecodable().await.unwrap(), all);
    assert!(all.records.iter().any(|sale| (sale.id, sale.version) == (3, 9)));
}

#[tokio::test(start_paused = true)]
async fn only_files_of_selected_partitions_are_read() {
    let world = Virtual::new();
    let commits = write(&world.dataset().await.store(), keyed::sale).await;
    replace(&world, &commits[1], &Bytes::from_static(b"no parquet"));
    let store = world.settled().await.store::<keyed::Sale>();
    let others = store.poll_records(&Offset::START).only("part=b").await.unwrap();
    assert_eq!((others.entries.len(), others.skipped.len()), (2, 0));
    let page = store.poll_records(&Offset::START).only("part=a").skip_undecodable().await.unwrap();
    assert_eq!((page.entries.len(), page.not_selected, page.skipped.len()), (3, 2, 1));
    let mut pages = store.follow(&Offset::START).only("part=a").limit(1).skip_undecodable().records();
    for commit in &commits {
        let RecordPage { entries, skipped, .. } = pages.next_page().await.unwrap();
        assert_eq!(entries[0].offset, commit.offset);
        assert_eq!(skipped.len(), usize::from(commit.offset == commits[1].offset));
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_moves_past_a_bad_file_only_on_request() {
    let world = Virtual::new();
    let writer = world.dataset().await.store::<Item>();
    let mut commits = Vec::new();
    for id in 0..5 {
        sleep(MILLI).await;
        commits.extend(writer.write(&[Item::new("a", id, 1, "")]).await.unwrap());
    }
    replace(&world, &commits[2], &Bytes::from_static(b"no parquet"));
    let store = world.settled().await.store::<Item>();
    let mut stuck = store.follow(&Offset::START).limit(1).records();
    let mut at = Offset::START;
    for _ in 0..2 {
        at = stuck.next_page().await.unwrap().next;
    }
    for _ in 0..3 {
        assert_names(&stuck.next_page().await.unwrap_err(), &[&commits[2]], "not a readable Parquet file");
    }

    let mut pages = store.follow(&at).limit(1).skip_undecodable().records();
    let page = pages.next_page().await.unwrap();
    assert_eq!((page.records.len(), &page.skipped[0].offset, &page.next), (0, &commits[2].offset, &commits[2].offset));
    for id in 3..5 {
        let page = pages.next_page().await.unwrap();
        assert_eq!((page.records, page.skipped), (vec![Item::new("a", id, 1, "")], vec![]));
    }
    // Once the file is good, the follower that waited goes on.
    replace(&world, &commits[2], &encode(&[Item::new("a", 2, 1, "")]));
    for id in 2..5 {
        assert_eq!(stuck.next_page().await.unwrap().records, [Item::new("a", id, 1, "")]);
    }
    // Pages of entries read no files.
    assert_eq!(store.follow(&at).skip_undecodable().entries().next_page().await.unwrap().entries.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_warning_names_key_and_offset_and_no_value() {
    let world = Virtual::new();
    let commits = write(&world.dataset().await.store(), keyed::sale).await;
    let bad = keyed::bad_files("a").into_iter().find(|bad| bad.message.contains("channel")).unwrap();
    replace(&world, &commits[1], &bad.body);
    let store = world.settled().await.store::<keyed::Sale>();
    let warnings = Warnings::default();
    let _listening = listen(warnings.clone());
    store.poll_records(&Offset::START).await.unwrap_err();
    assert_eq!(warnings.take(), [""; 0]);
    store.poll_records(&Offset::START).skip_undecodable().await.unwrap();
    let warnings = warnings.take();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in ["does not decode and is skipped", &commits[1].data_path, commits[1].offset.as_str()] {
        assert!(warnings[0].contains(part), "{warnings:?}");
    }
    assert!(!warnings[0].contains("Kiosk"), "{warnings:?}");
}

/// Failures that say nothing about the file.
#[tokio::test(start_paused = true)]
async fn failed_requests_and_missing_files_are_not_left_out() {
    let world = Virtual::new();
    let commits = write(&world.dataset().await.store(), keyed::sale).await;
    replace(&world, &commits[0], &Bytes::from_static(b"no parquet"));
    let store = world.settled().await.store::<keyed::Sale>();
    let poll = || store.poll_records(&Offset::START).skip_undecodable();
    let get = |commit: &Commit| Fault::on(Operation::Get).key_ends_with(&commit.data_path);
    for (status, code, kind) in [(503, "SlowDown", ErrorKind::Unavailable), (403, "AccessDenied", ErrorKind::Refused)] {
        // Both at the first download and at the second.
        for skip in [0, 1] {
            world.s3.inject(get(&commits[1]).skip(skip).always().fail(status, code));
            assert_eq!(poll().await.unwrap_err().kind(), kind, "{status} after {skip}");
            world.s3.clear_faults();
        }
    }
    let page = poll().await.unwrap();
    assert_eq!((page.missing, page.skipped.len()), (0, 1));
    world.s3.remove_object(BUCKET, &commits[1].data_path);
    let page = poll().await.unwrap();
    assert_eq!((page.missing, skipped_paths(&page.skipped)), (1, vec![commits[0].data_path.as_str()]));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_repaired_meanwhile_is_read() {
    let world = Virtual::new();
    let commits = write(&world.dataset().await.store(), keyed::sale).await;
    let store = world.settled().await.store::<keyed::Sale>();
    let all = store.poll_records(&Offset::START).await.unwrap();
    let (s3, path) = (world.s3.clone(), commits[1].data_path.clone());
    let good = world.s3.object(BUCKET, &path).unwrap().body;
    replace(&world, &commits[1], &Bytes::from_static(b"no parquet"));
    world.s3.inject(Fault::on(Operation::Get).key_ends_with(&path).skip(1).times(1).call_before(move |_| {
        s3.put_object(BUCKET, &path, good.clone());
        std::future::ready(())
    }));
    assert_eq!(store.poll_records(&Offset::START).skip_undecodable().await.unwrap(), all);
}

#[tokio::test(start_paused = true)]
async fn only_the_partition_of_a_bad_file_is_downloaded_again() {
    let world = Virtual::new();
    let commits = write(&world.dataset().await.store(), keyed::sale).await;
    let store = world.settled().await.store::<keyed::Sale>();
    world.s3.clear_requests();
    let all = store.poll_records(&Offset::START).await.unwrap();
    let requests = world.counts();
    assert_eq!(store.poll_records(&Offset::START).skip_undecodable().await.unwrap(), all);
    assert_eq!(world.counts(), requests);
    replace(&world, &commits[1], &Bytes::from_static(b"no parquet"));
    store.poll_records(&Offset::START).await.unwrap_err();
    assert_eq!(world.counts(), requests, "the error of a damaged file names it already");
    store.poll_records(&Offset::START).skip_undecodable().await.unwrap();
    let [put, head, get, list] = requests;
    assert_eq!(world.counts(), [put, head, get + 3, list]);
}

#[tokio::test(start_paused = true)]
async fn snapshots_stay_complete() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    store.write(&Event::of(&["a"], 1)).await.unwrap();
    world.s3.clear_requests();
    for read in [store.read_all(), store.read("part=a").history()] {
        let error = read.skip_undecodable(|_| ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("a snapshot is complete or fails"), "{error}");
    }
    assert_eq!(world.counts(), [0; 4]);
}

/// A program with the wrong record must not pass the whole stream.
#[tokio::test(start_paused = true)]
async fn a_record_that_does_not_fit_the_dataset_is_refused_as_before() {
    let world = Virtual::new();
    let options = || world.options().schema_check(SchemaCheck::default());
    write(&world.dataset_with(options()).await.store(), keyed::sale).await;
    sleep(Duration::from_secs(60)).await;
    let store = world.process_with("reader", options()).await.store::<keyed::WithText>();
    let error = store.poll_records(&Offset::START).skip_undecodable().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    let error = store.follow(&Offset::START).skip_undecodable().records().next_page().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}
