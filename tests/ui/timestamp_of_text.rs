use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(timestamp = "ms")]
    at: String,
}

fn main() {}
