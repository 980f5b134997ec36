use s3store::chrono::{DateTime, Utc};
use s3store::{Record, View};

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    sku: Option<String>,
    amount: i64,
    at: DateTime<Utc>,
}

#[derive(View)]
#[view(of = Cost, name = "by_day")]
struct ByDay {
    #[view(with = bytes_of(day))]
    bytes: Vec<u8>,
}

fn bytes_of(day: &str) -> Option<Vec<u8>> {
    Some(day.into())
}

fn main() {}
