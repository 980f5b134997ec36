//! Checkpoints of the Delta log in the bucket: what all versions up to one say, in few objects.
//!
//! A checkpoint is copied from the one before it and the versions since, a few thousand actions at a time. So two publishers write
//! the same rows in the same order, and memory holds one part and the paths of all files.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::checkpoint_file::{self, CheckpointReader, CheckpointWriter};
use super::log::{VERSION_BYTES, version_of};
use super::state::State;
use crate::cpu;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::format::LogName;
use crate::s3::{ListedObject, Put};

/// The files in a part. Two publishers may write parts of the same checkpoint, so this must not change as long as the number of
/// parts stays the same for some number of files.
const FILES_IN_PART: usize = 100_000;

/// The expected size of a part, for the deadline of its request.
const PART_BYTES: u64 = 32 << 20;

/// The versions that are fetched at the same time. One may have some megabytes.
pub(super) const VERSIONS_AT_ONCE: usize = 8;

/// A checkpoint that is complete.
#[derive(Debug, PartialEq)]
pub(crate) struct Checkpoint {
    /// The last version in it.
    pub(crate) version: u64,
    parts: u32,
}

/// The body of the object that names the last checkpoint.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pointer {
    version: u64,
    /// The number of actions.
    #[serde(default)]
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size_in_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    num_of_add_files: Option<u64>,
}

/// Returns the checkpoint that the log names as its last one: 1 GET. Others may have removed it.
pub(crate) async fn pointer(dataset: &Dataset) -> Result<Option<Checkpoint>> {
    let key = dataset.keys().log_key(LogName::LastCheckpoint);
    let body = dataset.client().get(&key, 0).await?;
    // It only saves requests, so one that is not readable is the same as none.
    let pointer: Option<Pointer> = body.and_then(|body| serde_json::from_slice(&body).ok());
    Ok(pointer.map(|pointer| Checkpoint { version: pointer.version, parts: pointer.parts.unwrap_or(1) }))
}

impl Checkpoint {
    /// Returns the checkpoints of which all parts are there, the newest last.
    pub(crate) fn complete(objects: &[(LogName, ListedObject)]) -> Vec<Self> {
        let mut found: BTreeMap<(u64, u32), BTreeSet<u32>> = BTreeMap::new();
        for (name, _) in objects {
            if let LogName::Checkpoint { version, part, parts } = *name {
                found.entry((version, parts)).or_default().insert(part);
            }
        }
        let complete = found.into_iter().filter(|((_, parts), there)| there.len() == *parts as usize);
        complete.map(|((version, parts), _)| Self { version, parts }).collect()
    }

    /// Returns the number of versions in it, which is the version after it.
    pub(crate) fn versions(&self) -> u64 {
        self.version.saturating_add(1)
    }

    fn keys(&self, dataset: &Dataset) -> impl Iterator<Item = String> + use<> {
        let (version, parts, keys) = (self.version, self.parts, dataset.keys().clone());
        (1..=parts).map(move |part| keys.log_key(LogName::Checkpoint { version, part, parts }))
    }

    /// Adds what it says to the state: 1 GET for each part.
    pub(crate) async fn load(&self, dataset: &Dataset, state: &mut State) -> Result<()> {
        for key in self.keys(dataset) {
            let body = part(dataset, &key).await?;
            let read = cpu::run(dataset.clock(), move || checkpoint_file::paths(body)).await;
            let (paths, others) = read.map_err(|error| error.context(&key))?;
            state.paths.extend(paths);
            state.apply(others);
        }
        Ok(())
    }
}

async fn part(dataset: &Dataset, key: &str) -> Result<Bytes> {
    let body = dataset.client().get(key, PART_BYTES).await?;
    body.ok_or_else(|| Error::invalid_data(format!("read the delta log: {key} vanished")))
}

