//! Moving and comparing single objects.

use std::collections::HashMap;

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Present;
use crate::cpu;
use crate::dataset::{Dataset, PARTS_IN_FLIGHT, Part, PartsInFlight};
use crate::error::{Error, ErrorKind, Result};
use crate::format::CommitMeta;
use crate::s3::{ListedObject, Put};

/// The size of a part. A file that is not larger is copied as a whole.
const PART_BYTES: u64 = 16 << 20;

/// The most parts of an object. S3 takes 10,000.
const PARTS: u64 = 9_000;

/// The memory for files in flight, in KiB.
const MEMORY_KIB: u32 = 256 << 10;

/// A way from one dataset to another.
pub(super) struct Transfer {
    pub(super) source: Dataset,
    target: Dataset,
    is_dry: bool,
    memory: Semaphore,
}

type Metadata = HashMap<String, String>;

impl Transfer {
    pub(super) fn new(source: Dataset, target: Dataset, is_dry: bool) -> Self {
        Self { source, target, is_dry, memory: Semaphore::new(MEMORY_KIB as usize) }
    }

    /// Returns the key of the same object at the destination.
    pub(super) fn moved(&self, key: &str) -> Result<String> {
        self.source.keys().moved(key, self.target.keys())
    }

    /// Reads a commit of the original: 1 HEAD.
    pub(super) async fn commit(&self, key: &str) -> Result<(CommitMeta, Metadata)> {
        let head = self.source.client().head(key).await?.ok_or_else(|| vanished(key))?;
        let meta = CommitMeta::from_metadata(&head.metadata).map_err(|error| error.context(key))?;
        Ok((meta, head.metadata))
    }

    /// Returns the size of an object of the original: 1 HEAD.
    pub(super) async fn size_of(&self, key: &str) -> Result<u64> {
        let head = self.source.client().head(key).await?.ok_or_else(|| vanished(key))?;
        head.size.ok_or_else(|| Error::invalid_data(format!("copy {key}: the server does not report its size")))
    }

    /// Puts a schema unless the destination has the same. Returns its key and size there.
    pub(super) async fn schema(&self, object: &ListedObject, present: &Present) -> Result<(String, u64)> {
        let key = self.moved(&object.key)?;
        let body = self.source.client().get(&object.key, object.size).await?.ok_or_else(|| vanished(&object.key))?;
        let size = body.len() as u64;
        let exists = match present.contains_key(&key) {
            false if self.is_dry => false,
            false => !self.target.client().put_if_absent(Put::new(&key, body.clone())).await?,
            true => true,
        };
        if exists {
            let found = self.target.client().get(&key, size).await?.ok_or_else(|| vanished(&key))?;
            if found != body {
                return Err(differs(&key, "it is another schema"));
            }
        }
        Ok((key, size))
    }

    /// Puts an empty object unless the destination has it. Returns its key there.
    pub(super) async fn empty(&self, what: &'static str, key: String, present: &Present) -> Result<String> {
        let key = self.moved(&key)?;
        match present.get(&key) {
            Some(0) => {}
            Some(bytes) => return Err(differs(&key, &format!("it has {bytes} bytes, the original none"))),
            None if self.is_dry => {}
            None => self.target.client().put(what, Put::new(&key, Bytes::new())).await?,
        }
        Ok(key)
    }

    /// Puts a commit, and compares what is there afterwards.
    ///
    /// If another copy was faster, its commit is the same. Any other one came from a writer with the same token.
    pub(super) async fn put_commit(&self, key: &str, metadata: Metadata) -> Result<()> {
        if self.is_dry {
            return Ok(());
        }
        let mut put = Put::new(key, Bytes::new());
        put.metadata = metadata.iter().map(|(name, value)| (name.clone().into(), value.clone())).collect();
        self.target.client().put_if_absent(put).await?;
        self.compare_commit(key, &metadata).await
    }

