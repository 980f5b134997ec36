use chrono::NaiveDate;
use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(exact)]
    on: NaiveDate,
}

fn main() {}
