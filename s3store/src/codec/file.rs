//! A Parquet file, read as batches of what a reader wants.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use bytes::Bytes;
use parquet::DecodeResult;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};
use parquet::schema::types::SchemaDescPtr;

use super::BATCH_ROWS;
use super::adapt::{Member, Source};
use super::guard::guarded;
use super::plan::{Planner, field_for, leaf_count};
use super::whole::Whole;
use crate::error::{Error, Result};
use crate::record::{ReadLayout, RowError};

/// Opens a file that is in memory as a whole.
#[cfg(test)]
pub(super) fn open(bytes: Bytes, layout: &ReadLayout) -> Result<FileReader> {
    FilePlan::new(whole(&bytes)?, layout, None)?.read(bytes)
}

/// The footer of a file that is in memory as a whole.
fn whole(bytes: &Bytes) -> Result<Arc<ParquetMetaData>> {
    guarded(|| footer_reader().parse_and_finish(bytes)).map(Arc::new)
}

/// Reads footers without their statistics: nothing here looks at them, and of a small file they are a good part.
fn footer_reader() -> ParquetMetaDataReader {
    let options = ParquetMetaDataOptions::new()
        .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
    ParquetMetaDataReader::new().with_metadata_options(Some(options))
}

/// Opens files that are in memory as a whole, all for one layout. They most often have one schema, and for a small one
/// it takes a while to see how that becomes the layout's columns: what was found for the last is kept.
#[derive(Debug)]
pub(crate) struct Opener {
    layout: ReadLayout,
    last: Mutex<Option<Arc<Mapping>>>,
}

impl Opener {
    pub(crate) fn new(layout: ReadLayout) -> Self {
        Self { layout, last: Mutex::new(None) }
    }

    pub(crate) fn layout(&self) -> &ReadLayout {
        &self.layout
    }

    pub(crate) fn open(&self, bytes: Bytes) -> Result<FileReader> {
        let known = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let plan = FilePlan::new(whole(&bytes)?, &self.layout, known)?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&plan.mapping));
        plan.read(bytes)
    }
}

/// A file's footer, and the end of the file that it was found in.
#[derive(Debug, Clone)]
pub(crate) struct Footer {
    metadata: Arc<ParquetMetaData>,
    tail: Bytes,
    size: u64,
}

/// What the end of a file tells.
#[derive(Debug)]
pub(crate) enum Tail {
    Footer(Footer),
    /// The footer begins earlier: so many bytes from the file's end are needed.
    Needs(u64),
}

impl Footer {
    /// The footer of a file of `size` bytes, of which `tail` is the end.
    pub(crate) fn parse(tail: Bytes, size: u64) -> Result<Tail> {
        guarded(|| {
            let mut reader = footer_reader();
            match reader.try_parse_sized(&tail, size) {
                Ok(()) => {
                    let metadata = Arc::new(reader.finish()?);
                    Ok(Tail::Footer(Self { metadata, tail, size }))
                }
                Err(ParquetError::NeedMoreData(bytes)) => Ok(Tail::Needs(bytes as u64)),
                Err(error) => Err(error),
            }
        })
    }

    /// How many rows the file has.
    pub(crate) fn rows(&self) -> Result<u64> {
        let rows = self.metadata.file_metadata().num_rows();
        u64::try_from(rows).map_err(|_| Error::invalid_data(format!("the file's footer says {rows} rows")))
    }

    /// Reads the file as far as the layout wants it, by ranges: see [`FileReader::step`].
    pub(crate) fn read(self, layout: &ReadLayout) -> Result<FileReader> {
        let Self { metadata, tail, size } = self;
        let there = size.saturating_sub(tail.len() as u64)..size;
        FilePlan::new(metadata, layout, None)?.read_ranges(there, tail)
    }
}

/// What reading a file by ranges comes to next.
#[derive(Debug)]
pub(crate) enum Step {
    /// These bytes of the file are needed first: see [`FileReader::push`].
    Needs(Vec<Range<u64>>),
    Batch(RecordBatch),
    End,
}

/// How a file with this footer is read.
#[derive(Debug)]
pub(crate) struct FilePlan {
    metadata: Arc<ParquetMetaData>,
    mapping: Arc<Mapping>,
    rows: usize,
}

