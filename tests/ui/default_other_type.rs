use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(default = 5)]
    sku: String,
}

fn main() {}
