//! Metrics of reads: files, bytes, records, partitions, HEADs of commits, waits, stalls.

use std::time::Duration;

use futures_util::TryStreamExt;
use s3store::stream::Entry;
use s3store::testing::{Fault, Operation};
use s3store::{ErrorKind, Offset};

use super::meter::{Collected, Meter};
use super::{bytes, measured, tallied};
use crate::integration::harness::{BUCKET, PREFIX, Virtual, sleep, within};
use crate::integration::records::{Event, Item, Parts};

/// The histograms of what calls read or write.
const TALLIED: [&str; 7] = [
    "s3store.read.files",
    "s3store.read.bytes",
    "s3store.read.records",
    "s3store.read.partitions",
    "s3store.write.records",
    "s3store.write.partitions",
    "s3store.write.bytes",
];

/// Returns count and sum of files, bytes, records and partitions for a method.
fn read(collected: &Collected, method: &str) -> [(u64, f64); 4] {
    tallied(
        collected,
        method,
        ["s3store.read.files", "s3store.read.bytes", "s3store.read.records", "s3store.read.partitions"],
    )
}

#[tokio::test(start_paused = true)]
async fn a_read_counts_files_and_returned_records() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Item>();
    // Two versions of one entity: two records in files, one of which is returned.
    let item = |part, version| Item::new(part, 1, version, "");
    store.write(&[item("a", 1), item("b", 1)]).await.unwrap();
    store.write(&[item("a", 2)]).await.unwrap();
    assert_eq!(store.read_all().await.unwrap().len(), 2);
    assert_eq!(read(&meter.collect(), "read"), [(1, 3.0), (1, bytes(&world)), (1, 2.0), (1, 2.0)]);
    assert_eq!(store.read_all().history().await.unwrap().len(), 3);
    assert_eq!(read(&meter.collect(), "read"), [(2, 6.0), (2, 2.0 * bytes(&world)), (2, 5.0), (2, 4.0)]);
}

/// As in Go: a histogram gets no sample of value zero.
#[tokio::test(start_paused = true)]
async fn calls_that_find_nothing_record_no_zeros() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let dataset = measured(&world, &meter).await;
    let store = dataset.store::<Event>();
    assert_eq!(store.read("part=z").await.unwrap(), []);
    assert_eq!(store.read_all().stream().try_collect::<Vec<_>>().await.unwrap(), []);
    assert!(store.read_range(..).await.unwrap().is_empty());
    assert!(store.read_entries(&[] as &[Entry]).await.unwrap().is_empty());
    assert!(store.poll(&Offset::START).await.unwrap().entries.is_empty());
    assert!(store.poll_records(&Offset::START).await.unwrap().records.is_empty());
    assert!(store.poll_range(..).await.unwrap().is_empty());
    assert!(dataset.view::<Parts>().lookup("*").await.unwrap().is_empty());
    assert_eq!(dataset.view::<Parts>().backfill("*").await.unwrap().files, 0);
    store.write(&[]).await.unwrap();
    let collected = meter.collect();
    for name in TALLIED {
        assert_eq!(collected.count(name, &[]), 0, "{name}");
    }

    // A file that is gone was visited, but has neither bytes nor records.
    let commit = store.write_partition("part=a", &Event::of(&["a"], 3)).await.unwrap().unwrap();
    world.s3.client().delete_object().bucket(BUCKET).key(&commit.data_path).send().await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert!(store.read_range(..).await.unwrap().is_empty());
    assert_eq!(read(&meter.collect(), "read_range_iter"), [(1, 1.0), (0, 0.0), (0, 0.0), (1, 1.0)]);
}

