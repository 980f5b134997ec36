//! The pages of a column chunk, checked before and after the Parquet library decompresses them.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_schema::TimeUnit;
use parquet::basic::{Compression, Encoding, Type as Physical};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescriptor;

use super::limits::ColumnBudget;
use super::prune::Locations;
use super::thrift::{Event, Kind, Scanner, Shape, malformed};
use super::{delta, levels};

static PAGE_HEADER: Shape = Shape {
    name: "PageHeader",
    fields: &[
        (1, Kind::Int),
        (2, Kind::Int),
        (3, Kind::Int),
        (4, Kind::Int),
        (
            5,
            Kind::Struct(&Shape {
                name: "DataPageHeader",
                fields: &[(1, Kind::Int), (2, Kind::Int), (3, Kind::Int), (4, Kind::Int)],
            }),
        ),
        (6, Kind::Struct(&Shape { name: "IndexPageHeader", fields: &[] })),
        (
            7,
            Kind::Struct(&Shape {
                name: "DictionaryPageHeader",
                fields: &[(1, Kind::Int), (2, Kind::Int), (3, Kind::Bool)],
            }),
        ),
        (
            8,
            Kind::Struct(&Shape {
                name: "DataPageHeaderV2",
                fields: &[
                    (1, Kind::Int),
                    (2, Kind::Int),
                    (3, Kind::Int),
                    (4, Kind::Int),
                    (5, Kind::Int),
                    (6, Kind::Int),
                    (7, Kind::Bool),
                ],
            }),
        ),
    ],
};

/// The pages of a column chunk. Errors name the column.
pub(super) struct CheckedPages<R: ChunkReader> {
    pages: SerializedPageReader<R>,
    file: Arc<R>,
    column: Arc<ColumnDescriptor>,
    codec: Compression,
    next: NextPages,
    budget: Arc<ColumnBudget>,
    int96: TimeUnit,
}

/// The pages of a column chunk that were not taken yet.
enum NextPages {
    /// One follows the other. The next one begins at `start`, and `left` bytes of the chunk are left from there.
    InOrder { start: u64, left: u64 },
    /// Each is where the page index says.
    Located(VecDeque<LocatedPage>),
}

/// A page with its header.
#[derive(Clone, Copy)]
struct LocatedPage {
    start: u64,
    length: u64,
    /// The number of rows. `None` for the dictionary.
    rows: Option<u64>,
}

impl NextPages {
    fn new(chunk: &ColumnChunkMetaData, locations: Option<&Locations>) -> Self {
        let Some(locations) = locations else {
            let (start, left) = chunk.byte_range();
            return Self::InOrder { start, left };
        };
        let page = |range: std::ops::Range<u64>, rows| LocatedPage {
            start: range.start,
            length: range.end - range.start,
            rows,
        };
        let dictionary = locations.dictionary().map(|range| page(range, None));
        let pages = locations.pages().map(|(range, rows)| page(range, Some((rows.end - rows.start) as u64)));
        Self::Located(dictionary.into_iter().chain(pages).collect())
    }
}

impl<R: ChunkReader> CheckedPages<R> {
    /// `int96` is the unit that timestamps of the type INT96 are decoded to. With the locations of the pages, those that are
    /// skipped need not be in memory.
    pub(super) fn new(
        file: Arc<R>,
        chunk: &ColumnChunkMetaData,
        rows: usize,
        locations: Option<&Locations>,
        budget: Arc<ColumnBudget>,
        int96: TimeUnit,
    ) -> Result<Self> {
        let column = chunk.column_descr_ptr();
        let parquet = locations.map(|locations| locations.to_parquet().to_vec());
        let pages = SerializedPageReader::new(Arc::clone(&file), chunk, rows, parquet)
            .map_err(|error| in_column(&column, &error))?;
        let next = NextPages::new(chunk, locations);
        Ok(Self { pages, file, codec: chunk.compression(), column, next, budget, int96 })
    }

