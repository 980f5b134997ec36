use std::borrow::Cow;
use std::ops::{Range, RangeFrom, RangeTo};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::{AsValue, PartitionTime, PartitionValue, format_time, in_partition, pad, push_padded, push_time};
use crate::error::Result as CrateResult;
use crate::pattern::{Discrete, IntoSelection, Ordered, PartitionFormat, PatternBuilder, Rendered};
use crate::record::{Plain, ValueError};

fn text(value: impl PartitionValue) -> String {
    let mut key = String::from("before=");
    value.render(&mut key).unwrap();
    key.strip_prefix("before=").unwrap().to_owned()
}

fn refusal(value: impl PartitionValue) -> String {
    value.render(&mut String::new()).unwrap_err().to_string()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Returns `true` if `values` select a partition column with this text.
fn selects<K>(values: impl IntoSelection<K>, text: &str) -> bool {
    let patterns = PatternBuilder::new(&["part"]).with("part", values).into_patterns(&["part"]).unwrap();
    patterns.iter().any(|pattern| pattern.matches(&format!("part={text}"), &["part"]))
}

/// By month, so that many values have the same text.
#[derive(Debug)]
enum Month {}

impl PartitionFormat for Month {
    type Value = DateTime<Utc>;

    fn render(value: &DateTime<Utc>) -> CrateResult<String> {
        format_time::<_, Plain>(value, "%Y-%m")
    }
}

impl Ordered for Month {}

/// By four digits.
#[derive(Debug)]
enum Padded {}

impl PartitionFormat for Padded {
    type Value = u32;

    fn render(value: &u32) -> CrateResult<String> {
        pad::<_, Plain>(value, 4)
    }
}

impl Ordered for Padded {}

#[test]
fn values_render_as_in_go() {
    assert_eq!(text("ä/ b".to_owned()), "ä/ b");
    let texts = [text("x"), text(Box::<str>::from("x")), text(Arc::<str>::from("x")), text(Cow::from("x"))];
    assert!(texts.iter().all(|text| text == "x"));
    assert_eq!((text(true), text(i8::MIN), text(u64::MAX)), ("true".into(), "-128".into(), u64::MAX.to_string()));
    assert_eq!(text(day("2026-03-07")), "2026-03-07");
    assert_eq!(text(day("0000-01-01")), "0000-01-01");
    assert_eq!(text(at("2026-03-17T11:15:00+01:00")), "2026-03-17T10:15:00Z");
    assert_eq!(text(at("2026-03-17T10:15:00.100Z")), "2026-03-17T10:15:00.1Z");
    assert_eq!(text(at("2026-03-17T10:15:00.000000001Z")), "2026-03-17T10:15:00.000000001Z");
    assert_eq!(text("2026-03-17T10:15:00.05".parse::<NaiveDateTime>().unwrap()), "2026-03-17T10:15:00.05");
    assert_eq!(text(NaiveTime::from_hms_opt(0, 0, 0).unwrap()), "00:00:00");
    assert_eq!(text(Uuid::from_u128(0xABCD)), "00000000-0000-0000-0000-00000000abcd");
}

#[test]
fn values_without_text_are_errors() {
    assert_eq!(refusal(NaiveDate::MAX), "the year 262142 does not have four digits");
    assert_eq!(refusal(DateTime::<Utc>::MIN_UTC), "the year -262143 does not have four digits");
    let leap = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap();
    assert_eq!(refusal(leap), "a leap second can't be rendered");
    assert_eq!(refusal(day("2016-12-31").and_time(leap)), "a leap second can't be rendered");
    let error = in_partition(Err(ValueError::new("no text")), "month").unwrap_err();
    assert_eq!(error.to_string(), "partition column month: no text");
}

#[test]
fn formats_render_the_parts_of_the_type() {
    let time = at("2026-03-07T10:15:00Z");
    assert_eq!(format_time::<_, Plain>(&time, "%Y-%m").unwrap(), "2026-03");
    assert_eq!(format_time::<_, Plain>(&time.date_naive(), "%Y/%j").unwrap(), "2026/066");
    assert_eq!(format_time::<_, Plain>(&time.time(), "%H").unwrap(), "10");
    assert_eq!(format_time::<_, Plain>(&time.naive_utc(), "%Y%m%dT%H").unwrap(), "20260307T10");
    fn refused(value: &impl PartitionTime, format: &str) -> String {
        push_time(value, format, &mut String::new()).unwrap_err().to_string()
    }
    assert_eq!(refused(&time.date_naive(), "%H"), "the format does not suit this type of date or time");
    assert_eq!(refused(&time.time(), "%Y"), "the format does not suit this type of date or time");
    assert_eq!(refused(&time, "%Q"), "the format does not suit this type of date or time");
    assert_eq!(refused(&DateTime::<Utc>::MAX_UTC, "%Y"), "the year 262142 does not have four digits");
}

#[test]
fn padding_keeps_the_width() {
    assert_eq!(pad::<_, Plain>(&7_u8, 3).unwrap(), "007");
    assert_eq!(pad::<_, Plain>(&1234_u16, 4).unwrap(), "1234");
    assert_eq!(pad::<_, Plain>(&u64::MAX, 20).unwrap(), u64::MAX.to_string());
    let mut key = "n=".to_owned();
    assert_eq!(push_padded(&12_345_u32, 4, &mut key).unwrap_err().to_string(), "12345 has more than 4 digits");
}

#[test]
fn exact_values_select_their_own_text() {
    assert!(selects::<AsValue<i64>>(-5, "-5"));
    assert!(!selects::<AsValue<i64>>(-5, "-50"));
    assert!(selects::<AsValue<NaiveDate>>(&day("2026-03-17"), "2026-03-17"));
    assert!(selects::<Rendered<Month>>(at("2026-03-17T10:15:00Z"), "2026-03"));
    assert!(!selects::<Rendered<Month>>(at("2026-03-17T10:15:00Z"), "2026-04"));
}

#[test]
fn a_range_includes_the_text_of_its_last_value() {
    type Months = Rendered<Month>;
    let within: Range<_> = at("2026-03-05T00:00:00Z")..at("2026-03-20T00:00:00Z");
    assert!(selects::<Months>(within, "2026-03"));
    let into = || at("2026-02-05T00:00:00Z")..at("2026-03-01T00:00:00.000000001Z");
    assert!(selects::<Months>(into(), "2026-02") && selects::<Months>(into(), "2026-03"));
    let up_to = || at("2026-02-05T00:00:00Z")..at("2026-03-01T00:00:00Z");
    assert!(selects::<Months>(up_to(), "2026-02") && !selects::<Months>(up_to(), "2026-03"));
    let until: RangeTo<_> = ..at("2026-03-20T00:00:00Z");
    assert!(selects::<Months>(until, "2026-03") && !selects::<Months>(until, "2026-04"));
    let since: RangeFrom<_> = at("2026-03-20T00:00:00Z")..;
    assert!(selects::<Months>(since.clone(), "2026-03") && !selects::<Months>(since, "2026-02"));
    // If each value has its own text, a range never contains its end.
    assert!(!selects::<AsValue<NaiveDate>>(day("2026-03-05")..day("2026-03-20"), "2026-03-20"));
    assert!(selects::<AsValue<NaiveDate>>(day("2026-03-05")..day("2026-03-20"), "2026-03-19"));
    assert!(!selects::<Rendered<Padded>>(9..10, "0010") && selects::<Rendered<Padded>>(9..10, "0009"));
    assert!(selects::<Rendered<Padded>>(0..1, "0000") && !selects::<Rendered<Padded>>(..0, "0000"));
}

#[test]
fn an_empty_range_selects_nothing_and_a_reversed_one_is_refused() {
    let time = at("2026-03-05T00:00:00Z");
    assert!(!selects::<Rendered<Month>>(time..time, "2026-03"));
    let reversed =
        PatternBuilder::new(&["part"]).with::<Rendered<Month>, ()>("part", time + TimeDelta::seconds(1)..time);
    let error = reversed.into_patterns(&["part"]).unwrap_err().to_string();
    assert!(error.contains("the range is reversed"), "{error}");
}

#[test]
fn every_value_of_a_range_is_selected() {
    let seconds = -62_000_000_000_i64..250_000_000_000;
    proptest!(|(a in seconds.clone(), b in seconds, nanos in 0..1_000_000_000_u32, within in 0.0..1.0)| {
        let (start, end) = (a.min(b), a.max(b) + 1);
        let value = start + ((end - start - 1) as f64 * within) as i64;
        let at = |seconds| DateTime::from_timestamp(seconds, nanos).unwrap();
        let month = format_time::<_, Plain>(&at(value), "%Y-%m").unwrap();
        prop_assert!(selects::<Rendered<Month>>(at(start)..at(end), &month));
        prop_assert!(selects::<Rendered<Month>>(..at(end), &month));
        prop_assert!(selects::<Rendered<Month>>(at(start).., &month));
    });
}

#[test]
fn before_returns_the_next_smaller_value() {
    assert_eq!(7_u32.before(), Some(6));
    assert_eq!((0_u8.before(), Uuid::nil().before()), (None, None));
    assert_eq!(day("2026-03-01").before(), Some(day("2026-02-28")));
    assert_eq!(at("2026-03-01T00:00:00Z").before(), Some(at("2026-02-28T23:59:59.999999999Z")));
    assert_eq!(NaiveTime::MIN.before(), None);
    assert_eq!(NaiveDate::MIN.before(), None);
    assert_eq!(Uuid::from_u128(256).before(), Some(Uuid::from_u128(255)));
}
