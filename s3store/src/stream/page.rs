//! The pages that polls return.

use super::{Entry, SkippedFile};
use crate::format::Offset;

/// A page of the change stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The committed entries, in offset order.
    pub entries: Vec<Entry>,
    /// The offset at which the next poll continues: after every ref that this poll covered, committed or not. Store it
    /// once the entries are processed.
    pub next: Offset,
    /// If true, the poll reached the settle window or its upper bound. If false, it stopped at its limit and there may
    /// be more.
    ///
    /// End a loop when this is true. An empty page is caught up as well, unless 100 times the [limit](super::Poll::limit)
    /// of refs in a row belong to writes that never committed, or 100,000 to partitions that [`only`](super::Poll::only)
    /// does not select.
    pub caught_up: bool,
    /// The number of refs that were skipped because their name does not parse. Each is logged.
    pub malformed: u64,
    /// The number of refs that were skipped because their partition has other columns than the record type: records of
    /// another type, or written before the columns were changed. A snapshot skips such partitions, too.
    pub other_partitions: u64,
    /// The number of refs that were passed because [`only`](super::Poll::only) does not select their partition.
    pub not_selected: u64,
}

/// A page of the change stream with the records of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordPage<T> {
    /// The records of all entries, all versions included. Records with the same entity and version are returned once.
    ///
    /// Partitions are in key order. Within a partition, records are in (entity, version) order, or in file and row
    /// order if the record has no entity key.
    pub records: Vec<T>,
    /// The committed entries, in offset order.
    pub entries: Vec<Entry>,
    /// The offset at which the next poll continues. Store it once the records are processed.
    pub next: Offset,
    /// If true, there was nothing more to return: see [`Page::caught_up`].
    pub caught_up: bool,
    /// The number of refs that were skipped: see [`Page::malformed`].
    pub malformed: u64,
    /// The number of refs that were skipped: see [`Page::other_partitions`].
    pub other_partitions: u64,
    /// The number of refs that were passed: see [`Page::not_selected`].
    pub not_selected: u64,
    /// The number of data files that were skipped because somebody deleted them after their commit. Each is logged.
    pub missing: u64,
    /// The data files that were left out because they do not decode, in offset order. Their entries are among `entries`.
    /// Empty unless [`skip_undecodable`](super::PollRecords::skip_undecodable) is set.
    pub skipped: Vec<SkippedFile>,
}