    /// Scans the header of the next page, and moves behind the page. Returns the number of rows that the page index gives it.
    fn check_next(&mut self) -> Result<Option<u64>> {
        let (start, length, rows) = match &mut self.next {
            NextPages::InOrder { left: 0, .. } => return Ok(None),
            NextPages::InOrder { start, left } => (*start, *left, None),
            NextPages::Located(pages) => match pages.pop_front() {
                Some(page) => (page.start, page.length, page.rows),
                None => return Ok(None),
            },
        };
        let bytes = self.file.get_bytes(start, usize::try_from(length)?)?;
        let header = PageHeader::scan(&bytes)?;
        header.check(self.codec, length)?;
        self.budget.add_bytes(header.uncompressed.max(header.compressed))?;
        let taken = header.length.saturating_add(header.compressed);
        match &mut self.next {
            NextPages::InOrder { start, left } => {
                *start = start.saturating_add(taken);
                *left = left.saturating_sub(taken);
            }
            NextPages::Located(_) if taken != length => {
                return Err(malformed(format_args!("a page has {taken} bytes, but the page index says {length}")));
            }
            NextPages::Located(_) => {}
        }
        Ok(rows)
    }

    fn next_page(&mut self) -> Result<Option<Page>> {
        let rows = self.check_next()?;
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            check_page(page, &self.column, &self.budget, self.int96)?;
            if let Some(rows) = rows {
                check_rows(page, &self.column, rows)?;
            }
        }
        Ok(page)
    }

    fn skip_page(&mut self) -> Result<()> {
        match &mut self.next {
            NextPages::InOrder { .. } => self.check_next().map(drop)?,
            NextPages::Located(pages) => drop(pages.pop_front()),
        }
        self.pages.skip_next_page()
    }
}

impl<R: ChunkReader> Iterator for CheckedPages<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<R: ChunkReader> PageReader for CheckedPages<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let is_located = matches!(self.next, NextPages::Located(_));
        self.next_page().map_err(|error| match is_located {
            true => in_column(&self.column, &misplaced(&error)),
            false => in_column(&self.column, &error),
        })
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page().map_err(|error| in_column(&self.column, &error))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.skip_page().map_err(|error| in_column(&self.column, &error))
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

/// Adds to an error that the page may not be where the page index says.
fn misplaced(error: &ParquetError) -> ParquetError {
    ParquetError::General(format!("{}, in the page at the place that the page index gives", bare(error)))
}

fn in_column(column: &ColumnDescriptor, error: &ParquetError) -> ParquetError {
    ParquetError::General(format!("column {}: {}", column.path().string(), bare(error)))
}

/// Returns an error's message without the kind in front of it.
pub(super) fn bare(error: &ParquetError) -> String {
    match error {
        ParquetError::General(reason) | ParquetError::EOF(reason) | ParquetError::NYI(reason) => reason.clone(),
        error => error.to_string(),
    }
}

/// The numbers of a page's header that decide how much memory the page takes.
#[derive(Debug, Default)]
struct PageHeader {
    kind: i64,
    uncompressed: u64,
    compressed: u64,
    /// The length of the header itself.
    length: u64,
}

impl PageHeader {
    fn scan(bytes: &[u8]) -> Result<Self> {
        let mut header = Self::default();
        let mut scanner = Scanner::new(bytes);
        scanner.scan(&PAGE_HEADER, &mut |shape, id, found| {
            match (shape, id, found) {
                ("PageHeader", 1, Event::Int(kind)) => header.kind = kind,
                ("PageHeader", 2, Event::Int(size)) => header.uncompressed = page_size(size)?,
                ("PageHeader", 3, Event::Int(size)) => header.compressed = page_size(size)?,
                _ => {}
            }
            Ok(())
        })?;
        header.length = (bytes.len() - scanner.rest().len()) as u64;
        Ok(header)
    }

    fn check(&self, codec: Compression, left: u64) -> Result<()> {
        let Self { kind, uncompressed, compressed, length } = *self;
        if !matches!(kind, 0 | 2 | 3) {
            return Err(malformed(format_args!("pages of type {kind} are not supported")));
        }
        if compressed.saturating_add(length) > left {
            return Err(malformed(format_args!("a page is longer than its column chunk")));
        }
        if codec == Compression::UNCOMPRESSED {
            return Ok(());
        }
        let most = compressed.saturating_add(1).saturating_mul(most_times(codec)).saturating_add(64);
        if uncompressed > most {
            return Err(malformed(format_args!(
                "a page of {compressed} bytes claims to hold {uncompressed}, more than {codec} can compress"
            )));
        }
        Ok(())
    }
}

