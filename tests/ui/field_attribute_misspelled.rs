use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(enitty)]
    sku: String,
}

fn main() {}
