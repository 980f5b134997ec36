use chrono::{DateTime, Utc};
use s3store::Record;

#[derive(Record)]
#[record(partition_by(month = format(calculated, "%Y-%m")))]
struct Cost {
    day: String,
    calculated_at: DateTime<Utc>,
}

fn main() {}
