//! Walks through listings of the in-process S3, in both orders of servers.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::clock::Clock;
use crate::dataset::SchemaCheck;
use crate::format::{AttemptId, DataName};
use crate::testing::{Fault, FaultBuilder, ListOrder, Operation, S3, ServerTime};

const BUCKET: &str = "warehouse";
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Limits under which every listing is divided as soon as its folders are known.
fn eager() -> Limits {
    let always = u64::MAX >> 8;
    Limits {
        pages_to_prune: 1,
        pages_to_divide: 1,
        rest_to_divide: 0,
        pruned_percent: always,
        divided_percent: always,
        division_percent: 1_000,
        folder_percent: always,
        folder_percent_to_divide: always,
        folders: usize::MAX,
        least_pages: 0,
        objects_ahead: 5,
        page: 3,
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// An S3 with a dataset.
struct World {
    s3: S3,
    dataset: Dataset,
}

impl World {
    async fn new(permits: usize, order: ListOrder, page: usize) -> Self {
        let (s3, clock) = (S3::with_bucket(BUCKET), Clock::virtual_time());
        s3.set_time(ServerTime::Tokio(clock.now()));
        s3.set_list_order(order);
        let options = Dataset::options().clock(clock).max_inflight_requests(permits).schema_check(SchemaCheck::Off);
        let dataset = options.init(s3.client(), BUCKET, "d").await.unwrap().into_dataset();
        s3.set_page_size(page);
        s3.clear_requests();
        Self { s3, dataset }
    }

    /// Puts so many files, each with its commit.
    fn put(&self, partition: &str, files: usize) {
        for file in 0..files {
            let token = format!("{file:06}");
            let names = [
                DataName::File { token: &token, attempt: AttemptId::from_bytes([1; 16]) },
                DataName::Commit { token: &token },
            ];
            for name in names {
                self.s3.put_object(BUCKET, &format!("d/data/{partition}/{name}"), "");
            }
        }
    }

    fn walk(
        &self,
        patterns: &[&str],
        names: &'static [&'static str],
        haste: Haste,
        limits: Limits,
    ) -> BoxStream<'static, Result<ListedPartition>> {
        let patterns = patterns.iter().map(|text| Pattern::parse(text, names).unwrap()).collect();
        partitions_of(Scope::new(&self.dataset, Names::of(names), haste, limits), patterns)
    }

    /// Returns the objects of all partitions that the patterns select, without a listing.
    fn expected(&self, patterns: &[&str], names: &[&str]) -> Vec<(String, Vec<String>)> {
        let patterns: Vec<_> = patterns.iter().map(|text| Pattern::parse(text, names).unwrap()).collect();
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in self.s3.keys(BUCKET) {
            let Some(parsed) = self.dataset.keys().parse_data_key(&key) else { continue };
            let is_named = PartitionKey::has_names(parsed.partition, names);
            if is_named && patterns.iter().any(|pattern| pattern.matches(parsed.partition, names)) {
                found.entry(parsed.partition.to_owned()).or_default().push(key);
            }
        }
        found.into_iter().collect()
    }

    fn lists(&self) -> usize {
        self.s3.requests().iter().filter(|request| request.operation == Operation::List).count()
    }

    fn lists_by_folder(&self) -> usize {
        self.s3.requests().iter().filter(|request| request.parameter("delimiter").is_some()).count()
    }
}

fn lists() -> FaultBuilder {
    Fault::on(Operation::List)
}

fn by_folder() -> FaultBuilder {
    lists().matching(|request| request.parameter("delimiter").is_some())
}

/// Makes requests take unequal time.
fn scatter(s3: &S3) {
    s3.inject(Fault::any().always().call_before(|request| {
        let hash = (request.number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        pause(Duration::from_millis(5 + hash % 60))
    }));
}

#[expect(clippy::disallowed_methods, reason = "time is paused")]
async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[expect(clippy::disallowed_methods, reason = "time is paused")]
fn instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

fn found(partition: ListedPartition) -> (String, Vec<String>) {
    let keys = partition.objects.into_iter().map(|object| object.key).collect();
    (partition.key.as_str().to_owned(), keys)
}

async fn all(partitions: BoxStream<'static, Result<ListedPartition>>) -> Result<Vec<(String, Vec<String>)>> {
    partitions.map_ok(found).try_collect().await
}

/// Values that are the start of others, with bytes around `/`, escapes, and more than one byte for a character.
fn arb_value() -> impl Strategy<Value = String> {
    "[a1!.~%=-]{1,4}|a[é +]|[ab1]|1-2|1\\.5".prop_filter("a legal value", |value| !value.contains(".."))
}

fn arb_segment(name: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        2 => "[ab1]|1-2".prop_map(move |value| format!("{name}={value}")),
        1 => "[a1]".prop_map(move |start| format!("{name}={start}*")),
        1 => Just(format!("{name}=1..b")),
    ]
}

