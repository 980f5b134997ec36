//! The memory to reserve for files that nothing tells the size of: a ref knows rows, not bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::resolve::{File, Size};

/// What a row takes as it lies in S3, until files have told.
const ROW_BYTES: u64 = 1 << 10;

/// What a file takes beside its rows.
const FILE_BYTES: u64 = 4 << 10;

/// The mean size of a row over the files that a read has fetched.
#[derive(Debug)]
pub(super) struct RowSizes {
    bytes: AtomicU64,
    rows: AtomicU64,
}

impl RowSizes {
    pub(super) fn new() -> Self {
        // As if one row had been read: the first files outweigh it.
        Self { bytes: AtomicU64::new(ROW_BYTES), rows: AtomicU64::new(1) }
    }

    /// The file's bytes: as listed, or else estimated.
    pub(super) fn of(&self, file: &File) -> u64 {
        match file.size {
            Size::Bytes(bytes) => bytes,
            Size::Rows(rows) => {
                let (all, of) = (self.bytes.load(Ordering::Relaxed), self.rows.load(Ordering::Relaxed));
                let bytes = u128::from(rows) * u128::from(all) / u128::from(of.max(1));
                u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(FILE_BYTES)
            }
        }
    }

    /// Learns from a file that was fetched.
    pub(super) fn learn(&self, file: &File, bytes: u64) {
        if let Size::Rows(rows) = file.size {
            self.bytes.fetch_add(bytes.saturating_sub(FILE_BYTES), Ordering::Relaxed);
            self.rows.fetch_add(rows, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_follows_what_was_fetched() {
        let sizes = RowSizes::new();
        let file = |rows| File { key: String::new(), size: Size::Rows(rows) };
        assert_eq!(sizes.of(&file(10)), 10 * ROW_BYTES + FILE_BYTES);
        sizes.learn(&file(100_000), 5_000_000 + FILE_BYTES);
        let estimate = sizes.of(&file(1_000));
        assert!((54_000..55_000).contains(&estimate), "{estimate}");
        assert_eq!(sizes.of(&file(u64::MAX)), u64::MAX);
        assert_eq!(sizes.of(&File { key: String::new(), size: Size::Bytes(7) }), 7);
    }
}
