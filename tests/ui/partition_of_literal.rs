use s3store::Record;

#[derive(Record)]
#[record(partition_by(day = "2026"))]
struct Cost {
    day: String,
}

fn main() {}