    /// Compares the metadata of a commit at the destination: 1 HEAD.
    pub(super) async fn compare_commit(&self, key: &str, expected: &Metadata) -> Result<()> {
        let head = self.target.client().head(key).await?.ok_or_else(|| vanished(key))?;
        match head.metadata == *expected {
            true => Ok(()),
            false => Err(differs(key, "it is another commit of the same token")),
        }
    }

    /// Copies a file, in parts if it is large.
    pub(super) async fn file(&self, from: &str, to: &str, size: u64) -> Result<()> {
        if self.is_dry {
            return Ok(());
        }
        let part_bytes = PART_BYTES.max(size.div_ceil(PARTS));
        if size <= part_bytes {
            let _memory = self.reserve(size).await?;
            let body = self.source.client().get(from, size).await?.ok_or_else(|| vanished(from))?;
            check_size(from, &body, size)?;
            let Part { body, md5 } = cpu::run(self.source.clock(), move || Ok(Part::new(body))).await?;
            return self.target.client().put("data file", Put::with_md5(to, body, md5)).await;
        }
        let _memory = self.reserve(part_bytes.saturating_mul(PARTS_IN_FLIGHT as u64 + 1)).await?;
        let mut parts = PartsInFlight::start(&self.target, "data file", to).await?;
        let mut begin = 0;
        loop {
            let end = (begin + part_bytes).min(size);
            let body = self.range(&self.source, from, begin, end).await?;
            let part = cpu::run(self.source.clock(), move || Ok(Part::new(body))).await?;
            if end == size {
                return parts.complete(part).await.map(drop);
            }
            parts.add(part).await?;
            begin = end;
        }
    }

    /// Compares a file of the destination with the original of the same size: 2 HEAD.
    ///
    /// Reads both if their `ETag`s are not the same MD5. If a commit names the file, the copy that put the commit has
    /// done so, and `ETag`s that are no MD5s, as those of large files, are not looked into again.
    pub(super) async fn compare_file(&self, from: &str, to: &str, size: u64, is_committed: bool) -> Result<()> {
        let original = self.source.client().head(from).await?.ok_or_else(|| vanished(from))?;
        let found = self.target.client().head(to).await?.ok_or_else(|| vanished(to))?;
        match (original.md5, found.md5) {
            (Some(original), Some(found)) if original == found => return Ok(()),
            // They may not be MD5s of the bodies, although they look like it.
            (Some(_), Some(_)) => {}
            _ if is_committed => return Ok(()),
            _ => {}
        }
        let mut begin = 0;
        while begin < size {
            let end = (begin + PART_BYTES).min(size);
            let _memory = self.reserve(2 * (end - begin)).await?;
            let original = self.range(&self.source, from, begin, end).await?;
            if original != self.range(&self.target, to, begin, end).await? {
                return Err(differs(to, &format!("the bytes {begin} to {end} are others")));
            }
            begin = end;
        }
        Ok(())
    }

    async fn range(&self, dataset: &Dataset, key: &str, begin: u64, end: u64) -> Result<Bytes> {
        let body = dataset.client().get_range(key, begin..end).await?.ok_or_else(|| vanished(key))?;
        check_size(key, &body, end - begin)?;
        Ok(body)
    }

    /// Waits for the memory that bodies will take.
    async fn reserve(&self, bytes: u64) -> Result<SemaphorePermit<'_>> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(MEMORY_KIB);
        self.memory.acquire_many(kib).await.map_err(|_| Error::internal("the memory of a copy was closed"))
    }
}

fn check_size(key: &str, body: &Bytes, size: u64) -> Result<()> {
    if body.len() as u64 == size {
        return Ok(());
    }
    let text = format!("copy {key}: {} of {size} bytes were read: the object was replaced; copy again", body.len());
    Err(Error::new(ErrorKind::Vanished, text))
}

fn vanished(key: &str) -> Error {
    Error::new(ErrorKind::Vanished, format!("copy {key}: the object does not exist, or was deleted meanwhile"))
}

/// Returns the error that an object of the destination is not the original's.
pub(super) fn differs(key: &str, how: &str) -> Error {
    Error::invalid_data(format!(
        "copy {key}: the destination has another object under this key: {how}; use another prefix"
    ))
}
