use s3store::chrono::{DateTime, Utc};
use s3store::{Record, View};

type Year = i64;

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
    #[view(from = at, format = "%Y")]
    year: Year,
}

fn main() {}
