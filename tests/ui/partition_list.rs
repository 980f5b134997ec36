use s3store::Record;

#[derive(Record)]
#[record(partition_by(tags))]
struct Cost {
    day: String,
    tags: Vec<String>,
}

fn main() {}
