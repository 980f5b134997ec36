//! The memory that reading a file takes, by its footer.

use parquet::basic::Type as Physical;
use parquet::file::metadata::ColumnChunkMetaData;

use super::BATCH_ROWS;
use super::mapping::FilePlan;
use super::steps::Step;

/// The most that one page of a column takes in writers that follow the usual limit.
const PAGE_BYTES: u64 = 1 << 20;

/// The size of a text's view beside its bytes.
const VIEW_BYTES: u64 = 16;

/// The memory that reading the wanted columns of a file takes, in bytes. An estimate by the footer, which may be wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReadSizes {
    /// The column chunks that are not in memory yet.
    pub(crate) fetched: u64,
    /// Those of the step that has the most: a row group, or a part of one.
    pub(crate) largest_step: u64,
    /// All rows when decoded.
    pub(crate) decoded: u64,
    /// One batch when decoded.
    pub(crate) batch: u64,
    /// One decompressed page of each column, and its dictionary.
    pub(crate) pages: u64,
    /// The page index and the Bloom filters, if they were fetched on their own.
    pub(crate) indexes: u64,
}

impl ReadSizes {
    /// Adds the rows of a step, of which `missing` bytes are not in memory.
    pub(super) fn add(&mut self, plan: &FilePlan, step: &Step, missing: u64) {
        let Some(group) = plan.metadata().row_groups().get(step.group) else { return };
        let chunks = || plan.mapping().leaves().iter().filter_map(|&leaf| group.columns().get(leaf));
        let of_group = sum(chunks().map(decoded_bytes));
        let pages = sum(chunks().map(|chunk| uncompressed_bytes(chunk).min(PAGE_BYTES).saturating_mul(2)));
        let (rows, all) = (step.rows(plan) as u64, plan.rows_of(step.group).max(1) as u64);
        let share = u128::from(of_group) * u128::from(rows) / u128::from(all);
        let decoded = u64::try_from(share).unwrap_or(u64::MAX);
        let batch = decoded / rows.div_ceil(BATCH_ROWS as u64).max(1);
        self.fetched = self.fetched.saturating_add(missing);
        self.largest_step = self.largest_step.max(missing);
        self.decoded = self.decoded.saturating_add(decoded);
        self.batch = self.batch.max(batch);
        self.pages = self.pages.max(pages);
    }
}

fn sum(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

fn uncompressed_bytes(chunk: &ColumnChunkMetaData) -> u64 {
    u64::try_from(chunk.uncompressed_size()).unwrap_or(0)
}

/// Returns the size of a decoded column chunk. A dictionary is smaller in the file than the values that refer to it.
fn decoded_bytes(chunk: &ColumnChunkMetaData) -> u64 {
    let (pages, values) = (uncompressed_bytes(chunk), u64::try_from(chunk.num_values()).unwrap_or(0));
    let of_width = |width: u64| pages.max(values.saturating_mul(width));
    match chunk.column_descr().physical_type() {
        Physical::BYTE_ARRAY => pages.saturating_add(values.saturating_mul(VIEW_BYTES)),
        Physical::FIXED_LEN_BYTE_ARRAY => of_width(u64::try_from(chunk.column_descr().type_length()).unwrap_or(0)),
        Physical::BOOLEAN => pages,
        Physical::INT32 | Physical::FLOAT => of_width(4),
        Physical::INT64 | Physical::DOUBLE | Physical::INT96 => of_width(8),
    }
}
