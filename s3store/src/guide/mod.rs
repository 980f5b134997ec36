//! The guide: how to use s3store, one chapter per topic.
//!
//! | chapter | read it to |
//! |---|---|
//! | [records] | declare a record: attributes, column types, schema changes |
//! | [writing] | open a dataset, write to it, retry, and handle errors |
//! | [reading] | read partitions: patterns, streams, projections, other Parquet readers |
//! | [change_stream] | follow every commit from a stored offset |
//! | [views] | look up tuples of fields without reading data files |
//! | [sql] | query datasets with SQL, also without their structs |
//! | [publishing] | let DuckDB, Spark, Polars and pandas read a dataset as a Delta table |
//! | [command_line] | look into datasets without writing Rust |
//! | [testing] | test your code against an in-process S3, with faults |
//! | [operating] | plan requests, permissions, servers, timing, metrics and alerts |
//! | [coming_from_go] | find the counterpart of a Go function or option |
//!
//! This module exists only in the documentation.

// Each chapter is a Markdown file that also reads well on GitHub. The link definitions here come first, so rustdoc uses
// them; GitHub uses the relative ones at the end of each file.

/// Records: attributes, column types and schema changes.
///
/// [reading]: crate::guide::reading#projections
/// [views]: crate::guide::views
pub mod records {
    #![doc = include_str!("records.md")]
}

/// Writing: opening a dataset, tokens, and what is durable after an error.
///
/// [late]: crate::guide::change_stream#late-commits
/// [operating]: crate::guide::operating
/// [timing]: crate::guide::operating#commit-timeout-and-clock-skew
pub mod writing {
    #![doc = include_str!("writing.md")]
}

/// Reading: patterns, streams, projections and other Parquet readers.
///
/// [records]: crate::guide::records
/// [change_stream]: crate::guide::change_stream
pub mod reading {
    #![doc = include_str!("reading.md")]
}

/// The change stream: offsets, polling, following, bad files, and late commits.
///
/// [record]: crate::guide::records#schema-changes
/// [timing]: crate::guide::operating#commit-timeout-and-clock-skew
pub mod change_stream {
    #![doc = include_str!("change_stream.md")]
}

/// Publishing: a dataset as a Delta table for other engines.
///
/// [change_stream]: crate::guide::change_stream
/// [operating]: crate::guide::operating
pub mod publishing {
    #![doc = include_str!("publishing.md")]
}

/// SQL: tables for DataFusion, and what a query reads.
///
/// [change_stream]: crate::guide::change_stream
/// [operating]: crate::guide::operating
/// [views]: crate::guide::views
pub mod sql {
    #![doc = include_str!("sql.md")]
}

/// The command line: commands, connection, exit codes.
pub mod command_line {
    #![doc = include_str!("command_line.md")]
}

/// Views: lookups by LIST requests, and backfill.
pub mod views {
    #![doc = include_str!("views.md")]
}

/// Testing: the in-process S3 and its faults.
pub mod testing {
    #![doc = include_str!("testing.md")]
}

/// Operating: requests, servers, permissions, timing, metrics and alerts.
///
/// [late]: crate::guide::change_stream#late-commits
/// [projections]: crate::guide::reading#projections
/// [repair]: crate::guide::change_stream#files-that-do-not-decode
pub mod operating {
    #![doc = include_str!("operating.md")]
}

/// Coming from Go: the counterpart of each function and option.
pub mod coming_from_go {
    #![doc = include_str!("coming_from_go.md")]
}
