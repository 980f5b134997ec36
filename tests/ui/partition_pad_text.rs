use s3store::Record;

#[derive(Record)]
#[record(partition_by(sku = pad(sku, 5)))]
struct Cost {
    day: String,
    sku: String,
}

fn main() {}
