//! Invariants that are checked after each stage of a case.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Mutex;

use s3store::testing::{Object, S3};
use s3store::{Commit, Dataset, Store};

use super::shape::Shape;
use super::writer::{Outcome, RECORDS};
use crate::integration::harness::{BUCKET, PREFIX};
use crate::integration::records::Event;

/// A record that a reader saw: partition, id, and the insertion time, which identifies the attempt.
pub(super) type Row = (String, i64, i64);

/// The age in seconds above which a commit's age makes no difference to a reader.
const SETTLED: i64 = 10;

/// A dataset whose invariants are checked.
pub(super) struct Watch {
    s3: S3,
    reader: Store<Event>,
    /// The commits at the last check.
    commits: BTreeMap<String, Object>,
    /// The rows that the reader saw at the last check.
    seen: Vec<Row>,
    reported: Vec<Commit>,
    /// Partition and insertion time of the attempts that were reported as not committed.
    dead: Vec<(String, i64)>,
    /// If true, visible rows must have markers.
    views: bool,
}

impl Watch {
    pub(super) fn new(s3: &S3, reader: &Dataset) -> Self {
        let reader = reader.store();
        let (commits, seen) = (BTreeMap::new(), Vec::new());
        Self { s3: s3.clone(), reader, commits, seen, reported: Vec::new(), dead: Vec::new(), views: false }
    }

    /// Sets whether the record has a view.
    pub(super) fn with_views(self, views: bool) -> Self {
        Self { views, ..self }
    }

    /// Records the outcomes of a write.
    pub(super) fn note(&mut self, outcomes: &[(String, Outcome)], inserted_at: i64) {
        for (partition, outcome) in outcomes {
            self.reported.extend(outcome.commit().cloned());
            if let Outcome::NotCommitted = outcome {
                self.dead.push((partition.clone(), inserted_at));
            }
        }
    }

    /// Checks the bucket and what a reader sees.
    pub(super) async fn look(&mut self, stage: &str) {
        let commits = commits(&self.s3);
        for (key, before) in &self.commits {
            assert_eq!(commits.get(key), Some(before), "{stage}: commit {key} changed");
        }
        let mut expected = Vec::new();
        for (key, commit) in &commits {
            expected.extend(self.rows_of(key, commit, stage));
        }
        expected.sort();
        self.seen = self.read().await;
        assert_eq!(self.seen, expected, "{stage}: the reader's rows differ from the commits'");
        for commit in &self.reported {
            let key = format!("{PREFIX}/data/{}/{}.commit", commit.partition, commit.token);
            let object =
                commits.get(&key).unwrap_or_else(|| panic!("{stage}: {commit:?} was reported, but does not exist"));
            assert_eq!(data_key(&key, object), commit.data_path, "{stage}");
            assert_eq!(object.metadata["insertedat"], commit.inserted_at.timestamp_micros().to_string(), "{stage}");
            assert!(commit.ref_path.contains(&object.metadata["refmicrots"]), "{stage}: {commit:?}");
        }
        for (partition, inserted_at) in &self.dead {
            let seen = self.seen.iter().any(|row| row.0 == *partition && row.2 == *inserted_at);
            assert!(!seen, "{stage}: {partition} was reported as not committed, but is visible");
        }
        self.commits = commits;
    }

    /// Returns the rows that a reader sees. They depend only on the objects, so the result for the same objects is
    /// reused across cases.
    async fn read(&self) -> Vec<Row> {
        static SEEN: Mutex<BTreeMap<String, Vec<Row>>> = Mutex::new(BTreeMap::new());
        let state = bucket_state(&self.s3);
        if let Some(seen) = SEEN.lock().unwrap().get(&state) {
            return seen.clone();
        }
        let mut seen: Vec<Row> = self.reader.read_all().await.unwrap().iter().map(row).collect();
        seen.sort();
        SEEN.lock().unwrap().insert(state, seen.clone());
        seen
    }

