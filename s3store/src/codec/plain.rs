//! Parquet files that do not hold records: batches as they are, with nested columns.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::BATCH_ROWS;
use super::checks;
use super::footer::footer_of;
use super::guard::catch_panics;
use crate::error::{Error, Result};

/// The batches of a file that is in memory.
pub(crate) struct PlainReader(ParquetRecordBatchReader);

impl PlainReader {
    /// Opens a file for the columns at or below these paths, such as `add.path`. Columns that the file lacks are left out.
    ///
    /// # Errors
    /// `InvalidData` if the file is not readable, or claims to be far larger than its bytes justify.
    pub(crate) fn open(file: Bytes, paths: &[&str]) -> Result<Self> {
        let footer = footer_of(&file)?;
        let rows = checks::row_count(&footer)?;
        let schema = footer.metadata.file_metadata().schema_descr();
        let mask = ProjectionMask::columns(schema, paths.iter().copied());
        let leaves: Vec<usize> = (0..schema.num_columns()).filter(|leaf| mask.leaf_included(*leaf)).collect();
        checks::check_columns(&footer, &leaves, rows)?;
        let reader = catch_panics(|| {
            // A schema of Arrow that a program embeds may have other types for the same columns.
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            let metadata = ArrowReaderMetadata::try_new(footer.metadata.clone(), options)?;
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
            builder.with_projection(mask).with_batch_size(BATCH_ROWS.min(rows).max(1)).build()
        })?;
        Ok(Self(reader))
    }

    /// Returns the next batch, or `None` after the last one.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>> {
        catch_panics(|| Ok(self.0.next().transpose()?))
    }
}

/// A file that is written batch by batch into memory.
pub(crate) struct PlainWriter(ArrowWriter<Vec<u8>>);

impl PlainWriter {
    pub(crate) fn new(schema: SchemaRef) -> Result<Self> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        Ok(Self(ArrowWriter::try_new_with_options(Vec::new(), schema, options).map_err(unwritable)?))
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(unwritable)
    }

    pub(crate) fn finish(self) -> Result<Bytes> {
        self.0.into_inner().map(Bytes::from).map_err(unwritable)
    }
}

fn unwritable(error: ParquetError) -> Error {
    Error::internal(format!("encode a Parquet file: {error}"))
}
