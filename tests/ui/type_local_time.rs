use chrono::{DateTime, Local};
use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    at: DateTime<Local>,
}

fn main() {}
