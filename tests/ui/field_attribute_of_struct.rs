use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(partition_by)]
    sku: String,
}

fn main() {}
