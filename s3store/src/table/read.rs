//! Reads of tables.

use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, TimeZone};

use super::Table;
use crate::clock::micros_from;
use crate::error::{Error, Result};
use crate::pattern::Pattern;
#[cfg(feature = "arrow")]
use crate::read::BatchStream;
use crate::read::{Columns, FileSource, MissingFile, ReadMethod, ReadPlan, Request};
use crate::scan::{PartitionFiles, ScanLimits};
use crate::spill::SpillDirectory;

/// A read of a table, returned by [`Table::read`]. Take its batches, or its count.
#[must_use = "nothing is read until its batches or its count are taken"]
pub struct TableRead {
    table: Table,
    source: Source,
    /// `None` for all columns of the table.
    columns: Option<Vec<String>>,
    history: bool,
    as_of: Option<i64>,
    limits: ScanLimits,
}

/// The source of a read's files.
#[derive(Debug)]
enum Source {
    Patterns(Result<Vec<Pattern>>),
    /// Files that the change stream names, which may have been deleted since.
    Files(Vec<PartitionFiles>),
}

impl TableRead {
    pub(super) fn new(table: &Table, patterns: Result<Vec<Pattern>>) -> Self {
        Self::of(table, Source::Patterns(patterns))
    }

    /// Returns a read of files that the change stream names.
    pub(super) fn of_files(table: &Table, files: Vec<PartitionFiles>) -> Self {
        Self::of(table, Source::Files(files))
    }

    fn of(table: &Table, source: Source) -> Self {
        let limits = ScanLimits::new();
        Self { table: table.clone(), source, columns: None, history: false, as_of: None, limits }
    }

    /// Returns only these columns, in this order.
    ///
    /// # Errors
    /// The read fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) if the table has no such column.
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Returns every version of each entity: see [`Read::history`](crate::read::Read::history).
    pub fn history(mut self) -> Self {
        self.history = true;
        self
    }

    /// Reads the snapshot of an earlier time: see [`Read::as_of`](crate::read::Read::as_of).
    pub fn as_of<Z: TimeZone>(mut self, instant: DateTime<Z>) -> Self {
        self.as_of = Some(micros_from(&instant));
        self
    }

    /// Returns at most this many rows: see [`Read::limit`](crate::read::Read::limit).
    pub fn limit(mut self, rows: u64) -> Self {
        self.limits.rows = Some(rows);
        self
    }

    /// Sets how much memory the read may use, in bytes: see [`Read::read_ahead_bytes`](crate::read::Read::read_ahead_bytes).
    pub fn read_ahead_bytes(mut self, bytes: u64) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// Sets how many partitions may be decoded ahead: see
    /// [`Read::read_ahead_partitions`](crate::read::Read::read_ahead_partitions).
    pub fn read_ahead_partitions(mut self, partitions: usize) -> Self {
        self.limits.partitions = Some(partitions);
        self
    }

    /// Sets how many threads the read may use at once: see [`Read::max_decode_tasks`](crate::read::Read::max_decode_tasks).
    pub fn max_decode_tasks(mut self, tasks: NonZero<usize>) -> Self {
        self.limits.decode_tasks = Some(tasks);
        self
    }

    /// Sets the directory for sorted rows that do not fit into memory: see
    /// [`Read::spill_directory`](crate::read::Read::spill_directory).
    pub fn spill_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.limits.spill = SpillDirectory::At(directory.into());
        self
    }

    /// Keeps the read from using local files: see [`Read::without_spilling`](crate::read::Read::without_spilling).
    pub fn without_spilling(mut self) -> Self {
        self.limits.spill = SpillDirectory::Forbidden;
        self
    }

    /// Streams the rows as Arrow batches: see [`Read::batches`](crate::read::Read::batches).
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if a column does not exist. The stream has the errors of
    /// [`Store::read`](crate::Store::read). In addition [`InvalidData`](crate::ErrorKind::InvalidData) if a file has a type of a
    /// column that the table's type does not hold: the table may have been found without that file, so enlarge its
    /// [sample](super::FindTable::sample).
    ///
    /// # Cancel safety
    /// Dropping the stream stops its requests.
    ///
    /// # Requests
    /// Those of [`Store::read`](crate::Store::read) with a projection.
    #[cfg(feature = "arrow")]
    #[cfg_attr(docsrs, doc(cfg(feature = "arrow")))]
    pub fn batches(self) -> Result<BatchStream> {
        Ok(self.request()?.batches())
    }

    /// Counts the rows: see [`Read::count`](crate::read::Read::count).
    ///
    /// # Errors
    /// Those of [`Store::read`](crate::Store::read).
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests.
    ///
    /// # Requests
    /// Those of [`Read::count`](crate::read::Read::count).
    pub async fn count(self) -> Result<u64> {
        self.request()?.count().await
    }

    /// Returns how the read would run: see [`Read::explain`](crate::read::Read::explain).
    ///
    /// # Errors
    /// Those of [`Store::read`](crate::Store::read), unless they are about rows.
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests.
    ///
    /// # Requests
    /// Those of [`Read::explain`](crate::read::Read::explain).
    pub async fn explain(self) -> Result<ReadPlan> {
        self.request()?.explain().await
    }

    fn request(self) -> Result<Request> {
        let Self { table, source, columns, history, as_of, limits } = self;
        let columns = match &columns {
            Some(names) => table.columns_of(names)?,
            None => table.all_columns(),
        };
        let (source, method, missing) = match source {
            Source::Patterns(patterns) => (FileSource::Patterns(patterns), ReadMethod::Snapshot, MissingFile::Fail),
            Source::Files(files) => {
                let find = Box::new(|_| Box::pin(std::future::ready(Ok(files))) as Pin<Box<_>>);
                (FileSource::Find(find), ReadMethod::Entries, MissingFile::Skip(Arc::default()))
            }
        };
        let mut request = Request::new(&table.dataset, columns, source, method, missing);
        (request.history, request.as_of, request.limits) = (history, as_of, limits);
        Ok(request)
    }
}

impl Table {
    /// Returns the table's columns.
    fn all_columns(&self) -> Columns {
        let names: Vec<_> = self.schema.columns.iter().map(|column| column.name.as_str()).collect();
        self.some_columns(&names)
    }

    /// Returns some of the table's columns.
    fn columns_of(&self, names: &[String]) -> Result<Columns> {
        for name in names {
            if !self.schema.columns.iter().any(|column| column.name == *name) {
                let known: Vec<_> = self.schema.columns.iter().map(|column| column.name.as_str()).collect();
                let (record, known) = (&self.schema.record, known.join(", "));
                return Err(Error::invalid_input(format!("{record} has no column {name:?}; it has {known}")));
            }
        }
        Ok(self.some_columns(&names.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    /// Returns the columns of these names. Names that are no columns are left out.
    fn some_columns(&self, names: &[&str]) -> Columns {
        let record = self.root.projection(self.root.record.clone(), names);
        Columns::described(Arc::new(record), Arc::clone(&self.root), self.subject.clone())
    }
}

impl fmt::Debug for TableRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableRead")
            .field("record", &self.table.schema.record)
            .field("source", &self.source)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}
