use chrono::{DateTime, Utc};
use s3store::Record;

#[derive(Record)]
#[record(partition_by(day), dedup = "per_partition")]
struct Cost {
    day: String,
    #[record(entity, inserted_at)]
    written: DateTime<Utc>,
    #[record(version)]
    updated: u64,
}

fn main() {}
