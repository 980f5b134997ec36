use s3store::chrono::{DateTime, Utc};
use s3store::{ColumnType, Record, View};

#[derive(Default, ColumnType)]
struct Nested {
    text: String,
}

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    sku: Option<String>,
    amount: i64,
    nested: Nested,
    at: DateTime<Utc>,
}

#[derive(View)]
#[view(of = Cost, name = "by_day")]
struct ByDay {
    nested: Nested,
}

fn main() {}
