use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::format::{AttemptId, DataName};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// The order in which a server lists keys.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Server {
    Bytes,
    Folders,
}

/// A server with partitions of one object each, or of several.
#[derive(Debug, Clone)]
struct World {
    names: &'static [&'static str],
    partitions: BTreeSet<String>,
    server: Server,
    page: usize,
    pattern: String,
}

/// The events of a walk.
#[derive(Debug, Default)]
struct Trace {
    partitions: Vec<String>,
    asked: Vec<String>,
    /// The number of partitions that were handed over before each page.
    before_page: Vec<usize>,
}

fn object(key: String) -> ListedObject {
    ListedObject { key, size: 1, last_modified: Some(0), version: None }
}

impl World {
    fn names(&self) -> &'static [&'static str] {
        self.names
    }

    fn prefix() -> Prefix {
        Prefix::new("d").unwrap()
    }

    /// Returns the objects of a partition: one that the library did not put, a data file and its commit.
    fn objects(partition: &str) -> Vec<ListedObject> {
        let (token, attempt) = ("t", AttemptId::from_bytes([1; 16]));
        let names = [DataName::File { token, attempt }, DataName::Commit { token }].map(|name| name.to_string());
        let names = ["0.tmp".to_owned()].into_iter().chain(names);
        names.map(|name| object(format!("d/data/{partition}/{name}"))).collect()
    }

    fn listing(&self) -> Listing {
        let pattern = Pattern::parse(&self.pattern, self.names()).unwrap();
        ListPlan::new([pattern], self.names()).into_listings().remove(0)
    }

    fn listed(&self) -> Vec<ListedObject> {
        let prefix = format!("d/data/{}", self.listing().prefix());
        let mut objects: Vec<_> = self.partitions.iter().flat_map(|partition| Self::objects(partition)).collect();
        objects.retain(|object| object.key.starts_with(&prefix));
        match self.server {
            Server::Bytes => objects.sort_by(|one, other| one.key.cmp(&other.key)),
            Server::Folders => objects.sort_by(|one, other| one.key.split('/').cmp(other.key.split('/'))),
        }
        objects
    }

    /// Walks through the listing. The answer to a request arrives after so many pages.
    fn walk(&self, delay: usize) -> Trace {
        let prefix = Self::prefix();
        let mut listed = ListedPartitions::new(&prefix, self.listing(), Names::of(self.names()), None);
        let objects = self.listed();
        let mut pages: VecDeque<_> = objects.chunks(self.page).map(<[ListedObject]>::to_vec).collect();
        if pages.is_empty() {
            pages.push_back(Vec::new());
        }
        let mut answers: VecDeque<(usize, String)> = VecDeque::new();
        let mut trace = Trace::default();
        let mut arrived = 0;
        loop {
            match listed.step().unwrap() {
                Step::Partition(partition) => {
                    trace.partitions.push(partition.key.as_str().to_owned());
                    continue;
                }
                Step::Ask(keys) => {
                    trace.asked.extend(keys.iter().cloned());
                    answers.extend(keys.into_iter().map(|key| (arrived + delay, key)));
                }
                Step::Wait => {}
            }
            if let Some((_, key)) = answers.pop_front_if(|(at, _)| *at <= arrived) {
                let objects = if self.partitions.contains(&key) { Self::objects(&key) } else { Vec::new() };
                listed.answer(key, objects);
                continue;
            }
            let Some(page) = pages.pop_front() else { return trace };
            trace.before_page.push(trace.partitions.len());
            arrived += 1;
            listed.page(page, pages.is_empty());
        }
    }
}

/// Returns the partitions that the pattern selects, in the order of their keys.
fn expected(world: &World) -> Vec<String> {
    let listing = world.listing();
    world.partitions.iter().filter(|key| listing.selects_partition(key, world.names())).cloned().collect()
}

/// Generates values whose bytes are around `/`, so that many are the start of others.
fn arb_value() -> impl Strategy<Value = String> {
    "[a!.0-]{1,4}|a[é +]|[ab]".prop_filter("a legal value", |value| !value.contains(".."))
}