/// Writes the checkpoint of a version, at which the log has this state. `base` is the checkpoint before it.
///
/// Sends 1 GET for each part of that and for each version since, 1 PUT for each part, and 1 PUT for the pointer.
pub(crate) async fn write(
    dataset: &Dataset,
    base: Option<&Checkpoint>,
    version: u64,
    state: &State,
) -> Result<Checkpoint> {
    let parts = state.paths.len().div_ceil(FILES_IN_PART).max(1);
    let parts = u32::try_from(parts).map_err(|_| Error::invalid_data("the delta table has too many files"))?;
    let checkpoint = Checkpoint { version, parts };
    let mut writer =
        Writer { dataset, keys: checkpoint.keys(dataset).collect(), files: 0, open: None, actions: 0, bytes: 0 };
    writer.keys.reverse();
    writer.write(state.head()).await?;
    let mut seen = HashSet::with_capacity(state.paths.len());
    for key in base.into_iter().flat_map(|base| base.keys(dataset)) {
        let body = part(dataset, &key).await?;
        let mut reader = cpu::run(dataset.clock(), move || CheckpointReader::open(body)).await?;
        loop {
            let read = cpu::run(dataset.clock(), move || Ok((reader.next()?, reader))).await;
            let (actions, rest) = read.map_err(|error| error.context(&key))?;
            let Some(actions) = actions else { break };
            reader = rest;
            writer.write(files(actions, state, &mut seen)).await?;
        }
    }
    let bodies = (base.map_or(0, Checkpoint::versions)..=version)
        .map(|version| version_of(dataset, dataset.keys().log_key(LogName::Version(version)), VERSION_BYTES));
    let mut bodies = stream::iter(bodies).buffered(VERSIONS_AT_ONCE);
    while let Some(actions) = bodies.try_next().await? {
        writer.write(files(actions, state, &mut seen)).await?;
    }
    drop(bodies);
    if seen.len() != state.paths.len() {
        return Err(Error::invalid_data(format!(
            "the delta log had {} files, and has {} when it is read again",
            state.paths.len(),
            seen.len()
        )));
    }
    writer.put().await?;
    let pointer = Pointer {
        version,
        size: writer.actions,
        parts: (parts > 1).then_some(parts),
        size_in_bytes: Some(writer.bytes),
        num_of_add_files: Some(seen.len() as u64),
    };
    let body = serde_json::to_vec(&pointer).map_err(Error::internal)?;
    let key = dataset.keys().log_key(LogName::LastCheckpoint);
    dataset.client().put("the pointer to the checkpoint", Put::new(key, Bytes::from(body))).await?;
    Ok(checkpoint)
}

/// Returns the files among actions that were not seen before, in the form that checkpoints have.
fn files(actions: Vec<Action>, state: &State, seen: &mut HashSet<String>) -> Vec<Action> {
    let file = |action| match action {
        Action::Add(mut add) if state.paths.contains(&add.path) && seen.insert(add.path.clone()) => {
            add.data_change = false;
            Some(Action::Add(add))
        }
        _ => None,
    };
    actions.into_iter().filter_map(file).collect()
}

/// The parts of a checkpoint that is being written.
struct Writer<'a> {
    dataset: &'a Dataset,
    /// The keys of the parts that are not put, the last one first.
    keys: Vec<String>,
    /// The part that is being written, and the files in it.
    open: Option<CheckpointWriter>,
    files: usize,
    actions: u64,
    bytes: u64,
}

impl Writer<'_> {
    /// Adds actions. Puts each part that is full.
    async fn write(&mut self, mut actions: Vec<Action>) -> Result<()> {
        while !actions.is_empty() {
            let room = FILES_IN_PART.saturating_sub(self.files);
            if room == 0 {
                self.put().await?;
                continue;
            }
            let rest = actions.split_off(room.min(actions.len()));
            let is_file = |action: &&Action| matches!(action, Action::Add(_));
            self.files = self.files.saturating_add(actions.iter().filter(is_file).count());
            self.actions = self.actions.saturating_add(actions.len() as u64);
            let open = self.open.take();
            let written = cpu::run(self.dataset.clock(), move || {
                let mut part = open.map_or_else(CheckpointWriter::new, Ok)?;
                part.write(&actions)?;
                Ok(part)
            });
            self.open = Some(written.await?);
            actions = rest;
        }
        Ok(())
    }

    /// Puts the part that is being written.
    async fn put(&mut self) -> Result<()> {
        let Some((part, key)) = self.open.take().zip(self.keys.pop()) else {
            return Err(Error::internal("a checkpoint has more parts than keys"));
        };
        let body = cpu::run(self.dataset.clock(), move || part.finish()).await?;
        self.bytes = self.bytes.saturating_add(body.len() as u64);
        self.files = 0;
        self.dataset.client().put("a part of the checkpoint", Put::new(key, body)).await
    }
}
