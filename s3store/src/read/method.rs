//! The method that a read is counted as in metrics.

use std::sync::Arc;

use crate::metrics::{Call, Method, Metrics, Tally};

/// The operation that a read belongs to.
#[derive(Debug, Clone)]
pub(crate) enum ReadMethod {
    Snapshot,
    Range,
    Entries,
    /// A part of another call, which the read is counted as.
    Within(Arc<Tally>),
}

/// The form in which the caller takes the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResultForm {
    Vec,
    Count,
    Plan,
    RecordStream,
    PartitionStream,
    #[cfg(feature = "arrow")]
    BatchStream,
}

impl ReadMethod {
    /// Starts counting a call.
    pub(super) fn begin(&self, metrics: &Metrics, form: ResultForm) -> Call {
        use ResultForm::{Count, PartitionStream, RecordStream, Vec};
        let method = match (self, form) {
            (Self::Within(tally), _) => return Call::within(tally),
            (_, ResultForm::Plan) => Method::Explain,
            (Self::Snapshot, Vec) => Method::Read,
            (Self::Snapshot, Count) => Method::Count,
            (Self::Snapshot, RecordStream) => Method::ReadStream,
            (Self::Snapshot, PartitionStream) => Method::ReadPartitions,
            (Self::Range, Vec | Count | RecordStream) => Method::ReadRange,
            (Self::Range, PartitionStream) => Method::ReadRangePartitions,
            (Self::Entries, Vec | Count | RecordStream) => Method::ReadEntries,
            (Self::Entries, PartitionStream) => Method::ReadEntriesPartitions,
            #[cfg(feature = "arrow")]
            (Self::Snapshot, ResultForm::BatchStream) => Method::ReadBatches,
            #[cfg(feature = "arrow")]
            (Self::Range, ResultForm::BatchStream) => Method::ReadRangeBatches,
            #[cfg(feature = "arrow")]
            (Self::Entries, ResultForm::BatchStream) => Method::ReadEntriesBatches,
        };
        metrics.call(method)
    }
}
