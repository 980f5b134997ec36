use s3store::Record;

#[derive(Record)]
#[record(partition_by(sku))]
struct Cost {
    #[record(entity = true)]
    sku: String,
    #[record(version)]
    updated: u64,
}

fn main() {}
