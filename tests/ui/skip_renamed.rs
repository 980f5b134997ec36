use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(skip, rename = "item")]
    sku: String,
}

fn main() {}
