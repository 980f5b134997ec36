//! The tables and policies in the guide's chapter on operating, checked against the requests that are sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::TryStreamExt;
use s3store::testing::{Answer, Fault, Operation, Request};
use s3store::{Commit, CommitError, Dataset, ErrorKind, Offset, Record, RootRecord, Store, View};
use serde_json::Value;

use crate::integration::guide::section;
use crate::integration::harness::{BUCKET, PREFIX, Virtual, put, sleep};
use crate::integration::records::{Event, Item, Parts, Small, Wide};

/// A view whose tuples several partitions share.
#[derive(Debug, Clone, PartialEq, Eq, View)]
#[view(of = Event, name = "ids")]
struct Ids {
    id: i64,
}

/// A projection of [`Item`].
#[derive(Debug, Record)]
#[record(projection_of = Item)]
struct Note {
    note: String,
}

/// Returns the rows of the only table in a section, without its header.
fn rows(heading: &str) -> BTreeMap<&'static str, Vec<&'static str>> {
    let lines = section(heading).filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let mut rows = BTreeMap::new();
    for mut cells in lines.skip(1).map(|line| line.split(" | ")) {
        assert!(rows.insert(cells.next().unwrap(), cells.collect()).is_none(), "duplicate row");
    }
    rows
}

/// A cell of the table of requests: a sum such as `3n + m + 1`, or an upper bound such as `≤ n`.
struct Figure {
    is_bound: bool,
    value: usize,
}

impl Figure {
    fn of(text: &str, parameters: &[(char, usize)]) -> Self {
        let (is_bound, sum) = text.strip_prefix("≤ ").map_or((false, text), |sum| (true, sum));
        let value = |letter: char| {
            let known = parameters.iter().find(|(name, _)| *name == letter);
            known.unwrap_or_else(|| panic!("{text} contains the unknown parameter {letter}")).1
        };
        let term = |term: &str| {
            let number = term.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
            let factor = if number.is_empty() { 1 } else { number.parse::<usize>().unwrap() };
            term[number.len()..].chars().map(value).fold(factor, |product, value| product * value)
        };
        Self { is_bound, value: sum.split(" + ").map(term).sum() }
    }

    fn holds(&self, measured: usize) -> bool {
        if self.is_bound { measured <= self.value } else { measured == self.value }
    }
}

/// The table of requests, and the rows that were checked.
struct RequestTable {
    rows: BTreeMap<&'static str, Vec<&'static str>>,
    checked: BTreeSet<String>,
}

impl RequestTable {
    fn new() -> Self {
        Self { rows: rows("## Requests"), checked: BTreeSet::new() }
    }

    /// Compares a row with the requests since the log was cleared, and clears it.
    fn check(&mut self, world: &Virtual, row: &str, parameters: &[(char, usize)]) {
        let [put, head, get, list] = world.counts();
        let figures = self.rows.get(row).unwrap_or_else(|| panic!("the guide has no row {row}"));
        assert_eq!(figures.len(), 4, "{row}");
        for ((kind, measured), text) in [("PUT", put), ("GET", get), ("HEAD", head), ("LIST", list)].iter().zip(figures)
        {
            let figure = Figure::of(text, parameters);
            assert!(figure.holds(*measured), "{row}: {measured} {kind}, not {text}, with {parameters:?}");
        }
        self.checked.insert(row.to_owned());
    }

    fn assert_all_checked(self) {
        let unchecked: Vec<_> = self.rows.keys().filter(|row| !self.checked.contains(**row)).collect();
        assert!(unchecked.is_empty(), "rows without a case: {unchecked:?}");
    }
}

#[test]
fn figures_are_parsed_as_sums() {
    let value = |text| Figure::of(text, &[('n', 7), ('m', 20)]).value;
    assert_eq!(["0", "12", "n", "3n", "3n + m", "4n + m + 1"].map(value), [0, 12, 7, 21, 41, 49]);
    assert!(Figure::of("n", &[('n', 7)]).holds(7) && !Figure::of("n", &[('n', 7)]).holds(6));
    assert!(Figure::of("≤ n", &[('n', 7)]).holds(6) && !Figure::of("≤ n", &[('n', 7)]).holds(8));
}

