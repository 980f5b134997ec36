//! Tables: datasets that are read without the struct of their records.
//!
//! A [`Table`] is a dataset and the [schema](mod@crate::schema) of its records as plain data. Tools, SQL engines and
//! processes that don't have the struct read by it. [`Dataset::table`] finds the schema, and [`Table::of`] takes it from a
//! record type. The rows are those of a [`Read`](crate::read::Read): committed, and the latest version of each entity.

mod discover;
mod read;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

pub use self::discover::FindTable;
pub use self::read::TableRead;
use crate::dataset::{Dataset, Store, Subject};
use crate::error::Result;
use crate::format::Offset;
#[cfg(feature = "cli")]
use crate::metrics::Method;
use crate::pattern::IntoPatterns;
use crate::read::ListPartitions;
#[cfg(feature = "cli")]
use crate::read::committed_files;
use crate::record::{Description, Names, Record, RootRecord as _};
use crate::schema::{Schema, SchemaView};
use crate::stream::{Entry, Poll, check_entry, files_of_entries};

/// A dataset with the schema of its records as plain data. Clones are cheap.
///
/// # Example
/// ```
/// # async fn example(dataset: s3store::Dataset) -> s3store::Result<()> {
/// let table = dataset.table().await?;
/// for column in &table.schema().columns {
///     println!("{} {}", column.name, column.data_type);
/// }
/// println!("{} rows", table.read("period=2026-03-*").count().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Table {
    dataset: Dataset,
    schema: Arc<Schema>,
    /// All columns of the record. Those of the schema are some of them, if the table is that of a projection.
    root: Arc<Description>,
    /// The record type, if the table was made from one.
    subject: Option<Subject>,
}

impl Dataset {
    /// Finds the schema of the dataset's records, for reading them without their struct. Await the returned builder.
    ///
    /// The schema is the one that writers registered ([`Dataset::schema`]). The columns of some of the newest files are added,
    /// because the Go library registers nothing. Without a registered schema, all comes from those files:
    ///
    /// | part | source |
    /// |---|---|
    /// | columns and types | the union of the files' columns, by the rules for [growing schemas](mod@crate::schema) |
    /// | entity and version | the order by which a file says that it is sorted: the last column is the version |
    /// | partition columns | the names in the newest partition key |
    ///
    /// Go's files do not say how they are sorted. Name their key with [`FindTable::key`], or each record counts as one of its own.
    ///
    /// # Errors
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): two files have a column in types of which neither holds the values of
    ///   the other, or the files are sorted by different keys. Leave the column out with [`FindTable::without_columns`], or
    ///   name the key. Also if the registered schema is not readable.
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a column that the builder names does not exist.
    /// - [`Config`](crate::ErrorKind::Config): the dataset has neither a schema nor a committed file.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 refused a request, or
    ///   did not answer.
    ///
    /// # Cancel safety
    /// It changes nothing.
    ///
    /// # Requests
    /// 1 LIST, and 1 GET if a schema is registered. 1 to 6 LISTs for the newest refs. For each file of the
    /// [sample](FindTable::sample): 1 HEAD, 1 LIST, and 1 or 2 GETs.
    ///
    /// # Example
    /// ```
    /// # async fn example(dataset: s3store::Dataset) -> s3store::Result<()> {
    /// // Written by Go.
    /// let table = dataset.table().key(["customer", "sku"], "calculated_at").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn table(&self) -> FindTable {
        FindTable::new(self)
    }
}

impl<T: Record> Store<T> {
    /// Returns the table of this record: see [`Table::of`]. Sends nothing.
    #[must_use]
    pub fn table(&self) -> Table {
        Table::of::<T>(self.dataset())
    }
}

impl Table {
    /// Returns the table of a record, or of a projection. Sends nothing.
    ///
    /// Its reads check the record against the dataset's schema, as those of a [`Store`] do.
    #[must_use]
    pub fn of<T: Record>(dataset: &Dataset) -> Self {
        let views = T::Root::views().iter().map(|view| SchemaView::new(view.name, view.columns)).collect();
        Self {
            dataset: dataset.clone(),
            schema: Arc::new(Schema { views, ..Schema::of::<T>() }),
            root: Arc::new(T::Root::description().clone()),
            subject: Some(Subject::reader::<T>()),
        }
    }

