//! Typed, versioned records on S3, append-only.
//!
//! A struct with [`#[derive(Record)]`](derive@Record) is the schema of a dataset. [`Store<T>`](Store) writes slices of it
//! as Parquet files in Hive partitions, and reads back the latest version of each entity, or all versions. There is no
//! server, no coordinator and no lock: any number of writers and readers share a bucket.
//!
//! # In two minutes
//!
//! 1. Declare a record: `#[derive(Record)]` with the fields that make the partition, the entity and the version.
//! 2. Initialise a [`Dataset`] once with [`Dataset::init`], and open it in each service with [`Dataset::open`].
//! 3. Get a typed handle with [`Dataset::store`], and [`write`](Store::write) with a token, so that you can retry.
//!    [`WriteError`] and [`CommitError`] say what is durable after an error.
//! 4. [`read`](Store::read) a snapshot by patterns, as a `Vec` or a stream, or [`follow`](Store::follow) the change stream
//!    from a stored [`Offset`].
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
//! All `async` functions need a tokio runtime.
//!
//! # Where things are
//!
//! | module | contents |
//! |---|---|
//! | [`guide`] | the guide: chapters on records, writing, reading, the change stream, views, testing and operating |
//! | [`dataset`](mod@dataset) | options, initialisation, the clock guard, consistency levels |
//! | [`write`](mod@write) | builders of writes, tokens, and errors that say what is durable |
//! | [`read`](mod@read) | builders of reads and their streams |
//! | [`stream`](mod@stream) | the change stream: polls, pages, windows of time, following |
//! | [`view`](mod@view) | lookups of a view's tuples, and backfill |
//! | [`pattern`](mod@pattern) | patterns that select partitions, as text or typed |
//! | [`table`] | reading a dataset without the struct of its records |
//! | [`schema`](mod@schema) | the columns, keys, partitions and views of a dataset as plain data |
//! | [`column`](mod@column) | traits that fit your own types to a column |
//! | [`doctor`](mod@doctor) | a report of what late, failed and lost writes left behind |
//! | [`copy`](mod@copy) | copies of a dataset in another bucket or under another prefix |
#![cfg_attr(feature = "testing", doc = "| [`testing`] | the in-process S3 with fault injection |")]
#![cfg_attr(not(feature = "testing"), doc = "| `testing` | the in-process S3 with fault injection |")]
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `decimal` | `rust_decimal::Decimal` as a column type |
//! | `arrow` | `Read::batches`, and the `arrow` crate that it uses, re-exported |
//! | `datafusion` | SQL: tables for DataFusion, and the `datafusion` crate, re-exported |
//! | `ballista` | SQL on a Ballista cluster, in `sql::cluster` |
//! | `cli` | the binary `s3store`: see [`guide::command_line`] |
//! | `serde` | `Serialize` and `Deserialize` for [`Offset`] and [`Entry`] |
//! | `testing` | the in-process S3 with fault injection |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod clock;
mod codec;
pub mod copy;
mod cpu;
pub mod dataset;
mod delta;
pub mod doctor;
mod error;
mod format;
// The guide exists only in the documentation. Its examples need the feature `testing`.
#[cfg(all(doc, any(not(doctest), feature = "testing")))]
#[cfg_attr(docsrs, doc(auto_cfg = false))]
pub mod guide;
mod ids;
mod merge;
mod metrics;
pub mod pattern;
pub mod publish;
pub mod read;
mod record;
mod s3;
mod scan;
pub mod schema;
mod spill;
#[cfg(feature = "datafusion")]
#[cfg_attr(docsrs, doc(cfg(feature = "datafusion")))]
pub mod sql;
pub mod stream;
pub mod table;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
pub mod view;
pub mod write;

/// Column types, and the traits that fit your own types to a column.
///
/// [`ColumnType`] lists the types that a column can have, and is derived for structs, newtypes and enums without fields.
/// The traits here are for the other cases:
///
/// | to | use |
/// |---|---|
/// | store your own type as another one | implement [`AsColumn`](column::AsColumn) |
/// | store a type of another crate, for one field | implement [`ColumnWith`](column::ColumnWith) and name it in `#[record(with = …)]` |
/// | refuse a value while it is written or read | return a [`ValueError`](column::ValueError) |
///
/// [`Column`](column::Column), [`PartitionValue`](column::PartitionValue) and [`ViewValue`](column::ViewValue) appear in
/// bounds of derived code, and [`Comparable`](column::Comparable), [`TextColumn`](column::TextColumn) and
/// [`Operand`](column::Operand) in those of filters. You don't implement them.
///
/// [`List`](column::List) and [`Map`](column::Map) are lists and maps in rows that borrow, see
/// [`Read::rows`](read::Read::rows).
pub mod column {
    pub use crate::record::{
        AsColumn, Column, ColumnWith, Comparable, Iter, List, Map, Operand, PartitionValue, RowColumn, TextColumn,
        ValueError, ViewValue,
    };
}