/// How files of a schema are read: what of it is decoded, and how that becomes the layout's columns.
#[derive(Debug)]
struct Mapping {
    /// The files' schema; `None` if the Arrow schema that a file brings has had a say.
    parquet: Option<SchemaDescPtr>,
    /// The Arrow types that are decoded: see [`typed`].
    typed: SchemaRef,
    leaves: Vec<usize>,
    /// The leaves, as the decoder wants to be told of them.
    levels: FieldLevels,
    members: Vec<Member>,
    /// Of the batches.
    schema: SchemaRef,
}

impl Mapping {
    fn new(metadata: &Arc<ParquetMetaData>, layout: &ReadLayout) -> Result<Self> {
        let typed = guarded(|| {
            // Looks whether the file can be read as these types.
            let options = ArrowReaderOptions::new().with_schema(typed(metadata)?);
            Ok(Arc::clone(ArrowReaderMetadata::try_new(Arc::clone(metadata), options)?.schema()))
        })?;
        let parquet = metadata.file_metadata().schema_descr();
        let mut planner = Planner::new(parquet);
        let members = planner
            .members(&layout.columns, typed.fields(), 0)
            .map_err(|error| Error::invalid_data(error.to_string()))?;
        let mut leaves = planner.leaves;
        leaves.sort_unstable();
        leaves.dedup();
        let mask = ProjectionMask::leaves(parquet, leaves.iter().copied());
        let levels = guarded(|| parquet_to_arrow_field_levels(parquet, mask, Some(typed.fields())))?;
        let fields: Fields =
            layout.columns.iter().zip(&members).map(|(node, member)| field_for(node, member.data_type())).collect();
        let parquet = (!has_own_schema(metadata)).then(|| metadata.file_metadata().schema_descr_ptr());
        Ok(Self { parquet, typed, leaves, levels, members, schema: Arc::new(Schema::new(fields)) })
    }

    /// Whether a file with this footer is read alike.
    fn fits(&self, metadata: &ParquetMetaData) -> bool {
        let same = |parquet: &SchemaDescPtr| **parquet == *metadata.file_metadata().schema_descr();
        self.parquet.as_ref().is_some_and(same) && !has_own_schema(metadata)
    }
}

impl FilePlan {
    /// `known` is how another file was read for the same layout.
    ///
    /// # Errors
    /// A column that the layout wants in a type that the file's is no form of, or that the file lacks though it has no
    /// default.
    fn new(metadata: Arc<ParquetMetaData>, layout: &ReadLayout, known: Option<Arc<Mapping>>) -> Result<Self> {
        let rows = metadata.row_groups().iter().try_fold(0usize, |rows, group| {
            usize::try_from(group.num_rows()).ok().and_then(|more| rows.checked_add(more))
        });
        let mapping = match known.filter(|known| known.fits(&metadata)) {
            Some(known) => known,
            None => Arc::new(Mapping::new(&metadata, layout)?),
        };
        let rows = rows.ok_or_else(|| Error::invalid_data("the file's footer counts rows wrongly"))?;
        Ok(Self { metadata, mapping, rows })
    }

    /// How many rows the file has.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// How many bytes its wanted columns have when they are not compressed, by the footer's own word.
    pub(crate) fn uncompressed_size(&self) -> u64 {
        let groups = self.metadata.row_groups().iter();
        let sizes = groups.flat_map(|group| self.mapping.leaves.iter().filter_map(|&leaf| group.columns().get(leaf)));
        sizes.fold(0, |sum, column| sum.saturating_add(u64::try_from(column.uncompressed_size()).unwrap_or(0)))
    }

    /// Whether every row group says that it is sorted by the layout's whole key, entity and version. It may lie.
    pub(crate) fn sorted(&self, layout: &ReadLayout) -> bool {
        marked_sorted(&self.metadata, layout, &self.mapping)
    }