#[tokio::test(start_paused = true)]
async fn methods_send_the_requests_in_the_table() {
    let mut table = RequestTable::new();
    open(&mut table).await;
    write(&mut table).await;
    in_parts(&mut table).await;
    late(&mut table).await;
    read(&mut table).await;
    follow(&mut table).await;
    views(&mut table).await;
    publish(&mut table).await;
    nothing(&mut table).await;
    table.assert_all_checked();
}

async fn open(table: &mut RequestTable) {
    let world = Virtual::new();
    world.dataset().await;
    table.check(&world, "`Dataset::init`, the first time", &[]);
    for again in [true, false] {
        if again {
            drop(world.dataset().await)
        } else {
            drop(world.process("other").await)
        }
        table.check(&world, "`Dataset::open`, and `init` again", &[]);
    }
}

async fn write(table: &mut RequestTable) {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let plain = dataset.store::<Event>();
    let viewed = plain.clone().add_view::<Ids>().unwrap();
    let (one, three) = (Event::of(&["a"], 2), Event::of(&["a", "b", "c"], 2));
    world.counts();
    // Two markers, which the partitions share.
    for (store, m) in [(&plain, 0), (&viewed, 2)] {
        let [one_partition, partitions] = [[('n', 1), ('m', m)], [('n', 3), ('m', m)]];
        store.write(&three).await.unwrap();
        table.check(&world, "`write`, `write_partition`", &partitions);
        store.write_partition("part=x", &one).await.unwrap();
        table.check(&world, "`write`, `write_partition`", &one_partition);
        store.write(&three).optimistic_commit().await.unwrap();
        table.check(&world, "`write`, `write_partition`", &partitions);

        let token = |name: &str| format!("{name}-{m}");
        let commits = store.write(&three).token(token("t")).await.unwrap();
        table.check(&world, "with a token", &partitions);
        store.write_partition("part=x", &one).token(token("t")).await.unwrap();
        table.check(&world, "with a token", &one_partition);
        store.write(&three).token(token("t")).await.unwrap();
        table.check(&world, "with a token that has committed", &partitions);

        for (n, records) in [(1, &one), (3, &three)] {
            let dataset = world.process("optimist").await;
            world.counts();
            let optimist = dataset.store::<Event>();
            let optimist = if m == 0 { optimist } else { optimist.add_view::<Ids>().unwrap() };
            for (name, row) in [
                ("p", "the first of these on a `Dataset`"),
                ("q", "with a token and `optimistic_commit`"),
                ("q", "these with a token that has committed"),
            ] {
                optimist.write(records).token(token(&format!("{name}-{n}"))).optimistic_commit().await.unwrap();
                table.check(&world, row, &[('n', n), ('m', m)]);
            }
        }

        let mut writer = store.writer().start().unwrap();
        writer.write_all(three.clone()).await.unwrap();
        writer.flush().await.unwrap();
        table.check(&world, "`Writer::flush`; also `write` and `write_from` where they flush", &partitions);
        for row in ["a flush with a token, or one that is repeated", "a flush with a token that has committed"] {
            let mut writer = store.writer().token(token("w")).start().unwrap();
            writer.write_all(three.clone()).await.unwrap();
            writer.flush().await.unwrap();
            table.check(&world, row, &partitions);
        }

        store.dataset().restamp(&commits[0]).await.unwrap();
        table.check(&world, "`restamp`", &[]);
        dataset.restamp(&commits[1]).await.unwrap();
        table.check(&world, "`restamp`", &[]);
        for token in ["t-0", "no-such"] {
            store.lookup_commit("part=a", token).await.unwrap();
            table.check(&world, "`lookup_commit`", &[]);
        }
    }
}

