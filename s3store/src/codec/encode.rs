//! Encoding columns as a Parquet file.

use std::io;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{FieldRef, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression as Codec, Encoding, GzipLevel, PageType, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats, SortingColumn};
use parquet::file::properties::{
    BloomFilterPosition, EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterPropertiesPtr,
};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, SchemaDescriptor, TypePtr};

use super::bare_list::{check_bare_lists, with_bare_lists};
use super::{BATCH_ROWS, Compression, ContentHasher, Fast, digest, prune};
use crate::cpu;
use crate::error::{Error, Result};
use crate::format::ContentDigest;
use crate::record::Description;

/// The writer's name in the footer. It has no version, because equal records must give equal bytes across releases.
const CREATED_BY: &str = "s3store";

/// Files of at most this many rows have no dictionaries, page statistics or page indexes, which would cost more than they
/// save.
const SMALL_ROWS: usize = 512;

/// The most rows of a row group. A streaming merge holds one row group of each file in memory.
const ROW_GROUP_ROWS: usize = 16 * BATCH_ROWS;

/// The largest dictionary. If one grows beyond this, the rest of the row group is written without it. Columns of few
/// distinct values stay far below. For other columns, a higher limit would spend half the time of the first row group on a
/// dictionary that is abandoned later. The other row groups then have none.
const DICTIONARY_BYTES: usize = 128 << 10;

/// How often a Bloom filter claims a value that is not there. It takes 10 to 20 bits for each distinct value.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// The rows of a batch, or row group, from which its columns are encoded side by side. Below, it would cost more than it saves.
const SHARED_ROWS: usize = 1_024;

/// The space to reserve for a footer; most are smaller.
const FOOTER_BYTES: usize = 4 << 10;

/// The encoded size after which a row group of wide rows ends early.
pub(crate) const ROW_GROUP_BYTES: usize = 64 << 20;

/// The schemas and options of the files of one record type, with one compression. All files share them, because creating
/// them costs more than encoding a few rows.
#[derive(Debug)]
pub(crate) struct Encoder {
    schema: SchemaRef,
    /// The number of Parquet columns of each column.
    leaves: Vec<usize>,
    root: TypePtr,
    small: FileOptions,
    large: FileOptions,
    /// The number of [`digest::columns_of`].
    columns: u64,
}

/// The options of files up to [`SMALL_ROWS`] rows, or of larger ones.
#[derive(Debug)]
struct FileOptions {
    properties: WriterPropertiesPtr,
    columns: ArrowRowGroupWriterFactory,
}

impl Encoder {
    /// Returns an encoder for the description's columns, in their write types.
    pub(crate) fn new(description: &Description, compression: Compression) -> Result<Self> {
        check_bare_lists(&description.columns)
            .map_err(|error| Error::invalid_input(format!("record {}: {error}", description.record)))?;
        let schema = description.write_schema();
        let fail = |error: ParquetError| {
            Error::invalid_input(format!("{} has no Parquet schema", description.record)).with_source(error)
        };
        let converter = ArrowSchemaConverter::new().schema_root(&description.record);
        let parquet = converter.convert(&schema).and_then(|parquet| with_bare_lists(parquet, &description.columns));
        let parquet = parquet.map_err(fail)?;
        let sorting = sorting_columns(description, &parquet);
        let root = parquet.root_schema_ptr();
        let plain: Vec<_> = leaves_without_dictionary(description, &parquet).collect();
        let filtered = leaves_with_bloom_filter(description, &parquet)?;
        let options = |small| {
            let properties = without_dictionaries(properties(compression, sorting.clone(), small), &plain);
            let properties = if small { properties } else { with_bloom_filters(properties, &filtered) };
            FileOptions::new(&root, &schema, properties).map_err(fail)
        };
        let columns = digest::columns_of(description);
        let mut leaves = vec![0; schema.fields().len()];
        for leaf in 0..parquet.num_columns() {
            if let Some(leaves) = leaves.get_mut(parquet.get_column_root_idx(leaf)) {
                *leaves += 1;
            }
        }
        Ok(Self { small: options(true)?, large: options(false)?, leaves, root, schema, columns })
    }

