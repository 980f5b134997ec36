use s3store::Record;

#[derive(Record)]
#[record(partition_by("odd-day"))]
struct Cost {
    day: String,
}

fn main() {}
