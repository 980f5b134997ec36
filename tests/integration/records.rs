//! The record types that the tests write and read.

use chrono::{DateTime, Utc};
use s3store::{Record, View};

/// A record without an entity key, so that a duplicate shows.
#[derive(Debug, Clone, PartialEq, Eq, Record)]
#[record(partition_by(part))]
pub struct Event {
    pub part: String,
    pub id: i64,
    #[record(inserted_at)]
    pub inserted_at: Option<DateTime<Utc>>,
}

/// The partitions of [`Event`], as a view.
#[derive(Debug, Clone, PartialEq, Eq, View)]
#[view(of = Event, name = "parts")]
pub struct Parts {
    pub part: String,
}

impl Event {
    pub fn new(part: &str, id: i64) -> Self {
        Self { part: part.to_owned(), id, inserted_at: None }
    }

    /// Records 1 to `count` in each of some partitions.
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
}
