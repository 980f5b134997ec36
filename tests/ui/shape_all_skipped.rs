use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    #[record(skip)]
    day: String,
}

fn main() {}
