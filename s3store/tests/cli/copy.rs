//! Copies of a dataset.

use std::collections::BTreeMap;
use std::future::IntoFuture as _;

use s3store::testing::{Fault, Operation, S3};
use s3store::{Dataset, ErrorKind, Offset};
use serde_json::Value;

use crate::{Cost, LOCATION, SkuDays, World, cost, lines, settle};

/// The objects of a dataset: their bodies and user metadata, by their keys below the prefix.
fn objects(s3: &S3, bucket: &str, prefix: &str) -> BTreeMap<String, (Vec<u8>, BTreeMap<String, String>)> {
    let below = |key: &String| Some(key.strip_prefix(prefix)?.strip_prefix('/')?.to_owned());
    let keys = s3.keys(bucket).into_iter().filter_map(|key| Some((below(&key)?, key)));
    let object = |key: &str| s3.object(bucket, key).unwrap();
    keys.map(|(below, key)| {
        let object = object(&key);
        (below, (object.body.to_vec(), object.metadata.into_iter().collect()))
    })
    .collect()
}

/// Leaves the objects of a failed write behind.
async fn fail_a_write(s3: &S3, dataset: &Dataset) {
    s3.inject(Fault::on(Operation::Put).key_ends_with(".commit").always().fail(403, "AccessDenied"));
    dataset.store::<Cost>().write(&[cost(1, 9)]).token("failed").await.unwrap_err();
    s3.clear_faults();
}

/// An S3 with a small dataset in two partitions: a token, a write without one, a restamp, and what a failed write left.
async fn small() -> (S3, Dataset) {
    let s3 = S3::with_bucket("warehouse");
    s3.create_bucket("backup");
    let dataset = Dataset::init(s3.client(), "warehouse", "billing").await.unwrap().into_dataset();
    let store = dataset.store::<Cost>();
    store.write(&[cost(0, 1), cost(1, 1)]).token("job-1").await.unwrap();
    let commits = store.write(&[cost(0, 2)]).await.unwrap();
    dataset.restamp(&commits[0]).await.unwrap();
    fail_a_write(&s3, &dataset).await;
    (s3, dataset)
}

