//! The write of a case, and its outcome for each partition.

use s3store::write::{StampedCommit, Unknown};
use s3store::{Commit, Dataset, WriteError};

use super::shape::{Late, Shape, Way};
use crate::integration::harness::at;
use crate::integration::records::{Event, Parts};

pub(super) const TOKEN: &str = "job-1";

/// The insertion times of the three writes, which identify their attempts.
pub(super) const FIRST_TIME: i64 = 1_000_001;
pub(super) const RETRY_TIME: i64 = 2_000_002;
pub(super) const LAST_TIME: i64 = 3_000_003;

/// The outcome of a write for one partition.
#[derive(Debug)]
pub(super) enum Outcome {
    Committed(Commit),
    Late(Commit),
    /// Committed late, with an additional ref that is in time.
    Restamped(StampedCommit),
    /// Committed in time, or restamped: readers of the stream receive it at its offset or at that of a later ref.
    Delivered(Commit),
    NotCommitted,
    Unknown(Unknown),
    /// No result, because the caller was gone.
    Dropped,
}

impl Outcome {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Committed(_) => "committed",
            Self::Late(_) => "late",
            Self::Restamped(_) => "restamped",
            Self::Delivered(_) => "delivered",
            Self::NotCommitted => "not committed",
            Self::Unknown(_) => "unknown",
            Self::Dropped => "dropped",
        }
    }

    pub(super) fn commit(&self) -> Option<&Commit> {
        match self {
            Self::Committed(commit) | Self::Late(commit) | Self::Delivered(commit) => Some(commit),
            Self::Restamped(stamped) => Some(&stamped.commit),
            Self::NotCommitted | Self::Unknown(_) | Self::Dropped => None,
        }
    }

    /// The partition, for the outcomes that name one.
    fn partition(&self) -> Option<&str> {
        match self {
            Self::Unknown(unknown) => Some(&unknown.partition),
            outcome => outcome.commit().map(|commit| commit.partition.as_str()),
        }
    }
}

/// The size of parts, of which each file has two or three.
const PART_BYTES: usize = 300;

/// The records of a partition: `1..=RECORDS`.
pub(super) const RECORDS: i64 = 2;

/// Writes all records of a shape. Returns the outcome for each partition.
pub(super) async fn write(dataset: Dataset, shape: Shape, token: bool, inserted_at: i64) -> Vec<(String, Outcome)> {
    let records = Event::of(shape.names(), RECORDS);
    let mut store = dataset.store::<Event>();
    if shape.views {
        store = store.add_view::<Parts>().unwrap();
    }
    if let Way::Streaming | Way::InParts = shape.way {
        let writer = store.writer().inserted_at(at(inserted_at));
        let writer = if token { writer.token(TOKEN) } else { writer };
        let writer = if shape.way == Way::InParts { writer.part_bytes(PART_BYTES) } else { writer };
        let mut writer = writer.start().unwrap();
        writer.write_all(records).await.unwrap();
        let result = writer.flush().await.map(|commits| commits.into_iter().map(Outcome::Delivered).collect());
        return of_partitions(shape, result.unwrap_or_else(|error| failed(error, Outcome::Delivered)));
    }
    let write = store.write(&records).token_opt(token.then_some(TOKEN)).inserted_at(at(inserted_at));
    let write = if shape.way == Way::Usual { write } else { write.optimistic_commit() };
    let each = |commits: Vec<Commit>, outcome: fn(Commit) -> Outcome| -> Vec<Outcome> {
        commits.into_iter().map(outcome).collect()
    };
    let result = match shape.late {
        Late::Report => write.report_late().await.map(|commits| each(commits, Outcome::Committed)),
        Late::Restamp => write.await.map(|commits| each(commits, Outcome::Delivered)),
        Late::ReturnStamped => write.restamp_late(3).await.map(|commits| commits.into_iter().map(stamped).collect()),
    };
    let in_error = if shape.late == Late::Report { Outcome::Committed } else { Outcome::Delivered };
    of_partitions(shape, result.unwrap_or_else(|error| failed(error, in_error)))
}

/// Returns the outcome of each partition.
fn of_partitions(shape: Shape, mut outcomes: Vec<Outcome>) -> Vec<(String, Outcome)> {
    let of = |partition: String| {
        let found = outcomes.extract_if(.., |outcome| outcome.partition() == Some(&partition)).next();
        (partition, found.unwrap_or(Outcome::NotCommitted))
    };
    shape.partition_keys().map(of).collect()
}

fn stamped(stamped: StampedCommit) -> Outcome {
    if stamped.stream_offset == stamped.commit.offset {
        Outcome::Committed(stamped.commit)
    } else {
        Outcome::Restamped(stamped)
    }
}

fn failed(error: WriteError, in_time: fn(Commit) -> Outcome) -> Vec<Outcome> {
    let WriteError { committed, late, unknown, .. } = error;
    let outcomes = committed.into_iter().map(in_time).chain(late.into_iter().map(Outcome::Late));
    outcomes.chain(unknown.into_iter().map(Outcome::Unknown)).collect()
}
