//! Finds the schema of a dataset's records in its bucket.

use std::collections::HashSet;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::Table;
use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::format::RefName;
use crate::schema::{Access, Comparison, Schema, SchemaColumn, SchemaForm, SchemaPartition, Side};

/// The default of [`FindTable::sample`].
const SAMPLE: usize = 8;

/// Finds the schema of a dataset's records, returned by [`Dataset::table`]. Await it.
#[must_use = "nothing is sought until it is awaited"]
pub struct FindTable {
    dataset: Dataset,
    sample: usize,
    partition: Option<Vec<String>>,
    /// Pairs of a partition column and the column whose text it is.
    renders: Vec<(String, String)>,
    key: Option<(Vec<String>, Option<String>)>,
    deleted: Option<String>,
    without: Vec<String>,
}

/// What one file says about itself.
struct SampledFile {
    key: String,
    columns: Vec<SchemaColumn>,
    sorted_by: Option<Vec<String>>,
}

impl FindTable {
    pub(super) fn new(dataset: &Dataset) -> Self {
        Self {
            dataset: dataset.clone(),
            sample: SAMPLE,
            partition: None,
            renders: Vec::new(),
            key: None,
            deleted: None,
            without: Vec::new(),
        }
    }

    /// Sets how many of the newest files are looked at. Default: 8.
    ///
    /// With 0, only a registered schema counts.
    pub fn sample(mut self, files: usize) -> Self {
        self.sample = files;
        self
    }

    /// Sets the names of the partition columns, in order, in place of those that are found.
    pub fn partition_by<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.partition = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Says that the value of a partition column is the text of a column's value, in all of the dataset's files. Then
    /// conditions on that column select partitions.
    ///
    /// Writers of this library register that, if it was true for all writers of the dataset from the first on. It can't be found
    /// in files, so it must be said for data of the Go library. If it is not true, reads with such conditions miss rows.
    pub fn partition_is(mut self, partition_column: impl Into<String>, column: impl Into<String>) -> Self {
        self.renders.push((partition_column.into(), column.into()));
        self
    }

    /// Sets the columns that identify an entity, and the column that orders its versions. Floats and nested columns can't be
    /// either.
    pub fn key<S: Into<String>>(mut self, entity: impl IntoIterator<Item = S>, version: impl Into<String>) -> Self {
        self.key = Some((entity.into_iter().map(Into::into).collect(), Some(version.into())));
        self
    }

    /// Treats each row as a record of its own.
    pub fn without_key(mut self) -> Self {
        self.key = Some((Vec::new(), None));
        self
    }

    /// Sets the column that marks deleted entities: one that is true, or a time.
    pub fn deleted(mut self, column: impl Into<String>) -> Self {
        self.deleted = Some(column.into());
        self
    }

