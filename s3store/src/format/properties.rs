//! Properties of every format: rendered text parses back to the same value, and parsers never panic.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::data::DataKey;
use super::*;
use crate::error::ErrorKind;

const NAMES: [&str; 2] = ["charge_period", "customer"];

fn prefix() -> Prefix {
    Prefix::new("billing").unwrap()
}

/// Legal prefixes, including those with empty parts.
fn arb_prefix() -> impl Strategy<Value = Prefix> {
    prop_oneof!["[/a_]{1,8}", "(/|data/|_ref/|_matview/){1,4}", "[a-zé /=;.-]{1,20}"]
        .prop_filter_map("a legal prefix", |text| Prefix::new(text).ok())
}

fn arb_attempt() -> impl Strategy<Value = AttemptId> {
    any::<[u8; 16]>().prop_map(AttemptId::from_bytes)
}

fn arb_token() -> impl Strategy<Value = Token> {
    prop_oneof![
        "[!-~]{1,40}".prop_filter_map("a legal token", |text| Token::new(text).ok()),
        "[-a-f0-9.]{1,40}".prop_filter_map("a legal token", |text| Token::new(text).ok()),
        arb_attempt().prop_map(Token::of_attempt),
    ]
}

/// Legal partition values, including ones with escaped and multi-byte characters.
fn arb_value() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9-]{1,10}", "[%;=*. +&a-f0-9]{1,10}", "\\PC{1,10}", any::<String>()]
        .prop_filter("a legal value", |value| check_partition_value(value).is_ok() && value.len() <= 100)
}

fn key_of([period, customer]: &[String; 2]) -> PartitionKey {
    PartitionKey::parse(&format!("charge_period={period}/customer={customer}"), &NAMES).unwrap()
}

fn arb_partition() -> impl Strategy<Value = PartitionKey> {
    [arb_value(), arb_value()].prop_map(|values| key_of(&values))
}

fn arb_time() -> impl Strategy<Value = DateTime<Utc>> {
    // Years 0 to 9999.
    (-62_167_219_200i64..=253_402_300_799, 0u32..1_000_000_000)
        .prop_map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).unwrap())
}

/// Text that resembles the formats, so that it gets far into the parsers.
fn arb_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(billing)?(/_ref/|/data/|/_matview/idx/)?[0-9]{0,17}[-_a-f0-9;=%/.]{0,80}(\\.ref|\\.parquet|\\.commit|m\\.matview)?",
        "(billing)?/_ref/[0-9]{16}-[a-f0-9-]{0,10}-[0-9a-f]{32};([a-z=]|%[0-9a-fA-F]{0,2}|é){0,20}\\.ref",
        "[-+]?([0-9]{0,20}(\\.[0-9]{0,25})?(ns|us|µs|μs|ms|s|m|h|d)?){0,4}",
        "[0-9]{0,4}[-:T.,Z+0-9é]{0,40}",
    ]
}

