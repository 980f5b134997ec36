//! The phases of one write attempt, as types.
//!
//! Each phase can only be made from the one before, so that no caller can perform the protocol's steps out of order.

use bytes::Bytes;

use super::commit::{Commit, insertion_time};
use super::error::Unknown;
use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{AttemptId, CommitMeta, ContentDigest, PartitionKey, Prefix, Token};
use crate::ids;

/// A token in a partition: at most one commit exists for it.
#[derive(Debug, Clone)]
pub(super) struct CommitSlot {
    bucket: String,
    prefix: Prefix,
    pub(super) partition: PartitionKey,
    token: Token,
    commit_key: String,
}

impl CommitSlot {
    pub(super) fn new(dataset: &Dataset, partition: PartitionKey, token: Token) -> Result<Self> {
        let (bucket, prefix) = (dataset.bucket().to_owned(), dataset.keys().clone());
        let commit_key = prefix.commit_key(&partition, &token)?;
        Ok(Self { bucket, prefix, partition, token, commit_key })
    }

    pub(super) fn commit_key(&self) -> &str {
        &self.commit_key
    }

    /// Makes the commit that the slot's commit object describes by its metadata. `replayed`: another call made it.
    pub(super) fn commit(&self, meta: &CommitMeta, replayed: bool) -> Result<Commit> {
        let commit = Commit::found(&self.bucket, &self.prefix, &self.partition, &self.token, meta)?;
        Ok(Commit { replayed, ..commit })
    }
}

/// An attempt to write the records of one partition: validated, and nothing was sent. Step 1 of the write protocol.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) slot: CommitSlot,
    id: AttemptId,
    /// The earlier attempts of this call.
    earlier: Vec<AttemptId>,
    data_key: String,
    inserted_at: i64,
    other_records: OtherRecords,
}

/// How a write treats a commit of its token that has other records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OtherRecords {
    /// It fails.
    Refuse,
    /// It returns the commit.
    Accept,
}

impl Attempt {
    /// Validates all keys of an attempt. The ref's key is included: its length does not depend on the time in it.
    pub(super) fn new(slot: CommitSlot, id: AttemptId, inserted_at: i64, other_records: OtherRecords) -> Result<Self> {
        let data_key = slot.prefix.data_key(&slot.partition, &slot.token, id)?;
        slot.prefix.ref_key(0, &slot.token, id, &slot.partition)?;
        insertion_time(inserted_at)?;
        Ok(Self { slot, id, earlier: Vec::new(), data_key, inserted_at, other_records })
    }

    /// Returns another attempt to write the same records, with an id of its own. Without a token of the caller, its token
    /// is the new id.
    pub(super) fn renewed(&self, dataset: &Dataset, has_caller_token: bool, inserted_at: i64) -> Result<Self> {
        let id = AttemptId::from_bytes(ids::attempt(dataset.clock()));
        let slot = match has_caller_token {
            true => self.slot.clone(),
            false => CommitSlot::new(dataset, self.slot.partition.clone(), Token::of_attempt(id))?,
        };
        let earlier = self.earlier.iter().copied().chain([self.id]).collect();
        Ok(Self { earlier, ..Self::new(slot, id, inserted_at, self.other_records)? })
    }

    /// Adds attempts that were made before this one, for the same records.
    pub(super) fn after(self, earlier: &[AttemptId]) -> Self {
        Self { earlier: earlier.to_vec(), ..self }
    }

    /// Returns `true` if there was an attempt before this one.
    pub(super) fn is_repeated(&self) -> bool {
        !self.earlier.is_empty()
    }

    pub(super) fn data_key(&self) -> &str {
        &self.data_key
    }

    /// Returns `true` if this call made the attempt.
    pub(super) fn is_own(&self, id: AttemptId) -> bool {
        id == self.id || self.earlier.contains(&id)
    }

