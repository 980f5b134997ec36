//! The streaming writer: any number of records within a fixed memory, committed at each flush.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{FutureExt, StreamExt, stream};
use proptest::prelude::*;
use s3store::testing::{Fault, FaultBuilder, Meanwhile, Operation};
use s3store::write::{RetryPolicy, Writer, WriterBuilder};
use s3store::{Commit, ErrorKind, Record, Store, WriteError};

use crate::integration::harness::{BUCKET, MakeFault, Server, Virtual, at, draws, put, sleep};
use crate::integration::records::{Event, Parts, Wide};

/// A record with an entity key, text that does not compress, nested values and an insertion time.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Row {
    #[record(entity)]
    part: String,
    #[record(entity)]
    name: String,
    #[record(version)]
    version: i64,
    text: Option<String>,
    tags: Vec<String>,
    #[record(inserted_at)]
    inserted_at: Option<DateTime<Utc>>,
}

impl Row {
    /// Returns rows in a random order. `width` is the size of their text.
    fn random(seed: u64, rows: usize, parts: u64, width: usize) -> Vec<Self> {
        let mut draw = draws(seed);
        let row = |_| {
            let text =
                |draw: &mut dyn FnMut(u64) -> i64| (0..width / 8).map(|_| format!("{:08x}", draw(1 << 31))).collect();
            Self {
                part: format!("p{:02}", draw(parts)),
                name: format!("name {}", draw(rows as u64 / 4 + 1)),
                version: draw(50),
                text: (draw(10) > 0).then(|| text(&mut draw)),
                tags: (0..draw(3)).map(|tag| format!("tag {tag}")).collect(),
                inserted_at: None,
            }
        };
        (0..rows).map(row).collect()
    }
}

/// Returns the bodies of all data files, by partition.
fn bodies(world: &Virtual) -> BTreeMap<String, Vec<Bytes>> {
    let mut bodies = BTreeMap::<_, Vec<_>>::new();
    for key in world.keys_with(".parquet") {
        let partition = key.split('/').find(|part| part.starts_with("part=")).unwrap().to_owned();
        bodies.entry(partition).or_default().push(world.s3.object(BUCKET, &key).unwrap().body);
    }
    bodies
}

