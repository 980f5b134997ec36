//! Checks of a parsed footer before any column is decoded.

use parquet::basic::{Compression, Type as Physical};
use parquet::schema::types::ColumnDescriptor;

use super::BATCH_ROWS;
use super::footer::ParsedFooter;
use super::footer_scan::NOT_ENCRYPTED;
use super::limits::{most_bytes, most_values};
use crate::error::{Error, Result};

/// Returns the number of rows in a file.
///
/// # Errors
/// `InvalidData` if the footer's row counts are out of range, or far larger than the file justifies.
pub(super) fn row_count(footer: &ParsedFooter) -> Result<usize> {
    let rows =
        footer.metadata.row_groups().iter().try_fold(0usize, |rows, group| {
            usize::try_from(group.num_rows()).ok().and_then(|more| rows.checked_add(more))
        });
    let rows = rows.ok_or_else(|| Error::invalid_data("the row counts in the file's footer are out of range"))?;
    let (size, most) = (footer.file_size, most_values(footer.file_size));
    if rows as u64 > most {
        return Err(Error::invalid_data(format!(
            "the footer claims {rows} rows, more than the {most} that a file of {size} bytes may have"
        )));
    }
    Ok(rows)
}

/// Checks that the columns with these leaves can be decoded.
///
/// # Errors
/// `InvalidData` if one is encrypted or compressed by an unknown codec, or has values of a length that the file's size does
/// not justify.
pub(super) fn check_columns(footer: &ParsedFooter, leaves: &[usize], rows: usize) -> Result<()> {
    let schema = footer.metadata.file_metadata().schema_descr();
    let mut reserved = 0;
    for &leaf in leaves {
        let Some(column) = schema.columns().get(leaf) else {
            continue;
        };
        check_length(column, rows, footer.file_size, &mut reserved)?;
        let path = column.path().string();
        if !footer.encrypted.is_empty() && footer.encrypted.contains(&path) {
            return Err(Error::invalid_data(format!("column {path}: the column is encrypted, {NOT_ENCRYPTED}")));
        }
        for chunk in footer.metadata.row_groups().iter().filter_map(|group| group.columns().get(leaf)) {
            if matches!(chunk.compression(), Compression::BROTLI(_) | Compression::LZO) {
                let codec = if chunk.compression() == Compression::LZO { "LZO" } else { "BROTLI" };
                return Err(Error::invalid_data(format!(
                    "column {path}: the compression codec {codec} is not supported; write the file with SNAPPY, ZSTD, \
                     GZIP, LZ4_RAW or LZ4"
                )));
            }
        }
    }
    Ok(())
}

/// Checks the length of a column's values, if all have the same. The decoder also reserves it for nulls. `reserved` is what
/// the columns before take in each batch.
fn check_length(column: &ColumnDescriptor, rows: usize, file_size: u64, reserved: &mut u64) -> Result<()> {
    if column.physical_type() != Physical::FIXED_LEN_BYTE_ARRAY {
        return Ok(());
    }
    let (length, most) = (u64::try_from(column.type_length()).unwrap_or(0), most_bytes(file_size));
    *reserved = reserved.saturating_add(length.saturating_mul(rows.min(BATCH_ROWS) as u64));
    if *reserved > most {
        return Err(Error::invalid_data(format!(
            "column {}: values of {length} bytes are too long for a file of {file_size} bytes",
            column.path().string()
        )));
    }
    Ok(())
}
