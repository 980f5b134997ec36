//! The table of all instruments. The instruments and their public descriptions are both generated from it.

use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};

/// The description of an OpenTelemetry instrument.
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "public with the testing tools"))]
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Instrument {
    /// The name.
    pub name: &'static str,
    /// The kind.
    pub kind: InstrumentKind,
    /// The unit, in UCUM notation.
    pub unit: &'static str,
    /// The meaning of its values, as exported to the meter.
    pub description: &'static str,
    /// The upper bounds of a histogram's buckets, in the instrument's unit; empty for other kinds.
    pub boundaries: &'static [f64],
    /// The attributes that measurements may have in addition to the dataset's.
    pub attributes: &'static [&'static str],
}

/// The kind of an [`Instrument`].
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "public with the testing tools"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstrumentKind {
    /// A sum that only grows.
    Counter,
    /// A sum that grows and shrinks.
    UpDownCounter,
    /// A distribution of values over buckets.
    Histogram,
    /// The current value, read by a callback at collection.
    Gauge,
}

/// An instrument type that a meter can build from a row of the table.
trait FromMeter: Sized {
    const KIND: InstrumentKind;

    fn build(meter: &Meter, spec: &Instrument) -> Self;
}

impl FromMeter for Counter<u64> {
    const KIND: InstrumentKind = InstrumentKind::Counter;

    fn build(meter: &Meter, spec: &Instrument) -> Self {
        meter.u64_counter(spec.name).with_unit(spec.unit).with_description(spec.description).build()
    }
}

impl FromMeter for UpDownCounter<i64> {
    const KIND: InstrumentKind = InstrumentKind::UpDownCounter;

    fn build(meter: &Meter, spec: &Instrument) -> Self {
        meter.i64_up_down_counter(spec.name).with_unit(spec.unit).with_description(spec.description).build()
    }
}

impl FromMeter for Histogram<f64> {
    const KIND: InstrumentKind = InstrumentKind::Histogram;

    fn build(meter: &Meter, spec: &Instrument) -> Self {
        let builder = meter.f64_histogram(spec.name).with_unit(spec.unit).with_description(spec.description);
        builder.with_boundaries(spec.boundaries.to_vec()).build()
    }
}

impl FromMeter for Histogram<u64> {
    const KIND: InstrumentKind = InstrumentKind::Histogram;

    fn build(meter: &Meter, spec: &Instrument) -> Self {
        let builder = meter.u64_histogram(spec.name).with_unit(spec.unit).with_description(spec.description);
        builder.with_boundaries(spec.boundaries.to_vec()).build()
    }
}

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;

/// Durations of requests and calls, in seconds.
const DURATIONS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Waits within the process, in seconds.
const WAITS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
const BYTES: &[f64] = &[
    KIB,
    4.0 * KIB,
    16.0 * KIB,
    64.0 * KIB,
    256.0 * KIB,
    MIB,
    4.0 * MIB,
    8.0 * MIB,
    16.0 * MIB,
    32.0 * MIB,
    64.0 * MIB,
    128.0 * MIB,
    1024.0 * MIB,
];
const RECORDS: &[f64] = &[1.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 1e4, 5e4, 2.5e5, 1e6];
const PARTITIONS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 500.0];
const FILES: &[f64] = &[1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 500.0, 1e3, 5e3];
const WORKERS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
const ITEMS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1e3, 5e3];
const NONE: &[f64] = &[];

pub(super) const OPERATION: &str = "s3store.operation";
pub(super) const OUTCOME: &str = "s3store.outcome";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const ATTEMPTS: &str = "s3store.attempts";
pub(super) const ATTEMPT: &str = "s3store.attempt";
pub(super) const METHOD: &str = "s3store.method";

