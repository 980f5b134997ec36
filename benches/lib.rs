//! The records of the benchmarks, and arrow-rs's own writer and reader on prepared batches.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use s3store::Record;
use s3store::read::Rows;

/// The number of rows in a batch, for arrow-rs and for s3store.
const BATCH_ROWS: usize = 8_192;

macro_rules! record {
    ($(#[$docs:meta])* $name:ident, [$($container:tt)*], $(#[$entity:meta])?, $(#[$version:meta])?) => {
        $(#[$docs])*
        #[derive(Debug, Clone, PartialEq, Record)]
        #[record($($container)*)]
        pub struct $name {
            /// The partition.
            $(#[$entity])?
            pub period: String,
            /// One of 10,000 values.
            $(#[$entity])?
            pub customer: String,
            /// One of 1,000 values.
            $(#[$entity])?
            pub sku: String,
            /// A counter.
            $(#[$version])?
            pub quantity: i64,
            /// A price.
            pub price: f64,
            /// Text, different in each row.
            pub notes: String,
        }

        impl $name {
            /// Returns a synthetic record of about 87 bytes.
            #[must_use]
            pub fn synthetic(row: u64) -> Self {
                let mixed = row.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
                Self {
                    period: "2026-03-17".to_owned(),
                    customer: format!("customer-{:05}", mixed % 10_000),
                    sku: format!("sku-{:04}", (mixed >> 20) % 1_000),
                    quantity: i64::try_from(row).unwrap_or(i64::MAX),
                    price: (mixed % 100_000) as f64 / 100.0,
                    notes: format!("note {mixed:016x} on row {row:08}"),
                }
            }

            /// Reads all fields of all rows. Strings are read byte by byte.
            #[must_use]
            pub fn weigh(rows: &Rows<Self>) -> u64 {
                let text = |text: &str| text.bytes().fold(0, |sum: u64, byte| sum.wrapping_add(byte.into()));
                rows.iter().fold(0, |sum: u64, row| {
                    let texts = [row.period, row.customer, row.sku, row.notes].map(text).into_iter();
                    let numbers = row.quantity.cast_unsigned() ^ row.price.to_bits();
                    texts.fold(sum.wrapping_add(numbers), u64::wrapping_add)
                })
            }

            /// Reads all values of arrow-rs's batches, as [`weigh`](Self::weigh) reads those of rows.
            #[must_use]
            pub fn weigh_batches(batches: &[RecordBatch]) -> u64 {
                let text = |text: &str| text.bytes().fold(0, |sum: u64, byte| sum.wrapping_add(byte.into()));
                let of_batch = |batch: &RecordBatch| {
                    let texts = [0, 1, 2, 5].map(|column| batch.column(column).as_string::<i32>());
                    let quantities = batch.column(3).as_primitive::<Int64Type>().values();
                    let prices = batch.column(4).as_primitive::<Float64Type>().values();
                    (0..batch.num_rows()).fold(0, |sum: u64, row| {
                        let numbers = quantities[row].cast_unsigned() ^ prices[row].to_bits();
                        texts.iter().map(|column| text(column.value(row))).fold(sum.wrapping_add(numbers), u64::wrapping_add)
                    })
                };
                batches.iter().map(of_batch).fold(0, u64::wrapping_add)
            }

            /// Returns records that are not sorted by key.
            #[must_use]
            pub fn shuffled(rows: usize) -> Vec<Self> {
                (0..rows as u64).map(Self::synthetic).collect()
            }

            /// Returns records sorted by (period, customer, sku, quantity).
            #[must_use]
            pub fn sorted(rows: usize) -> Vec<Self> {
                let mut records = Self::shuffled(rows);
                records.sort_by(|a, b| {
                    (&a.period, &a.customer, &a.sku, a.quantity).cmp(&(&b.period, &b.customer, &b.sku, b.quantity))
                });
                records
            }

            /// Converts records to Arrow batches.
            #[must_use]
            pub fn batches(records: &[Self]) -> Vec<RecordBatch> {
                let text = |field: fn(&Self) -> &str, rows: &[Self]| {
                    Arc::new(rows.iter().map(|row| Some(field(row))).collect::<StringArray>()) as ArrayRef
                };
                let batch = |rows: &[Self]| {
                    RecordBatch::try_from_iter_with_nullable([
                        ("period", text(|row| &row.period, rows), false),
                        ("customer", text(|row| &row.customer, rows), false),
                        ("sku", text(|row| &row.sku, rows), false),
                        (
                            "quantity",
                            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.quantity))) as ArrayRef,
                            false,
                        ),
                        (
                            "price",
                            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.price))) as ArrayRef,
                            false,
                        ),
                        ("notes", text(|row| &row.notes, rows), false),
                    ])
                    .expect("columns of the same length")
                };
                records.chunks(BATCH_ROWS).map(batch).collect()
            }
        }
    };
}

record!(
    /// A record without an entity key.
    Plain, [partition_by(period)], ,
);
record!(
    /// A record with an entity key.
    Keyed, [partition_by(period)], #[record(entity)], #[record(version)]
);

/// The writer properties for arrow-rs.
#[derive(Debug, Clone, Copy)]
pub enum Properties {
    /// arrow-rs's defaults, with Snappy.
    Default,
    /// The properties that s3store uses for a file of the same number of rows.
    Ours,
}

/// Encodes a file with arrow-rs's `ArrowWriter`.
#[must_use]
pub fn arrow_encode(batches: &[RecordBatch], properties: Properties) -> Vec<u8> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let small = rows <= 512;
    let builder = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let options = ArrowWriterOptions::new();
    let options = match properties {
        Properties::Default => options.with_properties(builder.build()),
        Properties::Ours => options.with_skip_arrow_metadata(true).with_properties(
            builder
                .set_dictionary_enabled(!small)
                .set_dictionary_page_size_limit(128 << 10)
                .set_statistics_enabled(if small { EnabledStatistics::Chunk } else { EnabledStatistics::Page })
                .set_offset_index_disabled(small)
                .set_max_row_group_row_count(Some(16 * BATCH_ROWS))
                .build(),
        ),
    };
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut file, batches[0].schema(), options).expect("a schema");
    for batch in batches {
        writer.write(batch).expect("a batch of the schema");
    }
    writer.close().expect("a file");
    file
}

/// Decodes all batches of a file with arrow-rs's reader.
#[must_use]
pub fn arrow_decode(file: Bytes) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a file").with_batch_size(BATCH_ROWS);
    reader.build().expect("a reader").map(|batch| batch.expect("a batch")).collect()
}

/// Returns the peak of the process's resident memory so far, in MiB, or 0 where the system does not report it.
#[must_use]
pub fn peak_mib() -> u64 {
    status_mib("VmHWM:")
}

/// Returns the process's resident memory, in MiB, and begins a new peak. Returns 0 where the system does not report it.
#[must_use]
pub fn begin_peak() -> u64 {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    status_mib("VmRSS:")
}

fn status_mib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1_024
}

/// Returns a client of the server that `S3STORE_TEST_ENDPOINT` names, with the credentials of the environment.
///
/// # Panics
/// A variable is not set.
#[must_use]
pub fn client() -> aws_sdk_s3::Client {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("set {name}"));
    let credentials = aws_sdk_s3::config::Credentials::new(
        variable("AWS_ACCESS_KEY_ID"),
        variable("AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "environment",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .region(aws_sdk_s3::config::Region::new("us-east-1"))
        .endpoint_url(variable("S3STORE_TEST_ENDPOINT"))
        .force_path_style(true)
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}
