//! Writes that repair late commits by themselves: retries end, and consumers of the change stream miss nothing.

use std::time::Duration;

use chrono::TimeDelta;
use s3store::testing::Meanwhile;
use s3store::{Commit, Dataset, Entry, Offset, Store};

use crate::integration::harness::{Virtual, put, sleep, wait_until};
use crate::integration::records::Event;

/// A consumer of the stream that keeps its cursor and what it received.
struct Consumer {
    store: Store<Event>,
    cursor: Offset,
    received: Vec<Entry>,
}

impl Consumer {
    async fn of(world: &Virtual) -> Self {
        let store = world.process("consumer").await.store();
        Self { store, cursor: Offset::START, received: Vec::new() }
    }

    async fn poll(&mut self) {
        let page = self.store.poll(&self.cursor).await.unwrap();
        self.cursor = page.next;
        self.received.extend(page.entries);
    }

    /// Polls after everything has settled. Returns whether it has received the commit.
    async fn has(&mut self, commit: &Commit) -> bool {
        sleep(Duration::from_secs(60)).await;
        self.poll().await;
        self.received.iter().any(|entry| entry.data_path == commit.data_path)
    }
}

/// Makes the next commit land only when the returned world says so, after its writer has given up.
fn lose_the_commit(world: &Virtual) {
    world.s3.inject(put(".commit").apply_late(Meanwhile::Silence));
    world.s3.inject(put(".commit").skip(1).times(4).drop_connection());
}

/// Writes with a token until the write succeeds. Fails if that takes more than `tries`.
async fn deliver(store: &Store<Event>, records: &[Event], tries: usize) -> Vec<Commit> {
    for _ in 0..tries {
        if let Ok(commits) = store.write(records).token("t").await {
            return commits;
        }
        sleep(Duration::from_secs(1)).await;
    }
    panic!("still not Ok after {tries} writes");
}

#[tokio::test(start_paused = true)]
async fn a_late_write_returns_ok_and_consumers_miss_nothing() {
    for suffix in [".ref", ".commit"] {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        let mut consumer = Consumer::of(&world).await;
        let records = Event::of(&["a", "b"], 2);
        world.s3.inject(put(suffix).key_contains("part=a").times(4).hang());
        let commits = deliver(&store, &records, 1).await;
        assert_eq!(world.keys_with("part=a.ref").len(), 2, "{suffix}");
        assert_eq!(world.keys_with("part=b.ref").len(), 1, "{suffix}");
        // The commit is the one that every look-up and retry returns.
        assert_eq!(store.lookup_commit("part=a", "t").await.unwrap().as_ref(), Some(&commits[0]));
        for commit in &commits {
            assert!(consumer.has(commit).await, "{suffix}");
        }
        let one = store.write_partition("part=a", &records[..2]).token("t").await.unwrap().unwrap();
        assert_eq!(one, commits[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_loop_ends_after_a_commit_that_landed_late() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let mut consumer = Consumer::of(&world).await;
    let records = Event::of(&["a"], 2);
    lose_the_commit(&world);
    store.write(&records).token("t").await.unwrap_err();
    sleep(Duration::from_secs(30)).await;
    consumer.poll().await;
    assert!(consumer.cursor != Offset::START && consumer.received.is_empty(), "the consumer has passed the ref");
    world.s3.land_late().await;
    let commits = deliver(&store, &records, 3).await;
    assert_eq!(world.keys_with(".ref").len(), 2, "one more ref");
    assert!(consumer.has(&commits[0]).await);
    // A call can't know that another has restamped the commit. Each puts one ref, and returns the same commit.
    assert_eq!(deliver(&store, &records, 1).await, commits);
    assert_eq!(world.keys_with(".ref").len(), 3);
}

/// The commit lands after the HEAD of a retry and before its PUT, so the HEAD after the PUT finds it.
#[tokio::test(start_paused = true)]
async fn a_late_commit_that_the_put_of_a_retry_meets_is_restamped() {
    for optimistic in [false, true] {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        let mut consumer = Consumer::of(&world).await;
        let records = Event::of(&["a"], 2);
        if optimistic {
            // Proves the backend.
            store.write(&Event::of(&["z"], 1)).token("z").optimistic_commit().await.unwrap();
        }
        lose_the_commit(&world);
        store.write(&records).token("t").await.unwrap_err();
        sleep(Duration::from_secs(30)).await;
        consumer.poll().await;
        let s3 = world.s3.clone();
        world.s3.inject(put(".commit").call_before(move |_| {
            let s3 = s3.clone();
            async move { drop(s3.land_late().await) }
        }));
        let write = store.write(&records).token("t");
        let commits = if optimistic { write.optimistic_commit().await } else { write.await }.unwrap();
        assert_eq!(world.keys_with("part=a.ref").len(), 3, "both attempts' refs, and the restamp's");
        assert!(consumer.has(&commits[0]).await, "{optimistic}");
    }
}

/// A commit that lands within its budget is never reported as late, whatever the writer's clock within the skew.
#[tokio::test(start_paused = true)]
async fn a_retry_of_a_healthy_writer_whose_clock_is_off_within_the_skew_is_ok() {
    for milliseconds in [-1_000, -999, -500, 0, 500, 1_000] {
        for elapsed in [0, 1, 13, 14, 15] {
            let world = Virtual::new();
            let clock = world.clock_ahead(TimeDelta::milliseconds(milliseconds));
            world.dataset().await;
            let writer: Dataset = world.process_on("writer", clock).await;
            let records = Event::of(&["a"], 1);
            world.s3.inject(put(".commit").apply_late(Meanwhile::Silence));
            world.s3.inject(put(".commit").skip(1).times(4).hang());
            tokio::spawn({
                let (store, records) = (writer.store::<Event>(), records.clone());
                async move { store.write(&records).token("t").await.map(drop).map_err(drop) }
            });
            wait_until(|| world.s3.waiting_to_land() == 1).await;
            tokio::time::advance(Duration::from_secs(elapsed)).await;
            world.s3.land_late().await;
            let other = world.process("retry").await.store::<Event>();
            let commits = deliver(&other, &records, 1).await;
            // Far from the end of its budget, the commit needs no other ref.
            if elapsed < 13 {
                assert_eq!(world.keys_with(".ref").len(), 1, "{milliseconds} ms, after {elapsed} s");
            }
            assert_eq!(other.lookup_commit("part=a", "t").await.unwrap().as_ref(), Some(&commits[0]));
        }
    }
}
