//! The scan engine on the in-process S3, without a network.
//!
//! ```text
//! cargo bench -p benches --bench engine --features mimalloc -- threads
//! ```
//!
//! | argument | what it shows |
//! |---|---|
//! | `threads` | the time to decode the same data with one thread and with two |
//! | `lookup` | what a filter that matches one row of 10 million fetches, and `read_entity` of random ids with Bloom filters and without |
//! | `files` | the time and the memory for each of 1, 10 and 100 thousand files |
//! | `thresholds` | whole files against parts of them, at 1, 20 and 100 ms a request, in virtual time |

use std::env;
use std::num::NonZero;
use std::time::{Duration, Instant};

use benches::{Keyed, Plain};
use futures_util::TryStreamExt as _;
use s3store::read::{FileAccess, Read};
use s3store::testing::{Fault, Operation, Request, S3, ServerTime};
use s3store::{Clock, Dataset, Record, RootRecord, Store};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BUCKET: &str = "bench";

/// How often a piece of work is repeated, in turns with the one it is compared with.
const ROUNDS: usize = 7;

/// A record with random entities and a Bloom filter of them.
#[derive(Debug, Clone, Record)]
#[record(partition_by(part), dedup = "per_partition")]
struct Filtered {
    part: String,
    #[record(entity, bloom)]
    id: String,
    #[record(version)]
    version: i64,
    text: String,
}

/// The same without a Bloom filter.
#[derive(Debug, Clone, Record)]
#[record(partition_by(part), dedup = "per_partition")]
struct Unfiltered {
    part: String,
    #[record(entity)]
    id: String,
    #[record(version)]
    version: i64,
    text: String,
}

/// A record of a small file.
#[derive(Debug, Clone, Record)]
#[record(partition_by(part))]
struct Small {
    part: String,
    number: i64,
}

/// A record of which half of the bytes are in one column.
#[derive(Debug, Clone, Record)]
#[record(partition_by(part))]
struct Wide {
    part: String,
    narrow: i64,
    half: Vec<u8>,
    rest: Vec<u8>,
}

#[derive(Debug, Clone, Record)]
#[record(projection_of = Wide)]
struct Narrow {
    narrow: i64,
}

#[derive(Debug, Clone, Record)]
#[record(projection_of = Wide)]
struct Half {
    half: Vec<u8>,
}

fn main() {
    let command = env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    if command == "thresholds" {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        return runtime.expect("a runtime").block_on(thresholds());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match command.as_str() {
            "threads" => threads().await,
            "lookup" => lookup().await,
            "files" => files().await,
            _ => println!("an argument is missing, see benches/engine.rs"),
        }
    });
}

async fn store<T: RootRecord>(s3: &S3, prefix: &str) -> Store<T> {
    Dataset::init(s3.client(), BUCKET, prefix).await.expect("a dataset").into_dataset().store()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let began = Instant::now();
    let result = work.await;
    (began.elapsed(), result)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// Reads files as a whole, and by ranges, from a server on which a request takes a time of its own, and a connection transfers
/// 60 MB a second. Decoding takes no virtual time.
#[expect(clippy::disallowed_methods, reason = "the server's delays, and the time of the reads")]
async fn thresholds() {
    const BYTES_PER_SECOND: f64 = 60e6;
    println!("{:>6} {:>9} {:>6} {:>8} {:>13} {:>13}", "ms", "KiB", "files", "whole", "narrow/whole", "half/whole");
    for (millis, kib, files) in [1u64, 20, 100].into_iter().flat_map(|millis| {
        [600usize, 1_024, 2_048, 4_096].into_iter().flat_map(move |kib| [1u32, 64].map(|files| (millis, kib, files)))
    }) {
        let (s3, clock) = (S3::with_bucket(BUCKET), Clock::virtual_time());
        s3.set_time(ServerTime::Tokio(clock.now()));
        let options = || Dataset::options().clock(clock.clone());
        let dataset = options().init(s3.client(), BUCKET, "wide").await.expect("a dataset").into_dataset();
        let store = dataset.store::<Wide>();
        for file in 0..files {
            let bytes = |row: u64| {
                let mut state = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                let byte = |_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    (state >> 32) as u8
                };
                (0..kib).map(byte).collect()
            };
            let record = |row: u64| Wide { part: format!("{file:03}"), narrow: 1, half: bytes(row), rest: bytes(!row) };
            // Half a KiB for each KiB of the file, in each of both columns.
            store.write(&(1..=512).map(record).collect::<Vec<_>>()).await.expect("a commit");
        }
        let size = kib as f64 * 1_024.0;
        s3.inject(Fault::any().always().call_before(move |request| {
            let bytes = request.range().map_or(size, |range| {
                let ends = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).expect("a range");
                ends.1.parse::<f64>().expect("a number") - ends.0.parse::<f64>().expect("a number")
            });
            let transfer = if request.operation == Operation::Get { bytes / BYTES_PER_SECOND } else { 0.0 };
            tokio::time::sleep(Duration::from_millis(millis) + Duration::from_secs_f64(transfer))
        }));
        let mut times = Vec::new();
        for form in ["whole", "narrow", "half"] {
            let dataset = options().open(s3.client(), BUCKET, "wide").await.expect("a dataset");
            let _warm = dataset.store::<Wide>().read("part=none").await.expect("records");
            let began = tokio::time::Instant::now();
            match form {
                "whole" => drop(dataset.store::<Wide>().read_all().await.expect("records")),
                "narrow" => drop(dataset.store::<Narrow>().read_all().await.expect("records")),
                _ => drop(dataset.store::<Half>().read_all().await.expect("records")),
            }
            times.push(began.elapsed().as_secs_f64());
        }
        let [whole, narrow, half] = times[..] else { return };
        let (narrow, half) = (narrow / whole, half / whole);
        println!("{millis:>6} {kib:>9} {files:>6} {whole:>7.3}s {narrow:>13.2} {half:>13.2}");
    }
}