async fn in_parts(table: &mut RequestTable) {
    let world = Virtual::new();
    let mut writer = world.dataset().await.store::<Wide>().writer().start().unwrap();
    let records = [Wide::random("a", 900, 50_000), Wide::random("b", 3, 50_000)].concat();
    writer.write_all(records).await.unwrap();
    world.counts();
    writer.flush().await.unwrap();
    let requests = world.s3.requests();
    let count = |operation| requests.iter().filter(|request| request.operation == operation).count();
    assert_eq!((count(Operation::CreateUpload), count(Operation::CompleteUpload)), (1, 1));
    let figures = &table.rows["a flush with one file over 16 MiB"];
    // 45 MB in three parts.
    let put = Figure::of(figures[0], &[('n', 2), ('m', 0), ('u', 2)]);
    assert!(put.holds(count(Operation::Put) + count(Operation::UploadPart)));
    assert_eq!(requests.len(), put.value + 2);
    table.checked.insert("a flush with one file over 16 MiB".to_owned());
}

async fn late(table: &mut RequestTable) {
    let world = Virtual::new();
    let timeout = Duration::from_millis(100);
    let init = world.options().init(world.s3.client(), BUCKET, PREFIX).commit_timeout(timeout);
    let store = init.await.unwrap().into_dataset().store::<Event>().add_view::<Ids>().unwrap();
    world.counts();
    for k in [1, 3] {
        world.s3.inject(put(".commit").delay(2 * timeout));
        // The first ref is the write's own. Of the additional refs, only the last is in time.
        world.s3.inject(put(".ref").skip(1).times(k - 1).delay(2 * timeout));
        store.write(&Event::of(&["a"], 2)).await.unwrap();
        table.check(&world, "these if a commit is late, k additional refs", &[('n', 1), ('m', 2), ('k', k)]);
        world.s3.clear_faults();
    }
}

fn items(parts: &[&str], count: i64) -> Vec<Item> {
    parts.iter().flat_map(|part| (0..count).map(|id| Item::new(part, id, 1, "note"))).collect()
}

async fn read(table: &mut RequestTable) {
    const ROW: &str = "`read`, `read_all`, projections too, into any sink, or `count`";
    const ENTITY: &str = "`read_entity`, `history_of`";
    let world = Virtual::new();
    // The table contains the requests of a handle that has read nothing.
    let dataset = world.dataset_with(world.options().footer_cache_bytes(0)).await;
    let store = dataset.store::<Item>();
    let notes = dataset.store::<Note>();
    store.write(&items(&["a1", "a2"], 2)).await.unwrap();
    store.write(&items(&["a1", "b"], 2)).token("t").await.unwrap();
    world.counts();
    // The age of the two commits with a token makes no difference.
    for q in [2; 2] {
        // Eight keys, four of them in a1: one page, or several short ones.
        for (page, all, a1, a) in [(1_000, 1, 1, 1), (3, 3, 2, 2)] {
            world.s3.set_page_size(page);
            let check = |table: &mut RequestTable, f, q, p| table.check(&world, ROW, &[('f', f), ('q', q), ('p', p)]);
            assert_eq!(store.read_all().await.unwrap().len(), 6);
            check(table, 4, q, all);
            assert_eq!(store.read_all().history().stream().try_collect::<Vec<_>>().await.unwrap().len(), 6);
            check(table, 4, q, all);
            assert_eq!(store.read_all().partitions().try_collect::<Vec<_>>().await.unwrap().len(), 3);
            check(table, 4, q, all);
            assert_eq!(store.read_all().count().await.unwrap(), 6);
            check(table, 4, q, all);
            assert!(!store.read_all().batches().try_collect::<Vec<_>>().await.unwrap().is_empty());
            check(table, 4, q, all);
            assert!(notes.read_all().await.unwrap().iter().all(|note| note.note == "note"));
            check(table, 4, q, all);
            store.read_all().explain().await.unwrap();
            let row = "`explain` of a read that fetches whole files";
            table.check(&world, row, &[('q', q), ('p', all)]);
            store.read(["part=a1", "part=b"]).await.unwrap();
            check(table, 3, q, a1 + 1);
            store.read(["part=a*", "part=a1"]).await.unwrap();
            check(table, 3, q / 2, a);
        }
        sleep(Duration::from_secs(10)).await;
    }
    // A token with two attempts needs one HEAD, too.
    store.write(&items(&["a1"], 2)).token("u").optimistic_commit().await.unwrap();
    store.write(&items(&["a1"], 2)).token("u").optimistic_commit().await.unwrap();
    sleep(Duration::from_secs(10)).await;
    world.s3.set_page_size(1_000);
    world.counts();
    store.read_all().await.unwrap();
    table.check(&world, ROW, &[('f', 5), ('q', 3), ('p', 1)]);
    let entity = |part: &str, id| Item::entity_of(part, id).unwrap();
    assert!(store.read_entity(&entity("a1", 1)).await.unwrap().is_some());
    table.check(&world, ENTITY, &[('f', 3), ('g', 0), ('q', 2), ('p', 1)]);
    assert_eq!(store.history_of(&entity("b", 1)).await.unwrap().len(), 1);
    table.check(&world, ENTITY, &[('f', 1), ('g', 0), ('q', 1), ('p', 1)]);
    // A large file: its footer, then the columns.
    let large: Vec<_> = (0..3_000).map(|id| Item::new("c", id, id, &format!("{:x}", id * 0x9e37_79b9_7f4a))).collect();
    store.write(&large).await.unwrap();
    world.counts();
    assert!(store.read_entity(&entity("c", 17)).await.unwrap().is_some());
    table.check(&world, ENTITY, &[('f', 1), ('g', 1), ('q', 0), ('p', 1)]);
    assert!(store.read_entity(&entity("c", 3_000)).await.unwrap().is_none());
    table.check(&world, ENTITY, &[('f', 1), ('g', 0), ('q', 0), ('p', 1)]);
    store.partitions("*").await.unwrap();
    table.check(&world, "`partitions`", &[('p', 1)]);
    store.partitions("*").record_counts().await.unwrap();
    table.check(&world, "`partitions` with `record_counts`", &[('c', 6), ('p', 1)]);
}

