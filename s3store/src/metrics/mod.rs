//! OpenTelemetry metrics and `tracing` spans of the library.
//!
//! Names, units, boundaries and attributes match those of the Go library, so one dashboard shows both. Attributes
//! identify the dataset and the kind of work, never a key, a partition or a token. Without a meter provider a measurement
//! costs one call of an empty function: the attribute sets of common measurements are built once, in [`sets`].

mod call;
mod instruments;
mod method;
mod request;
mod sets;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::{InstrumentationScope, global};

pub(crate) use self::call::{Call, ErrorOutcome, Outcome, Tally};
#[cfg(feature = "testing")]
pub(crate) use self::instruments::INSTRUMENTS;
#[cfg(feature = "testing")]
pub use self::instruments::{Instrument, InstrumentKind};
use self::instruments::{Instruments, of};
pub(crate) use self::method::Method;
pub(crate) use self::request::{HeldPermit, Operation, PermitWait, RequestMetrics};
use self::sets::AttributeSets;
use crate::clock::{Clock, micros};

/// The caller's meter provider. A dataset without one uses the global provider at the time it is opened.
pub(crate) type Provider = Arc<dyn MeterProvider + Send + Sync>;

/// The metrics of one dataset. Clones share the instruments and the state.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    instruments: Instruments,
    sets: AttributeSets,
    meter: Meter,
    clock: Clock,
    bucket: String,
    prefix: String,
    permits: u64,
    followers: Positions,
    publishers: Positions,
}

/// The dataset that the metrics describe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) consistency: Option<&'a str>,
    /// The maximum number of requests in flight.
    pub(crate) permits: usize,
}

impl Metrics {
    pub(crate) fn new(provider: Option<&Provider>, subject: Subject<'_>, clock: &Clock) -> Self {
        let Subject { bucket, prefix, consistency, permits } = subject;
        let scope = InstrumentationScope::builder("s3store").with_version(env!("CARGO_PKG_VERSION")).build();
        let meter = match provider {
            Some(provider) => provider.meter_with_scope(scope),
            None => global::meter_with_scope(scope),
        };
        Self(Arc::new(Inner {
            instruments: Instruments::new(&meter),
            sets: AttributeSets::new(bucket, prefix, consistency),
            meter,
            clock: clock.clone(),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            permits: permits as u64,
            followers: Positions::default(),
            publishers: Positions::default(),
        }))
    }

    /// Registers the observable gauges and the zero values, once the dataset is open. It happens no earlier because a
    /// meter keeps callbacks for ever: a program that retries opening a dataset would leave some behind with each try.
    /// `skew` returns the local clock minus S3's, in microseconds.
    pub(crate) fn opened(&self, skew: impl Fn() -> Option<i64> + Send + Sync + 'static) {
        self.begin_at_zero();
        self.observe_limit();
        self.observe_seconds(of::follow_lag, |dataset| dataset.followers.lag(&dataset.clock));
        self.observe_seconds(of::publish_lag, |dataset| dataset.publishers.lag(&dataset.clock));
        self.observe_seconds(of::clock_skew, move |_| skew().map(seconds_of));
    }

    /// Adds 0 to the instruments of rare events. Without a first value, `increase()` would not see the first event.
    fn begin_at_zero(&self) {
        let Inner { instruments, sets, .. } = &*self.0;
        for counter in [
            &instruments.commit_after_timeout,
            &instruments.optimistic_collisions,
            &instruments.unknown_outcomes,
            &instruments.late_outcomes,
            &instruments.restamps,
            &instruments.body_slot_exhausted,
            &instruments.byte_budget_exhausted,
            &instruments.publish_versions,
            &instruments.publish_files,
        ] {
            counter.add(0, sets.all());
        }
        for gauge in [&instruments.waiting, &instruments.inflight, &instruments.finishers] {
            gauge.add(0, sets.all());
        }
        for operation in Operation::ALL {
            for attempts in (1u32..).take(request::MOST_ATTEMPTS) {
                instruments.request_count.add(0, sets.request_success(operation, attempts));
            }
        }
        instruments.semaphore_acquires.add(0, sets.given_up());
        for method in [Method::Poll, Method::Doctor] {
            instruments.malformed_refs.add(0, sets.method(method));
        }
        for method in Method::ALL {
            if method.skips_missing_files() {
                instruments.missing_data.add(0, sets.method(*method));
            }
            if method.skips_undecodable_files() {
                instruments.undecodable_data.add(0, sets.method(*method));
            }
            if method.reads_partitions() {
                instruments.stalls.add(0, sets.method(*method));
            }
        }
    }

