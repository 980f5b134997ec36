//! The datasets that a process reads for others.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Region};
use lru::LruCache;
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, DatasetOptions, SchemaCheck};
use crate::error::Result;

/// A dataset in a plan: its place and its durations, but no credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct DatasetName {
    bucket: String,
    prefix: String,
    commit_timeout: Duration,
    max_clock_skew: Duration,
}

impl DatasetName {
    pub(super) fn of(dataset: &Dataset) -> Self {
        Self {
            bucket: dataset.bucket().to_owned(),
            prefix: dataset.prefix().to_owned(),
            commit_timeout: dataset.commit_timeout(),
            max_clock_skew: dataset.max_clock_skew(),
        }
    }
}

/// The most datasets whose handles are kept for later plans.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// The datasets of the plans that a process has decoded. All plans share the handle of a dataset, with its permits and its
/// cache of footers.
#[derive(Debug)]
pub(super) struct Datasets {
    client: Client,
    options: DatasetOptions,
    known: Mutex<LruCache<DatasetName, Dataset>>,
}

impl Datasets {
    pub(super) fn new(client: Client, options: DatasetOptions) -> Arc<Self> {
        // The process that planned the query has compared the schemas.
        let options = options.schema_check(SchemaCheck::Off);
        Arc::new(Self { client, options, known: Mutex::new(LruCache::new(KEPT)) })
    }

    /// Returns the datasets of a process that reads none: its plans are for others.
    pub(super) fn unread() -> Arc<Self> {
        let config = Config::builder().behavior_version(BehaviorVersion::latest()).region(Region::from_static("none"));
        Self::new(Client::from_conf(config.build()), DatasetOptions::default())
    }

    /// Returns a dataset. Sends nothing.
    pub(super) fn get(&self, name: &DatasetName) -> Result<Dataset> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dataset) = known.get(name) {
            return Ok(dataset.clone());
        }
        let DatasetName { bucket, prefix, commit_timeout, max_clock_skew } = name.clone();
        let options = self.options.clone();
        let dataset = options.attach(self.client.clone(), bucket, prefix, commit_timeout, max_clock_skew)?;
        known.put(name.clone(), dataset.clone());
        Ok(dataset)
    }
}
