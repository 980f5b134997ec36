//! What a copy consists of.

use std::collections::BTreeMap;

use crate::dataset::Dataset;
use crate::error::Result;
use crate::format::{AttemptId, DataName, PartitionKey, Token};
use crate::pattern::{IntoPatterns as _, ListPlan};
use crate::s3::ListedObject;

/// The objects of the original.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In the order of partitions and tokens.
    pub(super) commits: Vec<PlannedCommit>,
    /// The keys of the markers.
    pub(super) markers: Vec<String>,
    pub(super) schemas: Vec<ListedObject>,
}

/// A commit, and the objects that may be its own. The commit tells which of them are.
#[derive(Debug)]
pub(super) struct PlannedCommit {
    pub(super) key: String,
    pub(super) partition: PartitionKey,
    pub(super) token: Token,
    /// The sizes of the files.
    pub(super) files: BTreeMap<AttemptId, u64>,
    /// The keys of the refs. Restamps have added to them.
    pub(super) refs: Vec<(AttemptId, String)>,
}

/// The objects of a token in a partition.
#[derive(Debug, Default)]
struct TokenObjects {
    commit_key: Option<String>,
    files: BTreeMap<AttemptId, u64>,
    refs: Vec<(AttemptId, String)>,
}

impl Plan {
    /// Lists the original.
    ///
    /// Commits come first: all else that belongs to a commit was put before it, so it is listed afterwards.
    pub(super) async fn of(source: &Dataset, patterns: Option<Vec<String>>) -> Result<Self> {
        let keys = source.keys();
        let mut tokens: BTreeMap<(PartitionKey, Token), TokenObjects> = BTreeMap::new();
        let mut pages = source.client().list(keys.data_prefix());
        while let Some(page) = pages.next().await? {
            for object in page.objects {
                let Some(parsed) = keys.parse_data_key(&object.key) else { continue };
                // Another shape has a dataset that is nested in this one.
                if !PartitionKey::is_well_formed(parsed.partition) {
                    continue;
                }
                let (partition, token) = (PartitionKey::found(parsed.partition), parsed.name.token());
                let objects = tokens.entry((partition, token)).or_default();
                match parsed.name {
                    DataName::File { attempt, .. } => drop(objects.files.insert(attempt, object.size)),
                    DataName::Commit { .. } => objects.commit_key = Some(object.key),
                }
            }
        }
        tokens.retain(|_, objects| objects.commit_key.is_some());
        select(&mut tokens, patterns)?;

        let mut pages = source.client().list(keys.ref_prefix());
        while let Some(page) = pages.next().await? {
            for object in page.objects {
                let Some(found) = keys.parse_ref_key(&object.key) else { continue };
                if let Some(objects) = tokens.get_mut(&(found.partition, found.token)) {
                    objects.refs.push((found.attempt, object.key));
                }
            }
        }
        let mut plan = Self::default();
        let mut pages = source.client().list(keys.views_prefix());
        while let Some(page) = pages.next().await? {
            plan.markers
                .extend(page.objects.into_iter().map(|object| object.key).filter(|key| keys.is_marker_key(key)));
        }
        let mut pages = source.client().list(keys.schema_prefix());
        while let Some(page) = pages.next().await? {
            plan.schemas.extend(page.objects.into_iter().filter(|object| keys.schema_number(&object.key).is_some()));
        }
        let commits = tokens.into_iter().filter_map(|((partition, token), objects)| {
            let TokenObjects { commit_key, files, refs } = objects;
            Some(PlannedCommit { key: commit_key?, partition, token, files, refs })
        });
        plan.commits = commits.collect();
        Ok(plan)
    }
}

/// Keeps the partitions that patterns select. The names of the columns are those of the first partition.
fn select(tokens: &mut BTreeMap<(PartitionKey, Token), TokenObjects>, patterns: Option<Vec<String>>) -> Result<()> {
    let (Some(patterns), Some(((first, _), _))) = (patterns, tokens.first_key_value()) else { return Ok(()) };
    let first = first.clone();
    let names: Vec<&str> = first.as_str().split('/').filter_map(|part| Some(part.split_once('=')?.0)).collect();
    let listings = ListPlan::new(patterns.into_patterns(&names)?, &names).into_listings();
    tokens.retain(|(partition, _), _| {
        listings.iter().any(|listing| listing.selects_partition(partition.as_str(), &names))
    });
    Ok(())
}
