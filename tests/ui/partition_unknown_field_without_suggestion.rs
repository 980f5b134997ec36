use s3store::Record;

#[derive(Record)]
#[record(partition_by(day, region))]
struct Cost {
    day: String,
    sku: String,
}

fn main() {}