    /// The schema of the batches: the layout's, but with the file's unit where its times are finer than wanted.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.mapping.schema
    }

    /// Reads the file, of which `bytes` is the whole.
    pub(crate) fn read(self, bytes: Bytes) -> Result<FileReader> {
        let mut file = FileReader { plan: self, whole: Some(Arc::new(bytes)), decoder: None, batches: None, read: 0 };
        file.begin()?;
        Ok(file)
    }

    /// Reads the file by ranges, of which `there` are the first bytes.
    fn read_ranges(self, there: Range<u64>, bytes: Bytes) -> Result<FileReader> {
        let decoder = guarded(|| {
            let options = ArrowReaderOptions::new().with_schema(Arc::clone(&self.mapping.typed));
            let metadata = ArrowReaderMetadata::try_new(Arc::clone(&self.metadata), options)?;
            let mask = ProjectionMask::leaves(metadata.parquet_schema(), self.mapping.leaves.iter().copied());
            let mut decoder = ParquetPushDecoderBuilder::new_with_metadata(metadata)
                .with_projection(mask)
                .with_batch_size(BATCH_ROWS)
                .build()?;
            decoder.push_range(there, bytes)?;
            Ok(decoder)
        })?;
        Ok(FileReader { plan: self, whole: None, decoder: Some(decoder), batches: None, read: 0 })
    }
}

/// The batches of a file, in order. Ends after the first error.
#[derive(Debug)]
pub(crate) struct FileReader {
    plan: FilePlan,
    /// All of the file, if it is in memory.
    whole: Option<Arc<Bytes>>,
    /// Of a file that is read by ranges; `None` at its end.
    decoder: Option<ParquetPushDecoder>,
    /// Of the row group under way, or of the whole file; `None` at their end.
    batches: Option<ParquetRecordBatchReader>,
    read: usize,
}

impl FileReader {
    /// What is known of the file.
    pub(crate) fn plan(&self) -> &FilePlan {
        &self.plan
    }

    /// Reads a file that is in memory from its beginning, once more if it was.
    pub(crate) fn begin(&mut self) -> Result<()> {
        if let Some(bytes) = &self.whole {
            let FilePlan { metadata, mapping, rows } = &self.plan;
            let groups = Whole { metadata, bytes: Arc::clone(bytes), rows: *rows };
            // The decoder makes room for a whole batch.
            let batch_rows = BATCH_ROWS.min(*rows).max(1);
            let batches = guarded(|| {
                ParquetRecordBatchReader::try_new_with_row_groups(&mapping.levels, &groups, batch_rows, None)
            })?;
            (self.batches, self.read) = (Some(batches), 0);
        }
        Ok(())
    }

    /// Goes on, for a file of which not all bytes are there. After an error there is no further step.
    pub(crate) fn step(&mut self) -> Result<Step> {
        match self.decode()? {
            Step::Batch(batch) => self.adapted(&batch).map(Step::Batch),
            Step::End if self.read != self.plan.rows => Err(Error::invalid_data(format!(
                "the file has {} rows, where its footer says {}",
                self.read, self.plan.rows
            ))),
            step => Ok(step),
        }
    }

    /// Takes the bytes of the ranges that a step needs.
    pub(crate) fn push(&mut self, ranges: Vec<Range<u64>>, bytes: Vec<Bytes>) -> Result<()> {
        match &mut self.decoder {
            Some(decoder) => guarded(|| decoder.push_ranges(ranges, bytes)),
            None => Ok(()),
        }
    }

    fn decode(&mut self) -> Result<Step> {
        loop {
            if let Some(batches) = &mut self.batches {
                match guarded(|| batches.next().transpose().map_err(ParquetError::from))? {
                    Some(batch) => return Ok(Step::Batch(batch)),
                    None => self.batches = None,
                }
            }
            let Some(decoder) = &mut self.decoder else {
                return Ok(Step::End);
            };
            match guarded(|| decoder.try_next_reader())? {
                DecodeResult::Data(group) => self.batches = Some(group),
                DecodeResult::NeedsData(ranges) => return Ok(Step::Needs(ranges)),
                DecodeResult::Finished => self.decoder = None,
            }
        }
    }

    /// A batch as the layout wants it.
    fn adapted(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let columns = self
            .plan
            .mapping
            .members
            .iter()
            .map(|member| member.apply(batch.columns(), rows, None))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| bad_row(self.read, &error))?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(self.plan.schema()), columns, &options)
            .map_err(|error| Error::invalid_data("the file's columns do not fit together").with_source(error))?;
        self.read += rows;
        Ok(batch)
    }
}

