use super::*;

const NAMES: [&str; 1] = ["p"];
const ATTEMPT: &str = "0190a8d9b7c47f7e8a9b0c1d2e3f4a5b";

fn key(micros: i64) -> String {
    format!("d/_ref/{micros:016}-t-{ATTEMPT};p=1.ref")
}

fn bounds(cutoff: i64, limit: usize) -> Bounds {
    Bounds { after: Offset::START, until: None, cutoff: format!("d/_ref/{cutoff:016}"), limit }
}

/// What is taken of one page, and where that ends.
fn walk(bounds: &Bounds, keys: &[String], last: bool) -> (Vec<i64>, Option<Walked>) {
    let prefix = Prefix::new("d").unwrap();
    let mut walk = Walk::new(&prefix, &NAMES, bounds);
    let refs = walk.page(keys.to_vec(), last);
    (refs.iter().map(|found| found.micros).collect(), walk.ended())
}

fn walked(next: &str, malformed: u64, end: End) -> Option<Walked> {
    Some(Walked { next: Offset::of(next), malformed, end })
}

#[test]
fn a_ref_is_settled_once_its_instant_lies_before_the_cutoff() {
    let keys = [key(1), key(2), key(3)];
    // The cutoff's own microsecond is not settled: a ref's key is longer than the cutoff.
    let (taken, end) = walk(&bounds(2, 9), &keys, true);
    assert_eq!(taken, [1]);
    assert_eq!(end, walked(&key(1), 0, End::Unsettled(Some(2))));
    let (taken, end) = walk(&bounds(4, 9), &keys, true);
    assert_eq!(taken, [1, 2, 3]);
    assert_eq!(end, walked(&key(3), 0, End::Tip));
}

#[test]
fn the_limit_ends_a_page_unless_nothing_more_is_there() {
    let keys = [key(1), key(2)];
    assert_eq!(walk(&bounds(9, 2), &keys, false).1, walked(&key(2), 0, End::Limit));
    assert_eq!(walk(&bounds(9, 2), &keys, true).1, walked(&key(2), 0, End::Tip));
    assert_eq!(walk(&bounds(9, 1), &keys, true).1, walked(&key(1), 0, End::Limit));
    assert_eq!(walk(&bounds(9, 3), &keys, false).1, None);
}

#[test]
fn until_is_not_taken() {
    let until = |micros: i64| Bounds { until: Some(Offset::of(format!("d/_ref/{micros:016}"))), ..bounds(9, 9) };
    let keys = [key(1), key(2), key(3)];
    let (taken, end) = walk(&until(3), &keys, true);
    assert_eq!(taken, [1, 2]);
    assert_eq!(end, walked(&key(2), 0, End::Until));
    let at_ref = Bounds { until: Some(Offset::of(key(2))), ..bounds(9, 9) };
    assert_eq!(walk(&at_ref, &keys, true).0, [1]);
    let nothing = Bounds { until: Some(Offset::START), ..bounds(9, 9) };
    assert_eq!(walk(&nothing, &keys, true), (vec![], walked("", 0, End::Until)));
}

#[test]
fn what_is_no_ref_of_the_record_is_passed_and_counted() {
    let odd = [
        "d/_ref/".to_owned(),
        format!("d/_ref/0000000000000001-t-{ATTEMPT};q=1.ref"),
        format!("d/_ref/0000000000000002-t-{ATTEMPT};p=%zz.ref"),
        format!("d/_ref/0000000000000003-{ATTEMPT};p=1.ref"),
        key(4),
        format!("d/_ref/0000000000000005-{}-{ATTEMPT};p={}.ref", "t".repeat(190), "v".repeat(800)),
    ];
    let (taken, end) = walk(&bounds(9, 9), &odd, true);
    assert_eq!(taken, [4]);
    assert_eq!(end, walked(&odd[5], 5, End::Tip));
    // They count towards the limit, so that a page of them ends.
    assert_eq!(walk(&bounds(9, 2), &odd, true).1, walked(&odd[1], 2, End::Limit));
}

#[test]
fn nothing_listed_moves_nothing() {
    let after = Bounds { after: Offset::of(key(7)), ..bounds(9, 9) };
    assert_eq!(walk(&after, &[], true), (vec![], walked(&key(7), 0, End::Tip)));
    assert_eq!(walk(&after, &[key(7), key(8)], true).0, [8], "the key to start after is not taken again");
    assert_eq!(walk(&after, &["d/_ref/x".to_owned()], true).1, walked(&key(7), 0, End::Unsettled(None)));
}
