//! The page index of a file: the rows, the bounds and the place of each page.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::Array;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::ChunkReader;

use super::super::guard::catch_panics;
use super::super::mapping::{ColumnSource, FilePlan};
use super::super::row_groups::{FileParts, chunk_range};
use super::super::thrift::{Element, Kind, Scanner, Shape};
use super::bounds::Bounds;
use super::rows::RowRanges;
use super::{is_ordered, keeps_order};
use crate::error::{Error, Result};
use crate::record::{Literal, Predicate, ReadLayout, Test, Truth};

/// The page index of a file: the bounds of the values in each page, and the rows that it has.
#[derive(Debug, Clone)]
pub(crate) struct PageIndex {
    /// The footer with the index.
    metadata: Arc<ParquetMetaData>,
}

/// The result of a search for the page index in the parts of a file that are in memory.
#[derive(Debug)]
pub(crate) enum PageIndexSearch {
    Found(PageIndex),
    /// The file has no page index, or one that can't be parsed or is too large to be of use.
    Missing,
    /// The page index has this range of the file.
    Elsewhere(Range<u64>),
}

/// The largest page index that is read. That of a file of a few GiB with many columns is smaller.
const INDEX_BYTES: u64 = 8 << 20;

static COLUMN_INDEX: Shape = Shape {
    name: "ColumnIndex",
    fields: &[
        (1, Kind::List(&Element { kind: Kind::Bool, least: 1 })),
        (2, Kind::List(&Element { kind: Kind::Binary, least: 1 })),
        (3, Kind::List(&Element { kind: Kind::Binary, least: 1 })),
        (4, Kind::Int),
        (5, Kind::List(&Element { kind: Kind::Int, least: 1 })),
        (6, Kind::List(&Element { kind: Kind::Int, least: 1 })),
        (7, Kind::List(&Element { kind: Kind::Int, least: 1 })),
    ],
};

static OFFSET_INDEX: Shape = Shape {
    name: "OffsetIndex",
    fields: &[
        (1, Kind::List(&Element { kind: Kind::Struct(&PAGE_LOCATION), least: 4 })),
        (2, Kind::List(&Element { kind: Kind::Int, least: 1 })),
    ],
};

static PAGE_LOCATION: Shape = Shape { name: "PageLocation", fields: &[(1, Kind::Int), (2, Kind::Int), (3, Kind::Int)] };

/// The rows and the bounds of each page of a column chunk.
type PageBounds = Vec<(Range<usize>, Bounds)>;

impl PageIndex {
    /// Searches the page index of a file in the parts of the file that are in memory.
    pub(crate) fn search(plan: &FilePlan, file: &FileParts) -> PageIndexSearch {
        let Some(range) = Self::range(plan) else { return PageIndexSearch::Missing };
        if Self::lies_elsewhere(&range, file) {
            return PageIndexSearch::Elsewhere(range);
        }
        let parsed = catch_panics(|| {
            check_indexes(plan.metadata(), file)?;
            let metadata = ParquetMetaData::clone(plan.metadata());
            let mut reader = ParquetMetaDataReader::new_with_metadata(metadata)
                .with_column_index_policy(PageIndexPolicy::Optional)
                .with_offset_index_policy(PageIndexPolicy::Optional);
            reader.read_page_indexes(file)?;
            reader.finish()
        });
        match parsed {
            Ok(metadata) if metadata.offset_index().is_some() => {
                PageIndexSearch::Found(Self { metadata: Arc::new(metadata) })
            }
            Ok(_) | Err(_) => PageIndexSearch::Missing,
        }
    }

    /// Returns the range of a file's page index. Returns `None` if there is none, or one that is too large to be of use.
    pub(in super::super) fn range(plan: &FilePlan) -> Option<Range<u64>> {
        let range = index_range(plan.metadata())?;
        let length = range.end.saturating_sub(range.start);
        (length > 0 && length <= INDEX_BYTES && range.end <= plan.file_size()).then_some(range)
    }

    /// Returns whether the parts of the file that are in memory lack its page index.
    pub(in super::super) fn lies_elsewhere(range: &Range<u64>, file: &FileParts) -> bool {
        file.bytes_from(range.start, range.end - range.start).is_none()
    }

    /// Returns the places of a column chunk's pages. Returns `None` if they are not known, or can't be right.
    pub(in super::super) fn locations(&self, group: usize, leaf: usize) -> Option<Locations> {
        let offsets = self.metadata.offset_index()?.get(group)?.get(leaf)?;
        let chunk = self.metadata.row_groups().get(group)?.columns().get(leaf)?;
        Locations::new(chunk, offsets.page_locations(), self.rows_in(group)?)
    }

