use chrono::{DateTime, Utc};
use s3store::Record;

#[derive(Record)]
#[record(partition_by(month = format(at, "%Y/%m")))]
struct Cost {
    day: String,
    at: DateTime<Utc>,
}

fn main() {}