/// The partitions and how many files each has, and the patterns of a read.
#[derive(Debug, Clone)]
struct Case {
    names: &'static [&'static str],
    partitions: BTreeMap<String, usize>,
    patterns: Vec<String>,
    order: ListOrder,
    page: usize,
    permits: usize,
    haste: Haste,
}

fn arb_case() -> impl Strategy<Value = Case> {
    let partitions = |columns: usize| {
        let values = proptest::collection::vec(arb_value(), columns);
        proptest::collection::btree_map(values, 1_usize..4, 0..30).prop_map(|found| {
            let key = |values: Vec<String>| {
                let segments = values.iter().zip(NAMES).map(|(value, name)| format!("{name}={value}"));
                segments.collect::<Vec<_>>().join("/")
            };
            found.into_iter().map(|(values, files)| (key(values), files)).collect::<BTreeMap<_, _>>()
        })
    };
    let patterns = |columns: usize| {
        let segments = NAMES.into_iter().take(columns).map(arb_segment).collect::<Vec<_>>();
        proptest::collection::vec(segments.prop_map(|segments| segments.join("/")), 1..4)
    };
    let order = prop_oneof![Just(ListOrder::Bytes), Just(ListOrder::Folders)];
    let haste = prop_oneof![Just(Haste::First), Just(Haste::All)];
    (1_usize..=3, order, 1_usize..8, 1_usize..=4, haste).prop_flat_map(move |(columns, order, page, permits, haste)| {
        (partitions(columns), patterns(columns)).prop_map(move |(partitions, patterns)| Case {
            names: &NAMES[..columns],
            partitions,
            patterns,
            order,
            page,
            permits,
            haste,
        })
    })
}

impl Case {
    async fn world(&self) -> World {
        let world = World::new(self.permits, self.order, self.page).await;
        for (partition, files) in &self.partitions {
            world.put(partition, *files);
        }
        // Objects of others, and a partition with other columns.
        for key in
            ["readme", "a=1", "a=1/.keep", "x=1/y=2/t.commit", "a=1/b=1/c=1/d=1/t.commit", "lake/data/a=1/t.commit"]
        {
            world.s3.put_object(BUCKET, &format!("d/data/{key}"), "");
        }
        scatter(&world.s3);
        world
    }