    /// Returns the table of a schema, such as one that another process has [found](Dataset::table). Sends nothing.
    ///
    /// # Errors
    /// [`InvalidData`](crate::ErrorKind::InvalidData): the schema names a column that it lacks.
    pub fn of_schema(dataset: &Dataset, schema: Schema) -> Result<Self> {
        let root = Arc::new(schema.to_description()?);
        Ok(Self { dataset: dataset.clone(), schema: Arc::new(schema), root, subject: None })
    }

    /// Returns a table whose record another process has described. It has the columns of these names.
    #[cfg(feature = "ballista")]
    pub(crate) fn described(dataset: Dataset, root: Description, names: &[&str], views: Vec<SchemaView>) -> Self {
        let schema = Schema::described(&root.projection(root.record.clone(), names), &root, views);
        Self { dataset, schema: Arc::new(schema), root: Arc::new(root), subject: None }
    }

    /// Returns the schema.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Returns the dataset.
    #[must_use]
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Reads a snapshot of the partitions that the patterns select: see [`Store::read`].
    ///
    /// # Example
    /// ```
    /// # async fn example(table: s3store::table::Table) -> s3store::Result<()> {
    /// println!("{} rows", table.read("period=2026-03-*").count().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn read(&self, patterns: impl IntoPatterns) -> TableRead {
        TableRead::new(self, patterns.into_patterns(&self.root.partition.texts()))
    }

    /// Reads a snapshot of all partitions: see [`read`](Self::read).
    pub fn read_all(&self) -> TableRead {
        self.read("*")
    }

    /// Lists partitions: see [`Store::partitions`].
    pub fn partitions(&self, patterns: impl IntoPatterns) -> ListPartitions {
        ListPartitions::new(&self.dataset, self.root.partition.clone(), patterns, self.subject.clone())
    }

    /// Polls the change stream: see [`Store::poll`].
    pub fn poll(&self, after: &Offset) -> Poll {
        Poll::of_names(&self.dataset, self.root.partition.clone(), self.subject.clone(), after.clone())
    }

    /// Reads the rows of entries that a poll returned: see [`Store::read_entries`].
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): an entry of another bucket, prefix or partitioning.
    pub fn read_entries(&self, entries: impl IntoIterator<Item = impl Borrow<Entry>>) -> Result<TableRead> {
        let entries: Vec<_> = entries.into_iter().collect();
        let (bucket, keys, names) = (self.dataset.bucket(), self.dataset.keys(), &self.root.partition);
        entries.iter().try_for_each(|entry| check_entry(entry.borrow(), bucket, keys, names))?;
        Ok(TableRead::of_files(self, files_of_entries(entries)))
    }

    /// Returns the committed data files of some partitions, in key order, each with its size as listed.
    #[cfg(feature = "cli")]
    pub(crate) async fn files(&self, patterns: Vec<String>) -> Result<Vec<(String, Option<u64>)>> {
        let names = self.root.partition.clone();
        let patterns = patterns.into_patterns(&names.texts())?;
        let call = self.dataset.metrics().call(Method::ListPartitions);
        let found = call.run(async |tally| committed_files(&self.dataset, patterns, names, None, &tally).await).await?;
        let files = found.into_iter().flat_map(|partition| partition.files);
        Ok(files.map(|file| (file.key, file.size.bytes())).collect())
    }

    /// Returns the names of the partition columns.
    pub(crate) fn partition_names(&self) -> Names {
        self.root.partition.clone()
    }

    /// Returns the description of all columns of the record.
    #[cfg(feature = "datafusion")]
    pub(crate) fn root(&self) -> &Arc<Description> {
        &self.root
    }

    /// Returns the record type whose table it is, if it was made from one.
    #[cfg(feature = "datafusion")]
    pub(crate) fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("dataset", &self.dataset).field("schema", &self.schema).finish_non_exhaustive()
    }
}
