//! The row groups of a file that can contain an entity, by the statistics in the file's footer.

use arrow_array::Array;
use arrow_schema::{DataType, Field};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::guard::catch_panics;
use super::mapping::FilePlan;
use crate::error::Result;
use crate::record::{KeyPart, ReadLayout};

/// Returns, for each row group, whether it can contain a row with these values in the entity's columns.
///
/// `metadata` is the file's footer with its statistics. A row group without usable statistics can contain any row.
pub(super) fn groups_with(
    metadata: &ParquetMetaData,
    plan: &FilePlan,
    layout: &ReadLayout,
    entity: &[KeyPart],
) -> Result<Vec<bool>> {
    let mut can_contain = vec![true; metadata.num_row_groups()];
    let columns = layout.key.iter().flat_map(|key| &key.entity);
    for (&column, part) in columns.zip(entity) {
        let Some((leaf, field)) = plan.mapping().leaf_of(layout, column) else { continue };
        let wanted = layout.columns.get(column).map(|node| node.read_type());
        if wanted.is_some_and(|wanted| keeps_order(field.data_type(), &wanted)) {
            catch_panics(|| narrow(metadata, leaf, field, part, &mut can_contain))?;
        }
    }
    Ok(can_contain)
}

/// Excludes the row groups whose least value of a column is greater than `part`, or whose greatest is less.
fn narrow(
    metadata: &ParquetMetaData,
    leaf: usize,
    field: &Field,
    part: &KeyPart,
    can_contain: &mut [bool],
) -> parquet::errors::Result<()> {
    let parquet = metadata.file_metadata().schema_descr();
    let converter = StatisticsConverter::from_column_index(leaf, field, parquet)?;
    let (least, greatest) =
        (converter.row_group_mins(metadata.row_groups())?, converter.row_group_maxes(metadata.row_groups())?);
    for ((row, group), can_contain) in metadata.row_groups().iter().enumerate().zip(can_contain) {
        if !group.columns().get(leaf).is_some_and(has_ordered_statistics) {
            continue;
        }
        let bound = |values: &dyn Array| KeyPart::of_row(values, row);
        let below = bound(&greatest).is_some_and(|greatest| greatest.is_less(part));
        let above = bound(&least).is_some_and(|least| part.is_less(&least));
        *can_contain &= !below && !above;
    }
    Ok(())
}

/// Returns whether a column chunk has statistics in the order of its type. Old writers compared bytes as signed numbers.
fn has_ordered_statistics(chunk: &ColumnChunkMetaData) -> bool {
    chunk.statistics().is_some_and(|statistics| !statistics.is_min_max_deprecated())
}

/// Returns whether values of a file's type and those of the record's have the same order as parts of a key.
fn keeps_order(file: &DataType, wanted: &DataType) -> bool {
    use DataType::{Binary, BinaryView, Decimal128, Time32, Time64, Timestamp, Utf8, Utf8View};
    match (file, wanted) {
        (Timestamp(..), Timestamp(..)) | (Time32(_) | Time64(_), Time32(_) | Time64(_)) => true,
        (Utf8 | Utf8View | Binary | BinaryView, Utf8 | Utf8View | Binary | BinaryView) => true,
        (Decimal128(_, scale), Decimal128(_, other)) => scale == other,
        _ => file == wanted || file.is_integer() && wanted.is_integer(),
    }
}
