//! Tests of typed selections, with a builder like those that the derive generates.

#![expect(clippy::needless_borrows_for_generic_args, reason = "the tests also pass arguments by reference")]

use proptest::prelude::*;

use super::*;
use crate::error::{Error, ErrorKind};
use crate::pattern::tests::render;
use crate::pattern::{IntoPatterns, Pattern, PatternBuilder, Sealed};

/// The rendering of `day`, like the derive generates for a formatted column.
#[derive(Debug)]
enum CostDay {}

impl PartitionFormat for CostDay {
    type Value = chrono::NaiveDate;

    fn render(value: &Self::Value) -> Result<String> {
        use chrono::Datelike;
        match value.year() {
            0..=9999 => Ok(value.format("%Y-%m-%d").to_string()),
            year => Err(Error::invalid_input(format!("the year {year} does not fit four digits"))),
        }
    }
}

impl Ordered for CostDay {}

/// A rendering whose text does not sort like the values.
#[derive(Debug)]
enum CostCount {}

impl PartitionFormat for CostCount {
    type Value = u32;

    fn render(value: &Self::Value) -> Result<String> {
        Ok(value.to_string())
    }
}

/// A builder like the derive generates.
#[derive(Debug, Clone)]
struct CostPartitions(PatternBuilder);

impl CostPartitions {
    fn new() -> Self {
        Self(PatternBuilder::new(&["day", "odd-name", "count"]))
    }

    #[must_use]
    fn day(self, values: impl IntoSelection<Rendered<CostDay>>) -> Self {
        Self(self.0.with("day", values))
    }

    #[must_use]
    fn customer(self, values: impl IntoSelection<Text>) -> Self {
        Self(self.0.with("odd-name", values))
    }

    #[must_use]
    fn count(self, values: impl IntoSelection<Rendered<CostCount>>) -> Self {
        Self(self.0.with("count", values))
    }
}

impl Sealed for CostPartitions {}
impl IntoPatterns for CostPartitions {
    fn into_patterns(self, names: &[&str]) -> Result<Vec<Pattern>> {
        self.0.into_patterns(names)
    }
}

const COST: [&str; 3] = ["day", "odd-name", "count"];

fn day(text: &str) -> chrono::NaiveDate {
    text.parse().unwrap()
}

fn texts(patterns: impl IntoPatterns) -> Vec<String> {
    patterns.into_patterns(&COST).unwrap().iter().map(|pattern| render(pattern, &COST)).collect()
}

#[test]
fn a_builder_selects_values_prefixes_and_ranges() {
    let all = CostPartitions::new;
    assert_eq!(texts(all()), ["*"]);
    assert_eq!(texts(all().customer(..)), ["*"]);
    assert_eq!(texts(all().customer("abc")), ["*/odd-name=abc/*"]);
    assert_eq!(texts(all().customer(String::from("abc"))), ["*/odd-name=abc/*"]);
    assert_eq!(texts(all().customer(&String::from("abc"))), ["*/odd-name=abc/*"]);
    assert_eq!(texts(all().customer(std::borrow::Cow::Borrowed("abc"))), ["*/odd-name=abc/*"]);
    assert_eq!(texts(all().customer(Box::<str>::from("abc"))), ["*/odd-name=abc/*"]);
    assert_eq!(texts(all().customer("a".."b")), ["*/odd-name=a..b/*"]);
    assert_eq!(texts(all().customer(String::from("a")..String::from("b"))), ["*/odd-name=a..b/*"]);
    assert_eq!(texts(all().customer("a"..)), ["*/odd-name=a../*"]);
    assert_eq!(texts(all().customer(.."b")), ["*/odd-name=..b/*"]);
    assert_eq!(texts(all().customer(prefix("ab"))), ["*/odd-name=ab*/*"]);
    let (from, to) = (day("2026-03-01"), day("2026-04-01"));
    assert_eq!(texts(all().day(from)), ["day=2026-03-01/*/*"]);
    assert_eq!(texts(all().day(&from)), ["day=2026-03-01/*/*"]);
    assert_eq!(texts(all().day(from..to)), ["day=2026-03-01..2026-04-01/*/*"]);
    assert_eq!(texts(all().day(from..)), ["day=2026-03-01../*/*"]);
    assert_eq!(texts(all().day(..to)), ["day=..2026-04-01/*/*"]);
    assert_eq!(texts(all().day(prefix("2026-03")).count(7)), ["day=2026-03*/*/count=7"]);
}

#[test]
fn a_builder_selects_values_that_the_grammar_cannot() {
    for value in ["a*", "*", "a*b", "[x]", "{a,b}", "?", "a.b", "=", " ", "é"] {
        let [pattern] = &CostPartitions::new().customer(value).into_patterns(&COST).unwrap()[..] else { panic!() };
        assert!(pattern.matches(&format!("day=2026-03-01/odd-name={value}/count=1"), &COST));
        assert!(!pattern.matches(&format!("day=2026-03-01/odd-name={value}x/count=1"), &COST));
    }
}

