//! The listed objects of a dataset by token, and the decision what is wrong with them. Pure functions, no I/O.

mod published;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

pub(super) use self::published::Attempts;
use super::report::Finding;
use crate::error::Result;
use crate::format::{AttemptId, CommitMeta, DataName, PartitionKey, Prefix, RefName, Token};
use crate::s3::{ListedObject, ListedUpload};
use crate::write::Commit;

/// A second in microseconds. S3 reports times in whole seconds, so an object landed up to a second later than reported.
pub(super) const SECOND: i64 = 1_000_000;

/// The age at which an upload counts as left behind, in microseconds: 24 hours.
///
/// The settle window does not bound it, because a writer may put the parts of a file for as long as it receives records.
const OLD_UPLOAD: i64 = 24 * 60 * 60 * SECOND;

/// The examined window, the commit timeout and the present, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    pub(super) since: i64,
    pub(super) until: i64,
    pub(super) commit_timeout: i64,
    /// The present.
    pub(super) now: i64,
}

impl Scope {
    fn holds(&self, micros: i64) -> bool {
        (self.since..self.until).contains(&micros)
    }

    /// Returns `true` if an object may have landed in the window. An object without a time may have.
    fn may_hold(&self, landed: LandingTime) -> bool {
        landed.0.is_none_or(|second| second < self.until && second.saturating_add(SECOND) > self.since)
    }

    /// Returns `true` if an upload was started before the window's end and is old. One without a time counts as old.
    fn is_left_behind(&self, started: LandingTime) -> bool {
        started.0.is_none_or(|second| second < self.until && self.now.saturating_sub(second) >= OLD_UPLOAD)
    }

    /// Returns `true` if an object certainly landed within the commit timeout after its ref's time. An object without a
    /// time counts as in time.
    fn in_time(&self, stamped: i64, landed: LandingTime) -> bool {
        landed.0.is_none_or(|second| second.saturating_add(SECOND - 1).saturating_sub(stamped) <= self.commit_timeout)
    }
}

/// The time at which an object landed, by S3's clock: a whole second in microseconds, or `None` if S3 reports no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LandingTime(Option<i64>);

impl LandingTime {
    fn time(self) -> Option<DateTime<Utc>> {
        self.0.and_then(DateTime::from_timestamp_micros)
    }
}

/// A token in a partition. It has at most one commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PartitionToken {
    partition: PartitionKey,
    token: Token,
}

/// The listed objects of one token in a partition.
#[derive(Debug, Default)]
struct TokenObjects {
    files: BTreeMap<AttemptId, DataFile>,
    commit: Option<LandingTime>,
    /// By attempt and by the time in the ref's name, in microseconds.
    refs: BTreeMap<(AttemptId, i64), LandingTime>,
}

#[derive(Debug)]
struct DataFile {
    size: u64,
    landed: LandingTime,
}

/// All listed objects of a dataset.
#[derive(Debug, Default)]
pub(super) struct Listing {
    tokens: BTreeMap<PartitionToken, TokenObjects>,
    malformed: Vec<String>,
}

/// A commit whose data file exists. The footer of the file contains its number of rows.
#[derive(Debug)]
pub(super) struct CommittedFile {
    pub(super) commit: Commit,
    pub(super) size: u64,
}

/// The findings and counts so far.
#[derive(Debug, Default)]
pub(super) struct Diagnosis {
    pub(super) findings: Vec<Finding>,
    pub(super) committed_files: Vec<CommittedFile>,
    pub(super) refs: u64,
    pub(super) commits: u64,
    pub(super) files: u64,
    pub(super) uploads: u64,
}

impl Listing {
    pub(super) fn add_refs(&mut self, prefix: &Prefix, objects: Vec<ListedObject>) {
        for object in objects.into_iter().filter(|object| !object.is_placeholder()) {
            let ListedObject { key, last_modified, .. } = object;
            match prefix.parse_ref_key(&key) {
                Some(RefName { micros, token, attempt, partition }) => {
                    let objects = self.tokens.entry(PartitionToken { partition, token }).or_default();
                    objects.refs.insert((attempt, micros), LandingTime(last_modified));
                }
                None => self.malformed.push(key),
            }
        }
    }

    pub(super) fn add_data(&mut self, prefix: &Prefix, objects: Vec<ListedObject>) {
        for ListedObject { key, size, last_modified, .. } in objects {
            let Some(parsed) = prefix.parse_data_key(&key) else { continue };
            // A key of another shape belongs to a dataset that is nested in this one.
            if !PartitionKey::is_well_formed(parsed.partition) {
                continue;
            }
            let partition = PartitionKey::found(parsed.partition);
            let objects = self.tokens.entry(PartitionToken { partition, token: parsed.name.token() }).or_default();
            let landed = LandingTime(last_modified);
            match parsed.name {
                DataName::File { attempt, .. } => drop(objects.files.insert(attempt, DataFile { size, landed })),
                DataName::Commit { .. } => objects.commit = Some(landed),
            }
        }
    }

