use chrono::{DateTime, Utc};
use s3store::Record;

#[derive(Record)]
#[record(partition_by(month = format(written, "%Y-%m")))]
struct Cost {
    day: String,
    #[record(inserted_at)]
    written: DateTime<Utc>,
}

fn main() {}