    /// Returns a number that is equal for records whose digests can be compared.
    pub(crate) fn columns(&self) -> u64 {
        self.columns
    }

    /// Returns the digest of records that were hashed.
    pub(crate) fn digest(&self, content: ContentHasher<Fast>) -> ContentDigest {
        ContentDigest { columns: self.columns, records: u128::from_be_bytes(content.finish()) }
    }

    /// Returns the schema of the columns, in their write types.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Starts a file. `rows` is the expected row count: it selects the options and how much memory is reserved.
    pub(crate) fn file(self: &Arc<Self>, rows: usize) -> Result<FileWriter> {
        FileWriter::start(Arc::clone(self), rows <= SMALL_ROWS, rows, ROW_GROUP_BYTES).map_err(unencodable)
    }

    /// Starts a file whose bytes are [taken](FileWriter::take_written) while it is encoded. A row group ends at an encoded
    /// size of `group_bytes`.
    pub(crate) fn file_in_parts(self: &Arc<Self>, rows: usize, group_bytes: usize) -> Result<FileWriter> {
        FileWriter::start(Arc::clone(self), rows <= SMALL_ROWS, 0, group_bytes).map_err(unencodable)
    }

    /// Returns the options of large files, without dictionaries of these leaves.
    fn without_dictionaries(&self, leaves: &[ColumnPath]) -> Result<FileOptions, ParquetError> {
        let properties = without_dictionaries(self.large.properties.as_ref().clone(), leaves);
        FileOptions::new(&self.root, &self.schema, properties)
    }

    fn options(&self, small: bool) -> &FileOptions {
        if small { &self.small } else { &self.large }
    }
}

impl FileOptions {
    fn new(root: &TypePtr, schema: &SchemaRef, properties: WriterProperties) -> Result<Self, ParquetError> {
        let properties = Arc::new(properties);
        // Only a file writer can create the factory.
        let writer = SerializedFileWriter::new(io::sink(), Arc::clone(root), Arc::clone(&properties))?;
        Ok(Self { columns: ArrowRowGroupWriterFactory::new(&writer, Arc::clone(schema)), properties })
    }
}

fn properties(compression: Compression, sorting: Option<Vec<SortingColumn>>, small: bool) -> WriterProperties {
    let codec = match compression {
        Compression::Snappy => Codec::SNAPPY,
        Compression::Zstd => Codec::ZSTD(ZstdLevel::default()),
        Compression::Gzip => Codec::GZIP(GzipLevel::default()),
        Compression::Uncompressed => Codec::UNCOMPRESSED,
    };
    // The footer contains no Arrow schema: the Parquet types describe our columns completely, and an Arrow schema is
    // larger than a small file's data.
    WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(codec)
        .set_sorting_columns(sorting)
        .set_dictionary_enabled(!small)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_statistics_enabled(if small { EnabledStatistics::Chunk } else { EnabledStatistics::Page })
        .set_offset_index_disabled(small)
        .build()
}

/// Returns the leaves whose values are written without a dictionary, because their fields say so.
fn leaves_without_dictionary<'p>(
    description: &'p Description,
    parquet: &'p SchemaDescriptor,
) -> impl Iterator<Item = ColumnPath> + 'p {
    let leaves = parquet.columns().iter().enumerate().filter(|(leaf, column)| {
        let below = column.path().parts().get(1..).unwrap_or_default();
        let root = description.columns.get(parquet.get_column_root_idx(*leaf));
        root.is_some_and(|root| !root.has_dictionary(below))
    });
    leaves.map(|(_, column)| column.path().clone())
}

fn without_dictionaries(properties: WriterProperties, leaves: &[ColumnPath]) -> WriterProperties {
    let without = |builder: WriterPropertiesBuilder, leaf: &ColumnPath| {
        builder.set_column_dictionary_enabled(leaf.clone(), false)
    };
    leaves.iter().fold(properties.into_builder(), without).build()
}

