//! Examples of every key and body, with their limits and error messages.

use std::collections::HashMap;
use std::time::Duration;

use chrono::DateTime;

use super::*;
use crate::error::ErrorKind;

const NAMES: [&str; 2] = ["charge_period", "customer"];

fn prefix() -> Prefix {
    Prefix::new("billing").unwrap()
}

fn attempt() -> AttemptId {
    AttemptId::parse("0190a8b4d3a87f4ab1c2d3e4f5a6b7c8").unwrap()
}

#[test]
fn the_keys_of_a_dataset() {
    let (prefix, token) = (prefix(), Token::new("job-1").unwrap());
    let partition = PartitionKey::parse("charge_period=2026-03-17/customer=a=b", &NAMES).unwrap();
    assert_eq!(prefix.commit_timeout_key(), "billing/_config/commit-timeout");
    assert_eq!(prefix.max_clock_skew_key(), "billing/_config/max-clock-skew");
    assert_eq!(
        prefix.data_key(&partition, &token, attempt()).unwrap(),
        "billing/data/charge_period=2026-03-17/customer=a=b/job-1-0190a8b4d3a87f4ab1c2d3e4f5a6b7c8.parquet"
    );
    assert_eq!(
        prefix.commit_key(&partition, &token).unwrap(),
        "billing/data/charge_period=2026-03-17/customer=a=b/job-1.commit"
    );
    assert_eq!(prefix.partition_prefix(&partition), "billing/data/charge_period=2026-03-17/customer=a=b/");
    assert_eq!(prefix.view_prefix("idx"), "billing/_matview/idx/");
    assert_eq!(prefix.offset_at(1_710_684_000_123_456), "billing/_ref/1710684000123456");
    assert_eq!(prefix.offset_at(-1), "billing/_ref/0000000000000000");
    assert_eq!(prefix.offset_at(i64::MAX), "billing/_ref/9999999999999999");
}

#[test]
fn keys_of_other_datasets_do_not_parse() {
    let prefix = prefix();
    for key in ["billing2/data/a=1/t.commit", "data/a=1/t.commit", "billing/data/t.commit", "billing/data//t.commit"] {
        assert_eq!(prefix.parse_data_key(key), None, "{key}");
    }
    let name = "1710684000123456-t-0190a8b4d3a87f4ab1c2d3e4f5a6b7c8;a=b.ref";
    assert!(prefix.parse_ref_key(&format!("billing/_ref/{name}")).is_some());
    for root in ["billing2/_ref/", "_ref/", "billing/_ref/x/", "billing/data/", ""] {
        assert_eq!(prefix.parse_ref_key(&format!("{root}{name}")), None, "{root}");
    }
    // Writers escape the `/` of a partition.
    assert_eq!(prefix.parse_ref_key(&format!("billing/_ref/{}", name.replace("a=b", "a=b/c=d"))), None);
    let offset = prefix.check_offset("costs/_ref/1710684000123456").unwrap_err();
    assert_eq!(offset.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        offset.to_string(),
        "offset \"costs/_ref/1710684000123456\" belongs to another dataset: offsets of this one begin with \"billing/_ref/\""
    );
    assert!(prefix.check_offset("").is_ok());
}

