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
#[view(name = "by_day")]
struct ByDay {
    day: String,
}

fn main() {
    let _ = ByDay::patterns().day("2026-03-17");
    let _ = ByDay::from_tuple(&["2026-03-17"]);
}