async fn follow(table: &mut RequestTable) {
    const ENTRIES: &str = "`poll`, `poll_range`, a page of `follow().entries()`";
    const RECORDS: &str = "`poll_records`, `read_range`, a page of `follow().records()`";
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>();
    let mut commits = Vec::new();
    for _ in 0..5 {
        commits.extend(store.write(&Event::of(&["a", "b"], 1)).await.unwrap());
    }
    // Within the same microsecond, the restamp's ref could sort before the others.
    sleep(Duration::from_millis(1)).await;
    store.dataset().restamp(&commits[0]).await.unwrap();
    world.s3.inject(put(".commit").fail(403, "AccessDenied"));
    store.write(&Event::of(&["a"], 1)).await.unwrap_err();
    sleep(Duration::from_secs(60)).await;
    world.counts();

    // Twelve refs: two belong to one commit, and one has no commit.
    for (page, p) in [(1_000, 1), (7, 2)] {
        world.s3.set_page_size(page);
        let [entries, records] = [[('f', 0), ('c', 11), ('p', p)], [('f', 10), ('c', 11), ('p', p)]];
        let polled = store.poll(&Offset::START).await.unwrap().entries;
        assert_eq!(polled.len(), 11);
        table.check(&world, ENTRIES, &entries);
        store.poll_range(..).await.unwrap();
        table.check(&world, ENTRIES, &entries);
        let mut pages = store.follow(&Offset::START).entries();
        pages.next_page().await.unwrap();
        table.check(&world, ENTRIES, &entries);
        assert_eq!(store.poll(&Offset::START).only("part=b").await.unwrap().entries.len(), 5);
        table.check(&world, ENTRIES, &[('f', 0), ('c', 5), ('p', p)]);
        store.poll_records(&Offset::START).await.unwrap();
        table.check(&world, RECORDS, &records);
        store.read_range(..).await.unwrap();
        table.check(&world, RECORDS, &records);
        store.follow(&Offset::START).records().next_page().await.unwrap();
        table.check(&world, RECORDS, &records);
        store.read_entries(&polled).await.unwrap();
        table.check(&world, "`read_entries`", &records);

        let pace = Duration::from_secs(20);
        let mut pages = store.follow(&Offset::START).pace(pace).entries();
        pages.next_page().await.unwrap();
        world.counts();
        let waiting = async { pages.next_page().await.map(drop) };
        tokio::select! {
            _ = waiting => panic!("unexpected page"),
            () = sleep(pace * 9 + pace / 2) => {}
        }
        table.check(&world, "`follow` where nothing is new, k times its pace", &[('k', 9)]);
        drop(pages);

        // 12 refs, 11 files, 10 commits.
        let pages = if page == 7 { 2 + 3 } else { 2 };
        dataset.doctor(..).await.unwrap();
        table.check(&world, "`doctor` where nothing is published", &[('f', 10), ('c', 10), ('p', pages)]);
        dataset.doctor(..).without_record_counts().await.unwrap();
        table.check(&world, "`doctor` with `without_record_counts`", &[('c', 10), ('p', pages)]);
        // One attempt has no commit. It is not deleted, because this is a dry run.
        sleep(Duration::from_secs(48 * 60 * 60)).await;
        let orphans = dataset.prune(Duration::from_secs(24 * 60 * 60)).dry_run().await.unwrap();
        assert_eq!((orphans.files.len(), orphans.refs.len()), (1, 1));
        table.check(&world, "`prune` where nothing is deleted", &[('c', 1), ('p', pages)]);
    }
}

