//! Putting one marker of a view.

use super::handle::Dataset;
use crate::error::Result;
use crate::metrics::Operation;
use crate::s3::Put;

impl Dataset {
    /// Puts a marker, an empty object: 1 PUT. Both writes and backfills put markers.
    pub(crate) async fn put_marker(&self, key: &str) -> Result<()> {
        let permit = self.client().permit(Operation::Put).await?;
        let put = self.client().put(&permit, &Put::new(key, bytes::Bytes::new())).await;
        put.map_err(|failure| failure.into_error(format!("put marker {key}")))
    }
}
