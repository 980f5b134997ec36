//! Reads of one partition, and writes, that are much larger than the memory they were given. Checks the peak of resident
//! memory, and that every record is right and in its place.
//!
//! `cargo bench -p benches --bench memory --features mimalloc -- 8` reads and writes 8 GiB of records as columns. The default
//! is 1. A second argument, `read`, `write` or `killed`, selects one part.
//!
//! One process serves the in-process S3 on a socket and writes the files. Each read and write runs in a process of its own:
//!
//! | shape | files |
//! |---|---|
//! | `few-versions` | sorted; each has another version of all entities |
//! | `many-versions` | sorted; each has many versions of few entities |
//! | `unsorted` | as `few-versions`, but the rows are in no order |
//! | `written` | written by a `Writer` to eight partitions, in no order, and flushed once |
//! | `killed` | the same, flushed ten times under a token, by a process that is killed at twenty random points and repeated |
//!
//! It prints the seconds and the peak for each, and fails if the peak is over the limit (256 MiB) and 144 MiB.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use s3store::dataset::SchemaCheck;
use s3store::testing::S3;
use s3store::{Dataset, Record};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BUCKET: &str = "memory";
const READ_AHEAD: u64 = 256 << 20;
const MOST_MIB: u64 = 400;
const SHAPES: [&str; 3] = ["few-versions", "many-versions", "unsorted"];

/// A record of about 100 bytes when decoded.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Event {
    #[record(entity)]
    part: String,
    #[record(entity)]
    entity: String,
    #[record(version)]
    version: i64,
    number: f64,
    note: String,
}

const ROW_BYTES: u64 = 100;

/// The rows of a partition: `files` files, each with the versions of all entities that it has.
#[derive(Debug, Clone, Copy)]
struct Rows {
    files: u64,
    entities: u64,
    versions_per_file: u64,
    sorted: bool,
}

impl Rows {
    fn of_shape(shape: &str, gib: u64) -> Self {
        let rows = (gib << 30) / ROW_BYTES;
        let files = 40;
        let per_file = rows / files;
        match shape {
            "few-versions" => Self { files, entities: per_file, versions_per_file: 1, sorted: true },
            "many-versions" => Self { files, entities: per_file / 5_000, versions_per_file: 5_000, sorted: true },
            _ => Self { files, entities: per_file, versions_per_file: 1, sorted: false },
        }
    }

    fn row(entity: u64, version: u64) -> Event {
        let mixed = (entity << 20 | version).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
        Event {
            part: "a".to_owned(),
            entity: format!("entity-{entity:010}"),
            version: i64::try_from(version).unwrap_or(i64::MAX),
            number: (mixed % 1_000) as f64,
            note: format!("note {mixed:016x}"),
        }
    }

    /// Returns the rows of a file.
    fn of_file(self, file: u64) -> impl Iterator<Item = Event> {
        let per_file = self.entities * self.versions_per_file;
        // A number without a common divisor with the number of rows visits each row once.
        let step = if self.sorted { 1 } else { coprime_with(per_file) };
        (0..per_file).map(move |row| {
            let row = row.wrapping_mul(step) % per_file;
            Self::row(row / self.versions_per_file, file * self.versions_per_file + row % self.versions_per_file)
        })
    }

    /// Returns the records that a read returns.
    fn latest(self) -> impl Iterator<Item = Event> {
        (0..self.entities).map(move |entity| Self::row(entity, self.files * self.versions_per_file - 1))
    }
}

fn coprime_with(rows: u64) -> u64 {
    fn divisor(a: u64, b: u64) -> u64 {
        if b == 0 { a } else { divisor(b, a % b) }
    }
    (rows / 3 * 2 + 1..).find(|&step| divisor(step, rows) == 1).unwrap_or(1)
}

/// The partitions that are written.
const PARTITIONS: u64 = 8;

/// Returns the rows that are written, in no order.
fn unordered(gib: u64) -> impl Iterator<Item = Event> {
    let rows = (gib << 30) / ROW_BYTES;
    let step = coprime_with(rows);
    (0..rows).map(move |row| written_row(row.wrapping_mul(step) % rows))
}

