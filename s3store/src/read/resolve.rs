//! Which files a snapshot consists of: what to LIST, and which of the listed files are committed. Pure.

use std::collections::BTreeMap;

use crate::format::{AttemptId, CommitMeta, DataName, PartitionKey, Prefix};
use crate::pattern::Listing;
use crate::s3::ListedObject;

/// A commit must be older than a listing's first page by this, in microseconds of S3's clock, to be taken without
/// asking which attempt it names: a retry that landed between two pages shows the commit beside another attempt's file.
const SETTLED: i64 = 5_000_000;

/// A data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) key: String,
    pub(crate) size: Size,
}

/// How large a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// Its bytes, as listed.
    Bytes(u64),
    /// Its rows, where nothing tells its bytes before it is read.
    Rows(u64),
}

/// A partition's files, in key order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionFiles {
    pub(crate) key: String,
    pub(crate) files: Vec<File>,
}

/// What was listed under one token of one partition.
#[derive(Debug, Default)]
struct Attempts {
    files: Vec<(AttemptId, File)>,
    commit: Option<CommitSeen>,
}

#[derive(Debug, Clone, Copy)]
struct CommitSeen {
    last_modified: Option<i64>,
    /// The `Date` of the first page of the listing that saw it.
    listed: Option<i64>,
}

/// All that was listed, by partition and token.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<PartitionKey, BTreeMap<String, Attempts>>);

/// A commit that must be looked at before its files are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) commit_key: String,
    partition: PartitionKey,
    token: String,
}

impl Seen {
    /// Takes a page of a listing; `date` is that of the listing's first page.
    pub(super) fn add(
        &mut self,
        prefix: &Prefix,
        listing: &Listing,
        names: &[&str],
        objects: Vec<ListedObject>,
        date: Option<i64>,
    ) {
        // Keys of one partition come together: whether it is wanted is found out once.
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
            let attempts = tokens.entry(name.token_str().to_owned()).or_default();
            match name {
                DataName::File { attempt, .. } => attempts.files.push((attempt, File { key, size: Size::Bytes(size) })),
                DataName::Commit { .. } => attempts.commit = Some(CommitSeen { last_modified, listed: date }),
            }
        }
    }

    /// The commits whose attempt must be known, in key order.
    pub(super) fn questions(&self, prefix: &Prefix) -> Vec<Question> {
        let mut questions = Vec::new();
        for (partition, tokens) in &self.0 {
            for (token, attempts) in tokens {
                if attempts.must_ask(token) {
                    let name = DataName::Commit { token };
                    questions.push(Question {
                        commit_key: format!("{}{name}", prefix.partition_prefix(partition)),
                        partition: partition.clone(),
                        token: token.clone(),
                    });
                }
            }
        }
        questions
    }

    /// Keeps, under the question's token, only the file of the attempt that the commit names.
    pub(super) fn answer(&mut self, question: &Question, commit: Option<CommitMeta>) {
        let tokens = self.0.get_mut(&question.partition);
        if let Some(attempts) = tokens.and_then(|tokens| tokens.get_mut(&question.token)) {
            attempts.files.retain(|(attempt, _)| commit.is_some_and(|commit| commit.attempt == *attempt));
        }
    }

    /// The committed files once all questions are answered: partitions in key order, files in key order.
    pub(super) fn into_partitions(self) -> Vec<PartitionFiles> {
        let mut partitions = Vec::new();
        for (key, tokens) in self.0 {
            let committed = tokens.into_values().filter(|attempts| attempts.commit.is_some());
            let mut files: Vec<File> = committed.flat_map(|attempts| attempts.files).map(|(_, file)| file).collect();
            if files.is_empty() {
                continue;
            }
            files.sort_by(|a, b| a.key.cmp(&b.key));
            partitions.push(PartitionFiles { key: key.as_str().to_owned(), files });
        }
        partitions
    }
}

impl Attempts {
    /// Whether the listing leaves open which file is committed. Without a commit none was, when the listing began.
    fn must_ask(&self, token: &str) -> bool {
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
