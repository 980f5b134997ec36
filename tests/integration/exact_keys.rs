//! Times in an entity or version do not lose digits without an error.

use s3store::chrono::{DateTime, NaiveDateTime, NaiveTime, Utc};
use s3store::{ErrorKind, Record};

use crate::integration::harness::Virtual;

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Exact {
    #[record(entity)]
    part: String,
    #[record(entity)]
    opened: NaiveDateTime,
    #[record(entity, timestamp = "ms")]
    slot: NaiveTime,
    #[record(version)]
    changed: DateTime<Utc>,
    seen: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Cut {
    #[record(entity)]
    part: String,
    #[record(entity, truncate)]
    opened: NaiveDateTime,
    #[record(entity, timestamp = "ms", truncate)]
    slot: NaiveTime,
    #[record(version, truncate)]
    changed: DateTime<Utc>,
    seen: DateTime<Utc>,
}

fn exact(opened: i64, slot: u32, changed: i64) -> Exact {
    Exact {
        part: "a".to_owned(),
        opened: DateTime::from_timestamp_nanos(opened).naive_utc(),
        slot: NaiveTime::from_num_seconds_from_midnight_opt(1, slot).unwrap(),
        changed: DateTime::from_timestamp_nanos(changed),
        seen: DateTime::from_timestamp_nanos(1_999),
    }
}

fn cut(Exact { part, opened, slot, changed, seen }: Exact) -> Cut {
    Cut { part, opened, slot, changed, seen }
}

#[tokio::test(start_paused = true)]
async fn a_time_that_does_not_fit_its_unit_is_an_error() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Exact>();
    let fits = exact(1_000, 2_000_000, 3_000);
    store.write(std::slice::from_ref(&fits)).await.unwrap();
    world.s3.clear_requests();
    for (column, unit, record) in [
        ("opened", "microseconds", exact(1_001, 2_000_000, 3_000)),
        ("slot", "milliseconds", exact(1_000, 2_000_001, 3_000)),
        ("changed", "microseconds", exact(1_000, 2_000_000, 3_001)),
    ] {
        let error = store.write(&[fits.clone(), record]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let (text, expected) = (error.to_string(), format!("row 1, column {column}: has digits finer than {unit}"));
        assert!(text.contains(&expected) && text.contains("timestamp = \"ns\""), "{text}");
    }
    assert_eq!(world.counts(), [0, 0, 0, 0]);
    // Other times are cut off, as before.
    let read = store.read_all().await.unwrap();
    assert_eq!(read, [Exact { seen: DateTime::from_timestamp_nanos(1_000), ..fits }]);
}

#[tokio::test(start_paused = true)]
async fn truncate_cuts_the_digits_off() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Cut>();
    store.write(&[cut(exact(1_001, 2_000_001, 3_001)), cut(exact(1_999, 2_999_999, 3_999))]).await.unwrap();
    let expected = cut(Exact { seen: DateTime::from_timestamp_nanos(1_000), ..exact(1_000, 2_000_000, 3_000) });
    assert_eq!(store.read_all().await.unwrap(), [expected]);
}
