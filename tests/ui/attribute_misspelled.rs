use s3store::Record;

#[derive(Record)]
#[record(partitoin_by(day))]
struct Cost {
    day: String,
    sku: String,
}

fn main() {}
