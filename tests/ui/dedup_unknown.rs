use s3store::Record;

#[derive(Record)]
#[record(partition_by(day), dedup = "global")]
struct Cost {
    day: String,
    #[record(entity)]
    sku: String,
    #[record(version)]
    updated: u64,
}

fn main() {}
