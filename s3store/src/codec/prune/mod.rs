//! The row groups and pages of a file that can contain a row which matches a predicate, by the file's statistics, Bloom
//! filters and page index.
//!
//! Statistics exclude rows only if they are sure. These exclude none: statistics that are missing, that have the order of
//! old writers, or whose least value is greater than their greatest; values of another scale or of a type that is compared
//! in another way. A bound that was cut off is a bound still.

mod bloom;
mod bounds;
mod pages;
mod rows;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use arrow_array::Array;
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::basic::{ColumnOrder, SortOrder, Type as Physical};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

pub(super) use self::bloom::{Blooms, has_bloom_filters};
use self::bounds::Bounds;
pub(super) use self::pages::{Locations, PageIndex, PageIndexSearch};
pub(super) use self::rows::RowRanges;
use super::footer::statistics_of;
use super::guard::catch_panics;
use super::mapping::{ColumnSource, FilePlan};
use crate::error::Result;
use crate::record::{Literal, Predicate, ReadLayout, Truth};

/// Returns, for each row group of a file, whether it can contain a row that matches. `file_end` are the last bytes of the
/// file, with its footer. The columns of the predicate are those of the layout.
pub(super) fn groups_that_can_match(
    plan: &FilePlan,
    layout: &ReadLayout,
    predicate: &Predicate,
    file_end: &Bytes,
    blooms: &Blooms,
) -> Result<Vec<bool>> {
    let metadata = statistics_of(file_end, plan.file_size(), &leaves_of(plan, layout, predicate.columns()))?;
    let bounds = |column: usize| Ok((column, group_bounds(&metadata, plan, layout, column)?));
    let columns = predicate.columns().into_iter().map(bounds).collect::<Result<BTreeMap<_, _>>>()?;
    let groups = 0..metadata.num_row_groups();
    let can_match = groups.map(|group| {
        let truth = predicate.truth(&mut |column, test| {
            let bounds = columns.get(column).and_then(|groups: &Vec<Bounds>| groups.get(group));
            let results = bounds.unwrap_or(&Bounds::UNKNOWN).results(test);
            let is_true = results.is_true && !blooms.exclude(group, *column, test);
            Ok(Truth { is_true, ..results })
        });
        truth.map(|truth| truth.is_true)
    });
    can_match.collect()
}

/// The least and the greatest value of a column in a file.
pub(crate) type Span = (Literal, Literal);

/// Returns the spans of some columns of the layout in a file. `None` stands for one that is not known, or that does not have
/// all of the column's values.
///
/// Two files have no equal value in a column whose spans do not overlap.
pub(super) fn spans(
    plan: &FilePlan,
    layout: &ReadLayout,
    columns: &[usize],
    file_end: &Bytes,
) -> Result<Vec<Option<Span>>> {
    let metadata = statistics_of(file_end, plan.file_size(), &leaves_of(plan, layout, columns.iter().copied()))?;
    let span = |&column: &usize| {
        if !keeps_differences(plan, layout, column) {
            return Ok(None);
        }
        let groups = group_bounds(&metadata, plan, layout, column)?;
        let spans = groups.into_iter().map(Bounds::span).collect::<Option<Vec<_>>>();
        Ok(spans.and_then(|spans| spans.into_iter().reduce(joined)))
    };
    columns.iter().map(span).collect()
}

/// Returns the smallest span that contains both.
fn joined((least, greatest): Span, (other_least, other_greatest): Span) -> Span {
    let is_less = |a: &Literal, b: &Literal| a.compare(b).is_some_and(Ordering::is_lt);
    let least = if is_less(&other_least, &least) { other_least } else { least };
    let greatest = if is_less(&greatest, &other_greatest) { other_greatest } else { greatest };
    (least, greatest)
}

/// Returns whether different values of a file are different values of the layout's column. Times that are cut to a coarser
/// unit are not.
fn keeps_differences(plan: &FilePlan, layout: &ReadLayout, column: usize) -> bool {
    match plan.mapping().source_of(layout, column) {
        Some(ColumnSource::Leaf { field, wanted, .. }) => {
            let is_bytes = |data_type: &DataType| data_type.is_string() || data_type.is_binary();
            let (file, is_same) = (field.data_type(), field.data_type() == wanted);
            is_same || file.is_integer() && wanted.is_integer() || is_bytes(file) && is_bytes(wanted)
        }
        Some(ColumnSource::Constant(_)) => true,
        Some(ColumnSource::Nested) | None => false,
    }
}