/// Checks that the copy has the objects of all commits, and nothing else.
fn assert_complete(s3: &S3) {
    let mut original = objects(s3, "warehouse", "billing");
    original.retain(|key, _| !key.contains("failed"));
    // The marker of the write that failed is that of a committed row.
    let copy = objects(s3, "backup", "copy/of");
    assert_eq!(copy.keys().collect::<Vec<_>>(), original.keys().collect::<Vec<_>>());
    assert!(copy == original);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_the_same_dataset() {
    let world = World::new().await;
    world.s3.create_bucket("backup");
    let dataset = Dataset::open(world.s3.client(), "warehouse", "billing").await.unwrap();
    fail_a_write(&world.s3, &dataset).await;
    let target = "s3://backup/copy/of";
    let before = world.s3.keys("backup");
    let dry: Value = serde_json::from_str(&world.ok(&["copy", LOCATION, target, "--dry-run", "--json"]).await).unwrap();
    assert_eq!((&dry["commits"], &dry["new_commits"], &dry["verified"]), (&8.into(), &8.into(), &false.into()));
    assert_eq!(world.s3.keys("backup"), before);

    let copied: Value = serde_json::from_str(&world.ok(&["copy", LOCATION, target, "--json"]).await).unwrap();
    assert_eq!((&copied["new_commits"], &copied["markers"], &copied["verified"]), (&8.into(), &8.into(), &true.into()));
    assert_eq!(copied["new_bytes"], dry["new_bytes"]);
    assert_complete(&world.s3);
    for command in [
        vec!["cat", "--format", "json"],
        vec!["cat", "--format", "json", "--history"],
        vec!["lookup", "sku_days", "sku=SKU-3/*"],
    ] {
        let at = |place| [&command[..1], &[place], &command[1..]].concat();
        assert_eq!(world.ok(&at(LOCATION)).await, world.ok(&at(target)).await, "{command:?}");
    }
    settle().await;
    let world = &world;
    let entries = |place| async move { lines(&world.ok(&["tail", place, "--json"]).await) };
    let (original, copy) = (entries(LOCATION).await, entries(target).await);
    assert_eq!(copy.len(), 8);
    for (original, copy) in original.iter().zip(&copy) {
        let offset = original["offset"].as_str().unwrap().replace("billing/", "copy/of/");
        assert_eq!((copy["offset"].as_str().unwrap(), &copy["stamped_at"]), (offset.as_str(), &original["stamped_at"]));
    }
    // A token finds its commit.
    let copy = Dataset::open(world.s3.client(), "backup", "copy/of").await.unwrap();
    let costs: Vec<_> = (0..8).map(|index| cost(index, 2)).collect();
    let files = |bucket: &str| world.s3.keys(bucket).iter().filter(|key| key.ends_with(".parquet")).count();
    let commits = copy.store::<Cost>().write(&costs).token("job-2").await.unwrap();
    assert!(commits.len() == 4 && commits.iter().all(|commit| commit.replayed), "{commits:?}");
    assert_eq!(files("backup"), 8);
    copy.store::<Cost>().write(&[cost(3, 7)]).token("job-2").await.unwrap_err();

    // What was written since is added.
    dataset.store::<Cost>().write(&[cost(9, 3)]).await.unwrap();
    let shown = world.ok(&["copy", LOCATION, target]).await;
    assert!(shown.starts_with("1 commits with ") && shown.contains(": 9 commits, 9 refs, "), "{shown}");
    assert!(shown.ends_with(", verified\n"), "{shown}");
    assert!(world.ok(&["copy", LOCATION, target]).await.starts_with("0 commits with 0 B copied"));
    let errors = world.fails(&["copy", LOCATION, LOCATION]).await;
    assert!(errors.contains("the destination is the source"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_copied_to_another_s3() {
    let world = World::new().await;
    let other = S3::with_bucket("backup");
    let listener = other.listen("127.0.0.1:0").await.unwrap();
    let url = listener.endpoint();
    let copy = ["copy", LOCATION, "s3://backup/copy/of", "*/client=abc", "--to-endpoint-url", &url];
    let shown = world.ok(&copy).await;
    assert!(shown.contains(": 4 commits, 4 refs, 8 markers, "), "{shown}");
    let dataset = Dataset::open(other.client(), "backup", "copy/of").await.unwrap();
    let original = Dataset::open(world.s3.client(), "warehouse", "billing").await.unwrap();
    let read = |dataset: &Dataset| dataset.store::<Cost>().read("*/client=abc").history().into_future();
    assert_eq!(read(&dataset).await.unwrap(), read(&original).await.unwrap());
    assert_eq!(dataset.store::<Cost>().read_all().await.unwrap().len(), 4);
    assert_eq!(dataset.view::<SkuDays>().lookup("*").await.unwrap().len(), 8);
    // Then the rest.
    let rest = world.ok(&[&copy[..3], &copy[4..]].concat()).await;
    assert!(rest.starts_with("4 commits with ") && rest.contains(": 8 commits"), "{rest}");
    let wrong = [&copy[..3], &["month=1"], &copy[4..]].concat();
    let errors = world.fails(&wrong).await;
    assert!(errors.contains("month") && errors.contains("day"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_failed_at_any_request_is_continued() {
    let (s3, dataset) = small().await;
    let mut failed = 0;
    for number in 0.. {
        s3.inject(Fault::any().skip(number).fail(403, "AccessDenied"));
        let end = dataset.copy_to(s3.client(), "backup", "copy/of").await;
        s3.clear_faults();
        // Whatever a reader of the copy finds is complete.
        if let Ok(copy) = Dataset::open(s3.client(), "backup", "copy/of").await {
            let records = copy.store::<Cost>().read_all().history().await.unwrap();
            for entry in copy.store::<Cost>().poll(&Offset::START).await.unwrap().entries {
                copy.store::<Cost>().read_entries([&entry]).await.unwrap();
            }
            assert!(records.len() <= 3);
        }
        let copied = dataset.copy_to(s3.client(), "backup", "copy/of").await.unwrap();
        assert_eq!((copied.commits, copied.refs), (3, 4));
        assert_complete(&s3);
        for key in s3.keys("backup") {
            s3.remove_object("backup", &key).unwrap();
        }
        match end {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
                failed += 1;
            }
            Ok(_) => break,
        }
    }
    assert!(failed > 30, "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_at_the_destination_is_refused() {
    let (s3, dataset) = small().await;
    let copy = || dataset.copy_to(s3.client(), "backup", "copy/of").into_future();
    copy().await.unwrap();
    let whole = objects(&s3, "backup", "copy/of");
    let object = |key: &str| s3.object("backup", &format!("copy/of/{key}")).unwrap();
    for (key, (body, metadata)) in &whole {
        if key.starts_with("_config/commit-timeout") || key.starts_with("_config/max-clock-skew") {
            continue;
        }
        let place = format!("copy/of/{key}");
        let kept = object(key);
        let mut other = metadata.clone();
        let mut bytes = body.clone();
        match bytes.last_mut() {
            Some(last) => *last ^= 1,
            None if metadata.is_empty() => bytes.push(b'x'),
            None => drop(other.insert("rowcount".to_owned(), "77".to_owned())),
        }
        s3.put_object_with("backup", &place, bytes.clone(), other);
        let error = copy().await.unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidData && error.to_string().contains(&place), "{key}: {error}");
        assert_eq!(s3.object("backup", &place).unwrap().body, bytes);
        s3.put_object_with("backup", &place, kept.body, kept.metadata);
    }
    copy().await.unwrap();
    // Another timing.
    let init = Dataset::init(s3.client(), "backup", "other").commit_timeout(std::time::Duration::from_secs(30));
    assert_eq!(init.await.unwrap().into_dataset().prefix(), "other");
    for copy in
        [dataset.copy_to(s3.client(), "backup", "other"), dataset.copy_to(s3.client(), "backup", "other").dry_run()]
    {
        assert_eq!(copy.await.unwrap_err().kind(), ErrorKind::Config);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_at_once_do_no_harm() {
    let (s3, dataset) = small().await;
    let copy = || dataset.copy_to(s3.client(), "backup", "copy/of").into_future();
    let (first, second, third) = tokio::join!(copy(), copy(), copy());
    for copied in [first, second, third] {
        assert_eq!(copied.unwrap().commits, 3);
    }
    assert_complete(&s3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_copied_in_parts() {
    let s3 = S3::with_bucket("warehouse");
    s3.create_bucket("backup");
    let dataset = Dataset::init(s3.client(), "warehouse", "billing").await.unwrap().into_dataset();
    let [commit] = dataset.store::<Cost>().write(&[cost(0, 1)]).token("large").await.unwrap().try_into().unwrap();
    // The bytes of a file do not matter to a copy.
    let body: Vec<u8> = (0..40_000_000_u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    s3.put_object("warehouse", &commit.data_path, body.clone());
    let copied = dataset.copy_to(s3.client(), "backup", "copy/of").await.unwrap();
    assert_eq!(copied.new_bytes, 40_000_000);
    let key = commit.data_path.replace("billing/", "copy/of/");
    let copy = s3.object("backup", &key).unwrap();
    assert!(copy.body == body && copy.etag.ends_with("-3"), "{}", copy.etag);
    // Without its commit, a copy that may be another file is compared byte by byte.
    let commit_key = s3.keys("backup").into_iter().find(|key| key.ends_with(".commit")).unwrap();
    s3.remove_object("backup", &commit_key).unwrap();
    let mut other = body.clone();
    other[39_999_999] ^= 1;
    s3.put_object("backup", &key, other);
    let error = dataset.copy_to(s3.client(), "backup", "copy/of").await.unwrap_err();
    assert!(error.to_string().contains("the bytes 33554432 to 40000000 are others"), "{error}");
    s3.put_object("backup", &key, body);
    assert_eq!(dataset.copy_to(s3.client(), "backup", "copy/of").await.unwrap().new_bytes, 0);
}
