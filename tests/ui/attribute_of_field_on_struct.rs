use s3store::Record;

#[derive(Record)]
#[record(partition_by(day), entity)]
struct Cost {
    day: String,
    sku: String,
}

fn main() {}
