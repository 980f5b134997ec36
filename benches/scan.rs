//! Reads of a large dataset on a real S3 server, one per process, so that each has its own peak of memory.
//!
//! `benches/peers.py` starts Ceph, writes the dataset with this program, and compares it with other readers. By hand:
//!
//! ```text
//! cargo bench -p benches --bench scan --features mimalloc -- write
//! cargo bench -p benches --bench scan --features mimalloc -- batches
//! ```
//!
//! | argument | what it does |
//! |---|---|
//! | `write` | writes 5 million records: 20 partitions of 10 sorted files of 25,000 |
//! | `batches`, `stream`, `vec` | reads the latest records in this form |
//! | `column` | reads one column of them as batches, and adds it up |
//! | `batches-1`, `stream-1`, `column-1` | the same with one thread for CPU work |
//!
//! A read prints one line: the argument, the seconds, the peak of resident memory in MiB, the number of records, and their
//! sum. The server is the one that `S3STORE_TEST_ENDPOINT` names.

use std::env;
use std::num::NonZero;
use std::time::Instant;

use arrow::array::AsArray;
use arrow::compute::sum;
use arrow::datatypes::Int64Type;
use benches::{Keyed, client};
use s3store::read::Read;
use s3store::{Dataset, Record, Store};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BUCKET: &str = "bench";
const PREFIX: &str = "scan";
const PARTITIONS: u64 = 20;
const FILES: u64 = 10;
const ROWS: u64 = 25_000;

/// One column of the record.
#[derive(Debug, Clone, Record)]
#[record(projection_of = Keyed)]
struct Quantity {
    quantity: i64,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
fn main() {
    let Some(command) = env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        println!("an argument is missing, see benches/scan.rs");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = client();
        if command == "write" {
            write(client).await;
            return;
        }
        let dataset = Dataset::open(client, BUCKET, PREFIX).await.expect("a dataset: run `write` first");
        let began = Instant::now();
        let (form, threads) = command.split_once('-').unwrap_or((&command, ""));
        let (records, total) = read(&dataset, form, threads.parse().ok()).await;
        let seconds = began.elapsed().as_secs_f64();
        println!("{command} {seconds:.3} {} {records} {total}", benches::peak_mib());
    });
}

async fn write(client: aws_sdk_s3::Client) {
    let _exists = client.create_bucket().bucket(BUCKET).send().await;
    let dataset = Dataset::init(client, BUCKET, PREFIX).await.expect("a new dataset").into_dataset();
    let store: Store<Keyed> = dataset.store();
    for partition in 0..PARTITIONS {
        for file in 0..FILES {
            let rows = (partition * FILES + file) * ROWS..(partition * FILES + file + 1) * ROWS;
            store.write(&rows.map(|row| record(partition, row)).collect::<Vec<_>>()).await.expect("a commit");
        }
    }
}

/// Returns a record. A partition has 250,000 records of about 92,000 entities.
fn record(partition: u64, row: u64) -> Keyed {
    let mixed = row.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
    Keyed {
        period: format!("2026-03-{:02}", partition + 1),
        customer: format!("customer-{:05}", mixed % 10_000),
        sku: format!("sku-{:04}", (mixed >> 20) % 10),
        ..Keyed::synthetic(row)
    }
}

/// Reads everything. Returns the number of records and the sum of their quantities.
async fn read(dataset: &Dataset, form: &str, threads: Option<NonZero<usize>>) -> (usize, i64) {
    let (mut records, mut total) = (0, 0);
    match form {
        "batches" => {
            let mut batches = limited(dataset.store::<Keyed>().read_all(), threads).batches();
            while let Some(batch) = batches.try_next().await.expect("a batch") {
                records += batch.num_rows();
                total += sum(batch["quantity"].as_primitive::<Int64Type>()).unwrap_or(0);
            }
        }
        "column" => {
            let mut batches = limited(dataset.store::<Quantity>().read_all(), threads).batches();
            while let Some(batch) = batches.try_next().await.expect("a batch") {
                records += batch.num_rows();
                total += sum(batch["quantity"].as_primitive::<Int64Type>()).unwrap_or(0);
            }
        }
        "stream" => {
            let mut stream = limited(dataset.store::<Keyed>().read_all(), threads).stream();
            while let Some(record) = stream.try_next().await.expect("a record") {
                records += 1;
                total += record.quantity;
            }
        }
        "vec" => {
            let all = limited(dataset.store::<Keyed>().read_all(), threads).await.expect("records");
            records = all.len();
            total = all.iter().map(|record| record.quantity).sum();
        }
        other => panic!("unknown argument {other:?}, see benches/scan.rs"),
    }
    (records, total)
}

fn limited<T: Record>(read: Read<T>, threads: Option<NonZero<usize>>) -> Read<T> {
    match threads {
        Some(threads) => read.max_decode_tasks(threads),
        None => read,
    }
}