proptest! {
    #[test]
    fn an_attempt_round_trips(attempt in arb_attempt()) {
        let text = attempt.to_string();
        prop_assert_eq!(text.len(), 32);
        prop_assert_eq!(AttemptId::parse(&text), Some(attempt));
        prop_assert_eq!(Token::of_attempt(attempt).to_string(), text);
    }

    #[test]
    fn a_partition_key_round_trips(values in [arb_value(), arb_value()]) {
        let key = key_of(&values);
        prop_assert_eq!(PartitionKey::parse(key.as_str(), &NAMES).unwrap(), key.clone());
        prop_assert_eq!(PartitionKey::unescape(&key.escape().to_string()), Some(key));
    }

    #[test]
    fn data_and_commit_keys_round_trip(
        prefix in arb_prefix(), partition in arb_partition(), token in arb_token(), attempt in arb_attempt(),
    ) {
        let key = prefix.data_key(&partition, &token, attempt).unwrap();
        let name = DataName::File { token: token.as_str(), attempt };
        prop_assert_eq!(prefix.parse_data_key(&key), Some(DataKey { partition: partition.as_str(), name }));
        prop_assert_eq!(name.token(), token.clone());

        let key = prefix.commit_key(&partition, &token).unwrap();
        let name = DataName::Commit { token: token.as_str() };
        prop_assert_eq!(prefix.parse_data_key(&key), Some(DataKey { partition: partition.as_str(), name }));
    }

    #[test]
    fn a_ref_key_round_trips(
        prefix in arb_prefix(), micros in 0i64..10_000_000_000_000_000, token in arb_token(),
        attempt in arb_attempt(), partition in arb_partition(),
    ) {
        let key = prefix.ref_key(micros, &token, attempt, &partition);
        // Escaping makes non-ASCII values three times as long, so that some keys are too long.
        prop_assume!(key.is_ok());
        let key = key.unwrap();
        prop_assert_eq!(prefix.parse_ref_key(&key), Some(RefName { micros, token, attempt, partition }));
        prop_assert_eq!(prefix.offset_micros(&key), Some(micros));
        prop_assert!(prefix.offset_at(micros) < key);
        prop_assert!(micros + 1 == 10_000_000_000_000_000 || key < prefix.offset_at(micros + 1));
        prop_assert!(prefix.check_offset(&key).is_ok());
    }

    #[test]
    fn refs_sort_by_time(a in 0i64..10_000_000_000_000_000, b in 0i64..10_000_000_000_000_000) {
        let attempt = AttemptId::from_bytes([7; 16]);
        let key = |micros| prefix().ref_key(micros, &Token::new("t").unwrap(), attempt, &PartitionKey::found("a=b"));
        prop_assert_eq!(key(a).unwrap().cmp(&key(b).unwrap()), a.cmp(&b));
        prop_assert_eq!(prefix().offset_at(a).cmp(&prefix().offset_at(b)), a.cmp(&b));
    }

    #[test]
    fn a_commit_round_trips(
        attempt in arb_attempt(),
        ref_micros in prop_oneof![any::<i64>(), 0..=9_999_999_999_999_999i64],
        inserted_at_micros: i64,
        record_count in prop_oneof![any::<u64>(), 0..1_000u64],
        content: Option<(u64, u128)>,
    ) {
        let content = content.map(|(columns, records)| ContentDigest { columns, records });
        let meta = CommitMeta { attempt, ref_micros, inserted_at_micros, record_count, content };
        let stored = meta.to_metadata().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let parsed = CommitMeta::from_metadata(&stored);
        let fits = (0..=9_999_999_999_999_999).contains(&ref_micros)
            && DateTime::from_timestamp_micros(inserted_at_micros).is_some()
            && i64::try_from(record_count).is_ok();
        match parsed {
            Ok(parsed) => prop_assert!(fits && parsed == meta, "{:?}", parsed),
            Err(error) => prop_assert!(!fits && error.kind() == ErrorKind::InvalidData, "{}", error),
        }
    }

    #[test]
    fn a_duration_round_trips(nanos in prop_oneof![any::<i64>(), -10_000_000_000i64..10_000_000_000]) {
        let duration = GoDuration(nanos);
        let parsed = GoDuration::parse(&duration.to_string()).map(|duration| duration.0);
        prop_assert_eq!(parsed, Some(nanos), "{}", duration);
    }

    #[test]
    fn a_marker_round_trips(values in [arb_value(), arb_value()]) {
        let key = prefix().marker_key("idx", &NAMES, &values).unwrap();
        prop_assert_eq!(prefix().parse_marker_key("idx", &NAMES, &key).unwrap(), values.clone());
        let tuple = key_of(&values);
        prop_assert_eq!(prefix().marker_tuple("idx", &key), Some(tuple.as_str()));
    }

    #[test]
    fn a_time_round_trips(time in arb_time()) {
        for (format, unit) in [
            (TimeFormat::rfc3339_nano(), TimeDelta::nanoseconds(1)),
            (TimeFormat::rfc3339(), TimeDelta::seconds(1)),
            (TimeFormat::strftime("%FT%H:%M").unwrap(), TimeDelta::minutes(1)),
            (TimeFormat::strftime("%Y%m%d%H").unwrap(), TimeDelta::hours(1)),
            (TimeFormat::strftime("day %d of %m in %Y%%").unwrap(), TimeDelta::days(1)),
        ] {
            let text = format.render(time).unwrap();
            let parsed = format.parse(&text).unwrap();
            prop_assert!(parsed <= time && time - parsed < unit, "{} {}", text, parsed);
            prop_assert_eq!(format.render(parsed).unwrap(), text);
        }
    }

    #[test]
    fn parsers_never_panic(text in arb_text(), more in arb_text()) {
        let prefix = prefix();
        let _ = Prefix::new(&*text);
        let _ = AttemptId::parse(&text);
        let _ = Token::new(&*text);
        let _ = PartitionKey::parse(&text, &NAMES);
        let _ = prefix.check_offset(&text);
        let _ = prefix.offset_micros(&text);
        let _ = prefix.parse_marker_key("idx", &NAMES, &text);
        let _ = (commit_timeout(&text), max_clock_skew(&text));
        for format in [TimeFormat::rfc3339(), TimeFormat::rfc3339_nano()].into_iter().chain(TimeFormat::strftime(&more)) {
            let _ = format.parse(&text);
        }
        let stored = ["attemptid", "refmicrots", "insertedat", "rowcount"].map(|name| (name.to_owned(), text.clone()));
        prop_assert!(CommitMeta::from_metadata(&stored.into()).is_err());

        // A value that parses renders to text that parses to the same value.
        if let Some(name) = RefName::parse(&text) {
            prop_assert_eq!(RefName::parse(&name.to_string()), Some(name));
        }
        if let Some(name) = DataName::parse(&text) {
            prop_assert_eq!(name.to_string(), text.clone());
        }
        if let Some(DataKey { partition, name }) = prefix.parse_data_key(&text) {
            prop_assert_eq!(format!("{}{partition}/{name}", prefix.data_prefix()), text.clone());
        }
        if let Some(attempt) = AttemptId::parse(&text) {
            prop_assert_eq!(attempt.to_string(), text);
        }
    }
}