async fn publish(table: &mut RequestTable) {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Wide>();
    store.write(&Wide::of("a", 4, 10)).token("job").await.unwrap();
    store.write(&Wide::of("b", 5, 10)).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    store.poll(&Offset::START).await.unwrap();
    world.counts();
    store.table().publish_delta().await.unwrap();
    table.check(&world, "`publish_delta`, the first time", &[('f', 2), ('q', 1), ('p', 1)]);
    store.write(&Wide::of("a", 3, 10)).await.unwrap();
    store.write(&Wide::of("c", 3, 10)).token("next").await.unwrap();
    sleep(Duration::from_secs(60)).await;
    world.counts();
    store.table().publish_delta().await.unwrap();
    let new = [('f', 2), ('v', 1), ('c', 2), ('p', 1)];
    table.check(&world, "`publish_delta` of f new files, after v versions", &new);
    store.table().publish_delta().await.unwrap();
    table.check(&world, "`publish_delta` where nothing is new, after v versions", &[('v', 2), ('p', 1)]);
}

async fn views(table: &mut RequestTable) {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Wide>();
    store.write(&Wide::of("a", 4, 10)).await.unwrap();
    store.write(&Wide::of("b", 5, 10)).await.unwrap();
    let view = dataset.view::<Small>();
    world.counts();
    view.backfill("part=a").await.unwrap();
    table.check(&world, "`backfill`", &[('m', 3), ('f', 1), ('g', 0), ('p', 1)]);
    world.s3.set_page_size(3);
    view.backfill("*").await.unwrap();
    table.check(&world, "`backfill`", &[('m', 3), ('f', 2), ('g', 0), ('p', 2)]);
    // In a large file, the view's column takes one more range request.
    store.write(&Wide::of("c", 200, 5_000)).await.unwrap();
    world.counts();
    view.backfill("part=c").await.unwrap();
    table.check(&world, "`backfill`", &[('m', 3), ('f', 1), ('g', 1), ('p', 1)]);

    for (page, p) in [(1_000, 1), (2, 2)] {
        world.s3.set_page_size(page);
        assert_eq!(view.lookup("*").await.unwrap().len(), 3);
        table.check(&world, "`lookup` and its `stream`", &[('p', p)]);
        assert_eq!(view.lookup("*").stream().try_collect::<Vec<_>>().await.unwrap().len(), 3);
        table.check(&world, "`lookup` and its `stream`", &[('p', p)]);
        assert_eq!(view.lookup(["small=1", "small=2"]).await.unwrap().len(), 2);
        table.check(&world, "`lookup` and its `stream`", &[('p', 2)]);
    }
}

async fn nothing(table: &mut RequestTable) {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>();
    let records = Event::of(&["a", "b"], 1);
    world.counts();
    store.write(&[]).token("t").await.unwrap();
    store.write_partition("part=a", &[]).await.unwrap();
    store.read(Vec::<String>::new()).await.unwrap();
    store.read_entries(Vec::<s3store::Entry>::new()).await.unwrap();
    dataset.view::<Parts>().lookup(Vec::<String>::new()).await.unwrap();
    store.group_by_partition(&records).unwrap();
    store.partition_of(&records[0]).unwrap();
    let _ = dataset.offset_at(world.clock.now());
    dataset.drain().await;
    let row = "`drain`, `partition_of`, `group_by_partition`, `offset_at`, `view`; a write or read of nothing";
    table.check(&world, row, &[]);
}

