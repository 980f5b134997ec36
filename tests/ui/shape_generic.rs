use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost<T> {
    day: String,
    value: T,
}

fn main() {}
