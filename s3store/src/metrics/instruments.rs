//! Every instrument of the library: one table, of which both the instruments and what is said of them are made.

use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};

/// An instrument, as it is known to the meter.
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "public with the testing tools"))]
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Instrument {
    /// Its name.
    pub name: &'static str,
    /// What it does with measurements.
    pub kind: InstrumentKind,
    /// Its unit, in UCUM.
    pub unit: &'static str,
    /// What it measures.
    pub description: &'static str,
    /// The upper bounds of a histogram's buckets, in its unit.
    pub boundaries: &'static [f64],
    /// The attributes that measurements may have, beside those that tell the dataset.
    pub attributes: &'static [&'static str],
}

/// What an [`Instrument`] does with measurements.
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "public with the testing tools"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstrumentKind {
    /// Adds them up.
    Counter,
    /// Adds up what may be negative.
    UpDownCounter,
    /// Counts them by size.
    Histogram,
    /// Is asked for the present value.
    Gauge,
}

/// What a meter makes of a line of the table.
trait Make: Sized {
    const KIND: InstrumentKind;

    fn make(meter: &Meter, of: &Instrument) -> Self;
}

impl Make for Counter<u64> {
    const KIND: InstrumentKind = InstrumentKind::Counter;

    fn make(meter: &Meter, of: &Instrument) -> Self {
        meter.u64_counter(of.name).with_unit(of.unit).with_description(of.description).build()
    }
}

impl Make for UpDownCounter<i64> {
    const KIND: InstrumentKind = InstrumentKind::UpDownCounter;

    fn make(meter: &Meter, of: &Instrument) -> Self {
        meter.i64_up_down_counter(of.name).with_unit(of.unit).with_description(of.description).build()
    }
}

impl Make for Histogram<f64> {
    const KIND: InstrumentKind = InstrumentKind::Histogram;

    fn make(meter: &Meter, of: &Instrument) -> Self {
        let builder = meter.f64_histogram(of.name).with_unit(of.unit).with_description(of.description);
        builder.with_boundaries(of.boundaries.to_vec()).build()
    }
}

impl Make for Histogram<u64> {
    const KIND: InstrumentKind = InstrumentKind::Histogram;

