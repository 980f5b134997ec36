//! Writes, on any server.

use chrono::DateTime;
use s3store::{Clock, CommitError, Compression, ErrorKind, Store};

use crate::integration::harness::{Server, at};
use crate::integration::records::{Event, Item};

async fn start() -> (Server, Store<Event>) {
    let server = Server::start().await;
    let store = server.dataset().await.store();
    (server, store)
}

#[tokio::test]
async fn records_go_to_their_partitions_in_key_order() {
    let (_server, store) = start().await;
    let records = [Event::new("b", 1), Event::new("a-2", 2), Event::new("b", 3), Event::new("a", 4)];
    let before = records.clone();
    let commits = store.write(&records).await.unwrap();
    let counts: Vec<_> = commits.iter().map(|commit| (commit.partition.as_str(), commit.record_count)).collect();
    assert_eq!(counts, [("part=a", 1), ("part=a-2", 1), ("part=b", 2)]);
    assert_eq!(records, before);
    let grouped = store.group_by_partition(&records).unwrap();
    assert_eq!(
        grouped.iter().map(|part| part.partition.as_str()).collect::<Vec<_>>(),
        ["part=a", "part=a-2", "part=b"]
    );
    assert_eq!(grouped[2].records, [&records[0], &records[2]]);
    assert_eq!(store.partition_of(&records[1]).unwrap(), "part=a-2");
    let unfit = store.partition_of(&Event::new("a/b", 1)).unwrap_err();
    assert!(unfit.to_string().starts_with("record Event: partition key"), "{unfit}");

    let read = store.read_all().await.unwrap();
    assert_eq!(read.iter().map(|event| event.id).collect::<Vec<_>>(), [4, 2, 1, 3]);
    for (commit, id) in commits.iter().zip([4, 2, 1]) {
        let event = read.iter().find(|event| event.id == id).unwrap();
        assert_eq!(event.inserted_at, Some(commit.inserted_at));
        assert!(commit.data_path.contains(&commit.partition) && commit.ref_path == commit.offset.as_str());
    }
}

#[tokio::test]
async fn a_token_makes_a_write_idempotent() {
    let (_server, store) = start().await;
    let records = Event::of(&["a", "b"], 2);
    let commits = store.write(&records).token("job-1").await.unwrap();
    // The insertion time differs, but the first commit counts.
    let again = store.write(&records).token("job-1").inserted_at(at(1)).await.unwrap();
    assert_eq!(again, commits);
    assert_eq!(store.read_all().await.unwrap().len(), 4);
    assert_eq!(store.lookup_commit("part=a", "job-1").await.unwrap().as_ref(), Some(&commits[0]));
    assert_eq!(store.lookup_commit("part=a", "job-2").await.unwrap(), None);
    assert_eq!(store.lookup_commit("part=c", "job-1").await.unwrap(), None);

    // Another token, or no token, is another write. A partition that is new to the token is written.
    store.write(&records).token_opt(Some("job-2")).await.unwrap();
    store.write(&records).token_opt(None::<String>).await.unwrap();
    assert_eq!(store.read_all().await.unwrap().len(), 12);
    let more = store.write(&Event::of(&["a", "c"], 2)).token("job-1").await.unwrap();
    assert_eq!(more[0], commits[0]);
    assert_eq!(store.read("part=c").await.unwrap().len(), 2);
}

#[tokio::test]
async fn token_of_computes_a_token_for_each_partition() {
    let (_server, store) = start().await;
    let records = Event::of(&["a", "b"], 3);
    let commits =
        store.write(&records).token_of(|part| format!("{}-of-{}", part.records.len(), part.partition)).await.unwrap();
    assert_eq!(commits.iter().map(|c| c.token.as_str()).collect::<Vec<_>>(), ["3-of-part=a", "3-of-part=b"]);
    let again = store.write(&records).token_of(|part| Ok::<_, std::io::Error>(format!("3-of-{}", part.partition)));
    assert_eq!(again.await.unwrap(), commits);

    let mut asked = Vec::new();
    let failing = store.write(&records).token_of(|part| {
        asked.push(part.partition.clone());
        if part.partition == "part=b" { Err("no batch for b") } else { Ok("t") }
    });
    let error = failing.await.unwrap_err();
    let cause = error.cause.unwrap();
    assert_eq!(cause.kind(), ErrorKind::InvalidInput);
    assert!(cause.to_string().contains("part=b"), "{cause}");
    assert!(std::error::Error::source(&cause).unwrap().to_string().contains("no batch for b"));
    assert_eq!(asked, ["part=a", "part=b"]);
    assert_eq!(store.lookup_commit("part=a", "t").await.unwrap(), None);
}