fn page_size(size: i64) -> Result<u64> {
    i32::try_from(size)
        .ok()
        .and_then(|size| u64::try_from(size).ok())
        .ok_or_else(|| malformed(format_args!("a page's size is out of range")))
}

/// Returns how many times smaller a codec can make data at most.
fn most_times(codec: Compression) -> u64 {
    match codec {
        Compression::UNCOMPRESSED => 1,
        // A copy of 64 bytes takes 3.
        Compression::SNAPPY => 22,
        // Each byte adds 255 to a length.
        Compression::LZ4 | Compression::LZ4_RAW | Compression::LZO => 256,
        // A code of 2 bits copies 258 bytes.
        Compression::GZIP(_) => 1_032,
        // A block of 4 bytes repeats a byte 128 Ki times.
        Compression::ZSTD(_) | Compression::BROTLI(_) => 32 << 10,
    }
}

/// Checks the counts in a page against its bytes.
fn check_page(page: &Page, column: &ColumnDescriptor, budget: &ColumnBudget, int96: TimeUnit) -> Result<()> {
    let is_int96 = column.physical_type() == Physical::INT96;
    let (values, bytes) = match page {
        Page::DictionaryPage { buf, num_values, .. } => {
            check_dictionary(buf, *num_values, column, budget)?;
            return if is_int96 { check_int96(buf, int96) } else { Ok(()) };
        }
        Page::DataPage { buf, num_values, def_level_encoding, rep_level_encoding, .. } => {
            let mut rest = &buf[..];
            skip_levels(&mut rest, column.max_rep_level(), *rep_level_encoding, *num_values)?;
            skip_levels(&mut rest, column.max_def_level(), *def_level_encoding, *num_values)?;
            (u64::from(*num_values), rest)
        }
        Page::DataPageV2 { buf, num_values, def_levels_byte_len, rep_levels_byte_len, .. } => {
            let levels = def_levels_byte_len.checked_add(*rep_levels_byte_len);
            let rest = levels.and_then(|levels| buf.get(levels as usize..));
            let rest = rest.ok_or_else(|| malformed(format_args!("the levels of a page are longer than the page")))?;
            (u64::from(*num_values), rest)
        }
    };
    check_encoding(page.encoding(), column)?;
    budget.add_values(values)?;
    if column.physical_type() == Physical::FIXED_LEN_BYTE_ARRAY {
        budget.add_bytes(values.saturating_mul(u64::try_from(column.type_length()).unwrap_or(0)))?;
    }
    match page.encoding() {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => delta::check_count(delta::claimed_count(bytes)?, values),
        Encoding::DELTA_BYTE_ARRAY => budget.add_bytes(delta::prefixed_bytes(bytes, values)?),
        Encoding::PLAIN if is_int96 => check_int96(bytes, int96),
        _ => Ok(()),
    }
}

/// Checks that a page has the rows that the page index gives it. If it had others, rows before the next page that is read would
/// be counted wrongly.
fn check_rows(page: &Page, column: &ColumnDescriptor, expected: u64) -> Result<()> {
    let found = match page {
        Page::DictionaryPage { .. } => {
            return Err(malformed(format_args!("a dictionary is where the page index has rows")));
        }
        Page::DataPageV2 { num_rows, .. } => u64::from(*num_rows),
        Page::DataPage { num_values, .. } if column.max_rep_level() == 0 => u64::from(*num_values),
        Page::DataPage { buf, num_values, rep_level_encoding: Encoding::RLE, .. } => {
            let levels = buf
                .split_first_chunk::<4>()
                .and_then(|(length, rest)| rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?));
            let levels =
                levels.ok_or_else(|| malformed(format_args!("the levels of a page are longer than the page")))?;
            levels::rows_in(levels, column.max_rep_level(), *num_values)?
        }
        Page::DataPage { rep_level_encoding, .. } => {
            return Err(malformed(format_args!(
                "the levels' encoding {rep_level_encoding} is not supported with a page index"
            )));
        }
    };
    if found == expected {
        return Ok(());
    }
    Err(malformed(format_args!("a page has {found} rows, but the page index says {expected}")))
}

