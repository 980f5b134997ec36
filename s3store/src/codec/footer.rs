//! The footer of a Parquet file, found in the file's last bytes.

use std::sync::Arc;

use arrow_schema::{DataType, Fields, Schema, SchemaRef};
use bytes::Bytes;
use parquet::basic::ConvertedType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};

use super::decoded_types::decoded_schema;
use super::footer_scan::check_file_end;
use super::guard::catch_panics;
use super::mapping::FilePlan;
use super::range_reader::RangeReader;
use super::row_groups::{FileParts, Needed};
use super::steps::Steps;
use crate::error::{Error, Result};
use crate::record::{Predicate, ReadLayout};

/// A file's footer, with the bytes that it was parsed from.
#[derive(Debug, Clone)]
pub(crate) struct Footer {
    parsed: ParsedFooter,
    /// The last bytes of the file. They contain the footer, and often column data too. Others may have been added.
    parts: FileParts,
}

/// A file's footer.
#[derive(Debug, Clone)]
pub(super) struct ParsedFooter {
    pub(super) metadata: Arc<ParquetMetaData>,
    /// The paths of the encrypted columns, in each row group.
    pub(super) encrypted: Vec<String>,
    pub(super) file_size: u64,
}

/// The result of a search for the footer in the last bytes of a file.
#[derive(Debug)]
pub(crate) enum FooterSearch {
    Found(Footer),
    /// The footer starts before the given bytes. The last `bytes` bytes of the file contain all of it.
    Incomplete {
        bytes: u64,
    },
}

impl Footer {
    /// Parses the footer of a file of `file_size` bytes from the file's last bytes.
    pub(crate) fn parse(file_end: Bytes, file_size: u64) -> Result<FooterSearch> {
        catch_panics(|| {
            let encrypted = check_file_end(&file_end)?;
            let mut reader = footer_reader();
            match reader.try_parse_sized(&file_end, file_size) {
                Ok(()) => {
                    let metadata = Arc::new(reader.finish()?);
                    let parsed = ParsedFooter { metadata, encrypted, file_size };
                    Ok(FooterSearch::Found(Self { parsed, parts: FileParts::of_end(file_size, file_end) }))
                }
                Err(ParquetError::NeedMoreData(bytes)) => Ok(FooterSearch::Incomplete { bytes: bytes as u64 }),
                Err(error) => Err(error),
            }
        })
    }

    /// Returns the memory that the footer takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.parsed.metadata.memory_size().saturating_add(self.parts.bytes())
    }

    /// Adds bytes of the file that exclude rows: Bloom filters, or the page index.
    pub(crate) fn add(&mut self, start: u64, bytes: Bytes) {
        self.parts.push(Needed::Always, start, bytes);
    }

    /// Returns the number of rows in the file.
    pub(crate) fn rows(&self) -> Result<u64> {
        let rows = self.parsed.metadata.file_metadata().num_rows();
        u64::try_from(rows).map_err(|_| Error::invalid_data(format!("the file's footer gives {rows} as its row count")))
    }

    /// Returns the columns of the file, with the types that they are decoded to. The names of an enum's values are text.
    pub(crate) fn columns(&self) -> Result<SchemaRef> {
        let metadata = &self.parsed.metadata;
        let decoded = catch_panics(|| decoded_schema(metadata))?;
        let parquet = metadata.file_metadata().schema_descr();
        let is_enum = |name: &str| {
            let root = parquet.root_schema().get_fields().iter().find(|field| field.name() == name);
            root.is_some_and(|field| field.get_basic_info().converted_type() == ConvertedType::ENUM)
        };
        let fields = decoded.fields().iter().map(|field| match field.data_type() {
            DataType::BinaryView if is_enum(field.name()) => {
                Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
            }
            _ => Arc::clone(field),
        });
        Ok(Arc::new(Schema::new(fields.collect::<Fields>())))
    }

    /// Returns the names of the columns by which the file says that it is sorted, ascending. Returns `None` if it says
    /// nothing, or if its row groups differ.
    pub(crate) fn sorted_by(&self) -> Option<Vec<String>> {
        let metadata = &self.parsed.metadata;
        let mut groups = metadata.row_groups().iter().map(|group| group.sorting_columns());
        let first = groups.next()??;
        if first.is_empty() || groups.any(|group| group != Some(first)) {
            return None;
        }
        let name = |leaf: i32| match metadata.file_metadata().schema_descr().columns().get(usize::try_from(leaf).ok()?)
        {
            Some(leaf) if leaf.path().parts().len() == 1 => Some(leaf.name().to_owned()),
            _ => None,
        };
        first.iter().map(|column| name(column.column_idx).filter(|_| !column.descending)).collect()
    }

    /// Returns a reader that fetches only the byte ranges that the layout's columns occupy.
    pub(crate) fn read(self, layout: &ReadLayout) -> Result<RangeReader> {
        let plan = FilePlan::new(self.parsed, layout, None)?;
        let steps = Steps::all(&plan);
        Ok(RangeReader::new(plan, self.parts, steps))
    }

    /// Returns a reader like [`read`](Self::read) that skips the rows which can't match the predicate, by the statistics and
    /// indexes in memory. Its columns are those of the layout.
    pub(crate) fn read_matching(self, layout: &ReadLayout, predicate: &Predicate) -> Result<RangeReader> {
        let plan = FilePlan::new(self.parsed, layout, None)?;
        let steps = Steps::matching(&plan, layout, predicate, &self.parts)?;
        Ok(RangeReader::new(plan, self.parts, steps))
    }

    /// Returns the footer, and the parts of the file that are in memory.
    pub(super) fn into_parts(self) -> (ParsedFooter, FileParts) {
        (self.parsed, self.parts)
    }

    /// Parses the footer of a file that is in memory as a whole.
    pub(crate) fn of_file(file: Bytes) -> Result<Self> {
        Ok(Self { parsed: footer_of(&file)?, parts: FileParts::of_end(file.len() as u64, file) })
    }
}

/// Parses the footer of a file that is in memory.
pub(super) fn footer_of(file: &Bytes) -> Result<ParsedFooter> {
    catch_panics(|| {
        let encrypted = check_file_end(file)?;
        let metadata = Arc::new(footer_reader().parse_and_finish(file)?);
        Ok(ParsedFooter { metadata, encrypted, file_size: file.len() as u64 })
    })
}

/// Parses the footer in the last bytes of a file again, with the statistics of these leaf columns.
pub(super) fn statistics_of(file_end: &Bytes, file_size: u64, leaves: &[usize]) -> Result<ParquetMetaData> {
    catch_panics(|| {
        let statistics = ParquetStatisticsPolicy::skip_except(leaves);
        let options = without_page_sizes().with_column_stats_policy(statistics);
        let mut reader = ParquetMetaDataReader::new().with_metadata_options(Some(options));
        reader.try_parse_sized(file_end, file_size)?;
        reader.finish()
    })
}

/// Returns a parser that skips statistics. The reader does not use them, and they are a large part of a small file.
fn footer_reader() -> ParquetMetaDataReader {
    let options = without_page_sizes().with_column_stats_policy(ParquetStatisticsPolicy::SkipAll);
    ParquetMetaDataReader::new().with_metadata_options(Some(options))
}

/// Returns options that skip the statistics about pages.
fn without_page_sizes() -> ParquetMetaDataOptions {
    ParquetMetaDataOptions::new()
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
}
