use super::*;
use crate::pattern::{ListPlan, Pattern};

const NAMES: [&str; 1] = ["p"];
/// S3's time of the listings, in microseconds.
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

fn seen(objects: Vec<ListedObject>) -> (Prefix, Seen) {
    let prefix = Prefix::new("d").unwrap();
    let plan = ListPlan::new([Pattern::parse("*", &NAMES).unwrap()], &NAMES);
    let mut seen = Seen::default();
    seen.add(&prefix, &plan.listings()[0], &NAMES, objects, Some(NOW));
    (prefix, seen)
}

fn keys(seen: Seen) -> Vec<String> {
    seen.into_partitions().into_iter().flat_map(|partition| partition.files).map(|file| file.key).collect()
}

fn questions(prefix: &Prefix, seen: &Seen) -> Vec<String> {
    seen.questions(prefix).into_iter().map(|question| question.commit_key).collect()
}

#[test]
fn a_file_without_commit_is_not_there_and_needs_no_question() {
    let (prefix, seen) = seen(vec![file("p=1", "t", 1)]);
    assert_eq!(questions(&prefix, &seen), Vec::<String>::new());
    assert_eq!(keys(seen), Vec::<String>::new());
}

#[test]
fn an_old_commit_with_one_file_is_taken() {
    let (prefix, seen) = seen(vec![file("p=1", "t", 1), commit("p=1", "t", NOW - 5_000_000)]);
    assert_eq!(questions(&prefix, &seen), Vec::<String>::new());
    assert_eq!(keys(seen), [file("p=1", "t", 1).key]);
}

#[test]
fn a_fresh_commit_is_asked_unless_the_token_is_the_attempt() {
    let (prefix, mut seen) = seen(vec![file("p=1", "t", 1), commit("p=1", "t", NOW - 4_000_000)]);
    assert_eq!(questions(&prefix, &seen), ["d/data/p=1/t.commit"]);
    let question = seen.questions(&prefix).remove(0);
    let meta = CommitMeta { attempt: attempt(2), ref_micros: 0, inserted_at_micros: 0, record_count: 1 };
    seen.answer(&question, Some(meta));
    assert_eq!(keys(seen), Vec::<String>::new());

    let own = attempt(1).to_string();
    let (prefix, seen) = super::tests::seen(vec![file("p=1", &own, 1), commit("p=1", &own, NOW)]);
    assert_eq!(questions(&prefix, &seen), Vec::<String>::new());
    assert_eq!(keys(seen), [file("p=1", &own, 1).key]);
}

#[test]
fn several_attempts_are_asked_however_old() {
    let (prefix, mut seen) = seen(vec![file("p=1", "t", 1), file("p=1", "t", 2), commit("p=1", "t", 0)]);
    assert_eq!(questions(&prefix, &seen), ["d/data/p=1/t.commit"]);
    let question = seen.questions(&prefix).remove(0);
    let meta = CommitMeta { attempt: attempt(2), ref_micros: 0, inserted_at_micros: 0, record_count: 1 };
    seen.answer(&question, Some(meta));
    assert_eq!(keys(seen), [file("p=1", "t", 2).key]);
}

#[test]
fn a_commit_that_is_gone_when_asked_shows_nothing() {
    let (prefix, mut seen) = seen(vec![file("p=1", "t", 1), commit("p=1", "t", NOW)]);
    let question = seen.questions(&prefix).remove(0);
    seen.answer(&question, None);
    assert_eq!(keys(seen), Vec::<String>::new());
}

#[test]
fn partitions_come_in_key_order_and_foreign_names_are_passed() {
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
    let mut seen = Seen::default();
    seen.add(&prefix, &plan.listings()[0], &NAMES, objects, Some(NOW));
    let partitions = seen.into_partitions();
    let order: Vec<&str> = partitions.iter().map(|partition| partition.key.as_str()).collect();
    assert_eq!(order, ["p=1", "p=1-2"]);
    let files: Vec<&str> = partitions[0].files.iter().map(|file| file.key.as_str()).collect();
    assert_eq!(files, [file("p=1", "a", 3).key, file("p=1", "u", 2).key]);
    assert!(partitions[0].files.iter().all(|file| file.size == Size::Bytes(7)));
}
