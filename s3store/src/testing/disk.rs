//! The folder of a server that keeps its objects: one file for each object.
//!
//! A file has the length of its header, the header as JSON, and the body. Its name is the SHA-256 of the key, because
//! keys may be longer than names of files, and one may begin with another. It is written under another name first and
//! then renamed, so a file under its final name is complete, even if the process was killed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::DateTime;
use s3s::dto::{Checksum, ChecksumType};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::object::{Object, StoredObject, hex};

/// The start of the name of a file that is being written.
const UNFINISHED: &str = "unfinished-";

/// The folder of a bucket.
#[derive(Debug)]
pub(super) struct BucketFolder(PathBuf);

impl BucketFolder {
    /// Makes the folder if it does not exist.
    pub(super) fn new(root: &Path, bucket: &str) -> io::Result<Self> {
        let path = root.join(bucket);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Reads all objects. Removes files that were not finished.
    pub(super) fn load(&self) -> io::Result<BTreeMap<String, StoredObject>> {
        let mut objects = BTreeMap::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let is_unfinished = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED));
            if is_unfinished {
                fs::remove_file(&path)?;
                continue;
            }
            let bytes = Bytes::from(fs::read(&path)?);
            let damaged = || io::Error::other(format!("{} is not the file of an object", path.display()));
            let (key, object) = parse(&bytes).ok_or_else(damaged)?;
            objects.insert(key, object);
        }
        Ok(objects)
    }

    /// Writes an object, in place of an earlier one.
    pub(super) fn write(&self, key: &str, stored: &StoredObject) -> io::Result<()> {
        let name = file_name(key);
        let unfinished = self.0.join(format!("{UNFINISHED}{name}"));
        let header = header(key, stored).to_string();
        let mut file = File::create(&unfinished)?;
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        file.write_all(&stored.object.body)?;
        drop(file);
        fs::rename(unfinished, self.0.join(name))
    }

    /// Removes an object if it exists.
    pub(super) fn remove(&self, key: &str) -> io::Result<()> {
        match fs::remove_file(self.0.join(file_name(key))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn file_name(key: &str) -> String {
    hex(&Sha256::digest(key))
}

fn header(key: &str, stored: &StoredObject) -> Value {
    let StoredObject { object, checksum, .. } = stored;
    json!({
        "key": key,
        "bytes": object.body.len(),
        "metadata": object.metadata,
        "content_type": object.content_type,
        "content_encoding": object.content_encoding,
        "etag": object.etag,
        "last_modified": object.last_modified.timestamp(),
        "crc32": checksum.checksum_crc32,
        "crc32c": checksum.checksum_crc32c,
        "crc64nvme": checksum.checksum_crc64nvme,
        "sha1": checksum.checksum_sha1,
        "sha256": checksum.checksum_sha256,
        "checksum_type": checksum.checksum_type.as_ref().map(ChecksumType::as_str),
    })
}

/// Parses a file. Returns `None` if it is damaged.
fn parse(bytes: &Bytes) -> Option<(String, StoredObject)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (header, body) = rest.split_at_checked(length)?;
    let header: Value = serde_json::from_slice(header).ok()?;
    let text = |name: &str| Some(header.get(name)?.as_str()?.to_owned());
    if header.get("bytes")?.as_u64()? != body.len() as u64 {
        return None;
    }
    let last_modified = DateTime::from_timestamp(header.get("last_modified")?.as_i64()?, 0)?;
    let metadata = header.get("metadata")?.as_object()?.iter();
    let object = Object {
        metadata: metadata.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
        content_type: text("content_type"),
        content_encoding: text("content_encoding"),
        etag: text("etag")?,
        body: bytes.slice_ref(body),
        last_modified,
    };
    let checksum = Checksum {
        checksum_crc32: text("crc32"),
        checksum_crc32c: text("crc32c"),
        checksum_crc64nvme: text("crc64nvme"),
        checksum_sha1: text("sha1"),
        checksum_sha256: text("sha256"),
        checksum_type: text("checksum_type").map(ChecksumType::from),
    };
    Some((text("key")?, StoredObject::new(object, checksum, None)))
}
