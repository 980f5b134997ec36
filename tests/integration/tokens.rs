//! Tokens that are used again: what a write returns, and which records it refuses.

use chrono::{DateTime, Utc};
use s3store::testing::{ConditionalPut, Fault, Operation};
use s3store::write::RetryPolicy;
use s3store::{Commit, CommitError, Compression, Error, ErrorKind, Record, Store, WriteError};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, at, put};
use crate::integration::records::{Event, Item};

async fn start() -> (Virtual, Store<Event>) {
    let world = Virtual::new();
    let store = world.dataset().await.store();
    (world, store)
}

fn replayed(commits: &[Commit]) -> Vec<bool> {
    commits.iter().map(|commit| commit.replayed).collect()
}

/// Returns the reason of a write that did not commit.
fn cause(error: WriteError) -> Error {
    assert!(!error.is_transient(), "{error}");
    error.cause.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_commit_says_whether_the_call_found_it() {
    let (world, store) = start().await;
    let records = Event::of(&["a", "b"], 2);
    let first = store.write(&records).token("t").await.unwrap();
    assert_eq!(replayed(&first), [false, false]);
    let other = world.process("other").await.store::<Event>();
    let more = Event::of(&["a", "b", "c"], 2);
    for again in [
        other.write(&more).token("t").await.unwrap(),
        // The first optimistic write sends a HEAD, the second learns of the commits by its PUTs.
        other.write(&more).token("t").optimistic_commit().await.unwrap(),
        other.write(&more).token("t").optimistic_commit().await.unwrap(),
    ] {
        assert_eq!(replayed(&again)[..2], [true, true]);
        assert_eq!(again[..2], first, "commits are compared without it");
    }
    assert_eq!(replayed(&other.write(&more).token("t").await.unwrap()), [true, true, true]);
    let stamped = store.write(&records).token("t").restamp_late(5).await.unwrap();
    assert!(stamped.iter().all(|stamped| stamped.commit.replayed));
    let one = store.write_partition("part=a", &records[..2]).token("t").await.unwrap().unwrap();
    assert!(one.replayed && one == first[0]);
    assert!(store.lookup_commit("part=a", "t").await.unwrap().unwrap().replayed);
    assert_eq!(replayed(&store.write(&records).await.unwrap()), [false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_an_earlier_try_of_the_same_call_is_not_replayed() {
    // The commit lands, but its PUT gets no response. The HEAD after it finds the commit.
    let (world, store) = start().await;
    let records = Event::of(&["a"], 2);
    world.s3.inject(put(".commit").fail_applied(500, "InternalError"));
    assert_eq!(replayed(&store.write(&records).token("t").await.unwrap()), [false]);

    // That HEAD gets none either. The next try of the call finds the commit.
    world.s3.inject(put(".commit").times(5).fail_applied(500, "InternalError"));
    world.s3.inject(Fault::on(Operation::Head).skip(1).times(5).fail(500, "InternalError"));
    let retried = store.write(&records).token("u").retry(RetryPolicy::default()).await.unwrap();
    assert_eq!((replayed(&retried), world.keys_with("/u.commit").len()), (vec![false], 1));
    assert_eq!(replayed(&store.write(&records).token("u").await.unwrap()), [true]);

    // A write that lost a race found the other's commit.
    let other = store.clone();
    let (first, second) = tokio::join!(async { store.write(&records).token("v").await.unwrap() }, async {
        other.write(&records).token("v").await.unwrap()
    });
    let mut both = [first[0].replayed, second[0].replayed];
    both.sort_unstable();
    assert_eq!((both, &first), ([false, true], &second));
    // Late commits that the same call wrote are its own.
    world.s3.inject(put(".commit").times(4).hang());
    let late = store.write_partition("part=a", &records).token("w").report_late().await.unwrap_err();
    assert!(!late.commit().unwrap().replayed, "{late}");
    let CommitError::Late(_) = late else { panic!("{late}") };
}

#[tokio::test(start_paused = true)]
async fn a_stored_commit_is_equal_and_not_replayed() {
    let (_world, store) = start().await;
    let records = Event::of(&["a"], 2);
    store.write(&records).token("t").await.unwrap();
    let again = store.write(&records).token("t").await.unwrap();
    let text = serde_json::to_string(&again[0]).unwrap();
    assert!(!text.contains("replayed"), "{text}");
    let stored: Commit = serde_json::from_str(&text).unwrap();
    assert!(stored == again[0] && !stored.replayed);
}

/// The first run wrote 25 records as `job-1`. The second run cuts its chunks in another way.
#[tokio::test(start_paused = true)]
async fn a_batch_job_whose_chunks_are_cut_differently_loses_nothing_silently() {
    for optimistic in [false, true] {
        let (world, store) = start().await;
        let records = Event::of(&["a"], 100);
        if optimistic {
            store.write(&Event::of(&["z"], 1)).token("proof").optimistic_commit().await.unwrap();
        }
        let chunk = |records| {
            let write = store.write(records).token("job-1");
            if optimistic { write.optimistic_commit() } else { write }
        };
        chunk(&records[..25]).await.unwrap();
        world.s3.clear_requests();
        let text = "token job-1 in partition part=a belongs to a commit with 25 records, this write has 100; use another \
                    token for other records, or set accept_other_records() to get that commit";
        let error = cause(chunk(&records).await.unwrap_err());
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::TokenReused, text));
        if !optimistic {
            assert_eq!(world.log(), [format!("Head {PREFIX}/data/part=a/job-1.commit")]);
        }
        let error = cause(chunk(&records).keep_going().retry(RetryPolicy::default()).await.unwrap_err());
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::TokenReused, text));
        let one = store.write_partition("part=a", &records).token_of(|_| "job-1").await.unwrap_err();
        assert_eq!((one.kind(), one.is_transient()), (ErrorKind::TokenReused, false));
        assert_eq!(one.to_string(), format!("write failed, nothing was committed: {text}"));
        assert_eq!(store.read("part=a").await.unwrap(), store.read("part=a").await.unwrap());
        assert_eq!(store.read("part=a").await.unwrap().len(), 25);

        // Fewer records are other records, too. The first ones are still found.
        assert_eq!(cause(chunk(&records[..24]).await.unwrap_err()).kind(), ErrorKind::TokenReused);
        assert_eq!(replayed(&chunk(&records[..25]).await.unwrap()), [true]);
        // The remedies.
        let accepted = chunk(&records).accept_other_records().await.unwrap();
        assert_eq!((accepted[0].record_count, accepted[0].replayed), (25, true));
        store.write(&records[25..]).token("job-1b").await.unwrap();
        assert_eq!(store.read("part=a").await.unwrap().len(), 100);
    }
}

