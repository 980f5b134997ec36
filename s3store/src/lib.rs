//! Append-only, versioned, typed records on S3.

// Until the layers above use them.
#![allow(dead_code)]

mod codec;
mod dataset;
mod error;
mod format;
mod merge;
mod pattern;
mod read;
mod record;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod write;

pub use error::{Error, ErrorKind, Result};
pub use pattern::{
    IntoPatterns, IntoSelection, Ordered, PartitionFormat, Rendered, Selection, Text, ValuePrefix, prefix,
};
pub use record::{AsColumn, Column, ColumnType, ColumnWith, Record, RootRecord, ValueError};

/// What generated code refers to. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use crate::pattern::{
        IntoPatterns, IntoSelection, Ordered, PartitionFormat, Pattern, Rendered, Sealed, Selections, Text,
    };
    pub use crate::record::{ColumnNode, Description, Key, RowError, Shape};
}
