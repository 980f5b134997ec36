use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(alias = "sku")]
    sku: String,
}

fn main() {}
