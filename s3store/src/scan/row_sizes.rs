//! Estimates of the size of files that the change stream leads to: a ref contains a row count, but no size in bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::files::{FileSize, StoredFile};

/// The estimated size of a row before a file was fetched.
const ROW_BYTES: u64 = 1 << 10;

/// The estimated size of a file without its rows.
const FILE_BYTES: u64 = 4 << 10;

/// The largest estimate: S3 takes no more in one PUT. The row count can be wrong, and the deadline of the download depends
/// on the estimate.
const MOST_BYTES: u64 = 5 << 30;

/// The largest number of rows of one file that counts in the mean.
const MOST_ROWS: u64 = 1 << 32;

/// The mean size of a row in the files that a read has fetched.
#[derive(Debug)]
pub(super) struct RowSizes {
    bytes: AtomicU64,
    rows: AtomicU64,
}

impl RowSizes {
    pub(super) fn new() -> Self {
        // Starts as if one row had been read; the first file outweighs it.
        Self { bytes: AtomicU64::new(ROW_BYTES), rows: AtomicU64::new(1) }
    }

    /// Returns the file's size in bytes, or an estimate if only its row count is known.
    pub(super) fn size_of(&self, file: &StoredFile) -> u64 {
        match file.size {
            FileSize::Bytes(bytes) => bytes,
            FileSize::Rows(rows) => {
                let (all_bytes, all_rows) = (self.bytes.load(Ordering::Relaxed), self.rows.load(Ordering::Relaxed));
                let bytes = u128::from(rows) * u128::from(all_bytes) / u128::from(all_rows.max(1));
                u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(FILE_BYTES).min(MOST_BYTES)
            }
        }
    }

    /// Adds a fetched file to the mean.
    pub(super) fn learn(&self, file: &StoredFile, bytes: u64) {
        if let FileSize::Rows(rows) = file.size {
            self.bytes.fetch_add(bytes.saturating_sub(FILE_BYTES), Ordering::Relaxed);
            self.rows.fetch_add(rows.min(MOST_ROWS), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_follow_the_fetched_files() {
        let sizes = RowSizes::new();
        let file = |rows| StoredFile { key: String::new(), size: FileSize::Rows(rows), version: None, offset: None };
        assert_eq!(sizes.size_of(&file(10)), 10 * ROW_BYTES + FILE_BYTES);
        sizes.learn(&file(100_000), 5_000_000 + FILE_BYTES);
        let estimate = sizes.size_of(&file(1_000));
        assert!((54_000..55_000).contains(&estimate), "{estimate}");
        assert_eq!(sizes.size_of(&file(u64::MAX)), MOST_BYTES);
        let listed = StoredFile { key: String::new(), size: FileSize::Bytes(7), version: None, offset: None };
        assert_eq!(sizes.size_of(&listed), 7);
    }
}
