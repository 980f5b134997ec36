//! The place of text that is not UTF-8. The decoder finds such text, but not where it is.

use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{ConvertedType, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::ByteArrayType;
use parquet::errors::ParquetError;

use super::guard::catch_panics;
use super::mapping::FilePlan;
use super::row_groups::{self, FileParts};
use crate::error::{Error, Result};

/// How many rows are searched at a time.
const STEP: usize = 1_024;

/// Replaces the decoder's error about text that is not UTF-8 by one that gives the row and the column. Returns other errors
/// as they are.
pub(super) fn locate(error: Error, plan: &FilePlan, groups: Range<usize>, file: &Arc<FileParts>) -> Error {
    if !error.to_string().to_ascii_lowercase().contains("utf") {
        return error;
    }
    match find(plan, groups, file) {
        Ok(Some((row, column))) => Error::invalid_data(format!("row {row}, column {column}: the text is not UTF-8")),
        _ => error,
    }
}

/// Returns the row and the column of the first text that is not UTF-8.
fn find(plan: &FilePlan, groups: Range<usize>, file: &Arc<FileParts>) -> Result<Option<(usize, String)>> {
    let columns = plan.metadata().file_metadata().schema_descr().columns();
    let mut first_row = 0;
    for (index, group) in plan.metadata().row_groups().iter().enumerate().take(groups.end) {
        for &leaf in plan.mapping().leaves().iter().filter(|_| groups.contains(&index)) {
            let Some(column) = columns.get(leaf) else { continue };
            if column.physical_type() != Physical::BYTE_ARRAY || column.converted_type() != ConvertedType::UTF8 {
                continue;
            }
            let row = catch_panics(|| {
                match get_column_reader(Arc::clone(column), row_groups::pages(plan, index, leaf, file)?) {
                    ColumnReader::ByteArrayColumnReader(reader) => first_bad_row(reader, column.max_def_level()),
                    _ => Ok(None),
                }
            })?;
            if let Some(row) = row {
                return Ok(Some((first_row + row, column.path().string())));
            }
        }
        first_row += usize::try_from(group.num_rows()).unwrap_or_default();
    }
    Ok(None)
}

fn first_bad_row(
    mut reader: ColumnReaderImpl<ByteArrayType>,
    most_defined: i16,
) -> Result<Option<usize>, ParquetError> {
    let mut rows = 0;
    loop {
        let (mut defined, mut repeated, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let (records, _, levels) = reader.read_records(STEP, Some(&mut defined), Some(&mut repeated), &mut values)?;
        if records == 0 && levels == 0 {
            return Ok(None);
        }
        let mut values = values.iter();
        let mut row = None;
        for level in 0..levels {
            // A level above 0 continues the row before.
            if repeated.get(level).is_none_or(|&repeated| repeated == 0) {
                row = Some(row.map_or(0, |row| row + 1));
            }
            if defined.get(level).is_none_or(|&defined| defined == most_defined)
                && values.next().is_some_and(|value| std::str::from_utf8(value.data()).is_err())
            {
                return Ok(Some(rows + row.unwrap_or_default()));
            }
        }
        rows += records;
    }
}
