//! A dataset as a Delta table: the actions of its log and the schema of its columns.
//!
//! Everything here is pure. The keys of the log's objects are rendered and parsed in `format`.

mod action;
mod columns;
