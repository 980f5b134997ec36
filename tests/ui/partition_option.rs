use s3store::Record;

#[derive(Record)]
#[record(partition_by(region))]
struct Cost {
    day: String,
    region: Option<String>,
}

fn main() {}