    fn make(meter: &Meter, of: &Instrument) -> Self {
        let builder = meter.u64_histogram(of.name).with_unit(of.unit).with_description(of.description);
        builder.with_boundaries(of.boundaries.to_vec()).build()
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
                Self { $($field: <$type>::make(meter, &of::$field),)* }
            }
        }

        /// The lines of the table by their fields.
        #[expect(non_upper_case_globals, reason = "named as the fields")]
        pub(super) mod of {
            use super::*;

            $(pub(super) const $field: Instrument = Instrument {
                name: $name,
                kind: <$type as Make>::KIND,
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

        /// All of them.
        #[cfg(any(test, feature = "testing"))]
        pub(crate) const INSTRUMENTS: &[Instrument] = &[$(of::$field,)* $(of::$gauge,)*];
    };
}

instruments! {
    waiting: UpDownCounter<i64> = "s3store.target.waiting", "{goroutine}", NONE, [],
        "Requests that wait for a permit.";
    inflight: UpDownCounter<i64> = "s3store.target.inflight", "{request}", NONE, [],
        "Permits that are held.";
    semaphore_wait: Histogram<f64> = "s3store.target.semaphore.wait.duration", "s", WAITS, [],
        "How long requests waited for a permit, where they did wait and got one.";
    semaphore_acquires: Counter<u64> = "s3store.target.semaphore.acquires", "{acquire}", NONE, [OUTCOME],
        "Permits that were got, and waits that were given up.";
    fanout_workers: Histogram<u64> = "s3store.fanout.workers", "{goroutine}", WORKERS, [],
        "How many requests or files a fan-out had under way at most.";
    fanout_items: Histogram<u64> = "s3store.fanout.items", "{item}", ITEMS, [],
        "How many requests or files a fan-out consisted of.";
    request_duration: Histogram<f64> = "s3store.s3.request.duration", "s", DURATIONS, [OPERATION, OUTCOME, ERROR_TYPE],
        "Duration of requests, with the wait for the permit and all tries.";
    request_count: Counter<u64> = "s3store.s3.request.count", "{request}", NONE, [OPERATION, OUTCOME, ATTEMPTS, ERROR_TYPE],
        "Requests, by how they ended and how many tries they took; 0 tries where no permit was got.";
    transient_errors: Counter<u64> = "s3store.s3.transient_error.count", "{event}", NONE, [OPERATION, ERROR_TYPE, ATTEMPT],
        "Tries that failed in a way that may pass, whether another followed or not.";
    request_body: Histogram<u64> = "s3store.s3.request.body.size", "By", BYTES, [OPERATION],
        "Bodies that were put; empty ones are left out.";
    response_body: Histogram<u64> = "s3store.s3.response.body.size", "By", BYTES, [OPERATION],
        "Bodies that were got; empty ones are left out.";
    method_duration: Histogram<f64> = "s3store.method.duration", "s", DURATIONS, [METHOD, OUTCOME, ERROR_TYPE],
        "Duration of the library's methods; of a stream from its first item's request to its end.";
    method_calls: Counter<u64> = "s3store.method.calls", "{call}", NONE, [METHOD, OUTCOME, ERROR_TYPE],
        "Calls of the library's methods that have ended; dropped before their end they are canceled.";
    method_in_flight: UpDownCounter<i64> = "s3store.method.in_flight", "{call}", NONE, [METHOD],
        "Calls of the library's methods that are under way.";
    write_records: Histogram<u64> = "s3store.write.records", "{record}", RECORDS, [METHOD],
        "Records that a call committed.";
    write_partitions: Histogram<u64> = "s3store.write.partitions", "{partition}", PARTITIONS, [METHOD],
        "Partitions that a call committed.";
    write_bytes: Histogram<u64> = "s3store.write.bytes", "By", BYTES, [METHOD],
        "Bytes of data files that a call committed; none where the token had committed before.";
    commit_after_timeout: Counter<u64> = "s3store.write.commit_after_timeout", "{event}", NONE, [],
        "Commits that took longer than the commit timeout, from their ref on.";
    optimistic_collisions: Counter<u64> = "s3store.write.optimistic_commit.collisions", "{event}", NONE, [],
        "Optimistic commits that met an earlier commit of the token.";
    unknown_outcomes: Counter<u64> = "s3store.write.unknown_outcomes", "{event}", NONE, [],
        "Commits of which it is unknown whether they landed.";
    late_outcomes: Counter<u64> = "s3store.write.late_outcomes", "{event}", NONE, [],
        "Commits that calls returned as late: readers of the stream may lack them.";
    restamps: Counter<u64> = "s3store.write.restamps", "{event}", NONE, [],
        "Refs that were put once more for late commits, in time.";
    finishers: UpDownCounter<i64> = "s3store.write.tails", "{tail}", NONE, [],
        "Refs and commits under way, detached from their callers.";
    read_records: Histogram<u64> = "s3store.read.records", "{record}", RECORDS, [METHOD],
        "Records that a call read, deduplicated.";
    read_partitions: Histogram<u64> = "s3store.read.partitions", "{partition}", PARTITIONS, [METHOD],
        "Partitions that a call read.";
    read_bytes: Histogram<u64> = "s3store.read.bytes", "By", BYTES, [METHOD],
        "Bytes of data files that a call got.";
    read_files: Histogram<u64> = "s3store.read.files", "{file}", FILES, [METHOD],
        "Data files that a call visited.";
    missing_data: Counter<u64> = "s3store.read.missing_data", "{event}", NONE, [METHOD],
        "Committed data files that were gone and were skipped.";
    malformed_refs: Counter<u64> = "s3store.read.malformed_refs", "{event}", NONE, [METHOD],
        "Refs whose names don't parse and that were passed over.";
    commit_head: Counter<u64> = "s3store.read.commit_head", "{request}", NONE, [METHOD],
        "HEADs of commits that reads made.";
    commit_head_cache_hit: Counter<u64> = "s3store.read.commit_head_cache_hit", "{event}", NONE, [METHOD],
        "HEADs of commits that reads did not need, since the same commit was asked for already.";
    body_slot_wait: Histogram<f64> = "s3store.read.iter.body_slot.wait.duration", "s", WAITS, [],
        "How long partitions waited to be decoded because enough were ahead of the consumer.";
    body_slot_exhausted: Counter<u64> = "s3store.read.iter.body_slot.exhausted", "{event}", NONE, [],
        "Partitions that waited to be decoded because enough were ahead of the consumer.";
    byte_budget_wait: Histogram<f64> = "s3store.read.iter.byte_budget.wait.duration", "s", WAITS, [],
        "How long partitions waited for room in the read-ahead's bytes.";
    byte_budget_exhausted: Counter<u64> = "s3store.read.iter.byte_budget.exhausted", "{event}", NONE, [],
        "Partitions that waited for room in the read-ahead's bytes.";
    partition_decode: Histogram<f64> = "s3store.read.iter.partition.decode.duration", "s", DURATIONS, [],
        "How long the decoding of a partition took, without waiting for the consumer.";
    stalls: Counter<u64> = "s3store.read.iter.stall.count", "{event}", NONE, [METHOD],
        "Looks, 30 s apart, at reads of which nothing had moved for a minute.";

    ; gauges:
    limit = "s3store.target.limit", "{request}",
        "Permits that there are: max_inflight_requests.";
    clock_skew = "s3store.clock.skew", "s",
        "The local clock minus S3's, as far as it is certain; 0 where they may agree.";
    follow_lag = "s3store.follow.lag", "s",
        "The age of the moment up to which the follower that is furthest behind was given everything.";
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
