//! The deletion of what failed writes left behind.

use std::collections::BTreeSet;
use std::time::Duration;

use s3store::testing::{Fault, Meanwhile, Operation};
use s3store::{Dataset, ErrorKind};

use crate::integration::harness::{BUCKET, Virtual, draws, put, sleep};
use crate::integration::records::Item;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

fn items(id: i64) -> Vec<Item> {
    ["a", "b"].map(|part| Item::new(part, id, 0, "")).into()
}

/// Writes that succeed, that fail at their data file, ref or commit, and that are retried. Returns the keys that a commit needs.
async fn written(world: &Virtual, dataset: &Dataset, seed: u64) -> BTreeSet<String> {
    let store = dataset.store::<Item>();
    let mut draw = draws(seed);
    for id in 0..12 {
        let token = format!("job-{id}");
        let fault = match draw(5) {
            0 => Some(put(".ref").times(1).fail_applied(403, "AccessDenied")),
            1 => Some(put(".commit").times(1).fail(403, "AccessDenied")),
            2 => Some(put(".commit").times(2).fail(403, "AccessDenied")),
            3 => Some(put(".parquet").times(1).fail_applied(403, "AccessDenied")),
            _ => None,
        };
        fault.into_iter().for_each(|fault| world.s3.inject(fault));
        let commits = store.write(&items(id)).token(token.clone()).await;
        if commits.is_err() && draw(2) > 0 {
            // It may fail again.
            let _ = store.write(&items(id)).token(token).await;
        }
        world.s3.clear_faults();
    }
    sleep(HOUR).await;
    // Those of partial writes, too.
    let entries = store.poll_range(..).await.unwrap();
    let commits = world.s3.keys(BUCKET).into_iter().filter(|key| key.ends_with(".commit"));
    entries.into_iter().flat_map(|entry| [entry.data_path, entry.ref_path]).chain(commits).collect()
}

#[tokio::test(start_paused = true)]
async fn only_orphans_are_deleted_wherever_a_call_stops() {
    let mut stops = 0;
    for seed in 0..8 {
        let world = Virtual::new();
        let dataset = world.dataset().await;
        let needed = written(&world, &dataset, seed).await;
        sleep(8 * DAY).await;
        let all: BTreeSet<String> = world.s3.keys(BUCKET).into_iter().collect();
        let before = dataset.store::<Item>().read_all().history().await.unwrap();
        let dry = dataset.prune(7 * DAY).dry_run().await.unwrap();
        assert_eq!(world.s3.keys(BUCKET).len(), all.len(), "a dry run deletes nothing");
        let orphans: BTreeSet<String> = dry.files.iter().chain(&dry.refs).cloned().collect();
        assert!(orphans.is_disjoint(&needed), "{:?}", orphans.intersection(&needed).collect::<Vec<_>>());
        // Commits need all data files and refs that are left.
        let mut left = all.difference(&orphans).filter(|key| key.ends_with(".parquet") || key.ends_with(".ref"));
        assert!(left.all(|key| needed.contains(key)));
        // A call that fails at its first, second, … DELETE, with or without effect.
        for delete in 0..orphans.len() {
            let skipped = Fault::on(Operation::Delete).skip(delete % 3).times(1);
            world.s3.inject(match delete % 2 {
                0 => skipped.fail_applied(403, "AccessDenied"),
                _ => skipped.fail(403, "AccessDenied"),
            });
            let stopped = dataset.prune(7 * DAY).await;
            stops += usize::from(stopped.is_err());
            world.s3.clear_faults();
            let keys: BTreeSet<String> = world.s3.keys(BUCKET).into_iter().collect();
            assert!(needed.is_subset(&keys) && keys.is_subset(&all));
        }
        dataset.prune(7 * DAY).await.unwrap();
        let keys: BTreeSet<String> = world.s3.keys(BUCKET).into_iter().collect();
        assert_eq!(keys, all.difference(&orphans).cloned().collect());
        assert_eq!(dataset.store::<Item>().read_all().history().await.unwrap(), before);
        let report = dataset.doctor(..).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        assert!(dataset.prune(7 * DAY).await.unwrap().files.is_empty());
    }
    println!("{stops} calls stopped");
    assert!(stops >= 8, "{stops}");
}

#[tokio::test(start_paused = true)]
async fn what_is_young_is_kept() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    world.s3.inject(put(".commit").always().fail(403, "AccessDenied"));
    let store = dataset.store::<Item>();
    assert!(store.write(&items(1)).token("job").await.is_err());
    sleep(2 * DAY).await;
    // The same token again: the old attempt is an orphan, the new one may be in progress.
    assert!(store.write(&items(1)).token("job").await.is_err());
    let keys = world.s3.keys(BUCKET);
    let files = keys.iter().filter(|key| key.ends_with(".parquet")).count();
    let orphans = dataset.prune(DAY).dry_run().await.unwrap();
    assert_eq!((files, orphans.files.len()), (4, 2));
    let sizes = orphans.files.iter().map(|key| world.s3.object(BUCKET, key).unwrap().body.len() as u64);
    assert_eq!(orphans.bytes, sizes.sum::<u64>());
    assert!(dataset.prune(3 * DAY).await.unwrap().files.is_empty());
    let error = dataset.prune(HOUR).await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains("24 hours"), "{error}");
}

/// A commit that lands between the listing and the deletion keeps its file.
#[tokio::test(start_paused = true)]
async fn a_commit_is_looked_up_right_before_a_deletion() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Item>();
    world.s3.inject(put(".commit").times(1).apply_late(Meanwhile::Error(403, "AccessDenied".to_owned())));
    let one = [items(1).remove(0)];
    assert!(store.write(&one).token("job").await.is_err());
    sleep(2 * DAY).await;
    assert_eq!(dataset.prune(DAY).dry_run().await.unwrap().files.len(), 1);
    let s3 = world.s3.clone();
    world.s3.inject(Fault::on(Operation::Head).key_ends_with(".commit").times(1).call_before(move |_| {
        let s3 = s3.clone();
        async move { drop(s3.land_late().await) }
    }));
    let pruned = dataset.prune(DAY).await.unwrap();
    assert!(pruned.files.is_empty() && pruned.refs.is_empty(), "{pruned:?}");
    assert_eq!(store.read_all().await.unwrap(), one);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_commit_keeps_its_files() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Item>();
    let one = [items(1).remove(0)];
    world.s3.inject(put(".commit").times(1).fail(403, "AccessDenied"));
    assert!(store.write(&one).token("job").await.is_err());
    let commit = store.write(&one).token("job").await.unwrap().remove(0);
    sleep(2 * DAY).await;
    // An object without a commit's metadata.
    let key = world.s3.keys(BUCKET).into_iter().find(|key| key.ends_with(".commit")).unwrap();
    world.s3.put_object(BUCKET, &key, Vec::<u8>::new());
    let pruned = dataset.prune(DAY).await.unwrap();
    assert!(pruned.files.is_empty() && pruned.refs.is_empty());
    assert_eq!(pruned.unreadable.len(), 1);
    assert!(world.s3.object(BUCKET, &commit.data_path).is_some());
}
