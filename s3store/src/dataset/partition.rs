//! A partition's records, together.

/// One partition and its rows: what a read yields by partition, and what a write is grouped into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HivePartition<T> {
    /// The partition's key, `name=value/name=value`.
    pub partition: String,
    /// On reads in the promised order; grouped for a write in their given order.
    pub records: Vec<T>,
}
