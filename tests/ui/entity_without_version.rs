use s3store::Record;

#[derive(Record)]
#[record(partition_by(sku))]
struct Cost {
    #[record(entity)]
    sku: String,
}

fn main() {}