#[test]
fn errors_of_a_builder_appear_at_the_read() {
    let all = CostPartitions::new;
    let year = chrono::NaiveDate::from_ymd_opt(12_345, 1, 1).unwrap();
    for (builder, expected) in [
        (all().customer(""), "column \"odd-name\": value \"\" is empty"),
        (all().customer("a/b"), "column \"odd-name\": value \"a/b\" contains '/', which separates the columns"),
        (all().customer("b".."a"), "column \"odd-name\": the range is reversed: as text, \"b\" comes after \"a\""),
        (
            all().customer("a/".."b"),
            "column \"odd-name\": the end of a range \"a/\" contains \"/\", which no partition value does",
        ),
        (
            all().customer(prefix("a..")),
            "column \"odd-name\": the prefix \"a..\" contains \"..\", which no partition value does",
        ),
        (all().day(year), "column \"day\": the year 12345 does not fit four digits"),
        (
            all().count(1).count(2),
            "column \"count\" is selected twice: pass one builder for each selection to read both",
        ),
    ] {
        let error = builder.into_patterns(&COST).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, expected));
    }
    let error = all().into_patterns(&["charge_period", "customer"]).unwrap_err();
    assert!(error.to_string().ends_with("use its own builder"), "{error}");
}

#[test]
fn equal_ends_select_nothing() {
    let [pattern] = &CostPartitions::new().customer("a".."a").into_patterns(&COST).unwrap()[..] else { panic!() };
    assert!(!pattern.matches("day=2026-03-01/odd-name=a/count=1", &COST));
}

#[test]
fn reads_take_one_pattern_or_many() {
    let text = "day=2026-03-01/*/*";
    let one = ["day=2026-03-01/*/*"];
    assert_eq!(texts(text), one);
    assert_eq!(texts(String::from(text)), one);
    assert_eq!(texts(&String::from(text)), one);
    assert_eq!(texts([text, "*"]), [text, "*"]);
    assert_eq!(texts(&[text, "*"]), [text, "*"]);
    assert_eq!(texts([text, "*"].as_slice()), [text, "*"]);
    assert_eq!(texts(vec![String::from(text)]), one);
    assert_eq!(texts(&vec![String::from(text)]), one);
    let builder = CostPartitions::new().day(day("2026-03-01"));
    assert_eq!(texts(vec![builder.clone(), builder.count(1)]), [text, "day=2026-03-01/*/count=1"]);
    assert!(texts(Vec::<String>::new()).is_empty());
    assert!(["*", "nonsense"].into_patterns(&COST).is_err());
}

/// Returns whether `$value: $($bound)*`. The inherent constant takes precedence if the bound holds.
macro_rules! holds {
    ($value:ty: $($bound:tt)*) => {{
        struct Probe<T>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "unused if the inherent constant exists")]
        trait Fallback { const HOLDS: bool = false; }
        impl<T> Fallback for Probe<T> {}
        #[allow(dead_code, reason = "unused if the bound fails")]
        impl<T: $($bound)*> Probe<T> { const HOLDS: bool = true; }
        Probe::<$value>::HOLDS
    }};
}

#[test]
fn inclusive_and_unordered_ranges_do_not_compile() {
    use std::ops::{Range, RangeFrom, RangeInclusive, RangeTo, RangeToInclusive};
    assert!(holds!(Range<&str>: IntoSelection<Text>));
    assert!(!holds!(RangeInclusive<&str>: IntoSelection<Text>));
    assert!(!holds!(RangeToInclusive<&str>: IntoSelection<Text>));
    assert!(holds!(Range<chrono::NaiveDate>: IntoSelection<Rendered<CostDay>>));
    assert!(!holds!(RangeInclusive<chrono::NaiveDate>: IntoSelection<Rendered<CostDay>>));
    assert!(!holds!(&'static str: IntoSelection<Rendered<CostDay>>));
    assert!(holds!(u32: IntoSelection<Rendered<CostCount>>));
    assert!(!holds!(Range<u32>: IntoSelection<Rendered<CostCount>>));
    assert!(!holds!(RangeFrom<u32>: IntoSelection<Rendered<CostCount>>));
    assert!(!holds!(RangeTo<u32>: IntoSelection<Rendered<CostCount>>));
    assert!(!holds!(u32: IntoSelection<Text>));
}

proptest! {
    #[test]
    fn an_exact_selection_matches_only_its_value(value in any::<String>(), other in "[ab.*=é-]{1,3}") {
        let patterns = CostPartitions::new().customer(&value).into_patterns(&COST);
        prop_assert_eq!(patterns.is_ok(), check_partition_value(&value).is_ok());
        if let Ok(patterns) = patterns {
            let matches = |text: &str| {
                patterns.iter().any(|pattern| pattern.matches(&format!("day=1/odd-name={text}/count=1"), &COST))
            };
            prop_assert!(matches(&value));
            prop_assert_eq!(matches(&other), value == other);
        }
    }
}
