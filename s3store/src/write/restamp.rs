//! A fresh ref for a commit that readers of the stream may have passed.

use super::judge;
use super::outcome::{Commit, CommitError};
use super::protocol::{self, Outcome};
use crate::dataset::{Dataset, Store};
use crate::error::{Error, Result};
use crate::format::{DataName, Offset, Prefix, RefName};
use crate::record::RootRecord;

impl<T: RootRecord> Store<T> {
    /// Puts one more ref for a commit, with the present time, so that readers of the change stream come past it again.
    ///
    /// For commits that were reported [late](CommitError::Late). The data file and the commit stay as they are, and so
    /// does the earlier ref: a reader may see the records twice, which an entity key collapses. Returns the commit with
    /// the new ref's offset. Repeat it with the same commit until it is in time.
    ///
    /// The ref's PUT runs to its end even if the caller stops waiting.
    ///
    /// # Errors
    /// - [`CommitError::NotCommitted`]: no new ref is known to be there. The commit is not of this dataset, or S3 failed; in
    ///   that case a ref may still land, which does no harm.
    /// - [`CommitError::Late`]: the new ref is there, but late itself. Restamp again.
    ///
    /// # Requests
    /// 1 PUT.
    pub async fn restamp(&self, commit: &Commit) -> Result<Commit, CommitError> {
        let name = check(self.dataset().keys(), commit)?;
        let task = self.dataset().tails().spawn(run(self.dataset().clone(), commit.clone(), name));
        let outcome = task.await.map_err(|stopped| {
            Error::new(crate::ErrorKind::Cancelled, "the runtime shut down before the ref was put").with_source(stopped)
        })?;
        outcome?.into_result()
    }
}

/// That a commit is of this dataset, and its parts agree.
fn check(prefix: &Prefix, commit: &Commit) -> Result<RefName> {
    let foreign = |path: &str| {
        Error::invalid_input(format!("{path} is no path of a commit of the dataset under {:?}", prefix.as_str()))
    };
    let name = prefix.parse_ref_key(&commit.ref_path).ok_or_else(|| foreign(&commit.ref_path))?;
    let data = prefix.parse_data_key(&commit.data_path).ok_or_else(|| foreign(&commit.data_path))?;
    let same = data.partition == name.partition.as_str()
        && data.name == DataName::File { token: name.token.as_str(), attempt: name.attempt };
    if same { Ok(name) } else { Err(foreign(&commit.ref_path)) }
}

async fn run(dataset: Dataset, commit: Commit, name: RefName) -> Result<Outcome> {
    let permit = dataset.requests().permit().await?;
    dataset.check_clock()?;
    let started = dataset.clock().monotonic();
    let micros = dataset.clock().micros();
    let key = dataset.keys().ref_key(micros, &name.token, name.attempt, &name.partition)?;
    protocol::put_ref(&dataset, &permit, &key).await?;
    let elapsed = dataset.clock().monotonic().saturating_duration_since(started);
    let late = judge::is_late(micros, dataset.clock().micros(), elapsed, dataset.commit_timeout());
    Ok(Outcome { commit: Commit { offset: Offset::of(key.clone()), ref_path: key, ..commit }, late })
}