/// The role that initialises a dataset.
const INIT: &str = "`init`, once";

/// Returns the folder of a request's key or prefix below the dataset's prefix, such as `data/`.
fn folder(request: &Request) -> &str {
    let below = request.target().unwrap().strip_prefix(PREFIX).unwrap().strip_prefix('/').unwrap();
    &below[..=below.find('/').unwrap()]
}

/// Returns the folders of the PUTs, GETs and LISTs since the log was cleared. A 404 counts as a LIST too, because S3
/// answers 403 instead if listing is not permitted.
fn touched(world: &Virtual) -> [BTreeSet<String>; 3] {
    let [mut put, mut get, mut list] = [const { BTreeSet::new() }; 3];
    for request in world.s3.requests() {
        let folder = folder(&request).to_owned();
        if request.answer == Answer::Status(404) {
            list.insert(folder.clone());
        }
        match request.operation {
            Operation::Put => put.insert(folder),
            Operation::Get | Operation::Head => get.insert(folder),
            Operation::List => list.insert(folder),
            // This permission is of the bucket.
            Operation::ListUploads => continue,
            other => panic!("{other:?}"),
        };
    }
    [put, get, list]
}

/// Runs the operations of a role in its own process, starting with opening the dataset.
async fn play(world: &Virtual, late: &Commit, role: &str) {
    let dataset = world.process_with("role", Dataset::options().clock(world.clock.clone())).await;
    let store = dataset.store::<Event>();
    match role {
        "writer" => {
            let store = store.add_view::<Ids>().unwrap();
            store.write(&Event::of(&["a"], 1)).token("t").await.unwrap();
            store.write(&Event::of(&["a"], 1)).token("t").await.unwrap();
            store.write(&Event::of(&["a"], 1)).await.unwrap();
            store.write(&Event::of(&["b"], 1)).token("t").optimistic_commit().await.unwrap();
            store.lookup_commit("part=c", "t").await.unwrap();
        }
        "reader of snapshots" => assert_eq!(store.read_all().await.unwrap().len(), 4),
        "reader of the change stream" => {
            assert_eq!(store.poll_records(&Offset::START).await.unwrap().records.len(), 4);
        }
        "look-ups in a view" => assert_eq!(dataset.view::<Ids>().lookup("*").await.unwrap().len(), 1),
        "`backfill`" => assert_eq!(dataset.view::<Parts>().backfill("*").await.unwrap().files, 5),
        "`doctor`" => assert_eq!(dataset.doctor(..).await.unwrap().findings.len(), 3),
        "`restamp` after `doctor`" => drop(dataset.restamp(late).await.unwrap()),
        other => panic!("no case for {other}"),
    }
}

/// Returns a dataset with commits in time, one of them fresh and with a token; a late commit, which is returned; and an
/// attempt without a commit.
async fn dataset_in_use() -> (Virtual, Commit) {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>().add_view::<Ids>().unwrap();
    store.write(&Event::of(&["a", "b"], 1)).await.unwrap();
    world.s3.inject(put(".commit").times(4).hang());
    let error = store.write_partition("part=c", &Event::of(&["c"], 1)).report_late().await.unwrap_err();
    let CommitError::Late(late) = error else { panic!("{error:?}") };
    world.s3.inject(put(".commit").fail(403, "AccessDenied"));
    store.write(&Event::of(&["c"], 1)).await.unwrap_err();
    sleep(Duration::from_secs(60)).await;
    store.write(&Event::of(&["d"], 1)).token("d").await.unwrap();
    (world, *late)
}

/// Waits until all refs are settled, and clears the log.
async fn settle(world: &Virtual) {
    sleep(Duration::from_secs(60)).await;
    world.s3.clear_requests();
}