    /// Checks that a commit of the token has the records of this write, as far as its metadata show.
    ///
    /// # Errors
    /// `TokenReused` if it has others.
    pub(super) fn check_records(&self, found: &CommitMeta, records: u64, content: Option<ContentDigest>) -> Result<()> {
        if self.other_records == OtherRecords::Accept || self.is_own(found.attempt) {
            return Ok(());
        }
        let difference = if found.record_count != records {
            format!("a commit with {} records, this write has {records}", found.record_count)
        } else if self.may_compare(found, content.map(|content| content.columns)) && found.content != content {
            format!(
                "a commit with {records} other records than this write's {records}, or with their values in another order"
            )
        } else {
            return Ok(());
        };
        let CommitSlot { token, partition, .. } = &self.slot;
        Err(Error::new(
            ErrorKind::TokenReused,
            format!(
                "token {token} in partition {partition} belongs to {difference}; use another token for other records, \
                 or set accept_other_records() to get that commit"
            ),
        ))
    }

    /// Returns `true` if the records must be compared by their digests.
    pub(super) fn may_compare(&self, found: &CommitMeta, columns: Option<u64>) -> bool {
        self.other_records == OtherRecords::Refuse
            && !self.is_own(found.attempt)
            && found.content.is_some_and(|content| Some(content.columns) == columns)
    }

    /// Completes step 3 with the encoded data file.
    pub(super) fn prepared(self, file: DataFile, records: u64) -> Prepared {
        Prepared { attempt: self, file, records }
    }

    /// Completes steps 3 and 4 with a data file that was encoded while it was put, and landed with all markers.
    pub(super) fn landed_in_parts(self, file: FileInParts, records: u64) -> Landed {
        Landed { attempt: self, records, content: file.content, bytes: file.bytes }
    }

    pub(super) fn unknown(&self, cause: Error) -> Unknown {
        Unknown {
            partition: self.slot.partition.as_str().to_owned(),
            token: self.slot.token.as_str().to_owned(),
            commit_path: self.slot.commit_key.clone(),
            data_path: self.data_key.clone(),
            cause,
        }
    }
}

/// An encoded data file.
#[derive(Debug)]
pub(super) struct DataFile {
    pub(super) body: Bytes,
    /// The body's MD5 in hex.
    pub(super) md5: String,
    /// The digest of the records, if the caller gave a token.
    pub(super) content: Option<ContentDigest>,
}

/// A data file that was put while it was encoded.
#[derive(Debug)]
pub(super) struct FileInParts {
    pub(super) bytes: u64,
    /// The digest of the records, if the caller gave a token.
    pub(super) content: Option<ContentDigest>,
}

/// An attempt with its encoded data file.
#[derive(Debug)]
pub(super) struct Prepared {
    attempt: Attempt,
    file: DataFile,
    records: u64,
}

impl Prepared {
    pub(super) fn data_key(&self) -> &str {
        &self.attempt.data_key
    }

    pub(super) fn file(&self) -> &DataFile {
        &self.file
    }

    /// Completes step 4: the data file and all markers have landed.
    pub(super) fn landed(self) -> Landed {
        let bytes = self.file.body.len() as u64;
        Landed { attempt: self.attempt, records: self.records, content: self.file.content, bytes }
    }
}

/// An attempt whose data file and markers have landed. From here on a finisher runs it to its end.
#[derive(Debug)]
pub(super) struct Landed {
    attempt: Attempt,
    records: u64,
    content: Option<ContentDigest>,
    bytes: u64,
}

impl Landed {
    pub(super) fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// Returns the size of the data file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the ref's key for a time in microseconds.
    pub(super) fn ref_key(&self, micros: i64) -> Result<String> {
        let Attempt { slot, id, .. } = &self.attempt;
        slot.prefix.ref_key(micros, &slot.token, *id, &slot.partition)
    }

    /// Completes step 5: the ref with this time has landed.
    pub(super) fn referenced(self, micros: i64) -> Referenced {
        let meta = CommitMeta {
            attempt: self.attempt.id,
            ref_micros: micros,
            inserted_at_micros: self.attempt.inserted_at,
            record_count: self.records,
            content: self.content,
        };
        Referenced { attempt: self.attempt, meta }
    }
}

/// An attempt whose ref has landed: only the commit is missing.
#[derive(Debug)]
pub(super) struct Referenced {
    attempt: Attempt,
    meta: CommitMeta,
}

impl Referenced {
    pub(super) fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    pub(super) fn meta(&self) -> &CommitMeta {
        &self.meta
    }

    /// Completes step 6: the commit has landed.
    pub(super) fn committed(&self) -> Result<Commit> {
        self.attempt.slot.commit(&self.meta, false)
    }
}
