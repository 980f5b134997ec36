//! The instruments themselves: names, kinds, units, boundaries and attributes, and the time series that exist from the
//! start.

use std::collections::BTreeSet;

use s3store::testing::{Instrument, InstrumentKind, instruments};

use super::meter::Meter;
use super::{measured, measured_with};
use crate::integration::harness::Virtual;
use crate::integration::records::Event;

const DURATIONS: &str = ".005 .01 .025 .05 .1 .25 .5 1 2.5 5 10 30";
const WAITS: &str = ".001 .005 .01 .05 .1 .5 1 5";
const BYTES: &str =
    "1024 4096 16384 65536 262144 1048576 4194304 8388608 16777216 33554432 67108864 134217728 1073741824";
const RECORDS: &str = "1 10 25 50 100 250 500 1000 2500 10000 50000 250000 1000000";
const PARTITIONS: &str = "1 2 5 10 25 50 100 500";
const FILES: &str = "1 5 10 25 50 100 500 1000 5000";

/// The expected instruments: name, kind, unit, boundaries, attributes. Those in the first part also exist in the Go
/// library, whose dashboards query them, so they must never change. `s3store.write.encode_buf_dropped` is left out:
/// this library has no buffer pool.
#[rustfmt::skip]
const INVENTORY: [(&str, &str, &str, &str, &str); 44] = [
    ("s3store.target.waiting", "up-down", "{goroutine}", "", ""),
    ("s3store.target.inflight", "up-down", "{request}", "", ""),
    ("s3store.target.semaphore.wait.duration", "histogram", "s", WAITS, ""),
    ("s3store.target.semaphore.acquires", "counter", "{acquire}", "", "s3store.outcome"),
    ("s3store.fanout.workers", "histogram", "{goroutine}", "1 2 4 8 16 32 64 128", ""),
    ("s3store.fanout.items", "histogram", "{item}", "1 2 5 10 25 50 100 250 1000 5000", ""),
    ("s3store.s3.request.duration", "histogram", "s", DURATIONS, "s3store.operation s3store.outcome error.type"),
    ("s3store.s3.request.count", "counter", "{request}", "", "s3store.operation s3store.outcome s3store.attempts error.type"),
    ("s3store.s3.transient_error.count", "counter", "{event}", "", "s3store.operation error.type s3store.attempt"),
    ("s3store.s3.request.body.size", "histogram", "By", BYTES, "s3store.operation"),
    ("s3store.s3.response.body.size", "histogram", "By", BYTES, "s3store.operation"),
    ("s3store.method.duration", "histogram", "s", DURATIONS, "s3store.method s3store.outcome error.type"),
    ("s3store.method.calls", "counter", "{call}", "", "s3store.method s3store.outcome error.type"),
    ("s3store.method.in_flight", "up-down", "{call}", "", "s3store.method"),
    ("s3store.write.records", "histogram", "{record}", RECORDS, "s3store.method"),
    ("s3store.write.partitions", "histogram", "{partition}", PARTITIONS, "s3store.method"),
    ("s3store.write.bytes", "histogram", "By", BYTES, "s3store.method"),
    ("s3store.write.commit_after_timeout", "counter", "{event}", "", ""),
    ("s3store.write.optimistic_commit.collisions", "counter", "{event}", "", ""),
    ("s3store.read.records", "histogram", "{record}", RECORDS, "s3store.method"),
    ("s3store.read.partitions", "histogram", "{partition}", PARTITIONS, "s3store.method"),
    ("s3store.read.bytes", "histogram", "By", BYTES, "s3store.method"),
    ("s3store.read.files", "histogram", "{file}", FILES, "s3store.method"),
    ("s3store.read.missing_data", "counter", "{event}", "", "s3store.method"),
    ("s3store.read.malformed_refs", "counter", "{event}", "", "s3store.method"),
    ("s3store.read.commit_head", "counter", "{request}", "", "s3store.method"),
    ("s3store.read.commit_head_cache_hit", "counter", "{event}", "", "s3store.method"),
    ("s3store.read.iter.body_slot.wait.duration", "histogram", "s", WAITS, ""),
    ("s3store.read.iter.body_slot.exhausted", "counter", "{event}", "", ""),
    ("s3store.read.iter.byte_budget.wait.duration", "histogram", "s", WAITS, ""),
    ("s3store.read.iter.byte_budget.exhausted", "counter", "{event}", "", ""),
    ("s3store.read.iter.partition.decode.duration", "histogram", "s", DURATIONS, ""),
    ("s3store.read.iter.stall.count", "counter", "{event}", "", "s3store.method"),
    // Only in this library.
    ("s3store.read.undecodable_data", "counter", "{event}", "", "s3store.method"),
    ("s3store.write.unknown_outcomes", "counter", "{event}", "", ""),
    ("s3store.write.late_outcomes", "counter", "{event}", "", ""),
    ("s3store.write.restamps", "counter", "{event}", "", ""),
    ("s3store.write.tails", "up-down", "{tail}", "", ""),
    ("s3store.target.limit", "gauge", "{request}", "", ""),
    ("s3store.clock.skew", "gauge", "s", "", ""),
    ("s3store.follow.lag", "gauge", "s", "", ""),
    ("s3store.publish.versions", "counter", "{version}", "", ""),
    ("s3store.publish.files", "counter", "{file}", "", ""),
    ("s3store.publish.lag", "gauge", "s", "", ""),
];