    fn patterns(&self) -> Vec<&str> {
        self.patterns.iter().map(String::as_str).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_divided_listing_has_the_partitions_of_the_whole_one(case in arb_case()) {
        runtime().block_on(async {
            let world = case.world().await;
            let expected = world.expected(&case.patterns(), case.names);
            let limits = [eager(), Limits { pages_to_prune: 2, division_percent: 0, ..eager() }, Limits::default()];
            for limits in limits {
                let mut read = all(world.walk(&case.patterns(), case.names, case.haste, limits)).await.unwrap();
                read.iter_mut().for_each(|(_, keys)| keys.sort());
                prop_assert_eq!(&read, &expected);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_dropped_walk_leaves_no_permit(case in arb_case(), after in 0_u64..600) {
        runtime().block_on(async {
            let world = case.world().await;
            let read = all(world.walk(&case.patterns(), case.names, case.haste, eager()));
            let dropped = tokio::select! {
                biased;
                _ = read => false,
                () = pause(Duration::from_millis(after)) => true,
            };
            // A task that is aborted ends when the runtime runs next.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            prop_assert_eq!(world.dataset.client().free_permits(), case.permits, "dropped: {}", dropped);
            Ok(())
        })?;
    }
}

/// Puts 24 folders `a` with 5 folders `b` of 2 files each: 480 objects, 48 pages of 10.
async fn grid(permits: usize, order: ListOrder) -> World {
    let world = World::new(permits, order, 10).await;
    for a in 0..24 {
        for b in 0..5 {
            world.put(&format!("a=2026-{a:02}/b={b}"), 2);
        }
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_server_without_folders_is_listed_as_a_whole() {
    let edit = |edit: fn(&str) -> String| move |body: bytes::Bytes| edit(std::str::from_utf8(&body).unwrap()).into();
    type Case = (&'static str, Box<dyn Fn() -> Fault>);
    let cases: Vec<Case> = vec![
        ("refused", Box::new(|| by_folder().always().fail(403, "AccessDenied"))),
        ("not implemented", Box::new(|| by_folder().always().fail(501, "NotImplemented"))),
        ("unavailable", Box::new(|| by_folder().always().fail(503, "SlowDown"))),
        ("no response", Box::new(|| by_folder().always().hang())),
        ("the first page only", Box::new(|| by_folder().skip(1).always().fail(403, "AccessDenied"))),
        (
            "nothing",
            Box::new(move || {
                by_folder().always().rewrite_body(edit(|body| {
                    let (head, _) = body.split_once("<CommonPrefixes>").unwrap();
                    let (_, end) = body.rsplit_once("</CommonPrefixes>").unwrap();
                    let (head, end) = (without(head, "NextContinuationToken"), without(end, "NextContinuationToken"));
                    let count =
                        |text: String| without(&text, "KeyCount").replace("<IsTruncated>true<", "<IsTruncated>false<");
                    format!("{}{}", count(head), count(end))
                }))
            }),
        ),
        (
            "a folder is missing",
            Box::new(move || {
                by_folder().always().rewrite_body(move |body| {
                    let body = std::str::from_utf8(&body).unwrap();
                    let is_first = body.contains("2026-00");
                    let text =
                        if is_first { without(&without(body, "CommonPrefixes"), "KeyCount") } else { body.to_owned() };
                    text.into()
                })
            }),
        ),
        (
            "another count",
            Box::new(move || by_folder().always().rewrite_body(edit(|body| body.replace("<KeyCount>", "<KeyCount>1")))),
        ),
        (
            "keys instead of folders",
            Box::new(move || {
                by_folder().always().rewrite_body(edit(|body| {
                    body.replace("CommonPrefixes>", "Contents>")
                        .replace(
                            "</Prefix></Contents>",
                            "x</Prefix><LastModified>2026-03-17T10:20:30Z</LastModified><Size>1</Size></Contents>",
                        )
                        .replace("<Contents><Prefix>", "<Contents><Key>")
                        .replace("x</Prefix>", "x</Key>")
                }))
            }),
        ),
    ];
    for (what, fault) in cases {
        let world = grid(4, ListOrder::Bytes).await;
        world.s3.inject(fault());
        let read = all(world.walk(&["*/b=3"], &NAMES[..2], Haste::First, Limits::default())).await.unwrap();
        assert_eq!(read, world.expected(&["*/b=3"], &NAMES[..2]), "{what}");
        let by_folder = world.lists_by_folder();
        assert!((1..=5).contains(&by_folder), "{what}: {by_folder} listings by folder");
        // Tries count, too.
        assert_eq!(world.lists(), 48 + by_folder, "{what}");
    }
}

/// Returns the document without its elements of this name.
fn without(text: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    match (text.find(&open), text.find(&close)) {
        (Some(start), Some(end)) => format!("{}{}", &text[..start], &text[end + close.len()..]),
        _ => text.to_owned(),
    }
}

/// Returns the document with an element of this name left out, repeated, or empty.
fn changed(text: &str, name: &str, is_first: bool) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let find = |text: &str, part: &str| if is_first { text.find(part) } else { text.rfind(part) };
    let (Some(start), Some(end)) = (find(text, &open), find(text, &close)) else { return Vec::new() };
    let (before, element, after) = (&text[..start], &text[start..end + close.len()], &text[end + close.len()..]);
    vec![
        format!("{before}{after}"),
        format!("{before}{element}{element}{after}"),
        format!("{before}{open}{close}{after}"),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_listing_by_folder_with_a_changed_element_makes_no_difference() {
    let (mut whole, mut pruned) = (0, 0);
    for name in [
        "Name",
        "Prefix",
        "Delimiter",
        "KeyCount",
        "MaxKeys",
        "IsTruncated",
        "CommonPrefixes",
        "EncodingType",
        "ContinuationToken",
        "NextContinuationToken",
    ] {
        for (is_first, page, change) in
            [true, false].into_iter().flat_map(|is_first| (0..9).map(move |n| (is_first, n / 3, n % 3)))
        {
            let world = grid(4, ListOrder::Bytes).await;
            // All tries of one of the three pages.
            world.s3.inject(by_folder().always().rewrite_body(move |body| {
                let body = std::str::from_utf8(&body).unwrap();
                let is_page = [0, 10, 20].map(|folder| format!("2026-{folder:02}"));
                let changed = changed(body, name, is_first).into_iter().nth(change);
                let changed = changed.filter(|_| body.contains(&is_page[page]));
                changed.unwrap_or_else(|| body.to_owned()).into()
            }));
            let read = all(world.walk(&["*/b=3"], &NAMES[..2], Haste::First, Limits::default())).await.unwrap();
            assert_eq!(read, world.expected(&["*/b=3"], &NAMES[..2]), "{name} {is_first} {page} {change}");
            *(if world.lists() > 48 { &mut whole } else { &mut pruned }) += 1;
        }
    }
    assert!(whole > 40 && pruned > 40, "{whole} listed as a whole, {pruned} pruned");
}

#[tokio::test(start_paused = true)]
async fn a_failed_listing_of_a_folder_fails_the_read() {
    let world = grid(4, ListOrder::Bytes).await;
    world.s3.inject(
        lists()
            .matching(|request| request.prefix() == Some("d/data/a=2026-20/b=3/"))
            .always()
            .fail(403, "AccessDenied"),
    );
    let mut partitions = world.walk(&["*/b=3"], &NAMES[..2], Haste::First, Limits::default());
    let mut read = 0;
    let error = loop {
        match partitions.try_next().await {
            Ok(Some(_)) => read += 1,
            Ok(None) => panic!("complete without a folder"),
            Err(error) => break error,
        }
    };
    assert_eq!(read, 20);
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("a=2026-20/b=3"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn only_folders_that_the_pattern_selects_are_listed() {
    for order in [ListOrder::Bytes, ListOrder::Folders] {
        for permits in [1, 4] {
            for haste in [Haste::First, Haste::All] {
                let world = grid(permits, order).await;
                let read = all(world.walk(&["*/b=3"], &NAMES[..2], haste, Limits::default())).await.unwrap();
                assert_eq!(read, world.expected(&["*/b=3"], &NAMES[..2]));
                // 48 pages as a whole; 3 pages, 3 of folders, and one listing for each of 24 folders, beside pages meanwhile.
                let lists = world.lists();
                assert!((24..=36).contains(&lists), "{order:?} {permits} {haste:?}: {lists} LISTs");
            }
        }
    }
}

/// The consumer takes a few partitions and then nothing for a long time.
#[tokio::test(start_paused = true)]
async fn a_slow_consumer_bounds_the_pages_that_are_fetched_ahead() {
    let limits = Limits { page: 10, objects_ahead: 400, ..Limits::default() };
    for order in [ListOrder::Bytes, ListOrder::Folders] {
        let world = World::new(4, order, 10).await;
        for partition in 0..400 {
            // Two pages. A folder has 20.
            world.put(&format!("a={:02}/b={}", partition / 10, partition % 10), 10);
        }
        let mut partitions = world.walk(&["*"], &NAMES[..2], Haste::First, limits.clone());
        let mut read = 0;
        // The listing is divided after its first pages.
        while world.lists_by_folder() == 0 || read < 10 {
            partitions.try_next().await.unwrap().unwrap();
            read += 1;
        }
        pause(Duration::from_secs(60)).await;
        let before = world.lists();
        pause(Duration::from_secs(600)).await;
        assert_eq!(world.lists(), before);
        // Up to 20 pages were read. Four listings keep 40 pages together and one each, and hold a few more.
        assert!((50..110).contains(&before), "{order:?}: {before} LISTs");
        let rest: Vec<_> = partitions.try_collect().await.unwrap();
        assert_eq!(read + rest.len(), 400);
        assert!(world.lists() <= 800 * 110 / 100, "{order:?}: {} LISTs", world.lists());
    }
}

/// A long listing takes the time of its pages divided by the permits, and few requests more.
#[tokio::test(start_paused = true)]
async fn a_long_listing_is_walked_through_side_by_side() {
    const REQUEST: Duration = Duration::from_millis(20);
    for order in [ListOrder::Bytes, ListOrder::Folders] {
        for (permits, limit) in [(1, 410), (8, 85), (32, 60)] {
            let world = World::new(permits, order, 20).await;
            // A month has 30 folders of two pages each.
            for day in 0..200 {
                world.put(&format!("a=2026-{:02}-{:02}", day / 30 + 1, day % 30 + 1), 20);
            }
            world.s3.inject(lists().always().delay_answer(REQUEST));
            let before = instant();
            let read = all(world.walk(&["*"], &NAMES[..1], Haste::All, Limits::default())).await.unwrap();
            let took = instant() - before;
            assert_eq!(read, world.expected(&["*"], &NAMES[..1]));
            let lists = world.lists();
            println!(
                "{order:?}, {permits} permits: {lists} LISTs of 400 pages, {} rounds",
                took.as_millis() / REQUEST.as_millis()
            );
            assert!(took <= REQUEST * limit, "{order:?} {permits}: {took:?}");
            assert!(lists <= 440, "{order:?} {permits}: {lists} LISTs");
        }
    }
}
