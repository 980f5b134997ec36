//! The Delta log of a dataset.

use std::collections::BTreeSet;
use std::time::Duration;

use s3store::chrono::{DateTime, NaiveDate, Utc};
use s3store::doctor::Finding;
use s3store::publish::SqlDialect;
use s3store::rust_decimal::Decimal;
use s3store::testing::{ConditionalPut, Fault, Meanwhile, Operation};
use s3store::{Dataset, ErrorKind, Record};
use serde_json::Value;

use crate::integration::harness::{BUCKET, Virtual, put, sleep, within};

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day))]
struct Sale {
    #[record(entity)]
    day: NaiveDate,
    #[record(entity)]
    id: i64,
    #[record(version)]
    sold_at: DateTime<Utc>,
    #[record(decimal(9, 2))]
    price: Option<Decimal>,
    note: String,
    share: f64,
    pieces: u32,
}

/// A later form of [`Sale`].
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day))]
struct LaterSale {
    #[record(entity)]
    day: NaiveDate,
    #[record(entity)]
    id: i64,
    #[record(version)]
    sold_at: DateTime<Utc>,
    #[record(default)]
    customer: Option<String>,
    #[record(default)]
    local: Option<s3store::chrono::NaiveDateTime>,
}

fn sale(day: u32, id: i64, micros: i64) -> Sale {
    Sale {
        day: NaiveDate::from_ymd_opt(2026, 3, day).unwrap(),
        id,
        sold_at: DateTime::from_timestamp_micros(1_800_000_000_000_000 + micros).unwrap(),
        price: (id > 1).then(|| Decimal::new(id * 100 + 5, 2)),
        note: format!("note {id}"),
        share: 0.5,
        pieces: 3,
    }
}

/// The prefix of the dataset.
fn prefix(dataset: &Dataset) -> String {
    dataset.prefix().to_owned()
}

/// The keys of the log.
fn log_keys(world: &Virtual) -> Vec<String> {
    world.keys_with("/_delta_log/")
}

/// The start of the keys of a version.
fn log_key(dataset: &Dataset, version: u64) -> String {
    format!("{}/_delta_log/{version:020}", prefix(dataset))
}

/// The actions of each version of the log.
fn versions(world: &Virtual, dataset: &Dataset) -> Vec<Vec<Value>> {
    let folder = format!("{}/_delta_log/", prefix(dataset));
    let keys: Vec<String> = log_keys(world).into_iter().filter(|key| key.ends_with(".json")).collect();
    let version = |(number, key): (usize, &String)| {
        assert_eq!(key, &format!("{folder}{number:020}.json"));
        let body = world.s3.object(BUCKET, key).unwrap().body;
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    };
    keys.iter().enumerate().map(version).collect()
}

/// The paths of the files in the log, in order.
fn paths(world: &Virtual, dataset: &Dataset) -> Vec<String> {
    let versions = versions(world, dataset);
    let adds = versions.iter().flatten().filter_map(|action| action.get("add"));
    adds.map(|add| add["path"].as_str().unwrap().to_owned()).collect()
}

