//! Putting one marker of a view.

use super::handle::Dataset;
use crate::error::Result;
use crate::s3::Put;

impl Dataset {
    /// Puts a marker, an empty object: 1 PUT. Both writes and backfills put markers.
    pub(crate) async fn put_marker(&self, key: &str) -> Result<()> {
        self.client().put("marker", Put::new(key, bytes::Bytes::new())).await
    }
}