    /// Returns the rows of a row group that can match, by the bounds of their pages. The columns of the predicate are those of the
    /// layout.
    pub(in super::super) fn rows_that_can_match(
        &self,
        plan: &FilePlan,
        layout: &ReadLayout,
        predicate: &Predicate,
        group: usize,
    ) -> Result<RowRanges> {
        let all = RowRanges::first(self.rows_in(group).unwrap_or_default());
        let truth = predicate.truth::<_, Error>(&mut |&column, test| {
            let results = self.results(plan, layout, column, test, group)?;
            Ok(results.unwrap_or_else(|| Truth { is_true: all.clone(), is_false: all.clone() }))
        })?;
        Ok(truth.is_true)
    }

    /// Returns the rows for which a test can be true, and those for which it can be false. Returns `None` if that is not
    /// known.
    fn results(
        &self,
        plan: &FilePlan,
        layout: &ReadLayout,
        column: usize,
        test: &Test,
        group: usize,
    ) -> Result<Option<Truth<RowRanges>>> {
        let pages = match plan.mapping().source_of(layout, column) {
            Some(ColumnSource::Constant(value)) => {
                self.rows_in(group).map(|rows| vec![(0..rows, Bounds::constant(value))])
            }
            Some(source @ ColumnSource::Leaf { .. }) => catch_panics(|| self.pages(&source, group))?,
            Some(ColumnSource::Nested) | None => None,
        };
        let Some(pages) = pages else { return Ok(None) };
        let (mut is_true, mut is_false) = (RowRanges::default(), RowRanges::default());
        for (rows, bounds) in pages {
            let results = bounds.results(test);
            if results.is_true {
                is_true.push(rows.clone());
            }
            if results.is_false {
                is_false.push(rows);
            }
        }
        Ok(Some(Truth { is_true, is_false }))
    }

    fn rows_in(&self, group: usize) -> Option<usize> {
        usize::try_from(self.metadata.row_groups().get(group)?.num_rows()).ok()
    }

    /// Returns the rows and the bounds of each page. Returns `None` if they are not known.
    fn pages(&self, source: &ColumnSource<'_>, group: usize) -> parquet::errors::Result<Option<PageBounds>> {
        let ColumnSource::Leaf { leaf, field, wanted, null } = *source else { return Ok(None) };
        let metadata = &*self.metadata;
        let (Some(column_index), Some(offset_index)) = (metadata.column_index(), metadata.offset_index()) else {
            return Ok(None);
        };
        let index = column_index.get(group).and_then(|columns| columns.get(leaf));
        let offsets = offset_index.get(group).and_then(|columns| columns.get(leaf));
        let (Some(index), Some(offsets), Some(rows)) = (index, offsets, self.rows_in(group)) else { return Ok(None) };
        let starts = offsets.page_locations().iter().map(|page| usize::try_from(page.first_row_index).ok());
        let Some(mut starts) = starts.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let pages = starts.len();
        let has_sound_rows = starts.first() == Some(&0) && starts.last().is_some_and(|&last| last <= rows);
        // An index that is missing has no number of pages: Parquet's function panics.
        if matches!(index, ColumnIndexMetaData::NONE)
            || index.num_pages() != pages as u64
            || !has_sound_rows
            || !starts.is_sorted()
        {
            return Ok(None);
        }
        starts.push(rows);

        let parquet = metadata.file_metadata().schema_descr();
        let converter = StatisticsConverter::from_column_index(leaf, field, parquet)?;
        let least = converter.data_page_mins(column_index, offset_index, &[group])?;
        let greatest = converter.data_page_maxes(column_index, offset_index, &[group])?;
        let comparable = is_ordered(metadata, leaf)
            && keeps_order(field.data_type(), wanted)
            && least.len() == pages
            && greatest.len() == pages;
        let is_required = parquet.column(leaf).max_def_level() == 0;
        let ends = starts.iter().skip(1);
        let pages = starts.iter().zip(ends).enumerate().map(|(page, (&start, &end))| {
            let bound = |values: &dyn Array| comparable.then(|| Literal::of_row(values, page)).flatten();
            let rows = (end - start) as u64;
            let nulls = match index.null_count(page) {
                _ if is_required => Some(0),
                _ if index.is_null_page(page) => Some(rows),
                count => count.and_then(|count| u64::try_from(count).ok()),
            };
            (start..end, Bounds::new(bound(&least), bound(&greatest), nulls, rows).with_null(null))
        });
        Ok(Some(pages.collect()))
    }
}