/// Checks that the log has all committed files, each once, and nothing else. Returns their number.
async fn check(world: &Virtual, dataset: &Dataset) -> usize {
    let entries = dataset.store::<Sale>().poll_range(..).await.unwrap();
    let start = format!("{}/", prefix(dataset));
    let committed: BTreeSet<String> =
        entries.iter().map(|entry| entry.data_path.strip_prefix(&start).unwrap().to_owned()).collect();
    let mut paths = paths(world, dataset);
    paths.sort_unstable();
    assert_eq!(paths, committed.into_iter().collect::<Vec<_>>());
    paths.len()
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_committed_files_and_their_statistics() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    store.write(&[sale(1, 1, 1_500), sale(1, 2, 2_001), sale(2, 3, 0)]).await.unwrap();
    // A write that fails leaves a file.
    world.s3.inject(put(".commit").always().fail(403, "AccessDenied"));
    store.write(&[sale(1, 9, 0)]).await.unwrap_err();
    world.s3.clear_faults();
    sleep(Duration::from_secs(60)).await;

    let published = table.publish_delta().await.unwrap();
    assert_eq!((published.version, published.versions, published.files), (Some(0), 1, 2));
    assert!(published.left_out.is_empty() && published.missing.is_empty());
    assert_eq!(check(&world, &dataset).await, 2);
    let first = &versions(&world, &dataset)[0];
    let find = |name: &str| first.iter().find_map(|action| action.get(name)).unwrap();
    assert_eq!(find("protocol")["writerFeatures"], serde_json::json!(["appendOnly", "domainMetadata", "s3store"]));
    let metadata = find("metaData");
    assert_eq!(metadata["configuration"]["delta.appendOnly"], "true");
    let schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
    let types: Vec<_> =
        schema["fields"].as_array().unwrap().iter().map(|field| field["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["date", "long", "timestamp", "decimal(9,2)", "string", "double", "long"]);
    let add = find("add");
    let size = world.s3.object(BUCKET, &format!("{}/{}", prefix(&dataset), add["path"].as_str().unwrap())).unwrap();
    assert_eq!(add["size"], size.body.len());
    let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
    assert_eq!(stats["numRecords"], 2);
    assert_eq!(
        stats["minValues"],
        serde_json::json!({"day": "2026-03-01", "id": 1, "note": "note 1", "price": 2.05, "sold_at": "2027-01-15T08:00:00.001Z"})
    );
    assert_eq!(
        stats["maxValues"],
        serde_json::json!({"day": "2026-03-01", "id": 2, "note": "note 2", "price": 2.05, "sold_at": "2027-01-15T08:00:00.003Z"})
    );
    assert_eq!((&stats["nullCount"]["price"], &stats["nullCount"]["id"]), (&1.into(), &0.into()));

    // Nothing is new.
    let again = table.publish_delta().await.unwrap();
    assert_eq!((again.version, again.versions, again.files), (Some(0), 0, 0));
    store.write(&[sale(2, 3, 5)]).token("a").await.unwrap();
    let early = table.publish_delta().await.unwrap();
    assert_eq!(early.files, 0, "the commit is not settled");
    sleep(Duration::from_secs(60)).await;
    let next = table.publish_delta().await.unwrap();
    assert_eq!((next.version, next.versions, next.files), (Some(1), 1, 1));
    assert_eq!(check(&world, &dataset).await, 3);
}

#[tokio::test(start_paused = true)]
async fn wherever_a_call_fails_the_next_one_completes_the_log() {
    let mut failed = 0;
    for phase in 0..2 {
        for (kind, fault) in [
            ("refused", (|n| Fault::any().skip(n).times(1).fail(403, "AccessDenied")) as fn(usize) -> Fault),
            ("refused but done", |n| Fault::any().skip(n).times(1).fail_applied(403, "AccessDenied")),
            ("lost", |n| Fault::any().skip(n).times(1).drop_connection()),
            ("answer lost", |n| Fault::any().skip(n).times(1).drop_connection_applied()),
            ("all answers lost", |n| Fault::any().skip(n).always().drop_connection_applied()),
        ] {
            for request in 0.. {
                let world = Virtual::new();
                let dataset = world.dataset().await;
                let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
                store.write(&[sale(1, 1, 0), sale(2, 2, 0)]).token("one").await.unwrap();
                sleep(Duration::from_secs(60)).await;
                if phase == 1 {
                    table.publish_delta().await.unwrap();
                    store.write(&[sale(1, 3, 0), sale(3, 2, 0)]).await.unwrap();
                    sleep(Duration::from_secs(60)).await;
                }
                let data = |key: &String| key.contains("/data/");
                let before: Vec<String> = world.s3.keys(BUCKET).into_iter().filter(data).collect();
                world.s3.clear_requests();
                world.s3.inject(fault(request));
                let result = table.publish_delta().await;
                let sent = world.s3.requests().len();
                world.s3.clear_faults();
                failed += usize::from(result.is_err());
                let files = paths(&world, &dataset);
                assert_eq!(files.len(), files.iter().collect::<BTreeSet<_>>().len(), "{kind} {request}");
                table.publish_delta().await.unwrap();
                let files = check(&world, &dataset).await;
                assert_eq!(files, if phase == 0 { 2 } else { 4 }, "{kind} {request}");
                let after: Vec<String> = world.s3.keys(BUCKET).into_iter().filter(data).collect();
                assert_eq!(after, before, "data is not touched");
                if sent <= request {
                    break;
                }
            }
        }
    }
    println!("{failed} calls failed");
    assert!(failed > 20, "{failed}");
}

/// Wherever a stream fails, it goes on or ends, and its log has each file once at most.
#[tokio::test(start_paused = true)]
async fn wherever_a_stream_fails_it_goes_on_or_ends() {
    let (mut ended, mut went_on) = (0, 0);
    for (kind, fault) in [
        ("refused", (|n| Fault::any().skip(n).times(1).fail(403, "AccessDenied")) as fn(usize) -> Fault),
        ("refused but done", |n| Fault::any().skip(n).times(1).fail_applied(403, "AccessDenied")),
        ("unavailable", |n| Fault::any().skip(n).times(8).drop_connection()),
        ("answers lost", |n| Fault::any().skip(n).times(8).drop_connection_applied()),
    ] {
        for request in 0.. {
            let world = Virtual::new();
            let dataset = world.dataset().await;
            let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
            for id in 0..3 {
                store.write(&[sale(1, id, 0), sale(2, id, 0)]).await.unwrap();
                sleep(Duration::from_secs(60)).await;
                if id == 0 {
                    table.publish_delta().await.unwrap();
                }
            }
            world.s3.clear_requests();
            world.s3.inject(fault(request));
            let mut publishing = table.publish_delta().stream();
            let result = within(Duration::from_secs(300), publishing.try_next()).await;
            let sent = world.s3.requests().len();
            world.s3.clear_faults();
            match result {
                Some(Ok(published)) => {
                    went_on += 1;
                    assert_eq!(published.unwrap().version, Some(1), "{kind} {request}");
                    assert_eq!(check(&world, &dataset).await, 6, "{kind} {request}");
                }
                Some(Err(error)) => {
                    ended += 1;
                    assert_eq!(error.kind(), ErrorKind::Refused, "{kind} {request}");
                }
                // It published before an answer was lost, and then there was no news.
                None => assert_eq!(check(&world, &dataset).await, 6, "{kind} {request}"),
            }
            drop(publishing);
            table.publish_delta().await.unwrap();
            assert_eq!(check(&world, &dataset).await, 6, "{kind} {request}");
            if sent <= request {
                break;
            }
        }
    }
    println!("{went_on} streams went on, {ended} ended");
    assert!(went_on > 10 && ended > 10, "{went_on} {ended}");
}

/// Publishes a file in each of some versions, from `first` on.
async fn publish_versions(dataset: &Dataset, first: i64, count: i64) {
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    for id in first..first + count {
        store.write(&[sale(1, id, 0)]).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(table.publish_delta().await.unwrap().versions, 1);
    }
}

/// The keys of the checkpoints.
fn checkpoints(world: &Virtual) -> Vec<String> {
    log_keys(world).into_iter().filter(|key| key.contains(".checkpoint.")).collect()
}

#[tokio::test(start_paused = true)]
async fn each_hundred_versions_have_a_checkpoint() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    publish_versions(&dataset, 0, 99).await;
    assert_eq!(checkpoints(&world), [""; 0]);
    publish_versions(&dataset, 99, 110).await;
    let key = |version| format!("{}.checkpoint.parquet", log_key(&dataset, version));
    assert_eq!(checkpoints(&world), [key(99), key(199)]);
    let pointer = format!("{}/_delta_log/_last_checkpoint", prefix(&dataset));
    let json: Value = serde_json::from_slice(&world.s3.object(BUCKET, &pointer).unwrap().body).unwrap();
    assert_eq!((&json["version"], &json["numOfAddFiles"], &json["size"]), (&199.into(), &200.into(), &204.into()));

    // The checkpoint and the 9 versions since.
    world.s3.clear_requests();
    assert_eq!(table.publish_delta().await.unwrap().version, Some(208));
    let requests = world.log();
    assert!(requests.len() < 16 && requests.contains(&format!("Get {}", key(199))), "{requests:#?}");

    // The pointer is lost, or is cut off, or its checkpoint is removed or not readable: the next call writes one.
    let whole = world.s3.object(BUCKET, &pointer).unwrap().body;
    for damage in 0..4 {
        match damage {
            0 => drop(world.s3.remove_object(BUCKET, &pointer).unwrap()),
            1 => world.s3.put_object(BUCKET, &pointer, whole.slice(..10)),
            2 => drop(world.s3.remove_object(BUCKET, &key(208)).unwrap()),
            _ => world.s3.put_object(BUCKET, &key(208), "PAR1"),
        }
        let published = table.publish_delta().reconcile().await.unwrap();
        assert_eq!((published.version, published.versions), (Some(208), 0), "{damage}");
        let json: Value = serde_json::from_slice(&world.s3.object(BUCKET, &pointer).unwrap().body).unwrap();
        assert_eq!((&json["version"], &json["size"]), (&208.into(), &213.into()), "{damage}");
        assert!(checkpoints(&world).contains(&key(208)), "{damage}");
    }
    // Nothing before the checkpoint is needed.
    for key in log_keys(&world).iter().filter(|key| **key < self::log_key(&dataset, 208)) {
        world.s3.remove_object(BUCKET, key).unwrap();
    }
    store.write(&[sale(1, 999, 0)]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let published = table.publish_delta().await.unwrap();
    assert_eq!((published.version, published.files), (Some(209), 1), "no file is published again");

    // A checkpoint that is not readable, without what is before it.
    world.s3.put_object(BUCKET, &key(208), "PAR1");
    let error = table.publish_delta().await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidData && error.to_string().contains(&key(208)), "{error}");
}

/// Wherever writing a checkpoint fails, the log stays complete, and the next call writes the same checkpoint.
#[tokio::test(start_paused = true)]
async fn wherever_a_checkpoint_fails_the_next_call_writes_it() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    publish_versions(&dataset, 0, 99).await;
    store.write(&[sale(1, 99, 0)]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let before = world.s3.keys(BUCKET);
    let restore = || {
        for key in world.s3.keys(BUCKET).iter().filter(|key| !before.contains(key)) {
            world.s3.remove_object(BUCKET, key).unwrap();
        }
        world.s3.clear_requests();
    };
    restore();
    table.publish_delta().await.unwrap();
    let all = world.s3.requests().len();
    let mut failed = 0;
    for fault in [
        (|n| Fault::any().skip(n).times(1).fail(403, "AccessDenied")) as fn(usize) -> Fault,
        |n| Fault::any().skip(n).times(1).fail_applied(403, "AccessDenied"),
        |n| Fault::any().skip(n).times(1).drop_connection(),
        |n| Fault::any().skip(n).always().drop_connection_applied(),
    ] {
        // Another test fails the requests that read the log. Those for the 100 versions of the checkpoint are alike.
        for request in (101..all).filter(|request| *request < 112 || *request + 5 > all) {
            restore();
            world.s3.inject(fault(request));
            failed += usize::from(table.publish_delta().await.is_err());
            world.s3.clear_faults();
            table.publish_delta().await.unwrap();
            assert_eq!(check(&world, &dataset).await, 100, "{request}");
            let key = format!("{}/_delta_log/{:020}.checkpoint.parquet", prefix(&dataset), 99);
            assert_eq!(checkpoints(&world), [key], "{request}");
            assert!(world.keys_with("_last_checkpoint").len() == 1, "{request}");
            // The checkpoint has each file, once.
            let published = table.publish_delta().reconcile().await.unwrap();
            assert_eq!((published.versions, published.missing.len()), (0, 0), "{request}");
        }
    }
    println!("{all} requests, {failed} calls failed");
    assert!(failed > 30, "{failed}");
}

/// The log of a large table, whose files are not there.
#[tokio::test(start_paused = true)]
async fn a_large_checkpoint_has_several_parts() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    table.publish_delta().await.unwrap();
    for version in 1..100 {
        let file = |number: usize| {
            let path = format!("data/day={version}/{number}.parquet");
            serde_json::json!({"add": {"path": path, "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": true}})
                .to_string()
        };
        let body: Vec<String> = (0..2_050).map(file).collect();
        world.s3.put_object(BUCKET, &format!("{}/_delta_log/{version:020}.json", prefix(&dataset)), body.join("\n"));
    }
    assert_eq!(table.publish_delta().await.unwrap().version, Some(99));
    let key = |part: u32| format!("{}/_delta_log/{:020}.checkpoint.{part:010}.{:010}.parquet", prefix(&dataset), 99, 3);
    assert_eq!(checkpoints(&world), [key(1), key(2), key(3)]);
    let pointer = world.keys_with("_last_checkpoint").remove(0);
    let json: Value = serde_json::from_slice(&world.s3.object(BUCKET, &pointer).unwrap().body).unwrap();
    assert_eq!((&json["parts"], &json["numOfAddFiles"]), (&3.into(), &202_950.into()));
    world.s3.clear_requests();
    // All files are known, though there are none.
    let published = table.publish_delta().reconcile().await.unwrap();
    assert_eq!((published.versions, published.missing.len()), (0, 202_950));
    assert!(world.s3.requests().len() < 16, "{:#?}", world.log());
    // Without one part the checkpoint is not used.
    world.s3.remove_object(BUCKET, &key(2)).unwrap();
    store.write(&[sale(1, 1, 0)]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let published = table.publish_delta().await.unwrap();
    assert_eq!((published.version, published.files), (Some(100), 1));
}

#[tokio::test(start_paused = true)]
async fn publishers_at_once_publish_each_file_once() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Sale>();
    for round in 0..6 {
        store.write(&[sale(1, round, 0), sale(2, round, 0)]).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        world.s3.inject(Fault::on(Operation::Put).always().delay(Duration::from_millis(20)));
        let table = store.table();
        let publishing = (0..4).map(|_| async { table.publish_delta().await.unwrap() });
        let published = futures_util::future::join_all(publishing).await;
        world.s3.clear_faults();
        assert_eq!(published.iter().map(|one| one.files).sum::<u64>(), 2);
        assert_eq!(check(&world, &dataset).await, 2 * (usize::try_from(round).unwrap() + 1));
    }
    assert!(versions(&world, &dataset).len() <= 7);
}

