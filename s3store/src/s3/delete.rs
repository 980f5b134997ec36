//! DELETE: removes an object.

use super::BucketClient;
use super::failure::Failure;
use super::response::is_markup;
use crate::error::Result;
use crate::metrics::Operation;

impl BucketClient {
    /// Removes an object: 1 DELETE, which metrics count as a PUT. An object that does not exist is success.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.run(Operation::Put, async move |permit| {
            let deleted = permit.retry(Operation::Put, &key, || permit.client.delete_once(&key), |()| 0).await;
            match Failure::none_if_absent(deleted) {
                Ok(_) => Ok(()),
                Err(failure) => Err(failure.into_error(format!("delete {key}"))),
            }
        })
        .await
    }

    async fn delete_once(&self, key: &str) -> Result<(), Failure> {
        let request = self.0.client.delete_object().bucket(self.bucket()).key(key);
        let send = |config| request.customize().config_override(config).send();
        let response = self.send(self.try_deadline(), self.0.settings.client_retries, send).await?;
        let seen = response.seen;
        // S3 sends no body.
        if seen.is_web_page || is_markup(&seen.beginning) {
            return Err(seen.unlike_s3(&seen.beginning));
        }
        Ok(())
    }
}
