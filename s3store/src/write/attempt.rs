//! The phases of one write attempt, as types. Each can only be made from the one before, so the protocol's order can't
//! be got wrong by whoever performs it.

use bytes::Bytes;

use super::outcome::{Commit, Unknown, time};
use crate::error::{Error, Result};
use crate::format::{AttemptId, CommitMeta, PartitionKey, Prefix, Token};

/// Where the records of one partition go, validated; nothing was sent. Step 1 of the write protocol.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) place: Place,
    id: AttemptId,
    data_key: String,
    inserted_at: i64,
}

/// A token in a partition: what has at most one commit.
#[derive(Debug, Clone)]
pub(super) struct Place {
    prefix: Prefix,
    partition: PartitionKey,
    token: Token,
    commit_key: String,
}

impl Place {
    pub(super) fn new(prefix: &Prefix, partition: PartitionKey, token: Token) -> Result<Self> {
        let commit_key = prefix.commit_key(&partition, &token)?;
        Ok(Self { prefix: prefix.clone(), partition, token, commit_key })
    }

    pub(super) fn commit_key(&self) -> &str {
        &self.commit_key
    }

    /// The commit that metadata found under the commit's key tell of.
    pub(super) fn commit(&self, meta: &CommitMeta) -> Result<Commit> {
        Commit::found(&self.prefix, &self.partition, &self.token, meta)
    }
}

impl Attempt {
    /// Validates the keys of an attempt, the ref's among them: its length does not depend on the time.
    pub(super) fn new(place: Place, id: AttemptId, inserted_at: i64) -> Result<Self> {
        let data_key = place.prefix.data_key(&place.partition, &place.token, id)?;
        place.prefix.ref_key(0, &place.token, id, &place.partition)?;
        time(inserted_at)?;
        Ok(Self { place, id, data_key, inserted_at })
    }

    /// Step 3: with the file that holds its records.
    pub(super) fn prepared(self, file: DataFile, rows: u64) -> Prepared {
        Prepared { attempt: self, file, rows }
    }

    pub(super) fn unknown(&self, cause: Error) -> Unknown {
        Unknown {
            partition: self.place.partition.as_str().to_owned(),
            token: self.place.token.as_str().to_owned(),
            commit_path: self.place.commit_key.clone(),
            data_path: self.data_key.clone(),
            cause,
        }
    }
}

/// An encoded data file, and its MD5 in hex.
#[derive(Debug)]
pub(super) struct DataFile {
    pub(super) body: Bytes,
    pub(super) md5: String,
}

/// An attempt with its encoded file.
#[derive(Debug)]
pub(super) struct Prepared {
    attempt: Attempt,
    file: DataFile,
    rows: u64,
}

impl Prepared {
    pub(super) fn data_key(&self) -> &str {
        &self.attempt.data_key
    }

    pub(super) fn file(&self) -> &DataFile {
        &self.file
    }

    /// Step 4 is done: everything that a visible record needs has landed, but the ref and the commit.
    pub(super) fn landed(self) -> Landed {
        let bytes = self.file.body.len() as u64;
        Landed { attempt: self.attempt, rows: self.rows, bytes }
    }
}

/// An attempt whose data has landed: the point from which a write runs to its end.
#[derive(Debug)]
pub(super) struct Landed {
    attempt: Attempt,
    rows: u64,
    bytes: u64,
}

impl Landed {
    pub(super) fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// The size of the data file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The ref's key, for the clock's microseconds.
    pub(super) fn ref_key(&self, micros: i64) -> Result<String> {
        let Attempt { place, id, .. } = &self.attempt;
        place.prefix.ref_key(micros, &place.token, *id, &place.partition)
    }

    /// Step 5 is done.
    pub(super) fn referenced(self, micros: i64) -> Referenced {
        let meta = CommitMeta {
            attempt: self.attempt.id,
            ref_micros: micros,
            inserted_at_micros: self.attempt.inserted_at,
            record_count: self.rows,
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

    /// Step 6 is done.
    pub(super) fn committed(&self) -> Result<Commit> {
        self.attempt.place.commit(&self.meta)
    }
}
