//! How a file's columns become the columns of a layout.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::SchemaDescPtr;

use super::adapt::{Member, MemberSource, NullHandling};
use super::checks;
use super::decoded_types::{decoded_schema, has_arrow_schema};
use super::footer::ParsedFooter;
use super::guard::catch_panics;
use super::plan::{Planner, field_for, leaf_count};
use super::steps::Step;
use crate::error::{Error, Result};
use crate::record::{Predicate, ReadLayout, RowError};

/// How one file is read: its footer and the mapping of its schema.
#[derive(Debug, Clone)]
pub(crate) struct FilePlan {
    footer: ParsedFooter,
    mapping: Arc<Mapping>,
}

/// How files of one schema are read: which leaf columns are decoded, and how they become the layout's columns.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// The Parquet schema. `None` if the file embeds an Arrow schema; the mapping is then not reused, because files
    /// with equal Parquet schemas can embed different Arrow schemas.
    parquet: Option<SchemaDescPtr>,
    /// The Arrow types that the decoder produces: see [`decoded_schema`].
    decoded: SchemaRef,
    /// The leaf columns to decode, ascending.
    leaves: Vec<usize>,
    /// The same leaf columns in the decoder's representation.
    levels: FieldLevels,
    pub(crate) members: Vec<Member>,
    /// The schema of the adapted batches.
    schema: SchemaRef,
    /// The condition on the rows of the adapted batches.
    filter: Option<Arc<Predicate>>,
}

impl Mapping {
    fn new(metadata: &Arc<ParquetMetaData>, layout: &ReadLayout) -> Result<Self> {
        let decoded = catch_panics(|| {
            // Fails if the file can't be decoded to these types.
            let options = ArrowReaderOptions::new().with_schema(decoded_schema(metadata)?);
            Ok(Arc::clone(ArrowReaderMetadata::try_new(Arc::clone(metadata), options)?.schema()))
        })?;
        let parquet = metadata.file_metadata().schema_descr();
        let mut planner = Planner::new(parquet);
        let members = planner
            .members(&layout.columns, &|column| layout.units(column), decoded.fields(), 0)
            .map_err(|error| Error::invalid_data(error.to_string()))?;
        let mut leaves = planner.leaves;
        leaves.sort_unstable();
        leaves.dedup();
        let mask = ProjectionMask::leaves(parquet, leaves.iter().copied());
        let levels = catch_panics(|| parquet_to_arrow_field_levels(parquet, mask, Some(decoded.fields())))?;
        let fields: Fields =
            layout.columns.iter().zip(&members).map(|(node, member)| field_for(node, member.data_type())).collect();
        let parquet = (!has_arrow_schema(metadata)).then(|| metadata.file_metadata().schema_descr_ptr());
        let filter = layout.filter.below.clone();
        Ok(Self { parquet, decoded, leaves, levels, members, schema: Arc::new(Schema::new(fields)), filter })
    }

    pub(super) fn leaves(&self) -> &[usize] {
        &self.leaves
    }

    pub(super) fn levels(&self) -> &FieldLevels {
        &self.levels
    }

    /// Returns whether this mapping is also that of a file with this footer.
    fn fits(&self, metadata: &ParquetMetaData) -> bool {
        let same = |parquet: &SchemaDescPtr| **parquet == *metadata.file_metadata().schema_descr();
        self.parquet.as_ref().is_some_and(same) && !has_arrow_schema(metadata)
    }
}

impl FilePlan {
    /// Plans the reading of a file. `known` is the mapping of another file for the same layout; it is reused if the
    /// schemas are equal.
    ///
    /// # Errors
    /// `InvalidData` if the file's type of a column does not convert to the layout's, if the file does not have a column
    /// that has no default, if a wanted column is encrypted or has an unknown codec, or if the file claims to be far larger
    /// than its bytes justify.
    pub(super) fn new(footer: ParsedFooter, layout: &ReadLayout, known: Option<Arc<Mapping>>) -> Result<Self> {
        let mapping = match known.filter(|known| known.fits(&footer.metadata)) {
            Some(known) => known,
            None => Arc::new(Mapping::new(&footer.metadata, layout)?),
        };
        let rows = checks::row_count(&footer)?;
        checks::check_columns(&footer, &mapping.leaves, rows)?;
        Ok(Self { footer, mapping })
    }