pub use clock::Clock;
pub use codec::Compression;
pub use dataset::{Dataset, HivePartition, Store};
pub use error::{Error, ErrorKind, Result};
pub use format::Offset;
pub use record::{ColumnType, Entity, Keyed, Record, RootRecord, Version, View};
pub use s3store_derive::{ColumnType, Record, View};
pub use stream::Entry;
pub use write::{Commit, CommitError, WriteError};

/// The `arrow` crate, in the version that [`Read::batches`](read::Read::batches) returns.
#[cfg(feature = "arrow")]
#[cfg_attr(docsrs, doc(cfg(feature = "arrow")))]
pub use arrow;
/// The `chrono` crate, whose dates and times are column types.
pub use chrono;
/// The `datafusion` crate, whose tables and plans the module [`sql`] makes.
#[cfg(feature = "datafusion")]
#[cfg_attr(docsrs, doc(cfg(feature = "datafusion")))]
pub use datafusion;
/// The `rust_decimal` crate, whose `Decimal` is a column type.
#[cfg(feature = "decimal")]
#[cfg_attr(docsrs, doc(cfg(feature = "decimal")))]
pub use rust_decimal;
/// The `uuid` crate, whose `Uuid` is a column type.
pub use uuid;

/// The items that derived code refers to. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use arrow_array::ArrayRef;

    pub use crate::error::Result;
    pub use crate::pattern::{
        Discrete, IntoPatterns, IntoSelection, Ordered, PartitionFormat, Pattern, PatternBuilder, Rendered, Sealed,
        Text,
    };
    #[cfg(feature = "serde")]
    pub use serde;

    #[cfg(feature = "decimal")]
    pub use crate::record::DecimalOf;
    pub use crate::record::{
        AsBytes, AsList, AsStored, AsValue, ByValue, Collect, Column, ColumnDefault, ColumnNode, ColumnReader,
        ColumnType, ComparedAs, ComparedOrder, Converted, ConvertedOption, DateParts, DateTimeParts, DeletionMark,
        Description, ElementEncoding, Encoded, Entity, EntityColumn, EntityOrder, EnumBuilder, EnumInteger, EnumReader,
        EnumText, Exact, FieldColumn, FieldForm, FieldOf, Formatted, HasParts, InForm, InsertionTime, Key, KeyPart,
        Keyed, Literal, Micro, Milli, Names, Nano, Nullable, OrderedValue, OwnedRows, Partial, PartitionTime,
        PartitionValue, Plain, Precision, Reachable, Record, Rendering, RenderingForm, Role, RootRecord, RowColumn,
        RowError, RowStruct, SelectionKind, Shape, Shown, ShownAsHidden, ShownAsItIs, SkippedDefault, StoredColumn,
        StructReader, StructRows, TextOrder, TimeParts, Timestamp, Total, TotalText, Truncate, Tuple, Unit, Unordered,
        Unsigned, Validity, ValueError, VecLayout, Version, VersionColumn, VersionOrder, View, ViewColumn, ViewResult,
        ViewValue, ViewWriter, WholeRow, With, WithOption, all_distinct, assert_entity, assert_version, call_each,
        collectors, encode_columns, enum_from_integer, enum_integer, enum_parts, enum_text, fmt_row, format_time,
        hold_column, in_column, in_partition, in_row, key_error, open_reader, outlined, pad, parse_enum, placeholder,
        push_padded, push_parts, push_time, read_outlined, struct_array, texts, tuple_values,
    };
    #[cfg(feature = "serde")]
    pub use crate::record::{
        deserialize_enum_integer, deserialize_enum_text, serialize_enum_integer, serialize_enum_text,
    };
}

/// Compiles the examples of the README.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../README.md")]
struct Readme;
