//! The Delta log in the bucket: reading it, and adding versions.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::action::{self, Action, CommitInfo};
use super::checkpoint::{self, Checkpoint, VERSIONS_AT_ONCE};
use super::state::State;
use crate::cpu;
use crate::dataset::{Dataset, IfNoneMatchSupport};
use crate::error::{Error, ErrorKind, Result};
use crate::format::LogName;
use crate::ids;
use crate::metrics::Operation;
use crate::s3::{Class, IfNoneMatch, ListedObject, Permit, Put};

/// The size of a version whose size is not known, for the deadline of its request.
pub(crate) const VERSION_BYTES: u64 = 1 << 20;

/// The log of a dataset, as far as it was read.
pub(crate) struct Log {
    dataset: Dataset,
    pub(crate) state: State,
    /// The number of the next version.
    pub(crate) next: u64,
    /// The last checkpoint that is known.
    checkpoint: Option<Checkpoint>,
    /// The number of versions before the end of the checkpoint that the log names as its last one.
    pointed: u64,
    /// The versions of checkpoints that are not readable.
    unreadable: Vec<u64>,
    /// If true, somebody may have removed the log since this process read it.
    is_stale: bool,
}

/// The result of a PUT of a version.
enum Added {
    Own,
    /// The version exists.
    Other,
}

impl Log {
    /// Reads the log from its last checkpoint on: 1 GET, 1 LIST for each 1,000 objects, and 1 GET for each version and each part
    /// of the checkpoint.
    ///
    /// # Errors
    /// `Config` if another program keeps a log there. `InvalidData` if a version is missing or not readable.
    pub(crate) async fn read(dataset: &Dataset) -> Result<Self> {
        let mut log = Self {
            dataset: dataset.clone(),
            state: State::default(),
            next: 0,
            checkpoint: None,
            pointed: 0,
            unreadable: Vec::new(),
            is_stale: false,
        };
        let objects = log.load_checkpoint().await?;
        let version = |(name, object)| match name {
            LogName::Version(version) if version >= log.next => Some((version, object)),
            _ => None,
        };
        let mut versions: Vec<(u64, ListedObject)> = objects.into_iter().filter_map(version).collect();
        versions.sort_unstable_by_key(|(version, _)| *version);
        if let Some((at, _)) = (log.next..).zip(&versions).find(|(at, (version, _))| at != version) {
            let key = dataset.keys().log_key(LogName::Version(at));
            return Err(Error::invalid_data(format!("read the delta log: {key} is missing, but later versions exist")));
        }
        let bodies = versions.into_iter().map(|(_, object)| version_of(dataset, object.key, object.size));
        let mut bodies = stream::iter(bodies).buffered(VERSIONS_AT_ONCE);
        while let Some(actions) = bodies.try_next().await? {
            log.apply(actions);
        }
        if log.next > 0 {
            log.check_owner()?;
        }
        Ok(log)
    }

