//! Writers, followers and publishers in separate processes, killed at random with SIGKILL.
//!
//! Every batch that a writer saw committed must be in the snapshot, and every follower must receive it, exactly once
//! after deduplication. Each process keeps its state in a file: a writer the batches that it saw committed, a follower
//! its offset. `S3STORE_KILL_SECONDS` sets how long the test runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_s3::Client;
use s3store::doctor::Finding;
use s3store::testing::{ACCESS_KEY, Listener, REGION, S3, SECRET_KEY};
use s3store::{Clock, Dataset, Offset, Store};
use serde_json::Value;

use crate::integration::harness::{BUCKET, Server, sleep};
use crate::integration::records::Item;

const WRITERS: u64 = 4;
const FOLLOWERS: u64 = 2;
const RECORDS: i64 = 10;

const PUBLISHERS: u64 = 2;

/// How often publishers are killed.
const PUBLISHER_KILLS: usize = 50;

/// The role of a child process, such as `writer 0`.
const ROLE: &str = "S3STORE_KILL_ROLE";
const FOLDER: &str = "S3STORE_KILL_FOLDER";
const PREFIX: &str = "S3STORE_KILL_PREFIX";

/// Identifies a record: its partition, id and version.
type Key = (String, i64, i64);

fn key(item: &Item) -> Key {
    (item.part.clone(), item.id, item.version)
}

/// Returns a batch of a writer: versions of its own entities, in partitions that all writers share.
fn batch(writer: u64, number: i64) -> Vec<Item> {
    let id = |index: i64| i64::try_from(writer).unwrap() * 1_000 + (number * RECORDS + index) % 50;
    let part = |id: i64| if id % 2 == 0 { "even" } else { "odd" };
    (0..RECORDS).map(|index| Item::new(part(id(index)), id(index), number, "x")).collect()
}

/// The child processes of the tests below run this. In the normal test run it does nothing.
#[tokio::test]
async fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let server = Server::start().await;
    let prefix = std::env::var(PREFIX).unwrap();
    let dataset = Dataset::open(server.client.clone(), &server.bucket, prefix).await.unwrap();
    let store = dataset.store();
    match role.split_once(' ').unwrap() {
        ("writer", number) => write(&store, number.parse().unwrap(), &folder).await,
        ("publisher", number) => publish(&store, number).await,
        (_, number) => follow(&store, number, &folder).await,
    }
}

async fn write(store: &Store<Item>, writer: u64, folder: &Path) {
    let log = folder.join(format!("writer-{writer}"));
    let mut next = acknowledged(&log) + 1;
    let mut log = OpenOptions::new().create(true).append(true).open(log).unwrap();
    loop {
        let token = format!("writer-{writer}-batch-{next}");
        // After any error, retry the same batch until it is committed in time.
        match store.write(&batch(writer, next)).token(token).restamp_late(5).await {
            Ok(_) => {
                // One `write` call, so that a kill can't leave half a line.
                log.write_all(format!("{next}\n").as_bytes()).unwrap();
                next += 1;
                // Checked only after a commit: the batch during which this process was last killed may be committed
                // already.
                if folder.join("stop").exists() {
                    return;
                }
            }
            Err(error) => eprintln!("writer {writer}: {error:?}"),
        }
    }
}

/// Returns the last batch that a writer saw committed. A line that was cut off does not count.
fn acknowledged(log: &Path) -> i64 {
    lines(log).last().map_or(0, |line| line.parse().unwrap())
}

/// Returns the complete lines of a file, which may not exist.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
}

async fn follow(store: &Store<Item>, number: &str, folder: &Path) {
    let checkpoint = folder.join(format!("offset-{number}"));
    let offset = fs::read_to_string(&checkpoint).map_or(Offset::START, |text| text.parse().unwrap());
    let mut seen = OpenOptions::new().create(true).append(true).open(folder.join(format!("seen-{number}"))).unwrap();
    let mut pages = store.follow(&offset).limit(25).pace(Duration::from_millis(200)).records();
    loop {
        match pages.next_page().await {
            Ok(page) => {
                let lines: String =
                    page.records.iter().map(|r| format!("\n{} {} {}\n", r.part, r.id, r.version)).collect();
                seen.write_all(lines.as_bytes()).unwrap();
                let new = checkpoint.with_extension("new");
                fs::write(&new, page.next.as_str()).unwrap();
                fs::rename(new, &checkpoint).unwrap();
            }
            Err(error) => eprintln!("follower {number}: {error:?}"),
        }
    }
}