/// Returns the leaves whose values have a Bloom filter, because their fields say so.
fn leaves_with_bloom_filter(description: &Description, parquet: &SchemaDescriptor) -> Result<Vec<ColumnPath>> {
    let mut leaves = Vec::new();
    for column in description.columns.iter().filter(|column| column.bloom) {
        let leaf = parquet.columns().iter().find(|leaf| *leaf.path().parts() == [column.name.as_ref()]);
        match leaf.filter(|leaf| prune::has_bloom_filters(&column.write_type(), leaf.physical_type())) {
            Some(leaf) => leaves.push(leaf.path().clone()),
            None => {
                return Err(Error::invalid_input(format!(
                    "record {}, column {}: a Bloom filter is for texts, bytes, integers, dates and times: remove `bloom`",
                    description.record, column.name
                )));
            }
        }
    }
    Ok(leaves)
}

fn with_bloom_filters(properties: WriterProperties, leaves: &[ColumnPath]) -> WriterProperties {
    let with = |builder: WriterPropertiesBuilder, leaf: &ColumnPath| {
        builder
            .set_column_bloom_filter_fpp(leaf.clone(), BLOOM_FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(leaf.clone(), ROW_GROUP_ROWS as u64)
    };
    let builder = properties.into_builder().set_bloom_filter_position(BloomFilterPosition::End);
    leaves.iter().fold(builder, with).build()
}

/// Returns whether a column chunk began with a dictionary that then grew too large.
fn has_abandoned_dictionary(chunk: &ColumnChunkMetaData) -> bool {
    let is_plain = |page: &PageEncodingStats| {
        let is_data = matches!(page.page_type, PageType::DATA_PAGE | PageType::DATA_PAGE_V2);
        is_data && !matches!(page.encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY)
    };
    let pages = chunk.page_encoding_stats().map_or(&[][..], Vec::as_slice);
    chunk.dictionary_page_offset().is_some() && pages.iter().any(is_plain)
}

/// Returns the key's columns by the index of their leaf, as Parquet numbers them.
fn sorting_columns(description: &Description, parquet: &SchemaDescriptor) -> Option<Vec<SortingColumn>> {
    let key = description.key.as_ref()?;
    let leaf = |column: usize| {
        let leaf = (0..parquet.num_columns()).find(|&leaf| parquet.get_column_root_idx(leaf) == column);
        leaf.and_then(|leaf| i32::try_from(leaf).ok())
    };
    key.columns()
        .map(|column| {
            leaf(column).map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: false })
        })
        .collect()
}

fn unencodable(error: ParquetError) -> Error {
    Error::invalid_input(format!("can't encode the records as Parquet: {error}"))
}

/// Encodes one Parquet file in memory.
pub(crate) struct FileWriter {
    encoder: Arc<Encoder>,
    small: bool,
    /// The number of rows for which space is reserved, including those of the current row group.
    rows_ahead: usize,
    /// The encoded size after which a row group ends.
    group_bytes: usize,
    writer: SerializedFileWriter<Vec<u8>>,
    group: Vec<ArrowColumnWriter>,
    group_rows: usize,
    groups: usize,
    /// The leaves whose dictionaries the first row group has given up.
    abandoned: Vec<ColumnPath>,
    /// The options of the row groups without these dictionaries, once there is such a row group.
    without_dictionaries: Option<FileOptions>,
}

impl FileWriter {
    fn start(encoder: Arc<Encoder>, small: bool, rows_ahead: usize, group_bytes: usize) -> Result<Self, ParquetError> {
        let properties = Arc::clone(&encoder.options(small).properties);
        let writer = SerializedFileWriter::new(Vec::new(), Arc::clone(&encoder.root), properties)?;
        Ok(Self {
            encoder,
            small,
            rows_ahead,
            group_bytes,
            writer,
            group: Vec::new(),
            group_rows: 0,
            groups: 0,
            abandoned: Vec::new(),
            without_dictionaries: None,
        })
    }

    /// Appends rows, given by all their columns. Rows are written in batches of [`BATCH_ROWS`], so the file's bytes do not
    /// depend on how rows are split over calls as long as each call but the last has a multiple of that.
    pub(crate) fn write(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.write_columns(columns).map_err(unencodable)
    }

    /// Takes the bytes of the row groups that have ended. [`finish`](Self::finish) returns the bytes after them.
    pub(crate) fn take_written(&mut self) -> Bytes {
        std::mem::take(self.writer.inner_mut()).into()
    }

