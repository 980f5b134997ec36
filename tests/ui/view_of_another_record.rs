use s3store::chrono::{DateTime, Utc};
use s3store::{Record, View};

#[derive(Record)]
#[record(partition_by(day), views(ByDay))]
struct Cost {
    day: String,
    sku: Option<String>,
    amount: i64,
    at: DateTime<Utc>,
}

#[derive(Record)]
#[record(partition_by(day))]
struct Sale {
    day: String,
}

#[derive(View)]
#[view(of = Sale, name = "by_day")]
struct ByDay {
    day: String,
}

fn main() {}
