use chrono::NaiveDate;
use s3store::Record;

#[derive(Record)]
#[record(partition_by(hour = format(on, "%Y-%m-%dT%H")))]
struct Cost {
    day: String,
    on: NaiveDate,
}

fn main() {}