/// Returns the rows of each partition in the order of its file.
async fn history<T: Record + Clone>(store: &Store<T>) -> Vec<T> {
    store.read_all().history().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_flush_makes_the_files_that_a_write_makes() {
    for memory in [u64::MAX, 256 << 20] {
        let (one, other) = (Virtual::new(), Virtual::new());
        let rows = Row::random(1, 20_000, 3, 32);
        let store = one.dataset().await.store::<Row>();
        let mut writer = store.writer().inserted_at(at(7)).memory_bytes(memory).start().unwrap();
        assert_eq!(writer.write_all(rows.clone()).await.unwrap(), []);
        assert_eq!(writer.uncommitted(), 20_000);
        let streamed = writer.flush().await.unwrap();
        assert_eq!((writer.uncommitted(), writer.flush().await.unwrap()), (0, Vec::new()));
        let written = other.dataset().await.store::<Row>().write(&rows).inserted_at(at(7)).await.unwrap();
        let summary = |commits: &[Commit]| -> Vec<_> {
            commits.iter().map(|commit| (commit.partition.clone(), commit.record_count, commit.inserted_at)).collect()
        };
        assert_eq!(summary(&streamed), summary(&written));
        assert!(bodies(&one) == bodies(&other), "other bytes");
    }
}

/// The sizes of random runs.
fn arb_run() -> impl Strategy<Value = (u64, usize, u64, usize, u64, Option<u64>)> {
    let memory = prop_oneof![Just(1_u64 << 20), Just(4 << 20), Just(64 << 20)];
    (any::<u64>(), 0_usize..12_000, 1_u64..40, 0_usize..600, memory, prop::option::of(500_u64..9_000))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    /// Whatever the memory and the flushes, readers get the records of one write of them.
    #[test]
    fn any_memory_stores_the_records_of_a_write((seed, rows, parts, width, memory, flush) in arb_run()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (one, other) = (Virtual::new(), Virtual::new());
            let rows = Row::random(seed, rows, parts, width);
            let (store, plain) = (one.dataset().await.store::<Row>(), other.dataset().await.store::<Row>());
            let builder = store.writer().inserted_at(at(7)).memory_bytes(memory).part_bytes(100 << 10);
            one.s3.set_min_part_size(1);
            let builder = match flush {
                Some(records) => builder.flush_records(records),
                None => builder,
            };
            let mut writer = builder.start().unwrap();
            let mut commits = writer.write_all(rows.clone()).await.unwrap();
            let flushed = flush.map_or(0, |records| rows.len() as u64 / records * records);
            prop_assert_eq!(commits.iter().map(|commit| commit.record_count).sum::<u64>(), flushed);
            commits.extend(writer.flush().await.unwrap());
            prop_assert_eq!(commits.iter().map(|commit| commit.record_count).sum::<u64>(), rows.len() as u64);
            plain.write(&rows).inserted_at(at(7)).await.unwrap();
            prop_assert_eq!(history(&store).await, history(&plain).await);
            prop_assert_eq!(store.read_all().await.unwrap(), plain.read_all().await.unwrap());
            // Each file is sorted, so that a read does not sort it again.
            for commit in &commits {
                let file = one.s3.object(BUCKET, &commit.data_path).unwrap().body;
                let rows = s3store::testing::read_file::<Row>(file).unwrap();
                prop_assert!(rows.is_sorted_by_key(|row| (row.name.clone(), row.version)), "{:?}", commit.partition);
            }
            prop_assert_eq!(one.s3.uploads(BUCKET), Vec::<String>::new());
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn records_without_a_key_keep_their_order_although_they_were_in_local_files() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Wide>();
    let mut rows: Vec<_> = ["a", "b"].iter().flat_map(|part| Wide::random(part, 2_000, 1_500)).collect();
    // Alternating partitions.
    rows.sort_by_key(|row| row.blob.clone());
    let mut writer = store.writer().memory_bytes(1 << 20).start().unwrap();
    writer.write_all(rows.clone()).await.unwrap();
    writer.flush().await.unwrap();
    rows.sort_by(|a, b| a.part.cmp(&b.part));
    let read = store.read_all().await.unwrap();
    let key = |rows: Vec<Wide>| rows.into_iter().map(|row| (row.part, row.blob)).collect::<Vec<_>>();
    assert!(key(read) == key(rows));
}

#[tokio::test(start_paused = true)]
async fn large_files_are_put_in_parts_and_small_ones_are_not() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Wide>();
    let mut writer = store.writer().start().unwrap();
    let rows = [Wide::random("large", 900, 50_000), Wide::random("small", 100, 50_000)].concat();
    writer.write_all(rows.clone()).await.unwrap();
    world.s3.clear_requests();
    let commits = writer.flush().await.unwrap();
    assert_eq!(commits.len(), 2);
    let counts = [Operation::CreateUpload, Operation::UploadPart, Operation::CompleteUpload, Operation::Put];
    // 45 MB in parts of 16 MiB. Two commits, two refs, and the small file.
    assert_eq!(counts.map(|operation| world.count(operation)), [1, 3, 1, 5]);
    assert_eq!(world.count(Operation::Head), 0);
    assert_eq!(store.read_all().await.unwrap().len(), 1_000);
    assert!(world.s3.uploads(BUCKET).is_empty());
}

#[tokio::test]
async fn a_large_file_arrives_whole_on_any_server() {
    let server = Server::start().await;
    let store = server.dataset().await.store::<Wide>();
    let rows = Wide::random("large", 400, 100_000);
    let mut writer = store.writer().start().unwrap();
    writer.write_all(rows.clone()).await.unwrap();
    // 40 MB in parts of 16 MiB.
    assert_eq!(writer.flush().await.unwrap().len(), 1);
    let read = store.read_all().await.unwrap();
    assert!(read.iter().map(|row| &row.blob).eq(rows.iter().map(|row| &row.blob)));
}

#[tokio::test(start_paused = true)]
async fn limits_flush_at_records_bytes_and_age() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let counts = |commits: Vec<Commit>| commits.iter().map(|commit| commit.record_count).collect::<Vec<_>>();

    let mut writer = store.writer().flush_records(1_000).start().unwrap();
    let mut flushed = Vec::new();
    for id in 0..2_500 {
        let commits = writer.write(Event::new("a", id)).await.unwrap();
        assert_eq!(commits.is_empty(), id % 1_000 != 999, "{id}");
        flushed.extend(counts(commits));
    }
    assert_eq!((flushed, counts(writer.flush().await.unwrap())), (vec![1_000, 1_000], vec![500]));

    let mut writer = store.writer().flush_bytes(200_000).start().unwrap();
    let flushed = counts(writer.write_all((0..100_000).map(|id| Event::new("b", id))).await.unwrap());
    assert!(flushed.len() > 5, "{flushed:?}");
    let rest = counts(writer.flush().await.unwrap());
    assert_eq!(flushed.iter().chain(&rest).sum::<u64>(), 100_000);

    let mut writer = store.writer().flush_age(Duration::from_secs(10)).start().unwrap();
    assert!(writer.write(Event::new("c", 1)).await.unwrap().is_empty());
    sleep(Duration::from_secs(9)).await;
    assert!(writer.write(Event::new("c", 2)).await.unwrap().is_empty());
    assert!(writer.due().now_or_never().is_none());
    writer.due().await;
    assert_eq!(counts(writer.write(Event::new("c", 3)).await.unwrap()), [3]);
    // Without a record, nothing is due.
    sleep(Duration::from_secs(100)).await;
    assert!(writer.due().now_or_never().is_none());
    assert!(writer.write(Event::new("c", 4)).await.unwrap().is_empty());
    assert_eq!(counts(writer.flush().await.unwrap()), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_flushed_by_age_while_it_has_no_record() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let slow = stream::iter(1..=4).then(|id| async move {
        sleep(Duration::from_secs(if id == 3 { 3_600 } else { 1 })).await;
        Event::new("a", id)
    });
    let mut slow = Box::pin(slow);
    let mut writer = store.writer().flush_age(Duration::from_secs(60)).start().unwrap();
    let (commits, took) = world.timed(writer.write_from(&mut slow)).await;
    assert_eq!(commits.unwrap().unwrap()[0].record_count, 2);
    assert!((Duration::from_secs(60)..Duration::from_secs(63)).contains(&took), "{took:?}");
    assert!(writer.write_from(&mut slow).await.unwrap().is_none());
    assert_eq!(writer.flush().await.unwrap()[0].record_count, 2);
    let ids: Vec<_> = store.read_all().await.unwrap().into_iter().map(|event| event.id).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn without_local_files_a_full_memory_flushes() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Row>();
    let rows = Row::random(5, 20_000, 3, 64);
    let mut writer = store.writer().memory_bytes(1 << 20).without_spilling().start().unwrap();
    let commits = writer.write_all(rows.clone()).await.unwrap();
    assert!(commits.len() > 6, "{}", commits.len());
    writer.flush().await.unwrap();
    assert_eq!(history(&store).await.len(), {
        let mut keys: Vec<_> = rows.iter().map(|row| (&row.part, &row.name, row.version)).collect();
        keys.sort();
        keys.dedup();
        keys.len()
    });
}

#[tokio::test(start_paused = true)]
async fn a_record_that_does_not_fit_is_named_and_left_out() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let mut writer = store.writer().start().unwrap();
    let (mut errors, mut bad) = (Vec::new(), Vec::new());
    for id in 0..1_000 {
        let part = if [3, 64, 65, 700].contains(&id) { "" } else { "a" };
        if part.is_empty() {
            bad.push(id);
        }
        if let Err(error) = writer.write(Event::new(part, id)).await {
            errors.push(error);
        }
    }
    let mut commits = Vec::new();
    while writer.uncommitted() > 0 {
        match writer.flush().await {
            Ok(more) => commits.extend(more),
            Err(error) => errors.push(error),
        }
    }
    assert_eq!(errors.len(), bad.len());
    for (error, id) in errors.iter().zip(&bad) {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&format!("row {id}")), "{error}");
    }
    assert_eq!(commits.iter().map(|commit| commit.record_count).sum::<u64>(), 996);
    let ids: Vec<_> = store.read_all().await.unwrap().into_iter().map(|event| event.id).collect();
    assert_eq!(ids, (0..1_000).filter(|id| !bad.contains(id)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn views_have_a_marker_for_each_tuple() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>().add_view::<Parts>().unwrap();
    let mut writer = store.writer().start().unwrap();
    writer.write_all(Event::in_partitions(20, 50)).await.unwrap();
    world.s3.clear_requests();
    writer.flush().await.unwrap();
    // A marker, a file, a ref and a commit each.
    assert_eq!(world.counts(), [80, 0, 0, 0]);
    assert_eq!(dataset.view::<Parts>().lookup("part=*").await.unwrap().len(), 20);
}

/// Runs a writer over records of three flushes.
async fn run(builder: WriterBuilder<Event>, records: &[Event]) -> Result<Vec<Commit>, WriteError> {
    let mut writer = builder.flush_records(10).start().unwrap();
    let mut commits = writer.write_all(records.to_vec()).await?;
    commits.extend(writer.flush().await?);
    Ok(commits)
}

#[tokio::test(start_paused = true)]
async fn a_run_with_a_token_can_be_repeated() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let records = Event::of(&["a", "b"], 12);
    let first = run(store.writer().token("load"), &records).await.unwrap();
    let tokens: Vec<_> = first.iter().map(|commit| (commit.token.as_str(), commit.partition.as_str())).collect();
    let (a, b) = ("part=a", "part=b");
    assert_eq!(tokens, [("load.00000001", a), ("load.00000002", a), ("load.00000002", b), ("load.00000003", b)]);
    world.s3.clear_requests();
    let again = run(store.writer().token("load"), &records).await.unwrap();
    assert_eq!(again, first);
    assert!(again.iter().all(|commit| commit.replayed));
    assert_eq!(world.counts(), [0, 4, 0, 0]);
    assert_eq!(store.read_all().await.unwrap().len(), 24);

    let mut other = records.clone();
    other[3].id = 77;
    let error = run(store.writer().token("load"), &other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenReused, "{error}");
    assert_eq!(store.read_all().await.unwrap().len(), 24);
    // Another run without a token is another run.
    run(store.writer(), &records).await.unwrap();
    assert_eq!(store.read_all().await.unwrap().len(), 48);
}

