//! The records of one partition, as a write sees them.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use super::attempt::{Attempt, Landed};
use super::group::Rows;
use super::markers::{PartitionMarkers, marker_keys};
use super::{encode, protocol};
use crate::codec::Encoder;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::format::ContentDigest;
use crate::record::{RootRecord, ViewWriter};

/// The records of one partition of a write.
pub(super) trait Source: Send + Sync {
    fn record_count(&self) -> u64;

    /// Returns the keys of the views' markers.
    fn marker_keys(&self, dataset: &Dataset) -> impl Future<Output = Result<BTreeSet<String>>> + Send;

    /// Checks that all records fit their columns.
    fn validate(&self, file: &FileOptions) -> impl Future<Output = Result<()>> + Send;

    /// Returns the digest of the data file.
    fn digest(&self, file: &FileOptions) -> impl Future<Output = Result<ContentDigest>> + Send;

    /// Encodes the records, and puts the data file and the markers. Steps 3 and 4 of the write protocol.
    fn land(
        &self,
        attempt: Attempt,
        file: &FileOptions,
        with_digest: bool,
        markers: &PartitionMarkers,
    ) -> impl Future<Output = Result<Landed>> + Send;
}

/// The settings of all data files of a write.
pub(super) struct FileOptions {
    pub(super) dataset: Dataset,
    pub(super) encoder: Arc<Encoder>,
    /// The insertion time of the records, in microseconds.
    pub(super) inserted_at: i64,
}

/// Records that the caller has in memory.
pub(super) struct Records<'a, T> {
    pub(super) rows: Rows<'a, T>,
    pub(super) views: Arc<[ViewWriter<T>]>,
}

impl<T: RootRecord> Source for Records<'_, T> {
    fn record_count(&self) -> u64 {
        self.rows.len() as u64
    }

    async fn marker_keys(&self, dataset: &Dataset) -> Result<BTreeSet<String>> {
        marker_keys(dataset.keys(), &self.views, &self.rows).await
    }

    async fn validate(&self, file: &FileOptions) -> Result<()> {
        encode::validate(&self.rows, file.inserted_at, file.dataset.clock()).await
    }

    async fn digest(&self, file: &FileOptions) -> Result<ContentDigest> {
        encode::digest(&self.rows, &file.encoder, file.dataset.clock()).await
    }

    async fn land(
        &self,
        attempt: Attempt,
        file: &FileOptions,
        with_digest: bool,
        markers: &PartitionMarkers,
    ) -> Result<Landed> {
        let clock = file.dataset.clock();
        let encoded = encode::encode(&self.rows, file.inserted_at, &file.encoder, with_digest, clock).await?;
        protocol::land(&file.dataset, attempt.prepared(encoded, self.record_count()), markers).await
    }
}
