use s3store::chrono::{DateTime, Utc};
use s3store::{Record, View};

type Amount = f64;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    sku: Option<String>,
    amount: Amount,
    at: DateTime<Utc>,
}

#[derive(View)]
#[view(of = Cost, name = "by_day")]
struct ByDay {
    amount: Amount,
}

fn main() {}
