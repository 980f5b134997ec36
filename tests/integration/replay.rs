//! Readers of a random history of writes with failures, retries and restamps. With any page size and at any time, each
//! reader must see what a plain model predicts from the bucket and from what the test itself did.

mod history;
mod model;

use std::time::Duration;

use s3store::stream::Page;
use s3store::{Entry, Offset, Store};

use crate::integration::harness::{Virtual, at, sleep};
use crate::integration::records::Item;
use history::History;
use model::{Expected, Model};

/// The largest page size in these tests.
const LARGEST: usize = 50;

struct World {
    world: Virtual,
    history: History,
    model: Model,
    /// A reader for which every ref is settled.
    reader: Store<Item>,
}

/// Returns a history of this many operations, all of them settled.
async fn played(seed: u64, operations: usize) -> World {
    let world = Virtual::new();
    let mut history = History::new(&world, seed).await;
    for _ in 0..operations {
        history.step().await;
    }
    let model = Model::of(&world, history.written());
    let reader = world.settled().await.store();
    World { world, history, model, reader }
}

fn assert_entries(entries: &[Entry], expected: &[Expected], context: &str) {
    let found: Vec<Expected> = entries.iter().map(Expected::of).collect();
    assert_eq!(found, expected, "{context}");
}

/// Returns the pages of this many refs each, from an offset to the tip.
async fn pages(store: &Store<Item>, after: &Offset, limit: usize) -> Vec<Page> {
    let mut pages = vec![store.poll(after).limit(limit).await.unwrap()];
    while !pages.last().unwrap().caught_up {
        let after = pages.last().unwrap().next.clone();
        pages.push(store.poll(&after).limit(limit).await.unwrap());
    }
    pages
}

impl World {
    /// Checks the pages of one size from an offset against the model's refs.
    async fn check_pages(&self, after: &str, limit: usize) {
        let mut refs = self.model.refs_after(after);
        for page in pages(&self.reader, &after.parse().unwrap(), limit).await {
            let context = format!("{limit} refs a page, from {after:?}, next {}", page.next);
            let (taken, rest) = Model::split_page(refs, limit);
            assert_entries(&page.entries, &Model::entries_of(taken), &context);
            assert_eq!(page.next.as_str(), taken.last().map_or(after, |last| last.key.as_str()), "{context}");
            assert_eq!(page.malformed, Model::malformed_of(taken), "{context}");
            refs = rest;
        }
        assert!(refs.is_empty(), "{} refs were not reached by pages of {limit} from {after:?}", refs.len());
    }
}

#[tokio::test(start_paused = true)]
async fn pages_of_every_size_from_the_start() {
    let world = played(1, 70).await;
    world.history.assert_varied();
    for limit in 1..=LARGEST {
        world.check_pages("", limit).await;
    }
}

#[tokio::test(start_paused = true)]
async fn pages_of_every_size_from_every_offset() {
    let world = played(2, 24).await;
    let refs = world.model.refs();
    assert!(refs.len() >= 24);
    for (index, found) in refs.iter().enumerate() {
        // All larger pages give the same result as one that is larger by one.
        let left = refs.len() - index - 1;
        for limit in 1..=LARGEST.min(left + 1) {
            world.check_pages(&found.key, limit).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn polls_until_every_offset() {
    let world = played(3, 40).await;
    for (index, until) in world.model.refs().iter().enumerate() {
        let page = world.reader.poll(&Offset::START).until(&until.key.parse().unwrap()).await.unwrap();
        assert_entries(&page.entries, &Model::entries_of(&world.model.refs()[..index]), &until.key);
        assert!(page.caught_up);
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_size_of_listings_makes_no_difference() {
    let world = played(4, 60).await;
    for keys in [1, 3, 10] {
        world.world.s3.set_page_size(keys);
        for limit in [2, 10, 50] {
            world.check_pages("", limit).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_of_records_match_the_model() {
    let world = played(5, 60).await;
    for limit in [1, 3, 10, 50] {
        let (mut after, mut refs) = (Offset::START, world.model.refs());
        loop {
            let page = world.reader.poll_records(&after).limit(limit).await.unwrap();
            let (taken, rest) = Model::split_page(refs, limit);
            assert_eq!(page.records, world.model.records_of(taken), "{limit} refs a page, after {after}");
            assert_entries(&page.entries, &Model::entries_of(taken), "entries beside records");
            assert_eq!((page.malformed, page.missing), (Model::malformed_of(taken), 0));
            (after, refs) = (page.next, rest);
            if page.caught_up {
                break;
            }
        }
        assert!(refs.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn windows_between_two_refs_match_the_model() {
    let world = played(6, 50).await;
    let times: Vec<i64> = world.model.refs().iter().filter_map(|found| found.micros).collect();
    for (index, since) in times.iter().enumerate().step_by(7) {
        for until in times[index..].iter().step_by(9) {
            let found = world.reader.poll_range(at(*since)..at(*until)).await.unwrap();
            assert_entries(&found, &world.model.entries_between(*since, *until), "a window");
        }
        let found = world.reader.poll_range(at(*since)..).await.unwrap();
        assert_entries(&found, &world.model.entries_between(*since, i64::MAX), "an open end");
        let found = world.reader.poll_range(..at(*since)).await.unwrap();
        assert_entries(&found, &world.model.entries_between(0, *since), "an open beginning");
    }
}

#[tokio::test(start_paused = true)]
async fn readers_beside_the_writers_miss_nothing_and_see_nothing_change() {
    for seed in [10, 11] {
        let world = Virtual::new();
        let mut history = History::new(&world, seed).await;
        let reader = world.process("reader").await.store::<Item>();
        let (mut after, mut seen) = (Offset::START, Vec::new());
        for step in 0..60 {
            history.step().await;
            let page = reader.poll(&after).limit(1 + step % 7).await.unwrap();
            after = page.next;
            seen.extend(page.entries);
            // A poll from the start must return what was received on the way.
            if step % 10 == 0 {
                let again = reader.poll(&Offset::START).until(&after).await.unwrap().entries;
                assert_eq!(again, seen.iter().filter(|entry| entry.offset < after).cloned().collect::<Vec<_>>());
            }
        }
        sleep(Duration::from_secs(60)).await;
        seen.extend(pages(&reader, &after, 7).await.into_iter().flat_map(|page| page.entries));
        let seen: Vec<Expected> = seen.iter().map(Expected::of).collect();
        assert!(seen.is_sorted_by(|one, next| one.key < next.key), "not in order, or twice");
        // A reader may miss only those commits that landed behind its cursor, and that their writers reported as late.
        let model = Model::of(&world, history.written());
        let missed: Vec<_> = model.entries().into_iter().filter(|entry| !seen.contains(entry)).collect();
        assert!(missed.iter().all(|entry| history.was_in_time(&entry.key) == Some(false)), "missed: {missed:#?}");
        assert_eq!(
            seen.len() + missed.len(),
            model.entries().len(),
            "the reader received an entry that is not in the bucket"
        );
        history.assert_varied();
    }
}
