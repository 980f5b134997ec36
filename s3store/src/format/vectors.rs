//! Checks the format against `wire-vectors.json`, which the Go library's own functions printed.
//!
//! Each section has one test here, except `patterns` (see `pattern/tests.rs`) and `partition_key_names`, which the
//! derive checks (see `s3store-derive/src/check/partition.rs`).

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{AttemptId, DataName, GoDuration, PartitionKey, Prefix, TimeFormat, Token, check_partition_value};

// Unknown sections and fields are errors, so that no vector goes unchecked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vectors {
    cutoffs: Vec<Cutoff>,
    data_file_names: Vec<DataFileName>,
    durations: Vec<DurationCase>,
    marker_times: Vec<MarkerTime>,
    markers: Markers,
    #[expect(dead_code, reason = "checked by the derive's tests")]
    partition_key_names: serde_json::Value,
    partition_values: Vec<ValueCase>,
    pub(crate) patterns: Patterns,
    ref_key_parses: Vec<RefKeyParse>,
    ref_keys: Vec<RefKey>,
    tokens: Vec<TokenCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cutoff {
    cutoff: String,
    now: String,
    settle_window: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DataFileName {
    basename: String,
    ok: bool,
    id: Option<String>,
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DurationCase {
    body: String,
    ok: bool,
    nanos: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MarkerTime {
    format: String,
    ok: bool,
    nanos: Option<String>,
    text: String,
    parsed_nanos: Option<String>,
    #[serde(default)]
    parse_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Markers {
    prefix: String,
    view: String,
    columns: Vec<String>,
    cases: Vec<Marker>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    values: Vec<String>,
    ok: bool,
    key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueCase {
    value: String,
    ok: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patterns {
    pub(crate) partition_keys: Vec<String>,
    pub(crate) candidates: Vec<String>,
    pub(crate) cases: Vec<PatternCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatternCase {
    pub(crate) pattern: String,
    pub(crate) ok: bool,
    pub(crate) list_prefix: Option<String>,
    pub(crate) matches: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefKeyParse {
    key: String,
    ok: bool,
    ref_micros: Option<i64>,
    token: Option<String>,
    attempt_id: Option<String>,
    partition: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefKey {
    prefix: String,
    ref_micros: i64,
    token: String,
    attempt_id: String,
    partition: String,
    key: String,
    round_trips: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenCase {
    token: String,
    ok: bool,
}

pub(crate) fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../tests/data/wire-vectors.json")).expect("wire-vectors.json should parse")
}

fn cases<T>(cases: &[T]) -> &[T] {
    assert!(!cases.is_empty(), "the section has no cases");
    cases
}

#[test]
fn cutoffs() {
    let prefix = Prefix::new("billing").unwrap();
    for case in cases(&vectors().cutoffs) {
        let now: DateTime<Utc> = case.now.parse().unwrap();
        let window = GoDuration::parse(&case.settle_window).unwrap().0;
        let window = Duration::from_nanos(u64::try_from(window).unwrap());
        assert_eq!(prefix.ref_cutoff(now.timestamp_micros(), window), case.cutoff);
    }
}

#[test]
fn data_file_names() {
    for case in cases(&vectors().data_file_names) {
        let parsed = DataName::parse(&case.basename).filter(|name| matches!(name, DataName::File { .. }));
        assert_eq!(parsed.is_some(), case.ok, "{}", case.basename);
        if let Some(name) = parsed {
            assert_eq!(Some(name.token_str()), case.token.as_deref());
            assert_eq!(name.to_string().strip_suffix(".parquet"), case.id.as_deref());
        }
    }
}

#[test]
fn durations() {
    for case in cases(&vectors().durations) {
        let parsed = GoDuration::parse(&case.body);
        assert_eq!(parsed.is_some(), case.ok, "{:?}", case.body);
        assert_eq!(parsed.map(|duration| duration.0), case.nanos, "{:?}", case.body);
    }
}

#[test]
fn marker_times() {
    let formats = BTreeMap::from([
        ("rfc3339", TimeFormat::rfc3339()),
        ("rfc3339_nano", TimeFormat::rfc3339_nano()),
        ("month", TimeFormat::strftime("%Y-%m").unwrap()),
        ("day", TimeFormat::strftime("%Y-%m-%d").unwrap()),
        ("hour", TimeFormat::strftime("%Y-%m-%dT%H").unwrap()),
        ("compact", TimeFormat::strftime("%Y%m%d").unwrap()),
    ]);
    let time = |nanos: &String| DateTime::from_timestamp_nanos(nanos.parse().unwrap());
    for case in cases(&vectors().marker_times) {
        let format = &formats[case.format.as_str()];
        if !case.parse_only {
            assert_eq!(format.render(case.nanos.as_ref().map(time).unwrap()).unwrap(), case.text);
        }
        let parsed = format.parse(&case.text);
        assert_eq!(parsed.is_ok(), case.ok, "{} {}", case.format, case.text);
        assert_eq!(parsed.ok(), case.parsed_nanos.as_ref().map(time), "{} {}", case.format, case.text);
    }
}

#[test]
fn markers() {
    let Markers { prefix, view, columns, cases: all } = vectors().markers;
    let prefix = Prefix::new(prefix).unwrap();
    for case in cases(&all) {
        let key = prefix.marker_key(&view, &columns, &case.values);
        assert_eq!(key.is_ok(), case.ok, "{:?}", case.values);
        assert_eq!(key.as_ref().ok(), case.key.as_ref());
        if let Ok(key) = key {
            assert_eq!(prefix.parse_marker_key(&view, &columns, &key).unwrap(), case.values);
        }
    }
}

#[test]
fn partition_values() {
    for case in cases(&vectors().partition_values) {
        assert_eq!(check_partition_value(&case.value).is_ok(), case.ok, "{:?}", case.value);
        assert_eq!(PartitionKey::parse(&format!("a={}", case.value), &["a"]).is_ok(), case.ok, "{:?}", case.value);
    }
}

#[test]
fn ref_key_parses() {
    let prefix = Prefix::new("billing").unwrap();
    for case in cases(&vectors().ref_key_parses) {
        let parsed = prefix.parse_ref_key(&case.key);
        assert_eq!(parsed.is_some(), case.ok, "{:?}", case.key);
        assert_eq!(parsed.as_ref().map(|name| name.micros), case.ref_micros);
        assert_eq!(parsed.as_ref().map(|name| name.token.as_str()), case.token.as_deref());
        assert_eq!(parsed.as_ref().map(|name| name.attempt.to_string()), case.attempt_id);
        assert_eq!(parsed.as_ref().map(|name| name.partition.as_str()), case.partition.as_deref());
    }
}

#[test]
fn ref_keys() {
    for case in cases(&vectors().ref_keys) {
        assert!(case.round_trips, "Go's own parser reads every ref key");
        let prefix = Prefix::new(&*case.prefix).unwrap();
        let token = Token::new(&*case.token).unwrap();
        let attempt = AttemptId::parse(&case.attempt_id).unwrap();
        let partition = PartitionKey::found(&*case.partition);
        assert_eq!(prefix.ref_key(case.ref_micros, &token, attempt, &partition).unwrap(), case.key);

        let name = prefix.parse_ref_key(&case.key).unwrap();
        assert_eq!((name.micros, name.token, name.attempt), (case.ref_micros, token, attempt));
        assert_eq!(name.partition, partition);
    }
}

#[test]
fn tokens() {
    for case in cases(&vectors().tokens) {
        assert_eq!(Token::new(&*case.token).is_ok(), case.ok, "{:?}", case.token);
    }
}
