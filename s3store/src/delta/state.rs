//! The state of a Delta table, as the actions of its log give it.

use std::collections::{BTreeMap, HashSet};

use super::action::{Action, DomainMetadata, FENCE, MetaData, Protocol, Txn};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Offset;

/// The state after all versions of a log that were read.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) protocol: Option<Protocol>,
    pub(crate) metadata: Option<MetaData>,
    /// The encoded paths of the files.
    pub(crate) paths: HashSet<String>,
    /// The place in the change stream up to which commits are published.
    pub(crate) offset: Option<Offset>,
    domains: BTreeMap<String, DomainMetadata>,
    txns: BTreeMap<String, Txn>,
}

impl State {
    /// Adds what actions say.
    pub(crate) fn apply(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Protocol(protocol) => self.protocol = Some(protocol),
                Action::MetaData(metadata) => self.metadata = Some(metadata),
                Action::Add(add) => drop(self.paths.insert(add.path)),
                Action::DomainMetadata(domain) => {
                    if domain.domain == FENCE {
                        self.offset = offset_in(&domain.configuration);
                    }
                    self.domains.insert(domain.domain.clone(), domain);
                }
                Action::Txn(txn) => drop(self.txns.insert(txn.app_id.clone(), txn)),
                Action::CommitInfo(_) => {}
            }
        }
    }

    /// Returns the actions that say all but which files there are.
    pub(crate) fn head(&self) -> Vec<Action> {
        let protocol = self.protocol.iter().cloned().map(Action::Protocol);
        let metadata = self.metadata.iter().cloned().map(Action::MetaData);
        let txns = self.txns.values().cloned().map(Action::Txn);
        let domains = self.domains.values().filter(|domain| !domain.removed).cloned().map(Action::DomainMetadata);
        protocol.chain(metadata).chain(txns).chain(domains).collect()
    }

    /// Checks that a publisher keeps the table, whose log is below `folder`.
    pub(crate) fn check_owner(&self, folder: &str) -> Result<()> {
        match &self.protocol {
            Some(protocol) if !protocol.is_fenced() => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "publish: another program keeps a delta table at {folder}; remove its log or publish elsewhere"
                ),
            )),
            Some(protocol) if !protocol.is_known() => Err(Error::new(
                ErrorKind::Config,
                "publish: a newer version of the library keeps the delta table; it has features that this one does not know",
            )),
            Some(_) => Ok(()),
            None => Err(Error::invalid_data("read the delta log: it has no protocol")),
        }
    }
}

/// Returns the actions that say where the publisher is.
pub(crate) fn place(offset: &Offset) -> Vec<Action> {
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
