use s3store::Record;
use std::collections::HashMap;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    by_id: HashMap<u64, String>,
}

fn main() {}
