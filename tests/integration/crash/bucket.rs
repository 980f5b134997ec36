//! The refs and commits in the bucket, which determine what a reader of the stream must receive.

use std::collections::BTreeMap;

use s3store::testing::S3;
use s3store::{Commit, Entry};

use crate::integration::harness::{BUCKET, PREFIX};

/// The commit that names a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedRef {
    pub(super) partition: String,
    pub(super) data_path: String,
    /// Identifies the writer.
    pub(super) inserted_at: i64,
    pub(super) rows: u64,
}

/// The refs in the bucket, by key. `None` for a ref that no commit names.
pub(super) type Refs = BTreeMap<String, Option<NamedRef>>;

pub(super) fn refs(s3: &S3) -> Refs {
    let start = format!("{PREFIX}/_ref/");
    let keys = s3.keys(BUCKET).into_iter().filter(|key| key.starts_with(&start));
    keys.map(|key| (key.clone(), named(s3, &key[start.len()..]))).collect()
}

fn named(s3: &S3, reference: &str) -> Option<NamedRef> {
    let (header, partition) = reference.strip_suffix(".ref").unwrap().split_once(';').unwrap();
    let (name, attempt) = header.rsplit_once('-').unwrap();
    let (_, token) = name.split_once('-').unwrap();
    let commit = s3.object(BUCKET, &format!("{PREFIX}/data/{partition}/{token}.commit"))?;
    (commit.metadata["attemptid"] == attempt).then(|| NamedRef {
        partition: partition.to_owned(),
        data_path: format!("{PREFIX}/data/{partition}/{token}-{attempt}.parquet"),
        inserted_at: commit.metadata["insertedat"].parse().unwrap(),
        rows: commit.metadata["rowcount"].parse().unwrap(),
    })
}

/// Returns the number of commits.
pub(super) fn commits(s3: &S3) -> usize {
    s3.keys(BUCKET).iter().filter(|key| key.ends_with(".commit")).count()
}

impl NamedRef {
    pub(super) fn is(&self, entry: &Entry) -> bool {
        let Self { partition, data_path, inserted_at, rows } = self;
        entry.ref_path == entry.offset.as_str()
            && entry.partition == *partition
            && entry.data_path == *data_path
            && entry.inserted_at.timestamp_micros() == *inserted_at
            && entry.record_count == *rows
    }
}

/// Returns whether an entry belongs to a commit, at any of its refs.
pub(super) fn is_of(entry: &Entry, commit: &Commit) -> bool {
    entry.data_path == commit.data_path
        && entry.partition == commit.partition
        && entry.inserted_at == commit.inserted_at
        && entry.record_count == commit.record_count
}