/// Returns the rows that are written, in the order of a read.
fn ordered(gib: u64) -> impl Iterator<Item = Event> {
    let rows = (gib << 30) / ROW_BYTES;
    (0..PARTITIONS).flat_map(move |part| (part..rows).step_by(PARTITIONS as usize).map(written_row))
}

fn written_row(entity: u64) -> Event {
    Event { part: format!("{}", entity % PARTITIONS), ..Rows::row(entity, 1) }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", gib] => runtime.block_on(serve(gib.parse().expect("a number"))),
        ["read", shape, gib, endpoint] => {
            return runtime.block_on(read(shape, gib.parse().expect("a number"), endpoint));
        }
        ["write", prefix, gib, endpoint] => {
            return runtime.block_on(write(prefix, gib.parse().expect("a number"), endpoint));
        }
        ["check", prefix, gib, endpoint] => {
            return runtime.block_on(check(prefix, gib.parse().expect("a number"), endpoint));
        }
        arguments => return supervise(arguments.first().copied().unwrap_or("1"), arguments.get(1).copied()),
    }
    ExitCode::SUCCESS
}

/// Starts the server, and a process for each read.
fn supervise(gib: &str, part: Option<&str>) -> ExitCode {
    let program = env::current_exe().expect("a program");
    let mut server = Command::new(&program);
    let wanted = |name: &str| part.is_none_or(|part| part == name);
    let files = if wanted("read") { gib } else { "0" };
    let mut server =
        server.args(["serve", files]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
    let mut endpoint = String::new();
    BufReader::new(server.stdout.take().expect("output")).read_line(&mut endpoint).expect("an endpoint");
    let mut all_passed = true;
    let command = |arguments: [&str; 3]| {
        let mut command = Command::new(&program);
        command.args(arguments).arg(endpoint.trim());
        command
    };
    let mut run = |arguments| {
        all_passed &= command(arguments).status().is_ok_and(|status| status.success());
    };
    if wanted("read") {
        SHAPES.into_iter().for_each(|shape| run(["read", shape, gib]));
    }
    if wanted("write") {
        run(["write", "written", gib]);
        run(["check", "written", gib]);
    }
    if wanted("killed") {
        let began = now();
        run(["write", "once", gib]);
        let whole = began.elapsed();
        let mut seed = 7u64;
        for _ in 0..20 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut process = command(["write", "killed", gib]).spawn().expect("a process");
            sleep(whole.mul_f64((seed >> 40) as f64 / (1u64 << 24) as f64));
            process.kill().expect("a process that can be killed");
            let _ended = process.wait();
        }
        run(["write", "killed", gib]);
        run(["check", "killed", gib]);
    }
    drop(server.stdin.take());
    let _ended = server.wait();
    if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a process lives for a while before it is killed")]
fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// Writes the files and serves them until the input ends.
async fn serve(gib: u64) {
    let s3 = S3::with_bucket(BUCKET);
    for prefix in ["written", "once", "killed"] {
        let _dataset = Dataset::init(s3.client(), BUCKET, prefix).await.expect("a dataset").into_dataset();
    }
    for shape in SHAPES.into_iter().filter(|_| gib > 0) {
        let rows = Rows::of_shape(shape, gib);
        let dataset = Dataset::init(s3.client(), BUCKET, shape).await.expect("a dataset").into_dataset();
        let store = dataset.store::<Event>();
        for file in 0..rows.files {
            let token = format!("{file:03}");
            if rows.sorted {
                store.write(&rows.of_file(file).collect::<Vec<_>>()).token(token).await.expect("a commit");
            } else {
                let commits = store.write(&[Rows::row(0, 0)]).token(token).await.expect("a commit");
                s3.put_object(BUCKET, &commits[0].data_path, encode(&rows.of_file(file).collect::<Vec<_>>()));
            }
        }
    }
    let listener = s3.listen("127.0.0.1:0").await.expect("a socket");
    println!("{}", listener.endpoint());
    std::io::stdout().flush().expect("output");
    let _ended = tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await;
}

/// Encodes rows in their order, as a writer does that does not sort.
fn encode(rows: &[Event]) -> Vec<u8> {
    let text = |field: fn(&Event) -> &str, rows: &[Event]| {
        Arc::new(StringArray::from_iter_values(rows.iter().map(field))) as ArrayRef
    };
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100_000)).build();
    let batch = |rows: &[Event]| {
        RecordBatch::try_from_iter([
            ("part", text(|row| &row.part, rows)),
            ("entity", text(|row| &row.entity, rows)),
            ("version", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.version))) as ArrayRef),
            ("number", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.number)))),
            ("note", text(|row| &row.note, rows)),
        ])
        .expect("columns of one length")
    };
    let mut writer = ArrowWriter::try_new(Vec::new(), batch(&rows[..1]).schema(), Some(properties)).expect("a schema");
    for rows in rows.chunks(8_192) {
        writer.write(&batch(rows)).expect("a batch");
    }
    writer.into_inner().expect("a file")
}

