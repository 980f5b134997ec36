use chrono::{DateTime, Utc};
use s3store::Record;

#[derive(Record)]
#[record(partition_by(month = format(at, "%Y-%m")))]
struct Cost {
    #[record(entity)]
    sku: String,
    #[record(version)]
    at: DateTime<Utc>,
}

fn main() {}