    /// Leaves columns out of the table.
    pub fn without_columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.without.extend(names.into_iter().map(Into::into));
        self
    }

    async fn find(self) -> Result<Table> {
        let registered = self.dataset.schema().await?;
        let sample = if self.sample == 0 { Vec::new() } else { self.sampled_files().await? };
        let mut schema = match registered {
            Some(registered) => registered,
            None => self.first_schema(&sample)?,
        };
        schema.columns.retain(|column| !self.without.contains(&column.name));
        for file in sample {
            schema = self.with_file(schema, file)?;
        }
        self.apply(&mut schema)?;
        Table::of_schema(&self.dataset, schema).map_err(|error| match error.kind() {
            ErrorKind::InvalidData if self.key.is_some() || self.deleted.is_some() || !self.without.is_empty() => {
                Error::invalid_input(error.to_string())
            }
            _ => error,
        })
    }

    /// Returns what the newest committed files say, the newest first.
    async fn sampled_files(&self) -> Result<Vec<(RefName, SampledFile)>> {
        let dataset = &self.dataset;
        let (refs, mut seen) = (dataset.recent_refs().await?, HashSet::new());
        let refs = refs.into_iter().rev().filter(move |found| seen.insert(found.attempt));
        let sampled = stream::iter(refs.map(|found| async move {
            let slot = dataset.keys().commit_key(&found.partition, &found.token)?;
            // A ref without the commit of its attempt is that of a failed write.
            match dataset.find_commit(&slot).await? {
                Some(commit) if commit.meta.attempt == found.attempt => {}
                _ => return Ok(None),
            }
            let Some((key, footer)) = dataset.footer_of_ref(&found).await? else { return Ok(None) };
            let columns = match footer.columns() {
                Ok(columns) => SchemaColumn::of_arrow(&columns),
                Err(error) => {
                    tracing::warn!(key, %error, "the columns of a file are not known");
                    return Ok(None);
                }
            };
            let sorted_by = footer.sorted_by();
            Ok::<_, Error>(Some((found, SampledFile { key, columns, sorted_by })))
        }))
        .buffered(self.sample.min(dataset.client().permits()))
        .try_filter_map(|file| std::future::ready(Ok(file)))
        .take(self.sample);
        sampled.try_collect().await
    }

    /// Returns the schema of a dataset that has registered none, with the columns of its newest file.
    fn first_schema(&self, sample: &[(RefName, SampledFile)]) -> Result<Schema> {
        let Some((newest, file)) = sample.first() else {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "the dataset {:?} of bucket {} has no schema and no committed file, so its columns are not known; write a \
                     record first, or make the table from a record type or a schema",
                    self.dataset.prefix(),
                    self.dataset.bucket()
                ),
            ));
        };
        let names = newest.partition.as_str().split('/').filter_map(|part| part.split_once('=').map(|(name, _)| name));
        let mut keys = sample.iter().filter_map(|(_, file)| Some((file, file.sorted_by.clone()?)));
        let (mut entity, mut version) = (Vec::new(), None);
        if self.key.is_none()
            && let Some((first, mut key)) = keys.next()
        {
            if let Some((other, key_of_other)) = keys.find(|(_, other)| *other != key) {
                return Err(Error::invalid_data(format!(
                    "{} is sorted by {}, {} by {}; name the key of the table",
                    first.key,
                    key.join(", "),
                    other.key,
                    key_of_other.join(", ")
                )));
            }
            // One column is no key: an entity has at least one, and the version is the last.
            if key.len() > 1 {
                version = key.pop();
                entity = key;
            }
        }
        Ok(Schema {
            record: self.dataset.prefix().rsplit('/').find(|part| !part.is_empty()).unwrap_or("table").to_owned(),
            columns: file.columns.clone(),
            partition: names.map(partition_column).collect(),
            entity,
            version,
            inserted_at: None,
            deleted: None,
            views: Vec::new(),
        })
    }

    /// Adds the columns of a file.
    fn with_file(&self, schema: Schema, (_, file): (RefName, SampledFile)) -> Result<Schema> {
        let mut columns = file.columns;
        columns.retain(|column| !self.without.contains(&column.name));
        let of_file = Schema { columns, ..schema.clone() };
        let side = Side { schema: &of_file, access: Access::Write, columns: None, defaults: &[] };
        let Comparison { differences, merged, .. } = Comparison::with_registered(&schema, &side);
        if differences.is_empty() {
            return Ok(Schema { record: schema.record, ..merged });
        }
        Err(Error::invalid_data(format!(
            "{} does not fit the other files: {}; leave such columns out of the table",
            file.key,
            differences.join("; ")
        )))
    }

    /// Sets what the caller has named.
    fn apply(&self, schema: &mut Schema) -> Result<()> {
        if let Some(names) = &self.partition {
            schema.partition = names.iter().map(|name| partition_column(name)).collect();
        }
        for (name, column) in &self.renders {
            let Some(part) = schema.partition.iter_mut().find(|part| part.name == *name) else {
                let known: Vec<_> = schema.partition.iter().map(|part| part.name.as_str()).collect();
                let known = known.join(", ");
                return Err(Error::invalid_input(format!("{name:?} is no partition column; those are {known}")));
            };
            if schema.columns.iter().all(|known| known.name != *column) {
                return Err(Error::invalid_input(format!("{column:?} is no column of {}", schema.record)));
            }
            *part = SchemaPartition {
                columns: vec![column.clone()],
                form: SchemaForm::Value,
                stored: true,
                ..partition_column(name)
            };
        }
        if let Some((entity, version)) = &self.key {
            (schema.entity, schema.version) = (entity.clone(), version.clone());
        }
        if let Some(deleted) = &self.deleted {
            schema.deleted = Some(deleted.clone());
        }
        Ok(())
    }
}

/// Returns a partition column of whose values nothing is known.
fn partition_column(name: &str) -> SchemaPartition {
    SchemaPartition { name: name.to_owned(), columns: Vec::new(), form: SchemaForm::Function, stored: false }
}

impl IntoFuture for FindTable {
    type Output = Result<Table>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.find())
    }
}

impl fmt::Debug for FindTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindTable")
            .field("dataset", &self.dataset)
            .field("sample", &self.sample)
            .finish_non_exhaustive()
    }
}
