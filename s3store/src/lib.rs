//! Append-only, versioned, typed records on S3.
//!
//! A struct with [`#[derive(Record)]`](derive@Record) is a dataset's schema. [`Store<T>`](Store) writes slices of it as
//! Parquet files in Hive partitions, and reads them back: the latest version of each entity, or all of them. There is no
//! server, no coordinator and no lock; any number of writers and readers share one bucket.
//!
//! - [`Dataset`]: a key prefix of a bucket, initialised once and opened by each service.
//! - [`Store::write`]: one file and one commit per partition. With a token it can be repeated until it succeeds.
//!   [`WriteError`] and [`CommitError`] say what is durable.
//! - [`Store::read`]: a snapshot of the partitions that patterns select, as a `Vec`, or as a stream of records or
//!   partitions.
//! - [`Record::partitions`]: typed patterns.
//! - [`Store::poll`], [`Store::follow`]: the change stream, from an [`Offset`] on; [`Store::read_range`]: a window of time.
//! - [`Dataset::doctor`]: what late, failed and lost writes have left behind.
//! - [`View`](trait@View) and [`Dataset::view`]: tuples of records' fields, looked up without reading a file.
//!
//! Everything async needs a tokio runtime.
//!
//! # Example
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use s3store::{Dataset, Record};
//!
//! #[derive(Debug, Clone, PartialEq, Record)]
//! #[record(partition_by(day))]
//! struct Reading {
//!     #[record(entity)]
//!     day: String,
//!     #[record(entity)]
//!     sensor: String,
//!     #[record(version)]
//!     revision: u64,
//!     celsius: Option<f64>,
//! }
//!
//! # #[cfg(feature = "testing")] {
//! # let client = s3store::testing::S3::with_bucket("warehouse").client();
//! let dataset = Dataset::init(client, "warehouse", "readings").await?.into_dataset();
//! let store = dataset.store::<Reading>();
//!
//! let reading = Reading { day: "2026-03-17".into(), sensor: "roof".into(), revision: 1, celsius: Some(11.5) };
//! let commits = store.write(&[reading.clone()]).token("load-2026-03-17").await?;
//! assert_eq!(commits[0].partition, "day=2026-03-17");
//!
//! let march = store.read(Reading::partitions().day("2026-03-01".."2026-04-01")).await?;
//! assert_eq!(march, [reading]);
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! - `decimal`: `rust_decimal::Decimal` as a column type.
//! - `arrow`: `Read::batches`, and the Arrow that it speaks.
//! - `serde`: offsets and entries of the change stream, to be stored and sent.
//! - `testing`: an S3 inside the process, with fault injection.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod codec;
pub mod dataset;
pub mod doctor;
mod error;
mod format;
mod ids;
mod merge;
mod metrics;
pub mod pattern;
pub mod read;
mod record;
mod s3;
pub mod stream;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
pub mod view;
pub mod write;

/// Column types, and the traits that fit a type of your own to a column.
pub mod column {
    pub use crate::record::{AsColumn, Column, ColumnWith, PartitionValue, ValueError, ViewValue};
}

pub use clock::Clock;
pub use codec::Compression;
pub use dataset::{Dataset, HivePartition, Store};
pub use error::{Error, ErrorKind, Result};
pub use format::Offset;
pub use record::{ColumnType, Record, RootRecord, View};
pub use s3store_derive::{ColumnType, Record, View};
pub use stream::Entry;
pub use write::{Commit, CommitError, WriteError};

/// The Arrow that [`Read::batches`](read::Read::batches) speaks.
#[cfg(feature = "arrow")]
#[cfg_attr(docsrs, doc(cfg(feature = "arrow")))]
pub use arrow;
/// Dates and times as column types.
pub use chrono;
/// Decimals as a column type.
#[cfg(feature = "decimal")]
#[cfg_attr(docsrs, doc(cfg(feature = "decimal")))]
pub use rust_decimal;
/// UUIDs as a column type.
pub use uuid;

/// What generated code refers to. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use arrow_array::ArrayRef;

    pub use crate::error::Result;
    pub use crate::pattern::{
        IntoPatterns, IntoSelection, Ordered, PartitionFormat, Pattern, Rendered, Sealed, Selections, Text,
    };
    #[cfg(feature = "decimal")]
    pub use crate::record::DecimalOf;
    pub use crate::record::{
        AsBytes, AsValue, ByValue, Collect, Column, ColumnNode, ColumnType, Cut, Description, EntityColumn,
        EntityOrder, EnumBuilder, EnumInteger, EnumReader, EnumText, Exact, Formatted, HasParts, InsertionTime, Key,
        Listed, Micro, Milli, Missing, Nano, OfBoth, OfDate, OfTime, PartitionTime, PartitionValue, Passes, Plain,
        Precision, Reading, Record, RootRecord, RowError, Shape, Skipped, StructReader, Timestamp, Total, Tuple, Unit,
        Unordered, Unsigned, Validity, ValueError, VecLayout, VersionColumn, VersionOrder, View, ViewColumn, ViewValue,
        ViewWriter, With, WithOption, all_distinct, apart, collectors, each, encode, entity, enum_of, filled,
        format_time, in_column, in_partition, in_row, open, pad, parse_enum, push_padded, push_parts, push_time,
        read_apart, struct_array, values, version,
    };
}

/// The snippets of the README.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../README.md")]
struct Readme;
