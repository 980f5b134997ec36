use s3store::Record;

#[derive(Record)]
#[record(partition_by(day), dedup = "per_partition")]
struct Cost {
    day: String,
    sku: String,
}

fn main() {}
