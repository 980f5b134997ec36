use chrono::{DateTime, Utc};
use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(inserted_at)]
    first: DateTime<Utc>,
    #[record(inserted_at)]
    second: DateTime<Utc>,
}

fn main() {}