/// Reads the same data with one thread and with two, in turns.
async fn threads() {
    const ROWS: usize = 2_000_000;
    println!("{:<44} {:>9} {:>9} {:>6}", "read", "1 thread", "2 threads", "ratio");
    let s3 = S3::with_bucket(BUCKET);
    let one: Store<Keyed> = store(&s3, "one-file").await;
    one.write(&Keyed::sorted(ROWS)).await.expect("a commit");
    let parts: Store<Keyed> = store(&s3, "parts").await;
    for part in 0..8 {
        let part = Keyed::sorted(ROWS / 8).into_iter().map(|record| Keyed { period: format!("p{part}"), ..record });
        parts.write(&part.collect::<Vec<_>>()).await.expect("a commit");
    }
    let merged: Store<Keyed> = store(&s3, "merged").await;
    for file in Keyed::sorted(ROWS).chunks(ROWS / 8) {
        merged.write(file).await.expect("a commit");
    }
    let plain: Store<Plain> = store(&s3, "plain").await;
    plain.write(&Plain::shuffled(ROWS)).await.expect("a commit");
    for (name, store) in [("one file", &one), ("8 partitions", &parts), ("8 files of a partition", &merged)] {
        compare(name, || store.read_all()).await;
    }
    compare("one file without a key", || plain.read_all()).await;
}

async fn compare<T: Record + Clone>(name: &str, read: impl Fn() -> Read<T>) {
    let limited = |threads: usize| read().max_decode_tasks(NonZero::new(threads).expect("a thread"));
    for form in ["batches", "stream", "vec"] {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            for (threads, times) in (1..).zip(&mut times) {
                let read = limited(threads);
                let work = async {
                    if form == "batches" {
                        read.batches().try_fold(0, |rows, batch| async move { Ok(rows + batch.num_rows()) }).await
                    } else if form == "stream" {
                        read.stream().try_fold(0, |rows, _| async move { Ok(rows + 1) }).await
                    } else {
                        read.await.map(|records| records.len())
                    }
                };
                let (time, rows) = timed(work).await;
                assert!(rows.expect("records") > 0, "no records");
                // The first round warms up.
                if round > 0 {
                    times.push(time);
                }
            }
        }
        let [one, two] = times.map(median);
        println!("{:<44} {one:>8.3}s {two:>8.3}s {:>6.2}", format!("{name}, {form}"), two / one);
    }
    let records = read().await.expect("records");
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let (time, copy) = timed(async { records.clone() }).await;
        times.push(time);
        drop(copy);
    }
    println!("{:<44} {:>8.3}s", format!("{name}, allocating the vec's records"), median(times));
}

/// Returns the number of GETs, and of the bytes that they asked for by ranges.
fn gets(s3: &S3) -> (usize, u64) {
    let requests = s3.requests();
    let gets: Vec<&Request> = requests.iter().filter(|request| request.operation == Operation::Get).collect();
    let bytes = gets.iter().filter_map(|request| request.range()).map(|range| {
        let ends = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).expect("a range");
        ends.1.parse::<u64>().expect("a number") + 1 - ends.0.parse::<u64>().expect("a number")
    });
    (gets.len(), bytes.sum())
}

