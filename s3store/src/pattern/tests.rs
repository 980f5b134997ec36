//! Compares the grammar with the output of the Go library, and the LIST plan with a brute-force search.

use proptest::prelude::*;

use super::*;
use crate::error::{ErrorKind, Result};
use crate::format::vectors::vectors;
use crate::format::{Prefix as DatasetPrefix, check_partition_value};

const NAMES: [&str; 2] = ["charge_period", "customer"];

/// Renders a pattern in the grammar. Only tests need this direction.
pub(crate) fn render(pattern: &Pattern, names: &[&str]) -> String {
    if pattern.segments.is_empty() {
        return "*".to_owned();
    }
    let segment = |(segment, name): (&Segment, &&str)| match segment {
        Segment::Any => "*".to_owned(),
        Segment::Exact(value) => format!("{name}={value}"),
        Segment::Prefix(start) => format!("{name}={start}*"),
        Segment::Range { from, to } => {
            format!("{name}={}..{}", from.as_deref().unwrap_or_default(), to.as_deref().unwrap_or_default())
        }
    };
    pattern.segments.iter().zip(names).map(segment).collect::<Vec<_>>().join("/")
}

fn parse(text: &str) -> Result<Pattern> {
    Pattern::parse(text, &NAMES)
}

fn message(text: &str) -> String {
    let error = parse(text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    error.to_string()
}

#[test]
fn patterns_match_those_of_go() {
    let vectors = vectors().patterns;
    assert!(!vectors.cases.is_empty());
    let root = DatasetPrefix::new("billing").unwrap().data_prefix();
    for case in vectors.cases {
        let parsed = Pattern::parse(&case.pattern, &vectors.partition_keys);
        // Go takes an empty pattern for `*`. Here it is an error, because an empty variable would select everything.
        assert_eq!(parsed.is_ok(), case.ok && !case.pattern.is_empty(), "{}", case.pattern);
        let Ok(pattern) = parsed else { continue };
        let list_prefix = root.clone() + &pattern.list_prefix(&vectors.partition_keys);
        assert_eq!(Some(list_prefix), case.list_prefix, "{}", case.pattern);
        let matches = |key: &&String| pattern.matches(key, &vectors.partition_keys);
        let matched: Vec<_> = vectors.candidates.iter().filter(matches).cloned().collect();
        assert_eq!(Some(matched), case.matches, "{}", case.pattern);
    }
}

#[test]
fn errors_say_what_to_write() {
    for (text, expected) in [
        (
            "charge_period=*-17/customer=abc",
            "pattern \"charge_period=*-17/customer=abc\", segment 1 (\"charge_period=*-17\"): `*` is allowed only once, at \
             the end of a value: write `*`, or a segment `*` for every value; to select a value that contains `*`, use \
             the record's `partitions()`",
        ),
        (
            "charge_perod=2026/*",
            "pattern \"charge_perod=2026/*\", segment 1 (\"charge_perod=2026\"): there is no column `charge_perod`, did \
             you mean `charge_period`? write `charge_period=2026`",
        ),
        (
            "customer=abc/*",
            "pattern \"customer=abc/*\", segment 1 (\"customer=abc\"): `customer` is segment 2, segment 1 is \
             `charge_period`: keep the order `charge_period/customer`",
        ),
        (
            "custmer=abc/*",
            "pattern \"custmer=abc/*\", segment 1 (\"custmer=abc\"): there is no column `custmer`, did you mean \
             `customer`? segment 1 is `charge_period`",
        ),
        (
            "xyz=1/*",
            "pattern \"xyz=1/*\", segment 1 (\"xyz=1\"): there is no column `xyz`, segment 1 is `charge_period`: write \
             `charge_period=…` or `*`",
        ),
        (
            "2026-03-17/*",
            "pattern \"2026-03-17/*\", segment 1 (\"2026-03-17\"): write `charge_period=2026-03-17` for this value, or \
             `*` for every value",
        ),
        (
            "charge_period=2026-03-17",
            "pattern \"charge_period=2026-03-17\" has 1 segment, the partitions have 2 (`charge_period=…/customer=…`): \
             write `charge_period=2026-03-17/*` to select every value of the other columns",
        ),
    ] {
        assert_eq!(message(text), expected);
    }
    assert!(message("*/customer=9..10").ends_with(
        "the range is reversed: as text, \"9\" comes after \"10\"; write `10..9`, or pad numbers with zeros"
    ));
    assert!(message("*/customer=..").ends_with("a range needs at least one end: write a segment `*` for every value"));
    assert!(message("*/customer=a..b..c").contains("a range has one `..`"));
    assert!(message("*/customer=a*..b").ends_with("the ends of a range are plain text: write `a..b`"));
    assert!(message("*/customer=a..=b").ends_with(
        "a range is half-open: write `a..` and the first value after \"b\" that is not wanted instead of `a..=b`"
    ));
    assert!(message("*/ abc").ends_with("write `customer=abc` for this value, or `*` for every value"));
    assert!(message("*/ *").ends_with("write `*` without spaces"));
    assert!(message("*/ customer = abc").ends_with("the column's name has spaces around it: write `customer=abc`"));
    assert!(message("*/ custmer= abc").ends_with("did you mean `customer`? write `customer=abc`"));
    for empty in ["", " "] {
        assert!(message(empty).ends_with("is empty: write `*` to select everything"));
    }
    assert!(message("*/customer={a,b}").contains("one pattern for each value"));
    assert!(message("*/customer=a/x").ends_with("a value can't contain `/`"));
}

#[test]
fn a_list_prefix_ends_between_characters() {
    // é and è share their first byte.
    let pattern = parse("charge_period=aè..aé/*").unwrap();
    assert_eq!(pattern.list_prefix(&NAMES), "charge_period=a");
}

#[test]
fn a_plan_lists_each_key_once() {
    let plan = |texts: &[&str]| -> Vec<String> {
        let plan = ListPlan::new(texts.iter().map(|text| parse(text).unwrap()), &NAMES);
        plan.listings().iter().map(|listing| listing.prefix().to_owned()).collect()
    };
    assert!(plan(&[]).is_empty());
    assert_eq!(plan(&["*", "charge_period=1/customer=a"]), [""]);
    assert_eq!(
        plan(&[
            "charge_period=2/*",
            "charge_period=1/customer=a",
            "charge_period=1/customer=b",
            "charge_period=1/customer=a"
        ]),
        ["charge_period=1/customer=a/", "charge_period=1/customer=b/", "charge_period=2/"]
    );
    assert_eq!(plan(&["charge_period=1/*", "charge_period=1/customer=a"]), ["charge_period=1/"]);
    // The shorter prefix covers the longer one. A prefix that sorts between them keeps its own listing.
    assert_eq!(plan(&["charge_period=1/*", "charge_period=1-2/*", "charge_period=1*/*"]), ["charge_period=1"]);
    assert_eq!(plan(&["charge_period=1/*", "charge_period=1-2/*"]), ["charge_period=1-2/", "charge_period=1/"]);
}

/// Generates values from few letters, so that patterns, prefixes and keys often match.
fn arb_value() -> impl Strategy<Value = String> {
    "[ab.*=é-]{1,3}".prop_filter("a legal value", |value| check_partition_value(value).is_ok())
}

fn arb_end() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(arb_value())
}

