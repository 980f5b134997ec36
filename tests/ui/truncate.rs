use s3store::Record;
use s3store::chrono::{DateTime, Utc};

#[derive(Debug, Clone, Record)]
#[record(partition_by(day))]
struct Cost {
    #[record(entity)]
    day: String,
    #[record(entity, truncate)]
    sku: String,
    #[record(version, exact, truncate)]
    rev: DateTime<Utc>,
    #[record(truncate)]
    at: DateTime<Utc>,
    #[record(inserted_at, truncate)]
    inserted_at: DateTime<Utc>,
}

fn main() {}
