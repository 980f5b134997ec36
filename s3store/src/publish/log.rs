//! The Delta log in the bucket: reading it, and adding versions.

use std::collections::HashSet;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::action::{self, Action, CommitInfo, DomainMetadata, FENCE, MetaData, Protocol, Txn};
use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{LogName, Offset};
use crate::ids;
use crate::metrics::Operation;
use crate::s3::{Class, IfNoneMatch, Put};

/// The size of a version whose size is not known, for the deadline of its request.
const VERSION_BYTES: u64 = 1 << 20;

/// What the versions of a log say together.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) protocol: Option<Protocol>,
    pub(super) metadata: Option<MetaData>,
    /// The encoded paths of the files.
    pub(super) paths: HashSet<String>,
    /// The place in the change stream up to which commits are published.
    pub(super) offset: Option<Offset>,
}

/// The log of a dataset, as far as it was read.
pub(super) struct Log {
    dataset: Dataset,
    pub(super) state: State,
    /// The number of the next version.
    pub(super) next: u64,
}

/// The result of a PUT of a version.
enum Added {
    Own,
    /// The version exists.
    Other,
}

impl Log {
    /// Reads the log: 1 LIST for each 1,000 versions, and 1 GET for each version.
    ///
    /// # Errors
    /// `Config` if another program keeps a log there. `InvalidData` if a version is missing or not readable.
    pub(super) async fn read(dataset: &Dataset) -> Result<Self> {
        let keys = dataset.keys();
        let mut found = Vec::new();
        let mut pages = dataset.client().list(keys.log_prefix());
        while let Some(page) = pages.next().await? {
            for object in page.objects {
                if let Some(LogName::Version(version)) = keys.log_name(&object.key) {
                    found.push((version, object));
                }
            }
        }
        found.sort_unstable_by_key(|(version, _)| *version);
        if let Some((at, _)) = (0u64..).zip(&found).find(|(at, (version, _))| at != version) {
            let key = keys.log_key(LogName::Version(at));
            return Err(Error::invalid_data(format!("read the delta log: {key} is missing, but later versions exist")));
        }
        let mut log = Self { dataset: dataset.clone(), state: State::default(), next: 0 };
        let bodies = found.into_iter().map(|(_, object)| async move {
            let body = dataset.client().get(&object.key, object.size).await?;
            let body =
                body.ok_or_else(|| Error::invalid_data(format!("read the delta log: {} vanished", object.key)))?;
            action::parse(&body).map_err(|error| error.context(&object.key))
        });
        let mut versions = stream::iter(bodies).buffered(dataset.client().permits());
        while let Some(actions) = versions.try_next().await? {
            log.apply(actions);
        }
        log.check_owner()?;
        Ok(log)
    }

    /// Reads the versions that were added since: 1 GET for each, and 1 more.
    pub(super) async fn catch_up(&mut self) -> Result<()> {
        loop {
            let key = self.dataset.keys().log_key(LogName::Version(self.next));
            let Some(body) = self.dataset.client().get(&key, VERSION_BYTES).await? else { return Ok(()) };
            self.apply(action::parse(&body).map_err(|error| error.context(&key))?);
            self.check_owner()?;
        }
    }

    fn check_owner(&self) -> Result<()> {
        match &self.state.protocol {
            Some(protocol) if !protocol.is_fenced() => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "publish: another program keeps a delta table at {}; remove its log or publish elsewhere",
                    self.dataset.keys().log_prefix()
                ),
            )),
            Some(protocol) if !protocol.is_known() => Err(Error::new(
                ErrorKind::Config,
                "publish: a newer version of the library keeps the delta table; it has features that this one does not know",
            )),
            None if self.next > 0 => Err(Error::invalid_data("read the delta log: it has no protocol")),
            _ => Ok(()),
        }
    }

    /// Adds a version with the actions that `make` returns for the state of the log, and again if another publisher was
    /// faster. Returns the number of files that it added, or `None` if there is nothing to add.
    ///
    /// Sends 1 PUT. For each version of another publisher: 1 GET and 1 PUT more. After an ambiguous answer: 1 GET.
    pub(super) async fn add(&mut self, make: impl Fn(&State) -> Result<Vec<Action>>) -> Result<Option<u64>> {
        loop {
            let mut actions = make(&self.state)?;
            if actions.is_empty() {
                return Ok(None);
            }
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
            let body = self.dataset.client().get(&key, VERSION_BYTES).await?;
            let body = body.ok_or_else(|| Error::invalid_data(format!("read the delta log: {key} vanished")))?;
            self.apply(action::parse(&body).map_err(|error| error.context(&key))?);
            self.check_owner()?;
        }
    }

    /// Puts a version unless it exists. After an ambiguous answer, the id tells whose version it is.
    async fn put(&self, key: &str, body: Bytes, id: &str) -> Result<Added> {
        let permit = self.dataset.client().permit(Operation::Put).await?;
        let Err(failure) = permit.put_if_absent(&Put::new(key, body), IfNoneMatch::Required).await else {
            return Ok(Added::Own);
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
        match self.dataset.client().get(key, VERSION_BYTES).await? {
            Some(body) => {
                let actions = action::parse(&body).map_err(|error| error.context(key))?;
                let is_own = |action: &Action| matches!(action, Action::CommitInfo(info) if info.txn_id == id);
                Ok(if actions.iter().any(is_own) { Added::Own } else { Added::Other })
            }
            None => Err(failure.into_error(format!("put {key}"))),
        }
    }

    /// Adds what a version says.
    fn apply(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Protocol(protocol) => self.state.protocol = Some(protocol),
                Action::MetaData(metadata) => self.state.metadata = Some(metadata),
                Action::Add(add) => drop(self.state.paths.insert(add.path)),
                Action::DomainMetadata(domain) if domain.domain == FENCE => {
                    self.state.offset = offset_in(&domain.configuration);
                }
                Action::DomainMetadata(_) | Action::Txn(_) | Action::CommitInfo(_) => {}
            }
        }
        self.next += 1;
    }
}

/// Returns the actions that say where the publisher is.
pub(super) fn place(offset: &Offset) -> Vec<Action> {
    let configuration = serde_json::json!({ "offset": offset.as_str() }).to_string();
    let micros = offset.as_str().rsplit('/').next().and_then(|name| name.get(..16)?.parse().ok());
    let domain = DomainMetadata { domain: FENCE.to_owned(), configuration, removed: false };
    let txn = micros.map(|version| Action::Txn(Txn { app_id: FENCE.to_owned(), version }));
    [Action::DomainMetadata(domain)].into_iter().chain(txn).collect()
}

fn offset_in(configuration: &str) -> Option<Offset> {
    let json: serde_json::Value = serde_json::from_str(configuration).ok()?;
    json.get("offset")?.as_str().map(Offset::of)
}
