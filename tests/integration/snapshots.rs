//! What a snapshot returns if files or commits were deleted, if the listing is slow, and beside writes.

use std::time::Duration;

use chrono::TimeDelta;
use s3store::testing::{Fault, Operation};
use s3store::{ErrorKind, Store};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, put, sleep};
use crate::integration::records::Event;

/// Writes an event whose commit fails: its file is never committed.
async fn failed_write(world: &Virtual, store: &Store<Event>, token: &str) {
    world.s3.inject(put(".commit").fail(400, "InvalidRequest"));
    let error = store.write(&[Event::new("a", -1)]).token(token).await.unwrap_err();
    assert!(error.unknown.is_empty() && error.committed.is_empty(), "{error:?}");
}

fn ids(records: &[Event]) -> Vec<i64> {
    records.iter().map(|record| record.id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_slow_list_shows_no_record_that_was_never_committed() {
    for page_size in 1..=3 {
        let world = Virtual::new();
        let reader = world.dataset().await.store::<Event>();
        // The attempts' ids decide which file is listed first.
        let ahead = world.process_on("first", world.clock_ahead(TimeDelta::milliseconds(900))).await.store::<Event>();
        reader.write(&[Event::new("b", 3)]).await.unwrap();
        failed_write(&world, &ahead, "t").await;

        // The first page takes 8 s: scanned at once, answered and dated at the end. Meanwhile the retry commits.
        world.s3.set_page_size(page_size);
        let (before, after, retry) = (world.s3.clone(), world.s3.clone(), reader.clone());
        world.s3.inject(Fault::on(Operation::List).call_before(move |_| {
            before.set_clock_offset(TimeDelta::seconds(8));
            async {}
        }));
        world.s3.inject(Fault::on(Operation::List).call_after(move |_| {
            let (s3, retry) = (after.clone(), retry.clone());
            async move {
                s3.set_clock_offset(TimeDelta::zero());
                retry.write(&[Event::new("a", 2)]).token("t").await.unwrap();
                sleep(Duration::from_secs(8)).await;
            }
        }));
        let read = reader.read_all().await.unwrap();
        assert!(!ids(&read).contains(&-1), "page of {page_size}: read a record that was never committed: {read:?}");
        assert_eq!(ids(&reader.read_all().await.unwrap()), [2, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_committed_file_that_was_deleted_is_an_error_and_never_replaced() {
    // The numbers of failed attempts before the commit. Without a token there is no retry.
    for (token, failed) in [(None, 0), (Some("t"), 0), (Some("t"), 1), (Some("t"), 2)] {
        for settled in [false, true] {
            let name = format!("token {token:?}, {failed} failed attempts, settled: {settled}");
            let world = Virtual::new();
            let store = world.dataset().await.store::<Event>();
            for _ in 0..failed {
                failed_write(&world, &store, "t").await;
            }
            let commit = store.write(&[Event::new("a", 1)]).token_opt(token).await.unwrap().remove(0);
            store.write(&[Event::new("b", 2)]).await.unwrap();
            if settled {
                sleep(Duration::from_secs(3_600)).await;
            }
            let file = world.s3.remove_object(BUCKET, &commit.data_path).unwrap();
            let mut errors = vec![
                store.read_all().await.map(|read| ids(&read)).unwrap_err(),
                store.read("part=a").history().await.map(|read| ids(&read)).unwrap_err(),
                store
                    .read("part=a")
                    .stream()
                    .try_next()
                    .await
                    .map(|record| record.map(|record| record.id))
                    .unwrap_err(),
                store.read("part=a").partitions().try_next().await.map(drop).unwrap_err(),
            ];
            errors.push(store.read("part=a").batches().try_next().await.map(drop).unwrap_err());
            for error in errors {
                assert_eq!(error.kind(), ErrorKind::Vanished, "{name}: {error}");
                assert!(error.to_string().contains(&commit.data_path), "{name}: {error}");
            }
            assert_eq!(ids(&store.read("part=b").await.unwrap()), [2], "{name}");
            // The stream skips and counts the file.
            let reader = world.settled().await.store::<Event>();
            let page = reader.poll_records(&s3store::Offset::START).await.unwrap();
            assert_eq!((ids(&page.records), page.missing), (vec![2], 1), "{name}");

            // Both remedies of the message.
            world.s3.put_object(BUCKET, &commit.data_path, file.body.clone());
            assert_eq!(ids(&store.read_all().await.unwrap()), [1, 2], "{name}");
            world.s3.remove_object(BUCKET, &commit.data_path).unwrap();
            let commit_key = world.keys_with(".commit").into_iter().find(|key| key.contains("part=a")).unwrap();
            world.s3.remove_object(BUCKET, &commit_key).unwrap();
            assert_eq!(ids(&store.read_all().await.unwrap()), [2], "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listed_commit_whose_head_answers_404_is_an_error() {
    for failed in 0..2 {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        for _ in 0..failed {
            failed_write(&world, &store, "t").await;
        }
        store.write(&[Event::new("a", 1)]).token("t").await.unwrap();
        world.s3.inject(Fault::on(Operation::Head).key_ends_with("/t.commit").fail(404, "NoSuchKey"));
        let error = store.read_all().await.map(|read| ids(&read)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Vanished, "{error}");
        assert!(error.to_string().contains("/t.commit"), "{error}");
        assert_eq!(ids(&store.read_all().await.unwrap()), [1], "the next read");
    }
}

/// A key that an earlier write leaves between the file of the token `t` and its commit, so that a page can end there.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Between {
    Nothing,
    /// The file of a failed attempt whose id is greater.
    FailedAttempt,
    /// The file and the commit of a token that begins with `t-`.
    OtherToken,
}

/// Reads while a write lands after the given page of one key. Returns the ids, or `None` if there is no such page.
async fn read_with_a_write_after(page: usize, between: Between, part: &str, token: Option<&str>) -> Option<Vec<i64>> {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    store.write(&[Event::new("b", 1)]).await.unwrap();
    match between {
        Between::Nothing => drop(store.write(&[Event::new("a", 1)]).await.unwrap()),
        Between::FailedAttempt => {
            let ahead = world.process_on("ahead", world.clock_ahead(TimeDelta::milliseconds(900))).await;
            failed_write(&world, &ahead.store::<Event>(), "t").await;
        }
        Between::OtherToken => drop(store.write(&[Event::new("a", 1)]).token("t-x").await.unwrap()),
    }
    world.s3.set_page_size(1);
    let (writer, event, own_token) = (store.clone(), Event::new(part, 2), token.map(str::to_owned));
    world.s3.inject(Fault::on(Operation::List).skip(page).call_after(move |_| {
        let (writer, event, token) = (writer.clone(), event.clone(), own_token.clone());
        async move { drop(writer.write(&[event]).token_opt(token).await.unwrap()) }
    }));
    let read = store.read_all().await.unwrap_or_else(|error| panic!("{between:?}, page {page}, {token:?}: {error}"));
    (world.s3.faults_left() == 0).then(|| ids(&read))
}

#[tokio::test(start_paused = true)]
async fn a_write_between_two_pages_is_no_error() {
    for token in [None, Some("!"), Some("t"), Some("~")] {
        for part in ["a", "b"] {
            for between in [Between::Nothing, Between::FailedAttempt, Between::OtherToken] {
                for page in 0.. {
                    let Some(read) = read_with_a_write_after(page, between, part, token).await else { break };
                    let name = format!("{between:?}, page {page}, token {token:?} in {part}");
                    let before = if between == Between::FailedAttempt { 1 } else { 2 };
                    assert_eq!(read.iter().filter(|id| **id == 1).count(), before, "{name}: {read:?}");
                    assert!(read.iter().all(|id| *id > 0) && read.len() <= before + 1, "{name}: {read:?}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_listed_without_its_file_leads_to_the_file() {
    // The pages after which the file's place has passed, but not the commit's.
    for (between, pages) in [(Between::FailedAttempt, 1), (Between::OtherToken, 2)] {
        for page in 0..=pages {
            let read = read_with_a_write_after(page, between, "a", Some("t")).await.unwrap();
            assert_eq!(read.contains(&2), page < pages, "{between:?}, page {page}: {read:?}");
        }
    }
}

/// A server that lists keys that it does not serve: the error does not say that somebody deleted them.
#[tokio::test(start_paused = true)]
async fn an_object_that_is_listed_but_not_found_is_called_that() {
    for token in [None, Some("t")] {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        let commit = store.write(&[Event::new("a", 1)]).token_opt(token).await.unwrap().remove(0);
        let mut keys = vec![(Operation::Get, commit.data_path)];
        keys.extend(token.map(|token| (Operation::Head, format!("{PREFIX}/data/part=a/{token}.commit"))));
        for (operation, key) in keys {
            world.s3.inject(Fault::on(operation).key(key.clone()).always().fail(404, "NoSuchKey"));
            let error = store.read_all().await.map(|read| ids(&read)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Vanished, "{error}");
            let text = error.to_string();
            let says = |part: &str| text.contains(part);
            assert!(says(&key) && says("is in the listing but does not exist"), "{text}");
            assert!(says("lists keys that it does not serve") && !says("somebody"), "{text}");
            world.s3.clear_faults();
        }
    }
}