#[tokio::test(start_paused = true)]
async fn each_role_needs_the_permissions_in_the_table() {
    for (role, cells) in rows("## Permissions") {
        let (mut world, late) = dataset_in_use().await;
        if role == INIT {
            world = Virtual::new();
            drop(world.dataset().await);
        } else {
            settle(&world).await;
            play(&world, &late, role).await;
        }
        let stated = cells.iter().map(|cell| {
            let folders = cell.split('`').skip(1).step_by(2).map(str::to_owned);
            folders.collect::<BTreeSet<String>>()
        });
        assert_eq!(touched(&world).to_vec(), stated.collect::<Vec<_>>(), "{role}");
        assert_eq!(world.count(Operation::ListUploads), usize::from(role == "`doctor`"), "{role}");
    }
}

/// Returns the policies in a section.
fn policies(heading: &str) -> Vec<Value> {
    let text: Vec<&str> = section(heading).collect();
    let blocks = text.split(|line| line.starts_with("```")).skip(1).step_by(2);
    let policies: Vec<Value> = blocks.filter_map(|lines| serde_json::from_str(&lines.join("\n")).ok()).collect();
    assert_eq!(policies.len(), text.iter().filter(|line| **line == "```json").count(), "invalid JSON");
    policies
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .map_or_else(|| vec![value.as_str().unwrap()], |all| all.iter().map(|v| v.as_str().unwrap()).collect())
}

/// Returns whether a pattern matches a text. Each `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|text| text.char_indices().any(|(at, _)| matches(rest, &text[at..])) || matches(rest, "")),
    }
}

/// Returns whether a policy of Allow statements permits a request, translated to the dataset of the guide.
fn allows(policy: &Value, request: &Request) -> bool {
    let key = request.target().unwrap().replacen(PREFIX, "billing", 1);
    let action = match request.operation {
        Operation::Put => "s3:PutObject",
        Operation::Get | Operation::Head => "s3:GetObject",
        Operation::List => "s3:ListBucket",
        other => panic!("{other:?}"),
    };
    policy["Statement"].as_array().unwrap().iter().any(|statement| {
        let on_the_key = || {
            let object = format!("arn:aws:s3:::warehouse/{key}");
            texts(&statement["Resource"]).iter().any(|pattern| matches(pattern, &object))
        };
        let below = || matches(statement["Condition"]["StringLike"]["s3:prefix"].as_str().unwrap(), &key);
        texts(&statement["Action"]) == [action] && if action == "s3:ListBucket" { below() } else { on_the_key() }
    })
}

#[tokio::test(start_paused = true)]
async fn the_policy_lets_a_service_write_read_and_follow_but_not_initialise() {
    let [policy] = policies("## Permissions").try_into().unwrap();
    let (world, late) = dataset_in_use().await;
    settle(&world).await;
    // The writer comes last, because it adds records that the other roles do not expect.
    for role in ["reader of snapshots", "reader of the change stream", "look-ups in a view", "writer"] {
        play(&world, &late, role).await;
    }
    let requests = world.s3.requests();
    assert!(requests.len() > 20);
    requests.iter().for_each(|request| assert!(allows(&policy, request), "{request:?}"));

    let world = Virtual::new();
    drop(world.dataset().await);
    assert!(world.s3.requests().iter().any(|request| !allows(&policy, request)));
}

#[test]
fn the_policy_that_denies_overwriting_covers_only_commits() {
    let [policy] = policies("## Servers").try_into().unwrap();
    let pattern = policy["Statement"][0]["Resource"].as_str().unwrap();
    let denied = |key: &str| matches(pattern, &format!("arn:aws:s3:::warehouse/billing/{key}"));
    assert!(denied("data/charge_period=2026-03-17/customer=abc/t.commit"));
    assert!(!denied("data/charge_period=2026-03-17/customer=abc/t-0190a0b0c0d07000800000000000abcd.parquet"));
    assert!(!denied("_matview/sku_period_idx/sku=a.commit/m.matview"));
    assert!(!denied("_ref/1773705600000000-t-0190a0b0c0d07000800000000000abcd;part=a.ref"));
}