macro_rules! instruments {
    (
        $($field:ident: $type:ty = $name:literal, $unit:literal, $boundaries:ident, [$($attribute:ident),*],
            $description:literal;)*
        ; gauges:
        $($gauge:ident = $gauge_name:literal, $gauge_unit:literal, $gauge_description:literal;)*
    ) => {
        /// The instruments of one meter.
        #[derive(Debug)]
        pub(super) struct Instruments {
            $(pub(super) $field: $type,)*
        }

        impl Instruments {
            pub(super) fn new(meter: &Meter) -> Self {
                Self { $($field: <$type>::build(meter, &of::$field),)* }
            }
        }

        /// The rows of the table, named like the fields of [`Instruments`].
        #[expect(non_upper_case_globals, reason = "they have the fields' names")]
        pub(super) mod of {
            use super::*;

            $(pub(super) const $field: Instrument = Instrument {
                name: $name,
                kind: <$type as FromMeter>::KIND,
                unit: $unit,
                description: $description,
                boundaries: $boundaries,
                attributes: &[$($attribute),*],
            };)*

            $(pub(in crate::metrics) const $gauge: Instrument = Instrument {
                name: $gauge_name,
                kind: InstrumentKind::Gauge,
                unit: $gauge_unit,
                description: $gauge_description,
                boundaries: NONE,
                attributes: &[],
            };)*
        }

        /// All instruments.
        #[cfg(any(test, feature = "testing"))]
        pub(crate) const INSTRUMENTS: &[Instrument] = &[$(of::$field,)* $(of::$gauge,)*];
    };
}