/// Returns the leaves of the file that have columns of the layout.
fn leaves_of(plan: &FilePlan, layout: &ReadLayout, columns: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let leaf = |column| match plan.mapping().source_of(layout, column)? {
        ColumnSource::Leaf { leaf, .. } => Some(leaf),
        ColumnSource::Constant(_) | ColumnSource::Nested => None,
    };
    columns.into_iter().filter_map(leaf).collect()
}

/// Returns the bounds of a column in each row group. An empty result stands for bounds that are not known.
fn group_bounds(
    metadata: &ParquetMetaData,
    plan: &FilePlan,
    layout: &ReadLayout,
    column: usize,
) -> Result<Vec<Bounds>> {
    let groups = metadata.row_groups();
    let (leaf, field, wanted, null) = match plan.mapping().source_of(layout, column) {
        Some(ColumnSource::Leaf { leaf, field, wanted, null }) => (leaf, field, wanted, null),
        Some(ColumnSource::Constant(value)) => return Ok(vec![Bounds::constant(value); groups.len()]),
        Some(ColumnSource::Nested) | None => return Ok(Vec::new()),
    };
    let comparable = is_ordered(metadata, leaf) && keeps_order(field.data_type(), wanted);
    let values = catch_panics(|| {
        let parquet = metadata.file_metadata().schema_descr();
        let converter = StatisticsConverter::from_column_index(leaf, field, parquet)?;
        let least = converter.row_group_mins(groups)?;
        Ok((least, converter.row_group_maxes(groups)?))
    })?;
    let bounds = groups.iter().enumerate().map(|(row, group)| {
        let chunk = group.columns().get(leaf)?;
        let bound = |values: &dyn Array| {
            (comparable && has_ordered_statistics(chunk)).then(|| Literal::of_row(values, row)).flatten()
        };
        let rows = u64::try_from(group.num_rows()).ok()?;
        let nulls = match chunk.column_descr().max_def_level() {
            0 => Some(0),
            _ => chunk.statistics().and_then(|statistics| statistics.null_count_opt()),
        };
        Some(Bounds::new(bound(&values.0), bound(&values.1), nulls, rows).with_null(null))
    });
    Ok(bounds.map(|bounds| bounds.unwrap_or(Bounds::UNKNOWN)).collect())
}

/// Returns whether a column chunk has statistics in the order of its type. Old writers compared bytes as signed numbers.
pub(super) fn has_ordered_statistics(chunk: &ColumnChunkMetaData) -> bool {
    chunk.statistics().is_some_and(|statistics| !statistics.is_min_max_deprecated())
}

/// Returns whether the statistics of a leaf have the order of its type, and that is the order of its values here.
pub(super) fn is_ordered(metadata: &ParquetMetaData, leaf: usize) -> bool {
    let file = metadata.file_metadata();
    let orders = file.column_orders().and_then(|orders| orders.get(leaf));
    let physical = file.schema_descr().columns().get(leaf).map(|column| column.physical_type());
    let is_defined = matches!(orders, Some(ColumnOrder::TYPE_DEFINED_ORDER(order)) if *order != SortOrder::UNDEFINED);
    is_defined && physical != Some(Physical::INT96)
}

/// Returns whether values of a file's type and those of the record's have the same order in comparisons.
fn keeps_order(file: &DataType, wanted: &DataType) -> bool {
    use DataType::{Binary, BinaryView, Decimal128, Float32, Float64, Time32, Time64, Timestamp, Utf8, Utf8View};
    match (file, wanted) {
        (Timestamp(..), Timestamp(..)) | (Time32(_) | Time64(_), Time32(_) | Time64(_)) => true,
        (Utf8 | Utf8View | Binary | BinaryView, Utf8 | Utf8View | Binary | BinaryView) => true,
        (Decimal128(_, scale), Decimal128(_, other)) => scale == other,
        (Float32 | Float64, Float32 | Float64) => true,
        _ => file == wanted || file.is_integer() && wanted.is_integer(),
    }
}
