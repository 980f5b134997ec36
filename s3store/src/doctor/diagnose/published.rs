//! The comparison of the Delta log with the committed files.

use std::collections::BTreeMap;

use super::{Diagnosis, Listing, PartitionToken};
use crate::delta::State;
use crate::doctor::report::Finding;
use crate::format::{AttemptId, DataName, PartitionKey, Prefix};
use crate::write::Commit;

/// The attempt of each examined commit. `None` for a token without one.
pub(in crate::doctor) type Attempts = BTreeMap<PartitionToken, Option<AttemptId>>;

impl Diagnosis {
    /// Compares the files in the log with those listed, and the commits of the window with the log. The log was read before the
    /// listing, so all of its files should be there.
    pub(in crate::doctor) fn add_log(&mut self, prefix: &Prefix, listing: &Listing, attempts: &Attempts, log: &State) {
        let mut paths: Vec<_> = log.paths.iter().collect();
        paths.sort_unstable();
        for path in paths {
            let data_path = prefix.of_log_path(path).unwrap_or_else(|| path.clone());
            self.findings.extend(listing.check_published(prefix, attempts, data_path));
        }
        let Some(place) = log.offset.as_ref().and_then(|place| place.instant()) else { return };
        let place = place.timestamp_micros();
        // A ref from before the window is not listed.
        let own = |commit: &Commit| commit.offset.instant().map(|instant| instant.timestamp_micros());
        let is_due = |commit: &&Commit| {
            let last = listing.last_ref(prefix, commit).max(own(commit));
            last.is_some_and(|micros| micros < place)
        };
        let is_missing =
            |commit: &&Commit| prefix.log_path(&commit.data_path).is_some_and(|path| !log.paths.contains(&path));
        let commits = self.committed_files.iter().map(|file| &file.commit);
        let missing: Vec<_> = commits.filter(is_due).filter(is_missing).cloned().collect();
        self.findings.extend(missing.into_iter().map(|commit| Finding::Unpublished { commit }));
    }
}

impl Listing {
    /// Checks that a file in the log is committed, as far as the listing and the examined commits show.
    fn check_published(&self, prefix: &Prefix, attempts: &Attempts, data_path: String) -> Option<Finding> {
        let Some((token, attempt)) = file_of(prefix, &data_path) else {
            return Some(Finding::PublishedWithoutCommit { data_path });
        };
        let objects = self.tokens.get(&token);
        if !objects.is_some_and(|objects| objects.files.contains_key(&attempt)) {
            return Some(Finding::PublishedWithoutFile { data_path });
        }
        let is_committed = objects.is_some_and(|objects| objects.commit.is_some())
            && attempts.get(&token).is_none_or(|committed| *committed == Some(attempt));
        (!is_committed).then_some(Finding::PublishedWithoutCommit { data_path })
    }

    /// Returns the time in the name of the last ref of a commit, in microseconds.
    fn last_ref(&self, prefix: &Prefix, commit: &Commit) -> Option<i64> {
        let (token, attempt) = file_of(prefix, &commit.data_path)?;
        let refs = self.tokens.get(&token)?.refs.keys();
        refs.filter(|(of, _)| *of == attempt).map(|(_, micros)| *micros).max()
    }
}

/// Returns the token and the attempt of a data file. `None` for the key of another object.
fn file_of(prefix: &Prefix, key: &str) -> Option<(PartitionToken, AttemptId)> {
    let parsed = prefix.parse_data_key(key)?;
    let DataName::File { attempt, .. } = parsed.name else { return None };
    Some((PartitionToken { partition: PartitionKey::found(parsed.partition), token: parsed.name.token() }, attempt))
}
