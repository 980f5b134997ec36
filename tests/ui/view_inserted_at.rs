use s3store::chrono::{DateTime, Utc};
use s3store::{Record, View};

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    sku: Option<String>,
    amount: i64,
    #[record(inserted_at)]
    written: DateTime<Utc>,
    at: DateTime<Utc>,
}

#[derive(View)]
#[view(of = Cost, name = "by_day")]
struct ByDay {
    written: DateTime<Utc>,
}

fn main() {}
