use s3store::chrono::{DateTime, Utc};
use s3store::{Record, View};

#[derive(Record)]
#[record(partition_by(day), views(ByDay, NotAView))]
struct Cost {
    day: String,
    sku: Option<String>,
    amount: i64,
    at: DateTime<Utc>,
}

#[derive(View)]
#[view(of = Cost, name = "by_day")]
struct ByDay {
    day: String,
}

struct NotAView;

fn main() {}