async fn lookup() {
    const ROWS: u64 = 10_000_000;
    let s3 = S3::with_bucket(BUCKET);
    let sorted: Store<Keyed> = store(&s3, "sorted").await;
    let mut writer = sorted.writer().start().expect("a writer");
    for row in 0..ROWS {
        let record = Keyed { customer: format!("customer-{row:08}"), ..Keyed::synthetic(row) };
        writer.write(record).await.expect("a record");
    }
    writer.flush().await.expect("commits");
    let dataset = Dataset::open(s3.client(), BUCKET, "sorted").await.expect("a dataset");
    let filter = |read: Read<Keyed>| read.filter(|c| c.customer.eq("customer-07654321"));
    for name in ["first read of a handle", "second read"] {
        s3.clear_requests();
        let (time, found) = timed(async { filter(dataset.store().read_all()).await }).await;
        assert_eq!(found.expect("records").len(), 1);
        let (gets, bytes) = gets(&s3);
        println!("one row of {ROWS}, {name}: {gets} GETs, {bytes} bytes, {time:.1?}");
    }
    let plan = filter(dataset.store().read_all()).explain().await.expect("a plan");
    for file in plan.partitions.iter().flat_map(|partition| &partition.files) {
        if let FileAccess::Parts { row_groups, excluded_row_groups, rows, .. } = file.access {
            let (all, size) = (row_groups + excluded_row_groups, file.size.unwrap_or_default());
            println!("  row groups: {row_groups} of {all}, rows: {rows}, file: {size} bytes");
        }
    }
    let text = |row: u64| Keyed::synthetic(row).notes;
    // From 1, because 0 would be outside of all other files.
    let id = |row: u64| format!("{:016x}", (row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let with = |row| Filtered { part: "a".into(), id: id(row), version: 1, text: text(row) };
    let without = |row| Unfiltered { part: "a".into(), id: id(row), version: 1, text: text(row) };
    random(&s3, "with Bloom filters", with, |row| Filtered::entity_of(id(row)).expect("an entity")).await;
    random(&s3, "without", without, |row| Unfiltered::entity_of(id(row)).expect("an entity")).await;
}

/// Looks up random entities in 50 files of 20,000.
async fn random<T: RootRecord + s3store::Keyed>(
    s3: &S3,
    name: &str,
    record: impl Fn(u64) -> T,
    entity: impl Fn(u64) -> s3store::Entity<T>,
) {
    const FILES: u64 = 50;
    const ROWS: u64 = 20_000;
    let store: Store<T> = store(s3, &name.replace(' ', "-")).await;
    let mut size = 0;
    for file in 0..FILES {
        let records: Vec<T> = (file * ROWS..(file + 1) * ROWS).map(&record).collect();
        let commits = store.write(&records).await.expect("a commit");
        size += s3.object(BUCKET, &commits[0].data_path).expect("a file").body.len();
    }
    println!("{FILES} files of {ROWS} random entities {name}: {size} bytes");
    for (case, first) in [("that are there", 0), ("that are not", FILES * ROWS)] {
        for round in ["first", "later"] {
            s3.clear_requests();
            let count = if round == "first" { 1 } else { 20 };
            let lookups = async {
                for row in 0..count {
                    let row = first + row * 49_999;
                    let found = store.read_entity(&entity(row)).await.expect("a read");
                    assert_eq!(found.is_some(), row < FILES * ROWS);
                }
            };
            let (time, ()) = timed(lookups).await;
            let (gets, bytes) = gets(s3);
            let each = |total: u64| total as f64 / count as f64;
            println!(
                "  {round} lookups of entities {case}: {:.1} GETs, {:.0} bytes, {:.1?} each",
                each(gets as u64),
                each(bytes),
                time / count as u32
            );
        }
    }
}

async fn files() {
    println!("{:>8} {:>12} {:>14} {:>12}", "files", "seconds", "us per file", "peak MiB");
    for files in [1_000u32, 10_000, 100_000] {
        let s3 = S3::with_bucket(BUCKET);
        let store: Store<Small> = store(&s3, "small").await;
        let records: Vec<Small> =
            (0..files).map(|file| Small { part: format!("{:03}", file / 100), number: file.into() }).collect();
        for records in records.chunks(100) {
            let writes = records.iter().map(|record| async { store.write(std::slice::from_ref(record)).await });
            futures_util::future::try_join_all(writes).await.expect("commits");
        }
        s3.clear_requests();
        let before = benches::begin_peak();
        let reading = store.read_all().stream().try_fold(0u32, |rows, _| async move { Ok(rows + 1) });
        let (time, rows) = timed(reading).await;
        assert_eq!(rows.expect("records"), files);
        let each = time.as_secs_f64() * 1e6 / f64::from(files);
        println!("{files:>8} {:>12.3} {each:>14.1} {:>6} over {before}", time.as_secs_f64(), benches::peak_mib());
    }
}
