//! The measurements of one call of a public method: its span, its outcome and the work it did.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use tokio::time::Instant;
use tracing::{Instrument as _, Span, field};

use super::instruments::{ERROR_TYPE, METHOD, OUTCOME};
use super::method::{Method, Partitions};
use super::{Metrics, seconds};
use crate::error::{Error, ErrorType};

/// The outcome of a call or a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Error(ErrorType),
    /// The future was dropped, or its runtime shut down.
    Canceled,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error(_) => "error",
            Self::Canceled => "canceled",
        }
    }

    /// Returns the value of the attribute `error.type`; `None` for a success.
    pub(super) fn error_type(self) -> Option<&'static str> {
        match self {
            Self::Success => None,
            Self::Error(error) => Some(error.as_str()),
            Self::Canceled => Some(ErrorType::Canceled.as_str()),
        }
    }

    pub(super) fn attributes(self) -> impl Iterator<Item = KeyValue> {
        let error = self.error_type().map(|error| KeyValue::new(ERROR_TYPE, error));
        std::iter::once(KeyValue::new(OUTCOME, self.as_str())).chain(error)
    }

    pub(super) fn record(self, span: &Span) {
        span.record("outcome", self.as_str());
        if let Some(error) = self.error_type() {
            span.record(ERROR_TYPE, error);
        }
    }
}

/// An error of a public method, which maps to the outcome of the call.
pub(crate) trait ErrorOutcome {
    fn outcome(&self) -> Outcome;
}

impl ErrorOutcome for Error {
    fn outcome(&self) -> Outcome {
        match self.error_type() {
            ErrorType::Canceled => Outcome::Canceled,
            error_type => Outcome::Error(error_type),
        }
    }
}

/// A call in progress. It counts as canceled if dropped before [`end`](Self::end).
#[derive(Debug)]
pub(crate) struct Call {
    tally: Arc<Tally>,
    span: Span,
    /// `None` once the call has ended, and for a part of another call.
    began: Option<Instant>,
}

impl Call {
    pub(super) fn begin(metrics: &Metrics, method: Method) -> Self {
        let (name, bucket, prefix) = (method.as_str(), metrics.bucket(), metrics.prefix());
        let span = tracing::info_span!(
            "s3store.call",
            otel.name = name,
            method = name,
            bucket,
            prefix,
            outcome = field::Empty,
            error.type = field::Empty,
        );
        metrics.0.instruments.method_in_flight.add(1, metrics.0.sets.method(method));
        let began = Some(metrics.0.clock.monotonic());
        Self { tally: Tally::new(metrics.clone(), method), span, began }
    }

    /// Returns a part of the call that owns `tally`. Its work counts there, and it has no outcome.
    pub(crate) fn within(tally: &Arc<Tally>) -> Self {
        Self { tally: Arc::clone(tally), span: Span::current(), began: None }
    }

    pub(crate) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Runs `work` in the call's span, passes it the call's tally, and ends the call with its result.
    pub(crate) async fn run<T, E: ErrorOutcome, F>(self, work: impl FnOnce(Arc<Tally>) -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let result = work(Arc::clone(&self.tally)).instrument(self.span.clone()).await;
        self.end(result.as_ref().map_or_else(ErrorOutcome::outcome, |_| Outcome::Success));
        result
    }

    pub(crate) fn end(mut self, outcome: Outcome) {
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: Outcome) {
        let Some(began) = self.began.take() else { return };
        outcome.record(&self.span);
        let Tally { metrics, method, .. } = &*self.tally;
        let (instruments, sets) = (&metrics.0.instruments, &metrics.0.sets);
        instruments.method_in_flight.add(-1, sets.method(*method));
        let took = seconds(metrics.0.clock.monotonic().saturating_duration_since(began));
        let record = |attributes: &[KeyValue]| {
            instruments.method_duration.record(took, attributes);
            instruments.method_calls.add(1, attributes);
        };
        if outcome == Outcome::Success {
            record(sets.method_success(*method));
        } else {
            let method = KeyValue::new(METHOD, method.as_str());
            record(&sets.with(std::iter::once(method).chain(outcome.attributes())));
        }
        if outcome != Outcome::Canceled {
            self.tally.record();
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.finish(Outcome::Canceled);
    }
}

/// The work that a call has done so far. It is recorded when the call ends. After a canceled call it is recorded when the
/// last of its tasks has ended, so that commits which complete after the cancellation count.
#[derive(Debug)]
pub(crate) struct Tally {
    metrics: Metrics,
    method: Method,
    records: AtomicU64,
    partitions: AtomicU64,
    bytes: AtomicU64,
    files: AtomicU64,
    row_groups: AtomicU64,
    excluded_row_groups: AtomicU64,
    recorded: AtomicBool,
}

/// The work that a read has done so far, and the row groups that it has left out.
#[cfg(feature = "datafusion")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReadWork {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
    pub(crate) row_groups: u64,
    pub(crate) excluded_row_groups: u64,
}

