use s3store::Record;

#[derive(Record)]
#[record(partition_by(day), dedup = "per_partition")]
struct Cost {
    #[record(entity)]
    day: String,
    #[record(version)]
    updated: u64,
}

fn main() {}