    pub(super) fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.footer.metadata
    }

    pub(super) fn file_size(&self) -> u64 {
        self.footer.file_size
    }

    pub(crate) fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    /// Returns the number of rows in a row group.
    pub(super) fn rows_of(&self, group: usize) -> usize {
        let rows = self.footer.metadata.row_groups().get(group).map_or(0, |group| group.num_rows());
        usize::try_from(rows).unwrap_or_default()
    }

    /// Returns whether the footer marks every row group as sorted by the layout's key, entity columns first and then
    /// the version. The mark may be wrong.
    pub(crate) fn is_marked_sorted(&self, layout: &ReadLayout) -> bool {
        let Some(key) = &layout.key else {
            return false;
        };
        let leaf = |column| self.mapping.leaf_of(layout, column).and_then(|(leaf, _)| i32::try_from(leaf).ok());
        let key = key.columns().map(leaf);
        let Some(key) = key.collect::<Option<Vec<_>>>() else {
            return false;
        };
        self.footer.metadata.row_groups().iter().all(|group| {
            group.sorting_columns().is_some_and(|columns| {
                columns.len() >= key.len()
                    && columns.iter().zip(&key).all(|(column, &leaf)| column.column_idx == leaf && !column.descending)
            })
        })
    }

    /// Returns the schema of the adapted batches. It is the layout's, except that times keep the file's unit if that is
    /// finer and the layout allows it.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.mapping.schema
    }
}

impl Mapping {
    /// Returns the file's first leaf for a column of the layout, and the column. Returns `None` if the file does not have
    /// the column.
    pub(super) fn leaf_of(&self, layout: &ReadLayout, column: usize) -> Option<(usize, &Field)> {
        let (node, member) = (layout.columns.get(column)?, self.members.get(column)?);
        matches!(member.source, MemberSource::Column(..)).then_some(())?;
        let fields = self.decoded.fields();
        let index = node.names().find_map(|name| fields.iter().position(|field| field.name() == name))?;
        let before = fields.iter().take(index).map(|field| leaf_count(field.data_type())).sum();
        Some((before, fields.get(index)?))
    }
}

/// The source of a column of the layout, for comparisons with its values.
#[derive(Debug)]
pub(super) enum ColumnSource<'m> {
    /// A leaf of the file. Its nulls count as this array's only value, if there is one.
    Leaf { leaf: usize, field: &'m Field, wanted: &'m DataType, null: Option<&'m ArrayRef> },
    /// This array's only value, because the file lacks the column.
    Constant(&'m ArrayRef),
    /// A nested column.
    Nested,
}

impl Mapping {
    /// Returns the source of a column of the layout.
    pub(super) fn source_of(&self, layout: &ReadLayout, column: usize) -> Option<ColumnSource<'_>> {
        let adapter = match &self.members.get(column)?.source {
            MemberSource::Missing(filler) => return Some(ColumnSource::Constant(filler.value())),
            MemberSource::Column(_, adapter) => adapter,
        };
        let (leaf, field) = self.leaf_of(layout, column)?;
        if field.data_type().is_nested() || adapter.data_type.is_nested() {
            return Some(ColumnSource::Nested);
        }
        let null = match &adapter.nulls {
            NullHandling::Replace(value) => Some(value),
            NullHandling::Keep | NullHandling::Refuse => None,
        };
        Some(ColumnSource::Leaf { leaf, field, wanted: &adapter.data_type, null })
    }
}

/// Converts the decoded batches of one file to the layout's columns, and counts their rows.
#[derive(Debug)]
pub(super) struct BatchAdapter {
    plan: FilePlan,
    rows_read: usize,
    /// The rows that are decoded now, and how many of them were.
    step: Option<(Step, usize)>,
}

impl BatchAdapter {
    pub(super) fn new(plan: FilePlan) -> Self {
        Self { plan, rows_read: 0, step: None }
    }

    pub(super) fn plan(&self) -> &FilePlan {
        &self.plan
    }

    pub(super) fn restart(&mut self) {
        (self.rows_read, self.step) = (0, None);
    }

    /// Says which rows the next batches have.
    pub(super) fn begin(&mut self, step: Step) {
        self.step = Some((step, 0));
    }

    /// Converts the next batch, and drops the rows that the layout's filter drops.
    pub(super) fn adapt(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let members = self.plan.mapping.members.iter();
        let columns = members.map(|member| member.apply(batch.columns(), rows, None)).collect::<Result<Vec<_>, _>>();
        let columns = columns.map_err(|error| self.bad_row(&error))?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(self.plan.schema()), columns, &options)
            .map_err(|error| Error::invalid_data("the file's columns do not form a batch").with_source(error))?;
        self.rows_read += rows;
        if let Some((_, decoded)) = &mut self.step {
            *decoded += rows;
        }
        match &self.plan.mapping.filter {
            Some(filter) => filter.keep_matching(batch),
            None => Ok(batch),
        }
    }

    /// Returns the error for a row of the next batch, with the row's number in the file.
    fn bad_row(&self, error: &RowError) -> Error {
        let row = match &self.step {
            Some((step, decoded)) => {
                let before: usize = (0..step.group).map(|group| self.plan.rows_of(group)).sum();
                before + step.row(decoded + error.row)
            }
            None => self.rows_read + error.row,
        };
        Error::invalid_data(format!("row {row}, {}", error.value))
    }

    /// Checks at the end of the file that `expected` rows were decoded.
    pub(super) fn finish(&self, expected: usize) -> Result<()> {
        let rows = self.rows_read;
        if rows == expected {
            return Ok(());
        }
        Err(Error::invalid_data(format!("the file has {rows} rows, but its footer says {expected}")))
    }
}
