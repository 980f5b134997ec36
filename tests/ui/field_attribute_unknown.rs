use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(primary_key)]
    sku: String,
}

fn main() {}
