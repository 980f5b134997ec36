//! The statistics of a file's columns, as plain values.

use std::cmp::Ordering;

use arrow_array::{Array, ArrayRef};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use super::decoded_types::decoded_schema;
use super::footer::{Footer, statistics_of};
use super::guard::catch_panics;
use super::plan::leaf_count;
use super::prune::{has_ordered_statistics, is_ordered};
use crate::error::Result;
use crate::record::Literal;

/// The statistics of a column of a file.
#[derive(Debug)]
pub(crate) struct ColumnStatistics {
    pub(crate) name: String,
    /// An array with only the least value, in the file's type. It may be less than all values. `None` if it is not known.
    pub(crate) least: Option<ArrayRef>,
    /// An array with only the greatest value, which may be greater than all values.
    pub(crate) greatest: Option<ArrayRef>,
    /// The number of nulls. `None` if it is not known.
    pub(crate) nulls: Option<u64>,
}

impl Footer {
    /// Returns the statistics of the columns that are not nested, in the order of the file.
    pub(crate) fn statistics(&self) -> Result<Vec<ColumnStatistics>> {
        let (parsed, parts) = self.clone().into_parts();
        let decoded = catch_panics(|| decoded_schema(&parsed.metadata))?;
        let mut leaf = 0;
        let mut columns = Vec::new();
        for field in decoded.fields() {
            if !field.data_type().is_nested() {
                columns.push((leaf, field));
            }
            leaf += leaf_count(field.data_type());
        }
        let leaves: Vec<usize> = columns.iter().map(|(leaf, _)| *leaf).collect();
        let metadata = statistics_of(parts.end(), parsed.file_size, &leaves)?;
        let groups = metadata.row_groups();
        let statistics = |(leaf, field): (usize, &arrow_schema::FieldRef)| {
            let (leasts, greatests) = catch_panics(|| {
                let parquet = metadata.file_metadata().schema_descr();
                let converter = StatisticsConverter::from_column_index(leaf, field, parquet)?;
                Ok((converter.row_group_mins(groups)?, converter.row_group_maxes(groups)?))
            })?;
            let mut nulls = Some(0u64);
            // The row groups that have values.
            let mut with_values = Vec::new();
            let mut is_known = is_ordered(&metadata, leaf);
            for (number, group) in groups.iter().enumerate() {
                let Some(chunk) = group.columns().get(leaf) else { continue };
                let of_group = match chunk.column_descr().max_def_level() {
                    0 => Some(0),
                    _ => chunk.statistics().and_then(|statistics| statistics.null_count_opt()),
                };
                nulls = nulls.zip(of_group).and_then(|(sum, of_group)| sum.checked_add(of_group));
                let rows = u64::try_from(group.num_rows()).unwrap_or(u64::MAX);
                if of_group != Some(rows) {
                    is_known &= has_ordered_statistics(chunk);
                    with_values.push(number);
                }
            }
            let bound = |values: &ArrayRef, wanted| is_known.then(|| outermost(values, &with_values, wanted)).flatten();
            Ok(ColumnStatistics {
                name: field.name().clone(),
                least: bound(&leasts, Ordering::Less),
                greatest: bound(&greatests, Ordering::Greater),
                nulls,
            })
        };
        columns.into_iter().map(statistics).collect()
    }
}

/// Returns the least or the greatest of some values, or `None` if one of them is not known.
fn outermost(values: &ArrayRef, rows: &[usize], wanted: Ordering) -> Option<ArrayRef> {
    let mut found: Option<(usize, Literal)> = None;
    for &row in rows {
        let value = Literal::of_row(values, row)?;
        let is_further = match &found {
            Some((_, before)) => value.compare(before)? == wanted,
            None => true,
        };
        if is_further {
            found = Some((row, value));
        }
    }
    found.map(|(row, _)| values.slice(row, 1))
}
