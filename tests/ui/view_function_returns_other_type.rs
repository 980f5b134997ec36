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
    #[view(with = month_of(day))]
    month: u8,
}

fn month_of(day: &str) -> Option<String> {
    Some(day[..7].to_owned())
}

fn main() {}