/// A late commit is behind the log's place.
#[tokio::test(start_paused = true)]
async fn a_reconciling_call_adds_late_commits_and_reports_missing_files() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    store.write(&[sale(1, 1, 0)]).await.unwrap();
    sleep(dataset.settle_window()).await;
    // S3 puts it in the end, after the writer has given up.
    world.s3.inject(put(".commit").always().apply_after(40 * dataset.settle_window(), Meanwhile::Silence));
    let late = tokio::spawn({
        let store = store.clone();
        async move { store.write(&[sale(1, 2, 0)]).report_late().await }
    });
    late.await.unwrap().unwrap_err();
    world.s3.clear_faults();
    table.publish_delta().await.unwrap();
    sleep(60 * dataset.settle_window()).await;
    assert_eq!(paths(&world, &dataset).len(), 1);
    table.publish_delta().await.unwrap();
    let passed = paths(&world, &dataset).len();
    let reconciled = table.publish_delta().reconcile().await.unwrap();
    assert_eq!((passed, reconciled.files), (1, 1), "the late commit is passed until the dataset is listed");
    let path = format!("{}/{}", prefix(&dataset), paths(&world, &dataset)[0]);
    world.s3.remove_object(BUCKET, &path).unwrap();
    let commit = path.replace(".parquet", ".commit");
    let commits: Vec<String> = world.s3.keys(BUCKET).into_iter().filter(|key| key.ends_with(".commit")).collect();
    // The commit of the file goes, too, or the dataset would be broken.
    let gone = commits.iter().find(|key| commit.starts_with(key.trim_end_matches(".commit"))).unwrap();
    world.s3.remove_object(BUCKET, gone).unwrap();
    let reconciled = table.publish_delta().reconcile().await.unwrap();
    assert_eq!(reconciled.missing, [path]);
}

