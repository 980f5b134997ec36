use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(rename = "day")]
    sku: String,
}

fn main() {}