    fn observe_limit(&self) {
        let dataset = Arc::downgrade(&self.0);
        let limit = self.0.meter.u64_observable_gauge(of::limit.name);
        let limit = limit.with_unit(of::limit.unit).with_description(of::limit.description);
        limit
            .with_callback(move |observer| {
                if let Some(dataset) = dataset.upgrade() {
                    observer.observe(dataset.permits, dataset.sets.all());
                }
            })
            .build();
    }

    /// Registers a gauge in seconds, which reports a value until the dataset is dropped.
    fn observe_seconds(
        &self,
        spec: instruments::Instrument,
        value: impl Fn(&Inner) -> Option<f64> + Send + Sync + 'static,
    ) {
        let dataset = Arc::downgrade(&self.0);
        let gauge =
            self.0.meter.f64_observable_gauge(spec.name).with_unit(spec.unit).with_description(spec.description);
        gauge
            .with_callback(move |observer| {
                if let Some(dataset) = dataset.upgrade()
                    && let Some(value) = value(&dataset)
                {
                    observer.observe(value, dataset.sets.all());
                }
            })
            .build();
    }

    /// Begins to measure a call of a public method.
    pub(crate) fn call(&self, method: Method) -> Call {
        Call::begin(self, method)
    }

    /// Begins to measure a wait for a permit.
    pub(crate) fn wait(&self, operation: Operation) -> PermitWait<'_> {
        PermitWait::begin(self, operation)
    }

    /// Begins to measure a request; see [`RequestMetrics`].
    pub(crate) fn request(
        &self,
        operation: Operation,
        held: Option<&HeldPermit>,
        key: &str,
        object: impl FnOnce() -> &'static str,
    ) -> RequestMetrics<'_> {
        RequestMetrics::begin(self, operation, held.map(HeldPermit::began), key, object)
    }

    /// Records a fan-out of `items` items, at most `limit` of them at once.
    pub(crate) fn fanout(&self, items: usize, limit: usize) {
        if items > 0 {
            let Inner { instruments, sets, .. } = &*self.0;
            instruments.fanout_items.record(items as u64, sets.all());
            instruments.fanout_workers.record(items.min(limit) as u64, sets.all());
        }
    }

    /// Counts a HEAD request for a commit.
    pub(crate) fn commit_head(&self, method: Method) {
        self.0.instruments.commit_head.add(1, self.0.sets.method(method));
    }

    /// Counts HEAD requests that a poll saved because the commit's state was known.
    pub(crate) fn commit_head_cache_hits(&self, hits: u64) {
        if hits > 0 {
            self.0.instruments.commit_head_cache_hit.add(hits, self.0.sets.method(Method::Poll));
        }
    }

    /// Counts refs that were skipped because their names do not parse.
    pub(crate) fn malformed_refs(&self, method: Method, refs: u64) {
        if refs > 0 {
            self.0.instruments.malformed_refs.add(refs, self.0.sets.method(method));
        }
    }

    pub(crate) fn commit_after_timeout(&self) {
        self.0.instruments.commit_after_timeout.add(1, self.0.sets.all());
    }

    pub(crate) fn optimistic_collision(&self) {
        self.0.instruments.optimistic_collisions.add(1, self.0.sets.all());
    }

    pub(crate) fn unknown_outcome(&self) {
        self.0.instruments.unknown_outcomes.add(1, self.0.sets.all());
    }

    pub(crate) fn restamp(&self) {
        self.0.instruments.restamps.add(1, self.0.sets.all());
    }

    /// Counts a finisher, the task that puts a ref and its commit, until the guard is dropped.
    pub(crate) fn finisher(&self) -> Finisher {
        self.0.instruments.finishers.add(1, self.0.sets.all());
        Finisher(self.clone())
    }

    /// Records how long a partition waited for a decoding slot.
    pub(crate) fn waited_for_slot(&self, waited: Duration) {
        self.0.instruments.body_slot_wait.record(seconds(waited), self.0.sets.all());
        self.0.instruments.body_slot_exhausted.add(1, self.0.sets.all());
    }

    /// Records how long a partition waited for read-ahead memory.
    pub(crate) fn waited_for_bytes(&self, waited: Duration) {
        self.0.instruments.byte_budget_wait.record(seconds(waited), self.0.sets.all());
        self.0.instruments.byte_budget_exhausted.add(1, self.0.sets.all());
    }

    pub(crate) fn partition_decoded(&self, took: Duration) {
        self.0.instruments.partition_decode.record(seconds(took), self.0.sets.all());
    }

    /// Counts a version of the Delta log, and its files.
    pub(crate) fn published(&self, files: u64) {
        self.0.instruments.publish_versions.add(1, self.0.sets.all());
        self.0.instruments.publish_files.add(files, self.0.sets.all());
    }

    /// Registers a follower that has delivered all entries up to `micros`. It counts until the position is dropped.
    pub(crate) fn follower(&self, micros: i64) -> Position {
        self.0.followers.add(micros)
    }

    /// Registers a publisher that has published all commits up to `micros`. It counts until the position is dropped.
    pub(crate) fn publisher(&self, micros: i64) -> Position {
        self.0.publishers.add(micros)
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn bucket(&self) -> &str {
        &self.0.bucket
    }

    fn prefix(&self) -> &str {
        &self.0.prefix
    }
}

