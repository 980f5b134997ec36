use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(skip, alias = "item")]
    sku: String,
}

fn main() {}
