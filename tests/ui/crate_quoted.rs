use s3store::Record;

#[derive(Record)]
#[record(partition_by(day), crate = "::s3store")]
struct Cost {
    day: String,
    sku: String,
}

fn main() {}
