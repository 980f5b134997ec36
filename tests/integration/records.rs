//! Record types that several tests use.

use chrono::{DateTime, Utc};
use s3store::{Record, View};

use crate::integration::harness::draws;

/// A record without an entity key: duplicates are not removed on read.
#[derive(Debug, Clone, PartialEq, Eq, Record)]
#[record(partition_by(part))]
pub struct Event {
    pub part: String,
    pub id: i64,
    #[record(inserted_at)]
    pub inserted_at: Option<DateTime<Utc>>,
}

/// A view of the partitions of [`Event`].
#[derive(Debug, Clone, PartialEq, Eq, View)]
#[view(of = Event, name = "parts")]
pub struct Parts {
    pub part: String,
}

impl Event {
    pub fn new(part: &str, id: i64) -> Self {
        Self { part: part.to_owned(), id, inserted_at: None }
    }

    /// Returns the records 1 to `count` of each of the partitions `p00`, `p01`, ….
    pub fn in_partitions(partitions: usize, count: i64) -> Vec<Self> {
        let of = |part: usize| (1..=count).map(move |id| Self::new(&format!("p{part:02}"), id));
        (0..partitions).flat_map(of).collect()
    }

    /// Returns the records 1 to `count` of each partition.
    pub fn of(parts: &[&str], count: i64) -> Vec<Self> {
        parts.iter().flat_map(|part| (1..=count).map(|id| Self::new(part, id))).collect()
    }
}

/// A record with an entity key.
#[derive(Debug, Clone, PartialEq, Eq, Record)]
#[record(partition_by(part))]
pub struct Item {
    #[record(entity)]
    pub part: String,
    #[record(entity)]
    pub id: i64,
    #[record(version)]
    pub version: i64,
    pub note: String,
}

impl Item {
    pub fn new(part: &str, id: i64, version: i64, note: &str) -> Self {
        Self { part: part.to_owned(), id, version, note: note.to_owned() }
    }

    /// Returns the records with the first `count` ids, whose notes hardly compress.
    pub fn with_notes(part: &str, count: i64) -> Vec<Self> {
        (0..count).map(|id| Self::new(part, id, 1, &Self::note_of(id))).collect()
    }

    /// Returns the note of a record of [`with_notes`](Self::with_notes).
    pub fn note_of(id: i64) -> String {
        format!("{:016x}", id.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()))
    }
}

/// A record whose files are large, because `blob` does not compress.
#[derive(Debug, Clone, Record)]
#[record(partition_by(part))]
pub struct Wide {
    pub part: String,
    pub small: i64,
    pub blob: Vec<u8>,
}

/// A view of one small column of [`Wide`].
#[derive(Debug, PartialEq, View)]
#[view(of = Wide, name = "small")]
pub struct Small {
    pub small: i64,
}

impl Wide {
    /// Returns `count` records with blobs of this many random bytes.
    pub fn random(part: &str, count: i64, bytes: usize) -> Vec<Self> {
        let mut draw = draws(count.unsigned_abs());
        let mut blob = || (0..bytes).map(|_| draw(256).to_le_bytes()[0]).collect();
        (0..count).map(|n| Self { part: part.to_owned(), small: n % 3, blob: blob() }).collect()
    }

    /// Returns `count` records with blobs of this many bytes. `small` is 0, 1 and 2 in turn.
    pub fn of(part: &str, count: i64, bytes: u32) -> Vec<Self> {
        let blob = |n: i64| {
            let seed = u32::try_from(n).unwrap() + 1;
            (0..bytes).map(|n| (n.wrapping_mul(seed.wrapping_mul(2_654_435_761)) >> 13).to_le_bytes()[0]).collect()
        };
        (0..count).map(|n| Self { part: part.to_owned(), small: n % 3, blob: blob(n) }).collect()
    }
}