/// The kinds of the findings of `doctor`.
async fn diagnosed(dataset: &Dataset) -> Vec<String> {
    let report = dataset.doctor(..).await.unwrap();
    assert!(report.published_until.unwrap().is_some());
    let kind = |finding: &Finding| format!("{finding:?}").split([' ', '(']).next().unwrap().to_owned();
    report.findings.iter().map(kind).collect()
}

#[tokio::test(start_paused = true)]
async fn doctor_compares_the_log_with_the_dataset() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    store.write(&[sale(1, 1, 0)]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let report = dataset.doctor(..).await.unwrap();
    assert!(report.findings.is_empty() && report.published_until.unwrap().is_none());
    table.publish_delta().await.unwrap();
    let published = world.clock.now();
    // Not published yet, and before the place of the publisher.
    store.write(&[sale(1, 2, 0)]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(diagnosed(&dataset).await, [""; 0]);
    let until = dataset.doctor(..).await.unwrap().published_until.unwrap().unwrap();
    assert_eq!(until, published - dataset.settle_window());

    // A late commit, which is restamped.
    for _ in 0..2 {
        world.s3.inject(put(".commit").always().apply_after(40 * dataset.settle_window(), Meanwhile::Silence));
        store.write(&[sale(1, 3, 0)]).report_late().await.unwrap_err();
        world.s3.clear_faults();
        store.write(&[sale(1, 4, 0)]).await.unwrap();
        sleep(2 * dataset.settle_window()).await;
        table.publish_delta().await.unwrap();
        sleep(60 * dataset.settle_window()).await;
    }
    let report = dataset.doctor(..).await.unwrap();
    let missing = |finding: &Finding| match finding {
        Finding::Unpublished { commit } => Some(commit.clone()),
        _ => None,
    };
    let missing: Vec<_> = report.findings.iter().filter_map(missing).collect();
    assert_eq!((report.findings.len(), missing.len()), (4, 2), "{:?}", report.findings);
    dataset.restamp(&missing[0]).await.unwrap();
    assert_eq!(diagnosed(&dataset).await, ["Late", "Unpublished"], "the first one is after the place of the publisher");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(table.publish_delta().await.unwrap().files, 1);
    assert_eq!(table.publish_delta().reconcile().await.unwrap().files, 1);
    assert_eq!(diagnosed(&dataset).await, ["Late"]);
    dataset.restamp(&missing[1]).await.unwrap();
    assert_eq!(diagnosed(&dataset).await, [""; 0]);

    // Somebody adds a file of a failed attempt, one that is not there, and an object that is no file.
    world.s3.inject(put(".commit").always().fail(403, "AccessDenied"));
    store.write(&[sale(2, 9, 0)]).await.unwrap_err();
    world.s3.clear_faults();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(diagnosed(&dataset).await, ["RefWithoutCommit", "FileWithoutCommit"]);
    let orphan = world.keys_with("/day=2026-03-02/").remove(0);
    let orphan = orphan.strip_prefix(&format!("{}/", prefix(&dataset))).unwrap();
    let missing = orphan.replace("day=2026-03-02", "day=2026-03-09");
    let add = |path: &str| serde_json::json!({"add": {"path": path, "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": true}});
    let version = versions(&world, &dataset).len() as u64;
    let body: Vec<String> = [orphan, missing.as_str(), "data/readme"].map(|path| add(path).to_string()).into();
    world.s3.put_object(BUCKET, &format!("{}.json", log_key(&dataset, version)), body.join("\n"));
    let found = ["RefWithoutCommit", "FileWithoutCommit", "PublishedWithoutCommit", "PublishedWithoutFile"];
    let found: Vec<_> = found.into_iter().chain(["PublishedWithoutCommit"]).collect();
    assert_eq!(diagnosed(&dataset).await, found);

    // The log of another program, and one that is not readable.
    world.s3.put_object(
        BUCKET,
        &format!("{}.json", log_key(&dataset, 0)),
        r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#,
    );
    let report = dataset.doctor(..).await.unwrap();
    assert_eq!((report.findings.len(), report.published_until.unwrap_err().kind()), (2, ErrorKind::Config));
    world.s3.put_object(BUCKET, &format!("{}.json", log_key(&dataset, 0)), "{");
    let report = dataset.doctor(..).await.unwrap();
    assert!(matches!(&report.findings[2..], [Finding::Unreadable { path, .. }] if path.ends_with("/_delta_log/")));
    assert!(report.published_until.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_adds_a_version_each_interval() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    store.write(&[sale(1, 0, 0)]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let mut publishing = table.publish_delta().interval(Duration::from_secs(600)).stream();
    let first = publishing.try_next().await.unwrap().unwrap();
    assert_eq!((first.version, first.files), (Some(0), 1));
    for round in 1..4 {
        for id in 0..5 {
            store.write(&[sale(1, id, round)]).await.unwrap();
            sleep(Duration::from_secs(20)).await;
        }
        if round == 2 {
            // Another publisher is faster.
            store.write(&[sale(2, 7, round)]).await.unwrap();
            sleep(Duration::from_secs(60)).await;
            assert_eq!(table.publish_delta().await.unwrap().files, 6);
            store.write(&[sale(2, 8, round)]).await.unwrap();
        }
        let published = publishing.try_next().await.unwrap().unwrap();
        assert_eq!((published.versions, published.files), (1, if round == 2 { 1 } else { 5 }), "{round}");
    }
    check(&world, &dataset).await;
    // Nothing is new: a GET of the next version and a LIST of refs.
    world.s3.clear_requests();
    let waiting = async { publishing.try_next().await.map(drop) };
    tokio::select! {
        _ = waiting => panic!("there is nothing to publish"),
        () = sleep(Duration::from_secs(6_000)) => {}
    }
    assert!((18..=22).contains(&world.s3.requests().len()), "{:?}", world.log());
    drop(publishing);
    sleep(Duration::from_secs(1)).await;
    world.s3.clear_requests();
    sleep(Duration::from_secs(6_000)).await;
    assert!(world.s3.requests().is_empty());
}

/// A stream goes on when S3 is available again. It does not begin before.
#[tokio::test(start_paused = true)]
async fn a_stream_waits_for_s3() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    let mut publishing = table.publish_delta().stream();
    for round in 0..3 {
        world.s3.inject(Fault::any().key_contains("_delta_log").always().fail(503, "SlowDown"));
        let waiting = async { publishing.try_next().await.map(drop) };
        tokio::select! {
            ended = waiting => panic!("{ended:?}"),
            () = sleep(Duration::from_secs(600)) => {}
        }
        world.s3.clear_faults();
        let first = (round == 0).then_some(0);
        store.write(&[sale(1, round, 0)]).await.unwrap();
        if first == Some(0) {
            // The table begins with the files that are there.
            assert_eq!(publishing.try_next().await.unwrap().unwrap().version, Some(0));
        } else {
            assert_eq!(publishing.try_next().await.unwrap().unwrap().files, 1);
        }
    }
    sleep(Duration::from_secs(100)).await;
    check(&world, &dataset).await;
    // Another error ends it.
    world.s3.inject(Fault::any().always().fail(403, "AccessDenied"));
    assert_eq!(publishing.try_next().await.unwrap_err().kind(), ErrorKind::Refused);
    assert!(publishing.try_next().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn columns_can_be_left_out() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let table = dataset.store::<Sale>().table();
    let publishing = table.publish_delta().leave_out(["pieces", "unknown"]);
    let query = publishing.latest_sql("sales", SqlDialect::DuckDb).unwrap();
    assert!(query.starts_with(r#"SELECT "day", "id", "sold_at", "price", "note", "share" FROM"#), "{query}");
    let left_out = publishing.clone().await.unwrap().left_out;
    assert_eq!(left_out.iter().map(ToString::to_string).collect::<Vec<_>>(), ["pieces: the caller leaves it out"]);
    let names = |version: usize| {
        let versions = versions(&world, &dataset);
        let metadata = versions[version].iter().find_map(|action| action.get("metaData")).unwrap();
        let schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
        schema["fields"].as_array().unwrap().len()
    };
    assert_eq!(names(0), 6);
    // It is added if another publisher does not leave it out, and then stays.
    table.publish_delta().await.unwrap();
    assert_eq!(names(1), 7);
    assert_eq!(publishing.await.unwrap().versions, 0);
    assert_eq!(table.publish_delta().leave_out(["id"]).latest_sql("sales", SqlDialect::DuckDb), None);
}

/// Somebody deletes a committed file before it is published.
#[tokio::test(start_paused = true)]
async fn a_deleted_file_does_not_stop_publishing() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    table.publish_delta().await.unwrap();
    let commits = store.write(&[sale(1, 1, 0), sale(2, 2, 0)]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    world.s3.remove_object(BUCKET, &commits[0].data_path).unwrap();
    let published = table.publish_delta().await.unwrap();
    assert_eq!((published.files, published.missing), (1, vec![commits[0].data_path.clone()]));
    assert_eq!(table.publish_delta().await.unwrap().versions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_column_is_added_to_the_table() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    dataset.store::<Sale>().write(&[sale(1, 1, 0)]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    dataset.store::<Sale>().table().publish_delta().await.unwrap();
    let later = dataset.store::<LaterSale>();
    let published = later.table().publish_delta().await.unwrap();
    assert_eq!((published.version, published.files), (Some(1), 0));
    // The older program changes nothing.
    assert_eq!(dataset.store::<Sale>().table().publish_delta().await.unwrap().versions, 0);
    let versions = versions(&world, &dataset);
    let metadata = versions[1].iter().find_map(|action| action.get("metaData")).unwrap();
    let schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
    let names: Vec<_> = schema["fields"].as_array().unwrap().iter().map(|field| field["name"].clone()).collect();
    assert_eq!(names, ["day", "id", "sold_at", "price", "note", "share", "pieces", "customer", "local"]);
    let protocol = versions[1].iter().find_map(|action| action.get("protocol")).unwrap();
    assert_eq!((&protocol["minReaderVersion"], &protocol["readerFeatures"][0]), (&3.into(), &"timestampNtz".into()));
}

#[tokio::test(start_paused = true)]
async fn the_latest_versions_are_a_query() {
    #[derive(Debug, Clone, Record)]
    #[record(partition_by(day))]
    struct Deletable {
        #[record(entity)]
        day: String,
        #[record(version)]
        at: i64,
        #[record(deleted)]
        gone: bool,
    }
    let dataset = Virtual::new().dataset().await;
    let query = dataset.store::<Deletable>().table().latest_sql("files", SqlDialect::DuckDb).unwrap();
    assert_eq!(
        query,
        "SELECT \"day\", \"at\", \"gone\" FROM (SELECT *, row_number() OVER (PARTITION BY \"day\" ORDER BY \"at\" DESC) AS \
         s3store_row FROM files) AS versions WHERE s3store_row = 1 AND NOT coalesce(\"gone\", false)"
    );
    let query = dataset.store::<Sale>().table().latest_sql("files", SqlDialect::Spark).unwrap();
    assert!(query.ends_with("(PARTITION BY `day`, `id` ORDER BY `sold_at` DESC) AS s3store_row FROM files) AS versions WHERE s3store_row = 1"), "{query}");
}

#[tokio::test(start_paused = true)]
async fn the_log_of_another_program_is_refused() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let key = format!("{}/_delta_log/{:020}.json", prefix(&dataset), 0);
    let table = dataset.store::<Sale>().table();
    world.s3.put_object(BUCKET, &key, r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#);
    let error = table.publish_delta().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("another program"), "{error}");
    world.s3.put_object(BUCKET, &key, r#"{"remove":{"path":"data/x"}}"#);
    let error = table.publish_delta().await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidData && error.to_string().contains(&key), "{error}");
    world.s3.remove_object(BUCKET, &key).unwrap();
    world.s3.put_object(BUCKET, &key.replace("0.json", "4.json"), "");
    let error = table.publish_delta().await.unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
}

/// Earlier and later forms of a record, which readers can read from each other's files.
mod forms {
    use super::*;

    #[derive(Debug, Clone, Record)]
    #[record(partition_by(part))]
    pub struct Narrow {
        pub part: String,
        pub old: i32,
        #[record(timestamp = "us")]
        pub at: DateTime<Utc>,
    }

    #[derive(Debug, Clone, Record)]
    #[record(partition_by(part))]
    pub struct Wide {
        pub part: String,
        pub old: i64,
        #[record(timestamp = "ms")]
        pub at: DateTime<Utc>,
    }

    #[derive(Debug, Clone, Record)]
    #[record(partition_by(part))]
    pub struct Renamed {
        pub part: String,
        #[record(alias = "old")]
        pub new: i32,
    }
}

/// Removes the log, as the guide says.
fn remove_log(world: &Virtual) {
    for key in log_keys(world) {
        world.s3.remove_object(BUCKET, &key).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn files_that_engines_would_read_wrong_are_refused() {
    use forms::{Narrow, Renamed, Wide};
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let [narrow, wide, renamed] =
        [dataset.store::<Narrow>().table(), dataset.store::<Wide>().table(), dataset.store::<Renamed>().table()];
    let (part, at) = ("a".to_owned(), DateTime::from_timestamp_micros(1_500).unwrap());
    let refused = async |table: &s3store::table::Table, column: &str| {
        let error = table.publish_delta().reconcile().await.unwrap_err();
        let text = error.to_string();
        assert!(error.kind() == ErrorKind::InvalidInput && text.contains(&format!("column {column}")), "{text}");
    };
    dataset.store().write(&[Narrow { part: part.clone(), old: 1, at }]).await.unwrap();
    narrow.publish_delta().await.unwrap();
    refused(&wide, "old").await;
    refused(&renamed, "new").await;
    // The newer program writes. The older one does not notice.
    dataset.store().write(&[Wide { part: part.clone(), old: 1 << 40, at }]).await.unwrap();
    refused(&narrow, "old").await;
    assert_eq!(paths(&world, &dataset).len(), 1);
    remove_log(&world);
    assert_eq!(wide.publish_delta().await.unwrap().files, 2, "the types of the other file are narrower");
    let stats: Vec<Value> = versions(&world, &dataset)
        .iter()
        .flatten()
        .filter_map(|action| serde_json::from_str(action.get("add")?["stats"].as_str()?).ok())
        .collect();
    let mut olds: Vec<i64> = stats.iter().map(|stats| stats["maxValues"]["old"].as_i64().unwrap()).collect();
    olds.sort_unstable();
    assert_eq!(olds, [1, 1 << 40]);
    assert!(stats.iter().all(|stats| stats["minValues"]["at"] == "1970-01-01T00:00:00.001Z"), "{stats:?}");

    let other = world.options().init(world.s3.client(), BUCKET, "renamed").await.unwrap().into_dataset();
    other.store().write(&[Narrow { part: part.clone(), old: 1, at }]).await.unwrap();
    let narrow = other.store::<Narrow>().table();
    narrow.publish_delta().await.unwrap();
    other.store().write(&[Renamed { part, new: 7 }]).await.unwrap();
    refused(&narrow, "old").await;
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_file_is_reported_and_passed() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    table.publish_delta().await.unwrap();
    let commits = store.write(&[sale(1, 1, 0), sale(2, 2, 0)]).await.unwrap();
    let body = world.s3.object(BUCKET, &commits[0].data_path).unwrap().body;
    let mut damaged = body.to_vec();
    let end = damaged.len() - 12;
    damaged[end..end + 4].fill(0xff);
    world.s3.put_object(BUCKET, &commits[0].data_path, damaged);
    sleep(Duration::from_secs(60)).await;
    let published = table.publish_delta().await.unwrap();
    assert_eq!((published.files, published.unreadable), (1, vec![commits[0].data_path.clone()]));
    assert_eq!(table.publish_delta().await.unwrap().versions, 0);
    // It is repaired.
    world.s3.put_object(BUCKET, &commits[0].data_path, body);
    assert_eq!(table.publish_delta().reconcile().await.unwrap().files, 1);
    assert_eq!(check(&world, &dataset).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_conditions_is_refused() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    store.write(&[sale(1, 1, 0)]).await.unwrap();
    for mode in [ConditionalPut::Ignored, ConditionalPut::NotImplemented] {
        world.s3.set_conditional_put(mode);
        for _ in 0..2 {
            let error = table.publish_delta().await.unwrap_err().to_string();
            assert!(error.contains("If-None-Match"), "{error}");
        }
    }
}

/// Looks at the change stream do not become more expensive by commits that are in the log, or refs without commits.
#[tokio::test(start_paused = true)]
async fn a_quiet_stream_looks_at_nothing_twice() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    table.publish_delta().await.unwrap();
    for id in 0..20 {
        store.write(&[sale(1, id, 0)]).token(format!("t{id}")).await.unwrap();
        world.s3.inject(put(".commit").always().fail(403, "AccessDenied"));
        store.write(&[sale(1, id, 1)]).await.unwrap_err();
        world.s3.clear_faults();
    }
    sleep(Duration::from_secs(60)).await;
    // All are in the log, whose place is before them.
    let place = versions(&world, &dataset).len();
    assert_eq!(table.publish_delta().reconcile().await.unwrap().files, 20);
    assert!(versions(&world, &dataset).len() > place);
    let mut publishing = table.publish_delta().interval(Duration::from_secs(60)).stream();
    assert!(within(Duration::from_secs(90), publishing.try_next()).await.is_none());
    world.s3.clear_requests();
    assert!(within(Duration::from_secs(600), publishing.try_next()).await.is_none());
    let requests = world.log();
    assert!(requests.iter().all(|request| !request.starts_with("Head")) && requests.len() <= 22, "{requests:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_if_the_log_is_removed() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (store, table) = (dataset.store::<Sale>(), dataset.store::<Sale>().table());
    store.write(&[sale(1, 1, 0)]).await.unwrap();
    let mut publishing = table.publish_delta().stream();
    publishing.try_next().await.unwrap().unwrap();
    remove_log(&world);
    store.write(&[sale(1, 2, 0)]).await.unwrap();
    let error = publishing.try_next().await.unwrap_err();
    assert!(error.to_string().contains("was the log removed?"), "{error}");
    assert_eq!(log_keys(&world), [""; 0]);
    assert_eq!(table.publish_delta().await.unwrap().files, 2);
    assert_eq!(check(&world, &dataset).await, 2);
}

#[tokio::test(start_paused = true)]
async fn latest_versions_are_those_of_each_partition() {
    #[derive(Debug, Clone, Record)]
    #[record(partition_by(part), dedup = "per_partition")]
    struct PerPartition {
        part: String,
        #[record(entity)]
        id: i64,
        #[record(version)]
        version: i64,
    }
    #[derive(Debug, Clone, Record)]
    #[record(partition_by(month = format(day, "%Y-%m")), dedup = "per_partition")]
    struct PerMonth {
        day: NaiveDate,
        #[record(entity)]
        id: i64,
        #[record(version)]
        version: i64,
    }
    let dataset = Virtual::new().dataset().await;
    let query = dataset.store::<PerPartition>().table().latest_sql("t", SqlDialect::DuckDb).unwrap();
    assert!(query.contains(r#"PARTITION BY "id", "part" ORDER BY"#), "{query}");
    assert_eq!(dataset.store::<PerMonth>().table().latest_sql("t", SqlDialect::DuckDb), None);
}
