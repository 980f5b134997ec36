//! Decides which of the listed files are committed. Performs no I/O.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{AttemptId, CommitMeta, DataName, PartitionKey, Prefix};
use crate::s3::ListedObject;
use crate::scan::{FileSize, PartitionFiles, StoredFile};

/// The listed objects of one token in one partition.
#[derive(Debug, Default)]
struct TokenObjects {
    /// By attempt, so that a key that a server lists twice is read once.
    files: BTreeMap<AttemptId, StoredFile>,
    has_commit: bool,
}

/// The listed files and commits, by partition and token.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    partitions: BTreeMap<PartitionKey, BTreeMap<String, TokenObjects>>,
    /// Only commits that were last modified before this instant count, in microseconds since 1970.
    as_of: Option<i64>,
}

/// A commit whose attempt must be looked up, because the listing leaves open which file it commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommitQuery {
    pub(super) commit_key: String,
    partition: PartitionKey,
    token: String,
}

impl Resolver {
    /// Returns a resolver of the commits before an instant, or of all commits.
    pub(super) fn new(as_of: Option<i64>) -> Self {
        Self { as_of, ..Self::default() }
    }

    /// Adds listed objects. Skips keys that are not data keys.
    ///
    /// # Errors
    /// `InvalidData` if the time of a commit matters and the server did not report it.
    pub(super) fn add(&mut self, prefix: &Prefix, objects: Vec<ListedObject>) -> Result<()> {
        for ListedObject { key, size, last_modified, version } in objects {
            let Some(parsed) = prefix.parse_data_key(&key) else { continue };
            let partition = PartitionKey::found(parsed.partition);
            let tokens = self.partitions.entry(partition).or_default();
            let objects = tokens.entry(parsed.name.token_str().to_owned()).or_default();
            match parsed.name {
                DataName::File { attempt, .. } => {
                    objects
                        .files
                        .insert(attempt, StoredFile { key, size: FileSize::Bytes(size), version, offset: None });
                }
                DataName::Commit { .. } => objects.has_commit = counts(self.as_of, last_modified, &key)?,
            }
        }
        Ok(())
    }

    /// Returns the commits to look up, in key order.
    pub(super) fn queries(&self, prefix: &Prefix) -> Vec<CommitQuery> {
        let mut queries = Vec::new();
        for (partition, tokens) in &self.partitions {
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

    /// Applies the result of a query: keeps only the file of the attempt that the commit names.
    ///
    /// The listing may lack that file: it was put after its place in the listing had passed, or it was deleted. The
    /// download finds out which.
    ///
    /// # Errors
    /// `Vanished` if there is no such commit.
    pub(super) fn resolve(&mut self, prefix: &Prefix, query: &CommitQuery, commit: Option<CommitMeta>) -> Result<()> {
        let CommitQuery { commit_key, partition, token } = query;
        let Some(CommitMeta { attempt, record_count, .. }) = commit else {
            return Err(Error::new(
                ErrorKind::Vanished,
                format!(
                    "head {commit_key}: the commit is in the listing but does not exist: it was deleted after it was \
                     listed, or the server lists keys that it does not serve; read again"
                ),
            ));
        };
        if let Some(objects) = self.partitions.get_mut(partition).and_then(|tokens| tokens.get_mut(token)) {
            let file = objects.files.remove(&attempt).unwrap_or_else(|| {
                let key = format!("{}{}", prefix.partition_prefix(partition), DataName::File { token, attempt });
                StoredFile { key, size: FileSize::Rows(record_count), version: None, offset: None }
            });
            objects.files = BTreeMap::from([(attempt, file)]);
        }
        Ok(())
    }

    /// Returns the committed files, once all queries are resolved. Partitions are in key order, and so are their files.
    pub(super) fn into_partitions(self) -> Vec<PartitionFiles> {
        let mut partitions = Vec::new();
        for (key, tokens) in self.partitions {
            let committed = tokens.into_values().filter(|objects| objects.has_commit);
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

/// Returns whether a listed commit was made before `as_of`.
fn counts(as_of: Option<i64>, last_modified: Option<i64>, key: &str) -> Result<bool> {
    match (as_of, last_modified) {
        (None, _) => Ok(true),
        (Some(as_of), Some(last_modified)) => Ok(last_modified < as_of),
        (Some(_), None) => Err(Error::invalid_data(format!(
            "list {key}: the server reports no LastModified, so it is unknown whether the commit is in this snapshot"
        ))),
    }
}

impl TokenObjects {
    /// Returns whether the listing leaves open which file is committed.
    ///
    /// Without a commit, nothing was committed when the listing began. A token that equals its attempt's id has only that
    /// attempt. Any other token may have had several: if the committed file was deleted, or was listed before it was put,
    /// the listing shows the file of an attempt that failed beside the commit of another.
    fn is_ambiguous(&self, token: &str) -> bool {
        let proves_itself = |attempt: &AttemptId| AttemptId::parse(token) == Some(*attempt);
        self.has_commit && !(self.files.len() == 1 && self.files.keys().all(proves_itself))
    }
}

#[cfg(test)]
mod tests;