async fn publish(store: &Store<Item>, number: &str) {
    let table = store.table();
    loop {
        let mut publishing = table.publish_delta().interval(Duration::from_millis(50)).stream();
        while let Some(published) = publishing.try_next().await.transpose() {
            if let Err(error) = published {
                eprintln!("publisher {number}: {error:?}");
            }
        }
    }
}

/// Returns the records that a follower received, and how often.
fn seen(folder: &Path, number: u64) -> BTreeMap<Key, usize> {
    let mut seen = BTreeMap::new();
    // A kill can cut a line off. The next page starts with a newline, and the follower receives the lost page again.
    for line in lines(&folder.join(format!("seen-{number}"))) {
        let parts: Vec<&str> = line.split(' ').collect();
        if let [part, id, version] = parts[..] {
            let (Ok(id), Ok(version)) = (id.parse(), version.parse()) else { continue };
            *seen.entry((part.to_owned(), id, version)).or_default() += 1;
        }
    }
    seen
}

/// The child processes and their shared folder.
struct Fleet {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
    running: Vec<(String, Child)>,
    kills: BTreeMap<String, usize>,
}

impl Fleet {
    /// Starts this number of processes of each role.
    fn start(variables: Vec<(&'static str, String)>, roles: &[(&str, u64)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut fleet = Self { folder, variables, running: Vec::new(), kills: BTreeMap::new() };
        for role in roles.iter().flat_map(|(role, count)| (0..*count).map(move |number| format!("{role} {number}"))) {
            let child = fleet.spawn(&role);
            fleet.running.push((role, child));
        }
        fleet
    }

    fn spawn(&self, role: &str) -> Child {
        let log = self.folder.path().join(format!("{role}.log"));
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "integration::kill::child", "--nocapture"])
            .env(ROLE, role)
            .env(FOLDER, self.folder.path())
            .envs(self.variables.iter().cloned())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Kills a process and restarts it.
    fn kill(&mut self, index: usize) {
        let (role, child) = &mut self.running[index];
        child.kill().unwrap();
        child.wait().unwrap();
        *self.kills.entry(role.clone()).or_default() += 1;
        let role = role.clone();
        self.running[index].1 = self.spawn(&role);
    }

    /// Waits for the writers to exit, so that their logs contain everything that is committed.
    async fn stop_writers(&mut self) {
        File::create(self.folder.path().join("stop")).unwrap();
        for (role, child) in &mut self.running {
            while role.starts_with("writer") {
                match child.try_wait().unwrap() {
                    Some(status) => {
                        assert!(status.success(), "{role} failed");
                        break;
                    }
                    None => sleep(Duration::from_millis(50)).await,
                }
            }
        }
    }

    /// Returns the records that the writers saw committed.
    fn acknowledged(&self) -> BTreeSet<Key> {
        let batches = |writer| 1..=acknowledged(&self.folder.path().join(format!("writer-{writer}")));
        let of = |writer| batches(writer).flat_map(move |number| batch(writer, number));
        (0..WRITERS).flat_map(of).map(|item| key(&item)).collect()
    }