#[tokio::test]
async fn illegal_tokens_are_refused() {
    let (_server, store) = start().await;
    let records = Event::of(&["a"], 1);
    for token in ["", "a b", "a/b", "a;b", "a..b", "ä", "a\n", &"x".repeat(201)] {
        let error = store.write_partition("part=a", &records).token(token).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{token:?}");
        assert_eq!(store.lookup_commit("part=a", token).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    // Tokens may look like other parts of a key.
    for token in ["a-0190a0b0c0d07000800000000000abcd", "-", "a.commit", "a.parquet", "%2F", "a=b", "~!@#$%^&*()"] {
        let commits = store.write(&records).token(token).await.unwrap();
        assert_eq!(store.write(&records).token(token).await.unwrap(), commits, "{token}");
        assert_eq!(commits[0].token, token);
    }
    assert_eq!(store.read_all().await.unwrap().len(), 7);
}

#[tokio::test]
async fn insertion_times_are_whole_microseconds_everywhere() {
    let (_server, store) = start().await;
    let time = DateTime::from_timestamp_nanos(1_700_000_000_123_456_789);
    let mut records = Event::of(&["a"], 1);
    records[0].inserted_at = Some(at(42));
    let commits = store.write(&records).inserted_at(time).token("t").await.unwrap();
    assert_eq!(commits[0].inserted_at, at(1_700_000_000_123_456));
    assert_eq!(store.read_all().await.unwrap()[0].inserted_at, Some(commits[0].inserted_at));
    assert_eq!(records[0].inserted_at, Some(at(42)));
    assert_eq!(store.lookup_commit("part=a", "t").await.unwrap().as_ref(), Some(&commits[0]));

    // Times before 1970 work too. By default the insertion time is the time of the write.
    let commits = store.write(&records).inserted_at(at(-1)).token("old").await.unwrap();
    assert_eq!(store.lookup_commit("part=a", "old").await.unwrap().as_ref(), Some(&commits[0]));
    let before = Clock::machine().now();
    let commits = store.write(&records).await.unwrap();
    let after = Clock::machine().now();
    assert!((before..=after).contains(&commits[0].inserted_at), "{commits:?}");
}

#[tokio::test]
async fn every_compression_is_read_back() {
    let (_server, store) = start().await;
    let records = Event::of(&["a"], 500);
    let codecs = [Compression::Snappy, Compression::Zstd, Compression::Gzip, Compression::Uncompressed];
    for codec in codecs {
        store.write(&records).compression(codec).await.unwrap();
        store.clone().compression(codec).write(&records).await.unwrap();
    }
    assert_eq!(store.read_all().await.unwrap().len(), 2 * 4 * 500);
}

#[tokio::test]
async fn writing_no_records_makes_no_commit() {
    let (_server, store) = start().await;
    assert_eq!(store.write(&[]).token("t").await.unwrap(), []);
    assert_eq!(store.write_partition("part=a", &[]).await.unwrap(), None);
    assert_eq!(store.lookup_commit("part=a", "t").await.unwrap(), None);
    assert_eq!(store.read_all().await.unwrap(), []);
}

#[tokio::test]
async fn write_partition_uses_the_given_partition() {
    let (_server, store) = start().await;
    let records = Event::of(&["a", "b"], 1);
    let commit = store.write_partition("part=elsewhere", &records).token("t").await.unwrap().unwrap();
    assert_eq!((commit.partition.as_str(), commit.record_count), ("part=elsewhere", 2));
    assert_eq!(store.read("part=elsewhere").await.unwrap().len(), 2);
    assert_eq!(store.read("part=a").await.unwrap(), []);
    for key in ["", "part", "part=", "other=a", "part=a/part=b", "part=a/", "/part=a", "part=a..b"] {
        let error = store.write_partition(key, &records).await.unwrap_err();
        assert!(matches!(error, CommitError::NotCommitted(_)), "{key}");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{key}");
    }
}

#[tokio::test]
async fn files_of_entities_are_sorted_and_ties_keep_their_order() {
    let server = Server::start().await;
    let store = server.dataset().await.store::<Item>();
    let records = [
        Item::new("a", 2, 1, "two"),
        Item::new("a", 1, 2, "first of a tie"),
        Item::new("a", 1, 1, "old"),
        Item::new("a", 1, 2, "second of a tie"),
    ];
    store.write(&records).await.unwrap();
    let notes = |items: Vec<Item>| items.into_iter().map(|item| item.note).collect::<Vec<_>>();
    assert_eq!(notes(store.read_all().await.unwrap()), ["second of a tie", "two"]);
    assert_eq!(notes(store.read_all().history().await.unwrap()), ["old", "second of a tie", "two"]);
}