    /// Loads the newest checkpoint that is readable, and returns the objects of the log, at least those that are not in it.
    async fn load_checkpoint(&mut self) -> Result<Vec<(LogName, ListedObject)>> {
        let mut failed = None;
        loop {
            let objects = self.find_checkpoint().await?;
            let Some(checkpoint) = &self.checkpoint else {
                let has_all = objects.iter().any(|(name, _)| *name == LogName::Version(0));
                return failed.filter(|_| !has_all).map_or(Ok(objects), Err);
            };
            let mut state = State::default();
            match checkpoint.load(&self.dataset, &mut state).await {
                Ok(()) => {
                    self.next = checkpoint.versions();
                    self.state = state;
                    return Ok(objects);
                }
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    tracing::warn!(version = checkpoint.version, %error, "a checkpoint of the delta log is not readable");
                    self.unreadable.push(checkpoint.version);
                    failed.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Finds the newest checkpoint, and returns the objects of the log, at least those that are not in the checkpoint: 1 GET, and
    /// 1 LIST for each 1,000 objects.
    async fn find_checkpoint(&mut self) -> Result<Vec<(LogName, ListedObject)>> {
        let pointer = checkpoint::pointer(&self.dataset).await?;
        let mut objects = self.list(pointer.as_ref().map(|pointer| pointer.version)).await?;
        let mut complete = self.readable_checkpoints(&objects);
        if complete.is_empty() && pointer.is_some() {
            objects = self.list(None).await?;
            complete = self.readable_checkpoints(&objects);
        }
        // It may be one of which an object was removed.
        self.pointed = pointer.filter(|pointer| complete.contains(pointer)).map_or(0, |pointer| pointer.versions());
        self.checkpoint = complete.pop();
        Ok(objects)
    }

    fn readable_checkpoints(&self, objects: &[(LogName, ListedObject)]) -> Vec<Checkpoint> {
        let mut complete = Checkpoint::complete(objects);
        complete.retain(|checkpoint| !self.unreadable.contains(&checkpoint.version));
        complete
    }

    /// Lists the log, or only what is not before a version.
    async fn list(&self, from: Option<u64>) -> Result<Vec<(LogName, ListedObject)>> {
        let keys = self.dataset.keys();
        let mut pages = self.dataset.client().list(keys.log_prefix());
        if let Some(version) = from {
            pages = pages.after(keys.log_start(version));
        }
        let mut found = Vec::new();
        while let Some(page) = pages.next().await? {
            found.extend(page.objects.into_iter().filter_map(|object| Some((keys.log_name(&object.key)?, object))));
        }
        Ok(found)
    }

    /// Reads the versions that were added since: 1 GET for each, and 1 more.
    pub(crate) async fn catch_up(&mut self) -> Result<()> {
        self.is_stale = true;
        loop {
            let key = self.dataset.keys().log_key(LogName::Version(self.next));
            let Some(actions) = actions_in(&self.dataset, key, VERSION_BYTES).await? else { return Ok(()) };
            self.apply(actions);
            self.check_owner()?;
        }
    }

    /// Checks that the last version is still there: 1 HEAD. Otherwise somebody has removed the log, and a version alone would not
    /// be readable.
    async fn check_presence(&mut self) -> Result<()> {
        if let (true, Some(last)) = (self.is_stale, self.next.checked_sub(1)) {
            let key = self.dataset.keys().log_key(LogName::Version(last));
            if self.dataset.client().head(&key).await?.is_none() {
                return Err(Error::invalid_data(format!("add to the delta log: {key} vanished; was the log removed?")));
            }
            self.is_stale = false;
        }
        Ok(())
    }

    fn check_owner(&self) -> Result<()> {
        self.state.check_owner(&self.dataset.keys().log_prefix())
    }

    /// Writes a checkpoint if the log has at least this number of versions after the one that it names as its last.
    ///
    /// Sends 1 GET and 1 LIST then. If no other publisher has written one, it sends 1 GET for each part of the last checkpoint and
    /// for each version since, 1 PUT for each part, and 1 PUT for the name.
    pub(crate) async fn checkpoint_after(&mut self, versions: u64) -> Result<()> {
        if self.next.saturating_sub(self.pointed) < versions {
            return Ok(());
        }
        self.find_checkpoint().await?;
        let is_due = self.next.saturating_sub(self.pointed) >= versions;
        if let (true, Some(version)) = (is_due, self.next.checked_sub(1)) {
            let written = checkpoint::write(&self.dataset, self.checkpoint.as_ref(), version, &self.state).await;
            let folder = self.dataset.keys().log_prefix();
            let written = written.map_err(|error| error.context(format_args!("write a checkpoint below {folder}")))?;
            self.unreadable.retain(|other| *other != version);
            self.pointed = written.versions();
            self.checkpoint = Some(written);
        }
        Ok(())
    }

    /// Adds a version with the actions that `make` returns for the state of the log, and again if another publisher was
    /// faster. Returns the number of files that it added, or `None` if there is nothing to add.
    ///
    /// Sends 1 PUT, after [`catch_up`](Self::catch_up) 1 HEAD more, and the first time 1 PUT more, which the server must refuse.
    /// It sends 1 GET and 1 PUT more for each version of another publisher, and 1 GET after an answer that leaves the outcome open.
    pub(crate) async fn add(&mut self, make: impl Fn(&State) -> Result<Vec<Action>>) -> Result<Option<u64>> {
        loop {
            let mut actions = make(&self.state)?;
            if actions.is_empty() {
                return Ok(None);
            }
            self.check_presence().await?;
            let clock = self.dataset.clock();
            let id = Uuid::from_bytes(ids::attempt(clock)).to_string();
            actions.push(Action::CommitInfo(CommitInfo {
                timestamp: clock.micros() / 1_000,
                operation: "WRITE".to_owned(),
                txn_id: id.clone(),
            }));
            let key = self.dataset.keys().log_key(LogName::Version(self.next));
            let body = Bytes::from(action::render(&actions)?);
            if let Added::Own = self.put(&key, body, &id).await? {
                let files = actions.iter().filter(|action| matches!(action, Action::Add(_))).count() as u64;
                self.apply(actions);
                return Ok(Some(files));
            }
            let actions = version_of(&self.dataset, key, VERSION_BYTES).await?;
            self.apply(actions);
            self.check_owner()?;
        }
    }

    /// Puts a version unless it exists. If the answer leaves the outcome open, reads the version, whose id tells who put it.
    async fn put(&self, key: &str, body: Bytes, id: &str) -> Result<Added> {
        let permit = self.dataset.client().permit(Operation::Put).await?;
        let put = Put::new(key, body);
        let Err(failure) = permit.put_if_absent(&put, IfNoneMatch::Required).await else {
            return self.probe(&permit, &put).await.map(|()| Added::Own);
        };
        drop(permit);
        match failure.class {
            Class::Precondition if !failure.uncertain => return Ok(Added::Other),
            Class::NotImplemented => {
                let error = failure.into_error(format!("put {key}"));
                return Err(error.context("publish: the server must support If-None-Match"));
            }
            _ => {}
        }
        match actions_in(&self.dataset, key.to_owned(), VERSION_BYTES).await? {
            Some(actions) => {
                let is_own = |action: &Action| matches!(action, Action::CommitInfo(info) if info.txn_id == id);
                Ok(if actions.iter().any(is_own) { Added::Own } else { Added::Other })
            }
            None => Err(failure.into_error(format!("put {key}"))),
        }
    }

    /// Puts the version that was just put again, unless an earlier PUT of this handle has shown that the server refuses that.
    ///
    /// # Errors
    /// `Config` if the server accepts it: two publishers would overwrite each other's versions.
    async fn probe(&self, permit: &Permit, put: &Put) -> Result<()> {
        let probe = self.dataset.conditional_put();
        if probe.support() != IfNoneMatchSupport::Untested {
            return Ok(());
        }
        probe.record_second_put(permit.put_if_absent(put, IfNoneMatch::Required).await);
        if probe.support() == IfNoneMatchSupport::Ignored { Err(ignores_conditions()) } else { Ok(()) }
    }

    /// Adds what the next version says.
    fn apply(&mut self, actions: Vec<Action>) {
        self.state.apply(actions);
        self.next = self.next.saturating_add(1);
    }
}

/// Returns the actions of a version: 1 GET.
pub(crate) async fn version_of(dataset: &Dataset, key: String, size: u64) -> Result<Vec<Action>> {
    let actions = actions_in(dataset, key.clone(), size).await?;
    actions.ok_or_else(|| Error::invalid_data(format!("read the delta log: {key} vanished")))
}

/// Returns the actions of a version, or `None` if it does not exist: 1 GET.
async fn actions_in(dataset: &Dataset, key: String, size: u64) -> Result<Option<Vec<Action>>> {
    let Some(body) = dataset.client().get(&key, size).await? else { return Ok(None) };
    let parsed = cpu::run(dataset.clock(), move || action::parse(&body)).await;
    parsed.map(Some).map_err(|error| error.context(&key))
}

/// Returns the error of a server that ignores conditions.
pub(crate) fn ignores_conditions() -> Error {
    let message = "publish: the server ignores If-None-Match, so two publishers would overwrite each other's versions";
    Error::new(ErrorKind::Config, message)
}