    /// Returns the last error messages of each process.
    fn logs(&self) -> String {
        let log = |(role, _): &(String, Child)| {
            let text = fs::read_to_string(self.folder.path().join(format!("{role}.log"))).unwrap_or_default();
            format!("{role}: {}\n", text.lines().rev().take(5).collect::<Vec<_>>().join("\n  "))
        };
        self.running.iter().map(log).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Random numbers that differ between runs.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Self(Clock::machine().now().timestamp_micros().unsigned_abs())
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Returns a server that child processes can reach: the one in the environment, or the in-process one on a socket.
async fn server() -> (Client, String, String, Vec<(&'static str, String)>, Option<(S3, Listener)>) {
    if std::env::var_os("S3STORE_TEST_ENDPOINT").is_some() {
        let server = Server::start().await;
        return (server.client, server.bucket, server.prefix, Vec::new(), None);
    }
    let s3 = S3::with_bucket(BUCKET);
    let listener = s3.listen("127.0.0.1:0").await.unwrap();
    let variables = [
        ("S3STORE_TEST_ENDPOINT", listener.endpoint()),
        ("S3STORE_TEST_SERVER", "a socket of the test process".to_owned()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
    ];
    (s3.client(), BUCKET.to_owned(), "killed".to_owned(), variables.into(), Some((s3, listener)))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_by_kills() {
    let seconds: u64 = std::env::var("S3STORE_KILL_SECONDS").map_or(4, |seconds| seconds.parse().unwrap());
    let (client, bucket, prefix, mut variables, _s3) = server().await;
    variables.push((PREFIX, prefix.clone()));
    let dataset = Dataset::init(client, &bucket, &prefix).commit_timeout(Duration::from_secs(4)).await.unwrap();
    let dataset = dataset.into_dataset();
    let mut fleet = Fleet::start(variables, &[("writer", WRITERS), ("follower", FOLLOWERS)]);

    let (clock, mut random) = (Clock::machine(), Random::new());
    let started = clock.now();
    while (clock.now() - started).num_milliseconds() < i64::try_from(seconds * 1_000).unwrap() {
        sleep(Duration::from_millis(500 + random.below(1_000))).await;
        let processes = fleet.running.len();
        fleet.kill(usize::try_from(random.below(processes as u64)).unwrap());
    }
    fleet.stop_writers().await;
    let acknowledged = fleet.acknowledged();
    let kills: usize = fleet.kills.values().sum();
    println!("{kills} kills in {seconds} s ({:?}); {} records committed", fleet.kills, acknowledged.len());
    assert!(kills as u64 >= seconds * 5 / 6, "{kills} kills");
    assert!(acknowledged.len() > 100, "{}", fleet.logs());

    let store = dataset.store::<Item>();
    let history = store.read_all().history().await.unwrap();
    let committed: BTreeSet<Key> = history.iter().map(key).collect();
    assert_eq!(history.len(), committed.len());
    assert!(committed == acknowledged, "{:?}", committed.symmetric_difference(&acknowledged).collect::<Vec<_>>());
    let latest = store.read_all().await.unwrap();
    let entities: BTreeSet<_> = acknowledged.iter().map(|(part, id, _)| (part.clone(), *id)).collect();
    assert_eq!(latest.len(), entities.len());

    for follower in 0..FOLLOWERS {
        let waiting = clock.now();
        let mut seen_by = seen(fleet.folder.path(), follower);
        while seen_by.len() < acknowledged.len() && (clock.now() - waiting).num_seconds() < 60 {
            sleep(Duration::from_millis(200)).await;
            seen_by = seen(fleet.folder.path(), follower);
        }
        let again = seen_by.values().filter(|times| **times > 1).count();
        println!("follower {follower}: {} records seen, {again} of them more than once", seen_by.len());
        let seen_by: BTreeSet<Key> = seen_by.into_keys().collect();
        let missed: Vec<_> = acknowledged.difference(&seen_by).collect();
        assert!(missed.is_empty(), "missed {missed:?}\n{}", fleet.logs());
        assert_eq!(seen_by.len(), acknowledged.len());
    }

    let report = dataset.doctor(..).await.unwrap();
    let harmless = |finding: &&Finding| {
        matches!(finding, Finding::RefWithoutCommit { .. } | Finding::FileWithoutCommit { .. } | Finding::Late { .. })
    };
    println!("{} files, {} commits, {} findings", report.files, report.commits, report.findings.len());
    let damage: Vec<_> = report.findings.iter().filter(|finding| !harmless(finding)).collect();
    assert!(damage.is_empty(), "{damage:?}");
}

/// Two publishers are killed wherever they are: while they read the log, poll, read footers, or add versions and checkpoints.
#[tokio::test(flavor = "multi_thread")]
async fn each_file_is_published_once_however_often_publishers_are_killed() {
    let (client, bucket, prefix, mut variables, _s3) = server().await;
    variables.push((PREFIX, prefix.clone()));
    let dataset = Dataset::init(client.clone(), &bucket, &prefix).commit_timeout(Duration::from_secs(2)).await.unwrap();
    let store = dataset.into_dataset().store::<Item>();
    let mut fleet = Fleet::start(variables, &[("writer", 1), ("publisher", PUBLISHERS)]);
    let mut random = Random::new();
    let (mut longest, mut before) = (400, 0);
    for kill in 1..=PUBLISHER_KILLS {
        sleep(Duration::from_millis(50 + random.below(longest))).await;
        fleet.kill(1 + usize::try_from(random.below(PUBLISHERS)).unwrap());
        if kill % 5 == 0 {
            // Where a process takes long to start, it must live longer to get anywhere.
            let (versions, _) = published(&client, &bucket, &prefix).await;
            if versions == before {
                longest = (longest * 2).min(10_000);
            }
            before = versions;
        }
    }
    fleet.stop_writers().await;
    // What is settled now is published by those that are still running, or by nobody.
    sleep(store.dataset().settle_window()).await;
    let logs = fleet.logs();
    drop(fleet);
    let (versions, published) = published(&client, &bucket, &prefix).await;
    let last = store.table().publish_delta().reconcile().await.unwrap();
    let listed = client.list_objects_v2().bucket(&bucket).prefix(format!("{prefix}/_delta_log/")).send().await.unwrap();
    let is_checkpoint =
        |object: &&aws_sdk_s3::types::Object| object.key().is_some_and(|key| key.contains(".checkpoint."));
    let checkpoints = listed.contents().iter().filter(is_checkpoint).count();
    println!(
        "{PUBLISHER_KILLS} kills: {versions} versions with {} files, {checkpoints} checkpoints, {} files left",
        published.len(),
        last.files
    );
    assert!(published.len() > 20, "{logs}");
    // The call above has read the last checkpoint, if there was one.
    assert!(versions < 100 || checkpoints > 0, "{logs}");
    assert_eq!(last.missing.len(), 0);
    let (_, published) = self::published(&client, &bucket, &prefix).await;
    let entries = store.poll_range(..).await.unwrap();
    let committed: BTreeSet<String> = entries.iter().map(|entry| entry.data_path.clone()).collect();
    let in_log: BTreeSet<String> = published.iter().map(|path| format!("{prefix}/{path}")).collect();
    assert_eq!(published.len(), in_log.len(), "a file is there twice");
    // The last commits are not settled, and the change stream does not have those that were late.
    assert!(committed.is_subset(&in_log), "{:?}\n{logs}", committed.difference(&in_log).collect::<Vec<_>>());
    let findings = store.dataset().doctor(..).await.unwrap().findings;
    let is_about_log = |finding: &&Finding| {
        matches!(
            finding,
            Finding::Unpublished { .. } | Finding::PublishedWithoutCommit { .. } | Finding::PublishedWithoutFile { .. }
        )
    };
    let about_log: Vec<_> = findings.iter().filter(is_about_log).collect();
    assert!(about_log.is_empty(), "{about_log:?}");
}

/// Returns the number of versions of the Delta log, and the paths of the files in them, in order.
async fn published(client: &Client, bucket: &str, prefix: &str) -> (usize, Vec<String>) {
    let folder = format!("{prefix}/_delta_log/");
    let mut pages = client.list_objects_v2().bucket(bucket).prefix(folder).into_paginator().send();
    let (mut versions, mut paths) = (0, Vec::new());
    while let Some(page) = pages.next().await {
        for key in
            page.unwrap().contents().iter().filter_map(|object| object.key()).filter(|key| key.ends_with(".json"))
        {
            let body = client.get_object().bucket(bucket).key(key).send().await.unwrap().body.collect().await.unwrap();
            let actions = serde_json::Deserializer::from_slice(&body.into_bytes())
                .into_iter::<Value>()
                .map(Result::unwrap)
                .collect::<Vec<_>>();
            paths.extend(actions.iter().filter_map(|action| Some(action.get("add")?["path"].as_str()?.to_owned())));
            versions += 1;
        }
    }
    (versions, paths)
}
