//! Fields that can't mark deleted entities.

use s3store::Record;
use s3store::chrono::{DateTime, Utc};

#[derive(Record)]
#[record(partition_by(day))]
struct Types {
    #[record(entity)]
    day: String,
    #[record(version)]
    version: i64,
    #[record(deleted)]
    text: String,
    #[record(deleted)]
    twice: bool,
}

#[derive(Record)]
#[record(partition_by(day))]
struct OptionOfBool {
    #[record(entity)]
    day: String,
    #[record(version)]
    version: i64,
    #[record(deleted)]
    deleted: Option<bool>,
}

#[derive(Record)]
#[record(partition_by(day))]
struct AlwaysGiven {
    #[record(entity)]
    day: String,
    #[record(version)]
    version: i64,
    #[record(deleted)]
    deleted_at: DateTime<Utc>,
}

#[derive(Record)]
#[record(partition_by(day))]
struct AlsoVersion {
    #[record(entity)]
    day: String,
    #[record(version, deleted)]
    deleted: bool,
}

#[derive(Record)]
#[record(partition_by(day))]
struct WithoutEntity {
    day: String,
    #[record(deleted)]
    deleted: bool,
}

#[derive(Record)]
#[record(partition_by(day))]
struct Skipped {
    #[record(entity)]
    day: String,
    #[record(version)]
    version: i64,
    #[record(deleted, skip)]
    deleted: bool,
}

#[derive(Record)]
#[record(projection_of = Types)]
struct Projection {
    #[record(deleted)]
    text: String,
}

#[derive(s3store::ColumnType)]
struct Nested {
    #[column(deleted)]
    deleted: bool,
}

fn main() {}
