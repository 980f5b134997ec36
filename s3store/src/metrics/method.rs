//! The names of the library's methods in metrics and spans.

macro_rules! methods {
    ($($method:ident = $name:literal,)*) => {
        /// A public method, together with the form of its result.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Method { $($method,)* }

        impl Method {
            pub(super) const ALL: &[Self] = &[$(Self::$method,)*];

            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$method => $name,)* }
            }
        }
    };
}

methods! {
    Write = "write",
    WritePartition = "write_with_key",
    WriterFlush = "writer_flush",
    Restamp = "restamp_ref",
    LookupCommit = "lookup_commit",
    Read = "read",
    ReadStream = "read_iter",
    ReadPartitions = "read_partition_iter",
    ReadBatches = "read_batches",
    Count = "count",
    Explain = "explain",
    ReadRange = "read_range_iter",
    ReadRangePartitions = "read_partition_range_iter",
    ReadRangeBatches = "read_range_batches",
    ReadEntries = "read_entries_iter",
    ReadEntriesPartitions = "read_partition_entries_iter",
    ReadEntriesBatches = "read_entries_batches",
    Poll = "poll",
    PollRecords = "poll_records",
    PollRange = "poll_range",
    Follow = "follow",
    Lookup = "lookup",
    Backfill = "backfill",
    ListPartitions = "partitions",
    ReadEntity = "read_entity",
    HistoryOf = "history_of",
    Doctor = "doctor",
    Prune = "prune",
    Copy = "copy",
    PublishDelta = "publish_delta",
    Init = "init",
    Open = "open",
}

impl Method {
    /// Returns whether calls record the records, partitions and bytes that they wrote.
    pub(super) fn writes(self) -> bool {
        matches!(self, Self::Write | Self::WritePartition | Self::WriterFlush)
    }

    /// Returns `Some` if calls record the records, bytes and files that they read, and whether also the partitions.
    pub(super) fn reads(self) -> Option<Partitions> {
        match self {
            Self::Read
            | Self::ReadStream
            | Self::ReadPartitions
            | Self::ReadBatches
            | Self::Count
            | Self::ReadRange
            | Self::ReadRangePartitions
            | Self::ReadRangeBatches
            | Self::ReadEntries
            | Self::ReadEntriesPartitions
            | Self::ReadEntriesBatches
            | Self::PollRecords => Some(Partitions::Counted),
            Self::Poll | Self::PollRange | Self::Lookup | Self::Backfill | Self::ReadEntity | Self::HistoryOf => {
                Some(Partitions::NotCounted)
            }
            _ => None,
        }
    }

    /// Returns true if the method reads data files partition by partition, so that it can stall.
    pub(super) fn reads_partitions(self) -> bool {
        self.reads() == Some(Partitions::Counted)
    }

    /// Returns true if the method skips and counts missing data files.
    pub(super) fn skips_missing_files(self) -> bool {
        self == Self::Backfill || self.skips_undecodable_files()
    }

    /// Returns true if the method can skip data files that do not decode. Snapshots never do.
    pub(super) fn skips_undecodable_files(self) -> bool {
        let is_snapshot =
            matches!(self, Self::Read | Self::ReadStream | Self::ReadPartitions | Self::ReadBatches | Self::Count);
        self.reads_partitions() && !is_snapshot
    }
}

/// How a read records partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Partitions {
    Counted,
    /// The method reads single files or none, not partitions.
    NotCounted,
}
