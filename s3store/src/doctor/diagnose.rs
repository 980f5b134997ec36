//! What lies in the bucket, by token, and what is wrong with it. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::report::Finding;
use crate::error::Result;
use crate::format::{AttemptId, CommitMeta, DataName, PartitionKey, Prefix, RefName, Token};
use crate::s3::ListedObject;
use crate::write::Commit;

/// S3 tells times in whole seconds: an object landed within this, in microseconds, from what it says.
const SECOND: i64 = 1_000_000;

/// What is examined, in microseconds, and what counts as late.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    pub(super) since: i64,
    pub(super) until: i64,
    pub(super) commit_timeout: i64,
}

impl Scope {
    fn holds(&self, micros: i64) -> bool {
        (self.since..self.until).contains(&micros)
    }

    /// Whether an object may have landed in the window; one whose time is not told may.
    fn may_hold(&self, landed: Landed) -> bool {
        landed.0.is_none_or(|second| second < self.until && second.saturating_add(SECOND) > self.since)
    }

    /// Whether an object landed within the budget of its ref for sure; one whose time is not told is taken to.
    fn in_time(&self, stamped: i64, landed: Landed) -> bool {
        landed.0.is_none_or(|second| second.saturating_add(SECOND - 1).saturating_sub(stamped) <= self.commit_timeout)
    }
}

/// When an object landed, by S3's clock: the microseconds of a whole second, if S3 tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Landed(Option<i64>);

impl Landed {
    fn time(self) -> Option<DateTime<Utc>> {
        self.0.and_then(DateTime::from_timestamp_micros)
    }
}

/// A token in a partition: what has at most one commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    partition: PartitionKey,
    token: Token,
}

/// What lies there.
#[derive(Debug, Default)]
struct Write {
    files: BTreeMap<AttemptId, File>,
    commit: Option<Landed>,
    /// By attempt and microseconds.
    refs: BTreeMap<(AttemptId, i64), Landed>,
}

#[derive(Debug)]
struct File {
    size: u64,
    landed: Landed,
}

/// All that was listed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    writes: BTreeMap<Place, Write>,
    malformed: Vec<String>,
}

/// A data file whose footer tells how many rows it has.
#[derive(Debug)]
pub(super) struct Footer {
    pub(super) commit: Commit,
    pub(super) size: u64,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Diagnosis {
    pub(super) findings: Vec<Finding>,
    pub(super) footers: Vec<Footer>,
    pub(super) refs: u64,
    pub(super) commits: u64,
    pub(super) files: u64,
}

impl Seen {
    pub(super) fn add_refs(&mut self, prefix: &Prefix, objects: Vec<ListedObject>) {
        for object in objects.into_iter().filter(|object| !object.is_placeholder()) {
            let ListedObject { key, last_modified, .. } = object;
            match prefix.parse_ref_key(&key) {
                Some(RefName { micros, token, attempt, partition }) => {
                    let write = self.writes.entry(Place { partition, token }).or_default();
                    write.refs.insert((attempt, micros), Landed(last_modified));
                }
                None => self.malformed.push(key),
            }
        }
    }

    pub(super) fn add_data(&mut self, prefix: &Prefix, objects: Vec<ListedObject>) {
        for ListedObject { key, size, last_modified } in objects {
            let Some(parsed) = prefix.parse_data_key(&key) else { continue };
            // The key belongs to a dataset that is nested in this one.
            if !PartitionKey::is_well_formed(parsed.partition) {
                continue;
            }
            let place = Place { partition: PartitionKey::found(parsed.partition), token: parsed.name.token() };
            let write = self.writes.entry(place).or_default();
            let landed = Landed(last_modified);
            match parsed.name {
                DataName::File { attempt, .. } => drop(write.files.insert(attempt, File { size, landed })),
                DataName::Commit { .. } => write.commit = Some(landed),
            }
        }
    }

