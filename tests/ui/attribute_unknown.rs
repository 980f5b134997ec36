use s3store::Record;

#[derive(Record)]
#[record(partition_by(day), table = "costs")]
struct Cost {
    day: String,
    sku: String,
}

fn main() {}
