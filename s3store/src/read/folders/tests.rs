use super::*;
use crate::pattern::{ListPlan, Pattern};

const NAMES: [&str; 2] = ["a", "b"];

/// The number of objects in a page.
const PAGE: usize = 10;

/// Returns the listing of a pattern.
fn listing(pattern: &str) -> Listing {
    let pattern = Pattern::parse(pattern, &NAMES).unwrap();
    ListPlan::new([pattern], &NAMES).into_listings().remove(0)
}

/// Returns the keys of a folder: `b=0` to `b=9` have the same number of objects.
fn keys(folder: &str, objects: usize) -> Vec<String> {
    (0..objects).map(|object| format!("{folder}b={}/{object:04}", object * 10 / objects)).collect()
}

/// Returns the sample of a listing after all pages of these folders.
fn sample(pattern: &str, width: usize, folders: &[&str], objects: usize) -> Sample {
    let mut sample = Sample::new(&listing(pattern), Names::of(&NAMES), width, &Limits::default()).unwrap();
    let keys: Vec<String> = folders.iter().flat_map(|folder| keys(folder, objects)).collect();
    for page in keys.chunks(PAGE) {
        sample.add_page(page.iter().map(String::as_str));
    }
    sample
}

fn plan(sample: Sample, folders: &[String], used: Option<&str>) -> Plan {
    let mut known = KnownFolders::new(sample);
    known.add(folders.iter().map(String::as_str));
    known.plan(used)
}

fn prefixes(plan: Plan) -> Vec<String> {
    match plan {
        Plan::Divide(listings) => listings.iter().map(|listing| listing.prefix().to_owned()).collect(),
        other => panic!("{other:?}"),
    }
}

fn numbered(range: Range<usize>) -> Vec<String> {
    range.map(|folder| format!("a={folder:02}/")).collect()
}

#[test]
fn a_later_column_is_listed_in_each_folder() {
    let folders = ["a=1/", "a=1-2/", "a=1.5/", "a=2/"].map(str::to_owned);
    let sample = sample("*/b=3", 1, &["a=1-2/"], 100);
    assert!(sample.is_worth_folders());
    // In the order of the partitions, not of the values.
    let expected = ["a=1-2/b=3/", "a=1.5/b=3/", "a=1/b=3/", "a=2/b=3/"];
    assert_eq!(prefixes(plan(sample, &folders, None)), expected);
}

#[test]
fn folders_that_are_selected_as_a_whole_share_a_listing() {
    let selected = |width| sample("a=10..2/*", width, &["a=00/", "a=01/"], 30);
    // `a=1` has them all, and half of a page is saved for each.
    assert_eq!(prefixes(plan(selected(1), &numbered(0..90), None)), ["a=1"]);
    // One folder is listed in vain rather than that two more listings end with half a page.
    let mut others = numbered(0..90);
    others.push("a=1x/".to_owned());
    assert_eq!(prefixes(plan(selected(1), &others, None)), ["a=1"]);
    // The plan leaves out partitions that were handed over.
    let rest = ["a=17/", "a=18/", "a=19/"];
    assert_eq!(prefixes(plan(selected(1), &numbered(0..90), Some("a=16/b=9"))), ["a=16/", rest[0], rest[1], rest[2]]);
}

#[test]
fn a_listing_is_divided_into_parts_of_similar_size() {
    // 40 folders of 10 pages.
    let sample = || sample("*", 4, &["a=00/", "a=01/"], 100);
    assert!(sample().is_worth_folders());
    let parts = prefixes(plan(sample(), &numbered(0..40), Some("a=01/b=9")));
    assert!((10..=40).contains(&parts.len()), "{parts:?}");
    assert!(parts.is_sorted() && parts.iter().all(|part| !"a=00/".starts_with(part)), "{parts:?}");
    for folder in &numbered(1..40) {
        let covering = parts.iter().filter(|part| folder.starts_with(part.as_str())).count();
        assert_eq!(covering, 1, "{folder}: {parts:?}");
    }
    // Not with one permit, and not if little is left.
    let single = self::sample("*", 1, &["a=00/", "a=01/"], 100);
    assert!(!single.is_worth_folders());
    assert!(matches!(plan(single, &numbered(0..40), None), Plan::Later));
    assert!(matches!(plan(sample(), &numbered(0..3), Some("a=01/b=9")), Plan::Later));
}

#[test]
fn small_folders_are_not_worth_it() {
    let small: Vec<String> = (0..50).map(|folder| format!("a={folder:03}/")).collect();
    let small: Vec<&str> = small.iter().map(String::as_str).collect();
    assert!(!sample("*/b=3", 4, &small, 10).is_worth_folders());
    assert!(!sample("*", 4, &small, 2).is_worth_folders());
    // The first page may show otherwise, but more of them cost too much.
    let none = sample("a=x../*", 4, &small, 5);
    assert!(none.is_worth_folders());
    let mut known = KnownFolders::new(none);
    known.add(small.iter().copied());
    assert!(!known.is_worth_more());
}

#[test]
fn folders_are_not_trusted_if_one_is_missing() {
    let plan = plan(sample("*/b=3", 1, &["a=00/", "a=01/"], 100), &numbered(1..40), None);
    assert!(matches!(plan, Plan::Never), "{plan:?}");
}

/// As long as the first folder has not passed, it seems to have no more than its pages so far.
#[test]
fn a_plan_is_made_again_when_the_size_of_a_folder_is_known() {
    let first = sample("*", 4, &["a=00/"], 90);
    assert!(first.is_worth_folders());
    let mut known = KnownFolders::new(first);
    let folders = numbered(0..8);
    known.add(folders.iter().map(String::as_str));
    assert!(matches!(known.plan(None), Plan::Later));
    assert!(matches!(known.plan(Some("a=01/b=0")), Plan::Later));
    let next = ["a=01/b=0/0000".to_owned()];
    known.add_page(next.iter().map(String::as_str));
    assert_eq!(prefixes(known.plan(Some("a=01/b=0"))), numbered(1..8));
}
