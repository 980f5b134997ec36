//! Reads of one partition that is much larger than the memory of the read. Checks the peak of resident memory, and that every
//! record is right and in its place.
//!
//! `cargo bench -p benches --bench memory --features mimalloc -- 8` reads partitions of 8 GiB when decoded. The default is 1.
//!
//! One process serves the in-process S3 on a socket and writes the files. Each read runs in a process of its own:
//!
//! | shape | files |
//! |---|---|
//! | `few-versions` | sorted; each has another version of all entities |
//! | `many-versions` | sorted; each has many versions of few entities |
//! | `unsorted` | as `few-versions`, but the rows are in no order |
//!
//! It prints the seconds and the peak for each, and fails if the peak is over `read_ahead_bytes` (256 MiB) and 144 MiB.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
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

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", gib] => runtime.block_on(serve(gib.parse().expect("a number"))),
        ["read", shape, gib, endpoint] => {
            return runtime.block_on(read(shape, gib.parse().expect("a number"), endpoint));
        }
        arguments => return supervise(arguments.first().copied().unwrap_or("1")),
    }
    ExitCode::SUCCESS
}

/// Starts the server, and a process for each read.
fn supervise(gib: &str) -> ExitCode {
    let program = env::current_exe().expect("a program");
    let mut server = Command::new(&program);
    let mut server =
        server.args(["serve", gib]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
    let mut endpoint = String::new();
    BufReader::new(server.stdout.take().expect("output")).read_line(&mut endpoint).expect("an endpoint");
    let mut all_passed = true;
    for shape in SHAPES {
        let status = Command::new(&program).args(["read", shape, gib, endpoint.trim()]).status();
        all_passed &= status.is_ok_and(|status| status.success());
    }
    drop(server.stdin.take());
    let _ended = server.wait();
    if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Writes the files and serves them until the input ends.
async fn serve(gib: u64) {
    let s3 = S3::with_bucket(BUCKET);
    for shape in SHAPES {
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
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
async fn read(shape: &str, gib: u64, endpoint: &str) -> ExitCode {
    let config = S3::new().config_without_http_client(endpoint);
    let client = config.http_client(aws_smithy_http_client::Builder::new().build_http()).build();
    let dataset = Dataset::open(aws_sdk_s3::Client::from_conf(client), BUCKET, shape).await.expect("a dataset");
    let rows = Rows::of_shape(shape, gib);
    let began = Instant::now();
    let mut records = dataset.store::<Event>().read_all().read_ahead_bytes(READ_AHEAD).stream();
    let (mut expected, mut count, mut equal) = (rows.latest(), 0u64, true);
    while let Some(record) = records.try_next().await.expect("a record") {
        equal &= expected.next().is_some_and(|expected| expected == record);
        count += 1;
    }
    equal &= expected.next().is_none();
    let (seconds, peak) = (began.elapsed().as_secs_f64(), benches::peak_mib());
    println!("{shape:<14} {gib} GiB: {seconds:.1} s, peak {peak} MiB, {count} records, as expected: {equal}");
    if equal && peak < MOST_MIB { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
