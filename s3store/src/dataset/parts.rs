//! An object that is put in parts, some of them at once.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::handle::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::s3::{Upload, UploadedPart, md5_hex, task_error};

/// How many parts are in flight while the next ones are made.
pub(crate) const PARTS_IN_FLIGHT: usize = 3;

/// A part of an object that is ready to be put.
pub(crate) struct Part {
    pub(crate) body: Bytes,
    pub(crate) md5: String,
}

impl Part {
    /// Computes the MD5 of the part. Call it off the async threads.
    pub(crate) fn new(body: Bytes) -> Self {
        Self { md5: md5_hex(&body), body }
    }
}

/// Starts an upload, in a task that goes on if the future is dropped: only the response has the id, without which nobody can
/// abort it.
async fn start(dataset: &Dataset, what: &'static str, key: &str) -> Result<UploadGuard> {
    let (sender, started) = tokio::sync::oneshot::channel();
    let (owned, key, runtime) = (dataset.clone(), key.to_owned(), Handle::current());
    dataset.spawn_finisher(async move {
        let upload = owned.client().start_upload(what, &key).await;
        let guard = upload.map(|upload| UploadGuard { upload: Some(upload), dataset: owned, runtime });
        if let Err(Ok(mut unwanted)) = sender.send(guard) {
            unwanted.abort().await;
        }
    });
    started.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Cancelled, "an upload was not started")))
}

/// A multipart upload in progress. Dropping it aborts the upload.
pub(crate) struct PartsInFlight {
    /// Declared first: their tasks end before the upload is aborted.
    in_flight: VecDeque<AbortOnDropHandle<Result<UploadedPart>>>,
    landed: Vec<UploadedPart>,
    started: i32,
    bytes: u64,
    upload: UploadGuard,
}

impl PartsInFlight {
    /// Starts an upload: 1 POST. `what` names the object in errors, as in `data file`.
    pub(crate) async fn start(dataset: &Dataset, what: &'static str, key: &str) -> Result<Self> {
        let upload = start(dataset, what, key).await?;
        Ok(Self { in_flight: VecDeque::new(), landed: Vec::new(), started: 0, bytes: 0, upload })
    }

    /// Puts the next part. Returns once it is in flight with few others.
    pub(crate) async fn add(&mut self, part: Part) -> Result<()> {
        while self.in_flight.len() >= PARTS_IN_FLIGHT {
            self.land_next().await?;
        }
        self.started += 1;
        self.bytes += part.body.len() as u64;
        let (number, upload) = (self.started, self.upload.get()?.clone());
        let put = async move { upload.put_part(number, part.body, part.md5).await };
        self.in_flight.push_back(AbortOnDropHandle::new(tokio::spawn(put.in_current_span())));
        Ok(())
    }

    async fn land_next(&mut self) -> Result<()> {
        if let Some(next) = self.in_flight.front_mut() {
            let landed = next.await.unwrap_or_else(|error| Err(task_error(error)))?;
            self.in_flight.pop_front();
            self.landed.push(landed);
        }
        Ok(())
    }

    /// Puts the last part, and makes the object. Returns its size.
    pub(crate) async fn complete(mut self, last: Part) -> Result<u64> {
        self.add(last).await?;
        while !self.in_flight.is_empty() {
            self.land_next().await?;
        }
        let bytes = self.bytes;
        self.upload.get()?.complete(std::mem::take(&mut self.landed), bytes).await?;
        self.upload.upload = None;
        Ok(bytes)
    }
}

/// An upload that is aborted when it is dropped, unless it was completed.
struct UploadGuard {
    upload: Option<Upload>,
    dataset: Dataset,
    /// The runtime of the write. It may be dropped elsewhere.
    runtime: Handle,
}

impl UploadGuard {
    fn get(&self) -> Result<&Upload> {
        self.upload.as_ref().ok_or_else(|| Error::internal("an upload goes on after its end"))
    }

    async fn abort(&mut self) {
        let Some(upload) = self.upload.take() else { return };
        if let Err(error) = upload.abort().await {
            tracing::warn!(%error, "a multipart upload was not aborted: a lifecycle rule has to end it");
        }
    }
}

impl Drop for UploadGuard {
    fn drop(&mut self) {
        let Some(upload) = self.upload.take() else { return };
        let mut rest = Self { upload: Some(upload), dataset: self.dataset.clone(), runtime: self.runtime.clone() };
        let _runtime = self.runtime.enter();
        // `drain` waits for it.
        self.dataset.spawn_finisher(async move { rest.abort().await });
    }
}