impl Iterator for FileReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.decoder.is_none() && self.batches.is_none() {
            return None;
        }
        let batch = match self.step() {
            Ok(Step::Batch(batch)) => return Some(Ok(batch)),
            Ok(Step::End) => None,
            Ok(Step::Needs(_)) => Some(Err(Error::invalid_data("the file is shorter than its footer says"))),
            Err(error) => Some(Err(error)),
        };
        self.decoder = None;
        self.batches = None;
        batch
    }
}

impl AsMut<Self> for FileReader {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

fn bad_row(before: usize, error: &RowError) -> Error {
    Error::invalid_data(format!("row {}, {}", before + error.row, error.value))
}

/// The Arrow types that a file is decoded to: text and bytes as views, few kinds of the rest.
fn typed(metadata: &Arc<ParquetMetaData>) -> Result<SchemaRef, ParquetError> {
    let bare = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let plain = ArrowReaderMetadata::try_new(Arc::clone(metadata), bare)?;
    // What Parquet has no type for, a time in seconds for one, is in the writer's own schema alone. That may be broken.
    let own =
        has_own_schema(metadata).then(|| ArrowReaderMetadata::try_new(Arc::clone(metadata), ArrowReaderOptions::new()));
    let hints = own.and_then(Result::ok).map(|own| leaves(own.schema().fields())).unwrap_or_default();
    let total = leaves(plain.schema().fields()).len();
    let mut hints = if hints.len() == total { hints } else { vec![DataType::Null; total] }.into_iter();
    let fields: Fields = plain.schema().fields().iter().map(|field| decoded(field, &mut hints)).collect();
    Ok(Arc::new(Schema::new_with_metadata(fields, plain.schema().metadata().clone())))
}

fn has_own_schema(metadata: &ParquetMetaData) -> bool {
    let mut entries = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    entries.any(|entry| entry.key == ARROW_SCHEMA_META_KEY)
}

fn leaves(fields: &Fields) -> Vec<DataType> {
    let mut leaves = Vec::new();
    for field in fields {
        push_leaves(field.data_type(), &mut leaves);
    }
    leaves
}

fn push_leaves(data_type: &DataType, leaves: &mut Vec<DataType>) {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::Map(field, _) => push_leaves(field.data_type(), leaves),
        DataType::Struct(fields) => fields.iter().for_each(|field| push_leaves(field.data_type(), leaves)),
        leaf => leaves.push(leaf.clone()),
    }
}

fn decoded(field: &Field, hints: &mut impl Iterator<Item = DataType>) -> Field {
    use DataType::{Binary, BinaryView, Date64, Int32, Int64, List, Map, Struct, Time32, Timestamp, Utf8, Utf8View};
    let data_type = match field.data_type() {
        List(element) => List(Arc::new(decoded(element, hints))),
        Map(entries, sorted) => Map(Arc::new(decoded(entries, hints)), *sorted),
        Struct(fields) => Struct(fields.iter().map(|field| decoded(field, hints)).collect()),
        leaf => match (leaf, hints.next()) {
            (Utf8, _) => Utf8View,
            (Binary, _) => BinaryView,
            (Int64, Some(hint @ (Timestamp(..) | Date64))) => hint,
            (Int32, Some(hint @ Time32(_))) => hint,
            (leaf, _) => leaf.clone(),
        },
    };
    field.clone().with_data_type(data_type)
}

fn marked_sorted(metadata: &ParquetMetaData, layout: &ReadLayout, mapping: &Mapping) -> bool {
    let Some(key) = &layout.key else {
        return false;
    };
    let fields = mapping.typed.fields();
    let leaf = |column: usize| -> Option<i32> {
        let (node, member) = (layout.columns.get(column)?, mapping.members.get(column)?);
        matches!(member.source, Source::Column(..)).then_some(())?;
        let names = std::iter::once(&node.name).chain(node.aliases);
        let place = names.into_iter().find_map(|name| fields.iter().position(|field| field.name() == name))?;
        let before: usize = fields.iter().take(place).map(|field| leaf_count(field.data_type())).sum();
        i32::try_from(before).ok()
    };
    let Some(key) = key.columns().map(leaf).collect::<Option<Vec<_>>>() else {
        return false;
    };
    metadata.row_groups().iter().all(|group| {
        group.sorting_columns().is_some_and(|columns| {
            columns.len() >= key.len()
                && columns.iter().zip(&key).all(|(column, &leaf)| column.column_idx == leaf && !column.descending)
        })
    })
}