    /// Ends the last row group, writes the footer and returns the file's bytes.
    pub(crate) fn finish(mut self) -> Result<Bytes> {
        if self.group_rows > 0 {
            self.end_group().map_err(unencodable)?;
        }
        self.writer.into_inner().map(Bytes::from).map_err(unencodable)
    }

    fn write_columns(&mut self, columns: &[ArrayRef]) -> Result<(), ParquetError> {
        let rows = columns.first().map_or(0, |column| column.len());
        let expected = self.encoder.schema.fields().len();
        if columns.len() != expected || columns.iter().any(|column| column.len() != rows) {
            return Err(ParquetError::General(format!("expected {expected} columns of equal length")));
        }
        if rows <= BATCH_ROWS {
            return self.write_batch(columns, rows);
        }
        for start in (0..rows).step_by(BATCH_ROWS) {
            let length = BATCH_ROWS.min(rows - start);
            let slices: Vec<_> = columns.iter().map(|column| column.slice(start, length)).collect();
            self.write_batch(&slices, length)?;
        }
        Ok(())
    }

    fn write_batch(&mut self, columns: &[ArrayRef], rows: usize) -> Result<(), ParquetError> {
        if rows == 0 {
            return Ok(());
        }
        if self.group_rows > 0 && (self.group_rows + rows > ROW_GROUP_ROWS || self.encoded_bytes() >= self.group_bytes)
        {
            self.end_group()?;
        }
        if self.group.is_empty() {
            if self.without_dictionaries.is_none() && !self.abandoned.is_empty() {
                self.without_dictionaries = Some(self.encoder.without_dictionaries(&self.abandoned)?);
            }
            let options = self.without_dictionaries.as_ref().unwrap_or_else(|| self.encoder.options(self.small));
            self.group = options.columns.create_column_writers(self.groups)?;
        }
        let mut writers = self.group.as_mut_slice();
        let mut work = Vec::with_capacity(columns.len());
        for ((field, column), leaves) in self.encoder.schema.fields().iter().zip(columns).zip(&self.encoder.leaves) {
            if !field.data_type().equals_datatype(column.data_type()) {
                let found = column.data_type();
                return Err(ParquetError::General(format!("column {}: unexpected type {found}", field.name())));
            }
            let (own, rest) = writers.split_at_mut(*leaves);
            work.push((field, column, own));
            writers = rest;
        }
        self.group_rows += rows;
        let encode = |(field, column, writers): (&FieldRef, &ArrayRef, &mut [ArrowColumnWriter])| {
            compute_leaves(field, column)?.iter().zip(writers).try_for_each(|(leaf, writer)| writer.write(leaf))
        };
        if rows < SHARED_ROWS {
            return work.into_iter().try_for_each(encode);
        }
        cpu::each(work, encode).into_iter().collect()
    }

    fn encoded_bytes(&self) -> usize {
        self.group.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum()
    }

    fn end_group(&mut self) -> Result<(), ParquetError> {
        self.reserve();
        let mut group = self.writer.next_row_group()?;
        let columns = std::mem::take(&mut self.group);
        let closed: Vec<_> = if self.group_rows < SHARED_ROWS {
            columns.into_iter().map(ArrowColumnWriter::close).collect()
        } else {
            cpu::each(columns, ArrowColumnWriter::close)
        };
        for column in closed {
            let column = column?;
            let chunk = &column.close().metadata;
            if self.groups == 0 && has_abandoned_dictionary(chunk) {
                self.abandoned.push(chunk.column_path().clone());
            }
            column.append_to_row_group(&mut group)?;
        }
        group.close()?;
        self.groups += 1;
        self.rows_ahead = self.rows_ahead.saturating_sub(self.group_rows);
        self.group_rows = 0;
        Ok(())
    }

    /// Reserves space for the current row group, and for the expected rest of the file at the current group's size per
    /// row. Growing the buffer with each group would copy all bytes written before.
    fn reserve(&mut self) {
        let bytes = self.encoded_bytes();
        let written = self.writer.inner_mut();
        if written.capacity() - written.len() < bytes + FOOTER_BYTES {
            let ahead = bytes.saturating_mul(self.rows_ahead.div_ceil(self.group_rows.max(1)));
            written.reserve(ahead.max(bytes) + FOOTER_BYTES);
        }
    }
}