#[tokio::test(start_paused = true)]
async fn a_run_has_the_same_flushes_whatever_failed_meanwhile() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let records = Event::of(&["a"], 47);
    // Each request fails in this many calls in a row, while the records go on.
    for failures in [1, 5, 12, 30] {
        let token = format!("run-{failures}");
        let mut writer = store.writer().token(&token).flush_records(10).start().unwrap();
        world.s3.inject(put(".parquet").times(5 * failures).fail(503, "SlowDown"));
        let (mut errors, mut commits) = (0, Vec::new());
        for record in records.clone() {
            match writer.write(record).await {
                Ok(more) => {
                    assert!(more.is_empty() || writer.uncommitted() == 0, "not all records are durable");
                    commits.extend(more);
                }
                Err(error) => {
                    errors += 1;
                    commits.extend(error.committed);
                }
            }
        }
        assert_eq!(errors, failures);
        commits.extend(writer.flush().await.unwrap());
        let flushed: Vec<_> = commits.iter().map(|commit| (commit.token.clone(), commit.record_count)).collect();
        let flush = |number, records| (format!("{token}.{number:08}"), records);
        assert_eq!(flushed, [flush(1, 10), flush(2, 10), flush(3, 10), flush(4, 10), flush(5, 7)], "{failures}");
        let again = run(store.writer().token(&token), &records).await.unwrap();
        assert_eq!(again, commits);
    }
    let ids: Vec<_> = store.read_all().await.unwrap().into_iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 4 * 47);
}