    /// Returns the rows that a commit makes visible. Every object that it names must exist.
    fn rows_of(&self, key: &str, commit: &Object, stage: &str) -> Vec<Row> {
        let number = |name: &str| commit.metadata[name].parse::<i64>().unwrap();
        let data = data_key(key, commit);
        assert!(self.s3.object(BUCKET, &data).is_some(), "{stage}: {key} names {data}, which does not exist");
        let (partition, token) = partition_and_token(key);
        let reference = format!(
            "{PREFIX}/_ref/{:016}-{token}-{};{partition}.ref",
            number("refmicrots"),
            commit.metadata["attemptid"]
        );
        assert!(self.s3.object(BUCKET, &reference).is_some(), "{stage}: {key} has no ref {reference}");
        assert_eq!(number("rowcount"), RECORDS, "{stage}: {key}");
        if self.views {
            let marker = format!("{PREFIX}/_matview/parts/{partition}/m.matview");
            assert!(self.s3.object(BUCKET, &marker).is_some(), "{stage}: {key} is visible without {marker}");
        }
        (1..=RECORDS).map(|id| (partition.to_owned(), id, number("insertedat"))).collect()
    }

    /// Returns how often each record is visible, at least and at most.
    pub(super) fn copies(&self, shape: Shape) -> (usize, usize) {
        let of = |partition: String| self.commits.keys().filter(|key| partition_and_token(key).0 == partition).count();
        let counts = || shape.partition_keys().map(of);
        (counts().min().unwrap(), counts().max().unwrap())
    }

    /// Returns whether an attempt was committed.
    pub(super) fn is_committed(&self, partition: &str, inserted_at: i64) -> bool {
        let inserted_at = inserted_at.to_string();
        self.commits.iter().any(|(key, commit)| {
            partition_and_token(key).0 == partition && commit.metadata["insertedat"] == inserted_at
        })
    }

    /// Returns the rows that the reader saw at the last check.
    pub(super) fn seen(&self) -> &[Row] {
        &self.seen
    }

    /// Returns the commit that was reported for a partition and a token.
    pub(super) fn reported(&self, partition: &str, token: &str) -> Option<&Commit> {
        self.reported.iter().find(|commit| commit.partition == partition && commit.token == token)
    }

    /// Checks that a look-up returns each reported commit, equal in every field but `replayed`.
    pub(super) async fn look_up(&self) {
        for commit in &self.reported {
            let found = self.reader.lookup_commit(&commit.partition, &commit.token).await.unwrap();
            assert_eq!(found.as_ref(), Some(commit));
        }
    }
}

pub(super) fn row(event: &Event) -> Row {
    (format!("part={}", event.part), event.id, event.inserted_at.unwrap().timestamp_micros())
}

/// Describes everything in the bucket that a snapshot reader can distinguish: keys, bodies, metadata, and ages as far
/// as they count. Attempts are numbered in order, so that equivalent cases have equal descriptions.
fn bucket_state(s3: &S3) -> String {
    let keys = s3.keys(BUCKET).into_iter().filter(|key| key.contains("/data/"));
    let objects: Vec<(String, Object)> = keys.map(|key| (key.clone(), s3.object(BUCKET, &key).unwrap())).collect();
    let attempts: BTreeSet<&str> = objects.iter().filter_map(|(key, _)| attempt(key)).collect();
    let mut state = String::new();
    for (key, object) in &objects {
        let age = (s3.now() - object.last_modified).num_seconds().min(SETTLED);
        let metadata = object.metadata.iter().filter(|(name, _)| *name != "refmicrots");
        writeln!(state, "{key} {} {age} {:?}", object.etag, metadata.collect::<Vec<_>>()).unwrap();
    }
    for (number, attempt) in attempts.into_iter().enumerate() {
        state = state.replace(attempt, &format!("#{number}"));
    }
    state
}

/// Returns the attempt in the key of a data file.
fn attempt(key: &str) -> Option<&str> {
    Some(key.strip_suffix(".parquet")?.rsplit_once('-')?.1)
}

fn commits(s3: &S3) -> BTreeMap<String, Object> {
    let keys = s3.keys(BUCKET).into_iter().filter(|key| key.ends_with(".commit"));
    keys.map(|key| (key.clone(), s3.object(BUCKET, &key).unwrap())).collect()
}

/// Returns partition and token from the key of a commit.
fn partition_and_token(key: &str) -> (&str, &str) {
    key.strip_suffix(".commit").unwrap().strip_prefix(&format!("{PREFIX}/data/")).unwrap().split_once('/').unwrap()
}

/// Returns the key of the data file that a commit names.
fn data_key(key: &str, commit: &Object) -> String {
    format!("{}-{}.parquet", key.strip_suffix(".commit").unwrap(), commit.metadata["attemptid"])
}