fn arb_segment() -> impl Strategy<Value = Segment> {
    prop_oneof![
        Just(Segment::Any),
        arb_value().prop_map(Segment::Exact),
        "[ab.é-]{0,2}".prop_filter("no range", |start| !start.contains("..")).prop_map(Segment::Prefix),
        (arb_end(), arb_end()).prop_map(|(a, b)| match (a, b) {
            (Some(a), Some(b)) if a > b => Segment::Range { from: Some(b), to: Some(a) },
            (from, to) => Segment::Range { from, to },
        }),
    ]
}

fn arb_pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        1 => Just(Pattern::everything()),
        9 => [arb_segment(), arb_segment()].prop_map(|segments| Pattern::new(segments.into())),
    ]
}

fn arb_key() -> impl Strategy<Value = String> {
    prop_oneof![
        9 => [arb_value(), arb_value()].prop_map(|values| format!("charge_period={}/customer={}", values[0], values[1])),
        1 => "[ab=/]{0,9}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_rendered_pattern_parses_to_the_same_pattern(pattern in arb_pattern()) {
        // The grammar can't express a `*` in a value, a range without ends, or an end with a dot or `=` next to the `..`.
        let expressible = pattern.segments.iter().all(|segment| match segment {
            Segment::Any | Segment::Prefix(_) => true,
            Segment::Exact(value) => !value.contains('*'),
            Segment::Range { from: None, to: None } => false,
            Segment::Range { from, to } => {
                let ends = [from, to].map(|end| end.as_deref().unwrap_or_default());
                !ends.iter().any(|end| end.contains('*')) && !ends[0].ends_with('.') && !ends[1].starts_with(['.', '='])
            }
        });
        prop_assume!(expressible);
        prop_assert_eq!(parse(&render(&pattern, &NAMES)).unwrap(), pattern);
    }

    #[test]
    fn parsing_never_panics(
        text in prop_oneof![any::<String>(), "(charge_period=|customer=|\\*)[ab.*?é/=]{0,9}/(customer=|)[ab.*é/=]{0,9}"],
    ) {
        if let Ok(pattern) = parse(&text) {
            prop_assert_eq!(render(&pattern, &NAMES), text);
        } else {
            let quoted = format!("{text:?}");
            prop_assert!(message(&text).contains(&quoted));
        }
    }

    #[test]
    fn matching_keys_start_with_the_list_prefix(pattern in arb_pattern(), key in arb_key()) {
        if pattern.matches(&key, &NAMES) {
            let folder = key + "/";
            prop_assert!(folder.starts_with(&pattern.list_prefix(&NAMES)));
        }
    }

    #[test]
    fn prefixes_within_a_folder_cover_the_selected_keys(
        patterns in proptest::collection::vec(arb_pattern(), 1..6), keys in proptest::collection::vec(arb_key(), 0..40),
        most in 1_usize..8,
    ) {
        for listing in ListPlan::new(patterns, &NAMES).listings() {
            for key in keys.iter().filter(|key| key.starts_with(listing.prefix())) {
                let object = format!("{key}/t.commit");
                let ends = object.match_indices('/').map(|(end, _)| end + 1).filter(|end| *end > listing.prefix().len());
                for end in ends {
                    let folder = &object[..end];
                    let prefixes = listing.prefixes_within(folder, &NAMES, most);
                    prop_assert!(prefixes.len() <= most && prefixes.is_sorted());
                    prop_assert!(prefixes.iter().all(|prefix| prefix.starts_with(folder)));
                    let covering = prefixes.iter().filter(|prefix| object.starts_with(prefix.as_str())).count();
                    prop_assert!(covering <= 1, "{} is listed twice", object);
                    if listing.selects_partition(key, &NAMES) {
                        prop_assert_eq!(covering, 1, "{} below {}: {:?}", key, folder, prefixes);
                    }
                }
            }
        }
    }

    #[test]
    fn a_plan_lists_each_matching_key_once(
        patterns in proptest::collection::vec(arb_pattern(), 0..6), keys in proptest::collection::vec(arb_key(), 0..40),
    ) {
        let plan = ListPlan::new(patterns.clone(), &NAMES);
        for key in &keys {
            let object = format!("{key}/t.commit");
            let listed: Vec<_> =
                plan.listings().iter().filter(|listing| object.starts_with(listing.prefix())).collect();
            prop_assert!(listed.len() <= 1, "{} is listed twice", key);
            let found = listed.iter().any(|listing| listing.matches(key, &NAMES));
            let wanted = patterns.iter().any(|pattern| pattern.matches(key, &NAMES));
            prop_assert_eq!(found, wanted, "{}", key);
        }
    }
}

