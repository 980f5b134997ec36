use s3store::Record;

#[derive(Record)]
#[record(partition_by(region))]
struct Cost {
    day: String,
    #[record(skip)]
    region: String,
}

fn main() {}
