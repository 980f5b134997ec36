use super::*;
use crate::pattern::Pattern;

const NAMES: [&str; 1] = ["p"];
const ATTEMPT: &str = "0190a8d9b7c47f7e8a9b0c1d2e3f4a5b";

fn key(micros: i64) -> String {
    format!("d/_ref/{micros:016}-t-{ATTEMPT};p=1.ref")
}

fn bounds(cutoff: i64, limit: usize) -> Bounds {
    Bounds { after: Offset::START, until: None, cutoff: format!("d/_ref/{cutoff:016}"), limit }
}

/// Walks over one page. Returns the times of the refs that it took, and its end.
fn walk(bounds: &Bounds, keys: &[String], last: bool) -> (Vec<i64>, Option<WalkEnd>) {
    let prefix = Prefix::new("d").unwrap();
    let names = Names::of(&NAMES);
    let mut walk = Walk::new(&prefix, &names, &PartitionFilter::All, bounds);
    let refs = walk.take_page(keys.to_vec(), last);
    (refs.iter().map(|taken| taken.micros).collect(), walk.end())
}

fn ended(next: &str, malformed: u64, reason: StopReason) -> Option<WalkEnd> {
    Some(WalkEnd { next: Offset::of(next), malformed, other_partitions: 0, not_selected: 0, reason })
}

#[test]
fn refs_stamped_before_the_cutoff_are_settled() {
    let keys = [key(1), key(2), key(3)];
    // A ref's key is longer than the cutoff, so a ref of the cutoff's own microsecond is not settled.
    let (taken, end) = walk(&bounds(2, 9), &keys, true);
    assert_eq!(taken, [1]);
    assert_eq!(end, ended(&key(1), 0, StopReason::Unsettled(Some(2))));
    let (taken, end) = walk(&bounds(4, 9), &keys, true);
    assert_eq!(taken, [1, 2, 3]);
    assert_eq!(end, ended(&key(3), 0, StopReason::Tip));
}

#[test]
fn the_limit_ends_a_walk_unless_the_listing_is_over() {
    let keys = [key(1), key(2)];
    assert_eq!(walk(&bounds(9, 2), &keys, false).1, ended(&key(2), 0, StopReason::Limit));
    assert_eq!(walk(&bounds(9, 2), &keys, true).1, ended(&key(2), 0, StopReason::Tip));
    assert_eq!(walk(&bounds(9, 1), &keys, true).1, ended(&key(1), 0, StopReason::Limit));
    assert_eq!(walk(&bounds(9, 3), &keys, false).1, None);
}

#[test]
fn the_upper_bound_is_exclusive() {
    let until = |micros: i64| Bounds { until: Some(Offset::of(format!("d/_ref/{micros:016}"))), ..bounds(9, 9) };
    let keys = [key(1), key(2), key(3)];
    let (taken, end) = walk(&until(3), &keys, true);
    assert_eq!(taken, [1, 2]);
    assert_eq!(end, ended(&key(2), 0, StopReason::Until));
    let at_ref = Bounds { until: Some(Offset::of(key(2))), ..bounds(9, 9) };
    assert_eq!(walk(&at_ref, &keys, true).0, [1]);
    let nothing = Bounds { until: Some(Offset::START), ..bounds(9, 9) };
    assert_eq!(walk(&nothing, &keys, true), (vec![], ended("", 0, StopReason::Until)));
}

#[test]
fn malformed_refs_are_skipped_and_counted() {
    let odd = [
        "d/_ref/".to_owned(),
        format!("d/_ref/0000000000000001-t-{ATTEMPT};q.ref"),
        format!("d/_ref/0000000000000002-t-{ATTEMPT};p=%zz.ref"),
        format!("d/_ref/0000000000000003-{ATTEMPT};p=1.ref"),
        key(4),
        format!("d/_ref/0000000000000005-{}-{ATTEMPT};p={}.ref", "t".repeat(190), "v".repeat(800)),
    ];
    let (taken, end) = walk(&bounds(9, 9), &odd, true);
    assert_eq!(taken, [4]);
    assert_eq!(end, ended(&odd[5], 5, StopReason::Tip));
    // Malformed refs count towards the limit, so that a poll that finds only these ends too.
    assert_eq!(walk(&bounds(9, 2), &odd, true).1, ended(&odd[1], 2, StopReason::Limit));
}

