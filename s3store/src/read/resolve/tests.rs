use super::*;

fn attempt(number: u8) -> AttemptId {
    AttemptId::from_bytes([number; 16])
}

fn file(partition: &str, token: &str, number: u8) -> ListedObject {
    let name = DataName::File { token, attempt: attempt(number) };
    ListedObject { key: format!("d/data/{partition}/{name}"), size: 7, last_modified: Some(0), version: None }
}

fn commit(partition: &str, token: &str) -> ListedObject {
    let name = DataName::Commit { token };
    ListedObject { key: format!("d/data/{partition}/{name}"), size: 0, last_modified: Some(0), version: None }
}

fn meta(number: u8) -> CommitMeta {
    CommitMeta { attempt: attempt(number), ref_micros: 0, inserted_at_micros: 0, record_count: 9, content: None }
}

fn resolver(objects: Vec<ListedObject>) -> (Prefix, Resolver) {
    let prefix = Prefix::new("d").unwrap();
    let mut resolver = Resolver::default();
    resolver.add(&prefix, objects).unwrap();
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
fn a_commit_is_queried_unless_its_token_is_the_attempt_id() {
    let (prefix, mut resolver) = resolver(vec![file("p=1", "t", 1), commit("p=1", "t")]);
    assert_eq!(queries(&prefix, &resolver), ["d/data/p=1/t.commit"]);
    let query = resolver.queries(&prefix).remove(0);
    resolver.resolve(&prefix, &query, Some(meta(1))).unwrap();
    assert_eq!(keys(resolver), [file("p=1", "t", 1).key]);

    let own = attempt(1).to_string();
    let (prefix, resolver) = super::tests::resolver(vec![file("p=1", &own, 1), commit("p=1", &own)]);
    assert_eq!(queries(&prefix, &resolver), Vec::<String>::new());
    assert_eq!(keys(resolver), [file("p=1", &own, 1).key]);
}

#[test]
fn the_file_that_the_commit_names_is_read_even_if_it_was_not_listed() {
    let others: [&[u8]; 4] = [&[], &[1], &[1, 3], &[1, 2, 3]];
    for token in ["t", &attempt(1).to_string(), &attempt(2).to_string()] {
        for listed in others {
            let mut objects: Vec<_> = listed.iter().map(|number| file("p=1", token, *number)).collect();
            objects.push(commit("p=1", token));
            let (prefix, mut resolver) = resolver(objects);
            if listed == [1] && token == attempt(1).to_string() {
                continue;
            }
            let query = resolver.queries(&prefix).remove(0);
            resolver.resolve(&prefix, &query, Some(meta(2))).unwrap();
            let files: Vec<StoredFile> = resolver.into_partitions().remove(0).files;
            let size = if listed.contains(&2) { FileSize::Bytes(7) } else { FileSize::Rows(9) };
            assert_eq!(
                files,
                [StoredFile { key: file("p=1", token, 2).key, size, version: None, offset: None }],
                "{token} {listed:?}"
            );
        }
    }
}

#[test]
fn a_key_that_is_listed_twice_is_read_once() {
    let own = attempt(1).to_string();
    let once = vec![file("p=1", &own, 1), commit("p=1", &own)];
    let (prefix, resolver) = resolver([once.clone(), once].concat());
    assert_eq!(queries(&prefix, &resolver), Vec::<String>::new());
    assert_eq!(keys(resolver), [file("p=1", &own, 1).key]);
}

#[test]
fn a_commit_that_is_missing_when_queried_is_an_error() {
    for files in [vec![], vec![file("p=1", "t", 1)], vec![file("p=1", "t", 1), file("p=1", "t", 2)]] {
        let (prefix, mut resolver) = resolver([files, vec![commit("p=1", "t")]].concat());
        let query = resolver.queries(&prefix).remove(0);
        let error = resolver.resolve(&prefix, &query, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Vanished);
        assert!(error.to_string().contains("d/data/p=1/t.commit"), "{error}");
    }
}

#[test]
fn partitions_are_in_key_order_and_foreign_keys_are_skipped() {
    let objects = vec![
        file("p=1-2", "t", 1),
        commit("p=1-2", "t"),
        file("p=1", "u", 2),
        commit("p=1", "u"),
        file("p=1", "a", 3),
        commit("p=1", "a"),
        ListedObject { key: "d/data/p=1/readme.txt".to_owned(), size: 1, last_modified: None, version: None },
        ListedObject { key: "elsewhere/data/p=1/x.commit".to_owned(), size: 1, last_modified: None, version: None },
    ];
    let (_, resolver) = resolver(objects);
    let partitions = resolver.into_partitions();
    let order: Vec<&str> = partitions.iter().map(|partition| partition.key.as_str()).collect();
    assert_eq!(order, ["p=1", "p=1-2"]);
    let files: Vec<&str> = partitions[0].files.iter().map(|file| file.key.as_str()).collect();
    assert_eq!(files, [file("p=1", "a", 3).key, file("p=1", "u", 2).key]);
    assert!(partitions[0].files.iter().all(|file| file.size == FileSize::Bytes(7)));
}

#[test]
fn commits_from_an_instant_on_do_not_count() {
    let prefix = Prefix::new("d").unwrap();
    let own = attempt(1).to_string();
    let dated = |last_modified| [file("p=1", &own, 1), ListedObject { last_modified, ..commit("p=1", &own) }];
    let visible = |as_of, last_modified| {
        let mut resolver = Resolver::new(as_of);
        resolver.add(&prefix, Vec::from(dated(last_modified)))?;
        Ok::<_, Error>(keys(resolver).len())
    };
    assert_eq!(visible(Some(5), Some(4)).unwrap(), 1);
    assert_eq!(visible(Some(5), Some(5)).unwrap(), 0);
    assert_eq!(visible(None, None).unwrap(), 1);
    assert_eq!(visible(Some(5), None).unwrap_err().kind(), ErrorKind::InvalidData);
}
