use s3store::Record;

type Price = f64;

#[derive(Record)]
#[record(partition_by(day), dedup = "per_partition")]
struct Cost {
    day: String,
    #[record(entity)]
    price: Price,
    #[record(version)]
    updated: u64,
}

fn main() {}