#[test]
fn partitions_of_other_columns_are_skipped_and_counted_apart() {
    let refs = ["q=1", "p=1%2Fq=1", "q=1%2Fp=1", "p=1"];
    let keys: Vec<_> = (1..).zip(refs).map(|(at, part)| format!("d/_ref/{at:016}-t-{ATTEMPT};{part}.ref")).collect();
    let (taken, end) = walk(&bounds(9, 9), &keys, true);
    assert_eq!(taken, [4]);
    let other = |next: &str, other_partitions, reason| {
        Some(WalkEnd { next: Offset::of(next), malformed: 0, other_partitions, not_selected: 0, reason })
    };
    assert_eq!(end, other(&keys[3], 3, StopReason::Tip));
    assert_eq!(walk(&bounds(9, 2), &keys, true).1, other(&keys[1], 2, StopReason::Limit));
}

#[test]
fn the_offset_stays_if_no_ref_is_taken() {
    let after = Bounds { after: Offset::of(key(7)), ..bounds(9, 9) };
    assert_eq!(walk(&after, &[], true), (vec![], ended(&key(7), 0, StopReason::Tip)));
    assert_eq!(walk(&after, &[key(7), key(8)], true).0, [8], "the start-after key is not taken again");
    assert_eq!(walk(&after, &["d/_ref/x".to_owned()], true).1, ended(&key(7), 0, StopReason::Unsettled(None)));
}

#[test]
fn refs_that_the_filter_does_not_select_do_not_count_towards_the_limit() {
    let prefix = Prefix::new("d").unwrap();
    let filter = PartitionFilter::new(Pattern::parse("p=1", &NAMES).map(|pattern| vec![pattern]));
    let parts = ["p=2", "p=1", "q=1", "p=2", "bad", "p=1", "p=2", "p=1"];
    let keys: Vec<_> = (1..).zip(parts).map(|(at, part)| format!("d/_ref/{at:016}-t-{ATTEMPT};{part}.ref")).collect();
    let bounds = bounds(9, 4);
    let names = Names::of(&NAMES);
    let mut walk = Walk::new(&prefix, &names, &filter, &bounds);
    let refs = walk.take_page(keys.clone(), false);
    assert_eq!(refs.iter().map(|taken| taken.micros).collect::<Vec<_>>(), [2, 6]);
    let (next, reason) = (Offset::of(keys[5].clone()), StopReason::Limit);
    assert_eq!(walk.end(), Some(WalkEnd { next, malformed: 1, other_partitions: 1, not_selected: 2, reason }));

    let names = Names::of(&NAMES);
    let mut walk = Walk::new(&prefix, &names, &filter, &bounds);
    let others = (1..=MAX_NOT_SELECTED + 9).map(|at| format!("d/_ref/{at:016}-t-{ATTEMPT};p=2.ref"));
    let far = Bounds { cutoff: "d/_ref/9".to_owned(), ..bounds.clone() };
    walk.bounds = &far;
    assert_eq!(walk.take_page(others, false), []);
    let end = walk.end().unwrap();
    assert_eq!((end.not_selected, end.reason), (MAX_NOT_SELECTED, StopReason::Limit));

    // A window of time is walked to its end.
    let whole = Bounds { limit: usize::MAX, ..far.clone() };
    let mut walk = Walk::new(&prefix, &names, &filter, &whole);
    let others = (1..=MAX_NOT_SELECTED + 9).map(|at| format!("d/_ref/{at:016}-t-{ATTEMPT};p=2.ref"));
    let last = format!("d/_ref/{:016}-t-{ATTEMPT};p=1.ref", MAX_NOT_SELECTED + 10);
    assert_eq!(walk.take_page(others.chain([last]), true).len(), 1);
    let end = walk.end().unwrap();
    assert_eq!((end.not_selected, end.reason), (MAX_NOT_SELECTED + 9, StopReason::Tip));
}