#[tokio::test(start_paused = true)]
async fn other_partitions_of_the_write_are_as_with_any_failure() {
    for optimistic in [false, true] {
        let (_world, store) = start().await;
        if optimistic {
            store.write(&Event::of(&["z"], 1)).token("proof").optimistic_commit().await.unwrap();
        }
        store.write(&Event::of(&["a", "b"], 25)).token("job-1").await.unwrap();
        let mut records = Event::of(&["a", "c", "d"], 25);
        records.extend((26..=75).map(|id| Event::new("b", id)));
        let write = || {
            let write = store.write(&records).token("job-1").keep_going();
            if optimistic { write.optimistic_commit() } else { write }
        };
        for round in 0..2 {
            let error = write().retry(RetryPolicy::default()).await.unwrap_err();
            let committed: Vec<_> = error.committed.iter().map(|commit| commit.partition.as_str()).collect();
            assert_eq!(committed, ["part=a", "part=c", "part=d"]);
            assert_eq!(replayed(&error.committed), [true, round > 0, round > 0]);
            assert!(error.late.is_empty() && error.unknown.is_empty());
            let error = cause(error).to_string();
            assert!(
                error.contains("partition part=b belongs to a commit with 25 records, this write has 50"),
                "{error}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_other_records_are_refused() {
    let (world, store) = start().await;
    let records = Event::of(&["a"], 3);
    let mut other = records.clone();
    other[1].id = 9;
    let text = "token t in partition part=a belongs to a commit with 3 other records than this write's 3, or with their \
                values in another order; use another token for other records, or set accept_other_records() to get that \
                commit";
    store.write(&records).token("t").optimistic_commit().await.unwrap();
    world.s3.clear_requests();
    let error = cause(store.write(&other).token("t").await.unwrap_err());
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::TokenReused, text));
    assert_eq!(world.counts(), [0, 1, 0, 0]);
    let error = cause(store.write(&other).token("t").optimistic_commit().await.unwrap_err());
    assert_eq!(error.to_string(), text);
    let accepted = store.write(&other).token("t").accept_other_records().await.unwrap();
    assert!(accepted[0].replayed);
    let accepted = store.write(&other).token("t").optimistic_commit().accept_other_records().await.unwrap();
    assert!(accepted[0].replayed);
    assert_eq!(store.read_all().await.unwrap().iter().map(|event| event.id).collect::<Vec<_>>(), [1, 2, 3]);

    // Two writers at once: one of them learns that its records are not stored.
    let (one, two) =
        tokio::join!(async { store.write(&records).token("u").await }, async { store.write(&other).token("u").await });
    let refused = [one, two].into_iter().filter_map(Result::err).map(|error| cause(error).kind()).collect::<Vec<_>>();
    assert_eq!(refused, [ErrorKind::TokenReused]);

    // Compression, insertion time and its field do not count.
    let mut stamped = records.clone();
    stamped[0].inserted_at = Some(at(5));
    let again = store.write(&stamped).token("t").inserted_at(at(7)).compression(Compression::Zstd).await.unwrap();
    assert!(again[0].replayed);
    // Without an entity the order counts, because reads return the records in it.
    let reversed: Vec<_> = records.iter().rev().cloned().collect();
    assert_eq!(cause(store.write(&reversed).token("t").await.unwrap_err()).kind(), ErrorKind::TokenReused);
}

#[tokio::test(start_paused = true)]
async fn the_order_of_records_with_an_entity_does_not_count() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    let item = |id: i64, note: &str| Item::new("a", id % 3_000, id, note);
    let records: Vec<_> = (0..20_000).map(|id| item(id, &format!("note {id}"))).collect();
    let mut shuffled = records.clone();
    shuffled.sort_by_key(|item| item.version.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64));
    store.write(&records).token("t").await.unwrap();
    assert_eq!(replayed(&store.write(&shuffled).token("t").await.unwrap()), [true]);
    shuffled[17].note = "other".to_owned();
    assert_eq!(cause(store.write(&shuffled).token("t").await.unwrap_err()).kind(), ErrorKind::TokenReused);
    // The order of equal versions decides which of them a read returns.
    let tie = [item(1, "first"), item(1, "second")];
    store.write(&tie).token("u").await.unwrap();
    let other = [item(1, "second"), item(1, "first")];
    assert_eq!(cause(store.write(&other).token("u").await.unwrap_err()).kind(), ErrorKind::TokenReused);
}