#[test]
fn prefixes_within_a_folder_are_no_longer_than_they_must_be() {
    const DEEP: [&str; 3] = ["a", "b", "c"];
    let within = |patterns: &[&str], folder: &str, most: usize| {
        let patterns: Vec<_> = patterns.iter().map(|text| Pattern::parse(text, &DEEP).unwrap()).collect();
        ListPlan::new(patterns, &DEEP).listings()[0].prefixes_within(folder, &DEEP, most)
    };
    for (patterns, folder, expected) in [
        (&["*/b=1/*"][..], "a=1/", &["a=1/b=1/"][..]),
        (&["*/b=1/c=2"], "a=1/", &["a=1/b=1/c=2/"]),
        (&["*/b=1/c=2*"], "a=1/", &["a=1/b=1/c=2"]),
        (&["*/b=15..17/*"], "a=1/", &["a=1/b=1"]),
        (&["*/b=15../*"], "a=1/", &["a=1/"]),
        (&["*/*/c=2"], "a=1/", &["a=1/"]),
        (&["*/*/c=2"], "a=1/b=5/", &["a=1/b=5/c=2/"]),
        (&["*/b=1/*", "*/b=1-2/*", "*/b=1*/*"], "a=1/", &["a=1/b=1"]),
        (&["*/b=1/*", "*/b=1-2/*"], "a=1/", &["a=1/b=1-2/", "a=1/b=1/"]),
        (&["a=1*/b=1/*", "a=12/b=2/*"], "a=12/", &["a=12/b=1/", "a=12/b=2/"]),
        (&["a=1*/b=1/*", "a=12/b=2/*"], "a=13/", &["a=13/b=1/"]),
        (&["a=1..3/*/*"], "a=3/", &[]),
        (&["*/b=1/*"], "x=1/", &[]),
        (&["*/b=1/*"], "a=1/b=2/", &[]),
        (&["*/b=1/*"], "a=1/b=1/c=1/", &["a=1/b=1/c=1/"]),
        (&["*/b=1/*"], "a=1/b=1/c=1/d=1/", &[]),
    ] {
        assert_eq!(within(patterns, folder, 3), expected, "{patterns:?} {folder}");
    }
    assert_eq!(within(&["*/b=1/*", "*/b=2/*", "*/b=3/*"], "a=1/", 2), ["a=1/"]);
}
