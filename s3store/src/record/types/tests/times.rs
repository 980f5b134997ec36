use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Date32Array, Int64Array, Time32MillisecondArray, Time32SecondArray, Time64NanosecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{assert_refusals, assert_round_trip, error_of, read, round_trip, written};
use crate::record::{Exact, InsertionTime, Micro, Milli, Nano, Plain, Timestamp, Truncate};

type Utcs = DateTime<Utc>;

fn at(text: &str) -> Utcs {
    text.parse().unwrap()
}

/// Any date-time that chrono has, in nanoseconds, but for leap seconds.
fn instants() -> impl Strategy<Value = Utcs> {
    let seconds = Utcs::MIN_UTC.timestamp()..=Utcs::MAX_UTC.timestamp();
    (seconds, 0..1_000_000_000_u32).prop_filter_map("beyond", |(s, n)| DateTime::from_timestamp(s, n))
}

fn times_of_day() -> impl Strategy<Value = NaiveTime> {
    (0..86_400_u32, 0..1_000_000_000_u32)
        .prop_filter_map("beyond", |(s, n)| NaiveTime::from_num_seconds_from_midnight_opt(s, n))
}

fn floor(time: Utcs, nanos: u32) -> Utcs {
    time - TimeDelta::nanoseconds(i64::from(time.nanosecond() % nanos))
}

#[test]
fn date_times_are_truncated_to_their_unit() {
    assert_refusals::<Utcs, Plain>();
    assert_refusals::<Utcs, Timestamp<Milli>>();
    proptest!(|(times in vec(instants(), 0..20))| {
        let micros: Vec<Utcs> = times.iter().map(|time| floor(*time, 1_000)).collect();
        let millis: Vec<Utcs> = times.iter().map(|time| floor(*time, 1_000_000)).collect();
        prop_assert_eq!(round_trip::<Utcs, Plain>(&times), micros.clone());
        prop_assert_eq!(round_trip::<Utcs, Timestamp<Micro>>(&times), micros.clone());
        prop_assert_eq!(round_trip::<Utcs, Timestamp<Milli, Truncate>>(&times), millis.clone());
        assert_round_trip::<Utcs, Timestamp<Micro, Exact>>(&micros);
        assert_round_trip::<Utcs, Timestamp<Milli, Exact>>(&millis);
        let naive: Vec<NaiveDateTime> = micros.iter().map(Utcs::naive_utc).collect();
        assert_round_trip::<NaiveDateTime, Plain>(&naive);
        let dates: Vec<NaiveDate> = naive.iter().map(NaiveDateTime::date).collect();
        assert_round_trip::<NaiveDate, Plain>(&dates);
    });
    proptest!(|(nanos in vec(any::<Option<i64>>(), 0..20))| {
        let times: Vec<Option<Utcs>> = nanos.into_iter().map(|n| n.map(DateTime::from_timestamp_nanos)).collect();
        assert_round_trip::<Option<Utcs>, Timestamp<Nano>>(&times);
    });
}

#[test]
fn extreme_dates_round_trip() {
    assert_round_trip::<Utcs, Timestamp<Milli>>(&[Utcs::MIN_UTC, floor(Utcs::MAX_UTC, 1_000_000), Utcs::UNIX_EPOCH]);
    assert_round_trip::<Utcs, Plain>(&[Utcs::MIN_UTC, floor(Utcs::MAX_UTC, 1_000)]);
    assert_round_trip::<NaiveDate, Plain>(&[NaiveDate::MIN, NaiveDate::MAX, NaiveDate::default()]);
    assert_round_trip::<Option<NaiveDate>, Plain>(&[None, Some(NaiveDate::MAX)]);
    assert_round_trip::<NaiveTime, Timestamp<Nano>>(&[
        NaiveTime::MIN,
        NaiveTime::from_hms_nano_opt(23, 59, 59, 999_999_999).unwrap(),
    ]);
    assert_refusals::<NaiveDate, Plain>();
    assert_refusals::<NaiveDateTime, Plain>();
    assert_refusals::<NaiveTime, Plain>();
}