    /// Returns the tokens with an object in the window. Those that have a commit come with its key, to be read by HEAD.
    pub(super) fn tokens_in(&self, prefix: &Prefix, scope: Scope) -> Vec<(PartitionToken, Option<String>)> {
        let in_scope = self.tokens.iter().filter(|(_, objects)| objects.are_in(scope));
        let with_commit_key = |(token, objects): (&PartitionToken, &TokenObjects)| {
            let name = DataName::Commit { token: token.token.as_str() };
            let key = objects.commit.map(|_| format!("{}{name}", prefix.partition_prefix(&token.partition)));
            (token.clone(), key)
        };
        in_scope.map(with_commit_key).collect()
    }

    /// Removes the objects among the refs whose names are malformed, and returns them as findings.
    pub(super) fn take_malformed(&mut self) -> impl Iterator<Item = Finding> + use<> {
        std::mem::take(&mut self.malformed).into_iter().map(|path| Finding::MalformedRef { path })
    }
}

impl TokenObjects {
    /// Returns `true` if any object belongs, or may belong, to the window.
    fn are_in(&self, scope: Scope) -> bool {
        self.refs.keys().any(|(_, micros)| scope.holds(*micros))
            || self.files.values().any(|file| scope.may_hold(file.landed))
            || self.commit.is_some_and(|landed| scope.may_hold(landed))
    }
}

impl Diagnosis {
    /// Examines the unfinished uploads below the dataset's folder of data.
    pub(super) fn add_uploads(&mut self, prefix: &Prefix, uploads: Vec<ListedUpload>, scope: Scope) {
        for ListedUpload { key, id, started } in uploads {
            let is_file = prefix.parse_data_key(&key).is_some_and(|parsed| {
                // A key of another shape belongs to a dataset that is nested in this one.
                matches!(parsed.name, DataName::File { .. }) && PartitionKey::is_well_formed(parsed.partition)
            });
            if !is_file {
                continue;
            }
            self.uploads += 1;
            if scope.is_left_behind(LandingTime(started)) {
                let started = LandingTime(started).time();
                self.findings.push(Finding::UnfinishedUpload { data_path: key, upload_id: id, started });
            }
        }
    }

    /// Examines one token. `meta` is the content of its commit, or `None` if it has no commit.
    pub(super) fn add(
        &mut self,
        bucket: &str,
        prefix: &Prefix,
        listing: &Listing,
        token: &PartitionToken,
        meta: Option<CommitMeta>,
        scope: Scope,
    ) -> Result<()> {
        let Some(objects) = listing.tokens.get(token) else { return Ok(()) };
        let PartitionToken { partition, token } = token;
        let committed = |attempt: AttemptId| meta.is_some_and(|meta| meta.attempt == attempt);
        for &(attempt, micros) in objects.refs.keys().filter(|(_, micros)| scope.holds(*micros)) {
            self.refs += 1;
            if !committed(attempt) {
                let ref_path = prefix.ref_key(micros, token, attempt, partition)?;
                self.findings.push(Finding::RefWithoutCommit { ref_path });
            }
        }
        for (&attempt, _) in objects.files.iter().filter(|(_, file)| scope.may_hold(file.landed)) {
            self.files += 1;
            if !committed(attempt) {
                let data_path = prefix.data_key(partition, token, attempt)?;
                self.findings.push(Finding::FileWithoutCommit { data_path });
            }
        }
        let landed = objects.commit.unwrap_or(LandingTime(None));
        match meta {
            Some(meta) if scope.holds(meta.ref_micros) || scope.may_hold(landed) => {
                self.commits += 1;
                match Commit::found(bucket, prefix, partition, token, &meta) {
                    Ok(commit) => self.add_commit(objects, commit, &meta, landed, scope),
                    // The metadata parse, but no write can have made them.
                    Err(error) => {
                        let path = prefix.commit_key(partition, token)?;
                        self.findings.push(Finding::Unreadable { path, error });
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_commit(
        &mut self,
        objects: &TokenObjects,
        commit: Commit,
        meta: &CommitMeta,
        landed: LandingTime,
        scope: Scope,
    ) {
        let own = objects.refs.get(&(meta.attempt, meta.ref_micros)).copied();
        let refs = objects.refs.iter().filter(|((attempt, _), _)| *attempt == meta.attempt);
        // The ref of a restamp comes after the commit. Any ref that is in time repairs the commit.
        let mut in_time = refs.map(|((_, micros), at)| scope.in_time(*micros, *at) && scope.in_time(*micros, landed));
        if !in_time.any(|in_time| in_time) {
            // Refs with a time before the window are not listed, so a missing one proves nothing.
            if own.is_none() && meta.ref_micros >= scope.since {
                self.findings.push(Finding::CommitWithoutRef { commit: commit.clone() });
            } else if own.is_some() || !scope.in_time(meta.ref_micros, landed) {
                let ref_landed = own.and_then(LandingTime::time);
                let commit_landed = landed.time();
                self.findings.push(Finding::Late { commit: commit.clone(), ref_landed, commit_landed });
            }
        }
        match objects.files.get(&meta.attempt) {
            Some(file) => self.committed_files.push(CommittedFile { size: file.size, commit }),
            None => self.findings.push(Finding::CommitWithoutFile { commit }),
        }
    }
}

#[cfg(test)]
mod tests;
