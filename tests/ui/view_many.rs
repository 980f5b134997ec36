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

#[derive(View)]
#[view(of = Cost, nam = "by_day", name = "by/day")]
struct ByDay {
    day: String,
    #[view(from = day, rename = "day")]
    again: String,
    #[view(rename = "a=b", formt = "%Y")]
    sku: String,
    #[view(from = at, format = "%Q")]
    month: String,
    #[view(with = month_of(), from = at)]
    other: String,
    #[view(with = day_of(at), from = at)]
    last: String,
}

fn main() {
    let _ = ByDay::patterns().day("2026-03-17").month("2026-03").last(5);
}
