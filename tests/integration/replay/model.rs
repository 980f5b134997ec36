//! The expected content of the stream, computed from the objects' keys and metadata, without the library's code.

use std::collections::BTreeMap;

use s3store::Entry;

use crate::integration::harness::{BUCKET, PREFIX, Virtual};
use crate::integration::records::Item;

/// An entry as the model predicts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub key: String,
    pub partition: String,
    pub data_path: String,
    pub stamped_at: i64,
    pub inserted_at: i64,
    pub record_count: u64,
}

impl Expected {
    pub fn of(entry: &Entry) -> Self {
        assert_eq!((entry.offset.as_str(), entry.bucket.as_str()), (entry.ref_path.as_str(), BUCKET));
        Self {
            key: entry.ref_path.clone(),
            partition: entry.partition.clone(),
            data_path: entry.data_path.clone(),
            stamped_at: entry.stamped_at.timestamp_micros(),
            inserted_at: entry.inserted_at.timestamp_micros(),
            record_count: entry.record_count,
        }
    }
}

/// A key under `_ref/`.
#[derive(Debug, Clone)]
pub struct Ref {
    pub key: String,
    /// The time in the name. `None` if the name is malformed.
    pub micros: Option<i64>,
    /// The entry. `None` if no commit names this ref.
    pub entry: Option<Expected>,
}

/// The records of each write, by insertion time, which identifies the write.
pub type Written = BTreeMap<i64, Vec<Item>>;

pub struct Model {
    refs: Vec<Ref>,
    written: Written,
}

impl Model {
    pub fn of(world: &Virtual, written: &Written) -> Self {
        let keys = world.keys_with("/_ref/");
        Self { refs: keys.into_iter().map(|key| read_ref(world, key)).collect(), written: written.clone() }
    }

    pub fn refs(&self) -> &[Ref] {
        &self.refs
    }

    pub fn refs_after(&self, after: &str) -> &[Ref] {
        &self.refs[self.refs.partition_point(|found| found.key.as_str() <= after)..]
    }

    pub fn entries(&self) -> Vec<Expected> {
        Self::entries_of(&self.refs)
    }

    pub fn entries_between(&self, since: i64, until: i64) -> Vec<Expected> {
        self.entries().into_iter().filter(|entry| (since..until).contains(&entry.stamped_at)).collect()
    }

    pub fn entries_of(refs: &[Ref]) -> Vec<Expected> {
        refs.iter().filter_map(|found| found.entry.clone()).collect()
    }

    /// Splits off the refs that a poll takes: `limit` of them, and as many again as long as none has a commit, at most
    /// 100 times.
    pub fn split_page(refs: &[Ref], limit: usize) -> (&[Ref], &[Ref]) {
        let first = refs.iter().position(|found| found.entry.is_some()).unwrap_or(refs.len());
        let rounds = (first / limit + 1).min(100);
        refs.split_at((rounds * limit).min(refs.len()))
    }

    pub fn malformed_of(refs: &[Ref]) -> u64 {
        refs.iter().map(|found| u64::from(found.micros.is_none())).sum()
    }

    /// Returns the records of a page, sorted by partition, entity and version. Of equal versions, the one in the later
    /// file is kept.
    pub fn records_of(&self, refs: &[Ref]) -> Vec<Item> {
        let mut files = Self::entries_of(refs);
        files.sort_by(|one, other| one.data_path.cmp(&other.data_path));
        let mut records = BTreeMap::new();
        for file in files {
            for item in &self.written[&file.inserted_at] {
                assert_eq!(format!("part={}", item.part), file.partition);
                records.insert((file.partition.clone(), item.id, item.version), item.clone());
            }
        }
        records.into_values().collect()
    }
}

/// Parses a key, and looks up the commit that names the ref.
fn read_ref(world: &Virtual, key: String) -> Ref {
    let Some((micros, token, attempt, partition)) = parse(&key) else {
        return Ref { key, micros: None, entry: None };
    };
    let commit = world.s3.object(BUCKET, &format!("{PREFIX}/data/{partition}/{token}.commit"));
    let entry = commit.filter(|commit| commit.metadata["attemptid"] == attempt).map(|commit| Expected {
        key: key.clone(),
        data_path: format!("{PREFIX}/data/{partition}/{token}-{attempt}.parquet"),
        partition,
        stamped_at: micros,
        inserted_at: commit.metadata["insertedat"].parse().unwrap(),
        record_count: commit.metadata["rowcount"].parse().unwrap(),
    });
    Ref { key, micros: Some(micros), entry }
}

fn parse(key: &str) -> Option<(i64, String, String, String)> {
    let (header, partition) = key.strip_prefix(&format!("{PREFIX}/_ref/"))?.strip_suffix(".ref")?.split_once(';')?;
    let (micros, name) = (header.get(..16)?, header.get(17..)?);
    let (token, attempt) = (name.get(..name.len().checked_sub(33)?)?, name.get(name.len() - 32..)?);
    let hex = attempt.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let partition = unescape(partition)?;
    let micros = micros.parse().ok().filter(|_| hex && !token.is_empty() && partition.starts_with("part="))?;
    Some((micros, token.to_owned(), attempt.to_owned(), partition))
}

fn unescape(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}