impl Tally {
    fn new(metrics: Metrics, method: Method) -> Arc<Self> {
        Arc::new(Self {
            metrics,
            method,
            records: AtomicU64::new(0),
            partitions: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            files: AtomicU64::new(0),
            row_groups: AtomicU64::new(0),
            excluded_row_groups: AtomicU64::new(0),
            recorded: AtomicBool::new(false),
        })
    }

    pub(crate) fn method(&self) -> Method {
        self.method
    }

    /// Counts a committed partition. `bytes` is 0 if the same token had committed it before.
    pub(crate) fn committed(&self, records: u64, bytes: u64) {
        self.partitions.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts commits that the call returns as late.
    pub(crate) fn returned_late(&self, commits: usize) {
        let Metrics(metrics) = &self.metrics;
        metrics.instruments.late_outcomes.add(commits as u64, metrics.sets.all());
    }

    /// Counts a data file that was visited: read, or missing and skipped.
    pub(crate) fn file(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts the row groups of a file that are read, and those that a filter excludes.
    pub(crate) fn row_groups(&self, read: usize, excluded: usize) {
        self.row_groups.fetch_add(read as u64, Ordering::Relaxed);
        self.excluded_row_groups.fetch_add(excluded as u64, Ordering::Relaxed);
    }

    /// Returns what the read has done so far.
    #[cfg(feature = "datafusion")]
    pub(crate) fn read_work(&self) -> ReadWork {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ReadWork {
            bytes: count(&self.bytes),
            files: count(&self.files),
            row_groups: count(&self.row_groups),
            excluded_row_groups: count(&self.excluded_row_groups),
        }
    }

    /// Counts records that were returned to the caller: rows of a read, entries of a poll, or tuples of a lookup.
    pub(crate) fn records(&self, records: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    /// Counts a partition that was read.
    pub(crate) fn partition(&self) {
        self.partitions.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts and logs a committed data file that is missing and skipped. It counts as visited too.
    pub(crate) fn missing(&self, key: &str) {
        tracing::warn!(key, method = self.method.as_str(), "a data file is missing and is skipped");
        self.file();
        let Metrics(metrics) = &self.metrics;
        metrics.instruments.missing_data.add(1, metrics.sets.method(self.method));
    }

    /// Counts and logs a data file that does not decode and is skipped. The reason is not logged, because it may contain a
    /// value of a record.
    pub(crate) fn undecodable(&self, key: &str, offset: &str) {
        tracing::warn!(key, offset, method = self.method.as_str(), "a data file does not decode and is skipped");
        let Metrics(metrics) = &self.metrics;
        metrics.instruments.undecodable_data.add(1, metrics.sets.method(self.method));
    }

    /// Counts a HEAD request for a commit.
    pub(crate) fn commit_head(&self) {
        self.metrics.commit_head(self.method);
    }

    /// Counts a check that found the read without progress.
    pub(crate) fn stalled(&self) {
        let Metrics(metrics) = &self.metrics;
        metrics.instruments.stalls.add(1, metrics.sets.method(self.method));
    }

    fn record(&self) {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (records, partitions) = (count(&self.records), count(&self.partitions));
        let (bytes, files) = (count(&self.bytes), count(&self.files));
        if self.recorded.swap(true, Ordering::Relaxed) {
            return;
        }
        let Metrics(metrics) = &self.metrics;
        let (instruments, method) = (&metrics.instruments, metrics.sets.method(self.method));
        // As in Go, a call that did nothing of a kind records no sample of value zero.
        let sample = |histogram: &Histogram<u64>, count: u64| {
            if count > 0 {
                histogram.record(count, method);
            }
        };
        if self.method.writes() {
            sample(&instruments.write_records, records);
            sample(&instruments.write_partitions, partitions);
            sample(&instruments.write_bytes, bytes);
        }
        if let Some(counted) = self.method.reads() {
            sample(&instruments.read_records, records);
            sample(&instruments.read_bytes, bytes);
            sample(&instruments.read_files, files);
            if counted == Partitions::Counted {
                sample(&instruments.read_partitions, partitions);
            }
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.record();
    }
}
