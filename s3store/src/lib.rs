//! Append-only, versioned, typed records on S3.

// Until the layers above use them.
#![allow(dead_code)]

mod clock;
mod codec;
mod dataset;
mod error;
mod format;
mod ids;
mod merge;
mod pattern;
mod read;
mod record;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod write;

pub use clock::Clock;
pub use codec::Compression;
pub use dataset::{ClockGuard, Dataset, DatasetOptions, HivePartition, Init, Initialized, Store};
pub use error::{Error, ErrorKind, Result};
pub use format::Offset;
pub use pattern::{
    Discrete, IntoPatterns, IntoSelection, Ordered, PartitionFormat, Rendered, Selection, Text, ValuePrefix, prefix,
};
#[cfg(feature = "arrow")]
pub use read::BatchStream;
pub use read::{PartitionStream, Read, RecordStream};
pub use record::{AsColumn, Column, ColumnType, ColumnWith, PartitionValue, Record, RootRecord, ValueError};
pub use s3store_derive::{ColumnType, Record};
pub use store::{ClientRetries, Consistency};
pub use write::{
    Commit, CommitError, IntoToken, NoToken, OneToken, TokenOf, Tokens, Unknown, Write, WriteError, WritePartition,
};

/// The Arrow that [`Read::batches`] speaks.
#[cfg(feature = "arrow")]
pub use arrow;
/// Dates and times as column types.
pub use chrono;
/// Decimals as a column type.
#[cfg(feature = "decimal")]
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
        AsBytes, AsValue, ByValue, Column, ColumnNode, ColumnType, Cut, Description, EntityColumn, EntityOrder,
        EnumBuilder, EnumInteger, EnumReader, EnumText, Exact, Field, InsertionTime, Key, Listed, Micro, Milli,
        Missing, Nano, PartitionTime, PartitionValue, Passes, Plain, Precision, Reading, Record, RootRecord, RowError,
        Shape, Skipped, StructReader, Timestamp, Total, Unit, Unordered, Unsigned, Validity, ValueError, VecLayout,
        VersionColumn, VersionOrder, With, WithOption, entity, enum_of, format_time, in_column, in_partition, pad,
        push_padded, push_time, struct_array, version,
    };
}