    /// The tokens that something of the window belongs to, with their commits' keys where there are any.
    pub(super) fn questions(&self, prefix: &Prefix, scope: Scope) -> Vec<(Place, Option<String>)> {
        let concerned = self.writes.iter().filter(|(_, write)| write.concerns(scope));
        let question = |(place, write): (&Place, &Write)| {
            let name = DataName::Commit { token: place.token.as_str() };
            let key = write.commit.map(|_| format!("{}{name}", prefix.partition_prefix(&place.partition)));
            (place.clone(), key)
        };
        concerned.map(question).collect()
    }

    /// The objects among the refs that are none.
    pub(super) fn malformed(&mut self) -> impl Iterator<Item = Finding> + use<> {
        std::mem::take(&mut self.malformed).into_iter().map(|path| Finding::MalformedRef { path })
    }
}

impl Write {
    fn concerns(&self, scope: Scope) -> bool {
        self.refs.keys().any(|(_, micros)| scope.holds(*micros))
            || self.files.values().any(|file| scope.may_hold(file.landed))
            || self.commit.is_some_and(|landed| scope.may_hold(landed))
    }
}

impl Diagnosis {
    /// Looks at one token, whose commit says `meta`.
    pub(super) fn add(
        &mut self,
        bucket: &str,
        prefix: &Prefix,
        seen: &Seen,
        place: &Place,
        meta: Option<CommitMeta>,
        scope: Scope,
    ) -> Result<()> {
        let Some(write) = seen.writes.get(place) else { return Ok(()) };
        let Place { partition, token } = place;
        let committed = |attempt: AttemptId| meta.is_some_and(|meta| meta.attempt == attempt);
        for &(attempt, micros) in write.refs.keys().filter(|(_, micros)| scope.holds(*micros)) {
            self.refs += 1;
            if !committed(attempt) {
                let ref_path = prefix.ref_key(micros, token, attempt, partition)?;
                self.findings.push(Finding::RefWithoutCommit { ref_path });
            }
        }
        for (&attempt, _) in write.files.iter().filter(|(_, file)| scope.may_hold(file.landed)) {
            self.files += 1;
            if !committed(attempt) {
                let data_path = prefix.data_key(partition, token, attempt)?;
                self.findings.push(Finding::FileWithoutCommit { data_path });
            }
        }
        let landed = write.commit.unwrap_or(Landed(None));
        match meta {
            Some(meta) if scope.holds(meta.ref_micros) || scope.may_hold(landed) => {
                self.commits += 1;
                match Commit::found(bucket, prefix, partition, token, &meta) {
                    Ok(commit) => self.of_commit(write, commit, &meta, landed, scope),
                    // Its metadata parse, but no write can have made them.
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

    fn of_commit(&mut self, write: &Write, commit: Commit, meta: &CommitMeta, landed: Landed, scope: Scope) {
        let own = write.refs.get(&(meta.attempt, meta.ref_micros)).copied();
        let refs = write.refs.iter().filter(|((attempt, _), _)| *attempt == meta.attempt);
        // A restamp's ref comes after the commit, and counts like the first.
        let mut in_time = refs.map(|((_, micros), at)| scope.in_time(*micros, *at) && scope.in_time(*micros, landed));
        if !in_time.any(|in_time| in_time) {
            // What was stamped before the window is not listed.
            if own.is_none() && meta.ref_micros >= scope.since {
                self.findings.push(Finding::CommitWithoutRef { commit: commit.clone() });
            } else if own.is_some() || !scope.in_time(meta.ref_micros, landed) {
                let ref_landed = own.and_then(Landed::time);
                let commit_landed = landed.time();
                self.findings.push(Finding::Late { commit: commit.clone(), ref_landed, commit_landed });
            }
        }
        match write.files.get(&meta.attempt) {
            Some(file) => self.footers.push(Footer { size: file.size, commit }),
            None => self.findings.push(Finding::CommitWithoutFile { commit }),
        }
    }
}

#[cfg(test)]
mod tests;
