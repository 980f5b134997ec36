use s3store::Record;

use s3store::RootRecord;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    #[record(entity)]
    day: String,
    #[record(version)]
    updated: u64,
    #[record(rename = "item")]
    sku: Option<String>,
}

#[derive(Record)]
#[record(projection_of = Cost)]
struct Narrow {
    day: String,
}

fn write<T: RootRecord>(_records: &[T]) {}

fn main() {
    write(&[Narrow { day: String::new() }]);
}
