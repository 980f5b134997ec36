use super::*;
use crate::pattern::{ListPlan, Pattern};

const NAMES: [&str; 1] = ["p"];
/// The `Date` header of the listings, in microseconds.
const NOW: i64 = 1_000_000_000;

fn attempt(number: u8) -> AttemptId {
    AttemptId::from_bytes([number; 16])
}

fn file(partition: &str, token: &str, number: u8) -> ListedObject {
    let name = DataName::File { token, attempt: attempt(number) };
    ListedObject { key: format!("d/data/{partition}/{name}"), size: 7, last_modified: Some(0) }
}

fn commit(partition: &str, token: &str, last_modified: i64) -> ListedObject {
    let name = DataName::Commit { token };
    ListedObject { key: format!("d/data/{partition}/{name}"), size: 0, last_modified: Some(last_modified) }
}

fn resolver(objects: Vec<ListedObject>) -> (Prefix, Resolver) {
    let prefix = Prefix::new("d").unwrap();
    let plan = ListPlan::new([Pattern::parse("*", &NAMES).unwrap()], &NAMES);
    let mut resolver = Resolver::default();
    resolver.add(&prefix, &plan.listings()[0], &NAMES, objects, Some(NOW));
    (prefix, resolver)
}

fn keys(resolver: Resolver) -> Vec<String> {
    resolver.into_partitions().into_iter().flat_map(|partition| partition.files).map(|file| file.key).collect()
}

fn queries(prefix: &Prefix, resolver: &Resolver) -> Vec<String> {
    resolver.queries(prefix).into_iter().map(|query| query.commit_key).collect()
}

#[test]
fn a_file_without_a_commit_is_not_visible_and_needs_no_query() {
    let (prefix, resolver) = resolver(vec![file("p=1", "t", 1)]);
    assert_eq!(queries(&prefix, &resolver), Vec::<String>::new());
    assert_eq!(keys(resolver), Vec::<String>::new());
}

#[test]
fn an_old_commit_with_one_file_needs_no_query() {
    let (prefix, resolver) = resolver(vec![file("p=1", "t", 1), commit("p=1", "t", NOW - 5_000_000)]);
    assert_eq!(queries(&prefix, &resolver), Vec::<String>::new());
    assert_eq!(keys(resolver), [file("p=1", "t", 1).key]);
}

#[test]
fn a_recent_commit_is_queried_unless_its_token_is_the_attempt_id() {
    let (prefix, mut resolver) = resolver(vec![file("p=1", "t", 1), commit("p=1", "t", NOW - 4_000_000)]);
    assert_eq!(queries(&prefix, &resolver), ["d/data/p=1/t.commit"]);
    let query = resolver.queries(&prefix).remove(0);
    let meta = CommitMeta { attempt: attempt(2), ref_micros: 0, inserted_at_micros: 0, record_count: 1 };
    resolver.resolve(&query, Some(meta));
    assert_eq!(keys(resolver), Vec::<String>::new());

    let own = attempt(1).to_string();
    let (prefix, resolver) = super::tests::resolver(vec![file("p=1", &own, 1), commit("p=1", &own, NOW)]);
    assert_eq!(queries(&prefix, &resolver), Vec::<String>::new());
    assert_eq!(keys(resolver), [file("p=1", &own, 1).key]);
}

#[test]
fn a_token_with_several_attempts_is_always_queried() {
    let (prefix, mut resolver) = resolver(vec![file("p=1", "t", 1), file("p=1", "t", 2), commit("p=1", "t", 0)]);
    assert_eq!(queries(&prefix, &resolver), ["d/data/p=1/t.commit"]);
    let query = resolver.queries(&prefix).remove(0);
    let meta = CommitMeta { attempt: attempt(2), ref_micros: 0, inserted_at_micros: 0, record_count: 1 };
    resolver.resolve(&query, Some(meta));
    assert_eq!(keys(resolver), [file("p=1", "t", 2).key]);
}

#[test]
fn a_commit_that_is_missing_when_queried_makes_nothing_visible() {
    let (prefix, mut resolver) = resolver(vec![file("p=1", "t", 1), commit("p=1", "t", NOW)]);
    let query = resolver.queries(&prefix).remove(0);
    resolver.resolve(&query, None);
    assert_eq!(keys(resolver), Vec::<String>::new());
}

#[test]
fn partitions_are_in_key_order_and_foreign_keys_are_skipped() {
    let old = NOW - 60_000_000;
    let objects = vec![
        file("p=1-2", "t", 1),
        commit("p=1-2", "t", old),
        file("p=1", "u", 2),
        commit("p=1", "u", old),
        file("p=1", "a", 3),
        commit("p=1", "a", old),
        file("q=1", "t", 1),
        commit("q=1", "t", old),
        ListedObject { key: "d/data/p=1/readme.txt".to_owned(), size: 1, last_modified: None },
        ListedObject { key: "elsewhere/data/p=1/x.commit".to_owned(), size: 1, last_modified: None },
    ];
    let plan = ListPlan::new([Pattern::parse("p=*", &NAMES).unwrap()], &NAMES);
    let prefix = Prefix::new("d").unwrap();
    let mut resolver = Resolver::default();
    resolver.add(&prefix, &plan.listings()[0], &NAMES, objects, Some(NOW));
    let partitions = resolver.into_partitions();
    let order: Vec<&str> = partitions.iter().map(|partition| partition.key.as_str()).collect();
    assert_eq!(order, ["p=1", "p=1-2"]);
    let files: Vec<&str> = partitions[0].files.iter().map(|file| file.key.as_str()).collect();
    assert_eq!(files, [file("p=1", "a", 3).key, file("p=1", "u", 2).key]);
    assert!(partitions[0].files.iter().all(|file| file.size == FileSize::Bytes(7)));
}
