//! Limits to what a file may decode to, in proportion to its size.
//!
//! Parquet can say in a few bytes that a value repeats two thousand million times. A file that makes use of that is
//! valid, but would end the process. Real files stay far below these limits: the usual writers begin a new page after
//! 20,000 rows at most, and a page takes at least 30 bytes in each column.
//!
//! The pages of a file of n bytes therefore decode to at most 64 MiB + 1,024 n bytes, and a column has at most 2^20 + 1,024 n
//! values. `tests/fuzz.rs` checks on mutated files how much memory that is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::errors::Result;

use super::thrift::malformed;

/// How many rows, or values of a column, a file may have in any case: the most that common writers put in one row group.
const VALUES_ALLOWED: u64 = 1 << 20;

/// How many more each byte of the file allows.
const VALUES_PER_BYTE: u64 = 1 << 10;

/// How many bytes a file may decode to in any case.
const BYTES_ALLOWED: u64 = 64 << 20;

/// How many more each byte of the file allows.
const BYTES_PER_BYTE: u64 = 1 << 10;

/// The most rows that a file of `size` bytes may have, and the most values in one of its columns.
pub(super) fn most_values(size: u64) -> u64 {
    VALUES_ALLOWED.saturating_add(size.saturating_mul(VALUES_PER_BYTE))
}

/// The most bytes that the columns of a file of `size` bytes may decode to, together.
pub(super) fn most_bytes(size: u64) -> u64 {
    BYTES_ALLOWED.saturating_add(size.saturating_mul(BYTES_PER_BYTE))
}

/// The decoded size of the pages of one column so far, and of those of the whole file.
#[derive(Debug)]
pub(super) struct ColumnBudget {
    file_size: u64,
    values: AtomicU64,
    /// Shared by the columns of a file.
    bytes: Arc<AtomicU64>,
}

impl ColumnBudget {
    /// Returns the budgets of the columns of a file.
    pub(super) fn of_columns(columns: usize, file_size: u64) -> Vec<Arc<Self>> {
        let bytes = Arc::new(AtomicU64::new(0));
        (0..columns)
            .map(|_| Arc::new(Self { file_size, values: AtomicU64::new(0), bytes: Arc::clone(&bytes) }))
            .collect()
    }

    /// Adds the values of a page.
    pub(super) fn add_values(&self, values: u64) -> Result<()> {
        let total = self.values.fetch_add(values, Ordering::Relaxed).saturating_add(values);
        let most = most_values(self.file_size);
        if total > most {
            let size = self.file_size;
            return Err(malformed(format_args!(
                "its pages claim {total} values, more than the {most} that a file of {size} bytes may have"
            )));
        }
        Ok(())
    }

    /// Adds bytes that a page decodes to.
    pub(super) fn add_bytes(&self, bytes: u64) -> Result<()> {
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let most = most_bytes(self.file_size);
        if total > most {
            let size = self.file_size;
            return Err(malformed(format_args!(
                "the pages up to here decode to {total} bytes, more than the {most} that a file of {size} bytes may have"
            )));
        }
        Ok(())
    }
}
