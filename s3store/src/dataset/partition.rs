//! The records of one partition.

/// One partition and its records. Reads return records in this form, and writes group them by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HivePartition<T> {
    /// The partition, `name=value/name=value`.
    pub partition: String,
    /// The partition's records: on reads in the promised order, grouped for a write in the order given.
    pub records: Vec<T>,
}
