use s3store::Record;

#[derive(Record)]
#[record(partition_by(month = format(sku, "%Y-%m")))]
struct Cost {
    day: String,
    sku: String,
}

fn main() {}