fn arb_world() -> impl Strategy<Value = World> {
    let partitions = |columns: usize| {
        proptest::collection::btree_set(proptest::collection::vec(arb_value(), columns), 0..40).prop_map(|keys| {
            let key = |values: Vec<String>| {
                let segments = values.iter().zip(NAMES).map(|(value, name)| format!("{name}={value}"));
                segments.collect::<Vec<_>>().join("/")
            };
            keys.into_iter().map(key).collect::<BTreeSet<_>>()
        })
    };
    let server = prop_oneof![Just(Server::Bytes), Just(Server::Folders)];
    (1_usize..=3, server, 1_usize..12, 0_usize..4).prop_flat_map(move |(columns, server, page, pattern)| {
        let first = ["*", "a=a", "a=a*", "a=a-..b"][pattern];
        let pattern = [first, "*", "*"][..columns].join("/");
        partitions(columns).prop_map(move |partitions| World {
            names: &NAMES[..columns],
            partitions,
            server,
            page,
            pattern: pattern.clone(),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn partitions_come_in_the_order_of_their_keys(world in arb_world(), delay in 0_usize..3) {
        let trace = world.walk(delay);
        prop_assert_eq!(&trace.partitions, &expected(&world), "{:?}", trace);
        let pages = world.listed().len().div_ceil(world.page);
        prop_assert!(trace.asked.len() <= pages + SPARE_REQUESTS);
        let distinct: BTreeSet<_> = trace.asked.iter().collect();
        prop_assert_eq!(distinct.len(), trace.asked.len(), "asked twice");
    }
}

fn world(
    server: Server,
    names: &'static [&'static str],
    pattern: &str,
    keys: impl IntoIterator<Item = String>,
) -> World {
    World { names, partitions: keys.into_iter().collect(), server, page: 300, pattern: pattern.to_owned() }
}

fn days() -> impl Iterator<Item = String> {
    let days = (2023..2027).flat_map(|year| (1..13).flat_map(move |month| (1..31).map(move |day| (year, month, day))));
    days.map(|(year, month, day)| format!("{year}-{month:02}-{day:02}"))
}

/// The first partition needs one request, whether `a=2023` exists. Each year needs one, if no page ends it before.
#[test]
fn days_come_while_the_listing_goes_on() {
    for server in [Server::Bytes, Server::Folders] {
        let world = world(server, &NAMES[..1], "*", days().map(|day| format!("a={day}")));
        let trace = world.walk(0);
        assert_eq!(trace.partitions, expected(&world));
        assert_eq!(trace.asked, ["a=2023", "a=2024", "a=2025", "a=2026"], "{server:?}");
        // A page has 100 partitions. At most those of a page and a month wait for the next one.
        for (page, before) in trace.before_page.iter().enumerate().skip(1) {
            assert!(
                (page * 100..page * 100 + 132).contains(&(before + 132)),
                "{server:?}: {before} before page {page}"
            );
        }
        assert!(trace.before_page[1] > 60, "{server:?}: {:?}", trace.before_page);
    }
}

/// The start of a key is a partition, which is listed by a request of its own and skipped later.
#[test]
fn a_partition_that_the_listing_brings_late_comes_first() {
    let years = ["a=2023".to_owned(), "a=2024-02".to_owned()];
    let world = world(Server::Bytes, &NAMES[..1], "*", days().map(|day| format!("a={day}")).chain(years));
    let trace = world.walk(0);
    assert_eq!(trace.partitions, expected(&world));
    assert_eq!(trace.partitions[0], "a=2023");
    assert!(trace.before_page[1] > 60, "{:?}", trace.before_page);
}

/// The answer has all objects, so those that the listing has brought meanwhile don't count.
#[test]
fn a_partition_that_the_listing_reaches_before_the_answer_has_each_object_once() {
    let objects = World::objects("a=1");
    let listing = world(Server::Bytes, &NAMES[..1], "*", []).listing();
    let mut listed = ListedPartitions::new(&World::prefix(), listing, Names::of(&NAMES[..1]), None);
    listed.page(World::objects("a=1-2"), false);
    listed.page(World::objects("a=1-3"), false);
    let Step::Ask(asked) = listed.step().unwrap() else { panic!("does not ask") };
    assert_eq!(asked, ["a=1"]);
    listed.page(objects[..2].to_vec(), false);
    listed.answer(asked[0].clone(), objects.clone());
    listed.page(objects[2..].to_vec(), true);
    let Step::Partition(first) = listed.step().unwrap() else { panic!("no partition") };
    assert_eq!((first.key.as_str(), first.objects.as_slice()), ("a=1", &objects[1..]));
}

#[test]
fn values_of_random_uuids_need_no_requests() {
    let mut state = 7_u64;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 32
    };
    let uuids = (0..2_000).map(|_| {
        let (a, b, c) = (word(), word(), word());
        format!("a={a:08x}-{:04x}-4{:03x}-8{:03x}-{c:012x}", b >> 16, b & 0xFFF, c & 0xFFF)
    });
    let world = world(Server::Bytes, &NAMES[..1], "*", uuids);
    let trace = world.walk(0);
    assert_eq!(trace.asked, Vec::<String>::new());
    assert!(trace.before_page[1] > 90, "{:?}", trace.before_page);
}

/// Only what a listing by folders could still bring holds partitions back, and a pattern that fixes the first column excludes
/// it.
#[test]
fn partitions_of_several_columns_wait_for_the_end_of_the_first() {
    for server in [Server::Bytes, Server::Folders] {
        let keys = days().take(60).flat_map(|day| (0..20).map(move |n| format!("a={day}/b={n:02}")));
        let world = world(server, &NAMES[..2], "*/*", keys);
        let trace = world.walk(0);
        assert_eq!(trace.partitions, expected(&world));
        assert_eq!(trace.asked, Vec::<String>::new());
        for (page, before) in trace.before_page.iter().enumerate().skip(1) {
            assert!((page * 100 - 21..page * 100).contains(before), "{server:?}: {before} before page {page}");
        }
        let keys = (0..1_000).map(|n| format!("a=1/b={n:04}"));
        let fixed = super::tests::world(server, &NAMES[..2], "a=1/*", keys);
        assert_eq!(fixed.walk(0).before_page[1], 99);
    }
}

#[test]
fn a_server_of_another_order_is_held_back_or_refused() {
    let prefix = World::prefix();
    let names = &NAMES[..1];
    let listing = || world(Server::Bytes, names, "*", []).listing();
    let page = |keys: &[&str]| keys.iter().flat_map(|key| World::objects(key)).collect::<Vec<_>>();
    // Neither order has `a=3` before `a=1`, so nothing is used before the end.
    let mut listed = ListedPartitions::new(&prefix, listing(), Names::of(names), None);
    listed.page(page(&["a=3", "a=1", "a=4", "a=5"]), false);
    assert!(matches!(listed.step().unwrap(), Step::Wait));
    listed.page(page(&["a=2"]), true);
    let mut found = Vec::new();
    while let Step::Partition(partition) = listed.step().unwrap() {
        found.push(partition.key.as_str().to_owned());
    }
    assert_eq!(found, ["a=1", "a=2", "a=3", "a=4", "a=5"]);
    // If it shows too late, the read fails.
    let mut listed = ListedPartitions::new(&prefix, listing(), Names::of(names), None);
    listed.page(page(&["a=3", "a=4"]), false);
    assert!(matches!(listed.step().unwrap(), Step::Partition(_)));
    listed.page(page(&["a=1"]), true);
    let error = listed.step().unwrap_err();
    assert!(error.to_string().contains("a=1 after greater ones"), "{error}");
}

#[test]
fn listings_are_sorted_by_the_partitions_that_they_select() {
    let names = &NAMES[..2];
    let plan = |patterns: &[&str]| {
        let patterns = patterns.iter().map(|text| Pattern::parse(text, names).unwrap());
        let mut listings = ListPlan::new(patterns, names).into_listings();
        listings.sort_by(|one, other| one.keys_start(names).cmp(other.keys_start(names)));
        listings.into_iter().map(|listing| listing.prefix().to_owned()).collect::<Vec<_>>()
    };
    // The first column of the keys is followed by a `/`, the last one is not.
    assert_eq!(plan(&["a=1/*", "a=1-2/*"]), ["a=1-2/", "a=1/"]);
    assert_eq!(plan(&["a=1/b=2-3", "a=1/b=2", "a=1/b=2.*"]), ["a=1/b=2/", "a=1/b=2-3/", "a=1/b=2."]);
}