/// [`Event`] after a column was added.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Extended {
    note: Option<String>,
    id: i64,
    part: String,
    #[record(inserted_at)]
    inserted_at: Option<DateTime<Utc>>,
}

#[tokio::test(start_paused = true)]
async fn a_commit_without_a_comparable_digest_counts_by_its_number_of_records() {
    let (world, store) = start().await;
    let records = Event::of(&["a"], 2);
    let extended = |count| {
        let new = |id| Extended { note: Some("n".to_owned()), id, part: "a".to_owned(), inserted_at: None };
        (1..=count).map(new).collect::<Vec<_>>()
    };
    store.write(&records).token("t").await.unwrap();
    // A retry by a program whose record has other columns.
    let later = store.dataset().store::<Extended>();
    assert!(later.write(&extended(2)).token("t").await.unwrap()[0].replayed);
    let error = cause(later.write(&extended(3)).token("t").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::TokenReused);
    // Commits of the Go library, of earlier versions, and of later ones.
    let key = format!("{PREFIX}/data/part=a/t.commit");
    let other = [Event::new("a", 7), Event::new("a", 8)];
    assert!(store.write(&other).token("t").await.is_err());
    for digest in [None, Some("2-unknown")] {
        let mut metadata = world.s3.object(BUCKET, &key).unwrap().metadata;
        metadata.remove("contentdigest");
        metadata.extend(digest.map(|digest| ("contentdigest".to_owned(), digest.to_owned())));
        world.s3.put_object_with(BUCKET, &key, "", metadata);
        assert!(store.write(&other).token("t").await.unwrap()[0].replayed);
        assert_eq!(cause(store.write(&other[..1]).token("t").await.unwrap_err()).kind(), ErrorKind::TokenReused);
    }
    // A commit without a token of the caller needs no digest.
    let commits = store.write(&records).await.unwrap();
    let metadata =
        world.s3.object(BUCKET, &format!("{PREFIX}/data/part=a/{}.commit", commits[0].token)).unwrap().metadata;
    assert_eq!(metadata.len(), 4, "{metadata:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backend_without_conditions_is_checked_too() {
    let world = Virtual::new();
    world.dataset().await;
    world.s3.set_conditional_put(ConditionalPut::NotImplemented);
    let store = world.process("fresh").await.store::<Event>();
    store.write(&Event::of(&["a"], 2)).token("t").await.unwrap();
    let error = cause(store.write(&Event::of(&["a"], 3)).token("t").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::TokenReused);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_the_content_names_the_records() {
    let (world, store) = start().await;
    let records = Event::of(&["a", "b"], 2);
    let first = store.write(&records).token_of_content().await.unwrap();
    // Its value is part of the contract: a retry may come from a later version.
    let tokens: Vec<_> = first.iter().map(|commit| commit.token.as_str()).collect();
    assert_eq!(
        tokens,
        [
            "sha256-fcc9a9c71469f26f2d683b8faf96306d330f7d296e2684bcc7597a8a59ffbdba",
            "sha256-6972d407417f47c2c842104fee3c87b8992579194310c1ea46edac7c112757e3"
        ]
    );
    let other = world.process("other").await.store::<Event>();
    let again = other.write(&records).inserted_at(at(3)).compression(Compression::Gzip).token_of_content();
    let again = again.keep_going().retry(RetryPolicy::default()).await.unwrap();
    assert_eq!((&again, replayed(&again)), (&first, vec![true, true]));
    // One record more in one partition: the other is found.
    let more: Vec<_> = records.iter().cloned().chain([Event::new("b", 3)]).collect();
    assert_eq!(replayed(&store.write(&more).token_of_content().await.unwrap()), [true, false]);
    let one = store.write_partition("part=a", &records[..2]).token_of_content().optimistic_commit().await.unwrap();
    assert!(one.unwrap().replayed);
    // An optional column that no record uses does not count, and neither does the order of the fields.
    let extended = |note: Option<&str>| {
        let new = |id| Extended { note: note.map(str::to_owned), id, part: "a".to_owned(), inserted_at: None };
        [1, 2].map(new)
    };
    let later = store.dataset().store::<Extended>();
    assert_eq!(replayed(&later.write(&extended(None)).token_of_content().await.unwrap()), [true]);
    assert_eq!(replayed(&later.write(&extended(Some("n"))).token_of_content().await.unwrap()), [false]);
    assert_eq!(store.write(&[]).token_of_content().await.unwrap(), []);
}

/// A record with a column that can't hold every time.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Stamped {
    part: String,
    #[record(timestamp = "ns")]
    at: DateTime<Utc>,
}

#[tokio::test(start_paused = true)]
async fn records_that_do_not_fit_have_no_token() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Stamped>();
    world.s3.clear_requests();
    let stamped = |part: &str, at| Stamped { part: part.to_owned(), at };
    let records = [stamped("x", DateTime::<Utc>::MAX_UTC), stamped("y", DateTime::UNIX_EPOCH)];
    let error = store.write(&records).token_of_content().await.unwrap_err();
    assert_eq!((error.kind(), error.committed.len(), world.log().len()), (ErrorKind::InvalidInput, 0, 0));
    let error = store.write(&records).token_of_content().keep_going().await.unwrap_err();
    assert_eq!((error.kind(), error.committed.len()), (ErrorKind::InvalidInput, 1));
    assert!(error.to_string().contains("row 0"), "{error}");
    assert!(error.committed[0].token.starts_with("sha256-"), "{error:?}");
}