/// Reads a dataset and compares each record with the one that is expected in its place.
async fn read(shape: &str, gib: u64, endpoint: &str) -> ExitCode {
    compare(shape, gib, endpoint, Rows::of_shape(shape, gib).latest()).await
}

/// Reads a dataset that was written. Also counts the rows of all files, because a read drops copies of a record.
async fn check(prefix: &str, gib: u64, endpoint: &str) -> ExitCode {
    let rows = open(prefix, endpoint).await.store::<Stored>().read_all().count().await.expect("a count");
    let once = rows == (gib << 30) / ROW_BYTES;
    println!("{prefix:<14} {rows} rows in its files, as many as were written: {once}");
    let compared = compare(prefix, gib, endpoint, ordered(gib)).await;
    if once { compared } else { ExitCode::FAILURE }
}

/// A row of [`Event`] without its key.
#[derive(Debug, Record)]
#[record(partition_by(part))]
struct Stored {
    part: String,
    version: i64,
}

async fn open(prefix: &str, endpoint: &str) -> Dataset {
    let config = S3::new().config_without_http_client(endpoint);
    let client = config.http_client(aws_smithy_http_client::Builder::new().build_http()).build();
    // Two records read the datasets.
    let options = Dataset::options().schema_check(SchemaCheck::Off);
    options.open(aws_sdk_s3::Client::from_conf(client), BUCKET, prefix).await.expect("a dataset")
}

/// Writes a dataset by a writer. Every prefix but `written` is flushed ten times.
async fn write(prefix: &str, gib: u64, endpoint: &str) -> ExitCode {
    let store = open(prefix, endpoint).await.store::<Event>();
    let began = now();
    let writer = store.writer().token("run").memory_bytes(READ_AHEAD);
    let writer = if prefix == "written" { writer } else { writer.flush_records((gib << 30) / ROW_BYTES / 10) };
    let mut writer = writer.start().expect("a writer");
    let (mut commits, mut replayed) = (0, 0);
    for record in unordered(gib) {
        for commit in writer.write(record).await.expect("a flush") {
            commits += 1;
            replayed += usize::from(commit.replayed);
        }
    }
    let buffered = began.elapsed().as_secs_f64();
    commits += writer.flush().await.expect("a flush").len();
    let (seconds, peak) = (began.elapsed().as_secs_f64(), benches::peak_mib());
    println!(
        "write {prefix:<8} {gib} GiB: {seconds:.1} s, {buffered:.1} s of them before the last flush, peak {peak} MiB, \
         {commits} commits, {replayed} of an earlier run"
    );
    if peak < MOST_MIB { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn compare(shape: &str, gib: u64, endpoint: &str, mut expected: impl Iterator<Item = Event>) -> ExitCode {
    let dataset = open(shape, endpoint).await;
    let began = now();
    let mut records = dataset.store::<Event>().read_all().read_ahead_bytes(READ_AHEAD).stream();
    let (mut count, mut equal) = (0u64, true);
    while let Some(record) = records.try_next().await.expect("a record") {
        equal &= expected.next().is_some_and(|expected| expected == record);
        count += 1;
    }
    equal &= expected.next().is_none();
    let (seconds, peak) = (began.elapsed().as_secs_f64(), benches::peak_mib());
    println!("{shape:<14} {gib} GiB: {seconds:.1} s, peak {peak} MiB, {count} records, as expected: {equal}");
    if equal && peak < MOST_MIB { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
