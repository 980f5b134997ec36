use chrono::NaiveDateTime;
use s3store::Record;

type Time = NaiveDateTime;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(inserted_at)]
    written: Time,
}

fn main() {}