instruments! {
    waiting: UpDownCounter<i64> = "s3store.target.waiting", "{goroutine}", NONE, [],
        "Requests that wait for a permit.";
    inflight: UpDownCounter<i64> = "s3store.target.inflight", "{request}", NONE, [],
        "Permits in use.";
    semaphore_wait: Histogram<f64> = "s3store.target.semaphore.wait.duration", "s", WAITS, [],
        "Time that requests waited for a permit; requests that did not wait, or gave up, are left out.";
    semaphore_acquires: Counter<u64> = "s3store.target.semaphore.acquires", "{acquire}", NONE, [OUTCOME],
        "Permits granted, and waits for a permit that were canceled.";
    fanout_workers: Histogram<u64> = "s3store.fanout.workers", "{goroutine}", WORKERS, [],
        "Requests or files that a fan-out processes at the same time, at most.";
    fanout_items: Histogram<u64> = "s3store.fanout.items", "{item}", ITEMS, [],
        "Requests or files that a fan-out consists of.";
    request_duration: Histogram<f64> = "s3store.s3.request.duration", "s", DURATIONS, [OPERATION, OUTCOME, ERROR_TYPE],
        "Duration of requests, including the wait for the permit and all tries.";
    request_count: Counter<u64> = "s3store.s3.request.count", "{request}", NONE, [OPERATION, OUTCOME, ATTEMPTS, ERROR_TYPE],
        "Requests by outcome and number of tries: 0 if canceled before it got a permit, 5 for five or more.";
    transient_errors: Counter<u64> = "s3store.s3.transient_error.count", "{event}", NONE, [OPERATION, ERROR_TYPE, ATTEMPT],
        "Tries that failed with a transient error, followed by another try or not.";
    request_body: Histogram<u64> = "s3store.s3.request.body.size", "By", BYTES, [OPERATION],
        "Size of request bodies; empty bodies are left out.";
    response_body: Histogram<u64> = "s3store.s3.response.body.size", "By", BYTES, [OPERATION],
        "Size of response bodies; empty bodies are left out.";
    method_duration: Histogram<f64> = "s3store.method.duration", "s", DURATIONS, [METHOD, OUTCOME, ERROR_TYPE],
        "Duration of calls of the library's methods; for a stream, from its first poll to its end.";
    method_calls: Counter<u64> = "s3store.method.calls", "{call}", NONE, [METHOD, OUTCOME, ERROR_TYPE],
        "Calls of the library's methods that have ended; a call dropped before its end counts as canceled.";
    method_in_flight: UpDownCounter<i64> = "s3store.method.in_flight", "{call}", NONE, [METHOD],
        "Calls of the library's methods in progress.";
    write_records: Histogram<u64> = "s3store.write.records", "{record}", RECORDS, [METHOD],
        "Records that a call committed.";
    write_partitions: Histogram<u64> = "s3store.write.partitions", "{partition}", PARTITIONS, [METHOD],
        "Partitions that a call committed.";
    write_bytes: Histogram<u64> = "s3store.write.bytes", "By", BYTES, [METHOD],
        "Bytes of data files that a call committed; 0 for a token that had committed before.";
    commit_after_timeout: Counter<u64> = "s3store.write.commit_after_timeout", "{event}", NONE, [],
        "Commits that completed later than the commit timeout after their ref.";
    optimistic_collisions: Counter<u64> = "s3store.write.optimistic_commit.collisions", "{event}", NONE, [],
        "Optimistic commits that found an earlier commit of the same token.";
    unknown_outcomes: Counter<u64> = "s3store.write.unknown_outcomes", "{event}", NONE, [],
        "Commits that may or may not exist, because S3 did not answer.";
    late_outcomes: Counter<u64> = "s3store.write.late_outcomes", "{event}", NONE, [],
        "Commits that calls returned as late; readers of the change stream may have skipped them.";
    restamps: Counter<u64> = "s3store.write.restamps", "{event}", NONE, [],
        "Late commits that were restamped with a new ref in time.";
    finishers: UpDownCounter<i64> = "s3store.write.tails", "{tail}", NONE, [],
        "Detached tasks that put a ref and its commit, in progress.";
    read_records: Histogram<u64> = "s3store.read.records", "{record}", RECORDS, [METHOD],
        "Records that a call read, deduplicated; entries of a poll; tuples of a lookup.";
    read_partitions: Histogram<u64> = "s3store.read.partitions", "{partition}", PARTITIONS, [METHOD],
        "Partitions that a call read.";
    read_bytes: Histogram<u64> = "s3store.read.bytes", "By", BYTES, [METHOD],
        "Bytes of data files that a call downloaded.";
    read_files: Histogram<u64> = "s3store.read.files", "{file}", FILES, [METHOD],
        "Data files that a call visited: read, or missing and skipped.";
    missing_data: Counter<u64> = "s3store.read.missing_data", "{event}", NONE, [METHOD],
        "Committed data files that were missing and were skipped.";
    undecodable_data: Counter<u64> = "s3store.read.undecodable_data", "{event}", NONE, [METHOD],
        "Data files that did not decode and were skipped.";
    malformed_refs: Counter<u64> = "s3store.read.malformed_refs", "{event}", NONE, [METHOD],
        "Refs that were skipped because their names don't parse.";
    commit_head: Counter<u64> = "s3store.read.commit_head", "{request}", NONE, [METHOD],
        "HEAD requests for commits, sent by reads.";
    commit_head_cache_hit: Counter<u64> = "s3store.read.commit_head_cache_hit", "{event}", NONE, [METHOD],
        "HEAD requests that reads saved, because the commit's state was already known.";
    body_slot_wait: Histogram<f64> = "s3store.read.iter.body_slot.wait.duration", "s", WAITS, [],
        "Time that partitions waited to be decoded because the read-ahead was full.";
    body_slot_exhausted: Counter<u64> = "s3store.read.iter.body_slot.exhausted", "{event}", NONE, [],
        "Partitions that waited to be decoded because the read-ahead was full.";
    byte_budget_wait: Histogram<f64> = "s3store.read.iter.byte_budget.wait.duration", "s", WAITS, [],
        "Time that partitions waited for read-ahead memory.";
    byte_budget_exhausted: Counter<u64> = "s3store.read.iter.byte_budget.exhausted", "{event}", NONE, [],
        "Partitions that waited for read-ahead memory.";
    partition_decode: Histogram<f64> = "s3store.read.iter.partition.decode.duration", "s", DURATIONS, [],
        "Time spent decoding a partition, excluding waits for the consumer.";
    stalls: Counter<u64> = "s3store.read.iter.stall.count", "{event}", NONE, [METHOD],
        "Checks, every 30 s, that found a read without progress for a minute.";

    publish_versions: Counter<u64> = "s3store.publish.versions", "{version}", NONE, [],
        "Versions that were added to the Delta log.";
    publish_files: Counter<u64> = "s3store.publish.files", "{file}", NONE, [],
        "Files that were added to the Delta log.";

    ; gauges:
    limit = "s3store.target.limit", "{request}",
        "The number of permits: max_inflight_requests.";
    clock_skew = "s3store.clock.skew", "s",
        "The local clock minus S3's: the least difference that is certain, 0 if the clocks may agree.";
    follow_lag = "s3store.follow.lag", "s",
        "How far the slowest follower is behind: the age of the time up to which it has delivered all entries.";
    publish_lag = "s3store.publish.lag", "s",
        "How far publishing is behind the change stream: the age of the time up to which the Delta log has all commits in time.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_boundaries_rise() {
        let names: BTreeSet<_> = INSTRUMENTS.iter().map(|instrument| instrument.name).collect();
        assert_eq!(names.len(), INSTRUMENTS.len());
        for Instrument { name, kind, unit, boundaries, .. } in INSTRUMENTS {
            assert!(boundaries.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
            assert_eq!(boundaries.is_empty(), *kind != InstrumentKind::Histogram, "{name}");
            assert_eq!(*unit == "s" && !boundaries.is_empty(), name.ends_with(".duration"), "{name}");
        }
    }
}