#[test]
fn digits_before_1970_are_cut_towards_the_past() {
    let before = at("1969-12-31T23:59:59.999999999Z");
    assert_eq!(round_trip::<Utcs, Plain>(&[before]), [at("1969-12-31T23:59:59.999999Z")]);
    assert_eq!(round_trip::<Utcs, Timestamp<Milli>>(&[before]), [at("1969-12-31T23:59:59.999Z")]);
}

#[test]
fn an_exact_field_refuses_truncation() {
    let finer = at("2026-03-17T10:15:00.000001Z");
    assert_round_trip::<Utcs, Timestamp<Micro, Exact>>(&[finer]);
    let error = error_of::<Utcs, Timestamp<Milli, Exact>>(finer);
    assert!(
        error.starts_with("has digits finer than milliseconds, the column's unit, and the field is exact"),
        "{error}"
    );
}

#[test]
fn times_outside_the_units_range_are_refused() {
    assert_eq!(error_of::<Utcs, Timestamp<Nano>>(Utcs::MAX_UTC), "lies beyond what nanoseconds since 1970 can hold");
    assert_eq!(error_of::<Utcs, Timestamp<Nano>>(Utcs::MIN_UTC), "lies beyond what nanoseconds since 1970 can hold");
    assert_round_trip::<Utcs, Timestamp<Nano>>(&[
        DateTime::from_timestamp_nanos(i64::MIN),
        DateTime::from_timestamp_nanos(i64::MAX),
    ]);
}

#[test]
fn leap_seconds_are_refused() {
    let leap = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap();
    let day = NaiveDate::from_ymd_opt(2016, 12, 31).unwrap();
    for error in [
        error_of::<NaiveTime, Plain>(leap),
        error_of::<NaiveDateTime, Plain>(day.and_time(leap)),
        error_of::<Utcs, Plain>(day.and_time(leap).and_utc()),
    ] {
        assert_eq!(error, "a leap second does not fit a column of times");
    }
}

#[test]
fn a_file_of_any_unit_keeps_its_digits() {
    let zone = || Some(Arc::from("UTC"));
    let nanos = 1_742_206_500_123_456_789_i64;
    let arrays: [(ArrayRef, &str); 4] = [
        (Arc::new(TimestampSecondArray::from(vec![nanos / 1_000_000_000]).with_timezone_opt(zone())), ""),
        (Arc::new(TimestampMillisecondArray::from(vec![nanos / 1_000_000]).with_timezone_opt(zone())), ".123"),
        (Arc::new(TimestampMicrosecondArray::from(vec![nanos / 1_000]).with_timezone_opt(zone())), ".123456"),
        (Arc::new(TimestampNanosecondArray::from(vec![nanos]).with_timezone_opt(zone())), ".123456789"),
    ];
    for (array, digits) in arrays {
        let expected = at(&format!("2025-03-17T10:15:00{digits}Z"));
        assert_eq!(read::<Utcs, Timestamp<Milli>>(&array).unwrap(), [expected]);
        let DataType::Timestamp(unit, _) = array.data_type() else { panic!("not a timestamp") };
        let naive = cast(&array, &DataType::Timestamp(*unit, None)).unwrap();
        assert_eq!(read::<NaiveDateTime, Plain>(&naive).unwrap(), [expected.naive_utc()]);
        // A point in time does not convert to a local time, nor a local time to a point in time.
        assert!(read::<NaiveDateTime, Plain>(&array).is_err());
        assert!(read::<Utcs, Plain>(&naive).is_err());
    }
}