/// As in Go: the entries of a poll and the tuples of a look-up are its records.
#[tokio::test(start_paused = true)]
async fn polls_and_look_ups_count_what_they_return() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let dataset = measured(&world, &meter).await;
    let store = dataset.store::<Event>();
    store.write(&Event::of(&["a", "b", "c"], 5)).await.unwrap();
    dataset.view::<Parts>().backfill("*").await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(store.poll(&Offset::START).limit(2).await.unwrap().entries.len(), 2);
    assert_eq!(store.poll(&Offset::START).await.unwrap().entries.len(), 3);
    assert_eq!(store.poll_range(..).await.unwrap().len(), 3);
    assert_eq!(store.poll_records(&Offset::START).await.unwrap().records.len(), 15);
    assert_eq!(dataset.view::<Parts>().lookup("part=a").await.unwrap().len(), 1);
    assert_eq!(dataset.view::<Parts>().lookup("*").stream().try_collect::<Vec<_>>().await.unwrap().len(), 3);
    let collected = meter.collect();
    let nothing = (0, 0.0);
    assert_eq!(read(&collected, "poll"), [nothing, nothing, (2, 5.0), nothing]);
    assert_eq!(read(&collected, "poll_range"), [nothing, nothing, (1, 3.0), nothing]);
    assert_eq!(read(&collected, "lookup"), [nothing, nothing, (2, 4.0), nothing]);
    assert_eq!(read(&collected, "poll_records"), [(1, 3.0), (1, bytes(&world)), (1, 15.0), (1, 3.0)]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_read_counts_what_it_returned() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    store.write(&Event::of(&["a", "b"], 3)).await.unwrap();
    world.s3.inject(Fault::on(Operation::Get).key_contains("part=b").hang());
    let mut records = store.read_all().stream();
    for _ in 0..3 {
        records.try_next().await.unwrap().unwrap();
    }
    assert!(within(Duration::from_secs(1), records.try_next()).await.is_none());
    drop(records);
    // The aborted task ends only when the runtime polls it next.
    sleep(Duration::from_millis(1)).await;
    let [files, _, records, partitions] = read(&meter.collect(), "read_iter");
    assert_eq!((files, records, partitions), ((1, 1.0), (1, 3.0), (1, 1.0)));
}

#[tokio::test(start_paused = true)]
async fn missing_files_and_malformed_refs_are_counted_by_method() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    let commits = store.write(&Event::of(&["a", "b"], 3)).await.unwrap();
    let client = world.s3.client();
    client.delete_object().bucket(BUCKET).key(&commits[0].data_path).send().await.unwrap();
    let malformed = format!("{PREFIX}/_ref/0000000000000007-nonsense.ref");
    client.put_object().bucket(BUCKET).key(malformed).send().await.unwrap();
    sleep(Duration::from_secs(60)).await;

    let page = store.poll_records(&Offset::START).await.unwrap();
    assert_eq!((page.missing, page.malformed, page.records.len()), (1, 1, 3));
    let _ = store.read_range(..).await.unwrap();
    let _ = store.read_entries(&page.entries).await.unwrap();
    let _ = store.poll(&Offset::START).await.unwrap();
    assert_eq!(store.read_all().await.unwrap_err().kind(), ErrorKind::Vanished);
    let collected = meter.collect();
    assert_eq!(
        collected.moved("s3store.read.missing_data"),
        ["method=poll_records → 1", "method=read_entries_iter → 1", "method=read_range_iter → 1"]
    );
    assert_eq!(
        collected.moved("s3store.read.malformed_refs"),
        ["method=poll → 3"],
        "as in Go, the polls within other methods count as polls"
    );
    assert_eq!(read(&collected, "poll_records")[0], (1, 2.0), "a missing file was visited too");
}

