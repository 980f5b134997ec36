use s3store::Record;

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
#[record(projection_of = Cost, dedup = "per_partition")]
struct Narrow {
    day: String,
}

fn main() {}