/// How far each of some consumers of the change stream is.
#[derive(Default)]
struct Positions(Mutex<Vec<Weak<AtomicI64>>>);

impl Positions {
    fn add(&self, micros: i64) -> Position {
        let position = Arc::new(AtomicI64::new(micros));
        let mut positions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        positions.retain(|position| position.strong_count() > 0);
        positions.push(Arc::downgrade(&position));
        Position(position)
    }

    /// Returns the lag of the slowest consumer, in seconds; `None` without consumers.
    fn lag(&self, clock: &Clock) -> Option<f64> {
        let positions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let micros = positions.iter().filter_map(Weak::upgrade).map(|position| position.load(Ordering::Relaxed));
        micros.min().map(|least| seconds_of(clock.micros().saturating_sub(least).max(0)))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("bucket", &self.0.bucket)
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}

/// See [`Metrics::finisher`].
#[derive(Debug)]
pub(crate) struct Finisher(Metrics);

impl Drop for Finisher {
    fn drop(&mut self) {
        self.0.0.instruments.finishers.add(-1, self.0.0.sets.all());
    }
}

/// The time up to which a consumer of the change stream has delivered or published all entries, in microseconds.
#[derive(Debug)]
pub(crate) struct Position(Arc<AtomicI64>);

impl Position {
    pub(crate) fn reached(&self, micros: i64) {
        self.0.store(micros, Ordering::Relaxed);
    }
}

fn seconds(duration: Duration) -> f64 {
    seconds_of(micros(duration))
}

#[expect(clippy::cast_precision_loss, reason = "measured in seconds")]
fn seconds_of(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::metrics::data::ResourceMetrics;
    use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

    use super::*;

    fn meter() -> (SdkMeterProvider, InMemoryMetricExporter) {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        (SdkMeterProvider::builder().with_reader(reader).build(), exporter)
    }

    /// Returns how many of the library's instruments have a value.
    fn measured((provider, exporter): &(SdkMeterProvider, InMemoryMetricExporter)) -> usize {
        provider.force_flush().unwrap();
        let collected = exporter.get_finished_metrics().unwrap();
        let scopes = collected.last().into_iter().flat_map(ResourceMetrics::scope_metrics);
        scopes.filter(|scope| scope.scope().name() == "s3store").map(|scope| scope.metrics().count()).sum()
    }

    /// A process has one global provider. Only this test may set it.
    #[test]
    fn a_dataset_without_a_provider_uses_the_global_one() {
        let (own, global) = (meter(), meter());
        let subject = Subject { bucket: "b", prefix: "p", consistency: None, permits: 7 };
        opentelemetry::global::set_meter_provider(global.0.clone());
        let given: Provider = Arc::new(own.0.clone());
        Metrics::new(Some(&given), subject, &Clock::machine()).call(Method::Read).end(Outcome::Success);
        assert_eq!((measured(&global), measured(&own) >= 3), (0, true));
        Metrics::new(None, subject, &Clock::machine()).call(Method::Read).end(Outcome::Success);
        assert!(measured(&global) >= 3);
    }
}
