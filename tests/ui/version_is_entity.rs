use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    #[record(entity)]
    day: String,
    #[record(entity, version)]
    updated: u64,
}

fn main() {}
