//! Decides which of the listed files are committed. Performs no I/O.

use std::collections::BTreeMap;

use crate::format::{AttemptId, CommitMeta, DataName, PartitionKey, Prefix};
use crate::pattern::Listing;
use crate::s3::ListedObject;

/// The age, in microseconds of S3's clock, from which a commit with one file is trusted without a HEAD.
///
/// A listing has several pages. If a retry lands between two of them, the listing can contain the retry's commit and only
/// the earlier attempt's file. A commit that is older than the listing's first page by this much rules that out.
const SETTLED: i64 = 5_000_000;

/// A data file in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredFile {
    pub(crate) key: String,
    pub(crate) size: FileSize,
}

/// The size of a data file before it is fetched, exact or estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSize {
    /// The size in bytes, from a listing.
    Bytes(u64),
    /// The row count, from a ref.
    Rows(u64),
}

/// A partition's files, in key order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionFiles {
    pub(crate) key: String,
    pub(crate) files: Vec<StoredFile>,
}

/// The listed objects of one token in one partition.
#[derive(Debug, Default)]
struct TokenObjects {
    files: Vec<(AttemptId, StoredFile)>,
    commit: Option<ListedCommit>,
}

#[derive(Debug, Clone, Copy)]
struct ListedCommit {
    last_modified: Option<i64>,
    /// The `Date` header of the listing's first page.
    listed: Option<i64>,
}

/// The listed files and commits, by partition and token.
#[derive(Debug, Default)]
pub(super) struct Resolver(BTreeMap<PartitionKey, BTreeMap<String, TokenObjects>>);

/// A commit whose attempt must be looked up, because the listing leaves open which file it commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommitQuery {
    pub(super) commit_key: String,
    partition: PartitionKey,
    token: String,
}

impl Resolver {
    /// Adds the objects of a listing. `date` is the `Date` header of its first page. Skips keys that are not data keys of
    /// a partition that the listing selects.
    pub(super) fn add(
        &mut self,
        prefix: &Prefix,
        listing: &Listing,
        names: &[&str],
        objects: Vec<ListedObject>,
        date: Option<i64>,
    ) {
        // Keys of one partition are adjacent, so the pattern is matched once per partition.
        let mut last: Option<(PartitionKey, bool)> = None;
        for ListedObject { key, size, last_modified } in objects {
            let Some(parsed) = prefix.parse_data_key(&key) else { continue };
            let (partition, name) = (parsed.partition, parsed.name);
            if last.as_ref().is_none_or(|(known, _)| known.as_str() != partition) {
                last = Some((PartitionKey::found(partition), listing.matches(partition, names)));
            }
            let Some((known, true)) = &last else { continue };
            let tokens = match self.0.get_mut(known) {
                Some(tokens) => tokens,
                None => self.0.entry(known.clone()).or_default(),
            };
            let objects = tokens.entry(name.token_str().to_owned()).or_default();
            match name {
                DataName::File { attempt, .. } => {
                    objects.files.push((attempt, StoredFile { key, size: FileSize::Bytes(size) }));
                }
                DataName::Commit { .. } => objects.commit = Some(ListedCommit { last_modified, listed: date }),
            }
        }
    }

    /// Returns the commits to look up, in key order.
    pub(super) fn queries(&self, prefix: &Prefix) -> Vec<CommitQuery> {
        let mut queries = Vec::new();
        for (partition, tokens) in &self.0 {
            for (token, objects) in tokens {
                if objects.is_ambiguous(token) {
                    let name = DataName::Commit { token };
                    queries.push(CommitQuery {
                        commit_key: format!("{}{name}", prefix.partition_prefix(partition)),
                        partition: partition.clone(),
                        token: token.clone(),
                    });
                }
            }
        }
        queries
    }

    /// Applies the result of a query: drops the files of the token's other attempts.
    pub(super) fn resolve(&mut self, query: &CommitQuery, commit: Option<CommitMeta>) {
        let tokens = self.0.get_mut(&query.partition);
        if let Some(objects) = tokens.and_then(|tokens| tokens.get_mut(&query.token)) {
            objects.files.retain(|(attempt, _)| commit.is_some_and(|commit| commit.attempt == *attempt));
        }
    }

    /// Returns the committed files, once all queries are resolved. Partitions are in key order, and so are their files.
    pub(super) fn into_partitions(self) -> Vec<PartitionFiles> {
        let mut partitions = Vec::new();
        for (key, tokens) in self.0 {
            let committed = tokens.into_values().filter(|objects| objects.commit.is_some());
            let files = committed.flat_map(|objects| objects.files);
            let mut files: Vec<StoredFile> = files.map(|(_, file)| file).collect();
            if files.is_empty() {
                continue;
            }
            files.sort_by(|a, b| a.key.cmp(&b.key));
            partitions.push(PartitionFiles { key: key.as_str().to_owned(), files });
        }
        partitions
    }
}

impl TokenObjects {
    /// Returns whether the listing leaves open which file is committed.
    ///
    /// Without a commit, nothing was committed when the listing began. A token that equals its attempt's id has only that
    /// attempt.
    fn is_ambiguous(&self, token: &str) -> bool {
        let (Some(commit), [first, rest @ ..]) = (self.commit, self.files.as_slice()) else { return false };
        if rest.is_empty() && AttemptId::parse(token) == Some(first.0) {
            return false;
        }
        let settled = match (commit.last_modified, commit.listed) {
            (Some(modified), Some(listed)) => listed.saturating_sub(modified) >= SETTLED,
            _ => false,
        };
        !(rest.is_empty() && settled)
    }
}

#[cfg(test)]
mod tests;