/// A file that is skipped counts once in each call, although it was downloaded twice.
#[tokio::test(start_paused = true)]
async fn files_that_do_not_decode_are_counted_by_method() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    let commits = store.write(&Event::of(&["a", "b"], 3)).await.unwrap();
    world.s3.put_object(BUCKET, &commits[0].data_path, "no parquet");
    sleep(Duration::from_secs(60)).await;
    let name = "s3store.read.undecodable_data";

    store.poll_records(&Offset::START).await.unwrap_err();
    store.read_range(..).await.unwrap_err();
    assert_eq!(meter.collect().moved(name), [""; 0], "nothing was skipped");
    let page = store.poll_records(&Offset::START).skip_undecodable().await.unwrap();
    assert_eq!((page.missing, page.skipped.len(), page.records.len()), (0, 1, 3));
    let collected = meter.collect();
    assert_eq!(collected.moved(name), ["method=poll_records → 1"]);
    // Those of the failed poll too.
    let twice = 2.0 * 2.0;
    let [files, _, records, partitions] = read(&collected, "poll_records");
    assert_eq!((files, records, partitions), ((2, twice), (1, 3.0), (1, 2.0)));

    let mut pages = store.follow(&Offset::START).skip_undecodable().records();
    assert_eq!(pages.next_page().await.unwrap().skipped.len(), 1);
    let entries = store.read_entries(&page.entries).skip_undecodable(|_| ()).stream();
    assert_eq!(entries.try_collect::<Vec<_>>().await.unwrap().len(), 3);
    store.read_range(..).skip_undecodable(|_| ()).batches().try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(
        meter.collect().moved(name),
        ["method=poll_records → 2", "method=read_entries_iter → 1", "method=read_range_batches → 1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_backfill_counts_files_and_skips_missing_ones() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let dataset = measured(&world, &meter).await;
    let store = dataset.store::<Event>();
    let commits = store.write(&Event::of(&["a", "b"], 3)).await.unwrap();
    let gone = commits[0].data_path.clone();
    let client = world.s3.client();
    world.s3.inject(Fault::on(Operation::Get).times(1).call_before(move |_| {
        let (client, gone) = (client.clone(), gone.clone());
        async move { drop(client.delete_object().bucket(BUCKET).key(gone).send().await.unwrap()) }
    }));
    let done = dataset.view::<Parts>().backfill("*").await.unwrap();
    assert_eq!((done.files, done.missing), (1, 1));
    let collected = meter.collect();
    assert_eq!(collected.moved("s3store.read.missing_data"), ["method=backfill → 1"]);
    let [files, _, records, partitions] = read(&collected, "backfill");
    assert_eq!((files, records, partitions), ((1, 2.0), (1, 3.0), (0, 0.0)));
}

#[tokio::test(start_paused = true)]
async fn heads_of_commits_are_counted_by_method() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let dataset = measured(&world, &meter).await;
    let store = dataset.store::<Event>();
    let records = Event::of(&["a"], 1);
    let commit = store.write_partition("part=a", &records).token("t").await.unwrap().unwrap();
    // Two more refs of the same commit, and a commit with another token.
    store.dataset().restamp(&commit).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    store.dataset().restamp(&commit).await.unwrap();
    store.write(&records).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    store.lookup_commit("part=a", "t").await.unwrap();
    store.poll(&Offset::START).await.unwrap();
    store.poll_range(..).await.unwrap();
    store.poll_records(&Offset::START).await.unwrap();
    let _ = store.read_range(..).await.unwrap();
    store.read_all().await.unwrap();
    dataset.doctor(..).without_record_counts().await.unwrap();
    let collected = meter.collect();
    let refs = world.keys_with("_ref/").len() as f64;
    assert_eq!(
        collected.moved("s3store.read.commit_head"),
        ["method=doctor → 2", "method=lookup_commit → 1", "method=poll → 8", "method=read → 1"],
        "a snapshot asks for each commit with a caller's token"
    );
    assert_eq!(
        collected.moved("s3store.read.commit_head_cache_hit"),
        [format!("method=poll → {}", 4.0 * (refs - 2.0))]
    );
    // The second snapshot asks for both tokens.
    store.write(&records).token("u").await.unwrap();
    store.read_all().await.unwrap();
    assert_eq!(meter.collect().sum("s3store.read.commit_head", &[("s3store.method", "read")]), 3.0);
}

const SLOT_WAIT: &str = "s3store.read.iter.body_slot.wait.duration";
const SLOT_EXHAUSTED: &str = "s3store.read.iter.body_slot.exhausted";
const BYTES_WAIT: &str = "s3store.read.iter.byte_budget.wait.duration";
const BYTES_EXHAUSTED: &str = "s3store.read.iter.byte_budget.exhausted";