#[test]
fn times_of_day_are_read_in_any_unit() {
    let time = NaiveTime::from_hms_nano_opt(10, 15, 0, 123_456_789).unwrap();
    let cut = |nanos: u32| time.with_nanosecond(123_456_789 - 123_456_789 % nanos).unwrap();
    assert_eq!(round_trip::<NaiveTime, Plain>(&[time]), [cut(1_000)]);
    assert_eq!(round_trip::<NaiveTime, Timestamp<Milli>>(&[time]), [cut(1_000_000)]);
    assert_eq!(round_trip::<NaiveTime, Timestamp<Nano>>(&[time]), [time]);
    assert_round_trip::<Option<NaiveTime>, Timestamp<Milli>>(&[None, Some(cut(1_000_000)), None]);
    assert!(error_of::<NaiveTime, Timestamp<Micro, Exact>>(time).contains("finer than microseconds"));
    proptest!(|(times in vec(times_of_day(), 0..20))| assert_round_trip::<NaiveTime, Timestamp<Nano>>(&times));

    let seconds: ArrayRef = Arc::new(Time32SecondArray::from(vec![36_900]));
    let millis: ArrayRef = Arc::new(Time32MillisecondArray::from(vec![36_900_123]));
    let nanos: ArrayRef = Arc::new(Time64NanosecondArray::from(vec![36_900_123_456_789]));
    assert_eq!(read::<NaiveTime, Plain>(&seconds).unwrap(), [cut(1_000_000_000)]);
    assert_eq!(read::<NaiveTime, Plain>(&millis).unwrap(), [cut(1_000_000)]);
    assert_eq!(read::<NaiveTime, Timestamp<Milli>>(&nanos).unwrap(), [time]);
}

#[test]
fn counts_that_are_not_a_time_of_day_are_refused() {
    for seconds in [i64::MIN, i64::MAX] {
        let array: ArrayRef = Arc::new(TimestampSecondArray::from(vec![seconds]).with_timezone("UTC"));
        assert!(read::<Utcs, Plain>(&array).unwrap_err().to_string().contains("beyond what a date can say"));
        let array: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![seconds]));
        assert!(read::<NaiveDateTime, Plain>(&array).is_err());
    }
    for days in [i32::MIN, i32::MAX] {
        let array: ArrayRef = Arc::new(Date32Array::from(vec![days]));
        assert!(read::<NaiveDate, Plain>(&array).is_err());
    }
    for seconds in [-1, 86_400, i32::MAX] {
        let array: ArrayRef = Arc::new(Time32SecondArray::from(vec![seconds]));
        assert!(read::<NaiveTime, Plain>(&array).unwrap_err().to_string().contains("not a time of day"));
    }
}

#[test]
fn the_insertion_time_is_one_value_in_the_fields_unit() {
    let micros = 1_742_206_500_123_456;
    let column = |unit, array: ArrayRef| {
        assert_eq!(*array.data_type(), DataType::Timestamp(unit, Some("UTC".into())));
        let counts = cast(&array, &DataType::Int64).unwrap();
        counts.as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec()
    };
    let plain = <Utcs as InsertionTime>::constant(micros, 2, "at").unwrap();
    assert_eq!(column(TimeUnit::Microsecond, plain), [micros, micros]);
    let millis = <Option<Utcs> as InsertionTime<Timestamp<Milli>>>::constant(-1, 1, "at").unwrap();
    assert_eq!(column(TimeUnit::Millisecond, millis), [-1]);
    let nanos = <Option<Utcs> as InsertionTime<Timestamp<Nano>>>::constant(micros, 1, "at").unwrap();
    assert_eq!(column(TimeUnit::Nanosecond, nanos), [micros * 1_000]);
    let error = <Utcs as InsertionTime<Timestamp<Nano>>>::constant(i64::MAX / 100, 1, "at").unwrap_err();
    assert_eq!(error.to_string(), "row 0, column at: lies beyond what nanoseconds since 1970 can hold");
    assert!(written::<Utcs, Plain>(&[]).unwrap().is_empty());
}
