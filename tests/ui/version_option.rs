use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    #[record(entity)]
    day: String,
    #[record(version)]
    updated: Option<u64>,
}

fn main() {}