/// Returns the range of the page index, of all columns.
fn index_range(metadata: &ParquetMetaData) -> Option<Range<u64>> {
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    chunks
        .flat_map(indexes_of)
        .map(|(range, _)| range)
        .reduce(|all, range| all.start.min(range.start)..all.end.max(range.end))
}

/// Returns the ranges of a column chunk's two indexes, with their shapes.
fn indexes_of(chunk: &ColumnChunkMetaData) -> impl Iterator<Item = (Range<u64>, &'static Shape)> + use<> {
    let range = |offset: Option<i64>, length: Option<i32>| {
        let (start, length) = (u64::try_from(offset?).ok()?, u64::try_from(length?).ok()?);
        Some(start..start.checked_add(length)?)
    };
    let column = range(chunk.column_index_offset(), chunk.column_index_length());
    let offset = range(chunk.offset_index_offset(), chunk.offset_index_length());
    [column.map(|range| (range, &COLUMN_INDEX)), offset.map(|range| (range, &OFFSET_INDEX))].into_iter().flatten()
}

/// Scans the indexes before they are parsed: see [`thrift`](super::super::thrift).
fn check_indexes(metadata: &ParquetMetaData, file: &FileParts) -> parquet::errors::Result<()> {
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    for (range, shape) in chunks.flat_map(indexes_of) {
        let bytes = file.get_bytes(range.start, usize::try_from(range.end - range.start)?)?;
        Scanner::new(&bytes).scan(shape, &mut |_, _, _| Ok(()))?;
    }
    Ok(())
}

/// The places of the pages of a column chunk. They lie in the chunk, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Locations {
    /// The first byte of the column chunk.
    start: u64,
    pages: Vec<PageLocation>,
    /// The number of rows in the row group.
    rows: usize,
}

impl Locations {
    /// Returns `None` if the places can't be right.
    fn new(chunk: &ColumnChunkMetaData, pages: &[PageLocation], rows: usize) -> Option<Self> {
        let range = chunk_range(chunk, u64::MAX).ok()?;
        let first = pages.first()?;
        let has_dictionary = u64::try_from(first.offset).ok()? > range.start;
        let mut end = range.start;
        for (index, page) in pages.iter().enumerate() {
            let (start, length) = (u64::try_from(page.offset).ok()?, u64::try_from(page.compressed_page_size).ok()?);
            if start < end {
                return None;
            }
            end = start.checked_add(length)?;
            let next_row = pages.get(index + 1).map_or(rows, |next| usize::try_from(next.first_row_index).unwrap_or(0));
            if usize::try_from(page.first_row_index).ok()? > next_row {
                return None;
            }
        }
        let fits = end <= range.end
            && first.first_row_index == 0
            && has_dictionary == chunk.dictionary_page_offset().is_some()
            && i32::try_from(range.end - range.start).is_ok();
        fits.then(|| Self { start: range.start, pages: pages.to_vec(), rows })
    }

    /// Returns the range of the dictionary.
    pub(in super::super) fn dictionary(&self) -> Option<Range<u64>> {
        let (first, _) = self.pages().next()?;
        (first.start > self.start).then_some(self.start..first.start)
    }

    /// Returns the range of each page, and its rows.
    pub(in super::super) fn pages(&self) -> impl DoubleEndedIterator<Item = (Range<u64>, Range<usize>)> {
        self.pages.iter().enumerate().map(|(index, page)| {
            // All of these were checked.
            let (start, length) = (page.offset.cast_unsigned(), u64::from(page.compressed_page_size.cast_unsigned()));
            let row = |page: &PageLocation| usize::try_from(page.first_row_index).unwrap_or(self.rows);
            let end = self.pages.get(index + 1).map_or(self.rows, row);
            (start..start + length, row(page)..end)
        })
    }

    /// Returns the ranges that hold some rows: of the dictionary, and of pages.
    pub(in super::super) fn ranges_of(&self, rows: &RowRanges) -> Vec<Range<u64>> {
        let pages = self.pages().filter(|(_, page)| rows.overlaps(page)).map(|(range, _)| range);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for range in self.dictionary().into_iter().chain(pages) {
            match ranges.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => ranges.push(range),
            }
        }
        ranges
    }

    pub(in super::super) fn to_parquet(&self) -> &[PageLocation] {
        &self.pages
    }
}
