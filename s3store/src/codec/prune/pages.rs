//! The rows of a row group that can match a predicate, by the file's page index.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::Array;
use bytes::Bytes;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::page_index::column_index::ColumnIndexMetaData;

use super::super::guard::catch_panics;
use super::super::mapping::{ColumnSource, FilePlan};
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

/// The result of a search for the page index in the last bytes of a file.
#[derive(Debug)]
pub(crate) enum PageIndexSearch {
    Found(PageIndex),
    /// The file has no page index.
    Missing,
    /// The index starts before the given bytes. The last `bytes` bytes of the file contain all of it.
    Incomplete {
        bytes: u64,
    },
}

/// The rows and the bounds of each page of a column chunk.
type PageBounds = Vec<(Range<usize>, Bounds)>;

impl PageIndex {
    /// Parses the page index of a file from the file's last bytes.
    pub(crate) fn parse(plan: &FilePlan, file_end: &Bytes) -> Result<PageIndexSearch> {
        catch_panics(|| {
            let metadata = ParquetMetaData::clone(plan.metadata());
            let mut reader = ParquetMetaDataReader::new_with_metadata(metadata)
                .with_column_index_policy(PageIndexPolicy::Optional)
                .with_offset_index_policy(PageIndexPolicy::Optional);
            match reader.read_page_indexes_sized(file_end, plan.file_size()) {
                Ok(()) => {
                    let metadata = reader.finish()?;
                    Ok(match (metadata.column_index(), metadata.offset_index()) {
                        (Some(_), Some(_)) => PageIndexSearch::Found(Self { metadata: Arc::new(metadata) }),
                        _ => PageIndexSearch::Missing,
                    })
                }
                Err(ParquetError::NeedMoreData(bytes)) => Ok(PageIndexSearch::Incomplete { bytes: bytes as u64 }),
                Err(error) => Err(error),
            }
        })
    }

    /// Returns the rows of a row group that can match, as ranges that ascend. The columns of the predicate are those of the
    /// layout.
    pub(crate) fn rows_that_can_match(
        &self,
        plan: &FilePlan,
        layout: &ReadLayout,
        predicate: &Predicate,
        group: usize,
    ) -> Result<Vec<Range<usize>>> {
        let rows = self.metadata.row_groups().get(group).and_then(|group| usize::try_from(group.num_rows()).ok());
        let all = RowRanges::first(rows.unwrap_or_default());
        let truth = predicate.truth::<_, Error>(&mut |&column, test| {
            let results = self.results(plan, layout, column, test, group)?;
            Ok(results.unwrap_or_else(|| Truth { is_true: all.clone(), is_false: all.clone() }))
        })?;
        Ok(truth.is_true.into_ranges())
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
