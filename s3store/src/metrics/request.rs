//! The measurements of one request to S3: its permit, its tries and its outcome.

use opentelemetry::KeyValue;
use tokio::time::Instant;
use tracing::{Level, Span, field};

use super::call::Outcome;
use super::instruments::{ATTEMPT, ATTEMPTS, ERROR_TYPE, OPERATION};
use super::sets::ABSENT;
use super::{Metrics, seconds};
use crate::error::ErrorType;

/// An S3 operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Put,
    Get,
    Head,
    List,
}

impl Operation {
    pub(super) const ALL: [Self; 4] = [Self::Put, Self::Get, Self::Head, Self::List];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
        }
    }
}

/// A wait for a permit. Dropping it before [`granted`](Self::granted) counts a canceled request.
#[derive(Debug)]
pub(crate) struct PermitWait<'m> {
    metrics: &'m Metrics,
    operation: Operation,
    began: Instant,
    queued: bool,
    granted: bool,
}

/// A permit in use, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct HeldPermit {
    metrics: Metrics,
    /// When the wait for it began.
    began: Instant,
}

impl<'m> PermitWait<'m> {
    pub(super) fn begin(metrics: &'m Metrics, operation: Operation) -> Self {
        Self { metrics, operation, began: metrics.0.clock.monotonic(), queued: false, granted: false }
    }

    /// Counts the request as waiting, because no permit is free.
    pub(crate) fn queued(&mut self) {
        self.queued = true;
        self.metrics.0.instruments.waiting.add(1, self.metrics.0.sets.all());
    }

    pub(crate) fn granted(mut self) -> HeldPermit {
        self.granted = true;
        let Metrics(metrics) = self.metrics;
        let (instruments, all) = (&metrics.instruments, metrics.sets.all());
        if self.queued {
            let waited = metrics.clock.monotonic().saturating_duration_since(self.began);
            instruments.semaphore_wait.record(seconds(waited), all);
        }
        instruments.semaphore_acquires.add(1, metrics.sets.granted());
        instruments.inflight.add(1, all);
        HeldPermit { metrics: self.metrics.clone(), began: self.began }
    }
}

impl Drop for PermitWait<'_> {
    fn drop(&mut self) {
        let Metrics(metrics) = self.metrics;
        if self.queued {
            metrics.instruments.waiting.add(-1, metrics.sets.all());
        }
        if !self.granted {
            metrics.instruments.semaphore_acquires.add(1, metrics.sets.given_up());
            let request = RequestMetrics {
                metrics: self.metrics,
                operation: self.operation,
                began: self.began,
                attempts: 0,
                span: Span::none(),
                ended: false,
            };
            drop(request);
        }
    }
}

impl HeldPermit {
    pub(crate) fn began(&self) -> Instant {
        self.began
    }
}

impl Drop for HeldPermit {
    fn drop(&mut self) {
        self.metrics.0.instruments.inflight.add(-1, self.metrics.0.sets.all());
    }
}

/// A request in flight. It counts as canceled if dropped before [`end`](Self::end).
#[derive(Debug)]
pub(crate) struct RequestMetrics<'m> {
    metrics: &'m Metrics,
    operation: Operation,
    began: Instant,
    attempts: u32,
    span: Span,
    ended: bool,
}

impl<'m> RequestMetrics<'m> {
    /// Begins a request. `began` is the time at which the wait for its permit began, given for the permit's first request.
    /// `object` is the kind of object that `key` names. Both appear only in the span, the key only at debug level.
    pub(super) fn begin(
        metrics: &'m Metrics,
        operation: Operation,
        began: Option<Instant>,
        key: &str,
        object: impl FnOnce() -> &'static str,
    ) -> Self {
        let span = tracing::info_span!(
            "s3store.request",
            otel.name = operation.as_str(),
            operation = operation.as_str(),
            object = field::Empty,
            key = field::Empty,
            attempts = field::Empty,
            outcome = field::Empty,
            error.type = field::Empty,
        );
        if !span.is_disabled() {
            span.record("object", object());
            if tracing::enabled!(Level::DEBUG) {
                span.record("key", key);
            }
        }
        let began = began.unwrap_or_else(|| metrics.0.clock.monotonic());
        Self { metrics, operation, began, attempts: 0, span, ended: false }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Counts one more try.
    pub(crate) fn attempt(&mut self) {
        self.attempts += 1;
    }

    /// Counts a transient error of the current try.
    pub(crate) fn transient(&self, error: ErrorType) {
        let (error, attempt) = (error.as_str(), digits(self.attempts));
        self.span.in_scope(|| {
            tracing::debug!(operation = self.operation.as_str(), attempt, error.type = error, "a try failed");
        });
        let Metrics(metrics) = self.metrics;
        let attributes = metrics.sets.with([
            KeyValue::new(OPERATION, self.operation.as_str()),
            KeyValue::new(ERROR_TYPE, error),
            KeyValue::new(ATTEMPT, attempt),
        ]);
        metrics.instruments.transient_errors.add(1, &attributes);
    }

    /// Records the size of a request body (PUT) or a response body (other operations).
    pub(crate) fn body(&self, bytes: usize) {
        let Metrics(metrics) = self.metrics;
        let histogram = match self.operation {
            Operation::Put => &metrics.instruments.request_body,
            _ => &metrics.instruments.response_body,
        };
        if bytes > 0 {
            histogram.record(bytes as u64, metrics.sets.operation(self.operation));
        }
    }

    pub(crate) fn end(mut self, outcome: Outcome) {
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.span.record("attempts", self.attempts);
        outcome.record(&self.span);
        let Metrics(metrics) = self.metrics;
        let (instruments, sets) = (&metrics.instruments, &metrics.sets);
        let took = seconds(metrics.clock.monotonic().saturating_duration_since(self.began));
        if outcome == Outcome::Success {
            instruments.request_duration.record(took, sets.operation_success(self.operation));
            instruments.request_count.add(1, sets.request_success(self.operation, self.attempts));
        } else if (self.operation, outcome, self.attempts) == (Operation::Head, ABSENT, 1) {
            let [duration, count] = sets.absent();
            instruments.request_duration.record(took, duration);
            instruments.request_count.add(1, count);
        } else {
            let operation = || KeyValue::new(OPERATION, self.operation.as_str());
            let attributes = sets.with(std::iter::once(operation()).chain(outcome.attributes()));
            instruments.request_duration.record(took, &attributes);
            let attempts = KeyValue::new(ATTEMPTS, digits(self.attempts));
            let attributes = sets.with([operation(), attempts].into_iter().chain(outcome.attributes()));
            instruments.request_count.add(1, &attributes);
        }
    }
}

impl Drop for RequestMetrics<'_> {
    fn drop(&mut self) {
        self.finish(Outcome::Canceled);
    }
}

/// The largest number of tries that has an attribute value of its own. A GET may have more, if they make progress.
pub(super) const MOST_ATTEMPTS: usize = 5;

/// Returns the number of tries as an attribute value: 5 is five or more.
pub(super) fn digits(attempts: u32) -> &'static str {
    const DIGITS: [&str; MOST_ATTEMPTS + 1] = ["0", "1", "2", "3", "4", "5"];
    DIGITS[usize::try_from(attempts).map_or(MOST_ATTEMPTS, |attempts| attempts.min(MOST_ATTEMPTS))]
}