#[tokio::test(start_paused = true)]
async fn files_are_read_in_the_order_of_the_flushes() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let mut writer = store.writer().flush_records(2).start().unwrap();
    writer.write_all((0..250).map(|id| Event::new("a", id))).await.unwrap();
    let ids: Vec<_> = store.read_all().await.unwrap().into_iter().map(|event| event.id).collect();
    assert_eq!(ids, (0..250).collect::<Vec<_>>());
}

#[tokio::test]
async fn settings_that_would_make_a_run_unrepeatable_are_refused() {
    let world = Virtual::new();
    let writer = || async { world.dataset().await.store::<Event>().writer().token("t") };
    let cases: [fn(WriterBuilder<Event>) -> WriterBuilder<Event>; 4] = [
        |writer| writer.flush_bytes(7),
        |writer| writer.flush_age(Duration::from_secs(1)),
        WriterBuilder::without_spilling,
        |writer| writer.token("a b"),
    ];
    for case in cases {
        let error = case(writer().await).start().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    writer().await.token("t".repeat(191)).start().unwrap();
    writer().await.token("t".repeat(192)).start().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn records_stay_in_memory_if_a_local_file_cannot_be_written() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Row>();
    let rows = Row::random(9, 5_000, 2, 200);
    let mut writer = store.writer().memory_bytes(1 << 20).spill_directory("/does/not/exist").start().unwrap();
    let (mut rest, mut errors) = (rows.clone().into_iter(), 0);
    loop {
        match writer.write_all(rest.by_ref()).await {
            Ok(commits) => break assert!(commits.is_empty()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                errors += 1;
            }
        }
    }
    assert!(errors > 0);
    assert_eq!(writer.flush().await.unwrap().iter().map(|commit| commit.record_count).sum::<u64>(), 5_000);
}

/// A writer of large files with two partitions, which were written and are not flushed.
async fn full(builder: WriterBuilder<Wide>) -> Writer<Wide> {
    let mut writer = builder.part_bytes(4_000).start().unwrap();
    writer.write_all([Wide::random("a", 6, 2_000), Wide::random("b", 3, 1_000)].concat()).await.unwrap();
    writer
}

/// Fails unless each record exists once, and nothing is left of an upload.
async fn check_once(world: &Virtual, store: &Store<Wide>, case: &str, knows_uploads: bool) {
    let mut sizes: Vec<_> = store.read_all().await.unwrap().iter().map(|row| row.blob.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1_000, 1_000, 1_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000], "{case}");
    store.dataset().drain().await;
    assert!(!knows_uploads || world.s3.uploads(BUCKET).is_empty(), "{case}");
}