fn kind(kind: InstrumentKind) -> &'static str {
    match kind {
        InstrumentKind::Counter => "counter",
        InstrumentKind::UpDownCounter => "up-down",
        InstrumentKind::Histogram => "histogram",
        InstrumentKind::Gauge => "gauge",
        other => panic!("{other:?}"),
    }
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn find(name: &str) -> &'static Instrument {
    instruments().iter().find(|instrument| instrument.name == name).unwrap_or_else(|| panic!("no instrument {name}"))
}

#[test]
fn the_instruments_match_the_inventory() {
    assert_eq!(instruments().len(), INVENTORY.len());
    for (name, kind_of, unit, boundaries, attributes) in INVENTORY {
        let instrument = find(name);
        assert_eq!((kind(instrument.kind), instrument.unit), (kind_of, unit), "{name}");
        assert_eq!(instrument.boundaries, numbers(boundaries), "{name}");
        let named: BTreeSet<_> = instrument.attributes.iter().copied().collect();
        assert_eq!(named, attributes.split_whitespace().collect(), "{name}");
    }
}

/// Checks boundaries and units as a backend sees them, and that every attribute is in the table.
#[tokio::test(start_paused = true)]
async fn collected_metrics_match_the_inventory() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let store = measured(&world, &meter).await.store::<Event>();
    store.write(&Event::of(&["a", "b"], 10)).token("a-token").await.unwrap();
    store.read_all().await.unwrap();
    let collected = meter.collect();
    assert!(collected.instruments().count() >= 20);
    for (name, seen) in collected.instruments() {
        let instrument = find(name);
        assert_eq!((seen.kind, seen.unit.as_str()), (instrument.kind, instrument.unit), "{name}");
        for point in &seen.points {
            assert_eq!(point.boundaries, instrument.boundaries, "{name}");
            let mut attributes = point.attributes.clone();
            assert_eq!(attributes.remove("s3store.bucket").as_deref(), Some("s3store-tests"), "{name}");
            assert_eq!(attributes.remove("s3store.prefix").as_deref(), Some("d"), "{name}");
            assert_eq!(attributes.remove("s3store.consistency_level").as_deref(), Some("strong-global"), "{name}");
            for (attribute, value) in attributes {
                assert!(instrument.attributes.contains(&attribute.as_str()), "{name}: {attribute}");
                // Only fixed words of the library: no key, partition or token.
                assert!(value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{value}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_consistency_attribute_is_missing_if_no_level_is_set() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let options = world.options().consistency(s3store::dataset::Consistency::BucketDefault);
    measured_with(&world, &meter, options).await;
    let collected = meter.collect();
    let points = collected.points("s3store.s3.request.count", &[]);
    assert!(!points.is_empty() && points.iter().all(|p| !p.attributes.contains_key("s3store.consistency_level")));
}

#[tokio::test(start_paused = true)]
async fn rare_events_have_a_series_from_the_start() {
    let (world, meter) = (Virtual::new(), Meter::new());
    let _dataset = measured(&world, &meter).await;
    let collected = meter.collect();
    for name in [
        "s3store.write.commit_after_timeout",
        "s3store.write.optimistic_commit.collisions",
        "s3store.write.unknown_outcomes",
        "s3store.write.late_outcomes",
        "s3store.write.restamps",
        "s3store.read.iter.body_slot.exhausted",
        "s3store.read.iter.byte_budget.exhausted",
    ] {
        let points = collected.points(name, &[]);
        assert_eq!(points.iter().map(|point| point.value).collect::<Vec<_>>(), [0.0], "{name}");
    }
    // These have a series for each method that can count them.
    let range_and_entries = [
        "read_range_iter",
        "read_partition_range_iter",
        "read_range_batches",
        "read_entries_iter",
        "read_partition_entries_iter",
        "read_entries_batches",
        "poll_records",
    ];
    let snapshots = ["read", "read_iter", "read_partition_iter", "read_batches", "count"];
    for (name, methods) in [
        ("s3store.read.missing_data", [&range_and_entries[..], &["backfill"]].concat()),
        ("s3store.read.undecodable_data", range_and_entries.to_vec()),
        ("s3store.read.malformed_refs", vec!["doctor", "poll"]),
        ("s3store.read.iter.stall.count", [&range_and_entries[..], &snapshots].concat()),
    ] {
        let points = collected.points(name, &[]);
        assert!(points.iter().all(|point| point.value == 0.0), "{name}");
        let seen: BTreeSet<&str> = points.iter().map(|point| point.attributes["s3store.method"].as_str()).collect();
        assert_eq!(seen, methods.into_iter().collect(), "{name}");
    }
    for operation in ["put", "get", "head", "list"] {
        for attempts in ["1", "2", "3", "4", "5"] {
            let of = [("s3store.operation", operation), ("s3store.outcome", "success"), ("s3store.attempts", attempts)];
            let points = collected.points("s3store.s3.request.count", &of);
            let expected = if (operation, attempts) == ("get", "1") { 2.0 } else { 0.0 };
            assert_eq!(points.iter().map(|point| point.value).collect::<Vec<_>>(), [expected], "{of:?}");
        }
    }
    let canceled = collected.points("s3store.target.semaphore.acquires", &[("s3store.outcome", "canceled")]);
    assert_eq!(canceled.iter().map(|point| point.value).collect::<Vec<_>>(), [0.0]);
}