#[tokio::test(start_paused = true)]
async fn a_read_waits_for_a_slow_consumer() {
    // Without read-ahead, each partition waits until the previous one is consumed. With enough read-ahead, none waits.
    for (ahead, waits) in [(0, true), (10, false)] {
        let (world, meter) = (Virtual::new(), Meter::new());
        let store = measured(&world, &meter).await.store::<Event>();
        store.write(&Event::of(&["a", "b", "c", "d"], 1)).await.unwrap();
        let mut partitions = store.read_all().read_ahead_partitions(ahead).partitions();
        let mut rows = 0;
        while let Some(partition) = partitions.try_next().await.unwrap() {
            rows += partition.records.len();
            sleep(Duration::from_secs(2)).await;
        }
        assert_eq!(rows, 4);
        let collected = meter.collect();
        assert_eq!(collected.sum(SLOT_EXHAUSTED, &[]) > 0.0, waits, "{ahead}");
        assert_eq!(collected.count(SLOT_WAIT, &[]) as f64, collected.sum(SLOT_EXHAUSTED, &[]), "{ahead}");
        assert_eq!(collected.sum(SLOT_WAIT, &[]) >= 2.0, waits, "{ahead}");
        assert_eq!(collected.sum(BYTES_EXHAUSTED, &[]), 0.0, "{ahead}");
        assert_eq!(collected.count("s3store.read.iter.partition.decode.duration", &[]), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_for_memory() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    store.write(&Event::of(&["a", "b", "c"], 1)).await.unwrap();
    // Each partition takes the whole memory budget.
    let mut records = store.read_all().read_ahead_bytes(1).read_ahead_partitions(10).stream();
    while records.try_next().await.unwrap().is_some() {
        sleep(Duration::from_secs(1)).await;
    }
    let collected = meter.collect();
    assert!(collected.sum(BYTES_EXHAUSTED, &[]) >= 2.0);
    assert_eq!(collected.count(BYTES_WAIT, &[]) as f64, collected.sum(BYTES_EXHAUSTED, &[]));
    assert!(collected.sum(BYTES_WAIT, &[]) >= 1.0);
    assert_eq!(collected.sum(SLOT_EXHAUSTED, &[]), 0.0);
}

#[tokio::test(start_paused = true)]
async fn the_decode_duration_excludes_waits() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    store.write(&Event::of(&["a"], 100_000)).await.unwrap();
    let mut records = store.read_all().stream();
    while records.try_next().await.unwrap().is_some() {}
    let before = meter.collect().sum("s3store.read.iter.partition.decode.duration", &[]);
    let mut records = store.read_all().stream();
    records.try_next().await.unwrap().unwrap();
    sleep(Duration::from_secs(40)).await;
    while records.try_next().await.unwrap().is_some() {}
    let collected = meter.collect();
    assert_eq!(collected.count("s3store.read.iter.partition.decode.duration", &[]), 2);
    assert!(collected.sum("s3store.read.iter.partition.decode.duration", &[]) - before < 30.0);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_read_is_counted_at_each_check() {
    const STALLS: &str = "s3store.read.iter.stall.count";
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    store.write(&Event::of(&["a", "b"], 1)).await.unwrap();
    // Three tries of 30 s each get no response.
    world.s3.inject(Fault::on(Operation::Get).key_contains("part=b").times(3).hang());
    let mut records = store.read_all().stream();
    records.try_next().await.unwrap().unwrap();
    assert!(within(Duration::from_secs(55), records.try_next()).await.is_none());
    assert_eq!(meter.collect().sum(STALLS, &[]), 0.0);
    assert!(within(Duration::from_secs(30), records.try_next()).await.is_none());
    assert_eq!(meter.collect().moved(STALLS), ["method=read_iter → 1"]);
    // A stall does not stop the read.
    records.try_next().await.unwrap().unwrap();
    assert!(records.try_next().await.unwrap().is_none());
    assert!(meter.collect().sum(STALLS, &[]) <= 2.0);

    // A consumer that stops polling also stalls a read. A read that makes progress is not stalled.
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    store.write(&Event::in_partitions(20, 1)).await.unwrap();
    let mut records = store.read_all().stream();
    for _ in 0..10 {
        records.try_next().await.unwrap().unwrap();
        sleep(Duration::from_secs(25)).await;
    }
    assert_eq!(meter.collect().sum(STALLS, &[]), 0.0);
    sleep(Duration::from_secs(125)).await;
    assert!((2.0..=4.0).contains(&meter.collect().sum(STALLS, &[])), "{:?}", meter.collect().moved(STALLS));
}