/// Makes S3 answer 403 instead of 404 for missing objects, as it does without the permission to list.
fn refuse_missing_objects(world: &Virtual, operation: Operation) {
    let keys = world.s3.keys(BUCKET);
    let missing = move |request: &Request| !keys.iter().any(|key| Some(key) == request.key.as_ref());
    world.s3.inject(Fault::on(operation).matching(missing).always().fail(403, "AccessDenied"));
}

#[tokio::test(start_paused = true)]
async fn requests_for_missing_objects_fail_without_the_permission_to_list() {
    let (world, _) = dataset_in_use().await;
    settle(&world).await;
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>();
    refuse_missing_objects(&world, Operation::Head);
    refuse_missing_objects(&world, Operation::Get);
    let before = world.s3.keys(BUCKET);
    let error = store.write_partition("part=a", &Event::of(&["a"], 1)).token("t").await.unwrap_err();
    assert!(matches!(error, CommitError::NotCommitted(_)) && error.kind() == ErrorKind::Refused, "{error:?}");
    assert_eq!(store.lookup_commit("part=a", "t").await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(store.poll(&Offset::START).await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(world.s3.keys(BUCKET), before);
    // Operations that need no missing object still work.
    store.write(&Event::of(&["a"], 1)).await.unwrap();
    assert_eq!(store.lookup_commit("part=d", "d").await.unwrap().unwrap().record_count, 1);

    let elsewhere = |world: &Virtual| Dataset::open(world.s3.client(), BUCKET, "elsewhere");
    assert_eq!(elsewhere(&world).await.unwrap_err().kind(), ErrorKind::Refused);
    world.s3.clear_faults();
    assert_eq!(elsewhere(&world).await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn three_hanging_tries_are_in_time_and_four_are_late() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    for suffix in [".ref", ".commit"] {
        for (times, in_time) in [(3, true), (4, false)] {
            world.s3.inject(put(suffix).times(times).hang());
            let result = store.write(&Event::of(&["a"], 1)).report_late().await;
            assert_eq!(result.is_ok(), in_time, "{times} {suffix}");
            assert!(in_time || result.unwrap_err().is_late_only());
        }
    }
}

fn expire(world: &Virtual, folder: &str) {
    world.keys_with(folder).iter().for_each(|key| drop(world.s3.remove_object(BUCKET, key).unwrap()));
}

async fn streamed<T: RootRecord>(store: &Store<T>) -> usize {
    store.poll_records(&Offset::START).await.unwrap().records.len()
}

#[tokio::test(start_paused = true)]
async fn expired_objects_have_the_documented_effects() {
    for folder in ["/_ref/", "/data/", "/_matview/"] {
        let world = Virtual::new();
        let dataset = world.dataset().await;
        let store = dataset.store::<Event>().add_view::<Ids>().unwrap();
        let old = store.write(&Event::of(&["a"], 2)).token("t").await.unwrap().remove(0);
        sleep(Duration::from_secs(60)).await;
        expire(&world, folder);
        store.write(&Event::of(&["b"], 1)).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        let ids = dataset.view::<Ids>().lookup("*").await.unwrap().len();
        let found = (store.read_all().await.unwrap().len(), streamed(&store).await, ids);
        match folder {
            "/_ref/" => assert_eq!(found, (3, 1, 2)),
            "/data/" => {
                assert_eq!(found, (1, 1, 2));
                let anew = store.write(&Event::of(&["a"], 2)).token("t").await.unwrap();
                assert_ne!(anew[0].data_path, old.data_path);
            }
            _ => {
                assert_eq!(found, (3, 3, 1));
                dataset.view::<Ids>().backfill("*").await.unwrap();
                assert_eq!(dataset.view::<Ids>().lookup("*").await.unwrap().len(), 2);
            }
        }
    }
    // Only the data file is missing, like one that expired just before its commit. The snapshot would be incomplete.
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    store.write(&Event::of(&["a", "b"], 2)).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    world.s3.remove_object(BUCKET, &world.keys_with(".parquet")[0]).unwrap();
    assert_eq!(store.read_all().await.unwrap_err().kind(), ErrorKind::Vanished);
    assert_eq!(streamed(&store).await, 2);
}
