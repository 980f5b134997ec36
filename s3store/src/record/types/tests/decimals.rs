use std::str::FromStr;
use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array};
use proptest::collection::vec;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::{assert_refusals, assert_round_trip, error_of, read, round_trip};
use crate::record::DecimalOf;

fn decimal(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap()
}

fn stored<const S: i8>(value: i128) -> ArrayRef {
    Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(38, S).unwrap())
}

#[test]
fn decimals_round_trip() {
    assert_round_trip::<Decimal, DecimalOf<18, 6>>(&["0", "-0.000001", "999999999999.999999", "1.5"].map(decimal));
    assert_round_trip::<Option<Decimal>, DecimalOf<9, 2>>(&[None, Some(decimal("-9999999.99")), None]);
    assert_round_trip::<Vec<Decimal>, DecimalOf<9, 0>>(&[vec![decimal("999999999")], vec![]]);
    assert_round_trip::<Decimal, DecimalOf<38, 0>>(&[Decimal::MAX, Decimal::MIN]);
    assert_round_trip::<Decimal, DecimalOf<38, 28>>(&[decimal("7.9228162514264337593543950335")]);
    assert_refusals::<Decimal, DecimalOf<18, 6>>();
    proptest!(|(values in vec((-999_999_999_999_999_999_i64..=999_999_999_999_999_999, 0_u32..=6), 0..20))| {
        let values: Vec<_> = values.into_iter().map(|(n, places)| Decimal::new(n / 1_000_000, places)).collect();
        assert_round_trip::<Decimal, DecimalOf<18, 6>>(&values);
    });
}

#[test]
fn zeros_beyond_the_places_are_no_places() {
    assert_eq!(round_trip::<Decimal, DecimalOf<5, 2>>(&[decimal("1.2300000")]), [decimal("1.23")]);
    assert_eq!(round_trip::<Decimal, DecimalOf<5, 2>>(&[decimal("-0.0000000000000000000000000000")]), [Decimal::ZERO]);
}

#[test]
fn nothing_is_rounded_or_wrapped() {
    assert_eq!(error_of::<Decimal, DecimalOf<18, 6>>(decimal("1.00000010")), "7 decimal places, the column holds 6");
    assert_eq!(
        error_of::<Decimal, DecimalOf<5, 2>>(decimal("1000")),
        "1000 needs more digits than the column holds: 5, 2 of them decimal places"
    );
    assert!(error_of::<Decimal, DecimalOf<5, 2>>(decimal("-1000.00")).starts_with("-1000.00 needs more digits"));
    assert!(error_of::<Decimal, DecimalOf<38, 38>>(decimal("1")).contains("more digits"));
    assert!(error_of::<Decimal, DecimalOf<38, 28>>(Decimal::MAX).contains("more digits"));
    assert!(error_of::<Decimal, DecimalOf<28, 0>>(Decimal::MAX).contains("more digits"));
}

#[test]
fn a_file_keeps_its_own_places() {
    type Short = DecimalOf<9, 2>;
    assert_eq!(read::<Decimal, Short>(&stored::<6>(1_000_001)).unwrap(), [decimal("1.000001")]);
    // 33 digits. A Decimal needs only 23 of them.
    let long = 123_456_789_012_345_678_901_230_000_000_000_i128;
    assert_eq!(read::<Decimal, Short>(&stored::<10>(long)).unwrap(), [decimal("12345678901234567890123.0000")]);
    assert_eq!(read::<Decimal, Short>(&stored::<38>(0)).unwrap(), [Decimal::ZERO]);
    let error = read::<Decimal, Short>(&stored::<10>(long + 1)).unwrap_err().to_string();
    assert!(error.contains("too long for a Decimal"), "{error}");
}