/// Every request of a flush.
const REQUESTS: [(Operation, &str); 6] = [
    (Operation::CreateUpload, ".parquet"),
    (Operation::UploadPart, ".parquet"),
    (Operation::CompleteUpload, ".parquet"),
    (Operation::Put, ".parquet"),
    (Operation::Put, ".ref"),
    (Operation::Put, ".commit"),
];

#[tokio::test(start_paused = true)]
async fn a_flush_that_failed_anywhere_is_repeated_without_loss_and_without_a_second_copy() {
    let faults: [(&str, MakeFault); 6] = [
        ("refused", |fault| fault.fail(403, "AccessDenied")),
        ("busy", |fault| fault.fail(503, "SlowDown")),
        ("applied, but failed", |fault| fault.fail_applied(500, "InternalError")),
        ("dropped", FaultBuilder::drop_connection),
        ("applied, but dropped", FaultBuilder::drop_connection_applied),
        ("silent", FaultBuilder::hang),
    ];
    let (mut failed, mut cases) = (0, 0);
    for (operation, suffix) in REQUESTS {
        for (name, fault) in faults {
            for times in [1, 5, 12] {
                for skip in [0, 1] {
                    for retry in [false, true] {
                        let case = format!("{operation:?} {suffix} {name} {times} times after {skip}, retry {retry}");
                        let world = Virtual::new();
                        world.s3.set_min_part_size(1);
                        let store = world.dataset().await.store::<Wide>();
                        let builder = store.writer();
                        let builder = if retry { builder.retry(RetryPolicy::default()) } else { builder };
                        let mut writer = full(builder).await;
                        let target = Fault::on(operation).key_ends_with(suffix);
                        world.s3.inject(fault(target.skip(skip).times(times)));
                        let mut commits = Vec::new();
                        for _ in 0..20 {
                            match writer.flush().await {
                                Ok(more) => {
                                    commits.extend(more);
                                    break;
                                }
                                Err(error) => {
                                    failed += 1;
                                    commits.extend(error.committed);
                                    commits.extend(error.late);
                                }
                            }
                        }
                        commits.sort_by(|a, b| a.partition.cmp(&b.partition));
                        let counts: Vec<_> = commits.iter().map(|commit| commit.record_count).collect();
                        assert_eq!(counts, [6, 3], "{case}");
                        assert_eq!(writer.uncommitted(), 0, "{case}");
                        // Nobody knows the id of an upload whose creation got no answer.
                        let knows_uploads = operation != Operation::CreateUpload || !name.starts_with("applied");
                        check_once(&world, &store, &case, knows_uploads).await;
                        cases += 1;
                    }
                }
            }
        }
    }
    println!("{cases} cases, {failed} flushes failed");
    assert!(failed > 200, "{failed}");
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_is_dropped_anywhere_is_repeated_without_loss_and_without_a_second_copy() {
    let mut dropped = 0;
    for (operation, suffix) in REQUESTS {
        for skip in 0..4 {
            for drained in [false, true] {
                let case = format!("{operation:?} {suffix} after {skip}, drained: {drained}");
                let world = Virtual::new();
                world.s3.set_min_part_size(1);
                let store = world.dataset().await.store::<Wide>();
                let mut writer = full(store.writer()).await;
                let target = Fault::on(operation).key_ends_with(suffix);
                world.s3.inject(target.skip(skip).delay_answer(Duration::from_millis(800)));
                tokio::select! {
                    _ = writer.flush() => {}
                    () = sleep(Duration::from_millis(400)) => dropped += 1,
                }
                if drained {
                    store.dataset().drain().await;
                }
                // Records that come meanwhile belong to the next flush.
                let commits = writer.flush().await.unwrap();
                assert!(commits.len() <= 2, "{case}");
                assert_eq!(writer.uncommitted(), 0, "{case}");
                check_once(&world, &store, &case, true).await;
            }
        }
    }
    assert!(dropped >= 20, "{dropped}");
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_is_dropped_aborts_its_upload() {
    let world = Virtual::new();
    world.s3.set_min_part_size(1);
    let store = world.dataset().await.store::<Wide>();
    let mut writer = full(store.writer()).await;
    world.s3.inject(Fault::on(Operation::UploadPart).skip(2).hang());
    tokio::select! {
        _ = writer.flush() => panic!("it ended"),
        () = sleep(Duration::from_secs(1)) => {}
    }
    assert_eq!(world.s3.uploads(BUCKET).len(), 1);
    drop(writer);
    store.dataset().drain().await;
    assert_eq!(world.s3.uploads(BUCKET), Vec::<String>::new());
    assert!(world.count(Operation::AbortUpload) == 1);
    assert!(store.read("part=a").await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_lands_late_is_found_by_the_next_flush() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let mut writer = store.writer().start().unwrap();
    writer.write_all(Event::of(&["a"], 3)).await.unwrap();
    world.s3.inject(put(".commit").times(5).apply_late(Meanwhile::Error(500, "InternalError".into())));
    world.s3.inject(Fault::on(Operation::Head).times(5).fail(500, "InternalError"));
    let error = writer.flush().await.unwrap_err();
    assert_eq!((error.kind(), error.unknown.len()), (ErrorKind::UnknownOutcome, 1), "{error}");
    world.s3.land_late().await;
    // The next call finishes that flush, and not more. It returns no commits, because its own record is not durable.
    assert_eq!(writer.write(Event::new("a", 4)).await.unwrap(), []);
    assert_eq!(writer.uncommitted(), 1);
    let commits = writer.flush().await.unwrap();
    assert_eq!(commits.iter().map(|commit| commit.record_count).collect::<Vec<_>>(), [3, 1]);
    let ids: Vec<_> = store.read_all().await.unwrap().into_iter().map(|event| event.id).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn few_permits_are_enough() {
    for permits in [1, 2, 3] {
        let world = Virtual::new();
        world.s3.set_min_part_size(1);
        let options = world.options().max_inflight_requests(permits);
        let store = world.dataset_with(options).await.store::<Wide>();
        let mut writer = store.writer().memory_bytes(1 << 20).part_bytes(50_000).start().unwrap();
        for part in ["a", "b", "c", "d"] {
            writer.write_all(Wide::random(part, 100, 5_000)).await.unwrap();
        }
        assert_eq!(writer.flush().await.unwrap().len(), 4);
        assert_eq!(store.read_all().await.unwrap().len(), 400);
    }
}