/// Checks that timestamps of the type INT96 are exact in a unit. The library wraps around, or cuts off.
fn check_int96(values: &[u8], unit: TimeUnit) -> Result<()> {
    const EPOCH_JULIAN_DAY: i128 = 2_440_588;
    const NANOS_PER_DAY: i128 = 86_400_000_000_000;

    for value in values.as_chunks::<12>().0 {
        let [nanos @ .., a, b, c, d] = *value;
        let (nanos, day) = (i64::from_le_bytes(nanos), i32::from_le_bytes([a, b, c, d]));
        let instant = (i128::from(day) - EPOCH_JULIAN_DAY) * NANOS_PER_DAY + i128::from(nanos);
        let fits = match unit {
            TimeUnit::Nanosecond => i64::try_from(instant).is_ok(),
            _ => instant % 1_000 == 0,
        };
        if !fits {
            let unit = if unit == TimeUnit::Nanosecond { "nanoseconds" } else { "microseconds" };
            return Err(malformed(format_args!(
                "an INT96 timestamp, {instant} ns after 1970, does not fit 64 bits of {unit}; write the file with 64-bit \
                 timestamps, in Spark by spark.sql.parquet.outputTimestampType=TIMESTAMP_MICROS"
            )));
        }
    }
    Ok(())
}

/// Checks that values of the column's type can have this encoding. The library's own error does not name the column.
fn check_encoding(encoding: Encoding, column: &ColumnDescriptor) -> Result<()> {
    use Physical::{BOOLEAN, BYTE_ARRAY, DOUBLE, FIXED_LEN_BYTE_ARRAY, FLOAT, INT32, INT64};

    let physical = column.physical_type();
    let is_supported = match encoding {
        Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => true,
        Encoding::RLE => physical == BOOLEAN,
        Encoding::DELTA_BINARY_PACKED => matches!(physical, INT32 | INT64),
        Encoding::DELTA_LENGTH_BYTE_ARRAY => physical == BYTE_ARRAY,
        Encoding::DELTA_BYTE_ARRAY => matches!(physical, BYTE_ARRAY | FIXED_LEN_BYTE_ARRAY),
        Encoding::BYTE_STREAM_SPLIT => matches!(physical, INT32 | INT64 | FLOAT | DOUBLE | FIXED_LEN_BYTE_ARRAY),
        _ => false,
    };
    if is_supported {
        return Ok(());
    }
    Err(malformed(format_args!("values of the type {physical} in the encoding {encoding} are not supported")))
}

fn check_dictionary(bytes: &[u8], values: u32, column: &ColumnDescriptor, budget: &ColumnBudget) -> Result<()> {
    let least = match column.physical_type() {
        Physical::BOOLEAN => 1,
        Physical::INT32 | Physical::FLOAT | Physical::BYTE_ARRAY => 4,
        Physical::INT64 | Physical::DOUBLE => 8,
        Physical::INT96 => 12,
        Physical::FIXED_LEN_BYTE_ARRAY => u64::try_from(column.type_length()).unwrap_or(0).max(1),
    };
    let (values, length) = (u64::from(values), bytes.len() as u64);
    if values.saturating_mul(least) > length {
        return Err(malformed(format_args!("a dictionary of {length} bytes claims {values} values")));
    }
    budget.add_values(values)
}

/// Moves `bytes` behind the levels of a page of the first version.
fn skip_levels(bytes: &mut &[u8], most: i16, encoding: Encoding, values: u32) -> Result<()> {
    if most == 0 {
        return Ok(());
    }
    let too_long = || malformed(format_args!("the levels of a page are longer than the page"));
    let length = if encoding == Encoding::RLE {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(too_long)?;
        *bytes = rest;
        u64::from(u32::from_le_bytes(*length))
    } else {
        let bits = u64::from(i16::BITS - most.leading_zeros());
        (u64::from(values) * bits).div_ceil(8)
    };
    *bytes = usize::try_from(length).ok().and_then(|length| bytes.get(length..)).ok_or_else(too_long)?;
    Ok(())
}