#[test]
fn prefixes_are_checked() {
    for good in ["a", "warehouse/billing", "a..b", "é", "a b", "/", "/a", "a/", "a//b", "//a//"] {
        assert!(Prefix::new(good).is_ok(), "{good:?}");
    }
    let long = "x".repeat(1000);
    for bad in ["", "a/../b", ".", "/.", "a/./", "a\n", &long] {
        let error = Prefix::new(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
    }
    // The longest prefix leaves exactly enough room for the shortest ref.
    let longest = (1..1024).rev().find_map(|len| Prefix::new("x".repeat(len)).ok()).unwrap();
    let key = longest.ref_key(0, &Token::of_attempt(attempt()), attempt(), &PartitionKey::found("a=b")).unwrap();
    assert_eq!(key.len(), 1024);
}

#[test]
fn a_key_has_at_most_1024_bytes_of_utf_8() {
    let token = Token::new("t").unwrap();
    let fits = 1024 - prefix().data_key(&PartitionKey::found("a="), &token, attempt()).unwrap().len();
    let key = |value: String| prefix().data_key(&PartitionKey::found(format!("a={value}")), &token, attempt());
    assert_eq!(key("x".repeat(fits)).unwrap().len(), 1024);
    let error = key("x".repeat(fits + 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("has 1025 bytes, at most 1024 are allowed"), "{error}");
    assert!(key("é".repeat(fits / 2 + 1)).is_err());

    // Escaping makes the ref too long although the data key fits.
    let partition = PartitionKey::found(format!("a={}", "é".repeat(300)));
    assert!(prefix().data_key(&partition, &token, attempt()).is_ok());
    assert!(prefix().ref_key(0, &token, attempt(), &partition).is_err());
}

#[test]
fn a_marker_has_at_most_1000_bytes() {
    let key = |len: usize| prefix().marker_key("idx", &["sku"], &["x".repeat(len)]);
    let fits = 1000 - (key(1).unwrap().len() - 1);
    assert_eq!(key(fits).unwrap().len(), 1000);
    let error = key(fits + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("has 1001 bytes, at most 1000 are allowed"), "{error}");
}

#[test]
fn a_ref_time_must_fit_sixteen_digits() {
    let key = |micros| prefix().ref_key(micros, &Token::new("t").unwrap(), attempt(), &PartitionKey::found("a=b"));
    assert!(key(0).is_ok() && key(9_999_999_999_999_999).is_ok());
    for micros in [-1, 10_000_000_000_000_000] {
        assert_eq!(key(micros).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_partition_key_has_its_names_in_their_order() {
    for bad in [
        "",
        "charge_period=1",
        "customer=1/charge_period=2",
        "charge_period=1/customer=2/x=3",
        "charge_period=1/customer=2/",
        "charge_period=1/customer=",
        "charge_period=1/customer",
        "charge_period=1..2/customer=2",
    ] {
        let error = PartitionKey::parse(bad, &NAMES).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(&format!("partition key {bad:?}")), "{error}");
    }
    let error = check_partition_value("a/b").unwrap_err();
    assert_eq!(error.to_string(), "value \"a/b\" contains '/', which separates the columns");
}

#[test]
fn partition_keys_are_ordered_by_their_bytes() {
    let mut keys = ["a=1-2", "a=1", "a=é", "a=z"].map(PartitionKey::found);
    keys.sort();
    assert_eq!(keys.map(|key| key.to_string()), ["a=1", "a=1-2", "a=z", "a=é"]);
}

#[test]
fn a_commit_without_a_readable_field_is_an_error_that_names_it() {
    let content = Some(ContentDigest { columns: 0xab, records: 0xcd });
    let meta = CommitMeta { attempt: attempt(), ref_micros: 1, inserted_at_micros: -2, record_count: 3, content };
    let stored: HashMap<String, String> =
        meta.to_metadata().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(stored["attemptid"], "0190a8b4d3a87f4ab1c2d3e4f5a6b7c8");
    assert_eq!((&*stored["refmicrots"], &*stored["insertedat"], &*stored["rowcount"]), ("1", "-2", "3"));

    for name in ["attemptid", "refmicrots", "insertedat", "rowcount"] {
        let mut lacking = stored.clone();
        lacking.remove(name);
        let error = CommitMeta::from_metadata(&lacking).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(error.to_string(), format!("the commit's metadata have no {name:?}"));

        for bad in ["", "x", "1.5", "99999999999999999999", "0190A8B4D3A87F4AB1C2D3E4F5A6B7C8"] {
            let mut broken = stored.clone();
            broken.insert(name.to_owned(), bad.to_owned());
            let error = CommitMeta::from_metadata(&broken).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().contains(&format!("{name:?} is {bad:?}")), "{error}");
        }
    }
}

#[test]
fn a_commit_counts_whatever_its_digest_is() {
    let content = Some(ContentDigest { columns: 0xab, records: 0xcd });
    let meta = CommitMeta { attempt: attempt(), ref_micros: 1, inserted_at_micros: -2, record_count: 3, content };
    let mut stored: HashMap<String, String> =
        meta.to_metadata().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(stored["contentdigest"], "1-00000000000000ab-000000000000000000000000000000cd");
    assert_eq!(CommitMeta::from_metadata(&stored).unwrap(), meta);
    let others = [
        "",
        "1",
        "1-",
        "2-00000000000000ab-000000000000000000000000000000cd",
        "1-ab-cd",
        "x-y-z",
        "1-+0000000000000ab-",
    ];
    for other in others {
        stored.insert("contentdigest".to_owned(), other.to_owned());
        assert_eq!(CommitMeta::from_metadata(&stored).unwrap(), CommitMeta { content: None, ..meta }, "{other:?}");
    }
    // Commits of the Go library have none.
    stored.remove("contentdigest");
    assert_eq!(CommitMeta::from_metadata(&stored).unwrap(), CommitMeta { content: None, ..meta });
}

#[test]
fn durations_are_printed_as_go_prints_them() {
    for (nanos, text) in [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (500_000_000, "500ms"),
        (1_000_000_000, "1s"),
        (3_300_000_000, "3.3s"),
        (15_000_000_000, "15s"),
        (90_000_000_000, "1m30s"),
        (60_000_000_000, "1m0s"),
        (5_400_000_000_000, "1h30m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (3_723_500_000_000, "1h2m3.5s"),
        (-5_000_000_000, "-5s"),
        (i64::MAX, "2562047h47m16.854775807s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ] {
        assert_eq!(GoDuration(nanos).to_string(), text);
        assert_eq!(GoDuration::parse(text).map(|duration| duration.0), Some(nanos), "{text}");
    }
    assert_eq!(GoDuration::try_from(Duration::from_millis(1500)).unwrap().to_string(), "1.5s");
    assert!(GoDuration::try_from(Duration::MAX).is_err());
}

#[test]
fn durations_overflow_at_the_limits_of_go() {
    assert!(GoDuration::parse("9223372036854775807ns").is_some());
    assert!(GoDuration::parse("9223372036854775808ns").is_none());
    assert_eq!(GoDuration::parse("-9223372036854775808ns").map(|duration| duration.0), Some(i64::MIN));
    assert!(GoDuration::parse("-9223372036854775809ns").is_none());
    assert!(GoDuration::parse("9223372036854775808ns9223372036854775808ns").is_none());
    assert!(GoDuration::parse("99999999999999999999s").is_none());
    // More digits than fit 63 bits; the cases are from Go's tests.
    for (text, nanos) in [
        ("0.100000000000000000000h", 360_000_000_000),
        ("0.830103483285477580700h", 2_988_372_539_827),
        ("0.3333333333333333333h", 1_200_000_000_000),
    ] {
        assert_eq!(GoDuration::parse(text).map(|duration| duration.0), Some(nanos), "{text}");
    }
    for bad in ["+", "-", ".", ".s", "-.s", "1", "1.5", "1..s", "1sx", "s1", "1e3s", "0x1s", "--1s"] {
        assert_eq!(GoDuration::parse(bad), None, "{bad}");
    }
}

#[test]
fn timing_has_minimums() {
    assert_eq!(commit_timeout("15s\n").unwrap(), Duration::from_secs(15));
    assert_eq!(commit_timeout("1ms").unwrap(), Duration::from_millis(1));
    assert_eq!(max_clock_skew("0").unwrap(), Duration::ZERO);
    for (error, message) in [
        (commit_timeout("999us").unwrap_err(), "a commit timeout of \"999us\" is too short: the minimum is 1ms"),
        (commit_timeout("-1s").unwrap_err(), "-1s is negative"),
        (max_clock_skew("-1ns").unwrap_err(), "-1ns is negative"),
        (max_clock_skew("soon").unwrap_err(), "\"soon\" is not a duration: expected text such as \"15s\" or \"1m30s\""),
    ] {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn times_are_read_as_go_reads_them() {
    let nanos = |format: &TimeFormat, text: &str| format.parse(text).ok().and_then(|time| time.timestamp_nanos_opt());
    let rfc3339 = TimeFormat::rfc3339();
    let at = 1_773_742_500_000_000_000;
    assert_eq!(nanos(&rfc3339, "2026-03-17T04:45:00-05:30"), Some(at));
    assert_eq!(nanos(&rfc3339, "2026-03-17T10:15:00,25Z"), Some(at + 250_000_000));
    assert_eq!(nanos(&rfc3339, "2026-03-17T10:15:00.1234567899Z"), Some(at + 123_456_789));
    assert_eq!(nanos(&rfc3339, "2026-03-17T9:15:00Z"), Some(at - 3_600_000_000_000));
    for bad in ["2026-03-17T10:15:60Z", "2026-03-17T24:00:00Z", "2026-03-17T10:15:00.Z", "2026-03-17T10:15:00Zx"] {
        assert_eq!(nanos(&rfc3339, bad), None, "{bad}");
    }
    let error = rfc3339.parse("yesterday").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.to_string(), "\"yesterday\" is not a time in the format of 2026-03-17T10:15:01Z");

    let time = TimeFormat::strftime("%T").unwrap();
    assert_eq!(time.parse("10:15:00").unwrap().to_rfc3339(), "0000-01-01T10:15:00+00:00");
    for bad in ["%", "%q", "%-d", "100%"] {
        assert_eq!(TimeFormat::strftime(bad).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let too_late = DateTime::from_timestamp(253_402_300_800, 0).unwrap();
    assert_eq!(rfc3339.render(too_late).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_marker_parses_only_with_its_view_and_columns() {
    let key = prefix().marker_key("idx", &["sku", "at"], &["s1", "x"]).unwrap();
    assert_eq!(prefix().parse_marker_key("id", &["sku", "at"], &key), None);
    assert_eq!(prefix().parse_marker_key("idx", &["at", "sku"], &key), None);
    assert_eq!(prefix().parse_marker_key("idx", &["sku"], &key), None);
    assert_eq!(prefix().parse_marker_key("idx", &["sku", "at", "x"], &key), None);
    let error = prefix().marker_key("idx", &["sku"], &[""]).unwrap_err();
    assert_eq!(error.to_string(), "view \"idx\", column \"sku\": value \"\" is empty");
}

#[test]
fn an_invalid_token_is_an_error_that_says_why() {
    for (token, message) in [
        ("", "token \"\" is empty: leave the token out instead"),
        ("a b", "token \"a b\" contains ' ': only printable ASCII is allowed, without space, '/' and ';'"),
        ("a..b", "token \"a..b\" contains \"..\", which is not allowed"),
    ] {
        let error = Token::new(token).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, message));
    }
}
