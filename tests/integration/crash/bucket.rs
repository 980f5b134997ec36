//! What a reader of the stream must be handed, told from the bucket alone.

use std::collections::BTreeMap;

use s3store::testing::S3;
use s3store::{Commit, Entry};

use crate::integration::harness::{BUCKET, PREFIX};

/// A ref, and what the commit says that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) partition: String,
    pub(super) data_path: String,
    /// Tells the writers apart.
    pub(super) inserted_at: i64,
    pub(super) rows: u64,
}

/// The refs in the bucket, by key; those that count with what their commits say.
pub(super) type Refs = BTreeMap<String, Option<Named>>;

pub(super) fn refs(s3: &S3) -> Refs {
    let start = format!("{PREFIX}/_ref/");
    let keys = s3.keys(BUCKET).into_iter().filter(|key| key.starts_with(&start));
    keys.map(|key| (key.clone(), named(s3, &key[start.len()..]))).collect()
}

fn named(s3: &S3, reference: &str) -> Option<Named> {
    let (header, partition) = reference.strip_suffix(".ref").unwrap().split_once(';').unwrap();
    let (name, attempt) = header.rsplit_once('-').unwrap();
    let (_, token) = name.split_once('-').unwrap();
    let commit = s3.object(BUCKET, &format!("{PREFIX}/data/{partition}/{token}.commit"))?;
    (commit.metadata["attemptid"] == attempt).then(|| Named {
        partition: partition.to_owned(),
        data_path: format!("{PREFIX}/data/{partition}/{token}-{attempt}.parquet"),
        inserted_at: commit.metadata["insertedat"].parse().unwrap(),
        rows: commit.metadata["rowcount"].parse().unwrap(),
    })
}

/// How many commits there are.
pub(super) fn commits(s3: &S3) -> usize {
    s3.keys(BUCKET).iter().filter(|key| key.ends_with(".commit")).count()
}

impl Named {
    pub(super) fn is(&self, entry: &Entry) -> bool {
        let Self { partition, data_path, inserted_at, rows } = self;
        entry.ref_path == entry.offset.as_str()
            && entry.partition == *partition
            && entry.data_path == *data_path
            && entry.inserted_at.timestamp_micros() == *inserted_at
            && entry.record_count == *rows
    }
}

/// Whether an entry is a commit's, at any of its refs.
pub(super) fn is_of(entry: &Entry, commit: &Commit) -> bool {
    entry.data_path == commit.data_path
        && entry.partition == commit.partition
        && entry.inserted_at == commit.inserted_at
        && entry.record_count == commit.record_count
}
