use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    count: Option<isize>,
}

fn main() {}
